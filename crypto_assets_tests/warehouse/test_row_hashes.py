"""A table's hash follows from its rows alone, and a moment that is held stays as it was."""

import time

import psycopg2
import pytest

from crypto_assets.warehouse.backup_manifest import TableMark
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.row_hashes import compare, frozen, hash_tables, hashing, tables_of
from crypto_assets_tests.warehouse.backing_up import fetched

SAME = "CREATE TABLE {} (id int, value float8, exact numeric, note text)"
ROWS = "INSERT INTO {} VALUES (1, 0.1, 1.0, 'a'), (2, '-0', NULL, ''), (3, 'NaN', 1e30, NULL)"


@pytest.fixture
def emptied(empty_warehouse: Warehouse) -> Warehouse:
    for name in ("a", "b"):
        fetched(empty_warehouse, SAME.format(name))
        fetched(empty_warehouse, ROWS.format(name))
    return empty_warehouse


def hashes(warehouse: Warehouse) -> dict[str, tuple[int, int]]:
    return {mark.name: (mark.rows, mark.row_hash) for mark in hash_tables(warehouse, tables_of(warehouse), 2)}


def test_the_hash_is_the_sum_of_the_hashes_of_the_rows_texts(emptied: Warehouse) -> None:
    texts = ["(1,0.1,1.0,a)", '(2,-0,,"")', "(3,NaN,1000000000000000000000000000000,)"]
    [(by_hand,)] = fetched(emptied, "SELECT sum(hashtextextended(t, 0))::text FROM unnest(%s) AS t", texts)
    assert hashes(emptied)["a"] == (3, int(str(by_hand)))


def test_neither_order_nor_layout_nor_dropped_columns_nor_the_session_count(emptied: Warehouse) -> None:
    before = hashes(emptied)
    assert before["a"] == before["b"]
    fetched(emptied, "ALTER TABLE b ADD COLUMN gone text DEFAULT 'x'")
    fetched(emptied, "ALTER TABLE b DROP COLUMN gone")
    fetched(emptied, "UPDATE b SET id = id WHERE id = 1")  # the first row lies last now
    fetched(emptied, "ALTER TABLE b ADD COLUMN at timestamptz")
    fetched(emptied, "ALTER TABLE a ADD COLUMN at timestamptz")
    fetched(emptied, "UPDATE a SET at = '2024-07-01T00:00Z'")
    fetched(emptied, "UPDATE b SET at = '2024-07-01T02:00+02'")
    [(name,)] = fetched(emptied, "SELECT current_database()")
    fetched(emptied, f"ALTER DATABASE {name} SET DateStyle = 'German'")
    fetched(emptied, f"ALTER DATABASE {name} SET extra_float_digits = -3")
    after = hashes(emptied)
    assert after["a"] == after["b"]
    assert after["a"] != before["a"]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE b SET value = 0.10000000000000002 WHERE id = 1",
        "UPDATE b SET value = 0.0 WHERE id = 2",
        "UPDATE b SET exact = 1.00 WHERE id = 1",
        "UPDATE b SET note = NULL WHERE id = 2",
        "UPDATE b SET note = CASE id WHEN 1 THEN '' ELSE 'a' END WHERE id < 3",
        "UPDATE b SET id = 4 - id",
    ],
    ids=["last_digit", "minus_zero", "scale", "null_for_empty", "values_swapped", "keys_swapped"],
)
def test_the_smallest_change_counts(emptied: Warehouse, change: str) -> None:
    fetched(emptied, change)
    found = hashes(emptied)
    assert found["a"][0] == found["b"][0] == 3
    assert found["a"][1] != found["b"][1]


def test_the_whole_row_counts_whatever_its_columns_are_called(emptied: Warehouse) -> None:
    fetched(emptied, "CREATE TABLE odd AS SELECT id AS t, note AS s FROM a")
    before = hashes(emptied)["odd"]
    fetched(emptied, "UPDATE odd SET s = 'another' WHERE t = 1")
    assert hashes(emptied)["odd"] != before


def test_a_row_that_is_there_twice_counts_twice(emptied: Warehouse) -> None:
    fetched(emptied, "INSERT INTO b SELECT * FROM b")
    found = hashes(emptied)
    assert found["b"] == (6, 2 * found["a"][1])


def test_each_table_with_rows_of_its_own_is_hashed_and_no_others(emptied: Warehouse) -> None:
    fetched(emptied, "CREATE TABLE parts (at date) PARTITION BY RANGE (at)")
    fetched(emptied, "CREATE TABLE part_1 PARTITION OF parts FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')")
    fetched(emptied, "CREATE UNLOGGED TABLE fleeting (i int)")
    fetched(emptied, "CREATE VIEW seen AS SELECT 1 AS i")
    fetched(emptied, "INSERT INTO parts VALUES ('2024-05-05')")
    with emptied.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE passing (i int)")
        connection.commit()
        marks = hash_tables(emptied, tables_of(emptied), 2)
    assert [(one.table, one.rows, one.is_unlogged) for one in marks] == [
        ("public.a", 3, False), ("public.b", 3, False), ("public.fleeting", 0, True), ("public.part_1", 1, False),
    ]  # fmt: skip


def test_a_held_moment_shows_what_was_and_keeps_its_tables(emptied: Warehouse) -> None:
    before = hashes(emptied)
    with frozen(emptied) as moment:
        fetched(emptied, "DELETE FROM a")
        fetched(emptied, "CREATE TABLE late (i int)")
        assert [one.name for one in moment.tables] == ["a", "b"]
        with hashing(emptied, moment.tables, 2, moment.snapshot) as work:
            assert {one.name: (one.rows, one.row_hash) for one in work.marks()} == before
        with pytest.raises(psycopg2.errors.LockNotAvailable), emptied.connect() as other, other.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'; DROP TABLE b")
    assert hashes(emptied)["a"] == (0, 0)
    fetched(emptied, "DROP TABLE b")


def test_hashing_that_waits_ends_when_the_work_beside_it_fails(emptied: Warehouse) -> None:
    tables = tables_of(emptied)
    with emptied.connect() as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE a, b IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(ZeroDivisionError), hashing(emptied, tables, 1):
            _fail_once_one_waits(emptied)  # without an end of the other part this would wait for a minute
        assert not fetched(emptied, _WAITING)
        connection.rollback()


_WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def _fail_once_one_waits(warehouse: Warehouse) -> None:
    deadline = time.monotonic() + 20
    while not fetched(warehouse, _WAITING):
        assert time.monotonic() < deadline
    raise ZeroDivisionError


def test_what_differs_is_said() -> None:
    def mark(name: str, rows: int, row_hash: int) -> TableMark:
        return TableMark(schema_name="s", name=name, rows=rows, row_hash=row_hash)

    found = compare(
        [mark("same", 1, 5), mark("fewer", 1000, 5), mark("other", 1, 5), mark("gone", 1, 5)],
        [mark("same", 1, 5), mark("fewer", 999, 5), mark("other", 1, 6), mark("new", 1, 5)],
    )
    assert {one.table: one.finding for one in found} == {
        "s.fewer": "999 rows in place of 1,000",
        "s.gone": "missing",
        "s.new": "was not saved",
        "s.other": "other values than were saved",
        "s.same": "",
    }
