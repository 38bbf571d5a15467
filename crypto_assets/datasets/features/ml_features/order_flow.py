"""Trades and books as features may know them: added up to a bar's length, and the newest book.

What belongs here: reading market.trade_bars and market.order_books. What does not: the join by time (as_of.py) and the
features (order_flow_set.py).
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Table

from crypto_assets.datasets.features.ml_features.as_of import KnownRows
from crypto_assets.datasets.features.source import Source, floats, times
from crypto_assets.datasets.market.order_books.table import order_books
from crypto_assets.datasets.market.trade_bars.table import TIMEFRAME, trade_bars
from crypto_assets.indicators.declaration import Floats, Times
from crypto_assets.quality.coverage import SeriesKey
from crypto_assets.universe import TIMEFRAME_LENGTH

FLOW_COLUMNS = ("flow_volume", "flow_buy_volume", "flow_large_volume", "flow_trades_per_minute", "flow_vwap")
BOOK_COLUMNS = (
    "book_spread", "book_imbalance_50bps", "book_depth", "book_mid", "book_microprice",
)  # fmt: skip
# A round comes every five minutes and a still market is asked every fifteen: older than two of these tells of another hour.
BOOK_MAX_AGE = timedelta(minutes=30)
_SUMS = ("volume_quote", "buy_volume_quote", "large_volume_quote", "trade_count", "volume_base")


def trade_flow(source: Source, key: SeriesKey, start: datetime, end: datetime) -> list[KnownRows]:
    """Minutes added up to the length of the bars; only bars of which every minute is there. Known at the bar's close."""
    if not source.holds(trade_bars, key.venue):
        return []
    length = TIMEFRAME_LENGTH[key.timeframe]
    rows = source.rows(trade_bars, ("opened_at", *_SUMS), _minutes_of(trade_bars, key, start, end), ("opened_at",))
    opened = times(rows, "opened_at")
    step, minute = (one // timedelta(microseconds=1) for one in (length, TIMEFRAME_LENGTH[TIMEFRAME]))
    bars = opened.astype(np.int64) - opened.astype(np.int64) % step
    starts = np.flatnonzero(np.diff(bars, prepend=bars[:1] - 1)).astype(np.int64)
    is_whole = np.diff(np.append(starts, len(bars))) == step // minute
    sums = {name: _total(floats(rows, name), starts)[is_whole] for name in _SUMS}
    at: Times = bars[starts][is_whole].view("datetime64[us]")
    with np.errstate(divide="ignore", invalid="ignore"):
        vwap = np.where(sums["volume_base"] > 0, sums["volume_quote"] / sums["volume_base"], np.nan)
    values = dict(
        zip(
            FLOW_COLUMNS,
            (
                sums["volume_quote"], sums["buy_volume_quote"], sums["large_volume_quote"],
                sums["trade_count"] / (step // minute), vwap,
            ),
            strict=True,
        )
    )  # fmt: skip
    return [KnownRows(at + np.timedelta64(step, "us"), at, values)]


def newest_books(source: Source, key: SeriesKey, start: datetime, end: datetime) -> list[KnownRows]:
    """Every snapshot of the market's book, from a little before the span on. Known when its answer had come."""
    if not source.holds(order_books, key.venue):
        return []
    c = order_books.c
    names = (
        "known_at", "spread_bps", "imbalance", "bid_depth_50bps_quote", "ask_depth_50bps_quote", "mid", "microprice",
    )  # fmt: skip
    last = end + TIMEFRAME_LENGTH[key.timeframe]
    where = (c.venue == key.venue) & (c.symbol == key.symbol)
    rows = source.rows(
        order_books, names, where & (c.snapshot_at >= start - BOOK_MAX_AGE) & (c.snapshot_at < last), ("known_at",)
    )
    known = times(rows, "known_at")
    depth = floats(rows, "bid_depth_50bps_quote") + floats(rows, "ask_depth_50bps_quote")
    told = (
        floats(rows, "spread_bps"),
        floats(rows, "imbalance"),
        depth,
        floats(rows, "mid"),
        floats(rows, "microprice"),
    )
    return [KnownRows(known, known, dict(zip(BOOK_COLUMNS, told, strict=True)))]


def _minutes_of(table: Table, key: SeriesKey, start: datetime, end: datetime) -> ColumnElement[bool]:
    c = table.c
    within = (c.opened_at >= start) & (c.opened_at < end)
    return (c.venue == key.venue) & (c.symbol == key.symbol) & (c.timeframe == TIMEFRAME) & within


def _total(values: Floats, starts: NDArray[np.int64]) -> Floats:
    return np.add.reduceat(values, starts) if len(starts) else values[:0]
