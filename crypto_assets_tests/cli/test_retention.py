"""`crypto-assets retention`: it shows what would go and why the rest stays, and changes nothing until it is told to."""

import json
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
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.retention import partitions_of
from crypto_assets_tests.datasets.market.book_ticker_hours.quotes import Second, held, put_quotes

UNIVERSE = "history_from: 2026-01-01\nvenues: {gate: {markets: [BTC/USDT]}}\nstream: {venues: [gate], keep_days: 5}\n"

type Run = Callable[..., str]


@pytest.fixture
def run_any(warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on a wide terminal and gives what it printed."""
    monkeypatch.setattr(OUT, "width", 200)
    (tmp_path / "universe.yaml").write_text(UNIVERSE)
    environment = {
        "CRYPTO_ASSETS_HOME": str(tmp_path / "home"),
        "CRYPTO_ASSETS_DATABASE_URL": warehouse.url.get_secret_value(),
        "CRYPTO_ASSETS_UNIVERSE": str(tmp_path / "universe.yaml"),
    }

    def invoke(*arguments: str) -> str:
        told = CliRunner(env=environment).invoke(app, [*arguments], catch_exceptions=False)
        assert told.exit_code == 0, told.output
        return told.stdout

    return invoke


@pytest.fixture
def run(run_any: Run) -> Run:
    """The same of `retention`."""
    return lambda *arguments: run_any("retention", *arguments)


def _days(warehouse: Warehouse) -> list[str]:
    return [one.label for one in partitions_of(warehouse, book_ticker_snapshots)]


def _outcomes(told: str) -> dict[str, str]:
    return dict(re.findall(r"│ market\.book_ticker_snapshots +│ ([-\d]+) +│ +[\d.]+ [KM]B +│ (.+?) +│", told))


def test_it_shows_days_and_drops_those_that_are_due_once_told_to(run: Run, warehouse: Warehouse) -> None:
    assert run() == "No table with a policy holds a partition.\n"
    now = datetime.now(UTC).replace(microsecond=0)
    moments = [now - timedelta(days=back) for back in (9, 4)]
    put_quotes(warehouse, [Second(moments[0]), replace(Second(moments[1]), symbol="ETH/USDT")])
    old, young = days = [f"{one:%Y-%m-%d}" for one in moments]
    told = run()
    assert _outcomes(told) == {old: "kept: 1 hour is not summed up", young: "kept: ended less than 5 days ago"}
    assert "0 partitions would be dropped, 0 bytes. Nothing was changed; --apply does it.\n" in told
    assert told.endswith("--apply adds up first what is not summed up.\n")
    assert _days(warehouse) == days
    told = run("--apply")
    assert _outcomes(told) == {old: "dropped", young: "kept: ended less than 5 days ago"}
    assert re.search(r"1 partition dropped, [\d.]+ KB freed\.$", told.strip())
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


def test_years_go_to_the_archive_are_listed_and_come_back(run: Run, warehouse: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "universe.yaml").write_text(
        f"{UNIVERSE}retention: {{tables: {{market.tickers: {{keep_days: 400}}}}}}\n"
    )
    held(warehouse, "SELECT ops.ensure_year_partition('market.tickers', '2023-06-01Z'), 1")
    held(
        warehouse,
        "INSERT INTO market.tickers (venue, symbol, snapshot_at, last, source, known_at)"
        " VALUES ('gate', 'BTC/USDT', '2023-06-01Z', 1, 'test', now()) RETURNING 1",
    )
    assert run("list") == "Nothing has left its table.\n"
    [planned] = json.loads(run("--json"))
    assert (planned["partition"], planned["outcome"], planned["freed"]) == ("2023", "would be archived", 0)
    told = run("--apply")
    assert re.search(r"│ market\.tickers +│ 2023 +│ +[\d.]+ [KM]B +│ archived +│", told)
    assert re.search(r"0 partitions dropped, 1 partition archived, [\d.]+ KB freed\.$", told.strip())
    assert held(warehouse, "SELECT * FROM market.tickers") == []
    [entry] = json.loads(run("list", "market.tickers", "--json"))
    assert (entry["outcome"], entry["rows"]) == ("archived", 1)
    assert (tmp_path / "home" / "archive" / "live" / entry["file"]).stat().st_size == entry["file_bytes"]
    assert "tickers_2023" in run("list")
    assert run("restore", "market.tickers", "2023") == (
        "1 rows of market.tickers 2023 are back; the file stays in the archive.\n"
    )
    assert run("restore", "market.tickers", "2023") == "market.tickers 2023 was restored before; nothing was changed.\n"
    assert held(warehouse, "SELECT last::text FROM market.tickers") == [("1",)]
    assert "kept: restored 20" in run("--apply")


def test_a_table_that_never_goes_is_refused_by_name() -> None:
    told = CliRunner().invoke(app, ["retention", "restore", "audit.revisions", "2023"])
    assert isinstance(told.exception, CryptoAssetsError)
    assert "audit.revisions" in told.exception.problem


def test_storage_is_told_for_people_and_for_machines(run_any: Run, warehouse: Warehouse) -> None:
    put_quotes(warehouse, [Second(datetime.now(UTC) - timedelta(days=2))])
    told = json.loads(run_any("storage", "--json"))
    quotes = next(one for one in told["tables"] if one["table"] == "market.book_ticker_snapshots")
    assert quotes["growth_from"] == "partitions"
    assert quotes["total_bytes"] == quotes["table_bytes"] + quotes["index_bytes"] + quotes["toast_bytes"]
    assert told["days_until_full"] > 0
    shown = run_any("storage", "--all")
    assert re.search(r"│ market\.book_ticker_snapshots +│ +\d", shown)
    assert re.search(r"are free: at this growth the disk is full in [\d,]+ days\.\n$", shown)
    assert re.search(r"\d+ tables below 1\.0 MB are left out; --all shows them\.", run_any("storage"))
