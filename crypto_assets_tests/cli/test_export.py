"""`crypto-assets export`: what it writes and tells, and what is refused in a line before a database is looked for."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from crypto_assets.cli.console import NOTICES, OUT
from crypto_assets.cli.export import Format, told_size
from crypto_assets.cli.main import app
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.exports.writers import FileFormat
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.exports.stage import does, put_trades
from crypto_assets_tests.markets import START, store, walk, without

UNIVERSE = "history_from: 2024-01-01\nvenues: {binance: {markets: [BTC/USDT]}}\n"
FILE = "venue=binance/month=2024-01/part"
GAP = """
INSERT INTO quality.coverage (dataset, venue, symbol, timeframe, gap_start, gap_end, state, evidence)
 VALUES ('market/ohlcv', 'binance', 'BTC/USDT', '1h', '2024-01-01T05:00Z', '2024-01-01T07:00Z', 'venue_quiet', '{}')
"""

type Run = Callable[..., Result]


@pytest.fixture
def run(warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command on a wide terminal, for the profile sandbox."""
    (tmp_path / "universe.yaml").write_text(UNIVERSE)
    environment = {
        "CRYPTO_ASSETS_HOME": str(tmp_path / "home"),
        "CRYPTO_ASSETS_DATABASE_URL": warehouse.url.get_secret_value(),
        "CRYPTO_ASSETS_UNIVERSE": str(tmp_path / "universe.yaml"),
        "CRYPTO_ASSETS_EXPORT_STORE": str(tmp_path / "exports"),
    }
    for console in (OUT, NOTICES):
        monkeypatch.setattr(console, "width", 180)
    return lambda *words: CliRunner(env=environment).invoke(app, ["export", *words])


def _said(result: Result, exit_code: int = 0) -> str:
    if isinstance(result.exception, CryptoAssetsError):
        raise result.exception
    assert result.exit_code == exit_code, result.output
    return result.stdout


def test_bars_go_to_the_profiles_folder_with_a_table_holes_and_the_ledger(
    run: Run, warehouse: Warehouse, tmp_path: Path
) -> None:
    store(warehouse, without(walk(48), (5, 7)), "BTC/USDT")
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(GAP)
    folder = tmp_path / "exports" / "live" / "parquet" / "bars"
    told = _said(run("bars"))
    assert f"│ {FILE}.parquet │   46 │" in told
    assert f"bars: 1 of 1 files written, 46 rows, {told_size((folder / f'{FILE}.parquet').stat().st_size)}" in told
    assert f"in {folder}\n" in told
    assert "Absent bars: venue_quiet 2.\n" in told
    assert "coverage: 1 of 1 files written, 1 rows" in told
    assert "bars: 0 of 1 files written, 0 rows" in _said(run("bars"))
    assert "bars: 1 files, 46 rows, " in _said(run("bars", "--verify"))
    (folder / f"{FILE}.parquet").write_bytes(b"")
    told = _said(run("bars", "--verify"), 1)
    assert "│ holds other bytes than were written │" in told
    assert "1 problems" in told
    [report, ledger] = json.loads(_said(run("bars", "--again", "--json")))
    assert (report["files"][0]["name"], report["files"][0]["outcome"]) == (f"{FILE}.parquet", "written")
    assert (report["totals"]["holes"], ledger["dataset"]) == ({"venue_quiet": 2}, "coverage")
    found = json.loads(_said(run("bars", "--verify", "--json")))
    assert (found["files"], found["rows"], found["stored"], found["problems"]) == (1, 46, 46, [])


def test_every_format_to_a_named_folder(run: Run, warehouse: Warehouse, tmp_path: Path) -> None:
    store(warehouse, walk(24), "BTC/USDT")
    for kind in Format:
        _said(run("bars", "--format", kind.value, "--to", str(tmp_path / "here"), "--venue", "binance"))
    there = {
        path.relative_to(tmp_path / "here").as_posix() for path in (tmp_path / "here").rglob("*.*") if path.is_file()
    }
    assert {f"{kind}/bars/{FILE}.{kind}" for kind in ("parquet", "csv", "arrow")} <= there
    assert "qlib/bars/features/binance.btc_usdt/close.60min.bin" in there
    assert {kind.value for kind in Format} == {kind.value for kind in FileFormat}


def test_a_file_that_cannot_be_written_is_told_and_fails_the_command(run: Run, warehouse: Warehouse) -> None:
    put_trades(warehouse, [(START, "a", f"0.{'0' * 20}1", "1")])
    told = _said(run("trades"), 1)
    assert "failed: A value of market.trades.price does not fit decimal128(38, 20)" in told
    assert "nothing is stored of it" in _said(run("news"))


@pytest.mark.parametrize(
    ("dataset", "words", "problem", "hint"),
    [
        ("bars", ("--venue", "binanse"), "Nothing is stored of bars of the venue 'binanse'", "Did you mean binance?"),
        ("bars", ("--venue", "binance", "--venue", "kraken"), "of the venue 'kraken', and no file is of it", "status"),
        ("bars", ("--market", "BTC/USD", "--to", "here"), "of the market 'BTC/USD'", "status"),
        ("bars", ("--timeframe", "15", "--to", "here"), "of the timeframe '15'", "Did you mean 15m?"),
        ("bars", ("--format", "qlib", "--timeframe", "1m", "--to", "here"), "of the timeframe '1m'", "status"),
        ("bars", ("--format", "qlib", "--venue", "binanse"), "of the venue 'binanse'", "binance?"),
        ("instruments", ("--venue", "binance"), "Nothing is stored of instruments of the venue 'binance'", "status"),
        ("bars", ("--verify", "--venue", "binanse"), "of the venue 'binanse', and no file is of it", "binance?"),
        ("bars", ("--verify", "--from", "2030-01-01"), "bars is chosen, and nothing is stored", "Choose other times"),
    ],
)
def test_a_name_of_which_nothing_is_known_is_a_slip_and_no_success(
    run: Run, warehouse: Warehouse, tmp_path: Path, dataset: str, words: tuple[str, ...], problem: str, hint: str
) -> None:
    store(warehouse, walk(24), "BTC/USDT")
    words = tuple(str(tmp_path / "here") if word == "here" else word for word in words)
    if "--verify" in words:
        _said(run("bars"))
    with pytest.raises(CryptoAssetsError) as error:
        _said(run(dataset, *words))
    assert problem in error.value.problem
    assert hint in error.value.way_out
    assert ("Did you mean" in error.value.way_out) is hint.endswith("?")
    assert not (tmp_path / "here").exists()


def test_a_name_of_which_something_is_known_may_have_nothing_now(
    run: Run, warehouse: Warehouse, tmp_path: Path
) -> None:
    store(warehouse, walk(24), "BTC/USDT")
    _said(run("bars", "--market", "BTC/USDT", "--timeframe", "1h"))
    told = _said(run("bars", "--venue", "binance", "--from", "2030-01-01", "--to", str(tmp_path / "later")))
    assert "bars: nothing is stored of it; no file was written." in told
    does(warehouse, "DELETE FROM market.ohlcv")
    chosen = ("bars", "--venue", "binance", "--market", "BTC/USDT", "--timeframe", "1h")
    assert "gone from the database, kept" in _said(run(*chosen))
    assert "bars: 1 files, 24 rows" in _said(run(*chosen, "--verify"))


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("bar",), "No dataset 'bar' can be exported"),
        (("macro", "--timeframe", "1h"), "macro has no timeframe to choose by"),
        (("bars", "--from", "2024-13-01"), "--from is '2024-13-01', no ISO 8601 time"),
        (("bars", "--from", "2024-02-01", "--until", "2024-01-01"), "Nothing lies from 2024-02-01 00:00"),
        (("news", "--format", "qlib"), "news has no form that Qlib knows"),
        (("bars", "--verify"), "holds no export of bars"),
        (("bars", "--to", "gone://user:hunter2@host/x"), "Exports in gone://host/x/parquet/bars cannot be"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, words: tuple[str, ...], problem: str) -> None:
    with pytest.raises(CryptoAssetsError) as error:
        _said(run(*words))
    assert problem in error.value.problem
    assert "hunter2" not in str(error.value)


def test_sizes_are_told_in_the_largest_unit() -> None:
    assert [told_size(size) for size in (0, 1023, 1024, 1_572_864)] == ["0 bytes", "1,023 bytes", "1.0 KB", "1.5 MB"]
