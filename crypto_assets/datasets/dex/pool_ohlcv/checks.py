"""The checks of dex/pool_ohlcv.

What belongs here: names, severities and the reasons of what blocks. What does not: how shared rules are looked at (quality,
pool_checks.py) and bounds (the universe).
"""

from __future__ import annotations

from itertools import pairwise

from dagster import AssetCheckSeverity
from sqlalchemy import and_, func, literal, or_, select
from sqlalchemy.dialects.postgresql import INTERVAL

from crypto_assets.datasets.dex.pool_checks import pools_were_asked
from crypto_assets.datasets.dex.pool_ohlcv.table import DATASET, pool_ohlcv
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import Rule, bars_on_grid, key_is_unique, make_check, read_findings, rows_keep
from crypto_assets.quality.completeness import gaps_are_explained, rows_are_accepted, severity_by_share
from crypto_assets.quality.findings import Dimension, Finding, Grid
from crypto_assets.universe import TIMEFRAME_LENGTH, Universe
from crypto_assets.warehouse.connection import Warehouse

_C = pool_ohlcv.c
_ORDER_BROKEN = or_(
    _C.high < func.greatest(_C.open, _C.close, _C.low), _C.low > func.least(_C.open, _C.close), _C.low <= 0
)


def _shorter_bars_add_up(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
    """The shorter bars within a longer one hold its volume: no more, and where all of them are there, no less.

    More would be trades told twice. Less is a bar that was stored before it was complete; a run with `refresh` asks again.
    """
    frames = sorted(universe.dex.timeframes, key=lambda name: TIMEFRAME_LENGTH[name])
    return [
        one for pair in pairwise(frames) for one in _fitting(warehouse, window, *pair, universe.dex.volume_tolerance)
    ]


def _fitting(warehouse: Warehouse, window: VenueWindow, fine: str, coarse: str, tolerance: float) -> list[Finding]:
    span = literal(TIMEFRAME_LENGTH[coarse], INTERVAL)
    at = func.date_bin(span, _C.opened_at, func.to_timestamp(0))
    inside = (_C.network == window.venue, _C.opened_at >= window.start, _C.opened_at < window.end)
    sums = (
        select(_C.pool_address, at.label("at"), func.sum(_C.volume_usd).label("volume"), func.count().label("bars"))
        .where(*inside, _C.timeframe == fine)
        .group_by(_C.pool_address, at)
        .subquery()
    )
    all_of_them = TIMEFRAME_LENGTH[coarse] // TIMEFRAME_LENGTH[fine]
    is_less = and_(sums.c.bars == all_of_them, sums.c.volume < _C.volume_usd * (1 - tolerance))
    broken = or_(sums.c.volume > _C.volume_usd * (1 + tolerance), is_less)
    joined = and_(sums.c.pool_address == _C.pool_address, sums.c.at == _C.opened_at)
    statement = (
        select(
            _C.network.label("venue"),
            _C.pool_address.label("symbol"),
            _C.timeframe,
            func.count().label("checked"),
            func.count().filter(broken).label("failed"),
            func.min(_C.opened_at).filter(broken).label("first_at"),
        )
        .join(sums, joined)
        .where(*inside, _C.timeframe == coarse)
        .group_by(_C.network, _C.pool_address, _C.timeframe)
    )
    return read_findings(warehouse, statement)


RULES = (
    Rule(
        "key_is_unique",
        "One bar for each network, pool, timeframe and opening time.",
        Dimension.ACCURACY,
        key_is_unique(pool_ohlcv),
        blocking=True,
    ),
    Rule(
        "prices_in_order",
        "Low ≤ open, close ≤ high, and all are positive.",
        Dimension.ACCURACY,
        rows_keep(pool_ohlcv, _ORDER_BROKEN),
        blocking=True,
    ),
    Rule(
        "volume_not_negative",
        "Volumes are zero or more.",
        Dimension.ACCURACY,
        rows_keep(pool_ohlcv, _C.volume_usd < 0),
        blocking=True,
    ),
    Rule(
        "no_bar_from_the_future",
        "Every bar had closed and settled before it was stored.",
        Dimension.ACCURACY,
        rows_keep(pool_ohlcv, _C.known_at > _C.ingested_at + func.make_interval(0, 0, 0, 0, 0, 1)),
        blocking=True,
    ),
    Rule(
        "bars_on_grid",
        "A bar opens at a whole multiple of its length, in UTC.",
        Dimension.ACCURACY,
        bars_on_grid(pool_ohlcv),
        blocking=True,
    ),
    Rule(
        "shorter_bars_add_up",
        "The shorter bars within a longer one hold no more volume than it has, and where all are there, no less: else one"
        " was stored before it was complete.",
        Dimension.ACCURACY,
        _shorter_bars_add_up,
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "rows_are_accepted",
        "No row of the last day had to be refused.",
        Dimension.ACCURACY,
        rows_are_accepted(pool_ohlcv, DATASET),
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "gaps_are_explained",
        "Each opening time collected holds a bar, or the ledger says why not: quiet bars do not exist at GeckoTerminal, and"
        " are told from missing ones by the volume of longer bars.",
        Dimension.COMPLETENESS,
        gaps_are_explained(pool_ohlcv, DATASET),
        severity=severity_by_share,
    ),
    Rule(
        "pools_were_asked",
        "In the open day every watched pool was asked within dex.max_age_minutes of the universe, and answered.",
        Dimension.TIMELINESS,
        pools_were_asked(DATASET, lambda universe: universe.dex.max_age_minutes),
        severity=AssetCheckSeverity.WARN,
    ),
)

CHECKS = [make_check(DATASET, rule, Grid.NETWORK_DAYS) for rule in RULES]
