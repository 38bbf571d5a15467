"""Finding every absent bar of a stored range, whatever the writers noted: the full scan of the gap ledger.

What belongs here: one pass over the index of a series, and the ledger brought up to date with it. What does not: the rules
(gaps.py, naming.py). PostgreSQL compares each bar with the next one in the order of the key, so a scan reads each
key once and no grid is generated: 10 million bars take seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from sqlalchemy import Table

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.quality.coverage import (
    LedgerChanges,
    Listings,
    lock_ledger,
    name_open_gaps,
    read_open,
    write_changes,
)
from crypto_assets.quality.gaps import NOT_STORED, reconcile
from crypto_assets.quality.series import SeriesKey, bar_identifiers
from crypto_assets.spans import Span, difference, hull, intersection
from crypto_assets.universe import TIMEFRAME_LENGTH, Gaps
from crypto_assets.warehouse.collected import read_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.detached import away_spans

_NEIGHBOURS = """
SELECT count(*), min(at), max(at),
       array_agg(at) FILTER (WHERE next_at > at + %(length)s), array_agg(next_at) FILTER (WHERE next_at > at + %(length)s)
  FROM (SELECT {time} AS at, lead({time}) OVER (ORDER BY {time}) AS next_at FROM {table}
         WHERE {venue} = %(venue)s AND {symbol} = %(symbol)s AND timeframe = %(timeframe)s
           AND {time} >= %(start)s AND {time} < %(end)s) AS bars
"""
_SERIES = """
SELECT venue, symbol, timeframe, lower(collected), upper(collected) FROM ops.collected_ranges
 WHERE dataset = %(dataset)s AND (%(venue)s::text IS NULL OR venue = %(venue)s)
   AND (%(symbol)s::text IS NULL OR symbol = %(symbol)s) AND (%(timeframe)s::text IS NULL OR timeframe = %(timeframe)s)
 ORDER BY venue, timeframe, symbol
"""


class NothingToScan(CryptoAssetsError):
    """No series was ever collected where a scan was asked for."""


@dataclass(frozen=True)
class ScannedSeries:
    """What a scan found of one series.

    Args:
        expected: Bars due in the part of the range that was collected.
        present: Bars stored there.
        changes: Rows of the ledger that this scan wrote or removed, naming not counted.
    """

    key: SeriesKey
    window: Span
    expected: int
    present: int
    changes: LedgerChanges


def collected_series(
    warehouse: Warehouse,
    dataset: str,
    *,
    venue: str | None = None,
    symbol: str | None = None,
    timeframe: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> list[tuple[SeriesKey, Span]]:
    """The series that were collected inside the range, each with the part of the range it reaches over.

    Raises:
        NothingToScan: there is none; the text says what there is.
    """
    asked = {"dataset": dataset, "venue": venue, "symbol": symbol, "timeframe": timeframe}
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_SERIES, asked)
        known = [
            (SeriesKey(dataset, *row[:3]), (row[3].astimezone(UTC), row[4].astimezone(UTC)))
            for row in cursor.fetchall()
        ]
    if not known:
        wanted = " ".join(one for one in (venue, symbol, timeframe) if one)
        raise NothingToScan(
            f"Nothing of {dataset} has been collected{' for ' + wanted if wanted else ''}",
            way_out="`crypto-assets status` lists what is stored; `crypto-assets backfill` collects more.",
        )
    first, last = min(span[0] for _, span in known), max(span[1] for _, span in known)
    wanted_span = (start or first, end or last)
    found = [(key, span) for key, whole in known for span in intersection([whole], [wanted_span])]
    if not found:
        raise NothingToScan(
            f"Nothing has been collected between {wanted_span[0]:%Y-%m-%d %H:%M} and {wanted_span[1]:%Y-%m-%d %H:%M} UTC",
            way_out=f"The data reaches from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC.",
        )
    return found


def scan_series(connection: Connection, table: Table, key: SeriesKey, window: Span) -> ScannedSeries:
    """Find every absent bar of the window that was collected, and bring the ledger up to date.

    What retention took out is not absent: nothing is due there.
    """
    lock_ledger(connection, key.dataset, key.venue)  # before the bars are read: one stored meanwhile would look absent
    gone = away_spans(connection, table.fullname, window)
    asked = difference(intersection(read_collected(connection, *key.values()), [window]), gone)
    whole = hull(asked)
    if whole is None:
        return ScannedSeries(key, window, 0, 0, LedgerChanges())
    absent, present = _absent(connection, table, key, whole)
    absent = intersection(absent, asked)
    now = datetime.now(UTC)
    before = read_open(connection, key, whole)
    after = before
    for span in asked:
        after = reconcile(after, intersection(absent, [span]), span, now, NOT_STORED)
    length = TIMEFRAME_LENGTH[key.timeframe]
    expected = sum(_bars(span, length) for span in asked)
    outside = difference([whole], asked)
    if outside:  # bars that lie where nobody asked are there, but were not due
        present = expected - sum(_bars(span, length) for span in absent)
    return ScannedSeries(key, whole, expected, present, write_changes(connection, key, before, after))


def scan(
    warehouse: Warehouse,
    table: Table,
    series: Sequence[tuple[SeriesKey, Span]],
    *,
    listings: Callable[[str], Listings],
    rules: Gaps,
    on_series: Callable[[ScannedSeries], None] = lambda _one: None,
) -> tuple[list[ScannedSeries], LedgerChanges]:
    """Scan the series, then name the gaps of each venue and length of bar.

    Args:
        listings: Gives a venue's listing periods.
        on_series: Told of each series when it is done.

    Returns:
        What was found, and the rows of the ledger that naming changed.
    """
    scanned = []
    for key, window in series:
        with warehouse.connect() as connection:
            scanned.append(scan_series(connection, table, key, window))
        on_series(scanned[-1])
    named = LedgerChanges()
    for dataset, venue, timeframe in sorted({(key.dataset, key.venue, key.timeframe) for key, _ in series}):
        windows = [span for key, span in series if (key.venue, key.timeframe) == (venue, timeframe)]
        around = hull(windows)
        if around is not None:
            with warehouse.connect() as connection:
                place = (dataset, venue, timeframe, around)
                named += name_open_gaps(connection, table, *place, listings=listings(venue), rules=rules)
    return scanned, named


def _absent(connection: Connection, table: Table, key: SeriesKey, window: Span) -> tuple[list[Span], int]:
    """Spans of the window without bars, and how many bars it holds."""
    length = TIMEFRAME_LENGTH[key.timeframe]
    start, end = window
    values = {"venue": key.venue, "symbol": key.symbol, "timeframe": key.timeframe, "length": length}
    with connection.cursor() as cursor:
        # With old statistics a sort of everything would be chosen; the key's index has the order already.
        cursor.execute("SET LOCAL enable_sort = off; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        statement = sql.SQL(_NEIGHBOURS).format(**bar_identifiers(table))
        cursor.execute(statement, {**values, "start": start, "end": end})
        row = cursor.fetchone()
        cursor.execute(
            "SET LOCAL enable_sort = DEFAULT; SET LOCAL enable_seqscan = DEFAULT; SET LOCAL enable_bitmapscan = DEFAULT"
        )
    present, first, last, before, after = row or (0, None, None, None, None)
    if first is None:
        return [window], 0
    spans = [(start, first), *((at + length, until) for at, until in zip(before or (), after or (), strict=True))]
    spans.append((last + length, end))
    return [(one.astimezone(UTC), other.astimezone(UTC)) for one, other in spans if one < other], int(present)


def _bars(span: Span, length: timedelta) -> int:
    return round((span[1] - span[0]) / length)
