"""The look-ahead proof over stored data: which rows are tried, and what came of it.

What belongs here: choosing rows of a window and telling the result, for the check, a run's metadata and the report. What does
not: the proof of one row (look_ahead.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from crypto_assets.datasets.features.derived_checks import sampled
from crypto_assets.datasets.features.ml_features.declaration import Feature
from crypto_assets.datasets.features.ml_features.look_ahead import features_in, find_leaks, read_world
from crypto_assets.datasets.features.ml_features.run import read_again
from crypto_assets.datasets.features.source import Source
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import Look
from crypto_assets.quality.findings import Finding
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import reading

TRIED_ROWS = 4  # of each sampled series: each takes a whole recomputation without its future


def no_look_ahead(features: Sequence[Feature]) -> Look:
    """Rows of a few series, computed from what was known at their decision alone, equal those computed with everything."""

    def look(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
        findings = []
        with reading(warehouse) as reader:
            source = Source(reader).by_rules_of(universe)
            for key, peers, block in sampled(source, universe, window):
                world = read_world(source, key, peers, block, universe.features.reference)
                rows = features_in(world, block, features)
                tried = np.unique(np.linspace(0, len(rows.opened_at) - 1, TRIED_ROWS).astype(int)).tolist()
                leaks = find_leaks(world, block, features, rows, tried, partial(read_again, source, key))
                named = ", ".join(dict.fromkeys(leak.column for leak in leaks))
                series = (key.venue, key.symbol, key.timeframe)
                findings.append(Finding(*series, len(tried) * len(features), len(leaks), named))
        return findings

    return look


def told(findings: Sequence[Finding]) -> str:
    """The result in a sentence."""
    leaks, tried = sum(one.failed for one in findings), sum(one.checked for one in findings)
    named = f": {', '.join(dict.fromkeys(one.example for one in findings if one.example))}" if leaks else ""
    return f"{leaks} of {tried:,} values in {len(findings)} series changed when the future was taken away{named}"
