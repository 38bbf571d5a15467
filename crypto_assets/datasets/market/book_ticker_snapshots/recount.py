"""Counting what is stored of an hour of quotes, and bringing the ledger in line with it.

What belongs here: rows and seconds of each market, the seconds that are not there, and the ledger's rows of those that nobody
listened to. What does not: outages that the stream itself saw (stream/outages.py), and judging (checks.py).

A market is due from the first row that was ever stored of it: before, it never had a quote. Of the open hour only what is old
enough to have left the stream's memory is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name

from crypto_assets.datasets.market.book_ticker_snapshots.table import DATASET
from crypto_assets.quality.coverage import LedgerChanges, lock_ledger, read_gaps, read_open, write_changes
from crypto_assets.quality.gaps import Evidence, Gap, State
from crypto_assets.quality.series import TICK, SeriesKey
from crypto_assets.spans import Span, ceiled, difference, floored, hull, intersection, union
from crypto_assets.universe import Universe, market_window
from crypto_assets.warehouse.connection import Warehouse

type MarketName = tuple[str, str]  # venue and symbol

NOBODY_LISTENED = "Nobody listened: no row of these seconds is stored, and quotes of the past cannot be asked for."
_CAME_LATE = "Its rows came late; it was unrecoverable."
_MINUTE = timedelta(minutes=1)
_COUNTS = """
SELECT venue, symbol, count(*), count(*) FILTER (WHERE is_stale), min(snapshot_at), max(snapshot_at),
       avg(spread_pct::double precision), max(spread_pct)::double precision
  FROM market.book_ticker_snapshots WHERE snapshot_at >= %s AND snapshot_at < %s
 GROUP BY venue, symbol ORDER BY venue, symbol
"""
# By the key, newest partition first: a market that is alive is found at once.
_NEWEST = """
SELECT m.venue, m.symbol, newest.at FROM unnest(%s::text[], %s::text[]) AS m (venue, symbol)
  JOIN LATERAL (SELECT snapshot_at AS at FROM market.book_ticker_snapshots AS b
                 WHERE b.venue = m.venue AND b.symbol = m.symbol AND b.snapshot_at < %s
                 ORDER BY snapshot_at DESC LIMIT 1) AS newest ON true
"""
_HOLES = """
SELECT m.venue, m.symbol, hole.at + %(step)s, hole.next_at
  FROM unnest(%(venues)s::text[], %(symbols)s::text[]) AS m (venue, symbol)
  JOIN LATERAL (SELECT snapshot_at AS at, lead(snapshot_at) OVER (ORDER BY snapshot_at) AS next_at
                  FROM market.book_ticker_snapshots AS b
                 WHERE b.venue = m.venue AND b.symbol = m.symbol
                   AND b.snapshot_at >= %(start)s AND b.snapshot_at < %(end)s) AS hole
    ON hole.next_at > hole.at + %(step)s
 ORDER BY m.venue, m.symbol, hole.at
"""
_NAMED = """
SELECT DISTINCT symbol FROM quality.coverage
 WHERE dataset = %s AND venue = %s AND timeframe = %s AND state <> 'repaired' AND gap_end >= %s AND gap_start <= %s
"""


@dataclass(frozen=True)
class Counted:
    """What is stored of one market in a window.

    Args:
        rows: Of the whole window.
        stale_rows: Of them, marked stale.
        spread_pct_mean: Of all rows; None where there is none; so the next.
        due: The part of the window in which each second should have its row.
        absent: What of it has none, in order.
        step: Distance of the grid.
    """

    venue: str
    symbol: str
    rows: int
    stale_rows: int
    spread_pct_mean: float | None
    spread_pct_max: float | None
    due: Span
    absent: tuple[Span, ...]
    step: timedelta

    @property
    def expected(self) -> int:
        """Seconds of the grid that are due."""
        return steps([self.due], self.step)

    @property
    def missing(self) -> int:
        """Seconds of the grid that are due and have no row."""
        return steps(self.absent, self.step)


def steps(spans: Sequence[Span], step: timedelta) -> int:
    """How many seconds of the grid lie in spans that are apart from each other. Pure."""
    return sum((end - start) // step for start, end in spans)


def on_grid(spans: Sequence[Span], step: timedelta) -> list[Span]:
    """The seconds of the grid that spans hold, as spans: an outage begins and ends between them. Pure."""
    return union((ceiled(start, step), ceiled(end, step)) for start, end in spans)


def listed_markets(universe: Universe, window: Span) -> dict[MarketName, Span]:
    """The markets that the stream follows, each with the part of the window in which it is wanted. Pure."""
    found: dict[MarketName, Span] = {}
    for venue in universe.stream.venues:
        for market in universe.venues[venue].markets if venue in universe.venues else ():
            start, end = market_window(market, *window)
            if start < end:
                found[venue, market.symbol] = (start, end)
    return found


def newest_before(
    connection: Connection, markets: Sequence[MarketName], before: datetime
) -> dict[MarketName, datetime]:
    """The time of each market's newest row before a moment; markets without one are left out."""
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST, ([venue for venue, _ in markets], [symbol for _, symbol in markets], before))
        return {(venue, symbol): at for venue, symbol, at in cursor.fetchall()}


def count_markets(connection: Connection, universe: Universe, window: Span, now: datetime) -> list[Counted]:
    """Count each market that is due in the window or has rows in it, by venue and symbol.

    Args:
        window: [start, end), UTC, whole seconds of the grid.
        now: The present; of a window that has not ended only what is older than stream.memory_seconds is due.
    """
    step = timedelta(seconds=universe.stream.snapshot_seconds)
    settled = min(window[1], floored(now - timedelta(seconds=universe.stream.memory_seconds), step))
    until = window[1] if now >= window[1] else max(window[0], settled)
    listed = listed_markets(universe, (window[0], until))
    known = newest_before(connection, list(listed), window[0])
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, window)
        found = {(row[0], row[1]): _Stored(*row[2:]) for row in cursor.fetchall()}
    due = {
        name: _due(found.get(name), listed.get(name), until, step, was_known=name in known)
        for name in sorted({*found, *known})
    }
    absent = _absent(connection, due, found, (window[0], until), step)
    return [_counted(name, found.get(name), span, absent.get(name, ()), step) for name, span in due.items()]


def note_absent(connection: Connection, counted: Sequence[Counted], now: datetime) -> LedgerChanges:
    """Bring the ledger in line with what is stored: seconds that nobody has named become unrecoverable.

    Rows that came late close their gap, as far as it was named here. What the stream named itself stays as it is.
    """
    changes = LedgerChanges()
    window = hull([one.due for one in counted])
    if window is None:
        return changes
    for venue, markets in groupby(counted, key=lambda one: one.venue):
        lock_ledger(connection, DATASET, venue)
        with connection.cursor() as cursor:
            cursor.execute(_NAMED, (DATASET, venue, TICK, *window))
            named = {symbol for (symbol,) in cursor.fetchall()}
        for one in markets:
            if not one.absent and one.symbol not in named:
                continue
            key = SeriesKey(DATASET, venue, one.symbol, TICK)
            before = read_open(connection, key, one.due)
            changes += write_changes(connection, key, before, in_line(before, one, now))
    return changes


def in_line(gaps: Sequence[Gap], counted: Counted, now: datetime) -> list[Gap]:
    """The ledger's rows of a market once it is known which of its seconds are there. Pure.

    Args:
        gaps: All open rows that touch what was due.
    """
    ours = [gap for gap in gaps if gap.state is State.UNRECOVERABLE and gap.evidence.why == NOBODY_LISTENED]
    others = [gap for gap in gaps if gap not in ours]
    there = difference([counted.due], counted.absent)
    spans = [gap.span for gap in ours]
    fresh = difference(counted.absent, on_grid([gap.span for gap in gaps], counted.step))
    kept: list[Gap] = list(others)
    for span in union([*difference(spans, there), *fresh]):
        seen = min((gap.first_seen for gap in ours if intersection([gap.span], [span])), default=now)
        kept.append(Gap(*span, State.UNRECOVERABLE, Evidence(why=NOBODY_LISTENED), seen))
    for gap in ours:
        for span in intersection([gap.span], there):
            kept.append(Gap(*span, State.REPAIRED, Evidence(why=_CAME_LATE), gap.first_seen, now))
    return kept


def named_spans(warehouse: Warehouse, window: Span) -> dict[MarketName, list[Span]]:
    """What the ledger says of each market's absent seconds in the window, whatever the reason."""
    frame = read_gaps(warehouse, dataset=DATASET, window=window)
    found: dict[MarketName, list[Span]] = {}
    for row in frame[frame["state"] != State.REPAIRED.value].to_dict("records"):
        span = (row["gap_start"].to_pydatetime(), row["gap_end"].to_pydatetime())
        found.setdefault((row["venue"], row["symbol"]), []).append(span)
    return found


def shares_by_minute(counted: Sequence[Counted], window: Span) -> NDArray[np.float64]:
    """Of each minute of the window the share of due seconds that have their row; NaN where none was due. Pure."""
    minutes = (window[1] - window[0]) // _MINUTE
    due, absent = (np.zeros(minutes * 60 + 1, dtype=np.int64) for _ in range(2))
    for one in counted:
        for spans, deltas in (((one.due,), due), (one.absent, absent)):
            for start, end in intersection(spans, [window]):
                deltas[int((start - window[0]).total_seconds())] += 1
                deltas[int((end - window[0]).total_seconds())] -= 1
    wanted, lacking = (np.cumsum(deltas[:-1]).reshape(minutes, 60).sum(axis=1) for deltas in (due, absent))
    with np.errstate(invalid="ignore"):
        shares: NDArray[np.float64] = 1 - lacking / np.where(wanted > 0, wanted, np.nan)
    return shares


class _Stored(NamedTuple):
    """What the table holds of a market in a window."""

    rows: int
    stale_rows: int
    first: datetime
    last: datetime
    spread_pct_mean: float | None
    spread_pct_max: float | None


def _counted(name: MarketName, stored: _Stored | None, due: Span, absent: Sequence[Span], step: timedelta) -> Counted:
    if stored is None:
        return Counted(*name, 0, 0, None, None, due, tuple(absent), step)
    spread = (stored.spread_pct_mean, stored.spread_pct_max)
    return Counted(*name, stored.rows, stored.stale_rows, *spread, due, tuple(absent), step)


def _due(stored: _Stored | None, listed: Span | None, until: datetime, step: timedelta, *, was_known: bool) -> Span:
    """The part of the window in which a market's seconds are due. Pure.

    Args:
        stored: Its rows in the window; None only where it was known before.
        listed: When it is followed; None where the universe has it no more.
        was_known: Whether a row from before the window is stored.
    """
    first = until if stored is None else min(stored.first, until)
    if listed is None:  # followed no more: what lies between its rows was due all the same
        return (first, until if stored is None else min(until, stored.last + step))
    start, end = ceiled(listed[0], step), listed[1]
    return (start if was_known else min(end, max(start, first)), end)


def _absent(
    connection: Connection,
    due: Mapping[MarketName, Span],
    found: Mapping[MarketName, _Stored],
    window: Span,
    step: timedelta,
) -> dict[MarketName, list[Span]]:
    """The seconds without a row; just markets whose count says that some lack are looked at one by one."""
    absent: dict[MarketName, list[Span]] = {}
    looked_at: list[MarketName] = []
    for name, span in due.items():
        stored = found.get(name)
        if stored is None:
            absent[name] = [span]
        elif stored.rows != steps([window], step) or span != window:
            looked_at.append(name)
            absent[name] = [(span[0], stored.first), (stored.last + step, span[1])]
    asked = {"venues": [venue for venue, _ in looked_at], "symbols": [symbol for _, symbol in looked_at]}
    with connection.cursor() as cursor:
        cursor.execute(_HOLES, {**asked, "start": window[0], "end": window[1], "step": step})
        for venue, symbol, start, end in cursor.fetchall():
            absent[venue, symbol].append((start, end))
    return {name: intersection(spans, [due[name]]) for name, spans in absent.items()}
