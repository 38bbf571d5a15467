"""The stage of the soak: `crypto-assets up` over a sandbox, in a folder of its own, with what can be done to it.

What belongs here: the small universe, starting, striking and ending the platform. What does not: when what strikes
(soak_faults.py), and what is true afterwards (soak_truth.py).
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import yaml

from crypto_assets.cli.environment import embedded_server
from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.settings import ENV_PREFIX, Settings, load_settings

VENUES, SYMBOLS = ("binance", "gate", "mexc"), ("BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT")
TIMEFRAMES = ("1m", "5m", "1h")
NETWORKS = ("ethereum", "solana")
HISTORY_DAYS = 2
READY_SECONDS, STOP_SECONDS = 180, 90
_CHECKOUT = Path(__file__).resolve().parents[1]
_STREAM, _SPAWNED = "--end-with-input", "spawn_main"  # the code server starts a run in a process of its own by spawning
_STRUCK_AT_ONCE = 0.25  # of a second's chances: otherwise runs were hit in their first second only


@dataclass
class Platform:
    """A running platform. `log` holds what `up` itself said.

    Args:
        settings: What it was started with.
        starts: How often it was started.
    """

    settings: Settings
    sandbox: SandboxProcess
    environment: Mapping[str, str]
    log: Path
    starts: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it, and wait until the web UI answers."""
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "crypto_assets.cli.main", "up"]
            self._process = subprocess.Popen(command, env=dict(self.environment), cwd=_CHECKOUT, stdout=log, stderr=log)
        self.starts += 1
        deadline = time.monotonic() + READY_SECONDS
        while not _answers(self.settings.webserver_port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the platform does not come up:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.5)

    def stop(self) -> int:
        """Ask it to end, as Ctrl-C does; its exit code."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(STOP_SECONDS)
        self._process = None
        return code

    def is_up(self) -> bool:
        """Whether it has not ended by itself."""
        return self._process is not None and self._process.poll() is None

    def processes(self) -> dict[str, list[psutil.Process]]:
        """All its processes by what they are."""
        found: dict[str, list[psutil.Process]] = {}
        for one in self._services():
            with suppress(psutil.Error):
                for process in [one[1], *one[1].children(recursive=True)]:
                    with suppress(psutil.Error):  # it ended meanwhile
                        found.setdefault(_role(one[0], process), []).append(process)
        return found

    def collect(self, start: datetime) -> None:
        """Ask for the bars of these days until now, and wait for them, as people do."""
        command = [sys.executable, "-m", "crypto_assets.cli.main", "backfill", "--from", f"{start:%Y-%m-%d}"]
        with self.log.open("ab") as log:
            subprocess.run(command, env=dict(self.environment), cwd=_CHECKOUT, stdout=log, stderr=log, check=True)

    def kill_a_run(self, dice: random.Random) -> str:
        """kill -9 of the worker of one run that is at work; what it was, empty where there is none, or not yet."""
        return self._kill("run worker", dice) if dice.random() < _STRUCK_AT_ONCE else ""

    def kill_the_stream(self, dice: random.Random) -> str:
        """kill -9 of the process that follows quotes; as above."""
        return self._kill("stream", dice)

    def restart_the_database(self) -> str:
        """End PostgreSQL in the midst of everything, as an operator's restart does, and start it again."""
        server = embedded_server(self.settings)
        server.stop()
        time.sleep(3)
        server.start()
        return "PostgreSQL restarted"

    def restart(self) -> str:
        """End and start everything."""
        code = self.stop()
        self.start()
        return f"platform restarted, it ended with {code}"

    def _kill(self, role: str, dice: random.Random) -> str:
        there = self.processes().get(role, [])
        if not there:
            return ""
        chosen = dice.choice(there)
        with suppress(psutil.Error):
            chosen.kill()
        return f"{role} {chosen.pid} killed"

    def _services(self) -> Sequence[tuple[str, psutil.Process]]:
        state = self.settings.home / self.settings.profile / "up.json"
        found = []
        with suppress(FileNotFoundError, json.JSONDecodeError):  # it is being started or ended
            for told in json.loads(state.read_text()):
                with suppress(psutil.Error):
                    found.append((str(told["name"]), psutil.Process(told["pid"])))
        return [one for one in found if one[0] != "up"]


@contextmanager
def platform(seed: int) -> Iterator[Platform]:
    """A platform that was not started; ended with all its processes."""
    with tempfile.TemporaryDirectory(prefix="crypto_assets_soak_") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "universe.yaml").write_text(_universe())
        with SandboxProcess(SandboxConfig(seed=seed)) as sandbox:
            told = {
                "HOME": name,
                "PROFILE": "soak",
                "UNIVERSE": str(folder / "universe.yaml"),
                "SANDBOX_URL": sandbox.url,
                "WEBSERVER_PORT": str(_free_port()),
                "DASHBOARD_PORT": str(_free_port()),
                "FRED_API_KEY": "0" * 32,
                "LOG_LEVEL": "INFO",
            }
            kept = {key: value for key, value in os.environ.items() if not key.startswith(ENV_PREFIX)}
            environment = {**kept, **{ENV_PREFIX + key: value for key, value in told.items()}}
            settings = load_settings(**{key.lower(): value for key, value in told.items()})
            here = Platform(settings, sandbox, environment, folder / "up.log")
            try:
                yield here
            finally:
                if here.is_up():
                    here.stop()
                embedded_server(settings).stop()


def _universe() -> str:
    """The project's own universe, with fewer venues, markets and networks: an hour on two cores has to have room."""
    told = yaml.safe_load((_CHECKOUT / "config" / "universe.yaml").read_text())
    told["history_from"] = (datetime.now(UTC) - timedelta(days=31)).date()
    told["automatic_history_days"] = HISTORY_DAYS
    told["timeframes"] = list(TIMEFRAMES)
    told["venues"] = {
        venue: {**told["venues"][venue], "markets": list(SYMBOLS), "timeframes": list(TIMEFRAMES)} for venue in VENUES
    }
    told["dex"]["networks"] = {name: told["dex"]["networks"][name] for name in NETWORKS}
    told["stream"]["venues"] = ["mexc", "gate"]
    text: str = yaml.safe_dump(told, sort_keys=False)
    return text


def _role(service: str, process: psutil.Process) -> str:
    words = process.cmdline()
    if _STREAM in words:
        return "stream"
    if any(_SPAWNED in word for word in words):
        is_stream = any(_STREAM in child.cmdline() for child in process.children())
        return "run worker of the stream" if is_stream else "run worker"
    return f"code server of {service}" if "grpc" in words else service


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
