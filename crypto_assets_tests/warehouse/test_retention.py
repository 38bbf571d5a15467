"""Old days go whole, once, and only they do; whoever writes meanwhile goes on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest

from crypto_assets.datasets.market.book_ticker_hours.table import book_ticker_hours
from crypto_assets.datasets.market.book_ticker_snapshots.table import book_ticker_snapshots
from crypto_assets.datasets.market.tickers.table import tickers
from crypto_assets.schema.columns import METADATA
from crypto_assets.universe_operations import TableRetention
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.detach import carry_out
from crypto_assets.warehouse.detach_file import Archive
from crypto_assets.warehouse.detached import entries
from crypto_assets.warehouse.retention import (
    ATTEMPTS,
    Guards,
    Partition,
    PartitionBusy,
    RetentionRefused,
    Verdict,
    drop,
    partitions_of,
    plan,
    tables_by_day,
)
from crypto_assets_tests.datasets.market.book_ticker_hours.quotes import Second, at, held, put_quotes, without_quotes

NOW = at("2026-03-10 03:30")
DAY = timedelta(days=1)
OLD = Second(at("2026-03-02 10:00"))
QUOTES = book_ticker_snapshots.fullname
DROP = "SELECT ops.drop_partition('market.book_ticker_snapshots', '2026-03-02', '2026-03-03')"
NOWHERE = Archive("/nowhere/that/is", "live")
PARTS = (
    "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 'market.{}'::regclass ORDER BY 1"
)


def no_pause(_seconds: float) -> None:
    pytest.fail("nobody was in the way")


@pytest.fixture
def warehouse(shared_warehouse: Warehouse) -> Warehouse:
    """The module's database without any day of quotes."""
    without_quotes(shared_warehouse)
    for (name,) in held(shared_warehouse, PARTS.format("book_ticker_snapshots")):
        held(shared_warehouse, f"DROP TABLE market.{name}; SELECT 1")
    return shared_warehouse


def _plan(warehouse: Warehouse, now: datetime = NOW, guards: Guards | None = None) -> list[Verdict]:
    policy = {QUOTES: TableRetention(keep_days=7, then="drop")}
    return plan(warehouse, [book_ticker_snapshots, tickers], policy, now, guards)


def _days(warehouse: Warehouse) -> list[str]:
    return [f"{one.span[0]:%m-%d}" for one in partitions_of(warehouse, book_ticker_snapshots)]


def _old_day(warehouse: Warehouse) -> Partition:
    put_quotes(warehouse, [OLD])
    [found] = partitions_of(warehouse, book_ticker_snapshots)
    return found


def test_tables_say_that_their_partitions_are_days() -> None:
    found = tables_by_day(METADATA.tables.values())
    assert book_ticker_snapshots in found
    assert not {tickers, book_ticker_hours} & set(found)


def test_days_are_due_once_they_ended_long_enough_ago_and_a_plan_changes_nothing(warehouse: Warehouse) -> None:
    put_quotes(warehouse, [replace(OLD, at=at(f"2026-03-0{day} 10:00")) for day in (1, 2, 3, 9)])
    before = held(warehouse, "SELECT * FROM market.book_ticker_snapshots ORDER BY snapshot_at")
    told = _plan(warehouse)
    assert [(f"{one.partition.span[0]:%m-%d}", one.goes, one.kept) for one in told] == [
        ("03-01", True, ""),
        ("03-02", True, ""),
        ("03-03", False, "ended less than 7 days ago"),
        ("03-09", False, "ended less than 7 days ago"),
    ]
    assert all(one.freed == 0 and one.partition.size > 0 for one in told)
    at_midnight = _plan(warehouse, now=at("2026-03-11 00:00"))
    assert [one.goes for one in at_midnight] == [True, True, True, False]
    assert held(warehouse, "SELECT * FROM market.book_ticker_snapshots ORDER BY snapshot_at") == before


def test_a_guard_is_asked_of_due_days_alone_and_keeps_what_it_speaks_for(warehouse: Warehouse) -> None:
    put_quotes(warehouse, [replace(OLD, at=at(f"2026-03-0{day} 10:00")) for day in (1, 2, 9)])
    asked = []

    def guard(_warehouse: Warehouse, one: Partition) -> str:
        asked.append(one.span[0].day)
        return "3 hours are not summed up" if one.span[0].day == 1 else ""

    told = _plan(warehouse, guards={book_ticker_snapshots.fullname: guard})
    assert asked == [1, 2]
    done = carry_out(warehouse, told, NOWHERE, no_pause)
    assert _days(warehouse) == ["03-01", "03-09"]
    assert [one.kept for one in done] == ["3 hours are not summed up", "", "ended less than 7 days ago"]
    assert [one.freed for one in done] == [0, told[1].partition.size, 0]


def test_less_than_a_day_is_never_kept_and_a_table_that_is_none_of_ours_is_refused_by_name(
    warehouse: Warehouse,
) -> None:
    none = {QUOTES: TableRetention.model_construct(keep_days=0, then="drop")}
    with pytest.raises(RetentionRefused, match="at least 1 day"):
        plan(warehouse, [book_ticker_snapshots], none, NOW)
    with pytest.raises(RetentionRefused, match=r"called market\.tickets"):
        plan(warehouse, [tickers], {"market.tickets": TableRetention(keep_days=7)}, NOW)


def test_a_day_that_another_process_dropped_is_no_error(warehouse: Warehouse) -> None:
    old = _old_day(warehouse)
    assert drop(warehouse, old, no_pause) == old.size
    assert drop(warehouse, old, no_pause) == 0


@pytest.mark.parametrize("back", [timedelta(0), DAY])
def test_postgresql_itself_refuses_what_is_not_over_for_a_day(warehouse: Warehouse, back: timedelta) -> None:
    put_quotes(warehouse, [replace(OLD, at=datetime.now(UTC) - back)])
    [young] = partitions_of(warehouse, book_ticker_snapshots)
    with pytest.raises(RetentionRefused, match="less than a day ago"):
        drop(warehouse, young, no_pause)
    assert partitions_of(warehouse, book_ticker_snapshots)


def test_a_partition_of_a_year_is_never_dropped_as_one_of_its_days(warehouse: Warehouse) -> None:
    held(warehouse, "SELECT ops.ensure_year_partition('market.tickers', '2025-05-05'), 1")
    [year] = [one for one in partitions_of(warehouse, tickers) if one.label == "2025"]
    assert year.span == (at("2025-01-01 00:00"), at("2026-01-01 00:00"))
    for day in (at("2025-01-01 00:00"), at("2025-05-05 00:00")):
        assert drop(warehouse, replace(year, span=(day, day + DAY)), no_pause) == 0
    assert ("tickers_2025",) in held(warehouse, PARTS.format("tickers"))
    with pytest.raises(RetentionRefused, match="neither a day nor a year"):
        drop(warehouse, replace(year, span=(at("2025-05-05 00:00"), at("2025-05-07 00:00"))), no_pause)
    assert drop(warehouse, year, no_pause) == year.size
    assert ("tickers_2025",) not in held(warehouse, PARTS.format("tickers"))


def test_what_was_dropped_stands_in_the_book_in_the_same_transaction(warehouse: Warehouse) -> None:
    held(warehouse, "DELETE FROM ops.archived_partitions RETURNING 1")
    for count in (1, 2):
        old = _old_day(warehouse)
        drop(warehouse, old, no_pause)
        assert [(one.number, one.outcome, one.partition, one.span, one.file) for one in entries(warehouse, QUOTES)] == [
            (number, "dropped", "book_ticker_snapshots_20260302", old.span, None) for number in range(1, count + 1)
        ]
    with pytest.raises(psycopg2.errors.InsufficientPrivilege), warehouse.connect() as connection:
        connection.cursor().execute("SET ROLE crypto_assets_writer; DELETE FROM ops.archived_partitions")


@pytest.mark.parametrize("name", ["market.instruments", "models.predictions", "ops.market_polls", "pg_class"])
def test_no_other_table_is_touched(warehouse: Warehouse, name: str) -> None:
    with pytest.raises(psycopg2.errors.InvalidParameterValue, match="names no table of ours"):
        held(warehouse, f"SELECT ops.drop_partition('{name}', '2026-03-02', '2026-03-03')")


def test_the_writer_may_drop_a_day_through_the_function_alone(warehouse: Warehouse) -> None:
    _old_day(warehouse)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege), warehouse.connect() as connection:
        connection.cursor().execute("SET ROLE crypto_assets_writer; DROP TABLE market.book_ticker_snapshots_20260302")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege), warehouse.connect() as connection:
        connection.cursor().execute(f"SET ROLE crypto_assets_reader; {DROP}")
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"SET ROLE crypto_assets_writer; {DROP}")
    assert _days(warehouse) == []


@contextmanager
def _holding(warehouse: Warehouse, statement: str) -> Iterator[None]:
    """Another session that has done something and not yet committed."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        yield


WRITE = (
    "INSERT INTO market.book_ticker_snapshots (venue, symbol, snapshot_at, bid_price, bid_quantity, ask_price, ask_quantity,"
    " received_at, age_ms, is_stale, source, known_at)"
    " VALUES ('gate', 'BTC/USDT', '2026-03-09 10:00:0{}Z', 1, 1, 2, 1, now(), 0, false, 'test', now())"
)


def test_whoever_writes_goes_on_while_an_old_day_is_tried_and_the_day_goes_when_the_table_is_free(
    warehouse: Warehouse,
) -> None:
    old = _old_day(warehouse)
    put_quotes(warehouse, [replace(OLD, at=at("2026-03-09 09:00"))])
    writer = _holding(warehouse, WRITE.format(0))
    writer.__enter__()
    paused = []

    def pause(seconds: float) -> None:
        """Between two attempts nobody waits for anything: a second writer comes and goes, then the first one commits."""
        paused.append(seconds)
        held(warehouse, f"SET lock_timeout = '1ms'; {WRITE.format(len(paused))}; SELECT 1")
        if len(paused) == 2:
            writer.__exit__(None, None, None)

    assert drop(warehouse, old, pause) == old.size
    assert len(paused) == 2
    assert held(warehouse, "SELECT count(*) FROM market.book_ticker_snapshots") == [(4,)]


def test_a_day_stays_while_somebody_reads_the_table_for_minutes(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crypto_assets.warehouse.retention.ATTEMPTS", 2)
    old = _old_day(warehouse)
    pauses: list[float] = []
    with _holding(warehouse, "SELECT count(*) FROM market.book_ticker_snapshots"):
        with pytest.raises(PartitionBusy, match=r"others held market\.book_ticker_snapshots each of 2 times"):
            drop(warehouse, old, pauses.append)
        [done] = carry_out(warehouse, _plan(warehouse), NOWHERE, pauses.append)
        assert done.kept.startswith("book_ticker_snapshots_20260302 stays")
    assert len(pauses) == 2
    assert _days(warehouse) == ["03-02"]
    assert ATTEMPTS > 2
