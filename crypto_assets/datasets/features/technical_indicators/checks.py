"""The checks of features/technical_indicators, one line each.

What belongs here: names, severities and the reasons of what blocks. What does not: how a rule is looked at
(datasets/features/derived_checks.py, quality/checks.py) and bounds (the indicators' declarations).
"""

from __future__ import annotations

from collections.abc import Sequence

from dagster import AssetCheckSeverity

from crypto_assets.datasets.features.blocks import Block
from crypto_assets.datasets.features.derive import Rows, Task
from crypto_assets.datasets.features.derived_checks import (
    coverage_above_bound,
    every_bar_has_its_row,
    sample_equals_recomputed,
    values_in_range,
    warm_up_is_null,
)
from crypto_assets.datasets.features.source import Source
from crypto_assets.datasets.features.technical_indicators.asset import build_rows
from crypto_assets.datasets.features.technical_indicators.table import DATASET, technical_indicators
from crypto_assets.indicators.catalog import GROUPS, INDICATORS
from crypto_assets.indicators.declaration import Kind
from crypto_assets.quality.checks import Rule, key_is_unique, make_check
from crypto_assets.quality.coverage import SeriesKey
from crypto_assets.quality.findings import Dimension
from crypto_assets.universe import Universe

_NAMES = tuple(INDICATORS)
_BOUNDS = {one.name: (one.least, one.most) for one in INDICATORS.values()}
# Sums go on behind outages, so their age is another one; their warm-up is 0.
_WARM_UPS = {one.name: one.warm_up for one in INDICATORS.values() if one.kind in {Kind.WINDOW, Kind.RECURSIVE}}


def _again(source: Source, key: SeriesKey, _peers: Sequence[SeriesKey], block: Block, _universe: Universe) -> Rows:
    return build_rows(source, Task(key, (block,)), GROUPS)


# Blocking: what would make features wrong. The rest leaves them usable, so it only tells.
RULES = (
    Rule(
        "key_is_unique",
        "One row for each venue, symbol, timeframe and opening time.",
        Dimension.ACCURACY,
        key_is_unique(technical_indicators),
        blocking=True,
    ),
    Rule(
        "values_in_range",
        "No value lies outside of what its definition allows: RSI in 0..100, volatility not below 0, and so on.",
        Dimension.ACCURACY,
        values_in_range(technical_indicators, _BOUNDS),
        blocking=True,
    ),
    Rule(
        "warm_up_is_null",
        "Where a series begins, and begins anew behind a hole, a column is null until its warm-up is over.",
        Dimension.ACCURACY,
        warm_up_is_null(technical_indicators, _WARM_UPS),
        blocking=True,
    ),
    Rule(
        "sample_equals_recomputed",
        "The newest 1,000 rows of a few series, computed again from the bars as they are now, equal the stored ones exactly."
        " If not, bars have changed since: materialize the month again.",
        Dimension.ACCURACY,
        sample_equals_recomputed(technical_indicators, _NAMES, _again),
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "every_bar_has_its_row",
        "Each stored bar of the derived timeframes has a row.",
        Dimension.COMPLETENESS,
        every_bar_has_its_row(technical_indicators),
    ),
    Rule(
        "coverage_above_bound",
        "Past the warm-up of a series' first bar, every column holds a value in min_coverage of the rows.",
        Dimension.COMPLETENESS,
        coverage_above_bound(technical_indicators, _NAMES, max(one.warm_up for one in INDICATORS.values())),
        severity=AssetCheckSeverity.WARN,
    ),
)

CHECKS = [make_check(DATASET, rule) for rule in RULES]
