"""The command as people run it: a process of its own, on a real database and the sandbox."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from crypto_assets.cli.environment import with_suffix
from crypto_assets.cli.main import app
from crypto_assets.datasets.market.ohlcv.collect import Series, collect_series
from crypto_assets.sandbox.absences import Absence
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.server import ServerAddress
from crypto_assets_tests.cli.forked import run_forked
from crypto_assets_tests.playing import exchange_of

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "crypto_assets.cli.main"]
UNIVERSE = """
history_from: 2026-01-01
venues:
  okx: {page_bars: 100, markets: [BTC/USDT, ETH/USDT], timeframes: [1h]}
  mexc: {page_bars: 500, markets: [BTC/USDT], timeframes: [1h]}
"""

type Run = Callable[..., subprocess.CompletedProcess[str]]


def run_command(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


@pytest.fixture(scope="module")
def environment(
    tmp_path_factory: pytest.TempPathFactory, server: ServerAddress, sandbox_process: SandboxProcess
) -> Mapping[str, str]:
    """A profile of its own: two databases on the session's server, the sandbox for providers."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "universe.yaml").write_text(UNIVERSE)
    name = f"cli_{os.getpid()}"
    return {
        "CRYPTO_ASSETS_HOME": str(folder / "home"),
        "CRYPTO_ASSETS_PROFILE": "test",
        "CRYPTO_ASSETS_DATABASE_URL": server.url(name).get_secret_value(),
        "CRYPTO_ASSETS_SANDBOX_URL": sandbox_process.url,
        "CRYPTO_ASSETS_UNIVERSE": str(folder / "universe.yaml"),
        "COLUMNS": "160",
    }


@pytest.fixture(scope="module")
def crypto_assets(environment: Mapping[str, str]) -> Run:
    """The command, without the seconds of its imports."""
    return lambda *arguments, **more: run_forked({**environment, **more}, arguments)


@pytest.fixture(scope="module")
def started(environment: Mapping[str, str]) -> Run:
    """The command as people start it."""
    return lambda *arguments, **more: run_command({**environment, **more}, *arguments)


def test_a_backfill_is_one_run_a_venue_and_the_second_one_writes_nothing(crypto_assets: Run, tmp_path: Path) -> None:
    span = ("--from", "2026-03-01", "--to", "2026-03-03")
    first = crypto_assets("backfill", *span)
    assert first.returncode == 0, first.stderr
    assert re.search(r"okx\s*│\s*96\s*│\s*96", first.stdout)
    assert re.search(r"mexc\s*│\s*48\s*│\s*48", first.stdout)
    second = crypto_assets("backfill", *span, "--venue", "okx", "--market", "ETH/USDT")
    assert re.search(r"okx\s*│\s*0\s*│\s*0", second.stdout), second.stdout
    # What other commands then say of it:
    status = crypto_assets("status")
    assert re.search(r"okx\s*│\s*1h\s*│\s*2\s*│\s*96", status.stdout), status.stderr
    report = crypto_assets("quality", "--json", "--html", str(tmp_path / "q.html"))
    found = json.loads(report.stdout[report.stdout.index("{") :])
    checks = {(check["dataset"], check["check"]): check["passed"] for check in found["checks"]}
    assert checks["market/ohlcv", "key_is_unique"] is True
    assert report.returncode == (1 if found["has_errors"] else 0)
    assert {score["symbol"] for score in found["scores"] if score["timeframe"]} == {"BTC/USDT", "ETH/USDT"}
    page = (tmp_path / "q.html").read_text()
    assert "key_is_unique" in page
    assert "okx ETH/USDT 1h" in page


def test_features_are_computed_shown_and_reported(
    crypto_assets: Run, environment: Mapping[str, str], sandbox: SandboxProcess, tmp_path: Path
) -> None:
    nothing = crypto_assets("features", "show", "okx", "SOL/USDT")
    assert nothing.returncode == 1
    assert "are stored for okx" in nothing.stderr
    span = ("--from", "2026-02-01", "--to", "2026-02-15", "--venue", "okx")
    warehouse = Warehouse(with_suffix(SecretStr(environment["CRYPTO_ASSETS_DATABASE_URL"]), "_test"))
    first, last = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 15, tzinfo=UTC)
    for symbol in ("BTC/USDT", "ETH/USDT"):  # as a backfill does, without its process
        collect_series(warehouse, exchange_of(sandbox.url, "okx"), Series("okx", symbol, "1h", first, last))
    computed = crypto_assets("features", "compute", *span)
    assert re.search(r"okx\s*│\s*672\s*│\s*[4-9]\d\.\d%\s*│\s*1[4-6] of 16", computed.stdout), (
        computed.stdout + computed.stderr
    )
    shown = crypto_assets("features", "show", "okx", "ETH/USDT")
    assert re.search(r"market\s*│ rsi_14\s*│\s*0\.\d+ │ fraction\s*│ [▁▂▃▄▅▆▇█]+", shown.stdout), (
        shown.stdout + shown.stderr
    )
    assert "Bar of 2026-02-14 23:00, known 2026-02-15 00:00 UTC, version " in shown.stdout
    page = crypto_assets("features", "report", "--venue", "okx", "--html", str(tmp_path / "features.html"))
    assert page.returncode == 0, page.stderr
    assert re.search(
        r"0 of [\d,]+ values in 2 series changed when the future was taken away", " ".join(page.stdout.split())
    )
    written = (tmp_path / "features.html").read_text()
    assert "<svg" in written
    assert "reference_beta_168" in written


def test_features_and_indicators_are_listed_without_a_database() -> None:
    features = CliRunner(env={"COLUMNS": "220"}).invoke(app, ["features", "list"])
    assert "132 features, version " in features.stdout
    indicators = CliRunner(env={"COLUMNS": "220"}).invoke(app, ["features", "list", "--indicators"])
    assert "51 indicators." in indicators.stdout


def test_gaps_are_scanned_listed_planned_and_repaired(
    crypto_assets: Run, environment: Mapping[str, str], sandbox: SandboxProcess, tmp_path: Path
) -> None:
    hole = Absence(venue="mexc", start=datetime(2026, 1, 5, 3, tzinfo=UTC), end=datetime(2026, 1, 5, 6, tzinfo=UTC))
    sandbox.set_absences([hole])
    here = ("--venue", "mexc", "--symbol", "BTC/USDT", "--from", "2026-01-05", "--to", "2026-01-06")
    assert crypto_assets("status").returncode == 0  # makes the databases, if this is the first test to need them
    warehouse = Warehouse(with_suffix(SecretStr(environment["CRYPTO_ASSETS_DATABASE_URL"]), "_test"))
    day = (datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC))
    try:  # as a backfill does, without its process
        collect_series(warehouse, exchange_of(sandbox.url, "mexc"), Series("mexc", "BTC/USDT", "1h", *day))
    finally:
        sandbox.set_absences([])
    listed = crypto_assets("gaps", "list", "--dataset", "market/ohlcv", *here, "--json")
    [gap] = json.loads(listed.stdout)
    assert (gap["state"], gap["gap_start"][:16], gap["gap_end"][:16]) == (
        "missing",
        "2026-01-05T03:00",
        "2026-01-05T06:00",
    )
    planned = crypto_assets("gaps", "repair", *here, "--dry-run")
    assert re.search(r"mexc BTC/USDT 1h\s*│ 2026-01-05 03:00 │ 2026-01-05 06:00 │\s*3", planned.stdout), planned.stdout
    assert "1 pages for 1 gaps of 1 series; nothing was asked." in planned.stdout
    repaired = crypto_assets("gaps", "repair", *here)
    assert re.search(r"mexc BTC/USDT 1h\s*│\s*1 │\s*3 │\s*3", repaired.stdout), repaired.stdout + repaired.stderr
    again = crypto_assets("gaps", "repair", *here)
    assert "Nothing is due." in again.stdout
    scanned = crypto_assets("gaps", "scan", *here)
    assert "1 series, 24 bars due, 0 absent; 0 rows of the ledger written, 0 named anew." in scanned.stdout
    for name in ("gaps.parquet", "gaps.csv"):
        assert crypto_assets("gaps", "list", *here, "--export", str(tmp_path / name)).returncode == 0
    written = pd.read_parquet(tmp_path / "gaps.parquet")
    assert written["state"].tolist() == pd.read_csv(tmp_path / "gaps.csv")["state"].tolist() == ["repaired"]
    outside = crypto_assets("gaps", "list", "--from", "2026-06-01")
    assert outside.returncode == 1
    assert "Nothing has been collected between 2026-06-01" in outside.stderr


def test_the_doctor_shows_a_row_for_each_part_and_tries_each_provider(crypto_assets: Run) -> None:
    told = crypto_assets("doctor")
    for part in ("settings", "universe", "database", "migrations", "daemon", "mexc", "okx", "geckoterminal"):
        assert re.search(rf"│ {part}\s", told.stdout), told.stdout + told.stderr
    assert "bars of BTC/USDT" in told.stdout
    assert "new pools of solana" in told.stdout
    assert re.search(r"│ fred\s+│ off\s+│ no key", told.stdout)
    for part in ("coinmetrics", "alternative_me", "fees of bitcoin", "feed coindesk"):
        assert re.search(rf"│ {part}\s+│ ok", told.stdout), told.stdout
    # The sandbox's clock stands in the past: a node's newest block is old, and nobody takes it for the present.
    assert re.search(r"│ fees of ethereum\s+│ off", told.stdout)
    assert "its newest block is of" in " ".join(told.stdout.split())
    assert told.returncode == 0


def test_env_prints_what_plain_dagster_commands_need(started: Run) -> None:
    told = started("env")
    assert told.returncode == 0, told.stderr
    exports = [line for line in told.stdout.splitlines() if line.startswith("export ")]
    names = {shlex.split(line)[1].split("=")[0] for line in exports}
    assert {"DAGSTER_HOME", "CRYPTO_ASSETS_WAREHOUSE_URL", "CRYPTO_ASSETS_DAGSTER_URL", "PATH"} <= names
    config = json.dumps({"ops": {"market__ohlcv": {"config": {"since": "2026-02-01", "until": "2026-02-02"}}}})
    for command in (
        "dagster definitions validate -w workspace.yaml",
        f"dagster asset materialize --select market/ohlcv --partition '2026-02-01|mexc' --config-json '{config}'",
    ):
        script = f"{told.stdout}\n{command}"
        done = subprocess.run(
            ["/bin/bash", "-c", script], capture_output=True, text=True, timeout=180, check=False, cwd=ROOT
        )
        assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("backfill", "--from", "2026-03-01", "--venue", "nowhere"), "Unknown venue 'nowhere'"),
        (("backfill", "--from", "soon"), "--from is 'soon', no date"),
        (("universe", "check", "absent.yaml"), "absent.yaml"),
        (("demo", "--recordings", "/nowhere"), "recordings.yaml"),
        (("gaps", "scan", "--venue", "nowhere"), "Nothing of market/ohlcv has been collected for nowhere"),
        (("backfill", "--from", "2026-03-01", "--timeframe", "12h"), "Unknown timeframe '12h'"),
        (("gaps", "list", "--dataset", "dex/pool_ohlcv"), "Nothing of dex/pool_ohlcv has been collected"),
        (("gaps", "list", "--state", "lost"), "Unknown state 'lost'"),
        (("gaps", "list", "--export", "gaps.doc"), "gaps.doc is neither .parquet nor .csv"),
        (("gaps", "list", "--from", "2026-02-01", "--to", "2026-01-01"), "Nothing lies between"),
        (("gaps", "scan", "--timeframe", "7m"), "Unknown timeframe '7m'"),
        (("gaps", "repair", "--venue", "nowhere"), "Unknown venue 'nowhere'"),
        (("gaps", "repair", "--venue", "okx", "--symbol", "NO/SUCH"), "Unknown symbol 'NO/SUCH' on okx"),
    ],
)
def test_bad_input_is_one_clear_line_and_a_non_zero_exit(
    crypto_assets: Run, arguments: tuple[str, ...], said: str
) -> None:
    told = crypto_assets(*arguments)
    assert told.returncode == 1
    assert said in " ".join(told.stderr.split()), told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DATABASE_URL", "postgresql://u:canary@127.0.0.1:1/db", "127.0.0.1:1"),
        ("DATABASE_URL", "nonsense", "CRYPTO_ASSETS_DATABASE_URL"),
    ],
)
def test_a_wrong_environment_is_one_clear_line(started: Run, name: str, value: str, said: str) -> None:
    told = started("backfill", "--from", "2026-03-01", **{f"CRYPTO_ASSETS_{name}": value})
    assert told.returncode == 1
    assert said in told.stderr
    assert "Traceback" not in told.stderr
    assert "canary" not in told.stderr + told.stdout


def test_a_port_in_use_is_said_before_anything_starts(started: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        told = started("up", CRYPTO_ASSETS_WEBSERVER_PORT=port)
    assert told.returncode == 1
    assert f"Port {port} on 127.0.0.1 is in use" in told.stderr


HELPED = (
    "up",
    "down",
    "demo",
    "backfill",
    "collect",
    "collect-pools",
    "status",
    "show trades",
    "show book",
    "show ticker",
    "show bars",
    "show pools",
    "show pool",
    "quality",
    "doctor",
    "migrate",
    "env",
    "sandbox",
    "universe check",
    "gaps scan",
    "gaps list",
    "gaps repair",
)


@pytest.mark.parametrize("command", HELPED)
def test_every_help_shows_an_example(command: str) -> None:
    told = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "120"})
    assert told.exit_code == 0
    assert "Example: " in told.output
    assert f"crypto-assets {command}" in told.output
