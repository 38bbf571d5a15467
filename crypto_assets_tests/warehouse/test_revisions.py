"""A table can be read as it stood at any time: one version of each row that existed then, none of one that did not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name

from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.revisions import MomentRefused, read_as_of
from crypto_assets.warehouse.write import replace, upsert
from crypto_assets_tests.warehouse.bars import bars, batch

START = datetime(2024, 1, 1, tzinfo=UTC)


def clock(connection: Connection) -> datetime:
    """The database's time, between two statements."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row = cursor.fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


def closes(warehouse: Warehouse, at: datetime) -> list[float]:
    return read_as_of(warehouse, ohlcv, at)["close"].tolist()


def delete_all(connection: Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM market.ohlcv")


def test_insert_two_changes_and_delete_are_each_seen_at_their_time(warehouse: Warehouse) -> None:
    moments = []
    with warehouse.connect() as connection:
        moments.append(clock(connection))
        upsert(connection, ohlcv, batch(2, close=100.0))
        moments.append(clock(connection))
    for close in (200.0, 300.0):
        with warehouse.connect() as connection:
            upsert(connection, ohlcv, batch(2, close=close))
            moments.append(clock(connection))
    with warehouse.connect() as connection:
        delete_all(connection)
        moments.append(clock(connection))
        upsert(connection, ohlcv, batch(1, close=400.0))
        moments.append(clock(connection))
    seen = [closes(warehouse, moment) for moment in moments]
    assert seen == [[], [100.0, 101.0], [200.0, 201.0], [300.0, 301.0], [], [400.0]]


def test_two_changes_in_one_transaction_are_two_versions(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        upsert(connection, ohlcv, batch(1, close=1.0))
        first = clock(connection)
        upsert(connection, ohlcv, batch(1, close=2.0))
        second = clock(connection)
        upsert(connection, ohlcv, batch(1, close=3.0))
        third = clock(connection)
    assert [closes(warehouse, at) for at in (first, second, third)] == [[1.0], [2.0], [3.0]]


def test_a_version_begins_at_the_very_moment_at_which_the_one_before_ends(warehouse: Warehouse) -> None:
    for close in (1.0, 2.0, 3.0):
        with warehouse.connect() as connection:
            upsert(connection, ohlcv, batch(1, close=close))
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT superseded_at, (old_row ->> 'ingested_at')::timestamptz FROM audit.revisions ORDER BY superseded_at"
        )
        (first_end, _), (second_end, second_start) = cursor.fetchall()
        cursor.execute("SELECT ingested_at FROM market.ohlcv")
        assert cursor.fetchone() == (second_end,)
    assert second_start == first_end
    ends = [first_end, second_end]
    tick = timedelta(microseconds=1)
    assert [closes(warehouse, at) for end in ends for at in (end - tick, end)] == [[1.0], [2.0], [2.0], [3.0]]


@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(["upsert", "by hand", "replace", "delete", "new transaction"]), max_size=6))
def test_after_any_history_each_past_moment_shows_the_table_as_it_was(warehouse: Warehouse, steps: list[str]) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        delete_all(connection)
        history = [(clock(connection), _closes_now(connection))]
        for number, step in enumerate(steps):
            if step == "upsert":
                upsert(connection, ohlcv, batch(2 + number % 2, close=float(number)))
            elif step == "by hand":
                cursor.execute("UPDATE market.ohlcv SET close = close + 1000")
            elif step == "replace":
                span = (START, START + timedelta(days=1))
                replace(connection, ohlcv, batch(3, close=float(-number)), {"venue": "kraken"}, *span)
            elif step == "delete":
                delete_all(connection)
            else:
                connection.commit()
            history.append((clock(connection), _closes_now(connection)))
    for moment, expected in history:
        assert closes(warehouse, moment) == expected


def _closes_now(connection: Connection) -> list[float]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT close FROM market.ohlcv ORDER BY opened_at")
        return [row[0] for row in cursor.fetchall()]


def test_old_rows_come_back_with_every_value_as_it_was(warehouse: Warehouse) -> None:
    odd = bars(3)
    odd["close"] = np.array([0.1 + 0.2, 5e-324, 1.7976931348623157e308])
    odd["volume_quote"] = np.array([np.nan, 1 / 3, 2.0])
    odd["source"] = np.array(["a'b\"c", "ünï\n", ""], dtype=object)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET TIME ZONE 'Asia/Tokyo'; SET extra_float_digits = 0")  # a writer with other habits
        upsert(connection, ohlcv, odd)  # type: ignore[arg-type]
        moment = clock(connection)
    before = read_as_of(warehouse, ohlcv, moment)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET TIME ZONE 'America/New_York'; SET extra_float_digits = 0")
        upsert(connection, ohlcv, batch(3, close=5.0))
    with warehouse.connect() as connection:  # a third zone, so that three versions of a row must know their common key
        upsert(connection, ohlcv, batch(3, close=6.0))
    after = read_as_of(warehouse, ohlcv, moment)
    assert before["close"].tolist() == [0.1 + 0.2, 5e-324, 1.7976931348623157e308]
    assert after.equals(before)
    assert after.dtypes.equals(before.dtypes)


def test_a_condition_holds_for_each_version_by_itself(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        upsert(connection, ohlcv, batch(3, close=10.0))
        upsert(connection, ohlcv, batch(3, close=10.0, symbol="ETH/USD"))
        moment = clock(connection)
        upsert(connection, ohlcv, batch(3, close=50.0))
    condition = (ohlcv.c.symbol == "BTC/USD") & (ohlcv.c.close < 12)
    assert read_as_of(warehouse, ohlcv, moment, condition)["close"].tolist() == [10.0, 11.0]
    assert read_as_of(warehouse, ohlcv, datetime.now(UTC), condition)["close"].tolist() == []


def test_each_revision_names_table_key_and_transaction(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET TIME ZONE 'Asia/Tokyo'")  # the key's text must not depend on who writes
        upsert(connection, ohlcv, batch(1))
        upsert(connection, ohlcv, batch(1, close=200.0))
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        transaction = cursor.fetchone()
        cursor.execute("SELECT table_name, key, old_row ->> 'close', transaction_id FROM audit.revisions")
        rows = cursor.fetchall()
    key = {"venue": "kraken", "symbol": "BTC/USD", "timeframe": "1m", "opened_at": "2024-01-01T00:00:00+00:00"}
    assert transaction is not None
    assert rows == [("market.ohlcv", key, "100", transaction[0])]


def test_a_moment_without_its_zone_is_refused(warehouse: Warehouse) -> None:
    with pytest.raises(MomentRefused, match="zone"):
        read_as_of(warehouse, ohlcv, datetime(2024, 1, 1))  # noqa: DTZ001 - the fault under test


def test_a_rolled_back_change_leaves_no_revision(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        upsert(connection, ohlcv, batch(1))
    with warehouse.connect() as connection:
        upsert(connection, ohlcv, batch(1, close=200.0))
        connection.rollback()
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audit.revisions")
        assert cursor.fetchone() == (0,)


def test_the_partition_function_refuses_what_is_not_ours(warehouse: Warehouse) -> None:
    for statement in (
        "SELECT ops.ensure_year_partition('ops.collected_ranges', '2024-01-01')",
        "SELECT ops.ensure_year_partition('pg_class', '2024-01-01')",
        "SELECT ops.ensure_year_partition('market.ohlcv', 'infinity')",
    ):
        with pytest.raises(psycopg2.errors.InvalidParameterValue):
            _run(warehouse, statement)


def _run(warehouse: Warehouse, statement: str) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
