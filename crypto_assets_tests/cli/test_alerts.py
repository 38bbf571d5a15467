"""`crypto-assets alerts`: trying addresses, listing, silencing; no secret is ever printed."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from crypto_assets.alerts import memory
from crypto_assets.alerts.alert import FAILED_RUN, Alert, Severity
from crypto_assets.cli.console import OUT
from crypto_assets.cli.main import app
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.alerts.receiver import PASSWORD, TOKEN, receiving

type Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(OUT, "width", 200)
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str, urls: str = "", warehouse: Warehouse | None = None) -> Result:
        environment = {"CRYPTO_ASSETS_HOME": str(tmp_path / "home"), "CRYPTO_ASSETS_ALERT_URLS": urls}
        if warehouse is not None:
            environment["CRYPTO_ASSETS_DATABASE_URL"] = warehouse.url.get_secret_value()
        return CliRunner(env=environment).invoke(app, ["alerts", *arguments])

    return invoke


def test_a_message_goes_to_each_address_and_a_failure_is_exit_code_1(run: Run) -> None:
    with receiving() as receiver:
        receiver.refused.add("down")
        done = run("test", urls=receiver.url("up"))
        assert (done.exit_code, receiver.titles("up")) == (0, ["crypto_assets: this is a test"])
        assert f"json://127.0.0.1:{receiver.port}/…" in done.stdout
        failed = run("test", urls=f"{receiver.url('down')} {receiver.url('up')} nothing-of-the-kind://{TOKEN}")
        assert failed.exit_code == 1
        assert failed.stdout.count("not taken") == 2
        assert len(receiver.titles("up")) == 2
    for said in (done.output, failed.output):
        assert TOKEN not in said
        assert PASSWORD not in said


def test_nobody_to_try_is_said_with_exit_code_1(run: Run) -> None:
    done = run("test")
    assert done.exit_code == 1
    assert "CRYPTO_ASSETS_ALERT_URLS names none" in done.stdout


def test_alerts_are_listed_and_silenced(run: Run, warehouse: Warehouse) -> None:
    assert "Nothing is wrong" in run("list", warehouse=warehouse).stdout
    now = datetime.now(UTC)
    alert = Alert(FAILED_RUN, "a [b]", Severity.CRITICAL, "a [b] failed", "no", "nothing", "wait", "/runs/1", now)
    with warehouse.connect() as connection:
        memory.observe(connection, FAILED_RUN, [alert], "http://ui", now - timedelta(hours=1))
    shown = run("list", warehouse=warehouse).stdout
    assert "a [b] failed" in shown
    assert "0 times" in shown
    [told] = json.loads(run("list", "--json", warehouse=warehouse).stdout)
    assert (told["kind"], told["subject"], told["state"], told["link"]) == (
        "failed_run",
        "a [b]",
        "open",
        "http://ui/runs/1",
    )
    done = run("silence", "failed_run", "a [b]", "--hours", "4", warehouse=warehouse)
    assert "Nobody is told of failed_run a [b] until" in done.stdout
    with warehouse.connect() as connection:
        assert memory.due(connection, timedelta(hours=12), now) == []
        assert len(memory.due(connection, timedelta(hours=12), now + timedelta(hours=5))) == 1
    assert "is told again" in run("silence", "failed_run", "a [b]", "--hours", "0", warehouse=warehouse).stdout
    with warehouse.connect() as connection:
        assert len(memory.due(connection, timedelta(hours=12), datetime.now(UTC))) == 1
        memory.observe(connection, FAILED_RUN, [], "", now)
    assert "Nothing is wrong" in run("list", warehouse=warehouse).stdout
    assert "a [b] failed" in run("list", "--all", warehouse=warehouse).stdout


def test_an_unknown_kind_is_refused_before_anything_is_asked(run: Run) -> None:
    done = run("silence", "failed")
    assert done.exit_code == 1
    assert "no kind of alert 'failed'" in str(done.exception)
