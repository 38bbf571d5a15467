"""The gap ledger, quality.coverage: which bars are absent, since when we know, and why.

What belongs here: reading the ledger and bringing it up to date inside a writer's transaction. What does not: the rules
(gaps.py, naming.py) and the search through whole tables (scan.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from psycopg2.extras import execute_values
from sqlalchemy import Table, case, extract, func, select

from crypto_assets.quality.gaps import Answer, Evidence, Gap, State, reconcile, with_answer
from crypto_assets.quality.naming import AROUND_BARS, Listing, Market, name_gaps
from crypto_assets.quality.series import TICK, SeriesKey, bar_identifiers
from crypto_assets.schema.bookkeeping import collected_ranges
from crypto_assets.schema.bookkeeping import coverage as ledger
from crypto_assets.spans import Span, SpanIndex, difference, intersection, union
from crypto_assets.universe import TIMEFRAME_LENGTH, Gaps
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.detached import Away, away
from crypto_assets.warehouse.read import read_frame
from crypto_assets.warehouse.writes import note_write

type Listings = Mapping[str, Sequence[Listing]]

_COLUMNS = "gap_start, gap_end, state, evidence, first_seen, resolved_at"
_OPEN = f"""
SELECT symbol, {_COLUMNS} FROM quality.coverage
 WHERE dataset = %(dataset)s AND venue = %(venue)s AND timeframe = %(timeframe)s AND state <> 'repaired'
   AND (%(symbol)s::text IS NULL OR symbol = %(symbol)s) AND gap_end >= %(start)s AND gap_start <= %(end)s
 ORDER BY symbol, gap_start
"""  # noqa: S608 - a constant
_MISSING = f"""
SELECT venue, symbol, timeframe, {_COLUMNS} FROM quality.coverage
 WHERE dataset = %s AND state = 'missing' ORDER BY first_seen, gap_start LIMIT %s
"""  # noqa: S608 - a constant
_REMOVE = """
DELETE FROM quality.coverage c USING (VALUES %s) AS gone (dataset, venue, symbol, timeframe, gap_start, gap_end)
 WHERE (c.dataset, c.venue, c.symbol, c.timeframe, c.gap_start, c.gap_end)
     = (gone.dataset, gone.venue, gone.symbol, gone.timeframe, gone.gap_start::timestamptz, gone.gap_end::timestamptz)
"""
_KEEP = f"""
INSERT INTO quality.coverage AS c (dataset, venue, symbol, timeframe, {_COLUMNS}) VALUES %s
ON CONFLICT (dataset, venue, symbol, timeframe, gap_start, gap_end) DO UPDATE
   SET state = excluded.state, evidence = excluded.evidence, first_seen = excluded.first_seen,
       resolved_at = excluded.resolved_at,
       ingested_at = greatest(clock_timestamp(), c.ingested_at + interval '1 microsecond')
"""  # noqa: S608 - a constant
_STORED = """
SELECT bar.at FROM unnest(%s::timestamptz[], %s::timestamptz[]) AS hole (start, until)
  JOIN LATERAL (SELECT {time} AS at FROM {table} WHERE {venue} = %s AND {symbol} = %s AND timeframe = %s
                   AND {time} >= hole.start AND {time} < hole.until OFFSET 0) AS bar ON true
"""
_MARKETS = """
SELECT r.symbol, span.at, span.until, bars.first_at
  FROM ops.collected_ranges r
  LEFT JOIN LATERAL (SELECT lower(s) AS at, upper(s) AS until
                       FROM unnest(r.collected * tstzmultirange(tstzrange(%s, %s))) AS s) AS span ON true
  CROSS JOIN LATERAL (SELECT min(b.{time}) AS first_at FROM {table} AS b
                       WHERE b.{venue} = r.venue AND b.{symbol} = r.symbol AND b.timeframe = r.timeframe) AS bars
 WHERE r.dataset = %s AND r.venue = %s AND r.timeframe = %s
"""


@dataclass(frozen=True)
class LedgerChanges:
    """How many rows of the ledger a look changed."""

    written: int = 0
    removed: int = 0

    def __add__(self, other: LedgerChanges) -> LedgerChanges:
        return LedgerChanges(self.written + other.written, self.removed + other.removed)


def read_open(connection: Connection, key: SeriesKey, window: Span) -> list[Gap]:
    """The series' open gaps that overlap or touch the window, in order."""
    asked = {"dataset": key.dataset, "venue": key.venue, "timeframe": key.timeframe, "symbol": key.symbol}
    return [gap for _, gap in _read(connection, asked, window)]


def lock_ledger(connection: Connection, dataset: str, venue: str) -> None:
    """Let nobody else change this venue's part of the ledger until the transaction ends.

    What a writer has read of it would be old by the time it writes: a gap just repaired would be open again.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"ledger {dataset} {venue}",))


def observe(
    connection: Connection,
    table: Table,
    key: SeriesKey,
    window: Span,
    absent: Sequence[Span],
    *,
    named: Callable[[Sequence[Gap]], Sequence[Gap]] | None = None,
    answer: Answer | None = None,
    rules: Gaps | None = None,
) -> LedgerChanges:
    """Bring the ledger up to date with what a batch holds; in the transaction that writes the batch.

    Args:
        connection: In that transaction, after the rows have been written.
        table: The bars' table.
        key: Whose batch.
        window: Opening times that the batch speaks for.
        absent: Spans of it that the batch has no bars for; those that are stored all the same are no gaps.
        named: Gives gaps the state that the writer can prove, before anything is written.
        answer: The repair request that brought the batch, which becomes evidence.
        rules: The universe's; needed with an answer.
    """
    lock_ledger(connection, key.dataset, key.venue)
    gaps = read_open(connection, key, window)
    if not gaps and not absent:
        return LedgerChanges()
    if absent:
        stored = _stored_within(connection, table, key, absent)
        length = TIMEFRAME_LENGTH[key.timeframe]
        absent = difference(absent, [(at, at + length) for at in stored])
    now = datetime.now(UTC)
    wanted: Sequence[Gap] = reconcile(gaps, absent, window, now)
    wanted = named(wanted) if named is not None else wanted
    if answer is not None and rules is not None:
        wanted = with_answer(wanted, answer, rules)
    return write_changes(connection, key, gaps, wanted)


def note_answer(connection: Connection, key: SeriesKey, answer: Answer, rules: Gaps) -> LedgerChanges:
    """Keep what came of a request that brought no batch."""
    lock_ledger(connection, key.dataset, key.venue)
    gaps = read_open(connection, key, answer.span)
    return write_changes(connection, key, gaps, with_answer(gaps, answer, rules))


def name_open_gaps(
    connection: Connection,
    table: Table,
    dataset: str,
    venue: str,
    timeframe: str,
    window: Span,
    *,
    listings: Listings,
    rules: Gaps,
) -> LedgerChanges:
    """Give every open gap that touches the window the state that the facts give it; see naming.py.

    Args:
        table: The bars' table.
        listings: Listing periods by symbol; a symbol that is not there is unknown to market.instruments.
    """
    lock_ledger(connection, dataset, venue)
    asked = {"dataset": dataset, "venue": venue, "timeframe": timeframe, "symbol": None}
    touching = _read(connection, asked, window)
    if not touching:
        return LedgerChanges()
    # Markets are compared over the whole of these gaps and the bars around them, not just inside the window.
    margin = AROUND_BARS * TIMEFRAME_LENGTH[timeframe]
    wide = (min(gap.start for _, gap in touching) - margin, max(gap.end for _, gap in touching) + margin)
    gaps: dict[str, list[Gap]] = {}
    for symbol, gap in _read(connection, asked, wide):
        gaps.setdefault(symbol, []).append(gap)
    markets = _markets(connection, table, (dataset, venue, timeframe), wide, gaps, listings)
    named = name_gaps(markets, TIMEFRAME_LENGTH[timeframe], rules)
    changes = LedgerChanges()
    for symbol in sorted({symbol for symbol, _ in touching}):
        looked_at = [gap.span for there, gap in touching if there == symbol]
        after = _overlapping(named[symbol], looked_at)
        before = _overlapping(markets[symbol].gaps, [gap.span for gap in after])
        changes += write_changes(connection, SeriesKey(dataset, venue, symbol, timeframe), before, after)
    return changes


def write_changes(connection: Connection, key: SeriesKey, before: Sequence[Gap], after: Sequence[Gap]) -> LedgerChanges:
    """Replace some rows of a series by others; rows that stay the same are not touched."""
    unchanged = set(before) & set(after)
    kept_spans = {gap.span for gap in after}
    gone = [gap for gap in before if gap.span not in kept_spans]
    new = [gap for gap in after if gap not in unchanged]
    if not gone and not new:
        return LedgerChanges()
    with connection.cursor() as cursor:
        if gone:
            execute_values(cursor, _REMOVE, [(*key.values(), gap.start, gap.end) for gap in gone], page_size=1000)
        if new:
            rows = [
                (*key.values(), *gap.span, gap.state.value, _json(gap.evidence), gap.first_seen, gap.resolved_at)
                for gap in sorted(new, key=lambda one: one.start)
            ]
            execute_values(cursor, _KEEP, rows, page_size=1000)
        note_write(cursor, ledger, inserted=len(new), deleted=len(gone))
    return LedgerChanges(len(new), len(gone))


def coverage(
    warehouse: Warehouse,
    dataset: str,
    venue: str,
    symbol: str,
    start: datetime,
    end: datetime,
    *,
    timeframe: str | None = None,
) -> pd.DataFrame:
    """What is known of every opening time of [start, end): nothing is left out and nothing is told twice.

    Returns:
        A row for each span, in order: timeframe, span_start, span_end (UTC), state, bars (how many the span
        holds; 0 for events), why,
        first_seen. The state is one of the ledger's open ones, or `present`, or `not_collected` where nobody has asked, or
        `archived` or `dropped` where rows were there that retention took out.
    """
    gaps = read_gaps(warehouse, dataset=dataset, venue=venue, symbol=symbol, timeframe=timeframe, window=(start, end))
    gaps = gaps[gaps["state"] != State.REPAIRED.value]
    ranges = collected_ranges
    span = func.unnest(ranges.c.collected * func.tstzmultirange(func.tstzrange(start, end)))
    chosen = select(ranges.c.timeframe, func.lower(span).label("at"), func.upper(span).label("until")).where(
        ranges.c.dataset == dataset, ranges.c.venue == venue, ranges.c.symbol == symbol
    )
    asked = read_frame(warehouse, chosen.where(ranges.c.timeframe == timeframe) if timeframe else chosen)
    with warehouse.connect() as connection:
        gone = away(connection, [dataset.replace("/", ".")], (start, end))
    rows: list[tuple[object, ...]] = []
    frames = {timeframe} if timeframe else {*asked["timeframe"], *gaps["timeframe"]}
    for frame in sorted(frames, key=lambda name: TIMEFRAME_LENGTH.get(name, timedelta())):
        here = asked[asked["timeframe"] == frame]
        rows += _told(frame, (start, end), _spans(here, "at", "until"), gaps[gaps["timeframe"] == frame], gone)
    columns = ["timeframe", "span_start", "span_end", "state", "bars", "why", "first_seen"]
    return pd.DataFrame(rows, columns=columns)


def read_gaps(
    warehouse: Warehouse,
    *,
    dataset: str,
    venue: str | None = None,
    symbol: str | None = None,
    timeframe: str | None = None,
    state: str | None = None,
    window: Span | None = None,
) -> pd.DataFrame:
    """Rows of the ledger, in the order of their key; None leaves a column free. Times are UTC, evidence is JSON text."""
    c = ledger.c
    statement = select(
        *(c[name] for name in ("dataset", "venue", "symbol", "timeframe", "gap_start", "gap_end", "state")),
        c.evidence["why"].astext.label("why"),
        c.first_seen,
        c.resolved_at,
        c.evidence,
    ).where(c.dataset == dataset)
    for column, wanted in ((c.venue, venue), (c.symbol, symbol), (c.timeframe, timeframe), (c.state, state)):
        if wanted is not None:
            statement = statement.where(column == wanted)
    if window is not None:
        statement = statement.where(c.gap_end > window[0], c.gap_start < window[1])
    return read_frame(warehouse, statement.order_by(c.venue, c.symbol, c.timeframe, c.gap_start, c.gap_end))


def count_gaps(warehouse: Warehouse) -> pd.DataFrame:
    """How much the ledger holds: dataset, venue, state, gaps, bars (0 for events); in that order."""
    c = ledger.c
    seconds = case(*((c.timeframe == name, length.total_seconds()) for name, length in TIMEFRAME_LENGTH.items()))
    bars = func.coalesce(func.sum(extract("epoch", c.gap_end - c.gap_start) / seconds), 0).label("bars")
    keys = (c.dataset, c.venue, c.state)
    return read_frame(warehouse, select(*keys, func.count().label("gaps"), bars).group_by(*keys).order_by(*keys))


def missing_gaps(warehouse: Warehouse, dataset: str, *, limit: int = 10_000) -> list[tuple[SeriesKey, Gap]]:
    """Gaps of any series that are still missing, the longest known first."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_MISSING, (dataset, limit))
        return [(SeriesKey(dataset, *row[:3]), _gap(*row[3:])) for row in cursor.fetchall()]


def _overlapping(gaps: Sequence[Gap], spans: Sequence[Span]) -> list[Gap]:
    index = SpanIndex(spans)
    return [gap for gap in gaps if index.within(gap.span)]


def _told(
    frame: str, window: Span, collected: Sequence[Span], gaps: pd.DataFrame, gone: Sequence[Away]
) -> list[tuple[object, ...]]:
    length = TIMEFRAME_LENGTH.get(frame)
    told: list[tuple[Span, str, str, object]] = []
    absent = []
    for row in gaps.to_dict("records"):
        for span in intersection([_span(row, "gap_start", "gap_end")], [window]):
            absent.append(span)
            told.append((span, row["state"], row["why"], row["first_seen"]))
    there = difference(collected, absent)
    for one in gone:
        told += [(span, one.state, one.why, pd.NaT) for span in intersection(there, [one.span])]
        there = difference(there, [one.span])
    told += [(span, "present", "", pd.NaT) for span in there]
    told += [(span, "not_collected", "", pd.NaT) for span in difference([window], [*collected, *absent])]
    told.sort(key=lambda one: one[0])
    return [(frame, *span, state, _bars(span, length), why, seen) for span, state, why, seen in told]


def _bars(span: Span, length: timedelta | None) -> int:
    """How many bars a span holds; 0 where its rows are events."""
    return round((span[1] - span[0]) / length) if length else 0


def _spans(frame: pd.DataFrame, start: str, end: str) -> list[Span]:
    return [_span(row, start, end) for row in frame.to_dict("records")]


def _span(row: Mapping[object, pd.Timestamp], start: str, end: str) -> Span:
    return row[start].to_pydatetime(), row[end].to_pydatetime()


def _read(connection: Connection, asked: Mapping[str, str | None], window: Span) -> list[tuple[str, Gap]]:
    with connection.cursor() as cursor:
        cursor.execute(_OPEN, {**asked, "start": window[0], "end": window[1]})
        return [(symbol, _gap(*row)) for symbol, *row in cursor.fetchall()]


def _gap(
    start: datetime, end: datetime, state: str, evidence: object, first_seen: datetime, resolved_at: datetime | None
) -> Gap:
    return Gap(
        start.astimezone(UTC),
        end.astimezone(UTC),
        State(state),
        Evidence.model_validate(evidence),
        first_seen.astimezone(UTC),
        resolved_at.astimezone(UTC) if resolved_at else None,
    )


def _json(evidence: Evidence) -> str:
    return evidence.model_dump_json(exclude_defaults=True)


def _stored_within(connection: Connection, table: Table, key: SeriesKey, spans: Sequence[Span]) -> list[datetime]:
    statement = sql.SQL(_STORED).format(**bar_identifiers(table))
    starts, ends = [start for start, _ in spans], [end for _, end in spans]
    with connection.cursor() as cursor:
        cursor.execute(statement, (starts, ends, key.venue, key.symbol, key.timeframe))
        return [at.astimezone(UTC) for (at,) in cursor.fetchall()]


def _markets(
    connection: Connection,
    table: Table,
    place: tuple[str, str, str],
    window: Span,
    gaps: Mapping[str, Sequence[Gap]],
    listings: Listings,
) -> dict[str, Market]:
    spans: dict[str, list[Span]] = {}
    first_bar: dict[str, datetime | None] = {}
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(_MARKETS).format(**bar_identifiers(table)), (*window, *place))
        for symbol, start, end, first in cursor.fetchall():
            spans.setdefault(symbol, [])
            if start is not None:
                spans[symbol].append((start.astimezone(UTC), end.astimezone(UTC)))
            first_bar[symbol] = first.astimezone(UTC) if first else None
    return {
        symbol: Market(gaps.get(symbol, ()), union(spans.get(symbol, ())), first_bar.get(symbol), listings.get(symbol))
        for symbol in sorted({*spans, *gaps})
    }


__all__ = [
    "TICK", "LedgerChanges", "Listings", "SeriesKey",
    "count_gaps", "coverage", "lock_ledger", "missing_gaps", "name_open_gaps", "note_answer", "observe", "read_gaps",
    "read_open", "write_changes",
]  # fmt: skip
