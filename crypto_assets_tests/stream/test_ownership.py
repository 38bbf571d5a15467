"""One stream writes at a time: who is refused, who waits, who takes over, and who loses the lock."""

from __future__ import annotations

from pathlib import Path

from crypto_assets.stream.ownership import AnotherStream, Claim
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.stream.writing import (
    TERMINATE,
    Hand,
    administering,
    both,
    stored,
)


def test_a_second_stream_is_refused_or_waits_until_the_first_ends(warehouse: Warehouse, tmp_path: Path) -> None:
    holder = Hand(warehouse, tmp_path)
    holder.ear.until(lambda: holder.ear.is_owner)
    refused = Hand(warehouse, tmp_path, began=1)
    refused.ear.until(lambda: refused.ear.end)
    assert isinstance(refused.ear.end, tuple)
    assert isinstance(refused.ear.end[1], AnotherStream)
    waiting = Hand(warehouse, tmp_path, Claim.WAIT, began=2)
    holder.put(0)
    holder.ear.until(lambda: holder.ear.seconds)
    assert not waiting.ear.is_owner
    assert holder.ear.asked == ""
    assert holder.end() == ("asked to end", None)
    waiting.ear.until(lambda: waiting.ear.is_owner)
    waiting.put(1)
    assert waiting.end() == ("asked to end", None)
    assert stored(warehouse) == both(0, 1)


def test_a_successor_asks_once_it_is_warm_and_stores_what_it_gathered_meanwhile(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    holder = Hand(warehouse, tmp_path)
    holder.ear.until(lambda: holder.ear.is_owner)
    successor = Hand(warehouse, tmp_path, Claim.TAKE_OVER, began=1)
    holder.put(0, 1)
    successor.put(1, bid="99")
    successor.writer.warmed()
    holder.ear.until(lambda: holder.ear.asked)
    holder.put(2)
    successor.put(2, 3, bid="99")
    assert holder.end() == ("asked to end", None)
    successor.ear.until(lambda: len(successor.ear.seconds) == 3)
    successor.end()
    assert stored(warehouse) == both(0, 1, 2, 3)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT snapshot_at, bid_price::text FROM market.book_ticker_snapshots ORDER BY 1")
        assert [bid for _, bid in cursor.fetchall()] == ["100.10", "100.10", "100.10", "99"]


def test_who_loses_the_lock_with_its_connection_stores_what_it_has_and_ends(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    holder = Hand(warehouse, tmp_path)
    holder.ear.until(lambda: holder.ear.is_owner)
    with warehouse.connect() as other, other.cursor() as cursor, administering(warehouse) as run:
        own = other.get_backend_pid()
        run(f"{TERMINATE} AND pid <> {own}")
        cursor.execute("SELECT pg_advisory_lock(hashtextextended('crypto_assets stream', 0))")
        holder.put(0)
        holder.ear.until(lambda: holder.ear.end)
        assert isinstance(holder.ear.end, tuple)
        assert "another stream took the lock" in holder.ear.end[0]
        assert holder.ear.end[1] is None
    assert stored(warehouse) == both(0)
