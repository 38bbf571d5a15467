"""`crypto-assets up` from its first process to its last, on a real database: how it begins, and how it is ended."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.warehouse.server import ServerAddress
from crypto_assets.warehouse.server_address import free_port

UNIVERSE = "history_from: 2026-01-01\nvenues:\n  okx: {markets: [BTC/USDT], timeframes: [1h]}\nstream: {venues: []}\n"
PATIENCE_SECONDS = 120


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "home" / "test" / "up.json"


@pytest.fixture
def up(tmp_path: Path, server: ServerAddress, sandbox_process: SandboxProcess) -> Iterator[psutil.Popen]:
    """The command, as a shell starts it; whatever a test left of it is ended."""
    (tmp_path / "universe.yaml").write_text(UNIVERSE)
    told = {
        "HOME": str(tmp_path / "home"),
        "PROFILE": "test",
        "DATABASE_URL": server.url(f"up_{os.getpid()}").get_secret_value(),
        "SANDBOX_URL": sandbox_process.url,
        "UNIVERSE": str(tmp_path / "universe.yaml"),
        "WEBSERVER_PORT": str(free_port()),
        "DASHBOARD_PORT": str(free_port()),
    }
    with (tmp_path / "up.log").open("wb") as log:
        process = psutil.Popen(
            [sys.executable, "-m", "crypto_assets.cli.main", "up"],
            env={**os.environ, **{f"CRYPTO_ASSETS_{name}": value for name, value in told.items()}},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    left: list[psutil.Process] = []
    try:
        yield process
    finally:
        if process.is_running():
            left = [process, *process.children(recursive=True)]
        for one in left:
            one.kill()
        process.wait(PATIENCE_SECONDS)


def test_signals_that_come_while_it_ends_break_nothing_off(up: psutil.Popen, state: Path, tmp_path: Path) -> None:
    poll(lambda: state.exists() and bool(state.read_text()))
    processes = [psutil.Process(told["pid"]) for told in json.loads(state.read_text())]
    assert [told["name"] for told in json.loads(state.read_text())] == ["up", "webserver", "daemon", "dashboard"]
    # `timeout`, `systemd` and impatient people signal more than once.
    for number in itertools.cycle((signal.SIGTERM, signal.SIGINT)):
        if up.poll() is not None or not state.exists():  # the last thing that it takes away
            break
        up.send_signal(number)
        time.sleep(0.02)
    code = up.wait(PATIENCE_SECONDS)
    said = (tmp_path / "up.log").read_text()
    assert code == 0, said
    assert not state.exists()
    assert [one for one in processes if one.is_running()] == []
    assert "Ending webserver, daemon, dashboard and database." in said
    assert "Traceback" not in said


def test_a_code_server_that_cannot_end_by_itself_is_not_left_behind(up: psutil.Popen, state: Path) -> None:
    def code_servers() -> list[psutil.Process]:
        found = []
        for one in up.children(recursive=True):
            with suppress(psutil.Error):  # it may end at any moment
                if "grpc" in one.cmdline():
                    found.append(one)
        return found

    poll(lambda: len(code_servers()) > 0)
    found = code_servers()
    for one in found:
        one.suspend()  # it hears nothing any more
    up.terminate()
    assert up.wait(PATIENCE_SECONDS) == 0
    _, alive = psutil.wait_procs(found, timeout=5)
    for one in alive:
        one.kill()
    assert alive == []


def poll(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
