"""From a schedule's tick to a row and to every log line on the way: all bear the run's id and the schedule's name."""

import json
import logging
import os
import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
import structlog
from dagster._core.definitions.instigation_logger import InstigationLogger
from dagster._core.storage.dagster_run import DagsterRun
from dagster._core.storage.tags import RUN_KEY_TAG
from dagster._utils.log import create_console_logger

from crypto_assets.datasets.market.book_ticker_snapshots.asset import IS_FINAL
from crypto_assets.definitions import build_definitions
from crypto_assets.logs import release_origin
from crypto_assets.origin import Origin
from crypto_assets.partitions import hour_key
from crypto_assets.run_origin import log_runs, warehouse_of_runs
from crypto_assets.settings import Settings
from crypto_assets.stream_automation import stream_schedules, sum_book_tickers
from crypto_assets.stream_child import StreamChild
from crypto_assets.stream_runs import QUOTES
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.market.book_ticker_hours.quotes import HOUR, Second, held, put_quotes

UNIVERSE = "history_from: 2026-01-01\nvenues: {gate: {markets: [BTC/USDT]}}\nstream: {venues: [gate]}\n"
SCHEDULE = "book_ticker_hours_every_hour"
WRITTEN = """
SELECT w.run_id, w.triggered_by, w.request, count(*) FROM market.book_ticker_hours h
  JOIN ops.writes w ON w.xmin::text = h.xmin::text GROUP BY 1, 2, 3
"""


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before, root, made_of = structlog.get_config(), logging.getLogger(), logging.getLoggerClass()
    handlers, level = list(root.handlers), root.level
    yield
    logging.setLoggerClass(made_of)
    structlog.configure(**before)
    root.handlers = handlers
    logging.captureWarnings(False)
    root.setLevel(level)
    release_origin()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    (tmp_path / "universe.yaml").write_text(UNIVERSE)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


def test_a_row_that_a_scheduled_run_stored_leads_back_to_the_schedule(
    shared_warehouse: Warehouse, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    put_quotes(shared_warehouse, [Second(now - HOUR), Second(now - HOUR, symbol="ETH/USDT")])
    settings = Settings(universe=tmp_path / "universe.yaml", warehouse_url=shared_warehouse.url)
    definitions = build_definitions(settings)
    final = {IS_FINAL: dg.MetadataValue.bool(True)}
    instance.report_runless_asset_event(dg.AssetMaterialization(QUOTES, partition=hour_key(now - HOUR), metadata=final))
    [schedule] = stream_schedules()
    context = dg.build_schedule_context(
        instance=instance, scheduled_execution_time=now, repository_def=definitions.get_repository_def()
    )
    [request] = schedule.evaluate_tick(context).run_requests or []
    # What Dagster's daemon puts on the run that it makes of a request.
    tags = {**request.tags, **DagsterRun.tags_for_schedule(schedule), RUN_KEY_TAG: request.run_key or ""}  # type: ignore[arg-type]  # it asks for the name alone
    result = definitions.resolve_job_def(sum_book_tickers.name).execute_in_process(
        instance=instance,
        partition_key=request.partition_key,
        tags=tags,
        asset_selection=list(request.asset_selection or ()),
    )
    assert result.success
    assert held(shared_warehouse, WRITTEN) == [(result.run_id, f"schedule {SCHEDULE}", request.run_key, 2)]
    assert structlog.contextvars.get_contextvars() == {}  # the run's lines are over with the run


def test_lines_of_a_run_name_it_and_the_asset_and_those_outside_do_not(
    shared_warehouse: Warehouse, capfd: pytest.CaptureFixture[str]
) -> None:
    @dg.asset(key=["market", "tried"], partitions_def=dg.StaticPartitionsDefinition(["kraken"]))
    def tried(warehouse: dg.ResourceParam[Warehouse]) -> None:
        structlog.get_logger("deep.below").warning("said by what an asset calls", place=warehouse.place)

    @dg.op
    def worked(warehouse: dg.ResourceParam[Warehouse]) -> None:
        structlog.get_logger("deep.below").warning("said by what an op calls", place=warehouse.place)

    @dg.job(resource_defs={"warehouse": warehouse_of_runs(shared_warehouse)})
    def work() -> None:
        worked()

    log_runs(Settings(log_format="json"))
    tags = {"dagster/sensor_name": "repair_gaps", "dagster/run_key": "repair 2026"}
    run = dg.materialize(
        [tried],
        partition_key="kraken",
        tags=tags,
        resources={"warehouse": warehouse_of_runs(shared_warehouse)},
    )
    job = work.execute_in_process()
    structlog.get_logger("outside").warning("said later")
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]  # Dagster's own lines, too
    assert any(one.get("dagster_event") == "STEP_SUCCESS" and one["correlation_id"] == run.run_id for one in lines)
    lines = [one for one in lines if one["logger"] != "dagster"]
    known = ("event", "correlation_id", "triggered_by", "request", "partition", "asset", "op")
    assert [{name: one[name] for name in known if name in one} for one in lines] == [
        {
            "event": "said by what an asset calls", "correlation_id": run.run_id, "triggered_by": "sensor repair_gaps",
            "request": "repair 2026", "partition": "kraken", "asset": "market/tried",
        },
        {
            "event": "said by what an op calls", "correlation_id": job.run_id, "triggered_by": "by hand", "op": "worked",
        },
        {"event": "said later"},
    ]  # fmt: skip


def test_lines_of_sensors_and_schedules_name_them(capfd: pytest.CaptureFixture[str]) -> None:
    """Dagster's own record of what a tick says has another shape than that of a run."""
    log_runs(Settings(log_format="json"))
    InstigationLogger(repository_name="__repository__", instigator_name="repair_gaps").info("12 requests")
    create_console_logger("dagster", "INFO").info("no tick and no run")
    tick, other = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert (tick["event"], tick["triggered_by"], tick["level"]) == ("12 requests", "repair_gaps", "info")
    assert other["event"] == "no tick and no run"


def test_the_stream_is_told_which_run_it_works_for(capfd: pytest.CaptureFixture[str]) -> None:
    """A child sees it as the settings do, and its commands' lines and sessions bear it."""
    script = """
        import json, os
        from crypto_assets.cli.console import log_command
        from crypto_assets.logs import bound_origin
        from crypto_assets.settings import load_settings

        settings = load_settings()
        log_command("INFO", "json", settings.origin, "stream")
        os.write(1, (json.dumps({"event": "ready", "origin": bound_origin().run_id}) + chr(10)).encode())
    """
    child = StreamChild(dict(os.environ), (sys.executable, "-c", textwrap.dedent(script)), stop_seconds=20)
    with child.running(Origin("0d9a5c7e-run", "sensor book_ticker_stream_sensor")) as running:
        [report] = running.reports()
    assert report.told == {"origin": "0d9a5c7e-run"}
