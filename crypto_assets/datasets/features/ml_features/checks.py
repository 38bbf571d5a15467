"""The checks of features/ml_features, one line each.

What belongs here: names, severities and the reasons of what blocks. What does not: how a rule is looked at
(datasets/features/derived_checks.py, proof.py) and bounds (the features' declarations).
"""

from __future__ import annotations

from collections.abc import Sequence

from dagster import AssetCheckSeverity

from crypto_assets.datasets.features.blocks import Block
from crypto_assets.datasets.features.derive import Rows
from crypto_assets.datasets.features.derived_checks import (
    coverage_above_bound,
    every_bar_has_its_row,
    sample_equals_recomputed,
    values_in_range,
    warm_up_is_null,
)
from crypto_assets.datasets.features.ml_features.catalog import FEATURES
from crypto_assets.datasets.features.ml_features.look_ahead import features_in, read_world
from crypto_assets.datasets.features.ml_features.proof import no_look_ahead
from crypto_assets.datasets.features.ml_features.table import DATASET, ml_features
from crypto_assets.datasets.features.source import Source
from crypto_assets.quality.checks import Rule, key_is_unique, make_check
from crypto_assets.quality.coverage import SeriesKey
from crypto_assets.quality.findings import Dimension
from crypto_assets.universe import Universe

_NAMES = tuple(FEATURES)
_BOUNDS = {one.name: (one.least, one.most) for one in FEATURES.values()}
_WARM_UPS = {one.name: max(0, one.horizon - 1) for one in FEATURES.values() if one.horizon and not one.optional}
_SLOWEST = max(one.horizon + one.scaling.warm_up for one in FEATURES.values())


def _again(source: Source, key: SeriesKey, peers: Sequence[SeriesKey], block: Block, universe: Universe) -> Rows:
    world = read_world(source.by_rules_of(universe), key, peers, block, universe.features.reference)
    return features_in(world, block, tuple(FEATURES.values()))


# Blocking: what would make a model's inputs wrong. The rest leaves them usable, so it only tells.
RULES = (
    Rule(
        "key_is_unique",
        "One row for each venue, symbol, timeframe and opening time.",
        Dimension.ACCURACY,
        key_is_unique(ml_features),
        blocking=True,
    ),
    Rule(
        "no_look_ahead",
        "Rows of a few series, computed from what was known at their decision alone, equal those computed with everything.",
        Dimension.ACCURACY,
        no_look_ahead(tuple(FEATURES.values())),
        blocking=True,
    ),
    Rule(
        "values_in_range",
        "No value lies outside of what its declaration allows: shares in 0..1, ranks in 0..1, and so on.",
        Dimension.ACCURACY,
        values_in_range(ml_features, _BOUNDS),
        blocking=True,
    ),
    Rule(
        "warm_up_is_null",
        "Where a series begins, and begins anew behind a hole, a column is null until it has its bars to look back on.",
        Dimension.ACCURACY,
        warm_up_is_null(ml_features, _WARM_UPS),
        blocking=True,
    ),
    Rule(
        "sample_equals_recomputed",
        "The newest 1,000 rows of a few series, computed again from the bars as they are now, equal the stored ones exactly."
        " If not, bars have changed since: materialize the month again.",
        Dimension.ACCURACY,
        sample_equals_recomputed(ml_features, _NAMES, _again),
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "every_bar_has_its_row",
        "Each stored bar of the derived timeframes has a row.",
        Dimension.COMPLETENESS,
        every_bar_has_its_row(ml_features),
    ),
    Rule(
        "coverage_above_bound",
        "Past the warm-up of a series' first bar, every column that any market can have holds a value in min_coverage of rows.",
        Dimension.COMPLETENESS,
        coverage_above_bound(ml_features, [one.name for one in FEATURES.values() if not one.optional], _SLOWEST),
        severity=AssetCheckSeverity.WARN,
    ),
)

CHECKS = [make_check(DATASET, rule) for rule in RULES]
