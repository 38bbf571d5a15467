"""The checks of market/tickers.

What belongs here: names, severities and the rules of a ticker. What does not: how shared rules are looked at
(quality/checks.py, event_checks.py) and bounds (the universe).
"""

from __future__ import annotations

from dagster import AssetCheckSeverity
from sqlalchemy import and_, func, or_

from crypto_assets.datasets.market.event_checks import newest_is_recent
from crypto_assets.datasets.market.tickers.table import DATASET, tickers
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import Rule, key_is_unique, make_check, rows_keep
from crypto_assets.quality.completeness import rows_are_accepted
from crypto_assets.quality.findings import Dimension, Finding, Grid
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse

_C = tickers.c
# A last price may be a tick newer than the range beside it.
_SLACK = 0.001


def _change_is_consistent(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
    """The change that the venue tells is that from its opening to its last price."""
    bound = universe.tickers.max_change_difference_pct
    told = (_C.last / _C.open_24h - 1) * 100
    broken = and_(_C.open_24h > 0, func.abs(told - _C.change_pct_24h) > bound)
    return list(rows_keep(tickers, broken)(warehouse, universe, window))


RULES = (
    Rule(
        "key_is_unique",
        "One row for each venue, symbol and time.",
        Dimension.ACCURACY,
        key_is_unique(tickers, "symbol"),
        blocking=True,
    ),
    Rule(
        "prices_within_range",
        "Low ≤ last ≤ high (within a tenth of a percent), bid ≤ ask, prices are positive and volumes not negative.",
        Dimension.ACCURACY,
        rows_keep(
            tickers,
            or_(
                _C.low_24h > _C.high_24h,
                _C.last > _C.high_24h * (1 + _SLACK),
                _C.last < _C.low_24h * (1 - _SLACK),
                _C.bid > _C.ask,
                _C.last <= 0,
                _C.volume_base_24h < 0,
                _C.volume_quote_24h < 0,
            ),
        ),
        blocking=True,
    ),
    Rule(
        "change_is_consistent",
        "The change that the venue tells is that from its opening to its last price, within max_change_difference_pct of the"
        " universe: more means another opening than that of 24 hours before.",
        Dimension.ACCURACY,
        _change_is_consistent,
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "rows_are_accepted",
        "No answer of the last day had to be refused.",
        Dimension.ACCURACY,
        rows_are_accepted(tickers, DATASET),
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "newest_ticker_is_recent",
        "In the open day each market's newest ticker is younger than tickers.max_age_minutes of the universe.",
        Dimension.TIMELINESS,
        newest_is_recent(tickers, lambda universe: universe.tickers.max_age_minutes),
    ),
)

CHECKS = [make_check(DATASET, rule, Grid.DAYS) for rule in RULES]
