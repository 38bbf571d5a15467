"""Days of quotes go by themselves, once their hours are added up; a day that lacks a sum gets it first."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from crypto_assets.datasets.market.book_ticker_hours.build import sum_up
from crypto_assets.datasets.market.book_ticker_snapshots.table import book_ticker_snapshots
from crypto_assets.definitions import build_definitions
from crypto_assets.retention_automation import (
    drop_old_snapshots,
    plan_retention,
    retain,
    retention_schedules,
    short_lived_tables,
    sum_up_missing,
)
from crypto_assets.settings import Settings
from crypto_assets.universe_stream import StreamRules
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.retention import day_partitions
from crypto_assets_tests.datasets.market.book_ticker_hours.quotes import (
    HOUR,
    SECOND,
    Second,
    at,
    held,
    put_gap,
    put_quotes,
    without_quotes,
)

NOW = at("2026-03-10 03:30")
START = at("2026-03-02 10:00")
LIKE = Second(START)
RULES = StreamRules()
SUMMED = "SELECT opened_at, symbol, seconds FROM market.book_ticker_hours ORDER BY 1, 2"
UNIVERSE = "history_from: 2026-01-01\nvenues: {gate: {markets: [BTC/USDT]}}\nstream: {venues: [gate], keep_days: 3}\n"


@pytest.fixture
def stored(shared_warehouse: Warehouse) -> Warehouse:
    """The module's database without any day of quotes."""
    without_quotes(shared_warehouse)
    for one in day_partitions(shared_warehouse, book_ticker_snapshots):
        held(shared_warehouse, f"DROP TABLE market.{one.name}; SELECT 1")
    return shared_warehouse


def _days(warehouse: Warehouse) -> list[str]:
    return [f"{one.day:%m-%d}" for one in day_partitions(warehouse, book_ticker_snapshots)]


def test_quotes_and_what_was_seen_in_them_are_short_lived() -> None:
    names = {one.fullname for one in short_lived_tables()}
    assert {"market.book_ticker_snapshots", "market.arbitrage_opportunities"} <= names
    assert "market.book_ticker_hours" not in names


def test_a_day_stays_while_an_hour_of_it_is_not_summed_up(stored: Warehouse) -> None:
    put_quotes(stored, [LIKE, replace(LIKE, at=START + HOUR), replace(LIKE, at=START + 5 * HOUR)])
    [told] = plan_retention(stored, 7, NOW)
    assert (told.goes, told.kept) == (False, "3 hours are not summed up")
    for hour in (START, START + HOUR):
        sum_up(stored, (hour, hour + HOUR), 1)
    assert plan_retention(stored, 7, NOW)[0].kept == "1 hour is not summed up"
    sum_up(stored, (START + 5 * HOUR, START + 6 * HOUR), 1)
    assert plan_retention(stored, 7, NOW)[0].goes
    put_quotes(stored, [replace(LIKE, at=START + SECOND)])  # stored late: the sum of the hour is an old one
    assert plan_retention(stored, 7, NOW)[0].kept == "1 hour is not summed up"
    assert _days(stored) == ["03-02"]


def test_a_round_sums_up_what_is_due_and_then_drops_it_and_the_ledger_stays(stored: Warehouse) -> None:
    ether = replace(LIKE, symbol="ETH/USDT")
    put_quotes(stored, [LIKE, replace(LIKE, at=START + SECOND), ether, replace(LIKE, at=at("2026-03-05 00:00"))])
    put_gap(stored, START + 2 * SECOND, START + HOUR, LIKE)
    summed, verdicts = retain(stored, RULES, RULES.keep_days, NOW)
    assert [one.hour for one in summed] == [(START, START + HOUR)]
    assert [(f"{one.partition.day:%m-%d}", one.kept) for one in verdicts] == [
        ("03-02", ""),
        ("03-05", "ended less than 7 days ago"),
    ]
    assert verdicts[0].freed > 0
    assert _days(stored) == ["03-05"]
    assert held(stored, SUMMED) == [(START, "BTC/USDT", 2), (START, "ETH/USDT", 1)]
    assert held(stored, "SELECT count(*) FROM quality.coverage WHERE symbol = 'BTC/USDT'") == [(1,)]
    again, verdicts = retain(stored, RULES, RULES.keep_days, NOW)
    assert again == []
    assert [one.goes for one in verdicts] == [False]


def test_closed_hours_of_the_last_days_are_summed_up_too_and_the_open_one_is_not(stored: Warehouse) -> None:
    moments = ("2026-03-10 03:29", "2026-03-10 02:59", "2026-03-09 00:00", "2026-03-08 23:59", "2026-03-06 00:00")
    put_quotes(stored, [replace(LIKE, at=at(text)) for text in moments])
    done = sum_up_missing(stored, RULES, RULES.keep_days, NOW)
    assert [f"{one.hour[0]:%m-%d %H}" for one in done] == ["03-08 23", "03-09 00", "03-10 02"]


def test_opportunities_go_by_age_alone(stored: Warehouse) -> None:
    held(stored, "SELECT ops.ensure_day_partition('market.arbitrage_opportunities', '2026-03-01T00:00Z'), 1")
    [verdict] = retain(stored, RULES, RULES.keep_days, NOW)[1]
    assert verdict.partition.table.fullname == "market.arbitrage_opportunities"
    assert verdict.goes
    assert plan_retention(stored, RULES.keep_days, NOW) == []


@pytest.fixture
def definitions(tmp_path: Path, stored: Warehouse) -> Iterator[dg.Definitions]:
    (tmp_path / "universe.yaml").write_text(UNIVERSE)
    with dg.DagsterInstance.ephemeral():
        yield build_definitions(Settings(universe=tmp_path / "universe.yaml", warehouse_url=stored.url))


def test_the_job_tells_what_it_would_drop_and_then_drops_it(definitions: dg.Definitions, stored: Warehouse) -> None:
    now = datetime.now(UTC)
    old, young = (now - timedelta(days=back) for back in (5, 2))
    put_quotes(stored, [replace(LIKE, at=old.replace(microsecond=0)), replace(LIKE, at=young.replace(microsecond=0))])
    job = definitions.resolve_job_def(drop_old_snapshots.name)
    config = {"ops": {"drop_old_days": {"config": {"dry_run": True}}}}
    told = _told(job.execute_in_process(run_config=config))
    assert told["days_to_drop"] == 0
    assert told["days"] == [
        (f"{old:%Y-%m-%d}", "kept: 1 hour is not summed up"), (f"{young:%Y-%m-%d}", "kept: ended less than 3 days ago")
    ]  # fmt: skip
    assert len(_days(stored)) == 2
    assert held(stored, SUMMED) == []
    done = _told(job.execute_in_process())
    assert (done["hours_summed_up"], done["days_dropped"]) == (2, 1)
    freed = done["bytes_freed"]
    assert isinstance(freed, int)
    assert freed > 0
    assert done["days"] == [
        (f"{old:%Y-%m-%d}", f"dropped, {freed:,} bytes freed"),
        (f"{young:%Y-%m-%d}", "kept: ended less than 3 days ago"),
    ]
    assert _days(stored) == [f"{young:%m-%d}"]
    assert "retention_every_day" in {one.name for one in definitions.schedules or ()}


def _told(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    [event] = [one for one in result.all_node_events if one.event_type_value == "STEP_OUTPUT"]
    metadata = event.step_output_data.metadata
    days = metadata["days"]
    assert isinstance(days, dg.TableMetadataValue)
    rows = [(record.data["day"], record.data["outcome"]) for record in days.records]
    return {**{name: one.value for name, one in metadata.items()}, "days": rows}


def test_every_night_one_run_is_requested_unless_the_last_is_at_work(tmp_path: Path) -> None:
    [schedule] = retention_schedules()
    assert (schedule.name, schedule.cron_schedule) == ("retention_every_day", "30 3 * * *")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=NOW)
        [request] = schedule.evaluate_tick(context).run_requests or []
        assert request.run_key == "2026-03-10"
        instance.create_run_for_job(drop_old_snapshots, status=dg.DagsterRunStatus.STARTED)
        assert schedule.evaluate_tick(context).skip_message == "The last run is still at work."
