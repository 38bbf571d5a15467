"""The asset market/trade_bars: minutes added up from trades, wherever every trade of the minute was collected.

What belongs here: which hours need to be added up, and adding them up. What does not: the arithmetic (trades/statistics.py)
and collecting.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace as changed
from datetime import UTC, datetime, timedelta

import dagster as dg
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import func, select

from crypto_assets.datasets.market.event_asset import EventConfig, EventRun, event_asset
from crypto_assets.datasets.market.trade_bars.table import DATASET, TIMEFRAME, trade_bars
from crypto_assets.datasets.market.trades import statistics
from crypto_assets.datasets.market.trades.table import DATASET as TRADES
from crypto_assets.datasets.market.trades.table import trades
from crypto_assets.datasets.outcomes import EventOutcome
from crypto_assets.partitions import Grids
from crypto_assets.quality.coverage import TICK, SeriesKey, read_open
from crypto_assets.spans import Span, ceiled, difference, floored, intersection, union
from crypto_assets.universe import TradeRules
from crypto_assets.warehouse.collected import read_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.detached import away_spans
from crypto_assets.warehouse.read import read_frame
from crypto_assets.warehouse.write import Batch, upsert

type Times = NDArray[np.datetime64]

_NOT_WHOLE = """
DELETE FROM market.trade_bars
 WHERE venue = %s AND symbol = %s AND timeframe = %s AND opened_at >= %s AND opened_at < %s
   AND opened_at <> ALL (%s::timestamptz[])
"""
_HOUR = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)


def build_asset(grids: Grids) -> dg.AssetsDefinition:
    """The asset over the grids of the universe in force; automation.py adds when it runs."""
    return event_asset(
        DATASET,
        trade_bars,
        grids,
        EventConfig,
        add_up_trades,
        after=[TRADES],
        description="Minutes added up from trades: average price, taker's side, large trades; day × venue.",
    )


def add_up_trades(run: EventRun[EventConfig]) -> Sequence[EventOutcome]:
    """Bring one venue's window up to date with its trades; hours that are so already are left alone."""
    outcomes = []
    for market in run.markets():
        began = time.monotonic()
        key = SeriesKey(TRADES, run.window.venue, market.symbol, TICK)
        outcome = bring_up_to_date(run.warehouse, key, (run.window.start, run.window.end), run.universe.trades)
        outcomes.append(changed(outcome, seconds=time.monotonic() - began))
    return outcomes


def bring_up_to_date(warehouse: Warehouse, key: SeriesKey, window: Span, rules: TradeRules) -> EventOutcome:
    """Add up the hours of a window whose trades have changed since, or whose minutes have become whole."""
    whole = whole_minutes(warehouse, key, window)
    with warehouse.connect() as connection:  # bars of trades in an archive stay as they are
        gone = away_spans(connection, trades.fullname, window) + away_spans(connection, trade_bars.fullname, window)
    outcome = EventOutcome(key.venue, key.symbol, turns=1)
    for span in _by_day(difference(stale_hours(warehouse, key, window, whole), gone)):
        outcome += _add_up(warehouse, key, span, whole, rules)
    return outcome


def whole_minutes(warehouse: Warehouse, key: SeriesKey, window: Span) -> list[Span]:
    """Spans of whole minutes of the window for which every trade was collected and the ledger knows of none missing."""
    with warehouse.connect() as connection:
        collected = read_collected(connection, *key.values())
        gaps = [gap.span for gap in read_open(connection, key, window) if gap.is_open]
    proven = difference(intersection(collected, [window]), gaps)
    cut = [(ceiled(start, _MINUTE), floored(end, _MINUTE)) for start, end in proven]
    return [(start, end) for start, end in cut if start < end]


def stale_hours(warehouse: Warehouse, key: SeriesKey, window: Span, whole: Sequence[Span]) -> list[Span]:
    """Spans of hours in which a minute's bar is not what its trades add up to.

    It lacks though the minute is whole, stands though it is not, or is older than one of its trades.
    """
    t, b = trades.c, trade_bars.c
    minute = func.date_trunc("minute", t.traded_at).label("opened_at")
    newest = select(minute, func.max(t.ingested_at).label("newest")).where(
        t.venue == key.venue, t.symbol == key.symbol, t.traded_at >= window[0], t.traded_at < window[1]
    )
    bars = select(b.opened_at, b.ingested_at).where(
        b.venue == key.venue, b.symbol == key.symbol, b.timeframe == TIMEFRAME,
        b.opened_at >= window[0], b.opened_at < window[1],
    )  # fmt: skip
    made = read_frame(warehouse, bars).set_index("opened_at")["ingested_at"]
    came = read_frame(warehouse, newest.group_by(minute)).set_index("opened_at")["newest"].reindex(made.index)
    due = pd.DatetimeIndex(_minutes(whole)).tz_localize("UTC")
    old = made.index[(came >= made).to_numpy()]
    stale = pd.DatetimeIndex(made.index.symmetric_difference(due).union(old))
    return union((hour, hour + _HOUR) for hour in map(_utc, stale.floor("h").unique()))


def build_bars(found: statistics.TradeColumns, minutes: Times, bounds: dict[np.datetime64, float]) -> Batch:
    """A row for each minute: what its trades add up to, zeros where there was none. Pure.

    Args:
        found: Trades of the minutes, and maybe of others.
        minutes: Openings of the minutes that were wholly collected, ascending, datetime64[us].
        bounds: Beginning of each hour → cost from which its trades are large; NaN where none can tell.
    """
    told = statistics.aggregate(found, statistics.MINUTE)
    large = statistics.large_volumes(found, bounds)
    step = found.traded_at.astype("datetime64[m]").astype("datetime64[us]")
    starts = np.searchsorted(step, told["opened_at"])
    told["large_volume_quote"] = np.add.reduceat(large, starts) if len(starts) else large[:0]
    place = np.searchsorted(told["opened_at"], minutes)
    is_there = np.zeros(len(minutes), dtype=bool)
    inside = place < len(told["opened_at"])
    is_there[inside] = told["opened_at"][place[inside]] == minutes[inside]
    bound = np.array([bounds.get(at, float("nan")) for at in minutes.astype("datetime64[h]")], dtype=np.float64)
    columns: dict[str, NDArray[np.generic]] = {}
    for name, values in told.items():
        if name == "opened_at":
            continue
        empty = np.nan if name in {"open", "high", "low", "close", "vwap"} else 0
        column = np.full(len(minutes), empty, dtype=values.dtype)
        column[is_there] = values[place[is_there]]
        columns[name] = column
    columns["large_volume_quote"] = np.where(np.isfinite(bound), columns["large_volume_quote"], np.nan)
    known_at = minutes + np.timedelta64(60_000_000, "us")
    return {"opened_at": minutes, **columns, "large_from_quote": bound, "known_at": known_at}


def _add_up(warehouse: Warehouse, key: SeriesKey, span: Span, whole: Sequence[Span], rules: TradeRules) -> EventOutcome:
    found = statistics.read_trades(warehouse, key.venue, key.symbol, *span)
    before = statistics.newest_costs(warehouse, key.venue, key.symbol, span[0], rules.large_of_trades)
    minutes = _minutes(intersection(whole, [span]))
    batch = build_bars(found, minutes, hour_bounds(found, before, span, rules))
    where = {"venue": key.venue, "symbol": key.symbol, "timeframe": TIMEFRAME}
    with warehouse.connect() as connection:
        counts = upsert(connection, trade_bars, {**where, **batch, "source": TRADES})
        with connection.cursor() as cursor:
            cursor.execute(_NOT_WHOLE, (*where.values(), *span, [str(at) + "+00" for at in minutes]))
    first = _utc(pd.Timestamp(minutes[0])) if len(minutes) else None
    last = _utc(pd.Timestamp(minutes[-1])) if len(minutes) else None
    return EventOutcome(key.venue, key.symbol, received=len(minutes), inserted=counts.inserted, first=first, last=last)


def hour_bounds(
    found: statistics.TradeColumns, before: NDArray[np.float64], span: Span, rules: TradeRules
) -> dict[np.datetime64, float]:
    """For each hour of a span the cost from which its trades are large, from the trades before the hour alone. Pure.

    Args:
        before: Costs of trades before the span, oldest first.
    """
    costs = np.concatenate((before, found.cost))
    bounds = {}
    hour = span[0]
    while hour < span[1]:
        at = np.datetime64(hour.replace(tzinfo=None), "us")
        end = len(before) + int(np.searchsorted(found.traded_at, at))
        bounds[at.astype("datetime64[h]")] = statistics.large_bound(
            costs[max(0, end - rules.large_of_trades) : end], rules.large_quantile
        )
        hour += _HOUR
    return bounds


def _by_day(spans: Sequence[Span]) -> Iterator[Span]:
    """The spans cut at midnight: a day of a busy market is a million trades, which is as much as is read at once."""
    for first, end in spans:
        start = first
        while start < end:
            until = min(end, start.replace(hour=0) + timedelta(days=1))
            yield start, until
            start = until


def _minutes(spans: Sequence[Span]) -> Times:
    parts = [
        np.arange(*(np.datetime64(at.replace(tzinfo=None), "m") for at in span), dtype="datetime64[m]")
        for span in spans
    ]
    return np.concatenate(parts).astype("datetime64[us]") if parts else np.empty(0, "datetime64[us]")


def _utc(moment: pd.Timestamp) -> datetime:
    aware = moment.to_pydatetime()
    return aware.replace(tzinfo=UTC) if aware.tzinfo is None else aware.astimezone(UTC)
