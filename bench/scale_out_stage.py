"""The stage of bench/scale_out.py: database, Redis, sandbox and daemon on one machine, workers on others.

What belongs here: starting, ending and asking all of it. What does not: what is measured, and the machines (scale_out_net.py).
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.storage.dagster_run import RunRecord
from pydantic import SecretStr

from bench.scale_out_definitions import definitions
from bench.scale_out_net import inside
from bench.stage import NOW
from crypto_assets.cli.environment import Environment
from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.scale_out.broker import broker_of
from crypto_assets.scale_out.workers import find_workers
from crypto_assets.settings import Settings
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.server import EmbeddedServer

CHECKOUT = Path(__file__).resolve().parents[1]
PATIENCE_SECONDS = 420.0
_ENDED = {BulkActionStatus.COMPLETED_SUCCESS, BulkActionStatus.COMPLETED_FAILED, BulkActionStatus.FAILED}


@dataclass
class Place:
    """Everything but the workers.

    Args:
        settings: As the daemon has them.
        variables: What daemon and workers are told.
        ports: Of 127.0.0.1, that workers need.
    """

    settings: Settings
    environment: Environment
    sandbox: SandboxProcess
    variables: Mapping[str, str]
    ports: Sequence[int]
    folder: Path
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def warehouse(self) -> Warehouse:
        return self.environment.warehouse

    @property
    def dagster(self) -> Warehouse:
        """Dagster's own database."""
        return Warehouse(SecretStr(self.variables["CRYPTO_ASSETS_DAGSTER_URL"]))

    def start_worker(self, name: str, machine: str = "") -> None:
        """A worker for one run at a time, in that namespace; ready when this returns."""
        words = ["celery-worker", "--runs", "1", "--name", name]
        command = [*inside(machine), sys.executable, "-m", "crypto_assets.cli.main", *words]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.workers[name] = subprocess.Popen(
                command, env={**os.environ, **self.variables}, cwd=CHECKOUT, stdout=log, stderr=log
            )
        self.until(lambda: any(one.startswith(f"{name}@") for one in self.answering()), f"worker {name} answers", name)

    def kill_worker(self, name: str) -> None:
        """kill -9; its runs' processes go with it, for the kernel kills them when their parent dies."""
        worker = self.workers.pop(name)
        worker.kill()
        worker.wait()

    def answering(self) -> Sequence[str]:
        return [one.name for one in find_workers(broker_of(self.settings))]

    def until(self, holds: Callable[[], bool], what: str, worker: str = "") -> None:
        """Ask again until it holds."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            ended = [name for name, one in self.workers.items() if one.poll() is not None]
            if ended or time.monotonic() > deadline:
                log = self.folder / f"{(ended or [worker or 'daemon'])[0]}.log"
                raise RuntimeError(f"it never held that {what}:\n{log.read_text()[-3000:] if log.exists() else ''}")
            time.sleep(0.25)


@contextmanager
def place(universe: Mapping[str, object]) -> Iterator[Place]:
    """All of it, in a folder that vanishes with it."""
    with tempfile.TemporaryDirectory(prefix="crypto_assets_bench_") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "universe.yaml").write_text(json.dumps(universe))
        server = EmbeddedServer(folder / "postgres")
        database = server.start().url("scale_out")
        try:
            with _redis() as port, SandboxProcess(SandboxConfig(now=NOW)) as sandbox:
                settings = Settings(
                    home=folder, profile="bench", universe=folder / "universe.yaml", database_url=database,
                    sandbox_url=sandbox.url, broker_url=SecretStr(f"redis://127.0.0.1:{port}/1"),
                )  # fmt: skip
                with Environment(settings) as environment, _daemon(environment, folder):
                    variables = {
                        **environment.child_variables(),
                        "CRYPTO_ASSETS_DATABASE_URL": database.get_secret_value(),
                        "PYTHONPATH": str(CHECKOUT),
                    }
                    ports = [_port_of(database.get_secret_value()), port, _port_of(sandbox.url)]
                    here = Place(settings, environment, sandbox, variables, ports, folder)
                    try:
                        yield here
                    finally:
                        for worker in here.workers.values():
                            worker.kill()
                            worker.wait()
        finally:
            server.stop()


@contextmanager
def _redis() -> Iterator[int]:
    """A Redis that keeps nothing on disk; its port."""
    program = shutil.which("redis-server")
    if program is None:
        raise RuntimeError("redis-server is not installed: Debian's package is redis-server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--loglevel", "warning"]
    with subprocess.Popen([program, *options], stdout=subprocess.DEVNULL) as process:
        try:
            yield port
        finally:
            process.terminate()


@contextmanager
def _daemon(environment: Environment, folder: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "dagster._daemon", "run", "-m", "bench.scale_out_definitions"]
    told = {**os.environ, **environment.child_variables(), "PYTHONPATH": str(CHECKOUT)}
    with (folder / "daemon.log").open("ab") as log:
        process = subprocess.Popen(command, env=told, cwd=CHECKOUT, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def _port_of(url: str) -> int:
    return int(url.rpartition("@")[2].rpartition(":")[2].split("/")[0])


def request(
    instance: dg.DagsterInstance, asset: str, partitions: Sequence[str], config: Mapping[str, object] | None = None
) -> str:
    """Ask the daemon for a backfill of one asset; the backfill's id."""
    graph = definitions().resolve_asset_graph()
    name = uuid.uuid4().hex[:8]
    backfill = PartitionBackfill.from_asset_partitions(
        backfill_id=name,
        asset_graph=graph,
        partition_names=list(partitions),
        asset_selection=[dg.AssetKey(asset.split("/"))],
        backfill_timestamp=datetime.now(UTC).timestamp(),
        tags={},
        dynamic_partitions_store=instance,
        all_partitions=False,
        title=None,
        description=None,
        run_config=config,
    )
    instance.add_backfill(backfill)
    return name


def has_ended(instance: dg.DagsterInstance, name: str) -> bool:
    """Whether the backfill and all of its runs have ended."""
    backfill = instance.get_backfill(name)
    return backfill is not None and backfill.status in _ENDED


def runs_of(instance: dg.DagsterInstance, name: str) -> Sequence[RunRecord]:
    """Its runs, those that were run again among them."""
    return instance.get_run_records(dg.RunsFilter(tags={"dagster/backfill": name}))
