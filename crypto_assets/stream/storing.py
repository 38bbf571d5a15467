"""What one transaction of the writer does: rows, spans of the ledger, messages that could not be read.

What belongs here: the statements. What does not: when, on which connection, and what becomes of a failure (writer.py).

Everything that the writer is given is Lines. Those of a table of TARGETS are text of COPY; those called LEDGER and REFUSED
are JSON and go to quality.coverage and quality.quarantine, so that they wait, spill and are replayed as rows are. Each of the
three can be stored again without harm.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - as above
from sqlalchemy import Table

from crypto_assets.datasets.market.arbitrage_opportunities import table as arbitrage
from crypto_assets.datasets.market.book_ticker_snapshots.table import (
    COPY_COLUMNS,
    DATASET,
    book_ticker_snapshots,
)
from crypto_assets.quality.coverage import lock_ledger, read_open, write_changes
from crypto_assets.quality.gaps import Evidence, Gap, State, merge_alike
from crypto_assets.quality.series import TICK, SeriesKey
from crypto_assets.spans import Span, difference
from crypto_assets.stream.outages import Absence
from crypto_assets.stream.quotes import Unreadable
from crypto_assets.stream.standing import Lines
from crypto_assets.warehouse.copy_in import table_name
from crypto_assets.warehouse.quarantine import Refused, quarantine
from crypto_assets.warehouse.writes import note_write

LEDGER = "quality.coverage"
REFUSED = "quality.quarantine"
_DAY = 86_400_000_000  # microseconds, as all times of Lines
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STAGED = sql.Identifier("pg_temp", "staged_rows")

_SINCE = sql.SQL("""
SELECT greatest((SELECT max(snapshot_at) + %(step)s FROM {}
                  WHERE venue = %(venue)s AND symbol = %(symbol)s AND snapshot_at < %(end)s),
                (SELECT max(gap_end) FROM quality.coverage
                  WHERE dataset = %(dataset)s AND venue = %(venue)s AND symbol = %(symbol)s AND timeframe = %(timeframe)s
                    AND gap_end <= %(end)s))
""").format(table_name(book_ticker_snapshots))
_STORED = sql.SQL(
    "SELECT snapshot_at FROM {} WHERE venue = %s AND symbol = %s AND snapshot_at >= %s AND snapshot_at < %s"
).format(table_name(book_ticker_snapshots))
_HOUR = sql.SQL("""
SELECT extract(epoch FROM snapshot_at)::bigint, count(*), count(*) FILTER (WHERE is_stale)
  FROM {} WHERE snapshot_at >= %s GROUP BY 1 ORDER BY 1
""").format(table_name(book_ticker_snapshots))


@dataclass(frozen=True)
class Target:
    """A table that rows go to.

    Args:
        columns: In the order of the Lines' text.
    """

    table: Table
    columns: tuple[str, ...]


TARGETS: Mapping[str, Target] = {
    target.table.fullname: target
    for target in (
        Target(book_ticker_snapshots, COPY_COLUMNS),
        Target(arbitrage.arbitrage_opportunities, arbitrage.COPY_COLUMNS),
    )
}


class Store:
    """Stores on one connection, a transaction a call.

    Args:
        step: Of the grid of seconds, microseconds.
    """

    def __init__(self, connection: Connection, step: int) -> None:
        self._connection = connection
        self._step = step
        self._days: set[tuple[str, int]] = set()

    def store(self, batch: Sequence[Lines], *, careful: bool) -> None:
        """All of the batch or nothing; a row that the table refuses goes to the quarantine, and its neighbours do not.

        Args:
            careful: Some of it may be stored already.

        Raises:
            psycopg2.Error: nothing was stored, or it is in doubt where the connection is gone.
        """
        try:
            self._store(batch, careful=careful)
        except psycopg2.errors.UniqueViolation:
            self._connection.rollback()
            self.store(batch, careful=True)
        except (psycopg2.DataError, psycopg2.IntegrityError) as error:
            self._connection.rollback()
            self._salvage(batch, error)

    def prepare_day(self, moment: int) -> None:
        """Make the partitions of a day before its first row comes.

        Args:
            moment: Any of the day, microseconds since 1970, UTC.
        """
        with self._connection.cursor() as cursor:
            days = [self._ensure_day(cursor, target, moment) for target in TARGETS.values()]
        self._connection.commit()
        self._days.update(days)

    def seconds_since(self, moment: int) -> list[tuple[int, int, int]]:
        """Stored seconds from a moment on: when (microseconds since 1970), rows, stale rows; in order."""
        with self._connection.cursor() as cursor:
            cursor.execute(_HOUR, (_moment(moment),))
            rows = [(at * 1_000_000, count, stale) for at, count, stale in cursor.fetchall()]
        self._connection.commit()
        return rows

    def _store(self, batch: Sequence[Lines], *, careful: bool) -> None:
        days: set[tuple[str, int]] = set()
        with self._connection.cursor() as cursor:
            for name, target in TARGETS.items():
                rows = [lines for lines in batch if lines.table == name and lines.rows]
                if not rows:
                    continue
                for day in sorted({lines.at // _DAY for lines in rows}):
                    if (name, day) not in self._days:
                        days.add(self._ensure_day(cursor, target, day * _DAY))
                text = b"".join(lines.text for lines in rows)
                into = table_name(target.table)
                stored = _merge(cursor, target, text) if careful else _copy(cursor, target, into, text)
                note_write(cursor, target.table, inserted=stored)
            self._keep_absences(cursor, [lines for lines in batch if lines.table == LEDGER])
        _quarantine(self._connection, [lines for lines in batch if lines.table == REFUSED])
        self._connection.commit()
        self._days |= days  # not before: a transaction that failed has made none

    def _ensure_day(self, cursor: Cursor, target: Target, moment: int) -> tuple[str, int]:
        name = table_name(target.table).as_string(cursor)
        cursor.execute("SELECT ops.ensure_day_partition(%s::regclass, %s)", (name, _moment(moment)))
        return target.table.fullname, moment // _DAY

    def _salvage(self, batch: Sequence[Lines], error: psycopg2.Error) -> None:
        """Store the good ones of a batch in which a row is bad: halves of it, until the bad ones stand alone."""
        pieces = batch if len(batch) > 1 else _apart(batch[0])
        if len(pieces) > 1:
            middle = len(pieces) // 2
            self.store(pieces[:middle], careful=True)
            self.store(pieces[middle:], careful=True)
            return
        reason = f"{pieces[0].table} refused the row: {error.diag.message_primary or type(error).__name__}"
        refused = Unreadable("stream", reason, pieces[0].text, pieces[0].at)
        _quarantine(self._connection, [unreadable_lines(pieces[0].at, [refused])])
        self._connection.commit()

    def _keep_absences(self, cursor: Cursor, ledger: Sequence[Lines]) -> None:
        absences = [one for lines in ledger for one in msgspec.json.decode(lines.text, type=list[Absence])]
        for one in sorted(absences, key=lambda absence: (absence.venue, absence.symbol)):  # one order for all writers
            lock_ledger(self._connection, DATASET, one.venue)
            start, end = self._start(cursor, one), _moment(one.end)
            if start >= end:
                continue
            key = SeriesKey(DATASET, one.venue, one.symbol, TICK)
            gaps = read_open(self._connection, key, (start, end))
            there = self._stored_within(cursor, one) if one.state == State.UNRECOVERABLE else []
            fresh = difference([(start, end)], [*(gap.span for gap in gaps), *there])
            evidence, now = Evidence(why=one.why), datetime.now(UTC)
            told = [Gap(*span, State(one.state), evidence, now) for span in fresh]
            write_changes(self._connection, key, gaps, merge_alike([*gaps, *told]))

    def _stored_within(self, cursor: Cursor, absence: Absence) -> list[Span]:
        """Seconds of the span that are stored all the same: a predecessor took them while we were held up."""
        cursor.execute(_STORED, (absence.venue, absence.symbol, _moment(absence.start), _moment(absence.end)))
        step = timedelta(microseconds=self._step)
        return [(at.astimezone(UTC), at.astimezone(UTC) + step) for (at,) in cursor.fetchall()]

    def _start(self, cursor: Cursor, absence: Absence) -> datetime:
        """When it began: for who was not heard at the start, behind the last thing known; at the start of the very first."""
        if not absence.reaches_back:
            return _moment(absence.start)
        asked = {
            "venue": absence.venue,
            "symbol": absence.symbol,
            "end": _moment(absence.end),
            "step": timedelta(microseconds=self._step),
            "dataset": DATASET,
            "timeframe": TICK,
        }
        cursor.execute(_SINCE, asked)
        row = cursor.fetchone()
        known: datetime | None = row[0] if row else None
        return known.astimezone(UTC) if known is not None else _moment(absence.start)


def absence_lines(at: int, absences: Sequence[Absence]) -> Lines:
    """Spans for the ledger, as the writer takes them."""
    return Lines(at, LEDGER, 0, msgspec.json.encode(absences))


def unreadable_lines(at: int, messages: Sequence[Unreadable]) -> Lines:
    """Messages for the quarantine, as the writer takes them."""
    return Lines(at, REFUSED, 0, msgspec.json.encode(messages))


def _copy(cursor: Cursor, target: Target, into: sql.Composable, text: bytes) -> int:
    """Copy the lines in; how many there were."""
    columns = sql.SQL(", ").join(map(sql.Identifier, target.columns))
    # Read in one piece: each piece waits for the interpreter, which the event loop may hold.
    cursor.copy_expert(sql.SQL("COPY {} ({}) FROM STDIN").format(into, columns), io.BytesIO(text), max(1, len(text)))
    return cursor.rowcount


def _merge(cursor: Cursor, target: Target, text: bytes) -> int:
    """Rows that are there already stay as they are: a second of a market is told once. How many were not there."""
    columns = sql.SQL(", ").join(map(sql.Identifier, target.columns))
    names = {"staged": _STAGED, "columns": columns, "table": table_name(target.table)}
    create = "CREATE TEMPORARY TABLE staged_rows ON COMMIT DROP AS SELECT {columns} FROM {table} WITH NO DATA"
    cursor.execute(sql.SQL(create).format(**names))
    _copy(cursor, target, _STAGED, text)
    insert = "INSERT INTO {table} ({columns}) SELECT {columns} FROM {staged} ON CONFLICT DO NOTHING"
    cursor.execute(sql.SQL(insert).format(**names))
    stored = cursor.rowcount
    cursor.execute(sql.SQL("DROP TABLE {staged}").format(**names))  # the batch may hold rows of another table, too
    return stored


def _apart(lines: Lines) -> list[Lines]:
    """A line a piece; text of COPY ends no line within a field."""
    return [Lines(lines.at, lines.table, 1, line) for line in lines.text.splitlines(keepends=True)]


def _quarantine(connection: Connection, refused: Sequence[Lines]) -> None:
    messages = [one for lines in refused for one in msgspec.json.decode(lines.text, type=list[Unreadable])]
    for venue in sorted({one.venue for one in messages}):
        items = [Refused(one.why, one.payload) for one in messages if one.venue == venue]
        quarantine(connection, dataset=DATASET, venue=venue, symbol="", timeframe=TICK, items=items)


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
