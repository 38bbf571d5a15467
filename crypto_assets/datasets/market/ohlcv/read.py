"""Bars for consumers: one series as a frame, with what is absent left out or filled, and said so.

What belongs here: reading market.ohlcv for use. What does not: storing; nothing that is filled here is ever stored.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime
from typing import Literal

import numpy as np
import pandas as pd
from sqlalchemy import select

from crypto_assets.datasets.market.ohlcv.table import DATASET, ohlcv
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.quality.coverage import coverage
from crypto_assets.quality.gaps import State
from crypto_assets.universe import TIMEFRAME_LENGTH, require_exchange_timeframe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.detached import refuse_away
from crypto_assets.warehouse.read import read_frame

type Fill = Literal["none", "forward"]

# A market that was not traded had no price, and what nobody asked for may well be there.
FILLED = frozenset({State.VENUE_QUIET, State.VENUE_OUTAGE, State.MISSING, State.UNRECOVERABLE})
_PRICES = ("open", "high", "low", "close")


class FillUnknown(CryptoAssetsError):
    """A way of filling that there is not."""


def read_bars(
    warehouse: Warehouse,
    venue: str,
    symbol: str,
    timeframe: str,
    start: datetime,
    end: datetime,
    *,
    fill: Fill = "none",
) -> pd.DataFrame:
    """One market's bars that open in [start, end), in order, in the columns of market.ohlcv.

    Args:
        fill: "none": stored bars only. "forward": a bar for each opening time that the ledger knows as absent while the market
            was traded: its prices are the last close before it inside the range, its volumes and trade count are 0, its
            source is "filled"; the column `is_filled` tells them apart. No bar is filled before the first one of the range,
            across a time in which the market was not listed, or where nothing was collected.

    Raises:
        FillUnknown: `fill` is neither.
        UniverseError: an unknown timeframe.
        SpanAway: a part of the range is in the archive, or was dropped.
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    require_exchange_timeframe(timeframe)
    if fill not in {"none", "forward"}:
        raise FillUnknown(f"Unknown fill '{fill}'", way_out='Choose "none" or "forward".')
    with warehouse.connect() as connection:
        refuse_away(connection, [ohlcv.fullname], (start, end))
    c = ohlcv.c
    bars = read_frame(
        warehouse,
        select(ohlcv)
        .where(c.venue == venue, c.symbol == symbol, c.timeframe == timeframe)
        .where(c.opened_at >= start, c.opened_at < end)
        .order_by(c.opened_at),
    )
    if fill == "none":
        return bars
    spans = coverage(warehouse, DATASET, venue, symbol, start, end, timeframe=timeframe)
    return fill_forward(bars, spans, timeframe)


def fill_forward(bars: pd.DataFrame, spans: pd.DataFrame, timeframe: str) -> pd.DataFrame:
    """The bars with those added that are absent while the market was traded. Pure.

    Args:
        bars: As `read_bars` reads them without filling.
        spans: As `coverage` gives them for the same range.
    """
    length = TIMEFRAME_LENGTH[timeframe]
    absent = [
        pd.date_range(row["span_start"], row["span_end"], freq=length, inclusive="left", unit="us")
        for row in spans.to_dict("records")
        if row["state"] in FILLED
    ]
    times = absent[0].append(absent[1:]) if absent else pd.DatetimeIndex([], dtype="datetime64[us, UTC]")
    if bars.empty or not len(times):
        return bars.assign(is_filled=False)
    wanted = bars.assign(is_filled=False).set_index("opened_at")
    whole = wanted.reindex(wanted.index.union(times[times > wanted.index[0]]).rename("opened_at"))
    is_filled = whole["is_filled"].isna().to_numpy()
    unlisted = [row for row in spans.to_dict("records") if row["state"] not in {*FILLED, "present"}]
    close = whole["close"].ffill()
    for name in _PRICES:
        whole[name] = np.where(is_filled, close, whole[name])
    for name in ("volume_base", "volume_quote", "trade_count"):
        whole[name] = whole[name].mask(is_filled, 0)
    for name in ("venue", "symbol", "timeframe"):
        whole[name] = whole[name].ffill()
    whole["source"] = whole["source"].mask(is_filled, "filled")
    whole["known_at"] = whole["known_at"].mask(is_filled, pd.DatetimeIndex(whole.index) + pd.Timedelta(length))
    whole["is_filled"] = is_filled
    return _not_across(whole, unlisted).reset_index()[[*bars.columns, "is_filled"]]


def _not_across(whole: pd.DataFrame, unlisted: Sequence[Mapping[Hashable, pd.Timestamp]]) -> pd.DataFrame:
    """Without the filled bars whose last close lies behind a time in which the market was not traded."""
    stored = whole.index[~whole["is_filled"].to_numpy()]
    keep = np.ones(len(whole), dtype=bool)
    for span in unlisted:
        after = stored[stored >= span["span_end"]]
        until = after[0] if len(after) else whole.index[-1] + pd.Timedelta(days=1)
        keep &= ~((whole.index >= span["span_start"]) & (whole.index < until) & whole["is_filled"].to_numpy())
    return whole[keep]


__all__ = ["FillUnknown", "fill_forward", "read_bars"]
