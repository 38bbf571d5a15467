"""What comes between the plan and its carrying out keeps what it speaks for; nobody waits long for whoever reads what goes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from crypto_assets.datasets.market.book_ticker_snapshots.table import book_ticker_snapshots
from crypto_assets.universe_operations import TableRetention
from crypto_assets.warehouse import detach as detaching
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.detach import carry_out, detach, finish_detached
from crypto_assets.warehouse.detach_file import Archive
from crypto_assets.warehouse.detach_restore import NothingArchived, restore
from crypto_assets.warehouse.detach_rows import Rows, StoredColumn
from crypto_assets.warehouse.detached import entries
from crypto_assets.warehouse.retention import Guards, Partition, PartitionBusy, Verdict, partitions_of, plan
from crypto_assets_tests.datasets.market.book_ticker_hours.quotes import Second, at, every_second, held, put_quotes

QUOTES = book_ticker_snapshots.fullname
OLD = Second(at("2026-03-02 10:00"))
NOW = at("2026-03-10 03:30")
ALL = "SELECT * FROM market.book_ticker_snapshots ORDER BY venue, symbol, snapshot_at"
DAY = "2026-03-02"


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(str(tmp_path / "archive"), "sandbox")


@pytest.fixture
def stored(shared_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """The module's database with a hundred quotes each of two old days and no entries; two attempts are enough."""
    monkeypatch.setattr("crypto_assets.warehouse.retention.ATTEMPTS", 2)
    held(shared_warehouse, "DELETE FROM ops.archived_partitions RETURNING 1")
    for (name,) in held(
        shared_warehouse, "SELECT relname FROM pg_class WHERE relname ~ '^book_ticker_snapshots_' AND relkind = 'r'"
    ):
        held(shared_warehouse, f"DROP TABLE market.{name}; SELECT 1")
    put_quotes(shared_warehouse, every_second(OLD.at, 100, OLD))
    put_quotes(shared_warehouse, every_second(at("2026-03-01 10:00"), 100, OLD))
    return shared_warehouse


def _old(warehouse: Warehouse) -> Partition:
    return next(one for one in partitions_of(warehouse, book_ticker_snapshots) if one.label == DAY)


def _days(warehouse: Warehouse) -> list[str]:
    return [one.label for one in partitions_of(warehouse, book_ticker_snapshots)]


def _outcomes(warehouse: Warehouse) -> list[str]:
    return [one.outcome for one in entries(warehouse, QUOTES)]


@contextmanager
def _reading(warehouse: Warehouse, table: str) -> Iterator[None]:
    """Another session that reads a table in a transaction, as a backup does."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE market.{table} IN ACCESS SHARE MODE")
        yield


def _no_pause(_seconds: float) -> None:
    """The next attempt comes at once."""


def _planned(warehouse: Warehouse, guards: Guards) -> list[Verdict]:
    policy = {QUOTES: TableRetention(keep_days=7, then="drop")}
    return plan(warehouse, [book_ticker_snapshots], policy, NOW, guards)


def _late_rows(warehouse: Warehouse, partition: Partition) -> str:
    """Speaks for a day that holds more than its hundred rows."""
    [(rows,)] = held(warehouse, f"SELECT count(*) FROM market.{partition.name}")  # noqa: S608 - of the catalog
    return f"{int(str(rows)) - 100} rows are not summed up" if int(str(rows)) > 100 else ""


@pytest.mark.parametrize("then", ["drop", "detach"])
def test_rows_that_come_after_the_plan_keep_their_day(stored: Warehouse, archive: Archive, then: str) -> None:
    planned = [replace(one, then=then) for one in _planned(stored, {QUOTES: _late_rows})]
    assert [one.goes for one in planned] == [True, True]
    put_quotes(stored, [replace(OLD, at=at(f"{DAY} 23:59"))])
    done = carry_out(stored, planned, archive, pytest.fail)
    assert [one.kept for one in done] == ["", "1 rows are not summed up"]
    assert _days(stored) == [DAY]


def test_rows_that_come_while_a_drop_waits_keep_their_day(stored: Warehouse, archive: Archive) -> None:
    planned = _planned(stored, {QUOTES: _late_rows})[1:]
    reader = _reading(stored, "book_ticker_snapshots")
    reader.__enter__()

    def pause(_seconds: float) -> None:
        put_quotes(stored, [replace(OLD, at=at(f"{DAY} 23:59"))])
        reader.__exit__(None, None, None)

    [done] = carry_out(stored, planned, archive, pause)
    assert (done.kept, done.freed) == ("1 rows are not summed up", 0)
    assert DAY in _days(stored)


def test_a_verdict_is_the_same_whoever_is_asked_again(stored: Warehouse) -> None:
    [one, _] = _planned(stored, {QUOTES: _late_rows})
    assert one == replace(one, guard=None)
    assert "guard" not in repr(one)


def test_a_day_that_another_round_took_out_while_we_waited_is_no_error(stored: Warehouse, archive: Archive) -> None:
    old = _old(stored)
    assert detach(stored, old, archive, pytest.fail) == old.size
    assert detach(stored, old, archive, pytest.fail) == 0
    assert _outcomes(stored) == ["archived"]


def test_rows_aside_that_others_read_are_left_to_the_next_round_and_the_others_go(
    stored: Warehouse, archive: Archive
) -> None:
    old, before = _old(stored), held(stored, ALL)
    with _aside_is_read(stored):
        assert detach(stored, old, archive, _no_pause) == 0
        assert _outcomes(stored) == ["detached"]
        assert finish_detached(stored, archive, [book_ticker_snapshots], _no_pause) == []
        with pytest.raises(PartitionBusy, match=r"book_ticker_snapshots_20260302 of .* still stand aside") as refused:
            restore(stored, book_ticker_snapshots, DAY, archive, _no_pause)
        assert "Wait until the backup" in refused.value.way_out
    [done] = finish_detached(stored, archive, [book_ticker_snapshots], pytest.fail)
    assert (done.partition, _outcomes(stored)) == (old.name, ["archived"])
    assert restore(stored, book_ticker_snapshots, DAY, archive, pytest.fail).rows == 100
    assert held(stored, ALL) == before


def test_what_a_killed_restore_left_and_others_read_is_not_waited_for(stored: Warehouse, archive: Archive) -> None:
    detach(stored, _old(stored), archive, pytest.fail)
    held(stored, "ALTER FUNCTION ops.begin_restore(regclass, timestamptz) SET lock_timeout = '50ms'; SELECT 1")
    held(stored, f"SELECT ops.begin_restore('{QUOTES}', '{DAY}Z')")
    told = "read what a killed restore of book_ticker_snapshots_20260302 left"
    with (
        _reading(stored, "book_ticker_snapshots_20260302_restoring"),
        pytest.raises(PartitionBusy, match=told),
    ):
        restore(stored, book_ticker_snapshots, DAY, archive, pytest.fail)
    assert restore(stored, book_ticker_snapshots, DAY, archive, pytest.fail).rows == 100


def test_both_functions_give_up_waiting(warehouse: Warehouse) -> None:
    told = held(
        warehouse, "SELECT proname::text, setting FROM pg_proc, unnest(proconfig) AS setting"
        " WHERE proname IN ('drop_aside', 'begin_restore') AND setting ~ '^lock_timeout' ORDER BY 1"
    )  # fmt: skip
    assert told == [("begin_restore", "lock_timeout=10s"), ("drop_aside", "lock_timeout=250ms")]


def test_a_day_that_was_dropped_after_it_had_been_restored_is_not_said_to_be_there(
    stored: Warehouse, archive: Archive
) -> None:
    detach(stored, _old(stored), archive, pytest.fail)
    restore(stored, book_ticker_snapshots, DAY, archive, pytest.fail)
    held(stored, f"SELECT ops.drop_partition('{QUOTES}', '{DAY}Z', '2026-03-03Z')")
    assert _outcomes(stored) == ["restored", "dropped"]
    with pytest.raises(NothingArchived, match="was dropped after it had been restored") as refused:
        restore(stored, book_ticker_snapshots, DAY, archive, pytest.fail)
    [entry, _] = entries(stored, QUOTES)
    assert f"Its file {entry.file} still lies in the archive" in refused.value.way_out


def test_proving_a_file_holds_the_room_and_the_locks_of_one_batch(stored: Warehouse) -> None:
    own = (
        "SELECT pg_relation_filenode('pg_temp.archive_staging')::text,"
        " (SELECT count(*)::text FROM pg_locks WHERE pid = pg_backend_pid())"
    )
    columns, marks, held_by_us = [StoredColumn("n", "bigint", ""), StoredColumn("told", "text", "")], [], []
    with stored.adbc() as connection, connection.cursor() as cursor:
        rows = Rows(stored, connection)
        for first in (0, 3, 6, 9):
            batch = pa.record_batch({"n": [first, first + 1, first + 2], "told": ["a", "b", None]})
            marks.append(rows.stage(batch, columns))
            cursor.execute(own)
            held_by_us.append(cursor.fetchone())
        other = rows.stage(pa.record_batch({"n": [1.5]}), [StoredColumn("n", "double precision", "")])
    assert [one.rows for one in marks] == [3, 3, 3, 3]
    assert len({one.row_hash for one in marks}) == 4
    assert len({file for file, _ in held_by_us}) == 1  # else the room of each is held until the end
    assert len({locks for _, locks in held_by_us[1:]}) == 1
    assert other.rows == 1


@contextmanager
def _aside_is_read(warehouse: Warehouse) -> Iterator[None]:
    """From the moment on in which a partition stands aside another session reads its rows."""
    real, readers = detaching.entries, []

    def read_then(*arguments: object) -> object:
        found = real(*arguments)  # type: ignore[arg-type]
        for one in found:
            if one.aside and not readers:
                readers.append(_reading(warehouse, one.aside))
                readers[0].__enter__()
        return found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(detaching, "entries", read_then)
        yield
    readers[0].__exit__(None, None, None)
