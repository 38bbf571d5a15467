"""When things run by themselves, without a daemon: conditions, the schedule, the sensor's words."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from crypto_assets.automation import (
    OHLCV,
    VENUE_TAG,
    collect_ohlcv,
    open_months,
    schedules_of,
    universe_notice,
    with_automation,
)
from crypto_assets.datasets.market.ohlcv.asset import build_asset
from crypto_assets.partitions import grids_of
from crypto_assets.resources import UniverseFile
from crypto_assets.universe import Universe, parse_universe
from crypto_assets.warehouse.connection import Warehouse

UNIVERSE = """
history_from: 2026-01-01
automatic_history_days: 62
venues: {binance: {markets: [BTC/USDT]}, okx: {markets: [BTC/USDT]}}
"""
NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)


@pytest.fixture
def universe() -> Universe:
    return parse_universe(UNIVERSE, "u.yaml")


def test_missing_months_of_the_automatic_history_are_requested_once_and_a_new_month_when_it_comes(
    universe: Universe,
) -> None:
    grids = grids_of(date(2026, 1, 1), ["binance", "okx"])
    [asset] = with_automation([build_asset(grids)], universe)
    nothing = {"warehouse": None, "universe_file": None, "exchanges": None}
    defs = dg.Definitions([asset], resources=nothing)
    with dg.DagsterInstance.ephemeral() as instance:
        first = dg.evaluate_automation_conditions(defs, instance, evaluation_time=NOON)
        assert first.get_requested_partitions(OHLCV) == {
            f"2026-0{month}-01|{venue}" for month in (4, 5) for venue in ("binance", "okx")
        }
        later = NOON + timedelta(minutes=5)
        second = dg.evaluate_automation_conditions(defs, instance, evaluation_time=later, cursor=first.cursor)
        assert second.total_requested == 0
        june = NOON + timedelta(days=15)
        third = dg.evaluate_automation_conditions(defs, instance, evaluation_time=june, cursor=second.cursor)
        assert third.get_requested_partitions(OHLCV) == {"2026-06-01|binance", "2026-06-01|okx"}


def test_on_a_months_first_day_the_month_before_is_still_open() -> None:
    assert open_months(datetime(2026, 5, 1, 0, 30, tzinfo=UTC)) == ["2026-04-01", "2026-05-01"]
    assert open_months(datetime(2026, 5, 2, 0, 30, tzinfo=UTC)) == ["2026-05-01"]
    assert open_months(datetime(2026, 1, 1, 0, 0, tzinfo=UTC)) == ["2025-12-01", "2026-01-01"]


def _requests(universe: Universe, instance: dg.DagsterInstance, at: datetime) -> list[object]:
    [schedule] = schedules_of(universe)
    asset = build_asset(grids_of(universe.history_from, sorted(universe.venues)))
    nothing = {"warehouse": None, "universe_file": None, "exchanges": None}
    loaded = dg.Definitions([asset], jobs=[collect_ohlcv], schedules=[schedule], resources=nothing)
    context = dg.build_schedule_context(
        instance=instance, scheduled_execution_time=at, repository_def=loaded.get_repository_def()
    )
    return list(schedule.evaluate_tick(context).run_requests or [])


def test_every_half_hour_each_venue_is_asked_for_its_open_month(universe: Universe) -> None:
    with dg.instance_for_test() as instance:
        requests = _requests(universe, instance, NOON)
        assert [str(one.partition_key) for one in requests] == ["2026-05-01|binance", "2026-05-01|okx"]  # type: ignore[attr-defined]
    [schedule] = schedules_of(universe)
    assert schedule.cron_schedule == "*/30 * * * *"


def test_a_venue_whose_last_run_is_still_at_work_is_left_out(universe: Universe) -> None:
    with dg.instance_for_test() as instance:
        instance.add_run(
            dg.DagsterRun(job_name=collect_ohlcv.name, status=dg.DagsterRunStatus.STARTED, tags={VENUE_TAG: "okx"})
        )
        requests = _requests(universe, instance, NOON)
        assert [str(one.partition_key) for one in requests] == ["2026-05-01|binance"]  # type: ignore[attr-defined]


def test_the_sensor_says_what_is_wrong_with_the_universe_and_what_to_do(tmp_path: Path, warehouse: Warehouse) -> None:
    path = tmp_path / "universe.yaml"
    watched = UniverseFile(path, warehouse)
    path.write_text("venues: 5")
    assert "no valid version is known" in universe_notice(watched, ["binance"])
    path.write_text(UNIVERSE)
    assert universe_notice(watched, ["binance", "okx"]) == "The universe file is valid and all its venues are loaded."
    assert "new: okx; removed: gate" in universe_notice(watched, ["binance", "gate"])
    path.write_text("venues: 5")
    assert "the last valid version holds" in universe_notice(watched, ["binance", "okx"])
