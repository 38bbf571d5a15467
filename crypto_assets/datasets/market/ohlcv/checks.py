"""The checks of market/ohlcv, one line each.

What belongs here: names, severities and the reasons of what blocks. What does not: how a rule is looked at
(quality/checks.py) and bounds (the universe).
"""

from __future__ import annotations

from dagster import AssetCheckSeverity
from sqlalchemy import func, or_

from crypto_assets.datasets.market.instruments.table import ended_symbols
from crypto_assets.datasets.market.ohlcv.table import DATASET, ohlcv
from crypto_assets.quality.checks import (
    Rule,
    bars_on_grid,
    jump_within_bound,
    key_is_unique,
    make_check,
    newest_row_is_recent,
    rows_keep,
)
from crypto_assets.quality.completeness import (
    few_anomalies,
    gaps_are_explained,
    rows_are_accepted,
    score_near_its_history,
    severity_by_share,
)
from crypto_assets.quality.findings import Dimension

_C = ohlcv.c
_ORDER_BROKEN = or_(
    _C.high < func.greatest(_C.open, _C.close, _C.low), _C.low > func.least(_C.open, _C.close), _C.low <= 0
)

# Blocking: what would make every number derived from bars wrong. The rest leaves bars usable, so it only tells.
RULES = (
    Rule(
        "key_is_unique",
        "One bar for each venue, symbol, timeframe and opening time.",
        Dimension.ACCURACY,
        key_is_unique(ohlcv),
        blocking=True,
    ),
    Rule(
        "prices_in_order",
        "Low ≤ open, close ≤ high, and all are positive.",
        Dimension.ACCURACY,
        rows_keep(ohlcv, _ORDER_BROKEN),
        blocking=True,
    ),
    Rule(
        "volume_not_negative",
        "Volumes and trade counts are zero or more.",
        Dimension.ACCURACY,
        rows_keep(ohlcv, or_(_C.volume_base < 0, _C.volume_quote < 0, _C.trade_count < 0)),
        blocking=True,
    ),
    Rule(
        "no_bar_from_the_future",
        "Every bar had closed before it was stored.",
        Dimension.ACCURACY,
        rows_keep(ohlcv, _C.known_at > _C.ingested_at + func.make_interval(0, 0, 0, 0, 0, 1)),
        blocking=True,
    ),
    Rule(
        "bars_on_grid",
        "A bar opens at a whole multiple of its length, in UTC.",
        Dimension.ACCURACY,
        bars_on_grid(ohlcv),
        blocking=True,
    ),
    Rule(
        "jump_within_bound",
        "No move between adjacent bars beyond max_jump_pct of the universe: wider is a wrong price or a reused symbol.",
        Dimension.ACCURACY,
        jump_within_bound(ohlcv),
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "few_anomalies",
        "Of each series' newest bars, no more than max_anomalous_share stand out by return or volume (robust z-score).",
        Dimension.ACCURACY,
        few_anomalies(ohlcv),
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "rows_are_accepted",
        "No row of the last day had to be refused; those in quality.quarantine count against the stored ones.",
        Dimension.ACCURACY,
        rows_are_accepted(ohlcv, DATASET),
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "gaps_are_explained",
        "Each opening time collected holds a bar, or the ledger says why not. Missing bars warn; where a series holds less"
        " than min_completeness of the universe, they fail. `crypto-assets gaps repair` asks for them again.",
        Dimension.COMPLETENESS,
        gaps_are_explained(ohlcv, DATASET),
        severity=severity_by_share,
    ),
    Rule(
        "newest_bar_is_recent",
        "In the open month, the newest bar is younger than its length plus max_newest_bar_age_minutes.",
        Dimension.TIMELINESS,
        newest_row_is_recent(ohlcv, DATASET, ended_symbols),
    ),
    Rule(
        "score_near_its_history",
        "No series' overall score lies further below the median of its last thirty than max_score_z of the universe.",
        None,
        score_near_its_history(DATASET),
        severity=AssetCheckSeverity.WARN,
    ),
)

CHECKS = [make_check(DATASET, rule) for rule in RULES]
