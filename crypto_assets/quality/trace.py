"""From a row to the run that stored it: its versions, who wrote each, and why there is no row where there is none.

What belongs here: reading that for one key, and what one run wrote. What does not: noting writes (warehouse/writes.py) and
showing (cli/trace.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class under a function's name
from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.quality.series import TICK
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.copy_in import table_name

type Row = Mapping[str, object]
type _Part = tuple[sql.Composable, object]

SHORTEST_RUN = 8  # signs of a run's id, as the web UI shows it
_REFUSALS = 3  # refused rows of the series that are shown
# Between a row's ingested_at and the note of its transaction lies the time of one COPY.
_NEAR = timedelta(minutes=10)

_WRITE = (
    "run_id, triggered_by, request, written_at, table_name, rows_inserted, rows_changed, rows_deleted, transaction_id"
)
_BY_STAMP = f"""
SELECT {_WRITE}, xmin::text = %(xmin)s::text FROM ops.writes
 WHERE table_name = %(table)s AND rows_ingested_at = %(at)s
 ORDER BY (xmin::text = %(xmin)s::text) DESC, write_id DESC LIMIT 1
"""  # noqa: S608 - a constant
# A ledger's rows have a clock of their own, and so has a row that was changed while the clock was set back.
_BY_TRANSACTION = f"""
SELECT {_WRITE}, true FROM ops.writes
 WHERE xmin::text = %(xmin)s::text AND written_at BETWEEN %(at)s - %(near)s AND %(at)s + %(near)s
 ORDER BY (table_name = %(table)s) DESC, abs(extract(epoch FROM written_at - %(at)s)) LIMIT 1
"""  # noqa: S608 - a constant
_VERSIONS = """
SELECT old_row, superseded_at FROM audit.revisions WHERE table_name = %s AND key = {key} ORDER BY superseded_at
"""
_GAPS = """
SELECT state, gap_start, gap_end, evidence ->> 'why', first_seen, resolved_at FROM quality.coverage
 WHERE dataset = %(dataset)s AND venue = %(venue)s AND symbol = %(symbol)s AND timeframe = %(timeframe)s
   AND gap_start <= %(at)s::timestamptz AND gap_end > %(at)s::timestamptz ORDER BY gap_start
"""
# A refused row holds its time as seconds, milliseconds or text, whatever its provider writes.
_REFUSED = """
SELECT reason, left(payload::text, 300), occurrences, last_seen_at, names_it FROM (
    SELECT q.*, payload::text ~ (extract(epoch FROM %(at)s::timestamptz)::bigint::text || '(000)?\\M|'
                                 || to_char(%(at)s::timestamptz, 'YYYY-MM-DD"[T ]"HH24:MI')) AS names_it
      FROM quality.quarantine q
     WHERE dataset = %(dataset)s AND venue = %(venue)s AND symbol IN (%(symbol)s, '') AND timeframe = %(timeframe)s) AS found
 ORDER BY names_it DESC, last_seen_at DESC LIMIT %(most)s
"""
_ASKED = """
SELECT collected @> %(at)s::timestamptz FROM ops.collected_ranges
 WHERE dataset = %(dataset)s AND venue = %(venue)s AND symbol = %(symbol)s AND timeframe = %(timeframe)s
"""
_OF_RUN = """
SELECT run_id, table_name, min(triggered_by), min(request), count(*), sum(rows_inserted)::bigint, sum(rows_changed)::bigint,
       sum(rows_deleted)::bigint, min(written_at), max(written_at)
  FROM ops.writes WHERE run_id LIKE %s GROUP BY run_id, table_name ORDER BY run_id, min(written_at)
"""


class KeyRefused(CryptoAssetsError):
    """The key does not fit the table."""


class RunUnknown(CryptoAssetsError):
    """No run of that id has written anything that is remembered, or several have."""


@dataclass(frozen=True)
class Write:
    """A note of ops.writes. Times are UTC.

    Args:
        is_proven: Whether the row has the same xmin; else it is found by the row's `ingested_at` alone, as after a restore.
    """

    run_id: str
    triggered_by: str
    request: str
    written_at: datetime
    table: str
    inserted: int
    changed: int
    deleted: int
    transaction_id: int
    is_proven: bool


@dataclass(frozen=True)
class Version:
    """A row as it stands, or stood.

    Args:
        until: When another took its place, or it was deleted; None while it stands.
        write: Who stored it; None where nobody noted it, or the note is forgotten.
    """

    row: Row
    since: datetime | None
    until: datetime | None
    write: Write | None


@dataclass(frozen=True)
class Absence:
    """Why a row is not there, as far as the ledgers know.

    Args:
        asked: Whether its time was asked for and answered; None where no ledger of that exists.
        gaps: Of the gap ledger: state, start, end, why, first seen, resolved.
        refused: Refused rows of the series: reason, payload, times, last seen, whether it names the row's time.
    """

    asked: bool | None = None
    gaps: Sequence[tuple[str, datetime, datetime, str | None, datetime, datetime | None]] = field(default_factory=list)
    refused: Sequence[tuple[str, str, int, datetime, bool]] = field(default_factory=list)


@dataclass(frozen=True)
class RowTrace:
    """All that is known of one key.

    Args:
        now: The row as it stands; None where there is none.
        before: Its former versions, oldest first.
        absence: Where there is no row.
    """

    now: Version | None
    before: Sequence[Version]
    absence: Absence | None


@dataclass(frozen=True)
class RunWrites:
    """What one run wrote to one table. Times are UTC."""

    run_id: str
    table: str
    triggered_by: str
    request: str
    transactions: int
    inserted: int
    changed: int
    deleted: int
    first: datetime
    last: datetime


def trace_row(warehouse: Warehouse, table: Table, key: Sequence[str]) -> RowTrace:
    """Follow one row back.

    Args:
        warehouse: Where it is.
        table: With a primary key.
        key: A value for each column of it, as text; a time without its zone is UTC.

    Raises:
        KeyRefused: too few or too many values, or one that its column does not take.
        DatabaseUnreachable, NotMigrated: as for `Warehouse.connect`.
    """
    columns = list(table.primary_key.columns)
    if len(key) != len(columns):
        names = " ".join(column.name.upper() for column in columns)
        raise KeyRefused(
            f"The key of {table.fullname} has {len(columns)} parts, and {len(key)} were given",
            way_out=f"crypto-assets trace {table.fullname} {names}",
        )
    parts = [(_cast(column), value) for column, value in zip(columns, key, strict=True)]
    try:
        with warehouse.connect() as connection, connection.cursor() as cursor:
            now = _row(cursor, table, columns, parts)
            before = _versions(cursor, table, columns, parts) if "ingested_at" in table.c else []
            absence = _absence(cursor, table, columns, key) if now is None else None
    except psycopg2.DataError as error:
        raise KeyRefused(
            f"A part of the key does not fit: {error.diag.message_primary}",
            way_out="Times are written as 2026-03-01T00:00, UTC unless they say otherwise.",
        ) from None
    return RowTrace(now, before, absence)


def trace_run(warehouse: Warehouse, run_id: str) -> list[RunWrites]:
    """What a run wrote, table by table, in the order of its first write.

    Args:
        run_id: Whole, or its first eight signs or more.

    Raises:
        RunUnknown: nothing is remembered of it, or of several.
        DatabaseUnreachable, NotMigrated: as for `Warehouse.connect`.
    """
    if len(run_id) < SHORTEST_RUN:
        raise RunUnknown(f"'{run_id}' is too short for a run's id", way_out="Give its first 8 signs, or more.")
    pattern = run_id.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_OF_RUN, (pattern,))
        found = [RunWrites(*row) for row in cursor.fetchall()]
    ids = sorted({one.run_id for one in found})
    if len(ids) > 1:
        raise RunUnknown(f"{len(ids)} runs begin with {run_id}", way_out=f"Give more of it: {', '.join(ids[:3])}.")
    if not found:
        raise RunUnknown(
            f"No write of a run {run_id} is remembered",
            way_out="It changed nothing, or it was longer ago than retention.writes_keep_days.",
        )
    return found


def _cast(column: Column[object]) -> sql.Composable:
    """A placeholder of the column's type."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # it has no types
    return sql.SQL("CAST(%s AS {})").format(sql.SQL(column.type.compile(dialect=dialect)))


def _row(cursor: Cursor, table: Table, columns: Sequence[Column[object]], parts: Sequence[_Part]) -> Version | None:
    conditions = [
        sql.SQL("t.{} = {}").format(sql.Identifier(column.name), cast)
        for column, (cast, _) in zip(columns, parts, strict=True)
    ]
    statement = sql.SQL("SELECT t.xmin::text, to_jsonb(t), {} FROM {} AS t WHERE {}").format(
        sql.SQL("t.ingested_at") if "ingested_at" in table.c else sql.SQL("NULL::timestamptz"),
        table_name(table),
        sql.SQL(" AND ").join(conditions),
    )
    cursor.execute(statement, [value for _, value in parts])
    found = cursor.fetchone()
    if found is None:
        return None
    xmin, row, at = found
    return Version(row, _utc(at), None, _write(cursor, table, at, xmin))


def _versions(cursor: Cursor, table: Table, columns: Sequence[Column[object]], parts: Sequence[_Part]) -> list[Version]:
    names = [sql.Literal(column.name) for column in columns]
    pairs = [part for name, (cast, _) in zip(names, parts, strict=True) for part in (name, cast)]
    key = sql.SQL("jsonb_build_object({})").format(sql.SQL(", ").join(pairs))
    cursor.execute(sql.SQL(_VERSIONS).format(key=key), [table.fullname, *(value for _, value in parts)])
    found = []
    for row, until in cursor.fetchall():
        since = datetime.fromisoformat(row["ingested_at"]) if row.get("ingested_at") else None
        found.append(Version(row, _utc(since), _utc(until), _write(cursor, table, since, None)))
    return found


def _write(cursor: Cursor, table: Table, at: datetime | None, xmin: str | None) -> Write | None:
    """The note of whoever stored a row that bears this time and transaction."""
    if at is None:
        return None
    asked = {"table": table.fullname, "at": at, "xmin": xmin, "near": _NEAR}
    cursor.execute(_BY_STAMP, asked)
    found = cursor.fetchone()
    if found is None and xmin is not None:
        cursor.execute(_BY_TRANSACTION, asked)
        found = cursor.fetchone()
    if found is None:
        return None
    write = Write(*found)
    return replace(write, written_at=write.written_at.astimezone(UTC), is_proven=bool(write.is_proven))


def _absence(cursor: Cursor, table: Table, columns: Sequence[Column[object]], key: Sequence[str]) -> Absence:
    """What ledgers know of a row that is not there; nothing where its table's rows belong to no series or time."""
    given = {column.name: value for column, value in zip(columns, key, strict=True)}
    venue, symbol = table.info.get("series", ("venue", "symbol"))
    at = given.get(table.info.get("time", "opened_at"))
    if at is None or not ({venue, symbol} & given.keys()):
        return Absence()
    asked = {
        "dataset": table.fullname.replace(".", "/"),
        "venue": given.get(venue, venue),
        "symbol": given.get(symbol, symbol),
        "timeframe": given.get("timeframe", TICK),
        "at": at,
        "most": _REFUSALS,
    }
    cursor.execute(_GAPS, asked)
    gaps = [
        (state, _sure(start), _sure(end), why, _sure(seen), _utc(done)) for state, start, end, why, seen, done in cursor
    ]
    cursor.execute(_REFUSED, asked)
    refused = [(why, payload, times, _sure(seen), bool(names)) for why, payload, times, seen, names in cursor]
    cursor.execute(_ASKED, asked)
    row = cursor.fetchone()
    return Absence(bool(row[0]) if row else None, gaps, refused)


def _utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment is not None else None


def _sure(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
