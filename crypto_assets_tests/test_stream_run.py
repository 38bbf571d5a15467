"""The stream's run with everything real: a worker, its child, a predecessor, the sandbox's sockets, a signal that kills."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.settings import Settings, inherited_environment
from crypto_assets.stream_child import ENDED_WELL, StreamChild, variables_of
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.market.book_ticker_hours.quotes import held

UNIVERSE = """
history_from: 2026-01-01
venues: {gate: {markets: [BTC/USDT]}, mexc: {markets: [BTC/USDT, ETH/USDT]}}
"""
# What Dagster's run worker does: the job, in a process of its own, on the instance that DAGSTER_HOME names.
WORKER = """
import dagster as dg
from crypto_assets.resources import UniverseFile, warehouse_of
from crypto_assets.settings import load_settings
from crypto_assets.stream_automation import book_ticker_stream_job, stream_resources

settings = load_settings()
warehouse = warehouse_of(settings)
given = {"warehouse": warehouse, "universe_file": UniverseFile(settings.universe_file, warehouse)}
with dg.DagsterInstance.get() as instance:
    book_ticker_stream_job.execute_in_process(instance=instance, resources=given | stream_resources(settings))
"""
SECONDS = (
    "SELECT venue, symbol, count(*), min(snapshot_at), max(snapshot_at) FROM market.book_ticker_snapshots GROUP BY 1, 2"
)

LOCKS = """
SELECT count(*) FROM pg_locks
 WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def _until(holds: Callable[[], bool], most_seconds: float = 40) -> None:
    """Ask again and again until it holds."""
    ends = time.monotonic() + most_seconds
    while not holds():
        assert time.monotonic() < ends, "it never held"
        time.sleep(0.05)


def _rows(warehouse: Warehouse) -> int:
    [(rows,)] = held(warehouse, "SELECT count(*) FROM market.book_ticker_snapshots")
    return int(str(rows))


def test_a_run_takes_over_without_a_second_lost_and_its_child_does_not_outlive_its_worker(
    tmp_path: Path, warehouse: Warehouse
) -> None:
    (tmp_path / "universe.yaml").write_text(UNIVERSE)
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with SandboxProcess(SandboxConfig()) as sandbox:
        settings = Settings(
            home=tmp_path,
            profile="sandbox",
            universe=tmp_path / "universe.yaml",
            warehouse_url=warehouse.url,
            sandbox_url=sandbox.url,
        )
        environment = {**inherited_environment(), **variables_of(settings), "DAGSTER_HOME": str(tmp_path)}
        with (tmp_path / "worker.log").open("wb") as log, StreamChild(variables_of(settings)).running() as first:
            worker = subprocess.Popen([sys.executable, "-c", WORKER], env=environment, stdout=log, stderr=log)
            try:
                # The first one writes, until the child of the run is warm and asks it to leave.
                told = list(first.reports())
                assert (told[0].event, told[-1].event) == ("ready", "ended")
                assert str(told[-1].told["why"]).startswith("handed over")
                assert first.exit_code() == ENDED_WELL
                before = _rows(warehouse)
                _until(lambda: _rows(warehouse) > before)
                [child] = [one for one in psutil.Process(worker.pid).children() if "stream" in one.cmdline()]
                os.kill(worker.pid, signal.SIGKILL)
                _until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
            finally:
                worker.kill()
                worker.wait()
    markets = held(warehouse, SECONDS)
    assert [(venue, symbol) for venue, symbol, *_ in sorted(markets)] == [
        ("gate", "BTC/USDT"),
        ("mexc", "BTC/USDT"),
        ("mexc", "ETH/USDT"),
    ]
    for _, _, rows, first_at, last_at in markets:
        assert rows == (last_at - first_at).total_seconds() + 1  # type: ignore[operator]
    # The child of the killed worker left in order: nobody holds the lock any more. Other tests' databases have locks, too.
    assert held(warehouse, LOCKS) == [(0,)]
