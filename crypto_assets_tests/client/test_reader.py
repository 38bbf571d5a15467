"""The reader changes nothing: not through the client, whoever logs in, and not as a login of its own."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2
import pytest
from adbc_driver_manager import Error as AdbcError
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from pydantic import SecretStr
from sqlalchemy import make_url

from crypto_assets import connect
from crypto_assets.client import NotAReader
from crypto_assets.client.connecting import ROLE, as_reader, reader_of, settings_of, url_of
from crypto_assets.settings import SettingsError
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.conftest import CHECKOUT
from crypto_assets_tests.markets import store, walk

SCHEMAS = ("market", "dex", "macro", "onchain", "sentiment", "features", "models", "quality", "audit", "ops")
CHANGES = {
    "insert": "INSERT INTO market.ohlcv SELECT * FROM market.ohlcv",
    "update": "UPDATE market.ohlcv SET close = 1",
    "delete": "DELETE FROM market.ohlcv",
    "merge": "MERGE INTO market.ohlcv t USING market.ohlcv s ON t.symbol = s.symbol WHEN MATCHED THEN DELETE",
    "truncate": "TRUNCATE market.ohlcv",
    "with insert": "WITH gone AS (DELETE FROM market.ohlcv RETURNING *) SELECT * FROM gone",
    "lock rows": "SELECT * FROM market.ohlcv FOR UPDATE",
    "drop": "DROP TABLE market.ohlcv",
    "alter": "ALTER TABLE market.ohlcv ADD COLUMN more text",
    "create": "CREATE TABLE market.mine (x int)",
    "create in public": "CREATE TABLE public.mine (x int)",
    "create schema": "CREATE SCHEMA mine",
    "create function": "CREATE FUNCTION market.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "comment": "COMMENT ON TABLE market.ohlcv IS 'mine'",
    "temporary table": "CREATE TEMPORARY TABLE mine (x int)",
    "create role": "CREATE ROLE mine SUPERUSER",
    "become more": f"ALTER ROLE {ROLE} SUPERUSER",
    "write a file": "COPY market.ohlcv TO '/tmp/mine.csv'",
    "run a program": "COPY (SELECT 1) TO PROGRAM 'true'",
    "read a file": "SELECT pg_read_file('/etc/passwd')",
    "partition": "SELECT ops.ensure_year_partition('market.ohlcv', '2031-01-01Z')",
    "day partition": "SELECT ops.ensure_day_partition('market.book_ticker_snapshots', '2031-01-01Z')",
    "triggers": "SELECT audit.keep_revisions_of('market.ohlcv')",
}
REFUSED = (psycopg2.errors.InsufficientPrivilege, psycopg2.errors.ReadOnlySqlTransaction)


@pytest.fixture(scope="module")
def stored(shared_warehouse: Warehouse) -> Warehouse:
    store(shared_warehouse, walk(3), "BTC/USDT")
    with shared_warehouse.connect() as connection, connection.cursor() as cursor:
        # What is granted on a database itself is no part of the copy that the test is given.
        cursor.execute((CHECKOUT / "sql" / "0029_reader.sql").read_text())
    return shared_warehouse


@pytest.fixture(scope="module")
def login(stored: Warehouse) -> Iterator[SecretStr]:
    """A login that is a member of the reader's role and of nothing else, as docs/client.md makes one."""
    with _login(stored, sql.SQL(" IN ROLE {}").format(sql.Identifier(ROLE))) as url:
        yield url


@contextmanager
def _login(warehouse: Warehouse, membership: sql.Composable) -> Iterator[SecretStr]:
    name = f"desk_{uuid.uuid4().hex[:8]}"
    create = (
        sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), sql.Literal("can@ry")) + membership
    )
    with _owner(warehouse) as owner, owner.cursor() as cursor:
        cursor.execute(create)
        try:
            url = make_url(warehouse.url.get_secret_value()).set(username=name, password="can@ry")  # noqa: S106
            yield SecretStr(url.render_as_string(hide_password=False))
        finally:
            cursor.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@contextmanager
def _owner(warehouse: Warehouse) -> Iterator[Connection]:
    url = make_url(warehouse.url.get_secret_value())
    with closing(psycopg2.connect(**url.translate_connect_args(username="user", database="dbname"))) as connection:
        connection.autocommit = True
        yield connection


@pytest.fixture(scope="module")
def owners_client(stored: Warehouse) -> Iterator[Connection]:
    """A session of a client whose login owns everything."""
    with reader_of(stored.url).connect() as connection:
        yield connection


@pytest.fixture(scope="module")
def logged_in(stored: Warehouse, login: SecretStr) -> Iterator[Connection]:
    """A session past the client, which may write as far as its login may."""
    with Warehouse(login).connect() as connection:
        yield connection


@pytest.mark.parametrize("change", CHANGES)
def test_an_owners_client_can_change_nothing(owners_client: Connection, change: str) -> None:
    with pytest.raises(REFUSED), owners_client.cursor() as cursor:
        cursor.execute(CHANGES[change])
    owners_client.rollback()


@pytest.mark.parametrize("change", CHANGES)
def test_a_login_of_its_own_can_change_nothing_even_past_the_client(logged_in: Connection, change: str) -> None:
    with pytest.raises(REFUSED), logged_in.cursor() as cursor:
        cursor.execute(CHANGES[change])
    logged_in.rollback()


def test_nothing_is_changed_by_all_of_that(stored: Warehouse) -> None:
    walked = walk(3).close.sum()
    with stored.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*), sum(close) FROM market.ohlcv")
        assert cursor.fetchone() == (3, pytest.approx(walked))
        cursor.execute("SELECT count(*) FROM pg_class WHERE relname = 'mine'")
        assert cursor.fetchone() == (0,)


def test_rows_cannot_be_copied_in(stored: Warehouse, login: SecretStr) -> None:
    for warehouse in (reader_of(stored.url), Warehouse(login)):
        with pytest.raises(REFUSED), warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.copy_expert("COPY market.ohlcv FROM STDIN", io.StringIO("x\n"))
    # What Arrow is read through is no other way in.
    with (
        pytest.raises(AdbcError, match="read-only transaction"),
        reader_of(stored.url).adbc() as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("DELETE FROM market.ohlcv")


def test_a_client_makes_no_large_objects_either(stored: Warehouse) -> None:
    with pytest.raises(REFUSED), reader_of(stored.url).connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT lo_create(0)")  # a login of its own may: PostgreSQL lets everybody


def test_the_session_cannot_become_its_owner_again_by_forgetting_its_role(stored: Warehouse) -> None:
    with reader_of(stored.url).connect() as connection, connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
        cursor.execute("RESET ALL")
        connection.commit()
        cursor.execute("SELECT current_user, current_setting('transaction_read_only'), current_setting('TimeZone')")
        assert cursor.fetchone() == (ROLE, "on", "UTC")


def test_options_of_the_address_do_not_undo_it(stored: Warehouse) -> None:
    hostile = make_url(stored.url.get_secret_value()).update_query_dict(
        {"options": "-c role=none -c default_transaction_read_only=off -c work_mem=8MB", "application_name": "desk"}
    )
    url = SecretStr(hostile.render_as_string(hide_password=False))
    with reader_of(url).connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_user, current_setting('transaction_read_only'), current_setting('work_mem')")
        assert cursor.fetchone() == (ROLE, "on", "8MB")


def test_the_reader_may_read_every_table_and_call_nothing_that_writes(stored: Warehouse) -> None:
    with stored.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p', 'v', 'm') AND c.relname !~ 'yoyo'"
            "   AND NOT has_table_privilege(%s, c.oid, 'SELECT')",
            (list(SCHEMAS), ROLE),
        )
        assert cursor.fetchall() == []
        cursor.execute(
            "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p')"
            "   AND has_table_privilege(%s, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER, REFERENCES')",
            (list(SCHEMAS), ROLE),
        )
        assert cursor.fetchall() == []
        cursor.execute(
            "SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
            " WHERE n.nspname = ANY(%s) AND (p.prosecdef OR p.provolatile = 'v')"
            "   AND has_function_privilege(%s, p.oid, 'EXECUTE')",
            (list(SCHEMAS), ROLE),
        )
        assert cursor.fetchall() == []
        cursor.execute("SELECT has_database_privilege(%s, current_database(), 'CREATE, TEMPORARY')", (ROLE,))
        assert cursor.fetchone() == (False,)
        cursor.execute("SELECT n.nspname FROM pg_namespace n WHERE has_schema_privilege(%s, n.oid, 'CREATE')", (ROLE,))
        assert cursor.fetchall() == []


def test_a_login_of_its_own_reads_through_the_client(stored: Warehouse, login: SecretStr) -> None:
    with connect(login) as client:
        assert len(client.bars("binance", "BTC/USDT")) == 3
        found = client.latest_bar("binance", "BTC/USDT", "1h")
    assert found is not None
    assert "can" not in repr(client)


def test_a_login_that_is_no_reader_is_refused_with_the_way_out(stored: Warehouse) -> None:
    with _login(stored, sql.SQL("")) as url, pytest.raises(NotAReader) as refusal:
        connect(url)
    assert f"GRANT {ROLE} TO" in str(refusal.value)
    assert "can@ry" not in f"{refusal.value!r}{refusal.value.__context__!r}"
    assert "can%40ry" not in f"{refusal.value!r}{refusal.value.__context__!r}"


def test_the_environment_names_the_database(
    stored: Warehouse, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("nowhere"))
    for name in ("DATABASE_URL", "WAREHOUSE_URL", "PROFILE", "REDIS_URL"):
        monkeypatch.delenv(f"CRYPTO_ASSETS_{name}", raising=False)
    with pytest.raises(SettingsError, match="No database is named for profile live, and none runs"):
        connect()
    monkeypatch.setenv("CRYPTO_ASSETS_WAREHOUSE_URL", stored.url.get_secret_value())
    monkeypatch.setenv("CRYPTO_ASSETS_PROFILE", "sandbox")
    with connect() as client:
        assert len(client.bars()) == 3
        assert "profile sandbox" in repr(client)
    with pytest.raises(SettingsError, match="No database is named for profile live"):
        connect(profile="live")  # what is named is the sandbox's
    monkeypatch.setenv("CRYPTO_ASSETS_DATABASE_URL", "postgresql://me@h:5432/base")
    assert url_of(settings_of("live")).get_secret_value() == "postgresql://me@h:5432/base"
    assert url_of(settings_of("mine")).get_secret_value() == "postgresql://me@h:5432/base_mine"
    assert url_of(settings_of("sandbox")) == stored.url


def test_an_address_with_every_odd_character_stays_itself() -> None:
    odd = SecretStr("postgresql://m%40e:c%20a%3An%2Fa%25r%2By@h:5432/d%20b?sslmode=prefer")
    read = make_url(as_reader(odd).get_secret_value())
    assert (read.username, read.password, read.database) == ("m@e", "c a:n/a%r+y", "d b")
    assert read.query["sslmode"] == "prefer"
