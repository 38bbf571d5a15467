"""Sizes are PostgreSQL's, partitions count with their table, and growth follows from samples or partitions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from pydantic import SecretStr

from crypto_assets.datasets.market.tickers.table import tickers
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.retention import partitions_of
from crypto_assets.warehouse.storage import KEPT_DAYS, Disk, Storage, TableStorage, disk_of, storage_of, take_sample
from crypto_assets_tests.datasets.market.book_ticker_hours.quotes import Second, at, every_second, held, put_quotes

NOW = at("2026-03-10 12:00")
DAY = timedelta(days=1)
QUOTES = "market.book_ticker_snapshots"
SAMPLE = (
    "INSERT INTO ops.storage_samples VALUES ('market.book_ticker_snapshots', '2026-03-10'::date - {days}, 1, {size}, 0, 0, 0,"
    " '2026-03-10 12:00Z'::timestamptz - {days} * interval '1 day') RETURNING 1"
)
SAMPLED = (
    "SELECT table_bytes + index_bytes + toast_bytes FROM ops.storage_samples"
    " WHERE table_name = 'market.book_ticker_snapshots'"
)
OF_CATALOG = """
SELECT sum(pg_total_relation_size(inhrelid))::bigint, count(*) FROM pg_inherits
 WHERE inhparent = 'market.book_ticker_snapshots'::regclass
"""


@pytest.fixture(scope="module")
def stored(shared_warehouse: Warehouse) -> Warehouse:
    """Two days of quotes with statistics, and some that were deleted."""
    for day, count in (("2026-03-08", 400), ("2026-03-09", 1000)):
        put_quotes(shared_warehouse, every_second(at(f"{day} 10:00"), count, Second(NOW)))
    held(
        shared_warehouse, "DELETE FROM market.book_ticker_snapshots WHERE snapshot_at < '2026-03-08 10:01Z' RETURNING 1"
    )
    held(shared_warehouse, "ANALYZE market.book_ticker_snapshots; SELECT 1")
    return shared_warehouse


def _quotes(warehouse: Warehouse) -> TableStorage:
    return next(one for one in storage_of(warehouse, NOW).tables if one.table == QUOTES)


def test_a_table_takes_what_its_partitions_take(stored: Warehouse) -> None:
    [(size, count)] = held(stored, OF_CATALOG)
    one = _quotes(stored)
    assert (one.total_bytes, one.partitions) == (size, count)
    assert one.index_bytes > 0
    assert one.toast_bytes > 0  # an empty one has a page of its index
    assert one.rows == 1340
    found = storage_of(stored, NOW)
    assert found.total_bytes == sum(table.total_bytes for table in found.tables)
    assert [one.total_bytes for one in found.tables] == sorted((one.total_bytes for one in found.tables), reverse=True)
    assert {"audit.revisions", "ops.archived_partitions", "models.registry"} <= {one.table for one in found.tables}


def test_without_a_sample_a_day_is_judged_by_the_newest_whole_one_and_a_year_by_the_days_that_have_gone(
    stored: Warehouse,
) -> None:
    held(stored, "DELETE FROM ops.storage_samples RETURNING 1")
    held(stored, "SELECT ops.ensure_year_partition('market.tickers', '2026-01-01Z'), 1")
    [(newest,)] = held(stored, "SELECT pg_total_relation_size('market.book_ticker_snapshots_20260309')")
    one = _quotes(stored)
    assert (one.growth_bytes, one.growth_from) == (newest, "partitions")
    [(year,)] = held(stored, "SELECT pg_total_relation_size('market.tickers_2026')")
    tickers = next(one for one in storage_of(stored, NOW).tables if one.table == "market.tickers")
    assert tickers.growth_bytes == pytest.approx(int(str(year)) / 68.5)  # 31 January + 28 February + 9.5 March


def test_growth_is_the_line_from_the_oldest_sample_of_a_month_and_may_be_below_zero(stored: Warehouse) -> None:
    held(stored, "DELETE FROM ops.storage_samples RETURNING 1")
    total = _quotes(stored).total_bytes
    for days, size in ((40, 1), (10, total + 5000), (3, 7)):
        held(stored, SAMPLE.format(days=days, size=size))
    one = _quotes(stored)
    assert (one.growth_bytes, one.growth_from) == (-500, "samples")


def test_a_sample_a_day_is_kept_and_old_ones_are_not(stored: Warehouse) -> None:
    held(stored, "DELETE FROM ops.storage_samples RETURNING 1")
    count = take_sample(stored, NOW - (KEPT_DAYS + 1) * DAY)
    assert count > 30
    assert take_sample(stored, NOW) == count
    assert take_sample(stored, NOW + timedelta(hours=1)) == count
    assert held(stored, "SELECT sampled_on::text, count(*) FROM ops.storage_samples GROUP BY 1") == [
        ("2026-03-10", count)
    ]
    assert held(stored, SAMPLED) == [(_quotes(stored).total_bytes,)]


class DroppedMeanwhile(Warehouse):
    """A database in which two tables are dropped just after a statement has begun that sees them."""

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        there = Warehouse(self.url)
        held(there, "SELECT ops.ensure_year_partition('market.tickers', '2026-01-01Z'), 1")
        held(there, "CREATE TABLE IF NOT EXISTS ops.fleeting (i integer PRIMARY KEY); SELECT 1")
        with super().connect() as connection, connection.cursor() as cursor:
            connection.set_session(isolation_level=ISOLATION_LEVEL_REPEATABLE_READ)
            cursor.execute("SELECT 1")
            held(there, "DROP TABLE ops.fleeting, market.tickers_2026; SELECT 1")
            yield connection


def test_a_table_that_is_dropped_meanwhile_takes_nothing(stored: Warehouse) -> None:
    dropping = DroppedMeanwhile(stored.url)
    found = {one.table: one for one in storage_of(dropping, NOW).tables}
    assert (found["ops.fleeting"].total_bytes, found["ops.fleeting"].growth_bytes) == (0, None)
    assert "market.tickers" in found
    assert take_sample(dropping, NOW) == len(found)
    assert [one.label for one in partitions_of(dropping, tickers)] == []


def test_the_disk_is_that_under_the_servers_data_and_unknown_elsewhere(stored: Warehouse) -> None:
    disk = disk_of(stored)
    assert disk is not None
    assert 0 < disk.free_bytes < disk.total_bytes
    assert disk_of(Warehouse(SecretStr("postgresql://u:p@db.example.org/d"))) is None


def test_days_until_the_disk_is_full_follow_from_the_growth() -> None:
    table = TableStorage("market.trades", 1, 60, 30, 10, 0, 1, growth_bytes=25.0, growth_from="samples")
    found = Storage((table, replace(table, growth_bytes=None)), Disk(1000, 4000))
    assert (table.total_bytes, found.total_bytes, found.growth_bytes, found.days_until_full) == (100, 200, 25.0, 40.0)
    assert replace(found, disk=None).days_until_full is None
    assert replace(found, tables=(replace(table, growth_bytes=-1.0),)).days_until_full is None
