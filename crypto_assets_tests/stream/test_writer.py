"""The writing thread on a real PostgreSQL: what is stored when the database goes, comes back, refuses or belongs to another."""

from __future__ import annotations

from pathlib import Path

import pytest

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.quality.gaps import State
from crypto_assets.stream.outages import Absence
from crypto_assets.stream.quotes import Unreadable
from crypto_assets.stream.snapshots import SECOND
from crypto_assets.stream.spill import SpillFull
from crypto_assets.stream.standing import Lines
from crypto_assets.stream.storing import absence_lines, unreadable_lines
from crypto_assets.stream.writer import CannotStore
from crypto_assets.warehouse.connection import NotMigrated, Warehouse
from crypto_assets_tests.stream.quoting import BTC, ETH, NOON, second_of
from crypto_assets_tests.stream.writing import (
    TERMINATE,
    Hand,
    administering,
    away,
    both,
    eventually,
    ledger,
    stored,
)


def test_rows_ledger_and_unreadable_messages_are_stored_and_the_next_day_is_prepared(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    hand = Hand(warehouse, tmp_path)
    hand.put(0, 1)
    gap = Absence(*BTC, NOON, NOON + 1_500_000, State.VENUE_OUTAGE.value, "closed")
    bad = [Unreadable("mexc", "no JSON", b"{", NOON), Unreadable("mexc", "no JSON", b"{", NOON)]
    hand.writer.put([absence_lines(NOON, [gap]), unreadable_lines(NOON, bad)])
    hand.ear.until(lambda: len(hand.ear.seconds) == 2)
    with warehouse.connect() as connection, connection.cursor() as cursor:

        def is_prepared() -> bool:
            cursor.execute("SELECT count(*) FROM pg_class WHERE relname = 'book_ticker_snapshots_20260311'")
            return cursor.fetchone() == (1,)

        eventually(is_prepared)
    assert hand.end() == ("asked to end", None)
    assert stored(warehouse) == both(0, 1)
    assert ledger(warehouse) == [("BTC/USDT", 0, 1.5, "venue_outage", "closed")]
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT venue, reason, payload, occurrences FROM quality.quarantine")
        assert cursor.fetchall() == [("mexc", "no JSON", "{", 2)]
        cursor.execute("SELECT DISTINCT known_at = snapshot_at, source, age_ms FROM market.book_ticker_snapshots")
        assert cursor.fetchall() == [(True, "mexc bookTicker stream", 250)]
    assert hand.counters.rows == 4
    assert list(tmp_path.iterdir()) == []


def test_rows_go_before_what_is_beside_them_which_comes_piece_by_piece(warehouse: Warehouse, tmp_path: Path) -> None:
    hand = Hand(warehouse, tmp_path)
    hand.ear.until(lambda: hand.ear.is_owner)
    pieces = [
        absence_lines(NOON, [Absence(*market, NOON - SECOND, NOON, State.VENUE_OUTAGE.value, "gone")])
        for market in (BTC, ETH)
    ]
    hand.writer.put([*pieces, second_of(NOON, (BTC, ETH))])
    hand.ear.until(lambda: len(hand.ear.tables) == 3)
    assert hand.end() == ("asked to end", None)
    assert hand.ear.tables == ["market.book_ticker_snapshots", "quality.coverage", "quality.coverage"]
    assert (hand.counters.batches, len(hand.counters.insert_ms), hand.counters.rows) == (1, 1, 2)
    assert len(ledger(warehouse)) == 2


def test_a_growing_outage_is_one_row_and_neighbours_of_one_kind_merge(warehouse: Warehouse, tmp_path: Path) -> None:
    def absence(start: float, end: float, state: State, why: str) -> Absence:
        return Absence(*BTC, NOON + int(start * SECOND), NOON + int(end * SECOND), state.value, why)

    hand = Hand(warehouse, tmp_path)
    for end in (1, 61, 70.5):
        hand.writer.put([absence_lines(NOON, [absence(0.5, end, State.VENUE_OUTAGE, "closed")])])
    hand.writer.put([absence_lines(NOON, [absence(70.5, 80, State.VENUE_OUTAGE, "refused")])])
    hand.writer.put([absence_lines(NOON, [absence(75, 90, State.VENUE_QUIET, "no quote")])])
    hand.end()
    assert ledger(warehouse) == [
        ("BTC/USDT", 0.5, 80, "venue_outage", "closed"),
        ("BTC/USDT", 80, 90, "venue_quiet", "no quote"),
    ]


def test_a_second_that_a_predecessor_took_is_not_lost(warehouse: Warehouse, tmp_path: Path) -> None:
    hand = Hand(warehouse, tmp_path)
    hand.put(0, 2)
    held_up = Absence(*BTC, NOON, NOON + 4 * SECOND, State.UNRECOVERABLE.value, "held up")
    hand.writer.put([absence_lines(NOON, [held_up])])
    hand.end()
    assert ledger(warehouse) == [
        ("BTC/USDT", 1, 2, "unrecoverable", "held up"),
        ("BTC/USDT", 3, 4, "unrecoverable", "held up"),
    ]


def test_what_nobody_listened_to_reaches_back_to_the_newest_row_and_not_before_the_first_start(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    first = Hand(warehouse, tmp_path)
    first.put(0, 1, 2)
    first.end()
    second = Hand(warehouse, tmp_path)
    absences = [
        Absence(venue, symbol, NOON + 60 * SECOND, NOON + 61 * SECOND, State.UNRECOVERABLE.value, "nobody", True)
        for venue, symbol in (BTC, ("gate", "NEW/USDT"))
    ]
    second.writer.put([absence_lines(NOON, absences)])
    second.put(61)
    second.end()
    assert ledger(warehouse) == [
        ("BTC/USDT", 3, 61, "unrecoverable", "nobody"),
        ("NEW/USDT", 60, 61, "unrecoverable", "nobody"),
    ]
    assert second.ear.known == [(NOON + second * SECOND, 2, 0) for second in (0, 1, 2)]


def test_lost_connections_lose_and_double_nothing(warehouse: Warehouse, tmp_path: Path) -> None:
    hand = Hand(warehouse, tmp_path, memory_seconds=3600)
    hand.ear.until(lambda: hand.ear.is_owner)
    with administering(warehouse) as run:
        for second in range(0, 40, 4):
            hand.put(*range(second, second + 4))
            run(TERMINATE)
        hand.ear.until(lambda: len(set(hand.ear.seconds)) == 40)
    assert hand.end() == ("asked to end", None)
    assert stored(warehouse) == both(*range(40))


def test_a_commit_in_doubt_is_not_doubled(warehouse: Warehouse, tmp_path: Path) -> None:
    hand = Hand(warehouse, tmp_path)
    hand.put(0)
    hand.ear.until(lambda: hand.ear.seconds)
    hand.put(0, 0, 1, bid="99")  # as a predecessor's seconds, and as a batch whose commit was lost on the way back
    hand.end()
    assert stored(warehouse) == both(0, 1)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT bid_price::text FROM market.book_ticker_snapshots ORDER BY snapshot_at")
        assert [bid for (bid,) in cursor.fetchall()] == ["100.10", "100.10", "99", "99"]


def test_while_the_database_is_away_rows_wait_then_spill_and_come_back_in_order(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    hand = Hand(warehouse, tmp_path, memory_seconds=3)
    hand.put(0)
    hand.ear.until(lambda: hand.ear.seconds)
    with away(warehouse):
        hand.put(1, 2)
        eventually(lambda: hand.counters.failures)
        assert hand.counters.spilled_rows == 0
        assert hand.counters.waiting_rows == 4
        hand.put(3, 4)
        eventually(lambda: hand.counters.spilled_rows == 8)
        assert (hand.counters.spilled_rows, hand.counters.waiting_rows) == (8, 0)
        assert len(list(tmp_path.iterdir())) == 1
        hand.put(5)
        eventually(lambda: hand.counters.spilled_rows == 10)
    hand.put(6)
    hand.ear.until(lambda: len(hand.ear.seconds) >= 7)
    assert hand.end() == ("asked to end", None)
    assert hand.ear.seconds == [NOON + second * SECOND for second in range(7)]
    assert stored(warehouse) == both(*range(7))
    assert list(tmp_path.iterdir()) == []


def test_who_ends_while_the_database_is_away_leaves_a_file_that_the_next_one_stores(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    hand = Hand(warehouse, tmp_path)
    hand.put(0)
    hand.ear.until(lambda: hand.ear.seconds)
    with away(warehouse):
        hand.put(1, 2)
        why, error = hand.end()
    assert error is None
    assert "kept in a file" in why
    following = Hand(warehouse, tmp_path, began=1)
    following.put(3)
    following.end()
    assert following.ear.seconds == [NOON + second * SECOND for second in (1, 2, 3)]
    assert stored(warehouse) == both(0, 1, 2, 3)
    assert list(tmp_path.iterdir()) == []


def test_a_full_spill_file_ends_the_stream_loudly(warehouse: Warehouse, tmp_path: Path) -> None:
    hand = Hand(warehouse, tmp_path, memory_seconds=1, max_spill_bytes=900)
    hand.put(0)
    hand.ear.until(lambda: hand.ear.seconds)
    with away(warehouse):
        hand.put(*range(1, 20))
        hand.ear.until(lambda: hand.ear.end)
    assert isinstance(hand.ear.end, tuple)
    assert isinstance(hand.ear.end[1], SpillFull)


def test_a_row_that_the_table_refuses_is_quarantined_and_its_neighbours_are_stored(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    hand = Hand(warehouse, tmp_path)
    good, bad = second_of(NOON, (BTC,)), second_of(NOON, (ETH,), bid="0.00")
    poisoned = second_of(NOON + SECOND, (ETH,)).text.replace(b"100.10", b"a hundred")
    hand.writer.put([Lines(NOON, good.table, 2, good.text + bad.text), Lines(NOON + SECOND, good.table, 1, poisoned)])
    hand.put(2)
    assert hand.end() == ("asked to end", None)
    assert stored(warehouse) == [("BTC/USDT", 0), *both(2)]
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT reason, payload::text FROM quality.quarantine ORDER BY quarantine_id")
        kept = cursor.fetchall()
    assert ["book_ticker_snapshots_possible" in reason or "division" in reason for reason, _ in kept] == [True, False]
    assert "a hundred" in kept[1][1]


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("DROP TABLE market.book_ticker_snapshots", NotMigrated),
        ("ALTER TABLE market.book_ticker_snapshots RENAME age_ms TO age", CannotStore),
        (
            "CREATE FUNCTION public.no_space() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE 'No space left on device' USING ERRCODE = 'disk_full'; END $$;"
            " CREATE TRIGGER full_disk BEFORE INSERT ON market.book_ticker_snapshots"
            " FOR EACH ROW EXECUTE FUNCTION public.no_space()",
            CannotStore,
        ),
    ],
)
def test_a_schema_that_is_not_ours_ends_the_stream_loudly_and_keeps_its_rows(
    warehouse: Warehouse, tmp_path: Path, statement: str, error: type[CryptoAssetsError]
) -> None:
    hand = Hand(warehouse, tmp_path)
    hand.ear.until(lambda: hand.ear.is_owner)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
    hand.put(0)
    hand.ear.until(lambda: hand.ear.end)
    assert isinstance(hand.ear.end, tuple)
    assert isinstance(hand.ear.end[1], error)
    assert [path.suffix for path in tmp_path.iterdir()] == [".spill"]
