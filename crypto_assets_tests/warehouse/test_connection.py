"""Connections: every form of URL, one transaction, errors that tell the way out and never the password."""

from __future__ import annotations

import threading
from urllib.parse import quote

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from pydantic import SecretStr
from sqlalchemy import text

from crypto_assets.warehouse import connection as module
from crypto_assets.warehouse.connection import (
    DatabaseMissing,
    DatabaseTooOld,
    DatabaseUnreachable,
    NotMigrated,
    Warehouse,
    ensure_database,
)
from crypto_assets.warehouse.server import ServerAddress

ODD_PASSWORD = "p@:/#%?& ü'\"\\$"  # noqa: S105 - made up


def test_making_a_warehouse_connects_nowhere() -> None:
    assert repr(Warehouse(SecretStr("postgresql://u:secret@127.0.0.1:1/d"))) == "Warehouse(127.0.0.1:1/d)"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_every_scheme_reaches_the_same_database_by_every_driver(warehouse: Warehouse, scheme: str) -> None:
    same = Warehouse(SecretStr(scheme + warehouse.url.get_secret_value().removeprefix("postgresql+psycopg2")))
    with same.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE public.seen AS SELECT 7 AS n")
    engine = same.engine()
    with engine.connect() as by_sqlalchemy:
        assert by_sqlalchemy.execute(text("SELECT n FROM public.seen")).scalar() == 7
    engine.dispose()
    with same.adbc() as by_adbc, by_adbc.cursor() as cursor:
        cursor.execute("SELECT n FROM public.seen")
        assert cursor.fetchall() == [(7,)]


def test_odd_passwords_reach_every_driver(warehouse: Warehouse, server: ServerAddress) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DROP ROLE IF EXISTS odd_password")
        cursor.execute(sql.SQL("CREATE ROLE odd_password LOGIN PASSWORD {}").format(sql.Literal(ODD_PASSWORD)))
    database = warehouse.place.rpartition("/")[2]
    url = f"postgresql://odd_password:{quote(ODD_PASSWORD, safe='')}@{server.host}:{server.port}/{database}"
    odd = Warehouse(SecretStr(url))
    try:
        assert odd.check()
        engine = odd.engine()
        with engine.connect() as by_sqlalchemy:
            assert by_sqlalchemy.execute(text("SELECT 1")).scalar() == 1
        engine.dispose()
        with odd.adbc() as by_adbc, by_adbc.cursor() as cursor:
            cursor.execute("SELECT current_user::text")
            assert cursor.fetchall() == [("odd_password",)]
        assert Warehouse(odd.url).check() == odd.check()
    finally:
        with warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute("DROP ROLE odd_password")


def test_a_session_says_who_it_is_and_lives_in_utc(warehouse: Warehouse) -> None:
    query = "SELECT current_setting('TimeZone') || ' ' || current_setting('application_name')"
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(query)
        assert cursor.fetchone() == ("UTC crypto_assets",)
    with warehouse.adbc() as connection, connection.cursor() as cursor:
        cursor.execute(query)
        assert cursor.fetchall() == [("UTC crypto_assets",)]


def test_libpqs_parameters_in_the_url_are_handed_on(warehouse: Warehouse) -> None:
    url = warehouse.url.get_secret_value() + "?application_name=mine&options=-c%20work_mem%3D5MB"
    with Warehouse(SecretStr(url)).connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('application_name'), current_setting('work_mem')")
        assert cursor.fetchone() == ("mine", "5MB")


def test_a_block_is_one_transaction(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE public.kept (n integer)")
    left: list[Connection] = []
    with pytest.raises(ZeroDivisionError):
        _insert_and_fail(warehouse, left)
    assert left[0].closed
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM public.kept")
        assert cursor.fetchone() == (0,)


def _insert_and_fail(warehouse: Warehouse, left: list[Connection]) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        left.append(connection)
        cursor.execute("INSERT INTO public.kept VALUES (1)")
        raise ZeroDivisionError


def test_a_connection_that_breaks_is_reported_as_such(warehouse: Warehouse) -> None:
    with pytest.raises(DatabaseUnreachable, match="terminat"):
        _end_own_session(warehouse)


def _end_own_session(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        with warehouse.connect() as other, other.cursor() as killer:
            killer.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
        cursor.execute("SELECT 1")


def test_a_table_that_is_missing_points_to_the_migrations(empty_warehouse: Warehouse) -> None:
    with pytest.raises(NotMigrated, match=r"market\.ohlcv.*migrate"):
        _run(empty_warehouse, "SELECT 1 FROM market.ohlcv")


def _run(warehouse: Warehouse, statement: str) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.replace("crypto_assets:", "crypto_assets:wrong"),
        lambda url: url.replace("@127.0.0.1", "@127.0.0.2").replace("/test_", "/x"),
        lambda url: url + "?sslmode=require",
        lambda url: url + "?no_such_parameter=1",
    ],
)
def test_what_cannot_be_reached_is_named_without_its_password(warehouse: Warehouse, change: object) -> None:
    url = warehouse.url.get_secret_value()
    password = url.split(":")[2].split("@")[0]
    wrong = Warehouse(SecretStr(change(url)))  # type: ignore[operator]
    with pytest.raises(DatabaseUnreachable) as caught:
        wrong.check()
    told = f"{caught.value} {caught.value!r} {caught.value.__cause__!r}"
    assert wrong.place in told
    assert password not in told
    with pytest.raises(DatabaseUnreachable) as by_adbc, wrong.adbc():
        pass
    assert password not in f"{by_adbc.value} {by_adbc.value.__cause__!r}"


@pytest.mark.parametrize(
    "url", ["mysql://u:secret@h/d", "postgresql://u:secret@h", "secret", "postgresql://u:secret@h:x/d"]
)
def test_a_url_of_something_else_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(DatabaseUnreachable) as caught:
        Warehouse(SecretStr(url))
    assert "secret" not in str(caught.value)
    assert caught.value.way_out


def test_a_missing_database_is_told_apart_and_made_once(server: ServerAddress) -> None:
    url = server.url('made "by" many; --')
    with pytest.raises(DatabaseMissing):
        Warehouse(url).check()
    made: list[bool] = []
    threads = [threading.Thread(target=lambda: made.append(ensure_database(url))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False, False, False, True]
    assert Warehouse(url).check().startswith("18")


def test_a_user_that_may_not_create_the_database_is_told_so(warehouse: Warehouse, server: ServerAddress) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE ROLE may_nothing LOGIN PASSWORD 'x'")
    try:
        with pytest.raises(DatabaseMissing, match="may_nothing may not create it"):
            ensure_database(SecretStr(f"postgresql://may_nothing:x@{server.host}:{server.port}/absent"))
    finally:
        with warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute("DROP ROLE may_nothing")


def test_a_server_that_is_too_old_is_refused_by_version(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    # No old server is at hand; a bound above this one's version takes the same way.
    monkeypatch.setattr(module, "OLDEST_MAJOR", 99)
    with pytest.raises(DatabaseTooOld, match=r"PostgreSQL 99.*it is 18"):
        warehouse.check()


def test_errors_of_statements_pass_as_they_are(warehouse: Warehouse) -> None:
    with pytest.raises(psycopg2.errors.DivisionByZero):
        _run(warehouse, "SELECT 1 / 0")
