"""Adding up the quotes of an hour, and finding the hours that are not added up as they stand.

What belongs here: the one statement over an hour of all markets, and storing what it gives. What does not: when it happens
(asset.py, stream_automation.py, retention_automation.py) and judging (checks.py).

A sum is never taken away: snapshots are dropped after some days, and what they added up to stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
from sqlalchemy import (
    ColumnElement,
    Double,
    FromClause,
    Integer,
    Select,
    and_,
    bindparam,
    cast,
    func,
    or_,
    select,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.elements import KeyedColumnElement

from crypto_assets.datasets.market.book_ticker_hours.table import HOUR_SECONDS, book_ticker_hours
from crypto_assets.datasets.market.book_ticker_snapshots.table import DATASET as SNAPSHOTS
from crypto_assets.datasets.market.book_ticker_snapshots.table import book_ticker_snapshots
from crypto_assets.spans import Span
from crypto_assets.warehouse.binary_copy import Values
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame, reading
from crypto_assets.warehouse.write import WriteCounts, upsert

HOUR = timedelta(hours=1)
_QUOTE = ("bid_price", "bid_quantity", "ask_price", "ask_quantity")


@dataclass(frozen=True)
class SummedHour:
    """What came of an hour.

    Args:
        hour: [start, end), UTC.
        snapshots: Rows that it was added up from, of all markets.
        seconds: With a fresh quote, of all markets.
        stale_seconds: Marked stale, of all markets.
        counts: Of the sums, one a market.
    """

    hour: Span
    snapshots: int
    seconds: int
    stale_seconds: int
    counts: WriteCounts


@dataclass(frozen=True)
class UnsummedHour:
    """An hour in which the snapshots of some markets are not what was added up.

    Args:
        start: Of the hour, UTC.
        markets: How many.
    """

    start: datetime
    markets: int


def closed_hours(span: Span, now: datetime) -> list[Span]:
    """The whole hours of a span that have ended; it begins with one. Pure."""
    whole = max(0, (min(span[1], now) - span[0]) // HOUR)
    return [(span[0] + place * HOUR, span[0] + (place + 1) * HOUR) for place in range(whole)]


def sum_up(warehouse: Warehouse, hour: Span, snapshot_seconds: int) -> SummedHour:
    """Add up an hour of all markets and store it; a second time writes nothing.

    Args:
        hour: One that has ended.
        snapshot_seconds: Distance of the grid on which snapshots lie.

    Raises:
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    start, end = hour
    with reading(warehouse) as reader:
        sums = reader.frame(_sums(snapshot_seconds), {"start": start, "until": end})
    batch: dict[str, Values] = {str(name): sums[name].to_numpy() for name in sums.columns}
    constants: dict[str, Values] = {"expected_seconds": HOUR_SECONDS, "source": SNAPSHOTS}
    moments: dict[str, Values] = {
        "opened_at": np.full(len(sums), _wall(start)),
        "known_at": np.full(len(sums), _wall(end)),
    }
    with warehouse.connect() as connection:
        counts = upsert(connection, book_ticker_hours, {**batch, **constants, **moments})
    snapshots, seconds, stale_seconds = (int(sums[name].sum()) for name in ("snapshots", "seconds", "stale_seconds"))
    return SummedHour(hour, snapshots, seconds, stale_seconds, counts)


def unsummed_hours(warehouse: Warehouse, span: Span) -> list[UnsummedHour]:
    """The hours of a span with markets whose snapshots are more, or fewer, than were added up, in order.

    It counts the snapshots of the whole span: seconds for a day of 40 markets.

    Raises:
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    s, h = book_ticker_snapshots.c, book_ticker_hours.c
    hour = func.date_trunc("hour", s.snapshot_at, "UTC").label("opened_at")
    stored = (
        select(s.venue, s.symbol, hour, func.count().label("snapshots"))
        .where(s.snapshot_at >= span[0], s.snapshot_at < span[1])
        .group_by(s.venue, s.symbol, hour)
        .subquery("stored")
    )
    same = and_(h.venue == stored.c.venue, h.symbol == stored.c.symbol, h.opened_at == stored.c.opened_at)
    statement = (
        select(stored.c.opened_at, func.count().label("markets"))
        .select_from(stored.outerjoin(book_ticker_hours, same))
        .where(h.snapshots.is_distinct_from(stored.c.snapshots))
        .group_by(stored.c.opened_at)
        .order_by(stored.c.opened_at)
    )
    found = read_frame(warehouse, statement)
    return [UnsummedHour(row["opened_at"].to_pydatetime(), int(row["markets"])) for row in found.to_dict("records")]


@cache
def _sums(snapshot_seconds: int) -> Select[tuple[object, ...]]:
    """An hour's sums by market; parameters: start and until. Each market's rows are taken in order: equal rows, equal bits."""
    totals = _totals(snapshot_seconds).subquery("totals")
    first, last = book_ticker_snapshots.alias("first"), book_ticker_snapshots.alias("last")
    joined: FromClause = totals
    for quote, at in ((first, totals.c.first_at), (last, totals.c.last_at)):
        same = and_(quote.c.venue == totals.c.venue, quote.c.symbol == totals.c.symbol, quote.c.snapshot_at == at)
        joined = joined.outerjoin(quote, same)
    told = (one for one in totals.c if one.name not in {"first_at", "last_at"})
    ends = (_middle(first.c).label("mid_open"), _middle(last.c).label("mid_close"))
    return select(*told, *ends).select_from(joined).order_by(totals.c.venue, totals.c.symbol)


def _totals(snapshot_seconds: int) -> Select[tuple[object, ...]]:
    quotes = _quotes().subquery("quotes")
    q = quotes.c
    is_fresh = ~q.is_stale
    step = timedelta(seconds=snapshot_seconds)
    is_compared = and_(is_fresh, ~q.is_stale_before, q.snapshot_at - q.snapshot_at_before == step)
    is_changed = or_(*(q[name] != q[f"{name}_before"] for name in _QUOTE))
    bid, ask, bids, asks = (_float(q[name]) for name in ("bid_price", "ask_price", "bid_quantity", "ask_quantity"))
    spread = (ask - bid) / _middle(q) * 1e4
    squared = func.power(func.ln(_middle(q) / _middle(q, "_before")), 2)

    def seconds(which: ColumnElement[bool]) -> ColumnElement[int]:
        # Where the grid was made wider within the hour, there are no more seconds than an hour has.
        return cast(func.least(func.count().filter(which) * snapshot_seconds, HOUR_SECONDS), Integer)

    told = {
        "snapshots": func.count(),
        "seconds": seconds(is_fresh),
        "stale_seconds": seconds(q.is_stale),
        "compared_seconds": seconds(is_compared),
        "quote_changes": func.count().filter(is_compared, is_changed),
        "spread_bps_mean": func.avg(spread).filter(is_fresh),
        "spread_bps_max": func.max(spread).filter(is_fresh),
        "imbalance_mean": func.avg((bids - asks) / func.nullif(bids + asks, 0)).filter(is_fresh),
        "realized_volatility": func.sqrt(func.sum(squared).filter(is_compared)),
        "bid_depth_quote_mean": func.avg(bid * bids).filter(is_fresh),
        "ask_depth_quote_mean": func.avg(ask * asks).filter(is_fresh),
        "first_at": func.min(q.snapshot_at).filter(is_fresh),
        "last_at": func.max(q.snapshot_at).filter(is_fresh),
    }
    sums = (one.label(name) for name, one in told.items())
    return select(q.venue, q.symbol, *sums).group_by(q.venue, q.symbol)


def _quotes() -> Select[tuple[object, ...]]:
    """Each snapshot of the hour beside the one before it."""
    s = book_ticker_snapshots.c
    names = ("snapshot_at", "is_stale", *_QUOTE)
    before = (
        func.lag(s[name]).over(partition_by=(s.venue, s.symbol), order_by=s.snapshot_at).label(f"{name}_before")
        for name in names
    )
    within = (s.snapshot_at >= bindparam("start"), s.snapshot_at < bindparam("until"))
    return select(s.venue, s.symbol, *(s[name] for name in names), *before).where(*within)


def _middle(row: ReadOnlyColumnCollection[str, KeyedColumnElement[Any]], suffix: str = "") -> ColumnElement[float]:
    return (_float(row[f"bid_price{suffix}"]) + _float(row[f"ask_price{suffix}"])) / 2


def _float(exact: ColumnElement[Any]) -> ColumnElement[float]:
    return cast(exact, Double())


def _wall(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")


__all__ = ["HOUR", "SummedHour", "UnsummedHour", "closed_hours", "sum_up", "unsummed_hours"]
