"""The two ways of writing: `upsert` for what is collected, `replace` for what is derived. Both can be run again.

What belongs here: the statements of both, and their counts. What does not: the encoding of values (binary_copy.py), old
values (triggers keep them, sql/0003_revisions.sql) and progress (collected.py), which the caller writes in the same
transaction.

How an upsert finds its way: where the table holds nothing in the batch's range of keys, as in a first load, rows are
copied straight in. Else they are copied to a temporary table, compared with what is there, and only what differs is
written. Comparing reads one index range for a batch of one series, and probes the index row by row otherwise, so its
cost follows the batch and not the table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - as above
from sqlalchemy import Column, Table

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.warehouse.binary_copy import Batch, ValueRefused, Values, batch_length, encode_rows
from crypto_assets.warehouse.byte_stream import ByteStream

INGESTED_AT = "ingested_at"
_SAVEPOINT = "before_straight_copy"
_STAGING = sql.Identifier("upsert_staging")
# Below this many rows, probing the index costs less than reading the range between the batch's first and last row.
RANGE_JOIN_ROWS = 1_000
# So many distinct texts of a key column are asked for one by one when looking whether anything is there.
LISTED_TEXTS = 50


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
    """Insert new rows, change those that differ, leave alone those that do not. Missing year partitions are made.

    Columns that the batch does not have keep their value (or get their default). `ingested_at` is given here: the clock
    of the statement, and later than that of the row's former value.

    Args:
        connection: In a transaction, which the caller commits.
        table: With a primary key, the column `ingested_at`, and audit's triggers.
        batch: Column name → one-dimensional array, or a scalar for all rows. NaN, NaT and None are NULL; datetime64 is
            UTC of any unit, kept to the microsecond; whole numbers may come as floats.

    Raises:
        DuplicateKeys: the batch holds a key twice.
        ValueRefused: a value does not fit its column; text with a NUL byte is one.
        WriteRefused: unknown or missing columns, or a table without triggers.
    """
    columns = _columns_of(connection, table, batch)
    rows = batch_length(batch)
    if rows == 0:
        return WriteCounts(0, 0, 0, 0)
    keys = _keys(table, batch)
    _refuse_duplicates(table, keys, rows)
    with connection.cursor() as cursor:
        moment = _prepare(cursor, table, batch)
        stamped = {**batch, INGESTED_AT: moment}
        names = [*columns, table.c[INGESTED_AT]]
        if not _may_hold(cursor, table, keys) and _copied_straight(cursor, table, names, stamped):
            return WriteCounts(rows, rows, 0, 0)
        return _merge(cursor, table, names, stamped, keys)


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
    columns = _columns_of(connection, table, batch)
    rows = batch_length(batch)
    _refuse_outside(batch, where, time_column, start, end)
    _refuse_duplicates(table, _keys(table, batch), rows)
    conditions = [sql.SQL("{} = %s").format(sql.Identifier(name)) for name in where]
    span = sql.SQL("{0} >= %s AND {0} < %s").format(sql.Identifier(time_column))
    delete = sql.SQL("DELETE FROM {} WHERE {}").format(_name(table), sql.SQL(" AND ").join([*conditions, span]))
    with connection.cursor() as cursor:
        cursor.execute(delete, (*where.values(), start, end))
        deleted = cursor.rowcount
        if rows:
            _make_partitions(cursor, table, batch)
            _copy(cursor, _name(table), columns, batch)
    return WriteCounts(rows, rows, 0, 0, deleted)


def _columns_of(connection: Connection, table: Table, batch: Batch) -> list[Column[object]]:
    """The batch's columns in the table's order, once the call is known to make sense."""
    if connection.autocommit:
        raise WriteRefused(
            f"Writing {table} needs a transaction, and the connection commits each statement",
            way_out="Use `with warehouse.connect() as connection`.",
        )
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
    repeated = pd.Series(combined).duplicated().to_numpy()
    if repeated.any():
        row = int(np.flatnonzero(repeated)[0])
        key = ", ".join(
            f"{name} {values[row] if isinstance(values, np.ndarray) else values}" for name, values in keys.items()
        )
        raise DuplicateKeys(
            f"A batch for {table} holds the same key {int(repeated.sum()) + 1} times or more, first {key}",
            way_out="Decide which row holds before writing.",
        )


def _comparable(values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    return values.astype("datetime64[us]") if values.dtype.kind == "M" else values


def _refuse_outside(batch: Batch, where: Mapping[str, object], time_column: str, start: datetime, end: datetime) -> None:
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
    return np.datetime64(int(moment.timestamp() * 1_000_000), "us")


def _prepare(cursor: Cursor, table: Table, batch: Batch) -> datetime:
    """Make the partitions, see that old values will be kept, and take the statement's time."""
    _make_partitions(cursor, table, batch)
    cursor.execute(
        "SELECT clock_timestamp(), EXISTS (SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid"
        " WHERE t.tgrelid = %s::regclass AND p.oid = 'audit.keep_revision()'::regprocedure),"
        " set_config('crypto_assets.revisions_kept', '', true)",
        (_name(table).as_string(cursor),),
    )
    row = cursor.fetchone()
    if row is None or not row[1]:
        raise WriteRefused(
            f"{table} has no triggers that keep old values",
            way_out=f"Add a migration with audit.keep_revisions_of('{table}'), or use `replace`.",
        )
    moment: datetime = row[0]
    return moment


def _make_partitions(cursor: Cursor, table: Table, batch: Batch) -> None:
    column = table.info.get("partition_by")
    if column is None:
        return
    times = batch[column]
    if isinstance(times, np.ndarray):
        years = np.unique(times[~np.isnat(times)].astype("datetime64[Y]")).astype(str).tolist()
        moments = [f"{year}-01-01 00:00:00+00" for year in years]
    else:
        moments = [str(times)]
    cursor.execute(
        "SELECT ops.ensure_year_partition(%s::regclass, at) FROM unnest(%s::timestamptz[]) AS at",
        (_name(table).as_string(cursor), moments),
    )


def _may_hold(cursor: Cursor, table: Table, keys: Mapping[str, Values]) -> bool:
    """Whether the table holds any row in the batch's range of keys; true where that is not cheap to say."""
    conditions, values = [], []
    for name, given in keys.items():
        found = _condition(name, given)
        if found is None:
            return True
        conditions.append(found[0])
        values.extend(found[1])
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {})").format(_name(table), sql.SQL(" AND ").join(conditions))
    with _planned_without(cursor, "seqscan"):  # it would be chosen where statistics are old, and read the whole table
        cursor.execute(query, values)
        row = cursor.fetchone()
    return row is None or bool(row[0])


def _condition(name: str, given: Values) -> tuple[sql.Composable, list[object]] | None:
    """A condition that all keys of the batch meet, and its values; None where there is no short one."""
    column = sql.Identifier(name)
    if not isinstance(given, np.ndarray):
        return sql.SQL("{} = %s").format(column), [given]
    if given.dtype.kind == "M":
        first, last = (f"{np.datetime_as_string(bound, unit='us')}+00" for bound in _bounds(given))
        return sql.SQL("{} BETWEEN %s::timestamptz AND %s::timestamptz").format(column), [first, last]
    if given.dtype.kind in "iu":
        return sql.SQL("{} BETWEEN %s AND %s").format(column), [int(given.min()), int(given.max())]
    distinct = pd.unique(given.astype(object))
    if len(distinct) > LISTED_TEXTS:
        return None
    return sql.SQL("{} = ANY(%s)").format(column), [list(distinct)]


def _bounds(times: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> tuple[np.datetime64, np.datetime64]:
    micro = times.astype("datetime64[us]")
    if np.isnat(micro).any():
        raise ValueRefused("A key's time is missing (NaT)")
    return micro.min(), micro.max()


def _copied_straight(cursor: Cursor, table: Table, columns: Sequence[Column[object]], batch: Batch) -> bool:
    """Copy into the table itself; false (and nothing kept) where another writer put one of the keys there meanwhile."""
    cursor.execute(f"SAVEPOINT {_SAVEPOINT}")
    try:
        _copy(cursor, _name(table), columns, batch)
    except psycopg2.errors.UniqueViolation:
        cursor.execute(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
        return False
    cursor.execute(f"RELEASE SAVEPOINT {_SAVEPOINT}")
    return True


def _copy(cursor: Cursor, target: sql.Composable, columns: Sequence[Column[object]], batch: Batch) -> None:
    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(target, names)
    cursor.copy_expert(statement, ByteStream(encode_rows(columns, batch)), size=1 << 20)


def _merge(
    cursor: Cursor, table: Table, columns: Sequence[Column[object]], batch: Batch, keys: Mapping[str, Values]
) -> WriteCounts:
    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)
    cursor.execute(
        sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
            _STAGING, names, _name(table)
        )
    )
    _copy(cursor, sql.SQL("pg_temp.") + _STAGING, columns, batch)
    rows = batch_length(batch)
    bounds = _series_range(keys) if rows >= RANGE_JOIN_ROWS else None
    try:
        with _planned_without(cursor, *(("nestloop",) if bounds else ("hashjoin", "mergejoin"))):
            cursor.execute(_merge_statement(table, columns, bounds is not None), _merge_values(keys, bounds))
            written = cursor.rowcount
    except psycopg2.errors.CardinalityViolation as error:
        raise DuplicateKeys(
            f"A batch for {table} holds the same key twice", way_out="Decide which row holds before writing."
        ) from error
    cursor.execute("SELECT current_setting('crypto_assets.revisions_kept')")
    row = cursor.fetchone()
    changed = int(row[0]) if row else 0
    cursor.execute(sql.SQL("DROP TABLE pg_temp.{}").format(_STAGING))
    return WriteCounts(rows, written - changed, changed, rows - written)


def _series_range(keys: Mapping[str, Values]) -> str | None:
    """The one key column that varies, where it is a time or a number and all others are the same for all rows."""
    varied = [name for name, values in keys.items() if isinstance(values, np.ndarray)]
    if len(varied) != 1:
        return None
    values = keys[varied[0]]
    return varied[0] if isinstance(values, np.ndarray) and values.dtype.kind in "Miu" else None


def _merge_values(keys: Mapping[str, Values], ranged: str | None) -> list[object]:
    if ranged is None:
        return []
    found = (_condition(name, values) for name, values in keys.items())
    return [value for condition in found if condition is not None for value in condition[1]]


def _merge_statement(table: Table, columns: Sequence[Column[object]], is_range: bool) -> sql.Composed:
    key = [sql.Identifier(column.name) for column in table.primary_key.columns]
    compared = [sql.Identifier(c.name) for c in columns if not c.primary_key and c.name != INGESTED_AT]
    return sql.SQL(
        "INSERT INTO {target} AS t ({names}) SELECT {staged} FROM pg_temp.{staging} AS s LEFT JOIN {there} ON {joined}"
        " WHERE o.is_there IS NULL OR o.differs ON CONFLICT ({key}) DO UPDATE SET {changes} WHERE {differs}"
    ).format(
        target=_name(table),
        names=sql.SQL(", ").join(sql.Identifier(column.name) for column in columns),
        staged=sql.SQL(", ").join(sql.SQL("s.{}").format(sql.Identifier(column.name)) for column in columns),
        staging=_STAGING,
        there=sql.SQL("x"),
        joined=sql.SQL("x"),
        key=sql.SQL(", ").join(key),
        changes=sql.SQL("x"),
        differs=sql.SQL("x"),
    )


@contextmanager
def _planned_without(cursor: Cursor, *methods: str) -> Iterator[None]:
    """Statements of the block are planned without these methods; within a transaction only."""
    for method in methods:
        cursor.execute(sql.SQL("SET LOCAL {} = off").format(sql.Identifier(f"enable_{method}")))
    yield
    for method in methods:
        cursor.execute(sql.SQL("SET LOCAL {} = on").format(sql.Identifier(f"enable_{method}")))


def _name(table: Table) -> sql.Identifier:
    return sql.Identifier(*([table.schema] if table.schema else []), table.name)


__all__ = ["Batch", "DuplicateKeys", "ValueRefused", "WriteCounts", "WriteRefused", "replace", "upsert"]
