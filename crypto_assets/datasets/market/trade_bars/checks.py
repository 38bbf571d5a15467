"""The checks of market/trade_bars.

What belongs here: names, severities and the comparison with candles. What does not: how shared rules are looked at
(quality/checks.py) and bounds (the universe).
"""

from __future__ import annotations

from collections.abc import Sequence

from dagster import AssetCheckSeverity
from sqlalchemy import ColumnElement, and_, func, or_, select

from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.datasets.market.trade_bars.table import DATASET, TIMEFRAME, trade_bars
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import Rule, bars_on_grid, inside, key_is_unique, make_check, read_findings, rows_keep
from crypto_assets.quality.findings import Dimension, Finding, Grid
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse

# Sums of doubles in another order differ in their last digits; a trade is worth more than that.
_TOLERANCE = 1e-9
_C = trade_bars.c
_ORDER_BROKEN = or_(
    _C.high < func.greatest(_C.open, _C.close, _C.low, _C.vwap * (1 - _TOLERANCE)),
    _C.low > func.least(_C.open, _C.close, _C.vwap * (1 + _TOLERANCE)),
    _C.buy_volume_base > _C.volume_base * (1 + _TOLERANCE),
    _C.large_volume_quote > _C.volume_quote * (1 + _TOLERANCE),
)


def trades_match_bars(warehouse: Warehouse, _universe: Universe, window: VenueWindow) -> list[Finding]:
    """Each minute added up from trades is the venue's own candle: prices exactly, volume and count as far as it says them."""
    b, o = trade_bars.c, ohlcv.c
    same = and_(o.venue == b.venue, o.symbol == b.symbol, o.timeframe == b.timeframe, o.opened_at == b.opened_at)
    prices = or_(*(_differs(b[name], o[name]) for name in ("open", "high", "low", "close")))
    volumes = or_(
        _differs(b.volume_base, o.volume_base),
        # A recording without quote volume plays as 0, and so does its count.
        and_(o.volume_quote > 0, _differs(b.volume_quote, o.volume_quote)),
        and_(o.trade_count > 0, b.trade_count != o.trade_count),
    )
    is_traded = b.trade_count > 0
    broken = or_(and_(is_traded, or_(prices, volumes)), and_(~is_traded, o.volume_base > 0))
    statement = (
        select(
            b.venue,
            b.symbol,
            b.timeframe,
            func.count().label("checked"),
            func.count().filter(broken).label("failed"),
            func.min(b.opened_at).filter(broken).label("first_at"),
        )
        .select_from(trade_bars.join(ohlcv, same))
        .where(*inside(trade_bars, window), b.timeframe == TIMEFRAME)
        .group_by(b.venue, b.symbol, b.timeframe)
    )
    return read_findings(warehouse, statement)


def _differs(one: ColumnElement[float], other: ColumnElement[float]) -> ColumnElement[bool]:
    return func.abs(one - other) > _TOLERANCE * func.abs(other)


def _most_match(findings: Sequence[Finding], universe: Universe) -> bool:
    return all(one.share_sound >= universe.trades.min_share_matching_bars for one in findings)


RULES = (
    Rule(
        "key_is_unique",
        "One row for each venue, symbol, timeframe and opening time.",
        Dimension.ACCURACY,
        key_is_unique(trade_bars),
        blocking=True,
    ),
    Rule(
        "parts_within_whole",
        "Low ≤ open, close, average ≤ high; what takers bought and what was large is no more than all.",
        Dimension.ACCURACY,
        rows_keep(trade_bars, _ORDER_BROKEN),
        blocking=True,
    ),
    Rule(
        "bars_on_grid",
        "A bar opens at a whole minute.",
        Dimension.ACCURACY,
        bars_on_grid(trade_bars),
        blocking=True,
    ),
    Rule(
        "trades_match_bars",
        "Of the minutes that have a candle of market/ohlcv, min_share_matching_bars of the universe are the same: prices,"
        " volumes and count. A minute that differs lacks a trade on one side.",
        Dimension.ACCURACY,
        trades_match_bars,
        severity=AssetCheckSeverity.WARN,
        passes=_most_match,
    ),
)

CHECKS = [make_check(DATASET, rule, Grid.DAYS) for rule in RULES]
