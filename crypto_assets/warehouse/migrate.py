"""Bringing a database's schema up to the numbered SQL files.

What belongs here: which files are applied, pending or unknown, and applying them. What does not: the schema itself
(sql/*.sql), which any administrator can apply with psql, too.

yoyo-migrations reads the files and keeps the list of applied ones (ops._yoyo_migration). Two things are done around it.
Its lock is a row that stays after a kill, so a session lock of PostgreSQL, which cannot outlive its holder, is taken
first. And a file and its entry in the list are one transaction, so a kill leaves neither without the other. The list's
hash is that of the file's content, so that a changed file is noticed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from glob import escape
from hashlib import sha256
from pathlib import Path

import psycopg2
import structlog
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from sqlalchemy import make_url
from yoyo import read_migrations
from yoyo.backends.core.postgresql import PostgresqlBackend
from yoyo.connections import DatabaseURI
from yoyo.migrations import Migration

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.warehouse.connection import Warehouse

log = structlog.get_logger(__name__)

LOCK_NAME = "crypto_assets migrations"
LOCK_TIMEOUT_SECONDS = 600.0
_SCHEMA = "ops"
_TABLE = "_yoyo_migration"
_FILE_NAME = re.compile(r"\d{4}_[a-z0-9_]+")


class MigrationError(CryptoAssetsError):
    """The schema cannot be brought up to date."""


class MigrationFailed(MigrationError):
    """A file's SQL was refused; that file left no trace, the ones before it stand."""


class MigrationChanged(MigrationError):
    """A file was edited after it had been applied."""


class DatabaseNewerThanCode(MigrationError):
    """The database holds migrations that this checkout does not have."""


@dataclass(frozen=True)
class MigrationReport:
    """What `migrate` did.

    Args:
        applied: Names of the files applied now, in order.
        already: How many had been applied before.
    """

    applied: tuple[str, ...]
    already: int


@dataclass(frozen=True)
class MigrationStatus:
    """Names of migrations, each in order: applied, pending (not yet), unknown (applied, but not in the folder)."""

    applied: tuple[str, ...]
    pending: tuple[str, ...]
    unknown: tuple[str, ...]


def migrate(warehouse: Warehouse, sql_folder: Path) -> MigrationReport:
    """Apply every file that has not been applied, in the order of their numbers; safe from many processes at once.

    Raises:
        DatabaseNewerThanCode, MigrationChanged: nothing was applied.
        MigrationFailed: the file named was refused; the files before it are applied.
        MigrationError: the folder is unusable, the user may not create schemas, or another process has held the lock
            for ten minutes.
        DatabaseUnreachable: no connection.
    """
    files = _read_files(sql_folder)
    with _alone(warehouse), closing(_open_backend(warehouse)) as backend:
        known = _applied(backend.connection)
        _refuse_unknown(files, known, warehouse)
        _refuse_changed(files, known)
        pending = [migration for migration in files if migration.id not in known]
        for migration in pending:
            _apply(backend, migration)
    return MigrationReport(tuple(migration.id for migration in pending), len(known))


def migration_status(warehouse: Warehouse, sql_folder: Path) -> MigrationStatus:
    """Compare the database with the folder; changes nothing.

    Raises:
        MigrationError: the folder is unusable.
        DatabaseUnreachable: no connection.
    """
    names = [migration.id for migration in _read_files(sql_folder)]
    with warehouse.connect() as connection:
        known = _applied(connection)
    return MigrationStatus(
        applied=tuple(name for name in names if name in known),
        pending=tuple(name for name in names if name not in known),
        unknown=tuple(sorted(known.keys() - set(names))),
    )


def _read_files(folder: Path) -> list[Migration]:
    if not folder.is_dir():
        raise MigrationError(
            f"Expected the SQL files in {folder}, which is no folder", way_out="Install the package whole."
        )
    found: list[Migration] = sorted(read_migrations(escape(str(folder))), key=lambda migration: str(migration.id))
    odd = [migration.id for migration in found if not _FILE_NAME.fullmatch(migration.id) or not migration.is_raw_sql()]
    numbers = [migration.id[:4] for migration in found]
    twice = sorted({migration.id for migration in found if numbers.count(migration.id[:4]) > 1})
    if odd or twice or not found:
        wrong = f"found {', '.join(odd or twice)}" if odd or twice else "found none"
        raise MigrationError(
            f"Expected files named 0001_what_it_does.sql, each number once, in {folder}, and {wrong}",
            way_out="Rename them.",
        )
    for migration in found:
        text = Path(migration.path).read_text(
            encoding="utf-8"
        )  # universal newlines: a checkout's line ends do not count
        migration.hash = sha256(text.encode()).hexdigest()
    return found


@contextmanager
def _alone(warehouse: Warehouse) -> Iterator[None]:
    """Hold the lock of migrations on a connection of its own; it ends with the connection, however that ends."""
    deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
    is_waiting = False
    with warehouse.connect() as connection, connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (LOCK_NAME,))
            row = cursor.fetchone()
            connection.commit()  # a session lock outlives the transaction, which would hold back vacuum
            if row is not None and row[0]:
                break
            if time.monotonic() > deadline:
                raise MigrationError(
                    f"Another process has been migrating {warehouse.place} for {LOCK_TIMEOUT_SECONDS:.0f} s",
                    way_out="See what it does in pg_stat_activity; ending it frees the lock.",
                )
            if not is_waiting:
                log.info("another process migrates the database; waiting", database=warehouse.place)
                is_waiting = True
            time.sleep(0.1)
        yield


def _open_backend(warehouse: Warehouse) -> _Backend:
    try:
        with warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {_SCHEMA}")
    except psycopg2.errors.InsufficientPrivilege as error:
        raise MigrationError(
            f"The user may not create schemas in {warehouse.place}",
            way_out="Migrate as the database's owner, or have the owner grant CREATE on the database.",
        ) from error
    url = make_url(warehouse.url.get_secret_value())
    address = DatabaseURI(
        scheme="postgresql",
        username=url.username,
        password=url.password,
        hostname=url.host,
        port=url.port,
        database=url.database,
        args={**url.query, "schema": _SCHEMA},
    )
    backend = _Backend(address, _TABLE)
    backend.create_lock_table()
    backend.break_lock()  # whoever left the row is gone: every runner holds our lock first
    backend.ensure_internal_schema_updated()
    return backend


class _Backend(PostgresqlBackend):  # type: ignore[misc]  # the package has no types
    """yoyo's, closed by `closing`."""

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


def _applied(connection: Connection) -> dict[str, str]:
    """Name → content hash of what has been applied."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (f"{_SCHEMA}.{_TABLE}",))
        row = cursor.fetchone()
        if row is None or not row[0]:
            return {}
        cursor.execute(f"SELECT migration_id, migration_hash FROM {_SCHEMA}.{_TABLE}")  # noqa: S608 - constants
        return dict(cursor.fetchall())


def _refuse_unknown(files: list[Migration], known: dict[str, str], warehouse: Warehouse) -> None:
    unknown = sorted(known.keys() - {migration.id for migration in files})
    if unknown:
        raise DatabaseNewerThanCode(
            f"The database {warehouse.place} holds migrations this version does not have: {', '.join(unknown)}",
            way_out="Use the version of the code that wrote it, or a newer one, or another database.",
        )


def _refuse_changed(files: list[Migration], known: dict[str, str]) -> None:
    changed = [migration.id for migration in files if known.get(migration.id, migration.hash) != migration.hash]
    if changed:
        raise MigrationChanged(
            f"Already applied and edited since: {', '.join(f'{name}.sql' for name in changed)}",
            way_out="Restore the file as it was and put the change into a new file with the next number.",
        )


def _apply(backend: _Backend, migration: Migration) -> None:
    log.info("applying migration", migration=migration.id)
    try:
        with backend.transaction():
            migration.process_steps(backend, "apply")
            backend.mark_one(migration, log=False)
    except psycopg2.Error as error:
        raise MigrationFailed(
            f"{migration.id}.sql was refused: {' '.join(str(error).split())}",
            way_out="Nothing of that file was kept. Correct what it says and run again.",
        ) from error
