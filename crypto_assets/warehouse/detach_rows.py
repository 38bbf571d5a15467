"""Rows of a partition as Arrow batches, and their hash: the same statement over a table and over a file's rows.

What belongs here: reading rows in the order of their key, hashing them, and putting a file's rows back into PostgreSQL. What
does not: files (detach_file.py) and the order of the work (detach.py, detach_restore.py).

Types that Parquet has (texts, numbers of fixed size, booleans, times, dates) go as they are; all others (numeric, arrays,
jsonb) go as PostgreSQL writes them, every digit kept. A row's hash is hashtextextended of its text, 64 bits, and that of many
rows the sum of theirs: the same in any order, so that pieces can be hashed one by one. Columns that the database computes are
left out. A file is proved by putting its rows into a temporary table, piece by piece, and asking PostgreSQL for their hash:
what was proved is that they can be restored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
from adbc_driver_manager import Error as AdbcError
from adbc_driver_manager import dbapi
from psycopg2 import sql

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.warehouse.connection import Warehouse

STAGING = "archive_staging"
PLAIN = frozenset(
    {"text", "double precision", "real", "smallint", "integer", "bigint", "boolean", "timestamp with time zone", "date"}
)
_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), coalesce(col_description(a.attrelid, a.attnum), ''),
       coalesce(a.attnum = ANY (k.conkey), false), coalesce(array_position(k.conkey, a.attnum), 0)
  FROM pg_attribute a LEFT JOIN pg_constraint k ON k.conrelid = a.attrelid AND k.contype = 'p'
 WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
 ORDER BY a.attnum
"""
# What decides how a value is written as text.
_SESSION = (
    "SELECT set_config('datestyle', 'ISO, YMD', true), set_config('extra_float_digits', '1', true),"
    " set_config('timezone', 'UTC', true)"
)


class RowsRefused(CryptoAssetsError):
    """PostgreSQL refused to read or take rows of an archive."""


@dataclass(frozen=True)
class StoredColumn:
    """A column as the catalog has it.

    Args:
        kind: As PostgreSQL names its type.
        comment: Meaning and unit.
        place_in_key: From 1; 0 where it is none of the key.
    """

    name: str
    kind: str
    comment: str
    place_in_key: int = 0

    @property
    def is_plain(self) -> bool:
        """Whether it goes to Parquet as it is."""
        return self.kind in PLAIN


@dataclass(frozen=True)
class RowsMark:
    """How many rows, and the sum of their hashes."""

    rows: int
    row_hash: int

    def __add__(self, other: RowsMark) -> RowsMark:
        return RowsMark(self.rows + other.rows, self.row_hash + other.row_hash)


def columns_of(warehouse: Warehouse, table: sql.Identifier) -> list[StoredColumn]:
    """The columns that a table stores, in its order.

    Raises:
        DatabaseUnreachable, NotMigrated: no connection, or no such table.
    """
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_COLUMNS, (table.as_string(connection),))
        return [StoredColumn(name, kind, comment, place) for name, kind, comment, _, place in cursor.fetchall()]


class Rows:
    """One transaction over rows of archives; open it by `rows_of`."""

    def __init__(self, warehouse: Warehouse, connection: dbapi.Connection) -> None:
        self._warehouse = warehouse
        self._connection = connection
        self._staged: pa.Schema | None = None  # of the temporary table, where there is one

    def mark(self, table: sql.Identifier, columns: Sequence[StoredColumn]) -> RowsMark:
        """Count and hash a table's own rows, none of its children's."""
        values = [sql.SQL("t.{}").format(sql.Identifier(one.name)) for one in columns]
        return self._mark(values, sql.SQL("ONLY {} AS t").format(table))

    def batches(self, table: sql.Identifier, columns: Sequence[StoredColumn]) -> Iterator[pa.RecordBatch]:
        """A table's rows in the order of its key, some megabytes at a time."""
        key = sorted((one for one in columns if one.place_in_key), key=lambda one: one.place_in_key)
        query = sql.SQL("SELECT {} FROM ONLY {} ORDER BY {}").format(
            sql.SQL(", ").join(_as_read(one) for one in columns),
            table,
            sql.SQL(", ").join(sql.Identifier(one.name) for one in key),
        )
        with _told(), self._connection.cursor() as cursor:
            cursor.execute(self._text(query))
            yield from cursor.fetch_record_batch()

    def stage(self, batch: pa.RecordBatch, columns: Sequence[StoredColumn]) -> RowsMark:
        """Put a file's rows into the temporary table in place of those before, and count and hash them there."""
        with _told(), self._connection.cursor() as cursor:
            # A table made in the same transaction is emptied in place; of one that is dropped, disk and locks are held until
            # the transaction ends, and that of each batch would add up to the whole partition.
            if self._staged == batch.schema:
                cursor.execute(f"TRUNCATE pg_temp.{STAGING}")
                cursor.adbc_ingest(STAGING, batch, mode="append", temporary=True)
            else:
                cursor.execute(f"DROP TABLE IF EXISTS pg_temp.{STAGING}")
                cursor.adbc_ingest(STAGING, batch, mode="create", temporary=True)
                self._staged = batch.schema
        values = [_as_stored(one) for one in columns]
        return self._mark(values, sql.SQL("pg_temp.{} AS s").format(sql.Identifier(STAGING)))

    def take(self, target: sql.Composable, columns: Sequence[StoredColumn]) -> None:
        """Put the staged rows into a table; those whose key is there already stay away."""
        statement = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM pg_temp.{} AS s ON CONFLICT DO NOTHING").format(
            target,
            sql.SQL(", ").join(sql.Identifier(one.name) for one in columns),
            sql.SQL(", ").join(_as_stored(one) for one in columns),
            sql.Identifier(STAGING),
        )
        with _told(), self._connection.cursor() as cursor:
            cursor.execute(self._text(statement))

    def commit(self) -> None:
        """Keep what was taken; without it the end of the block takes all of it back."""
        with _told():
            self._connection.commit()

    def _mark(self, values: Sequence[sql.Composable], source: sql.Composable) -> RowsMark:
        query = sql.SQL(
            'SELECT count(*), coalesce(sum(hashtextextended(ROW({})::text COLLATE "C", 0)), 0)::text FROM {}'
        ).format(sql.SQL(", ").join(values), source)
        with _told(), self._connection.cursor() as cursor:
            cursor.execute(self._text(query))
            row = cursor.fetchone()
        return RowsMark(int(row[0]), int(row[1])) if row else RowsMark(0, 0)

    def _text(self, statement: sql.Composable) -> str:
        with self._warehouse.connect() as quoting:
            return statement.as_string(quoting)


@contextmanager
def rows_of(warehouse: Warehouse) -> Iterator[Rows]:
    """A transaction that sees one moment of the database.

    Raises:
        DatabaseUnreachable: no connection.
        RowsRefused: PostgreSQL refused a statement of the block.
    """
    with warehouse.adbc() as connection:
        with _told(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute(_SESSION)
            cursor.fetchall()
        try:
            yield Rows(warehouse, connection)
        finally:
            connection.rollback()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except AdbcError as error:
        raise RowsRefused(f"PostgreSQL refused rows of an archive: {' '.join(str(error).split())}") from error


def _as_read(one: StoredColumn) -> sql.Composable:
    name = sql.Identifier(one.name)
    return name if one.is_plain else sql.SQL("{0}::text AS {0}").format(name)


def _as_stored(one: StoredColumn) -> sql.Composable:
    # The type's name comes from PostgreSQL's catalog, or was compared with it.
    return sql.SQL("s.{}::{}").format(sql.Identifier(one.name), sql.SQL(one.kind))


__all__ = ["PLAIN", "Rows", "RowsMark", "RowsRefused", "StoredColumn", "columns_of", "rows_of"]
