"""Connections to the warehouse, for each driver in the form it wants.

What belongs here: URLs, connecting, and errors that say how to get connected. What does not: statements (write.py,
read.py) and the server itself (server.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import quote

import psycopg2
from adbc_driver_manager import Error as AdbcError
from adbc_driver_postgresql import dbapi
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from pydantic import SecretStr
from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.origin import NOBODY, Origin
from crypto_assets.warehouse.kept_connections import KeptConnections

OLDEST_MAJOR = 15
APPLICATION = "crypto_assets"
CONNECT_TIMEOUT_SECONDS = 15
_CREATE_ATTEMPTS = 50
_CREATE_PAUSE_SECONDS = 0.1


class DatabaseUnreachable(CryptoAssetsError):
    """No connection could be made, or it broke. The text names host, port and database, never the password."""


class DatabaseMissing(DatabaseUnreachable):
    """The server answers but has no database of that name."""


class DatabaseTooOld(CryptoAssetsError):
    """The server is older than PostgreSQL 15."""


class NotMigrated(CryptoAssetsError):
    """A table or schema is missing: the migrations have not been applied."""


class Warehouse:
    """A PostgreSQL database. Making one connects nowhere.

    Args:
        url: `postgresql://user:password@host:port/database`; `postgres://` and `postgresql+psycopg2://` are read too, a
            password may be percent-encoded, and libpq's parameters (`?sslmode=require`) are handed on.
        origin: What those who use it work for; each session says so, and ops.writes keeps it.

    Raises:
        DatabaseUnreachable: the URL does not name a PostgreSQL database.
    """

    def __init__(self, url: SecretStr, origin: Origin = NOBODY) -> None:
        self._url = _parse(url)
        self._origin = origin
        self._kept = KeptConnections()

    def __repr__(self) -> str:
        return f"Warehouse({self.place})"

    @property
    def place(self) -> str:
        """host:port/database, without user and password, for messages."""
        return _place(self._url)

    @property
    def url(self) -> SecretStr:
        """The URL with SQLAlchemy's driver named."""
        return SecretStr(_url_text(self._url, "postgresql+psycopg2", {}))

    def on_behalf_of(self, origin: Origin) -> Warehouse:
        """The same database, for work of that origin."""
        return Warehouse(self.url, origin)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection with one transaction: commit at the end, rollback on any exception, closed after.

        The session's time zone is UTC.

        Raises:
            DatabaseUnreachable: no connection, or it broke on the way; nothing uncommitted is kept.
            DatabaseMissing: no such database.
            DatabaseTooOld: PostgreSQL older than 15.
            NotMigrated: the block met a table or schema that does not exist.
        """
        with closing(_connect(self._url, self._origin)) as connection:
            try:
                yield connection
                connection.commit()
            except (psycopg2.errors.UndefinedTable, psycopg2.errors.InvalidSchemaName) as error:
                raise NotMigrated(
                    f"{self.place} lacks something: {error.diag.message_primary}",
                    way_out="`crypto-assets migrate` creates it.",
                ) from error
            except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
                if connection.closed:
                    raise _unreachable(self._url, error) from error
                raise
            # Closing rolls back whatever was not committed.

    def engine(self) -> Engine:
        """A SQLAlchemy engine; the caller disposes of it."""
        return create_engine(self._url, pool_pre_ping=True, connect_args=_session(self._url, self._origin))

    @contextmanager
    def adbc(self) -> Iterator[dbapi.Connection]:
        """An ADBC connection, for Arrow results; closed at the end without a commit: it is for reading.

        Raises:
            DatabaseUnreachable: no connection.
            DatabaseMissing: no such database.
        """
        with closing(self._dial_adbc()) as connection:
            yield connection

    @contextmanager
    def kept_adbc(self) -> Iterator[dbapi.Connection]:
        """As `adbc`, but the connection of a reader before is used again where one waits; the block leaves no transaction open.

        Raises:
            DatabaseUnreachable, DatabaseMissing: as for `adbc`.
        """
        connection = self._kept.take() or self._dial_adbc()
        try:
            yield connection
        except BaseException:
            connection.close()  # nobody knows what state it is in
            raise
        self._kept.give(connection)

    def _dial_adbc(self) -> dbapi.Connection:
        session = {name: str(value) for name, value in _session(self._url).items()}
        try:
            return dbapi.connect(_url_text(self._url, "postgresql", session))
        except AdbcError as error:
            raise _unreachable(self._url, error) from error

    def check(self) -> str:
        """Connect once; the server's version as it says it, for example 18.6.

        Raises:
            DatabaseUnreachable, DatabaseMissing, DatabaseTooOld: see `connect`.
        """
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SHOW server_version")
            row = cursor.fetchone()
        return str(row[0]) if row else ""


def ensure_database(url: SecretStr) -> bool:
    """Create the database the URL names, where it is not there. Safe to call from many processes at once.

    Returns:
        Whether this call created it.

    Raises:
        DatabaseUnreachable: the server does not answer.
        DatabaseMissing: the database is not there and may not be created.
    """
    parsed = _parse(url)
    try:
        _connect(parsed).close()
    except DatabaseMissing as missing:
        return _create_database(parsed, missing)
    return False


def _create_database(url: URL, missing: DatabaseMissing) -> bool:
    statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(str(url.database)))
    for _ in range(_CREATE_ATTEMPTS):
        with closing(_connect(url.set(database="postgres"))) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            try:
                cursor.execute(statement)
            except psycopg2.errors.InsufficientPrivilege as error:
                raise DatabaseMissing(
                    f"{missing.problem}, and {url.username} may not create it",
                    way_out=f"Have an administrator create it, owned by {url.username}.",
                ) from error
            except (psycopg2.errors.DuplicateDatabase, psycopg2.errors.UniqueViolation):
                return False  # another process was faster
            except psycopg2.errors.ObjectInUse:
                time.sleep(_CREATE_PAUSE_SECONDS)  # somebody is connected to the template right now
                continue
            return True
    raise missing


def _parse(url: SecretStr) -> URL:
    try:
        parsed = make_url(url.get_secret_value())
    except (ArgumentError, ValueError):
        parsed = None  # the message of the parser would hold the URL, and with it the password
    if parsed is None or parsed.drivername.split("+")[0] not in {"postgresql", "postgres"} or not parsed.database:
        raise DatabaseUnreachable(
            "Expected postgresql://user:password@host:port/database as the database's URL, and got something else",
            way_out="Correct CRYPTO_ASSETS_DATABASE_URL; characters like @ : / # in the password are percent-encoded.",
        )
    return parsed.set(drivername="postgresql+psycopg2")


def _connect(url: URL, origin: Origin = NOBODY) -> Connection:
    address = url.translate_connect_args(username="user", database="dbname")
    try:
        connection: Connection = psycopg2.connect(**{**address, **url.query, **_session(url, origin)})
    except psycopg2.OperationalError as error:
        raise _unreachable(url, error) from None
    except psycopg2.ProgrammingError:  # an unknown parameter; the message may hold any part of the URL
        raise DatabaseUnreachable(
            f"The URL of {_place(url)} has a parameter that PostgreSQL's client library does not know",
            way_out="See what stands behind the question mark of CRYPTO_ASSETS_DATABASE_URL.",
        ) from None
    if connection.server_version < OLDEST_MAJOR * 10_000:
        version = connection.server_version // 10_000
        connection.close()
        raise DatabaseTooOld(
            f"Expected PostgreSQL {OLDEST_MAJOR} or newer at {_place(url)}, and it is {version}",
            way_out="Upgrade the server, or unset CRYPTO_ASSETS_DATABASE_URL to use the embedded one.",
        )
    return connection


def _session(url: URL, origin: Origin = NOBODY) -> dict[str, str | int]:
    """What every session of ours has, in libpq's words; the URL's own parameters go before."""
    options = (str(url.query.get("options", "")).strip(), "-c TimeZone=UTC", origin.session_options())
    return {
        "options": " ".join(filter(None, options)),
        "application_name": str(url.query.get("application_name", APPLICATION)),
        "connect_timeout": int(str(url.query.get("connect_timeout", CONNECT_TIMEOUT_SECONDS))),
    }


def _url_text(url: URL, scheme: str, session: dict[str, str]) -> str:
    """The URL with every part percent-encoded, as libpq and SQLAlchemy both read it; holds the password."""
    user = quote(url.username or "", safe="")
    password = f":{quote(str(url.password), safe='')}" if url.password else ""
    host = f"[{url.host}]" if url.host and ":" in url.host else (url.host or "")
    port = f":{url.port}" if url.port else ""
    parameters = {name: str(value) for name, value in url.query.items()} | session
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parameters.items())
    credentials = f"{user}{password}@" if user else ""
    address = f"{scheme}://{credentials}{host}{port}/{quote(str(url.database), safe='')}"
    return f"{address}?{query}" if query else address


def _place(url: URL) -> str:
    return f"{url.host or 'localhost'}:{url.port or 5432}/{url.database}"


def _unreachable(url: URL, error: Exception) -> DatabaseUnreachable:
    said = " ".join(str(error).split())
    # A refused connection carries no code, only the server's words.
    if f'database "{url.database}" does not exist' in said:
        return DatabaseMissing(
            f"The server has no database {_place(url)}", way_out="`crypto-assets migrate` creates it."
        )
    password = str(url.password) if url.password else ""
    for secret in (password, quote(password, safe="")):
        if secret:
            said = said.replace(secret, "***")
    return DatabaseUnreachable(
        f"No connection to {_place(url)}: {said}",
        way_out="See whether the server runs and whether host, port, user and password are right.",
    )
