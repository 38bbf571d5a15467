"""A run through a real Redis: what lies in the queue, a worker that executes it, and one that is killed in the middle."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableJob, ReconstructableRepository
from dagster._core.launcher import LaunchRunContext, WorkerStatus
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import pack_value
from pydantic import SecretStr

from crypto_assets.cli.environment import Environment
from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.settings import Settings, inherited_environment
from crypto_assets.warehouse.connection import DatabaseUnreachable, Warehouse
from crypto_assets.warehouse.server_address import ServerAddress
from crypto_assets_tests.scale_out.conftest import PASSWORD

redis = pytest.importorskip("redis", reason="the extra [celery] is not installed")
pytest.importorskip("dagster_celery", reason="the extra [celery] is not installed")
from crypto_assets.scale_out import launcher as launcher_module  # noqa: E402 - needs the extra
from crypto_assets.scale_out import pulse as pulse_module  # noqa: E402
from crypto_assets.scale_out import worker as worker_module  # noqa: E402
from crypto_assets.scale_out.broker import broker_of  # noqa: E402
from crypto_assets.scale_out.launcher import CeleryRuns  # noqa: E402
from crypto_assets.scale_out.workers import NobodyWorks, TooFewPlaces, told_workers  # noqa: E402

ROOT = Path(__file__).parents[2]
UNIVERSE = """
history_from: 2026-01-01
automatic_history_days: 0
venues: {binance: {markets: [BTC/USDT], timeframes: [1h], page_bars: 100}}
stream: {venues: []}
"""
BARS = 28 * 24  # of February
PATIENCE_SECONDS = 120


def _until(holds: Callable[[], bool], worker: subprocess.Popen[bytes] | None, log: Path) -> None:
    """Ask again and again until it holds; a worker that ended will not make it so."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert worker is None or worker.poll() is None, log.read_text()[-2000:]
        assert time.monotonic() < ends, log.read_text()[-2000:]
        time.sleep(0.05)


@contextmanager
def _launched(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Environment, dg.DagsterInstance]]:
    """The head: databases, Dagster's instance as the file for Celery configures it."""
    with Environment(settings) as environment:
        for name, value in environment.child_variables().items():
            monkeypatch.setenv(name, value)
        with dg.DagsterInstance.get() as instance:
            yield environment, instance


def _launch(instance: dg.DagsterInstance, job: ReconstructableJob, partition: str) -> str:
    run = instance.create_run_for_job(
        job.get_definition(),
        tags={"dagster/partition": partition},
        status=dg.DagsterRunStatus.STARTING,
        job_code_origin=job.get_python_origin(),
    )
    instance.run_launcher.launch_run(LaunchRunContext(run, None))
    return run.run_id


def _status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def test_a_run_goes_through_the_queue_and_a_killed_worker_is_noticed(
    server: ServerAddress,
    sandbox: SandboxProcess,
    broker_url: SecretStr,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "universe.yaml").write_text(UNIVERSE)
    settings = Settings(
        home=tmp_path,
        profile="sandbox",
        universe=tmp_path / "universe.yaml",
        database_url=server.url(f"scale_{uuid.uuid4().hex[:8]}"),
        sandbox_url=sandbox.url,
        broker_url=broker_url,
    )
    repository = ReconstructableRepository.for_file(
        str(ROOT / "crypto_assets" / "definitions.py"), "defs", working_directory=str(ROOT)
    )
    job, log = repository.get_reconstructable_job("collect_ohlcv"), tmp_path / "worker.log"
    queue = redis.Redis.from_url(broker_url.get_secret_value())
    with _launched(settings, monkeypatch) as (environment, instance):
        launcher = instance.run_launcher
        assert isinstance(launcher, CeleryRuns)
        # Nobody has taken it yet: it lies in the profile's part of Redis, as JSON that holds no password.
        first = _launch(instance, job, "2026-02-01|binance")
        with pytest.raises(NobodyWorks, match=r"No worker answers over 127\.0\.0\.1"):
            told_workers(broker_of(settings), 1)
        keys = [key.decode() for key in queue.keys("*")]
        assert keys
        assert all(key.startswith("crypto_assets:sandbox:celery:") for key in keys), keys
        [message] = [entry.decode() for entry in queue.lrange("crypto_assets:sandbox:celery:runs", 0, -1)]
        assert '"content-type": "application/json"' in message
        databases = environment.databases
        assert databases is not None
        for secret in (PASSWORD, databases.dagster.get_secret_value().split(":")[2].split("@")[0]):
            assert secret not in message
            assert secret not in _body(message)

        told = {**inherited_environment(), "CRYPTO_ASSETS_DATABASE_URL": settings.database_url.get_secret_value()}  # type: ignore[union-attr]
        command = [sys.executable, "-m", "crypto_assets.cli.main", "celery-worker", "--runs", "1"]
        with log.open("wb") as output:
            worker = subprocess.Popen(command, env=told, cwd=ROOT, stdout=output, stderr=output)
        try:
            _until(lambda: _status(instance, first) == dg.DagsterRunStatus.SUCCESS, worker, log)
            with environment.warehouse.connect() as connection, connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM market.ohlcv")
                assert cursor.fetchone() == (BARS,)

            sandbox.set_faults([Fault(kind="latency", seconds=2)])
            second = _launch(instance, job, "2026-01-01|binance")
            _until(lambda: _status(instance, second) == dg.DagsterRunStatus.STARTED, worker, log)
            assert told_workers(broker_of(settings), 1) == "1 answers, 1 of 1 runs at work"
            with pytest.raises(TooFewPlaces, match="1 of 1 runs at work, and max_concurrent_runs is 10"):
                told_workers(broker_of(settings), 10)
            run = instance.get_run_by_id(second)
            assert run is not None
            assert launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
        finally:
            worker.kill()
            worker.wait()
        # Once is no proof, for a database that restarts takes every lock with it; twice, some time apart, is.
        monkeypatch.setattr(launcher_module, "GRACE_SECONDS", 0.5)
        _until(lambda: "does not show itself" in (launcher.check_run_worker_health(run).msg or ""), None, log)
        _until(lambda: launcher.check_run_worker_health(run).status == WorkerStatus.FAILED, None, log)
        # Its process went with it: nobody is left who could go on.
        assert _status(instance, second) == dg.DagsterRunStatus.STARTED
    said = log.read_text()
    assert PASSWORD not in said
    assert os.environ["CRYPTO_ASSETS_DAGSTER_URL"].split(":")[2].split("@")[0] not in said


def test_a_run_is_begun_only_when_its_database_answers(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = ReconstructableRepository.for_file(
        str(ROOT / "crypto_assets" / "definitions.py"), "defs", working_directory=str(ROOT)
    )
    origin = repository.get_reconstructable_job("collect_ohlcv").get_python_origin()
    task = worker_module._seen_at_work(warehouse)()  # an application would know the launcher's of the test before
    answers = iter([DatabaseUnreachable("away"), DatabaseUnreachable("away"), None])
    did: list[str] = []

    def check(_: Warehouse) -> str:
        error = next(answers)
        did.append("looked")
        if error is not None:
            raise error
        return "18"

    def get() -> None:
        did.append("began")
        raise InterruptedError

    monkeypatch.setattr(pulse_module, "_ASK_SECONDS", 0.01)
    monkeypatch.setattr(Warehouse, "check", check)
    monkeypatch.setattr(dg.DagsterInstance, "get", get)
    with pytest.raises(InterruptedError):
        task(pack_value(ExecuteRunArgs(origin, "0f6d", None)))
    assert did == ["looked", "looked", "looked", "began"]


def _body(message: str) -> str:
    return base64.b64decode(json.loads(message)["body"]).decode()
