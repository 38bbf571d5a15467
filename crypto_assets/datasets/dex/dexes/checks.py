"""The checks of dex/dexes.

What belongs here: names, severities and the reasons of what blocks. What does not: how shared rules are looked at (quality,
pool_checks.py) and bounds (the universe).
"""

from __future__ import annotations

from dagster import AssetCheckSeverity
from sqlalchemy import or_

from crypto_assets.datasets.dex.dexes.table import DATASET, dexes
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import Rule, key_is_unique, make_check, rows_keep
from crypto_assets.quality.completeness import rows_are_accepted
from crypto_assets.quality.coverage import TICK
from crypto_assets.quality.findings import Dimension, Finding, Grid
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse

from crypto_assets.datasets.dex.dexes.asset import read_known  # isort: skip

_C = dexes.c


def _followed_are_listed(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
    """Every DEX that the universe follows on the network stands in GeckoTerminal's list."""
    known = read_known(warehouse, window.venue)
    if not known or window.venue not in universe.dex.networks:
        return []
    findings = []
    for name in universe.dex.networks[window.venue].dexes:
        dex = known.get(name)
        told = (
            "never listed" if dex is None else f"vanished {dex.vanished_at:%Y-%m-%d %H:%M}" if dex.vanished_at else ""
        )
        findings.append(Finding(window.venue, name, TICK, 1, int(bool(told)), told))
    return findings


RULES = (
    Rule(
        "key_is_unique",
        "One row for each network and DEX.",
        Dimension.ACCURACY,
        key_is_unique(dexes, "dex"),
        blocking=True,
    ),
    Rule(
        "names_are_told",
        "Every DEX has a name.",
        Dimension.ACCURACY,
        rows_keep(dexes, or_(_C.name == "", _C.dex == "")),
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "vanished_after_seen",
        "No DEX vanished before it was first seen.",
        Dimension.ACCURACY,
        rows_keep(dexes, _C.vanished_at < _C.first_seen_at),
    ),
    Rule(
        "rows_are_accepted",
        "No row of the last day had to be refused.",
        Dimension.ACCURACY,
        rows_are_accepted(dexes, DATASET),
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "followed_are_listed",
        "Every DEX of the universe stands in GeckoTerminal's list of its network: one that does not brings no pools.",
        Dimension.COMPLETENESS,
        _followed_are_listed,
        severity=AssetCheckSeverity.WARN,
    ),
)

CHECKS = [make_check(DATASET, rule, Grid.NETWORK_DAYS) for rule in RULES]
