"""Partitions of days: made for whoever writes, for our tables only, and by several at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg2
import pytest

from crypto_assets.datasets.market.book_ticker_snapshots.table import book_ticker_snapshots
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.write import replace

MIDNIGHT = datetime(2026, 3, 10, tzinfo=UTC)
TABLE = "market.book_ticker_snapshots"


def partitions(warehouse: Warehouse) -> list[tuple[str, str]]:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname::text, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c"
            " ON c.oid = i.inhrelid WHERE i.inhparent = %s::regclass ORDER BY 1",
            (TABLE,),
        )
        return cursor.fetchall()


def ensure(warehouse: Warehouse, table: str, at: str) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT ops.ensure_day_partition(%s::regclass, %s)", (table, at))


def test_several_writers_make_one_partition_of_a_utc_day(warehouse: Warehouse) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: ensure(warehouse, TABLE, "2026-03-10 23:30:00-02"), range(8)))
    assert partitions(warehouse) == [
        ("book_ticker_snapshots_20260311", "FOR VALUES FROM ('2026-03-11 00:00:00+00') TO ('2026-03-12 00:00:00+00')")
    ]


@pytest.mark.parametrize(
    ("table", "at"), [("ops.market_polls", "2026-03-10"), ("pg_class", "2026-03-10"), (TABLE, "infinity")]
)
def test_nothing_else_is_made(shared_warehouse: Warehouse, table: str, at: str) -> None:
    with pytest.raises(psycopg2.errors.InvalidParameterValue):
        ensure(shared_warehouse, table, at)


def test_other_writers_of_the_warehouse_make_days_too(warehouse: Warehouse) -> None:
    seconds = np.array(["2026-03-09T23:59:59", "2026-03-10T00:00:00"], dtype="datetime64[us]")
    batch = {
        "venue": "mexc", "symbol": "BTC/USDT", "snapshot_at": seconds, "bid_price": "1", "bid_quantity": "1",
        "ask_price": "2", "ask_quantity": "1", "received_at": seconds, "age_ms": 0, "is_stale": False, "source": "hand",
        "known_at": seconds,
    }  # fmt: skip
    day = timedelta(days=1)
    with warehouse.connect() as connection:
        where = {"venue": "mexc"}
        counts = replace(
            connection, book_ticker_snapshots, batch, where=where, start=MIDNIGHT - day, end=MIDNIGHT + day,
            time_column="snapshot_at",
        )  # fmt: skip
    assert counts.inserted == 2
    assert [name for name, _ in partitions(warehouse)] == [
        "book_ticker_snapshots_20260309", "book_ticker_snapshots_20260310",
    ]  # fmt: skip
