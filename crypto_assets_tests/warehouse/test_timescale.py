"""Without TimescaleDB nothing changes and asking for it is refused; its SQL is parsed, and run as far as it needs none.

The server of the tests does not have the extension, so no hypertable is made here: docs/storage.md says what was never run.
"""

from pathlib import Path

import psycopg2
import pytest
from typer.testing import CliRunner

from crypto_assets.cli.main import app
from crypto_assets.datasets.market.book_ticker_snapshots.table import book_ticker_snapshots
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.retention import Partition, PartitionBusy, RetentionRefused, drop
from crypto_assets.warehouse.timescale import (
    FOLDER,
    OLDEST,
    TimescaleRefused,
    TimescaleState,
    TimescaleUnavailable,
    is_hypertable,
    refuse_without,
    timescale_state,
    use_timescale,
)
from crypto_assets_tests.conftest import CHECKOUT
from crypto_assets_tests.datasets.market.book_ticker_hours.quotes import Second, at, held, put_quotes
from crypto_assets_tests.warehouse.catalog import catalog_of

SQL = CHECKOUT / "sql"
QUOTES = book_ticker_snapshots.fullname
CONSTRAINTS = (
    "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE conrelid = 'market.book_ticker_snapshots'::regclass ORDER BY 1"
)


def _run(warehouse: Warehouse, name: str) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute((SQL / FOLDER / name).read_text())


def test_a_server_without_the_extension_is_seen_and_asking_for_it_is_refused(shared_warehouse: Warehouse) -> None:
    assert timescale_state(shared_warehouse) == TimescaleState(None, None, False)
    with pytest.raises(TimescaleUnavailable, match="does not have the extension timescaledb") as caught:
        use_timescale(shared_warehouse, SQL)
    assert "native partitions serve" in caught.value.way_out
    with shared_warehouse.connect() as connection, connection.cursor() as cursor:
        assert not is_hypertable(cursor, QUOTES)


def test_the_command_migrates_and_then_says_why_there_are_no_hypertables(
    shared_warehouse: Warehouse, tmp_path: Path
) -> None:
    environment = {
        "CRYPTO_ASSETS_HOME": str(tmp_path / "home"),
        "CRYPTO_ASSETS_DATABASE_URL": shared_warehouse.url.get_secret_value(),
    }
    told = CliRunner(env=environment).invoke(app, ["migrate", "--timescale"])
    assert isinstance(told.exception, TimescaleUnavailable)
    assert "were there." in told.stdout


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (TimescaleState(None, None, None), "does not have"),
        (TimescaleState("2.25.1", None, True), "Expected TimescaleDB 2.26 or newer"),
        (TimescaleState("2.27.0", "2.17.2", True), "it is 2.17.2"),
        (TimescaleState("2.26.0", None, False), "did not load it"),
    ],
)
def test_a_version_that_would_lose_values_is_refused(state: TimescaleState, told: str) -> None:
    with pytest.raises(TimescaleUnavailable, match=told):
        refuse_without(state, "here")


@pytest.mark.parametrize("installed", [None, "2.26.0", "2.30.1-dev", "3.0.0"])
def test_a_version_from_the_oldest_on_is_taken(installed: str | None) -> None:
    refuse_without(TimescaleState("2.26.0", installed, None), "here")
    assert OLDEST == (2, 26)


def test_the_sql_is_parsed_and_a_table_keeps_all_but_its_partitions(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        before = catalog_of(connection)[QUOTES]
    constraints = held(warehouse, CONSTRAINTS)
    _run(warehouse, "2_functions.sql")  # creating a function of plpgsql parses each statement in it
    _run(warehouse, "2_functions.sql")
    with pytest.raises(psycopg2.errors.UndefinedFunction, match=r"function by_range\(name, interval\)"):
        _run(warehouse, "3_hypertables.sql")
    held(warehouse, f"SELECT ops.as_plain_table('{QUOTES}'), 1")
    with warehouse.connect() as connection:
        after = catalog_of(connection)[QUOTES]
    assert (before["kind"], after["kind"]) == ("p", "r")
    assert {name: after[name] for name in ("comment", "key", "columns")} == {
        name: before[name] for name in ("comment", "key", "columns")
    }
    assert held(warehouse, CONSTRAINTS) == constraints
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET ROLE crypto_assets_writer; INSERT INTO market.book_ticker_snapshots SELECT WHERE false")
    with pytest.raises(psycopg2.errors.InvalidParameterValue, match="names no table of ours"):
        held(warehouse, f"SELECT ops.ensure_day_partition('{QUOTES}', now())")  # it is no hypertable either
    with pytest.raises(psycopg2.errors.InvalidParameterValue, match="is no hypertable"):
        held(warehouse, f"SELECT ops.drop_chunks_within('{QUOTES}', '2024-01-01', '2024-01-02')")


@pytest.mark.parametrize(
    ("table", "told"),
    [(QUOTES, "holds rows"), ("market.trades", "keeps old values"), ("market.instruments", "no partitioned table")],
)
def test_a_table_with_rows_or_old_values_is_never_turned(shared_warehouse: Warehouse, table: str, told: str) -> None:
    _run(shared_warehouse, "2_functions.sql")
    put_quotes(shared_warehouse, [Second(at("2026-03-02 10:00"))])
    with pytest.raises(psycopg2.Error, match=told):
        held(shared_warehouse, f"SELECT ops.as_plain_table('{table}')")
    held(shared_warehouse, "TRUNCATE market.book_ticker_snapshots; SELECT 1")


def test_what_the_server_refuses_is_told_and_leaves_nothing(
    shared_warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / FOLDER / "1_first.sql").write_text("create table ops.made_by_the_first (one integer);")
    (tmp_path / FOLDER / "2_then.sql").write_text("select 1 / 0;")
    state = TimescaleState("2.26.0", None, None)
    monkeypatch.setattr("crypto_assets.warehouse.timescale.timescale_state", lambda _: state)
    with pytest.raises(TimescaleRefused, match="Expected SQL files"):
        use_timescale(shared_warehouse, tmp_path / "elsewhere")
    with pytest.raises(TimescaleRefused, match="division by zero"):
        use_timescale(shared_warehouse, tmp_path)
    assert held(shared_warehouse, "SELECT to_regclass('ops.made_by_the_first')") == [(None,)]


def test_a_chunk_that_others_hold_is_left_for_the_next_round_as_a_partition_is(warehouse: Warehouse) -> None:
    _run(warehouse, "2_functions.sql")
    day = (at("2024-01-01 00:00"), at("2024-01-02 00:00"))
    chunk = Partition(book_ticker_snapshots, "_hyper_1_1_chunk", day, 9, is_chunk=True)
    with pytest.raises(RetentionRefused, match="is no hypertable"):
        drop(warehouse, chunk)
    held(
        warehouse,
        "CREATE OR REPLACE FUNCTION ops.drop_chunks_within(parent regclass, span_start timestamptz, span_end timestamptz)"
        " RETURNS integer LANGUAGE plpgsql AS $$ begin raise 'held' using errcode = 'lock_not_available'; end $$; SELECT 1",
    )
    waits: list[float] = []
    with pytest.raises(PartitionBusy, match=r"others held market\.book_ticker_snapshots each of 20 times"):
        drop(warehouse, chunk, waits.append)
    assert len(waits) == 19
