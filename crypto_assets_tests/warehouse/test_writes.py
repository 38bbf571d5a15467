"""Every stored row's xmin leads to the note of who wrote it: also behind a savepoint, and when it was merged or replaced."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.origin import Origin
from crypto_assets.quality.coverage import write_changes
from crypto_assets.quality.gaps import Evidence, Gap, State
from crypto_assets.quality.series import SeriesKey
from crypto_assets.stream.storing import Store
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.write import DuplicateKeys, replace, upsert
from crypto_assets.warehouse.writes import prune_writes
from crypto_assets_tests.stream.quoting import NOON, SECOND, second_of
from crypto_assets_tests.warehouse.bars import batch

RUN = Origin("0d9a5c7e-run", "schedule bars_every_hour", "2024-01-01T00:00 kraken")
NOTES = """
SELECT table_name, rows_inserted, rows_changed, rows_deleted, run_id, triggered_by, request FROM ops.writes ORDER BY write_id
"""
# How many rows of each note have its xmin and its ingested_at.
MARKED = """
SELECT w.rows_inserted + w.rows_changed, count(o.*) FROM ops.writes w
  LEFT JOIN market.ohlcv o ON o.xmin::text = w.xmin::text AND o.ingested_at = w.rows_ingested_at
 GROUP BY w.write_id, w.rows_inserted, w.rows_changed ORDER BY w.write_id
"""


@pytest.fixture
def warehouse(shared_warehouse: Warehouse) -> Warehouse:
    _held(shared_warehouse, "DELETE FROM market.ohlcv; DELETE FROM audit.revisions; DELETE FROM ops.writes; SELECT 1")
    return shared_warehouse.on_behalf_of(RUN)


def _held(warehouse: Warehouse, statement: str) -> list[tuple[object, ...]]:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def test_rows_copied_straight_merged_or_both_have_the_xmin_of_their_note(warehouse: Warehouse) -> None:
    told = (RUN.run_id, RUN.triggered_by, RUN.request)
    for rows in (
        batch(1500),
        batch(1500),
        batch(1200, first=1000),
        batch(10, first=5, close=101.0),
        batch(3, first=9000),
    ):
        with warehouse.connect() as connection:
            upsert(connection, ohlcv, rows)
    assert _held(warehouse, NOTES) == [
        ("market.ohlcv", 1500, 0, 0, *told),  # straight, behind a savepoint
        ("market.ohlcv", 700, 0, 0, *told),  # of 1,200 bars those that lie ahead; the other 500 were there just so
        ("market.ohlcv", 0, 10, 0, *told),
        ("market.ohlcv", 3, 0, 0, *told),
    ]
    assert _held(warehouse, MARKED) == [(1500, 1490), (700, 700), (10, 10), (3, 3)]
    revisions = "SELECT count(*) FROM audit.revisions r JOIN ops.writes w ON w.transaction_id = r.transaction_id"
    assert _held(warehouse, revisions) == [(10,)]


def test_what_another_writer_stored_first_is_merged_and_noted_once(warehouse: Warehouse) -> None:
    """Rows behind a savepoint that is rolled back leave no note behind either."""
    with warehouse.connect() as first, warehouse.connect() as second:
        upsert(first, ohlcv, batch(3, first=20_000))
        with second.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '20s'")
        import threading  # noqa: PLC0415 - of this test alone

        waiting = threading.Thread(target=upsert, args=(second, ohlcv, batch(4, first=20_000)))
        waiting.start()
        waiting.join(0.3)  # it waits for the first one's keys now, or will find them
        first.commit()
        waiting.join(20)
    assert [row[1:4] for row in _held(warehouse, NOTES)] == [(3, 0, 0), (1, 0, 0)]
    assert _held(warehouse, MARKED) == [(3, 3), (1, 1)]


def test_what_is_replaced_says_how_many_rows_went(warehouse: Warehouse) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    series = {"venue": "kraken", "symbol": "BTC/USD", "timeframe": "1m"}
    for count in (5, 4):
        with warehouse.connect() as connection:
            replace(connection, ohlcv, batch(count), series, start, start + timedelta(days=1))
    assert [row[:4] for row in _held(warehouse, NOTES)] == [("market.ohlcv", 5, 0, 0), ("market.ohlcv", 4, 0, 5)]
    assert _held(warehouse, MARKED) == [(5, 0), (4, 4)]


def test_a_ledger_is_noted_and_what_fails_leaves_nothing(warehouse: Warehouse) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    gap = Gap(start, start + timedelta(hours=1), State.MISSING, Evidence(why="not asked yet"), start)
    with warehouse.connect() as connection:
        write_changes(connection, SeriesKey("a/b", "kraken", "BTC/USD", "1m"), [], [gap])
    assert [row[:4] for row in _held(warehouse, NOTES)] == [("quality.coverage", 1, 0, 0)]
    twice = {name: values[[0, 0]] if hasattr(values, "shape") else values for name, values in batch(1).items()}
    with pytest.raises(DuplicateKeys), warehouse.connect() as connection:
        upsert(connection, ohlcv, twice)  # type: ignore[arg-type]
    assert len(_held(warehouse, NOTES)) == 1


def test_each_second_of_the_stream_is_noted_and_one_that_was_there_is_not(warehouse: Warehouse) -> None:
    markets = [("mexc", "BTC/USDT"), ("gate", "BTC/USDT")]
    with warehouse.connect() as connection:
        store = Store(connection, SECOND)
        for at, is_careful in ((NOON, False), (NOON + SECOND, True), (NOON, True)):
            store.store([second_of(at, markets)], careful=is_careful)
    assert [row[:5] for row in _held(warehouse, NOTES)] == [("market.book_ticker_snapshots", 2, 0, 0, RUN.run_id)] * 2
    marked = """
    SELECT count(*) FROM market.book_ticker_snapshots s
      JOIN ops.writes w ON w.xmin::text = s.xmin::text AND w.rows_ingested_at = s.ingested_at
    """
    assert _held(warehouse, marked) == [(4,)]


def test_the_writer_role_notes_what_it_writes_and_the_reader_only_reads(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE crypto_assets_writer")
        upsert(connection, ohlcv, batch(2))
        cursor.execute("SET LOCAL ROLE crypto_assets_reader")
        cursor.execute("SELECT count(*) FROM ops.writes")
        assert cursor.fetchone() == (1,)
        for table in ("writes", "alerts", "alert_messages", "alert_silences"):
            cursor.execute(
                "SELECT has_table_privilege('crypto_assets_reader', %s, 'INSERT, UPDATE, DELETE')", (f"ops.{table}",)
            )
            assert cursor.fetchone() == (False,)


def test_whoever_says_nothing_is_noted_as_nobody_and_old_notes_go(warehouse: Warehouse) -> None:
    nobody = Warehouse(warehouse.url)
    with nobody.connect() as connection:
        upsert(connection, ohlcv, batch(2))
    assert _held(warehouse, NOTES) == [("market.ohlcv", 2, 0, 0, "", "", "")]
    now = datetime.now(UTC)
    assert prune_writes(warehouse, 30, now + timedelta(days=29)) == 0
    assert prune_writes(warehouse, 30, now + timedelta(days=31)) == 1
    assert _held(warehouse, "SELECT count(*) FROM market.ohlcv") == [(2,)]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(run=st.text(max_size=400), trigger=st.text(alphabet=" \\'\"=-c\n\tä|...", max_size=60))
def test_whatever_a_run_is_called_arrives_as_one_setting_and_nothing_else(
    shared_warehouse: Warehouse, run: str, trigger: str
) -> None:
    told = _held(
        shared_warehouse.on_behalf_of(Origin(run, trigger)),
        "SELECT coalesce(current_setting('crypto_assets.run_id', true), ''),"
        " coalesce(current_setting('crypto_assets.triggered_by', true), ''), current_setting('TimeZone')",
    )
    expected = ["".join(sign if " " <= sign <= "~" else "?" for sign in text[:300]) for text in (run, trigger)]
    assert told == [(*expected, "UTC")]
