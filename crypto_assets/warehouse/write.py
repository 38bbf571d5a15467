"""The two ways of writing: `upsert` for what is collected, `replace` for what is derived. Both can be run again.

What belongs here: the statements of both, and their counts. What does not: the encoding of values (binary_copy.py), old
values (triggers keep them, sql/0003_revisions.sql) and progress (collected.py), which the caller writes in the same
transaction.

Where the table holds nothing in the batch's range of keys, as in a first load, an upsert copies the rows straight in, and
so it does with the rows of a series that lie behind all that is stored; the others it merges (merge.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import psycopg2
from numpy.typing import NDArray
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - as above
from sqlalchemy import Column, Table

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.warehouse.binary_copy import Array, Batch, EncodedBatch, ValueRefused, Values, encode_batch
from crypto_assets.warehouse.copy_in import copy_rows, table_name
from crypto_assets.warehouse.merge import INGESTED_AT, may_hold, merge, rows_ahead
from crypto_assets.warehouse.writes import in_savepoint, note_merged, note_write

_SAVEPOINT = "before_straight_copy"
_DECIDE = "Decide which row holds before writing."
_ENSURE_PARTITIONS = {
    "year": "SELECT ops.ensure_year_partition(%s::regclass, at) FROM unnest(%s::timestamptz[]) AS at; ",
    "day": "SELECT ops.ensure_day_partition(%s::regclass, at) FROM unnest(%s::timestamptz[]) AS at; ",
}
_CLOCK_AND_TRIGGERS = """
SELECT clock_timestamp(),
       EXISTS (SELECT FROM pg_trigger
                WHERE tgrelid = %s::regclass AND tgfoid = 'audit.keep_revision()'::regprocedure),
       set_config('crypto_assets.revisions_kept', '', true)
"""


class WriteRefused(CryptoAssetsError):
    """The batch does not fit the table or the call; nothing was written."""


class DuplicateKeys(WriteRefused):
    """A batch holds the same key twice, so that it does not say what the row shall be."""


@dataclass(frozen=True)
class WriteCounts:
    """What a write did.

    Args:
        received: Rows in the batch.
        inserted: Rows whose key was not there.
        changed: Rows that were there with other values; the old ones stand in audit.revisions.
        unchanged: Rows that were there just so and were not touched.
        deleted: Rows that `replace` removed first; 0 for `upsert`.
    """

    received: int
    inserted: int
    changed: int
    unchanged: int
    deleted: int = 0


def upsert(connection: Connection, table: Table, batch: Batch) -> WriteCounts:
    """Insert new rows, change those that differ, leave alone those that do not. Missing partitions are made.

    Columns that the batch does not have keep their value (or get their default). `ingested_at` is given here: the clock
    of the statement, and later than that of the row's former value.

    Args:
        connection: In a transaction, which the caller commits.
        table: With a primary key, the column `ingested_at`, and audit's triggers.
        batch: Column name → one-dimensional array, or a scalar for all rows. NaN, NaT and None are NULL; datetime64 is
            UTC of any unit, kept to the microsecond; whole numbers may come as floats. Exact numbers are text or Decimal,
            order books sequences of (price, amount), jsonb is text.

    Raises:
        DuplicateKeys: the batch holds a key twice.
        ValueRefused: a value does not fit its column; text with a NUL byte is one.
        WriteRefused: unknown or missing columns, or a table without triggers.
    """
    encoded = encode_batch(_columns_of(connection, table, batch), batch)
    if encoded.rows == 0:
        return WriteCounts(0, 0, 0, 0)
    keys = _keys(table, batch)
    _refuse_duplicates(table, keys, encoded.rows)
    with connection.cursor() as cursor:
        at = _prepare(cursor, table, batch)
        stamped = _Stamped(encoded.plus(table.c[INGESTED_AT], at), at)
        ahead = rows_ahead(cursor, table, keys)
        if ahead is not None and ahead.any() and not ahead.all():
            return _put_apart(cursor, table, stamped, keys, ahead)
        is_new = ahead.all() if ahead is not None else not may_hold(cursor, table, keys)
        return _put(cursor, table, stamped, keys, is_new=bool(is_new))


@dataclass(frozen=True)
class _Stamped:
    """A batch that is ready to be sent, and the `ingested_at` that its rows bear."""

    batch: EncodedBatch
    at: datetime


def _put(cursor: Cursor, table: Table, stamped: _Stamped, keys: Mapping[str, Values], *, is_new: bool) -> WriteCounts:
    """Copy straight in what cannot be there, merge anything else."""
    rows = stamped.batch.rows
    if is_new and _copied_straight(cursor, table, stamped):
        return WriteCounts(rows, rows, 0, 0)
    written, changed = _merged(cursor, table, stamped, keys)
    return WriteCounts(rows, written - changed, changed, rows - written)


def _put_apart(
    cursor: Cursor, table: Table, stamped: _Stamped, keys: Mapping[str, Values], ahead: NDArray[np.bool_]
) -> WriteCounts:
    """The rows ahead of all that is stored straight in, the others merged."""
    counts = []
    for chosen, is_new in ((~ahead, False), (ahead, True)):
        part = {name: values[chosen] if isinstance(values, np.ndarray) else values for name, values in keys.items()}
        counts.append(
            astuple(_put(cursor, table, _Stamped(stamped.batch.only(chosen), stamped.at), part, is_new=is_new))
        )
    return WriteCounts(*(sum(column) for column in zip(*counts, strict=True)))


def replace(
    connection: Connection,
    table: Table,
    batch: Batch,
    where: Mapping[str, object],
    start: datetime,
    end: datetime,
    time_column: str = "opened_at",
) -> WriteCounts:
    """Put the batch in the place of all rows of a span: delete them, then copy straight in.

    Args:
        connection: In a transaction, which the caller commits.
        table: What to write to.
        batch: As for `upsert`; every row lies in the span and meets `where`.
        where: Column name → value that the span's rows have, as {"venue": "kraken", "symbol": "BTC/USD"}.
        start: First moment of the span, with its zone.
        end: Behind its last moment.
        time_column: The column that lies in the span.

    Raises:
        WriteRefused: a row lies outside of the span, or unknown or missing columns.
        DuplicateKeys, ValueRefused: as for `upsert`.
    """
    encoded = encode_batch(_columns_of(connection, table, batch), batch)
    _refuse_outside(batch, where, time_column, start, end)
    _refuse_duplicates(table, _keys(table, batch), encoded.rows)
    conditions = [sql.SQL("{} = %s").format(sql.Identifier(name)) for name in where]
    span = sql.SQL("{0} >= %s AND {0} < %s").format(sql.Identifier(time_column))
    delete = sql.SQL("DELETE FROM {} WHERE {}").format(table_name(table), sql.SQL(" AND ").join([*conditions, span]))
    with connection.cursor() as cursor:
        # The new versions begin before the old ones end: for a moment they overlap, where the old one counts, and at no
        # time is there none.
        partitions, values = _partitions(cursor, table, batch)
        cursor.execute(partitions + "SELECT clock_timestamp()", values)
        row = cursor.fetchone()
        at = row[0] if row else None
        cursor.execute(delete, (*where.values(), start, end))
        deleted = cursor.rowcount
        if encoded.rows:
            copy_rows(cursor, table_name(table), encoded.plus(table.c[INGESTED_AT], at))
        note_write(cursor, table, inserted=encoded.rows, deleted=deleted, at=at)
    return WriteCounts(encoded.rows, encoded.rows, 0, 0, deleted)


def _columns_of(connection: Connection, table: Table, batch: Batch) -> list[Column[object]]:
    """The batch's columns in the table's order, once the call is known to make sense."""
    if connection.autocommit:
        raise WriteRefused(
            f"Writing {table} needs a transaction, and the connection commits each statement",
            way_out="Use `with warehouse.connect() as connection`.",
        )
    if INGESTED_AT not in table.c or not table.primary_key.columns:
        raise WriteRefused(f"{table} needs a primary key and the column {INGESTED_AT} to be written to")
    known = {column.name for column in table.columns if column.computed is None and column.name != INGESTED_AT}
    needed = {column.name for column in table.columns if not column.nullable and column.server_default is None}
    unknown, missing = sorted(batch.keys() - known), sorted((needed & known) - batch.keys())
    if unknown or missing:
        raise WriteRefused(
            f"A batch for {table} must have {', '.join(sorted(needed & known))} and may have its other columns;"
            f" missing: {', '.join(missing) or 'none'}; not the batch's to give: {', '.join(unknown) or 'none'}"
        )
    return [column for column in table.columns if column.name in batch]


def _keys(table: Table, batch: Batch) -> dict[str, Values]:
    return {column.name: batch[column.name] for column in table.primary_key.columns}


def _refuse_duplicates(table: Table, keys: Mapping[str, Values], rows: int) -> None:
    arrays = {name: _comparable(values) for name, values in keys.items() if isinstance(values, np.ndarray)}
    combined = np.zeros(rows, dtype=np.int64)
    for array in arrays.values():
        codes = pd.factorize(array)[0].astype(np.int64)
        joined = combined * (int(codes.max(initial=0)) + 1) + codes
        combined = pd.factorize(joined)[0].astype(np.int64)
        if int(combined.max(initial=-1)) + 1 == rows:
            return  # what differs already need not be told apart by the other columns
    repeated = pd.Series(combined).duplicated().to_numpy()
    if repeated.any():
        row = int(np.flatnonzero(repeated)[0])
        key = ", ".join(
            f"{name} {values[row] if isinstance(values, np.ndarray) else values}" for name, values in keys.items()
        )
        raise DuplicateKeys(
            f"A batch for {table} holds the same key {int(repeated.sum()) + 1} times or more, first {key}",
            way_out=_DECIDE,
        )


def _comparable(values: Array) -> Array:
    return values.astype("datetime64[us]") if values.dtype.kind == "M" else values


def _refuse_outside(
    batch: Batch, where: Mapping[str, object], time_column: str, start: datetime, end: datetime
) -> None:
    for name, value in where.items():
        if name not in batch or not np.all(np.asarray(batch[name]) == value):
            raise WriteRefused(f"Every row that replaces a span where {name} is {value} must have that {name}")
    times = batch.get(time_column)
    if not isinstance(times, np.ndarray) or times.dtype.kind != "M":
        raise WriteRefused(f"Expected {time_column} as an array of datetime64 in the batch")
    if len(times) and not ((times >= _wall(start)) & (times < _wall(end))).all():
        raise WriteRefused(
            f"Every row that replaces the span from {start.isoformat()} to {end.isoformat()} must lie in it;"
            f" the batch reaches from {times.min()} to {times.max()}"
        )


def _wall(moment: datetime) -> np.datetime64:
    if moment.tzinfo is None:
        raise WriteRefused(f"Expected a moment with its zone, and got {moment.isoformat()}")
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")


def _prepare(cursor: Cursor, table: Table, batch: Batch) -> datetime:
    """Make the partitions, see that old values will be kept, and take the statement's time."""
    partitions, values = _partitions(cursor, table, batch)
    cursor.execute(partitions + _CLOCK_AND_TRIGGERS, (*values, table_name(table).as_string(cursor)))
    row = cursor.fetchone()
    if row is None or not row[1]:
        raise WriteRefused(
            f"{table} has no triggers that keep old values",
            way_out=f"Add a migration with audit.keep_revisions_of('{table}'), or use `replace`.",
        )
    moment: datetime = row[0]
    return moment


def _partitions(cursor: Cursor, table: Table, batch: Batch) -> tuple[str, list[object]]:
    """The statement that makes the batch's partitions, and its values; empty where the table has none."""
    column = table.info.get("partition_by")
    if column is None:
        return "", []
    unit = "day" if table.info.get("partition_unit") == "day" else "year"
    times = batch[column]
    if isinstance(times, np.ndarray):
        starts = np.unique(times[~np.isnat(times)].astype(f"datetime64[{unit[0].upper()}]"))
        moments = [f"{start} 00:00:00+00" for start in starts.astype("datetime64[D]").astype(str).tolist()]
    else:
        moments = [str(times)]
    return _ENSURE_PARTITIONS[unit], [table_name(table).as_string(cursor), moments]


def _copied_straight(cursor: Cursor, table: Table, stamped: _Stamped) -> bool:
    """Copy into the table itself; false (and nothing kept) where another writer put one of the keys there meanwhile."""
    cursor.execute(in_savepoint(_SAVEPOINT), (table.fullname, stamped.at, stamped.batch.rows, 0, 0))
    try:
        copy_rows(cursor, table_name(table), stamped.batch)
    except psycopg2.errors.UniqueViolation:
        cursor.execute(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
        return False
    cursor.execute(f"RELEASE SAVEPOINT {_SAVEPOINT}")
    return True


def _merged(cursor: Cursor, table: Table, stamped: _Stamped, keys: Mapping[str, Values]) -> tuple[int, int]:
    """Rows written, and how many of them were there before: the trigger says so, for a partitioned table does not."""
    try:
        written = merge(cursor, table, stamped.batch, keys)
    except psycopg2.errors.CardinalityViolation as error:
        raise DuplicateKeys(f"A batch for {table} holds a key twice", way_out=_DECIDE) from error
    return written, note_merged(cursor, table, written, stamped.at)


__all__ = ["Batch", "DuplicateKeys", "ValueRefused", "WriteCounts", "WriteRefused", "replace", "upsert"]
