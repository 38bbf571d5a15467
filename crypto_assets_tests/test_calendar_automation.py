"""When economies, chains, fees, news and moods are collected by themselves."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from crypto_assets.calendar_automation import AREAS, TICKS, calendar_schedules, open_days, open_months
from crypto_assets.definitions import build_definitions
from crypto_assets.settings import Settings
from crypto_assets.warehouse.connection import Warehouse

UNIVERSE = "history_from: 2026-01-01\nvenues: {binance: {markets: [BTC/USDT]}}\n"
NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)


@pytest.fixture
def definitions(tmp_path: Path, warehouse: Warehouse) -> Iterator[dg.Definitions]:
    (tmp_path / "universe.yaml").write_text(UNIVERSE)
    with dg.DagsterInstance.ephemeral():
        yield build_definitions(Settings(universe=tmp_path / "universe.yaml", warehouse_url=warehouse.url))


def _tick(
    name: str, definitions: dg.Definitions, instance: dg.DagsterInstance, at: datetime
) -> tuple[list[dg.RunRequest], str]:
    """What a schedule requests, and why not."""
    [schedule] = [one for one in calendar_schedules() if one.name == name]
    context = dg.build_schedule_context(
        instance=instance, scheduled_execution_time=at, repository_def=definitions.get_repository_def()
    )
    tick = schedule.evaluate_tick(context)
    return list(tick.run_requests or []), tick.skip_message or ""


def test_what_may_still_change_is_visited_once_more() -> None:
    assert open_months(NOON) == ["2026-05-01"]
    assert open_months(datetime(2026, 1, 3, 23, tzinfo=UTC)) == ["2025-12-01", "2026-01-01"]
    assert open_months(datetime(2026, 1, 4, tzinfo=UTC)) == ["2026-01-01"]
    assert open_days(NOON) == ["2026-05-20"]
    assert open_days(datetime(2026, 3, 1, 0, 12, tzinfo=UTC)) == ["2026-02-28", "2026-03-01"]
    assert open_days(datetime(2026, 3, 1, 0, 30, tzinfo=UTC)) == ["2026-03-01"]


def test_each_schedule_requests_the_open_partition_with_a_config_that_its_assets_take(
    definitions: dg.Definitions, tmp_path: Path
) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        for tick in TICKS:
            [request], _ = _tick(tick.name, definitions, instance, NOON)
            assert request.partition_key in {"2026-05-01", "2026-05-20"}
            job = definitions.resolve_job_def(tick.job.name)
            dg.validate_run_config(job, request.run_config)
            partitions = job.partitions_def
            assert partitions is not None
            assert request.partition_key in partitions.get_partition_keys(current_time=NOON)
            assert tick.cron == next(one for one in calendar_schedules() if one.name == tick.name).cron_schedule


def test_a_run_at_work_lets_the_next_tick_pass(definitions: dg.Definitions, tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        job = definitions.resolve_job_def("collect_news")
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        passed = _tick("news_every_10_minutes", definitions, instance, NOON)
        assert passed == ([], "The last run is still at work.")
        assert _tick("fees_every_15_minutes", definitions, instance, NOON)[0]


def test_areas_that_people_name_are_cut_as_their_assets_are(definitions: dg.Definitions) -> None:
    for area in AREAS.values():
        partitions = definitions.resolve_job_def(area.job.name).partitions_def
        kind = dg.MonthlyPartitionsDefinition if area.by_month else dg.DailyPartitionsDefinition
        assert isinstance(partitions, kind)
