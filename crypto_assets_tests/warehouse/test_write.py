"""What an upsert and a replacement leave in the table, and what they say they did."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from sqlalchemy import Column, DateTime, MetaData, Table, Text, text

from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.warehouse import merge
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.write import (
    DuplicateKeys,
    ValueRefused,
    WriteCounts,
    WriteRefused,
    replace,
    upsert,
)
from crypto_assets_tests.warehouse.bars import bars, batch

NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)


def rows_of(connection: Connection, columns: str, order: str = "symbol, opened_at") -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM market.ohlcv ORDER BY {order}")  # noqa: S608 - the tests' own text
        return cursor.fetchall()


def revisions_of(connection: Connection) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audit.revisions")
        row = cursor.fetchone()
    return int(row[0]) if row else -1


def test_new_rows_are_inserted_with_their_values_and_nan_is_null(connection: Connection) -> None:
    assert upsert(connection, ohlcv, batch(3)) == WriteCounts(3, 3, 0, 0)
    assert rows_of(
        connection, "opened_at, open, high, low, close, volume_base, volume_quote, trade_count, known_at"
    ) == [
        (
            NEW_YEAR + timedelta(minutes=minute),
            100.0 + minute,
            101.0 + minute,
            99.0 + minute,
            100.0 + minute,
            2.5,
            None,
            7,
            NEW_YEAR + timedelta(minutes=minute + 1),
        )
        for minute in range(3)
    ]


@pytest.mark.parametrize("count", [5, merge.RANGE_JOIN_ROWS + 5])
def test_a_second_run_writes_nothing(connection: Connection, count: int) -> None:
    upsert(connection, ohlcv, batch(count))
    before = rows_of(connection, "ctid::text, xmax::text, ingested_at", "opened_at") if count < 10 else []
    assert upsert(connection, ohlcv, batch(count)) == WriteCounts(count, 0, 0, count)
    assert revisions_of(connection) == 0
    if before:
        assert rows_of(connection, "ctid::text, xmax::text, ingested_at", "opened_at") == before


@pytest.mark.parametrize("count", [10, merge.RANGE_JOIN_ROWS + 10])
def test_inserted_changed_and_unchanged_rows_are_counted_apart(connection: Connection, count: int) -> None:
    upsert(connection, ohlcv, batch(count))
    again = bars(count + 4)
    again["close"] = np.asarray(again["close"]).copy()
    again["close"][[1, 3, 5]] += 0.5  # type: ignore[index]
    assert upsert(connection, ohlcv, again) == WriteCounts(count + 4, 4, 3, count - 3)  # type: ignore[arg-type]
    assert revisions_of(connection) == 3
    closes = [row[0] for row in rows_of(connection, "close")]
    assert len(closes) == count + 4
    assert closes[:6] == [100.0, 101.5, 102.0, 103.5, 104.0, 105.5]


def test_a_value_that_becomes_null_or_known_counts_as_changed(connection: Connection) -> None:
    upsert(connection, ohlcv, batch(2))
    again = bars(2)
    again["trade_count"] = np.array([np.nan, 7.0])
    again["volume_quote"] = np.array([np.nan, 250.0])
    assert upsert(connection, ohlcv, again) == WriteCounts(2, 0, 2, 0)  # type: ignore[arg-type]
    assert rows_of(connection, "trade_count, volume_quote") == [(None, None), (7, 250.0)]


def test_columns_that_a_batch_does_not_have_keep_their_values(connection: Connection) -> None:
    upsert(connection, ohlcv, batch(1))
    without = bars(1, close=200.0)
    del without["trade_count"]
    assert upsert(connection, ohlcv, without) == WriteCounts(1, 0, 1, 0)  # type: ignore[arg-type]
    assert rows_of(connection, "close, trade_count") == [(200.0, 7)]


def test_markets_may_be_mixed_in_one_batch(connection: Connection) -> None:
    mixed = bars(4)
    mixed["symbol"] = np.array(["ETH/USD", "BTC/USD", "ETH/USD", "BTC/USD"])
    mixed["opened_at"] = np.array(["2023-12-31T23:59", "2024-01-01", "2024-01-01", "2025-06-01"], dtype="datetime64[m]")
    assert upsert(connection, ohlcv, mixed) == WriteCounts(4, 4, 0, 0)  # type: ignore[arg-type]
    mixed["close"] = np.array([100.0, 101.0, 102.0, -1.0])
    assert upsert(connection, ohlcv, mixed) == WriteCounts(4, 0, 1, 3)  # type: ignore[arg-type]
    assert rows_of(connection, "symbol, close") == [
        ("BTC/USD", 101.0),
        ("BTC/USD", -1.0),
        ("ETH/USD", 100.0),
        ("ETH/USD", 102.0),
    ]


def test_each_year_gets_its_partition(connection: Connection) -> None:
    spread = bars(3)
    spread["opened_at"] = np.array(["2023-12-31T23:59:59.999", "2024-01-01", "2026-02-03"], dtype="datetime64[ms]")
    upsert(connection, ohlcv, spread)  # type: ignore[arg-type]
    assert rows_of(connection, "tableoid::regclass::text", "opened_at") == [
        ("market.ohlcv_2023",),
        ("market.ohlcv_2024",),
        ("market.ohlcv_2026",),
    ]


def test_an_empty_batch_writes_nothing(connection: Connection) -> None:
    assert upsert(connection, ohlcv, batch(0)) == WriteCounts(0, 0, 0, 0)


def test_a_key_that_stands_twice_is_refused_by_name(connection: Connection) -> None:
    twice = bars(3)
    twice["opened_at"] = np.array(["2024-01-01", "2024-01-02", "2024-01-01"], dtype="datetime64[h]")
    with pytest.raises(DuplicateKeys, match=r"kraken.*BTC/USD.*1m.*2024-01-01"):
        upsert(connection, ohlcv, twice)  # type: ignore[arg-type]
    assert rows_of(connection, "close") == []


def test_times_that_differ_below_a_microsecond_are_the_same_key(connection: Connection) -> None:
    close_by = bars(2)
    close_by["opened_at"] = np.array(
        ["2024-01-01T00:00:00.000000001", "2024-01-01T00:00:00.000000002"], "datetime64[ns]"
    )
    with pytest.raises(DuplicateKeys):
        upsert(connection, ohlcv, close_by)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"close": None}, "close"),
        ({"venue": "kra\0ken"}, "NUL"),
        ({"trade_count": np.array([1.5, 2.0])}, "trade_count"),
        ({"opened_at": np.array(["2024-01-01", "NaT"], dtype="datetime64[s]")}, "NaT|NULL"),
        ({"opened_at": datetime(2024, 1, 1)}, "zone"),  # noqa: DTZ001 - the fault under test
        ({"open": np.array(["1", "2"])}, "open"),
        ({"open": np.array([1.0, 2.0, 3.0])}, "one length"),
    ],
)
def test_values_that_do_not_fit_are_refused_before_anything_is_written(
    connection: Connection, change: dict[str, object], named: str
) -> None:
    with pytest.raises(ValueRefused, match=named):
        upsert(connection, ohlcv, {**bars(2), **change})  # type: ignore[dict-item]
    connection.rollback()
    assert rows_of(connection, "close") == []


@pytest.mark.parametrize("extra", ["ingested_at", "closing"])
def test_columns_that_are_not_the_batchs_to_give_are_refused(connection: Connection, extra: str) -> None:
    with pytest.raises(WriteRefused, match=extra):
        upsert(connection, ohlcv, {**bars(1), extra: NEW_YEAR})  # type: ignore[dict-item]


def test_a_batch_without_a_needed_column_is_refused(connection: Connection) -> None:
    lacking = bars(1)
    del lacking["source"]
    with pytest.raises(WriteRefused, match="source"):
        upsert(connection, ohlcv, lacking)  # type: ignore[arg-type]


def test_a_connection_without_transactions_is_refused(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        connection.autocommit = True
        with pytest.raises(WriteRefused, match="transaction"):
            upsert(connection, ohlcv, batch(1))
        connection.autocommit = False


def test_a_table_that_keeps_no_old_values_is_refused(connection: Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE macro.plain (id text PRIMARY KEY, ingested_at timestamptz)")
    plain = Table(
        "plain", MetaData(), Column("id", Text, primary_key=True), Column("ingested_at", Text), schema="macro"
    )
    with pytest.raises(WriteRefused, match="keep_revisions_of"):
        upsert(connection, plain, {"id": "a"})


def test_a_table_of_keys_alone_can_be_written(connection: Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE macro.names (id text PRIMARY KEY, ingested_at timestamptz DEFAULT now() NOT NULL);"
            "DO $$ BEGIN PERFORM audit.keep_revisions_of('macro.names'); END $$"
        )
    names = Table(
        "names",
        MetaData(),
        Column("id", Text, primary_key=True),
        Column("ingested_at", DateTime(timezone=True), server_default=text("now()")),
        schema="macro",
    )
    assert upsert(connection, names, {"id": np.array(["a", "b"])}) == WriteCounts(2, 2, 0, 0)
    assert upsert(connection, names, {"id": np.array(["b", "c"])}) == WriteCounts(2, 1, 0, 1)


def test_hostile_names_are_stored_as_text(connection: Connection) -> None:
    hostile = ["'; DROP TABLE market.ohlcv; --", '"x"', "%s", "\\", "{}", "ünï/😀", " ", "a\nb\tc", "\\N", "$1"]
    mixed = bars(len(hostile))
    mixed["symbol"] = np.array(hostile, dtype=object)
    for _ in range(2):
        upsert(connection, ohlcv, mixed)  # type: ignore[arg-type]
    assert {row[0] for row in rows_of(connection, "symbol")} == set(hostile)


def test_two_writers_of_the_same_new_rows_both_succeed_and_each_row_stands_once(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        upsert(
            connection, ohlcv, batch(1, symbol="ETH/USD")
        )  # the year is there, so that nothing but rows is waited for
    counts: list[WriteCounts] = []
    begun = threading.Event()

    def second() -> None:
        begun.set()
        with warehouse.connect() as late:
            counts.append(upsert(late, ohlcv, batch(50, close=200.0)))

    with warehouse.connect() as early:
        counts.append(upsert(early, ohlcv, batch(50)))
        writer = threading.Thread(target=second)
        writer.start()
        begun.wait()
        _wait_until_blocked(warehouse)
    writer.join()
    assert counts == [WriteCounts(50, 50, 0, 0), WriteCounts(50, 0, 50, 0)]
    with warehouse.connect() as connection:
        assert [row[0] for row in rows_of(connection, "close")][:50] == [200.0 + minute for minute in range(50)]


def test_two_writers_of_the_first_rows_of_a_year_both_succeed(warehouse: Warehouse) -> None:
    def second() -> None:
        with warehouse.connect() as late:
            upsert(late, ohlcv, batch(5, symbol="ETH/USD"))

    with warehouse.connect() as early:
        upsert(early, ohlcv, batch(5))
        writer = threading.Thread(target=second)
        writer.start()
        _wait_until_blocked(warehouse)
    writer.join()
    with warehouse.connect() as connection:
        assert [row[0] for row in rows_of(connection, "symbol")] == ["BTC/USD"] * 5 + ["ETH/USD"] * 5


def _wait_until_blocked(warehouse: Warehouse) -> None:
    """Return once some session waits for a lock."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            row = cursor.fetchone()
            if row and row[0]:
                return
    pytest.fail("no session came to wait for a lock")


def test_the_comparison_never_reads_the_whole_table(connection: Connection) -> None:
    upsert(connection, ohlcv, batch(3000))
    upsert(connection, ohlcv, batch(3000, symbol="ETH/USD"))
    connection.commit()
    before = _sequential_scans(connection)
    mixed = bars(2000)
    mixed["symbol"] = np.array(["BTC/USD", "ETH/USD"] * 1000, dtype=object)
    upsert(connection, ohlcv, batch(2000))
    upsert(connection, ohlcv, mixed)  # type: ignore[arg-type]
    connection.commit()
    assert _sequential_scans(connection) == before


def _sequential_scans(connection: Connection) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        connection.commit()
        cursor.execute(
            "SELECT pg_stat_clear_snapshot(), seq_scan FROM pg_stat_user_tables WHERE relname = 'ohlcv_2024'"
        )
        row = cursor.fetchone()
    return int(row[1]) if row else -1


def test_a_replacement_takes_the_place_of_its_span_and_of_nothing_else(connection: Connection) -> None:
    upsert(connection, ohlcv, batch(10))
    upsert(connection, ohlcv, batch(10, symbol="ETH/USD"))
    counts = replace(
        connection,
        ohlcv,
        batch(3, first=4, close=500.0),
        {"venue": "kraken", "symbol": "BTC/USD", "timeframe": "1m"},
        NEW_YEAR + timedelta(minutes=3),
        NEW_YEAR + timedelta(minutes=8),
    )
    assert counts == WriteCounts(received=3, inserted=3, changed=0, unchanged=0, deleted=5)
    with connection.cursor() as cursor:
        cursor.execute("SELECT close FROM market.ohlcv WHERE symbol = 'BTC/USD' ORDER BY opened_at")
        assert [row[0] for row in cursor.fetchall()] == [100, 101, 102, 504, 505, 506, 108, 109]
        cursor.execute("SELECT count(*) FROM market.ohlcv WHERE symbol = 'ETH/USD'")
        assert cursor.fetchone() == (10,)


@pytest.mark.parametrize(
    ("where", "minutes"),
    [({"venue": "kraken", "symbol": "ETH/USD"}, 10), ({"venue": "kraken"}, 2)],
)
def test_a_replacement_refuses_rows_outside_of_its_span(
    connection: Connection, where: dict[str, object], minutes: int
) -> None:
    with pytest.raises(WriteRefused):
        replace(connection, ohlcv, batch(3), where, NEW_YEAR, NEW_YEAR + timedelta(minutes=minutes))


def test_rows_can_not_be_truncated_past_the_revisions(connection: Connection) -> None:
    with connection.cursor() as cursor, pytest.raises(psycopg2.Error, match="cannot be truncated"):
        cursor.execute("TRUNCATE market.ohlcv")
