"""`crypto-assets retention`: it shows what would go and why the rest stays, and changes nothing until it is told to."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crypto_assets.cli.console import OUT
from crypto_assets.cli.main import app
from crypto_assets.cli.retention import told_size
from crypto_assets.datasets.market.book_ticker_snapshots.table import book_ticker_snapshots
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.retention import day_partitions
from crypto_assets_tests.datasets.market.book_ticker_hours.quotes import Second, held, put_quotes

UNIVERSE = "history_from: 2026-01-01\nvenues: {gate: {markets: [BTC/USDT]}}\nstream: {venues: [gate], keep_days: 5}\n"

type Run = Callable[..., str]


@pytest.fixture
def run(warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command on a wide terminal and gives what it printed."""
    monkeypatch.setattr(OUT, "width", 160)
    (tmp_path / "universe.yaml").write_text(UNIVERSE)
    environment = {
        "CRYPTO_ASSETS_HOME": str(tmp_path / "home"),
        "CRYPTO_ASSETS_DATABASE_URL": warehouse.url.get_secret_value(),
        "CRYPTO_ASSETS_UNIVERSE": str(tmp_path / "universe.yaml"),
    }

    def invoke(*arguments: str) -> str:
        told = CliRunner(env=environment).invoke(app, ["retention", *arguments], catch_exceptions=False)
        assert told.exit_code == 0, told.output
        return told.stdout

    return invoke


def _days(warehouse: Warehouse) -> list[str]:
    return [f"{one.day:%Y-%m-%d}" for one in day_partitions(warehouse, book_ticker_snapshots)]


def _outcomes(told: str) -> dict[str, str]:
    return dict(re.findall(r"│ market\.book_ticker_snapshots +│ ([-\d]+) +│ +[\d.]+ [KM]B +│ (.+?) +│", told))


def test_it_shows_days_and_drops_those_that_are_due_once_told_to(run: Run, warehouse: Warehouse) -> None:
    assert run() == "No day of quotes is stored.\n"
    now = datetime.now(UTC).replace(microsecond=0)
    moments = [now - timedelta(days=back) for back in (9, 4)]
    put_quotes(warehouse, [Second(moments[0]), replace(Second(moments[1]), symbol="ETH/USDT")])
    old, young = days = [f"{one:%Y-%m-%d}" for one in moments]
    told = run()
    assert _outcomes(told) == {old: "kept: 1 hour is not summed up", young: "kept: ended less than 5 days ago"}
    assert "0 days would be dropped, 0 bytes. Nothing was changed; --apply drops them.\n" in told
    assert told.endswith("--apply adds up first what is not summed up.\n")
    assert _days(warehouse) == days
    told = run("--apply")
    assert _outcomes(told) == {old: "dropped", young: "kept: ended less than 5 days ago"}
    assert re.search(r"1 day dropped, [\d.]+ KB freed\.$", told.strip())
    assert _days(warehouse) == [young]
    assert held(warehouse, "SELECT symbol FROM market.book_ticker_hours") == [("BTC/USDT",)]
    told = run("--days", "2", "--apply")
    assert _outcomes(told) == {young: "dropped"}
    assert _days(warehouse) == []


def test_less_than_a_day_is_refused() -> None:
    told = CliRunner().invoke(app, ["retention", "--days", "0", "--apply"])
    assert told.exit_code == 2
    assert "--days" in told.output


@pytest.mark.parametrize(
    ("size", "told"),
    [(0, "0 bytes"), (1023, "1,023 bytes"), (1024, "1.0 KB"), (1536 * 1024, "1.5 MB"), (2**43, "8.0 TB")],
)
def test_sizes_are_told_in_units_that_people_read(size: int, told: str) -> None:
    assert told_size(size) == told
