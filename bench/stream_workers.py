"""kill -9 of Dagster's run worker at random moments: its child ends, the sensor starts the next one, and the ledger tells.

What belongs here: a daemon with the stream's job and sensor, and the kills. What does not: kills of the stream itself and of
the database (stream_kills.py).
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil

from bench.event_stage import Figure
from bench.stream_kills import BACK_SECONDS, RATE, SEED, back, outcome
from bench.stream_stage import World, world
from crypto_assets.warehouse.connection import ensure_database

CHECKOUT = Path(__file__).resolve().parents[1]
PATIENCE_SECONDS = 120


def measure(kills: int) -> list[Figure]:
    """So many kills of the worker that holds the stream."""
    with world(("mexc", "gate"), 20, RATE) as here, _daemon(here) as daemon:
        dice = random.Random(SEED)  # noqa: S311 - the same moments in every run
        back(here, time.time())
        time.sleep(5)
        start, struck, orphans = datetime.now(UTC).replace(microsecond=0), [], 0
        for _ in range(kills):
            time.sleep(dice.uniform(22, 30))  # a run that fails sooner is started again later, and later each time
            worker, child = _worker_and_child(daemon)
            struck.append(time.time())
            worker.kill()
            orphans += _outlives(child)
            back(here, time.time())
        time.sleep(5)
        end = datetime.now(UTC).replace(microsecond=0)
        time.sleep(3)
        figures = outcome(here, f"{kills} kills of the run worker", (start, end), struck, None)
        return [*figures, Figure("  children that outlive their worker", orphans, at_most=0)]


@contextmanager
def _daemon(here: World) -> Iterator[psutil.Process]:
    """Dagster's daemon over the stream alone, on a storage of its own on the same server."""
    with tempfile.TemporaryDirectory(prefix="crypto_assets_bench_") as name:
        home = Path(name)
        shutil.copy(CHECKOUT / "dagster.yaml", home)
        url = here.server.start().url("dagster")
        ensure_database(url)
        environment = {
            **os.environ, **here.environment, "DAGSTER_HOME": name, "PYTHONPATH": str(CHECKOUT),
            "CRYPTO_ASSETS_DAGSTER_URL": url.get_secret_value(),
        }  # fmt: skip
        command = [sys.executable, "-m", "dagster._daemon", "run", "-m", "bench.stream_definitions"]
        with (home / "daemon.log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, cwd=home, stdout=log, stderr=log)
        try:
            yield psutil.Process(process.pid)
        finally:
            children = psutil.Process(process.pid).children(recursive=True)
            process.terminate()
            process.wait(60)
            for child in children:
                with suppress(psutil.NoSuchProcess):  # it ended with its parent
                    child.kill()


def _worker_and_child(daemon: psutil.Process) -> tuple[psutil.Process, psutil.Process]:
    """The process that runs the job, and the stream below it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        for one in daemon.children(recursive=True):
            with suppress(psutil.Error):  # one that ended meanwhile
                parent = one.parent() if "--end-with-input" in one.cmdline() else None
                if parent is not None:
                    return parent, one
        time.sleep(0.2)
    raise RuntimeError("no stream runs below the daemon")


def _outlives(child: psutil.Process) -> bool:
    """Whether it is still there after the time that it may take to store its last rows."""
    _, alive = psutil.wait_procs([child], timeout=BACK_SECONDS)
    return bool(alive)
