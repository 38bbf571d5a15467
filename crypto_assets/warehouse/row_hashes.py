"""A hash of each table's rows that depends on nothing but the rows, and a moment in which all tables stand still.

What belongs here: counting and hashing in SQL, holding a snapshot, comparing. What does not: what is compared with what
(backup.py, backup_restore.py).

A row's hash is PostgreSQL's hashtextextended of the row's text, 64 bits; the table's is their sum as an exact whole number. So
neither the order of rows nor where they lie nor dropped columns count, a row that is there twice counts twice, and partitions
may be hashed at the same time. The text is what pg_dump writes: every digit of a double, every time in UTC. The function is the
one that hash partitioning relies on, so it stays what it is from version to version on machines of one byte order.

It finds accidents: a difference of one row is missed once in 1.8e19. It is no defence against somebody who makes rows for it;
that is what the SHA-256 of files are for. Measured, two cores: 500,000 bars in 0.4 s; hash_record_extended takes a third, but
knows no difference between 1.0 and 1.00 or between 0.0 and -0.0; MD5 takes a third more.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - as above

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.warehouse.backup_manifest import TableMark
from crypto_assets.warehouse.connection import Warehouse

_ATTEMPTS = 5
# Everything that decides how a value is written, and nothing that could end a long statement or an idle holder. Whoever holds a
# table for himself for a minute will hold it for longer.
_SESSION = """
SET statement_timeout = 0; SET lock_timeout = '60s'; SET idle_in_transaction_session_timeout = 0;
SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 1; SET bytea_output = 'hex';
SET search_path = pg_catalog
"""
# What pg_dump writes rows of: ordinary tables and partitions, but none of an extension. Temporary ones are nobody else's.
_TABLES = """
SELECT n.nspname, c.relname, c.relpersistence = 'u', pg_total_relation_size(c.oid)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
   AND NOT EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY 1, 2
"""
_HASH = """
SELECT count(*), coalesce(sum(hashtextextended((t.*)::text COLLATE "C", 0)), 0)::text FROM ONLY {} AS t
"""


class TablesInMotion(CryptoAssetsError):
    """Tables come and go faster than they can be held, or somebody holds one for himself."""


class HashingStopped(CryptoAssetsError):
    """Another part of the work failed, so this one was ended."""


@dataclass(frozen=True)
class StoredTable:
    """A table with rows of its own.

    Args:
        size: Bytes, with its indices; 0 where it was dropped meanwhile.
    """

    schema_name: str
    name: str
    is_unlogged: bool
    size: int

    @property
    def identifier(self) -> sql.Identifier:
        """To be composed into statements."""
        return sql.Identifier(self.schema_name, self.name)


@dataclass(frozen=True)
class Frozen:
    """A moment of a database that stays readable while it is held.

    Args:
        snapshot: For SET TRANSACTION SNAPSHOT and pg_dump.
        at: The server's clock, UTC.
        tables: All that were there; none of them can be dropped or changed in shape while it is held.
        cursor: Within the moment, for whatever else is to be read of it.
    """

    snapshot: str
    at: datetime
    tables: tuple[StoredTable, ...]
    cursor: Cursor


@contextmanager
def frozen(warehouse: Warehouse) -> Iterator[Frozen]:
    """Hold a moment of the database: writers go on, and nobody who asks by the snapshot sees them.

    Tables are locked as a reader does (ACCESS SHARE) before the snapshot is taken: none that it shows is dropped meanwhile.

    Raises:
        DatabaseUnreachable: no connection.
        TablesInMotion: tables were dropped in each of five attempts to lock them, or one was not to be had for a minute.
    """
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_SESSION)
        connection.commit()
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        for _ in range(_ATTEMPTS):
            try:
                held = _held(connection, cursor)
            except psycopg2.errors.LockNotAvailable as error:
                raise _held_by_another(warehouse) from error
            if held is not None:
                yield held
                return
    raise TablesInMotion(
        f"Tables of {warehouse.place} were dropped while they were being locked, {_ATTEMPTS} times",
        way_out="Try again when the migration or the clearing up that does so is over.",
    )


def _held_by_another(warehouse: Warehouse) -> TablesInMotion:
    return TablesInMotion(
        f"Somebody has held a table of {warehouse.place} for himself for a minute",
        way_out="See in pg_stat_activity what it is, and try again when it is over.",
    )


def _held(connection: Connection, cursor: Cursor) -> Frozen | None:
    cursor.execute(_TABLES)
    seen = [StoredTable(*row) for row in cursor.fetchall()]
    connection.rollback()
    try:
        _lock(cursor, seen)  # LOCK takes no snapshot: that of the next statement shows what is locked
        cursor.execute("SELECT pg_export_snapshot(), clock_timestamp()")
        row = cursor.fetchone()
        cursor.execute(_TABLES)
        tables = tuple(StoredTable(*found) for found in cursor.fetchall())
        known = {(one.schema_name, one.name) for one in seen}
        _lock(cursor, [one for one in tables if (one.schema_name, one.name) not in known])
    except psycopg2.errors.UndefinedTable:
        connection.rollback()
        return None
    if row is None:
        raise TablesInMotion("The server exported no snapshot")
    return Frozen(str(row[0]), row[1].astimezone(UTC), tables, cursor)


def _lock(cursor: Cursor, tables: Sequence[StoredTable]) -> None:
    if tables:
        names = sql.SQL(", ").join(sql.SQL("ONLY {}").format(one.identifier) for one in tables)
        cursor.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(names))


def tables_of(warehouse: Warehouse) -> tuple[StoredTable, ...]:
    """The tables with rows of their own, by name.

    Raises:
        DatabaseUnreachable: no connection.
    """
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_TABLES)
        return tuple(StoredTable(*row) for row in cursor.fetchall())


class Hashing:
    """Tables being hashed in threads, each with a connection of its own; the largest go first."""

    def __init__(
        self,
        warehouse: Warehouse,
        tables: Sequence[StoredTable],
        jobs: int,
        snapshot: str | None = None,
        tell: Callable[[TableMark], None] | None = None,
    ) -> None:
        self._warehouse = warehouse
        self._snapshot = snapshot
        self._tell = tell
        self._waiting: queue.SimpleQueue[StoredTable] = queue.SimpleQueue()
        for one in sorted(tables, key=lambda one: -one.size):
            self._waiting.put(one)
        self._lock = Lock()
        self._open: set[Connection] = set()
        self._is_stopped = False
        self._pool = ThreadPoolExecutor(jobs, thread_name_prefix="hashing")
        self._work = [self._pool.submit(self._hash_waiting) for _ in range(jobs)]

    def marks(self) -> tuple[TableMark, ...]:
        """Wait for all of them; by table.

        Raises:
            DatabaseUnreachable: a connection broke.
            TablesInMotion: a table was not to be had for a minute.
        """
        found = [mark for one in self._work for mark in one.result()]
        return tuple(sorted(found, key=lambda mark: (mark.schema_name, mark.name)))

    def stop(self) -> None:
        """End what still runs, and wait for its end; nothing where all are done."""
        with self._lock:
            self._is_stopped = True
            for connection in self._open:
                connection.cancel()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _hash_waiting(self) -> list[TableMark]:
        done: list[TableMark] = []
        with self._warehouse.connect() as connection, connection.cursor() as cursor:
            with self._lock:
                self._open.add(connection)
            try:
                self._join_snapshot(connection, cursor)
                while not self._is_stopped and (one := self._next()) is not None:
                    done.append(_hashed(cursor, one))
                    if self._tell:
                        self._tell(done[-1])
            except psycopg2.errors.LockNotAvailable as error:
                raise _held_by_another(self._warehouse) from error
            except psycopg2.errors.QueryCanceled as error:
                raise HashingStopped("Hashing was ended before all tables were done") from error
            finally:
                with self._lock:
                    self._open.discard(connection)
        return done

    def _join_snapshot(self, connection: Connection, cursor: Cursor) -> None:
        cursor.execute(_SESSION)
        connection.commit()
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        if self._snapshot is not None:
            cursor.execute("SET TRANSACTION SNAPSHOT %s", (self._snapshot,))

    def _next(self) -> StoredTable | None:
        try:
            return self._waiting.get_nowait()
        except queue.Empty:
            return None


@contextmanager
def hashing(
    warehouse: Warehouse,
    tables: Sequence[StoredTable],
    jobs: int,
    snapshot: str | None = None,
    tell: Callable[[TableMark], None] | None = None,
) -> Iterator[Hashing]:
    """Count and hash tables while the block does something else; what is not done when it fails is ended.

    Args:
        jobs: Tables at the same time.
        snapshot: Of `frozen`; None for each connection's own moment.
        tell: Called with each mark as it comes, in a thread of its own.
    """
    work = Hashing(warehouse, tables, jobs, snapshot, tell)
    try:
        yield work
    finally:
        work.stop()


def hash_tables(
    warehouse: Warehouse, tables: Sequence[StoredTable], jobs: int, tell: Callable[[TableMark], None] | None = None
) -> tuple[TableMark, ...]:
    """Count and hash tables as they are, by table.

    Raises:
        DatabaseUnreachable: no connection.
    """
    with hashing(warehouse, tables, jobs, tell=tell) as work:
        return work.marks()


def _hashed(cursor: Cursor, one: StoredTable) -> TableMark:
    cursor.execute(sql.SQL(_HASH).format(one.identifier))
    row = cursor.fetchone()
    rows, total = row or (0, "0")
    return TableMark(
        schema_name=one.schema_name, name=one.name, rows=rows, row_hash=int(total), is_unlogged=one.is_unlogged
    )


@dataclass(frozen=True)
class Comparison:
    """A table as it was saved and as it is; None where it is not there."""

    table: str
    expected: TableMark | None
    found: TableMark | None

    @property
    def finding(self) -> str:
        """What is wrong; empty where both are the same."""
        if self.found is None:
            return "missing"
        if self.expected is None:
            return "was not saved"
        if self.found.rows != self.expected.rows:
            return f"{self.found.rows:,} rows in place of {self.expected.rows:,}"
        return "" if self.found.row_hash == self.expected.row_hash else "other values than were saved"


def compare(expected: Sequence[TableMark], found: Sequence[TableMark]) -> list[Comparison]:
    """Each table that is in either, by name. Pure."""
    before, after = ({one.table: one for one in marks} for marks in (expected, found))
    return [Comparison(table, before.get(table), after.get(table)) for table in sorted(before.keys() | after.keys())]
