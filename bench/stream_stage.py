"""The stage of the stream's benches: a database, a sandbox that streams, `crypto-assets stream` as a process, and what is true.

What belongs here: what several of these benches share. What does not: what each of them measures.

The sandbox's quotes are a function of the venue, the market and the moment, so that every stored row can be held against what
was sent, by anybody, afterwards.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import yaml
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlalchemy import Text, select

from crypto_assets.datasets.market.book_ticker_snapshots.table import DATASET, book_ticker_snapshots
from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.schema.bookkeeping import coverage
from crypto_assets.settings import load_settings
from crypto_assets.warehouse.connection import Warehouse, ensure_database
from crypto_assets.warehouse.migrate import migrate
from crypto_assets.warehouse.read import read_frame
from crypto_assets.warehouse.server import EmbeddedServer

READY_SECONDS = 60
STOP_SECONDS = 60


@dataclass(frozen=True)
class World:
    """Where a stream works.

    Args:
        server: To be killed and started again.
        environment: What the command is told.
    """

    server: EmbeddedServer
    warehouse: Warehouse
    sandbox: SandboxProcess
    venues: Sequence[str]
    symbols: Sequence[str]
    environment: Mapping[str, str]


@contextmanager
def world(
    venues: Sequence[str], markets: int, rate: float, rules: Mapping[str, object] | None = None
) -> Iterator[World]:
    """So many made-up markets on each venue, each with so many quotes a second."""
    symbols = [f"M{number:04d}/USDT" for number in range(1, markets + 1)]
    with tempfile.TemporaryDirectory(prefix="crypto_assets_bench_") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "universe.yaml").write_text(_universe(venues, symbols, rules or {}))
        server = EmbeddedServer(folder / "postgres")
        url: SecretStr = server.start().url("stream")
        try:
            ensure_database(url)
            migrate(Warehouse(url), load_settings().sql_folder)
            with SandboxProcess(SandboxConfig(more_markets=markets)) as sandbox:
                sandbox.set_stream_rate(rate)
                environment = {
                    "CRYPTO_ASSETS_HOME": str(folder),
                    "CRYPTO_ASSETS_PROFILE": "bench",
                    "CRYPTO_ASSETS_UNIVERSE": str(folder / "universe.yaml"),
                    "CRYPTO_ASSETS_WAREHOUSE_URL": url.get_secret_value(),
                    "CRYPTO_ASSETS_SANDBOX_URL": sandbox.url,
                    "CRYPTO_ASSETS_LOG_LEVEL": "WARNING",
                }
                yield World(server, Warehouse(url), sandbox, tuple(venues), symbols, environment)
        finally:
            server.stop()


def _universe(venues: Sequence[str], symbols: Sequence[str], rules: Mapping[str, object]) -> str:
    return yaml.safe_dump(
        {
            "history_from": f"{datetime.now(UTC):%Y-%m-%d}",
            "venues": {venue: {"markets": list(symbols), "timeframes": ["1m"]} for venue in venues},
            "stream": {"venues": list(venues), **rules},
        }
    )


class Stream:
    """`crypto-assets stream` as a process. Making one starts nothing."""

    def __init__(self, world: World, *options: str) -> None:
        self._world = world
        self._options = options
        self._process: subprocess.Popen[str] | None = None
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - as long as the stream
        self._ready = threading.Event()
        self.port = 0

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._running().pid

    def start(self) -> None:
        """Start it, and wait until it writes."""
        self._ready.clear()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "crypto_assets.cli.main", "stream", "--report", "--end-with-input", *self._options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, **self._world.environment},
        )
        threading.Thread(target=self._hear, args=(self._process,), daemon=True).start()
        deadline = time.monotonic() + READY_SECONDS
        while not self._ready.wait(0.05):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the stream does not come up:\n{self.said()}")

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        process = self._running()
        process.send_signal(signal.SIGTERM)
        code = process.wait(STOP_SECONDS)
        self._process = None
        return code

    def kill(self) -> None:
        """kill -9."""
        process = self._running()
        process.kill()
        process.wait()

    def said(self) -> str:
        """The end of its log."""
        self._log.seek(0)
        return self._log.read()[-3000:]

    def metric(self, name: str, **labels: str) -> float:
        """One value of /metrics; the sum of all that fit."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
        found = [
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == f"crypto_assets_stream_{name}" and labels.items() <= sample.labels.items()
        ]
        if not found and not name.endswith("_total"):  # nothing counted is told by no line at all
            raise RuntimeError(f"/metrics has no {name} {labels}")
        return sum(found)

    def resident_megabytes(self) -> float:
        """Memory of the process."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        [line] = [line for line in status.splitlines() if line.startswith("VmRSS")]
        return int(line.split()[1]) / 1024

    def _hear(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            told = json.loads(line)
            if told["event"] == "ready":
                self.port = told["port"] or 0
                self._ready.set()

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise RuntimeError("the stream was not started")
        return self._process


def stored(warehouse: Warehouse, start: datetime, end: datetime) -> pd.DataFrame:
    """Rows of [start, end) as they are stored, prices as text; `at` is whole seconds since 1970."""
    c = book_ticker_snapshots.c
    names = ("venue", "symbol", "snapshot_at", "age_ms", "is_stale", "event_at", "received_at")
    prices = ("bid_price", "bid_quantity", "ask_price", "ask_quantity")
    chosen = select(*(c[name] for name in names), *(c[name].cast(Text).label(name) for name in prices))
    frame = read_frame(warehouse, chosen.where(c.snapshot_at >= start, c.snapshot_at < end))
    frame["at"] = frame["snapshot_at"].astype("int64") // 1_000_000
    return frame


def ledger(warehouse: Warehouse) -> pd.DataFrame:
    """What the gap ledger says of quotes: venue, symbol, gap_start, gap_end, state, why."""
    c = coverage.c
    return read_frame(
        warehouse,
        select(c.venue, c.symbol, c.gap_start, c.gap_end, c.state, c.evidence["why"].astext.label("why")).where(
            c.dataset == DATASET
        ),
    )
