"""`crypto-assets dashboard` as people start it, and its place beside webserver and daemon."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from crypto_assets.cli.console import NOTICES, OUT
from crypto_assets.cli.dashboard import HostRefused, checked_host, checked_name
from crypto_assets.cli.main import app
from crypto_assets.cli.serve import PortTaken, ServiceEnded, _watch, serve
from crypto_assets.dashboard import serving
from crypto_assets.dashboard.address import url_of
from crypto_assets.settings import Settings
from crypto_assets.warehouse.connection import Warehouse


@pytest.fixture
def environment(shared_warehouse: Warehouse, tmp_path: Path) -> Mapping[str, str]:
    return {
        "CRYPTO_ASSETS_HOME": str(tmp_path),
        "CRYPTO_ASSETS_PROFILE": "test",
        "CRYPTO_ASSETS_WAREHOUSE_URL": shared_warehouse.url.get_secret_value(),
        "COLUMNS": "160",
    }


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        probe.listen()
        yield probe.getsockname()[1]


def run(environment: Mapping[str, str], *arguments: str) -> Result:
    return CliRunner(env=dict(environment)).invoke(app, ["dashboard", *arguments])


def test_it_says_where_it_is_answers_and_ends_in_order(environment: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", "crypto_assets.cli.main", "dashboard", "--port", "0"]
    process = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        told = process.stdout.readline()
        found = re.search(r"dashboard ready at (http://127\.0\.0\.1:\d+)", told)
        assert found, told
        with httpx.Client(base_url=found[1], trust_env=False, timeout=30) as client:
            health = client.get("/healthz")
            assert (health.status_code, health.json()["is_well"]) == (200, True)
            assert client.get("/metrics").text.startswith("# HELP crypto_assets_")
            assert "server" not in client.get("/").headers
            assert client.get("/", headers={"Host": "evil.example"}).status_code == 403
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (0, "")
        assert "Traceback" not in err
    finally:
        process.kill()
        process.communicate()


def test_a_port_that_somebody_has_is_one_line(environment: Mapping[str, str], taken: int) -> None:
    told = run(environment, "--port", str(taken))
    assert isinstance(told.exception, serving.DashboardPortTaken)
    assert f"Cannot listen on 127.0.0.1:{taken}" in str(told.exception)
    assert "CRYPTO_ASSETS_DASHBOARD_PORT" in str(told.exception)


def test_up_says_so_before_anything_starts(tmp_path: Path, taken: int) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    settings = Settings(home=tmp_path, profile="test", webserver_port=free, dashboard_port=taken)
    with pytest.raises(PortTaken, match=f"Port {taken} on 127.0.0.1 is in use. Set CRYPTO_ASSETS_DASHBOARD_PORT"):
        serve(settings)
    assert list(tmp_path.iterdir()) == []


def test_listening_to_others_is_warned_of(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    # Nothing of a test may listen to others, so the server is told to be there; what it is given is looked at.
    monkeypatch.setattr(serving, "serve", lambda _place, *where, names, **_: asked.append((*where, list(names))))
    told = run(environment, "--host", "0.0.0.0", "--port", "3001", "--allow-host", "charts.example.org")  # noqa: S104
    assert told.exit_code == 0, told.output
    assert asked == [("0.0.0.0", 3001, ["charts.example.org"])]  # noqa: S104
    assert "others can read what is stored" in " ".join(told.output.split())
    assert "others can read" not in run(environment, "--host", "::1").output


@pytest.mark.parametrize("host", ["localhost", "999.1.1.1", "evil.example", "127.0.0.1/8"])
def test_only_an_address_can_be_listened_on(host: str) -> None:
    with pytest.raises(HostRefused, match="Expected an address"):
        checked_host(host)


@pytest.mark.parametrize("name", ["", "*", "a b", "-x", "a/b", "x\ny", "a" * 300])
def test_only_a_name_can_be_allowed(name: str) -> None:
    with pytest.raises(HostRefused, match="Expected the name of a host"):
        checked_name(name)


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:1"), ("0.0.0.0", "http://127.0.0.1:1"), ("::1", "http://[::1]:1")],  # noqa: S104
)
def test_the_address_that_is_told_can_be_opened(host: str, url: str) -> None:
    assert url_of(host, 1) == url


def test_the_end_of_the_dashboard_ends_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    children = [("dashboard", subprocess.Popen(["false"])), ("daemon", subprocess.Popen(["sleep", "1"]))]
    for console in (OUT, NOTICES):
        console.width = 200
    settings = Settings(home=tmp_path, profile="test", webserver_port=1)
    with pytest.raises(ServiceEnded, match="The daemon ended with code 0"):
        _watch(children, settings)
    told = capsys.readouterr().err
    assert told.count("The dashboard ended with code 1") == 1
    assert "dashboard.log" in told
