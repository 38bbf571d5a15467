"""What containers start, started as processes here: the wheel holds what it needs, and `exec` hands over the environment."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from dagster._grpc.client import DagsterGrpcClient
from typer.testing import CliRunner

from crypto_assets.cli.execute import ProgramNotFound, found_program
from crypto_assets.cli.main import app
from crypto_assets.settings import ENV_PREFIX
from crypto_assets.warehouse.server import ServerAddress

ROOT = Path(__file__).parents[2]
READY_SECONDS = 120


def test_a_wheel_holds_what_the_package_reads_outside_of_its_modules(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [wheel] = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    project = "crypto_assets/_project/"
    for name in (
        "dagster.yaml",
        "workspace.yaml",
        "config/universe.yaml",
        "config/watchlist.csv",
        "deploy/celery/dagster.yaml",
    ):
        assert project + name in names
    for migration in (ROOT / "sql").glob("*.sql"):
        assert f"{project}sql/{migration.name}" in names
    assert not [name for name in names if "secrets/" in name or name.endswith(".env")]


def test_a_program_that_is_not_there_is_said_before_anything_starts() -> None:
    with pytest.raises(ProgramNotFound, match="no program 'dagster-nothing'"):
        found_program("dagster-nothing")
    assert found_program("dagster").startswith(str(Path(sys.executable).parent))
    told = CliRunner().invoke(app, ["exec", "--", "no-such-program"])
    assert isinstance(told.exception, ProgramNotFound)


def test_a_code_server_by_itself_serves_the_definitions(server: ServerAddress, tmp_path: Path) -> None:
    database = server.url("deployed").get_secret_value()
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "crypto_assets_database_url").write_text(database + "\n")
    port = _free_port()
    environment = {key: value for key, value in os.environ.items() if not key.startswith(ENV_PREFIX)}
    environment |= {f"{ENV_PREFIX}SECRETS_DIR": str(tmp_path / "secrets"), f"{ENV_PREFIX}HOME": str(tmp_path / "home")}
    words = ["exec", "--", "dagster", "api", "grpc", "--host", "127.0.0.1", "--port", str(port)]
    words += ["--module-name", "crypto_assets.definitions", "--location-name", "crypto_assets"]
    log = tmp_path / "log"
    with log.open("wb") as out:
        command = [sys.executable, "-m", "crypto_assets.cli.main", *words]
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not _answers(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        # `exec` became the program: nothing of ours stands between it and whoever ends it, and no secret in its arguments.
        words = Path(f"/proc/{process.pid}/cmdline").read_text()
        assert "grpc" in words
        assert server.password.get_secret_value() not in words
        assert (tmp_path / "home" / "live" / "dagster" / "dagster.yaml").exists()
    finally:
        process.terminate()
        process.wait(30)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)):
            return False
    return "crypto_assets" in str(DagsterGrpcClient(port=port, host="127.0.0.1").list_repositories())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
