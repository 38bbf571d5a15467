"""`crypto-assets show` and `status` over rows whose sums are done by hand; in this process, for imports take seconds."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from crypto_assets.cli import show_stored, show_text
from crypto_assets.cli.console import OUT
from crypto_assets.cli.main import app, main
from crypto_assets.clients.book_rows import Levels
from crypto_assets.clients.breaker import BreakerState, BreakerStatus
from crypto_assets.clients.exchange_books import OrderBook
from crypto_assets.collection.shared_pace import SharedPace
from crypto_assets.datasets.market.ohlcv.table import DATASET as BARS
from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.datasets.market.order_books.asset import build_rows
from crypto_assets.datasets.market.order_books.table import DATASET as BOOKS
from crypto_assets.datasets.market.order_books.table import order_books
from crypto_assets.datasets.market.tickers.table import tickers
from crypto_assets.datasets.market.trade_bars.table import trade_bars
from crypto_assets.datasets.market.trades.table import DATASET as TRADES
from crypto_assets.datasets.market.trades.table import trades
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.quality.coverage import TICK, SeriesKey, observe
from crypto_assets.universe import read_universe
from crypto_assets.warehouse.collected import mark_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.limits import Poll, write_poll
from crypto_assets.warehouse.write import upsert

UNIVERSE = """
history_from: 2026-01-01
venues:
  okx: {requests_per_second: 7.5, markets: [BTC/USDT, ETH/USDT], timeframes: [1h]}
  mexc: {markets: [BTC/USDT], timeframes: [1h]}
"""
NAMES = {"venue": "okx", "symbol": "BTC/USDT", "source": "test"}
HOUR = timedelta(hours=1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

type Run = Callable[..., str]


def at(*clock: str) -> np.ndarray[tuple[int], np.dtype[np.datetime64]]:
    return np.array([f"2026-03-01T{one}" for one in clock], dtype="datetime64[us]")


def noon(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def seed_trades(warehouse: Warehouse) -> None:
    """12:00 buys 1 at 100 and sells 1 at 110; 12:15 buys 3 at 120; 12:30 is quiet; 12:45 was not collected; 13:05 sells."""
    moments = at("12:01", "12:14:59.999", "12:15", "13:05")
    numbers = {
        "price": ["100.00", "110", "120", "90"],
        "amount": ["1", "1.000", "3", "2"],
        "cost": ["100.00", "110.000", "360", "180"],
    }
    told = {
        "traded_at": moments,
        "trade_id": ["a", "b", "c", "d"],
        "side": ["buy", "sell", "buy", "sell"],
        "sequence": [1, 2, 3, 4],
        "fills": [1, 1, 1, 1],
        "known_at": moments,
    }
    with warehouse.connect() as connection:
        upsert(connection, trades, {**NAMES, **{name: np.array(values) for name, values in (told | numbers).items()}})
        mark_collected(connection, TRADES, "okx", "BTC/USDT", TICK, noon(0), noon(45))
        mark_collected(connection, TRADES, "okx", "BTC/USDT", TICK, noon(60), noon(75))


def seed_snapshots(warehouse: Warehouse) -> None:
    """Books at 12:00 and 12:05, tickers at 12:00, 12:05 and 12:10."""
    first = Levels((("99", "2"), ("98.5", "4")), (("101.00", "1"), ("102", "1"), ("150", "9")))
    second = Levels((("99.50", "2"), ("98.5", "4")), (("100.50", "6"), ("102", "1")))
    books = [OrderBook(levels, noon(minutes), None, None) for minutes, levels in ((0, first), (5, second))]
    moments = at("12:00", "12:05", "12:10")
    told = {
        "last": np.array([100.0, 103.0, 101.5]),
        "bid": np.array([99.0, 102.0, 101.0]),
        "ask": np.array([101.0, 104.0, 102.0]),
        "change_pct_24h": np.array([1.0, 2.0, -1.25]),
    }
    with warehouse.connect() as connection:
        upsert(connection, order_books, build_rows(SeriesKey(BOOKS, "okx", "BTC/USDT", TICK), books))
        upsert(connection, tickers, {**NAMES, "snapshot_at": moments, "known_at": moments, **told})


def seed_bars(warehouse: Warehouse) -> None:
    """Bars of 10:00, 11:00 and 13:00; 12:00 is missing; two minutes of 11:00 were added up from trades."""
    opened = at("10:00", "11:00", "13:00")
    closes = np.array([100.0, 110.0, 90.0])
    prices = dict.fromkeys(("open", "high", "low", "close", "volume_base"), closes)
    minutes = at("11:00", "11:01")
    sums = {
        "volume_base": np.array([2.0, 2.0]),
        "volume_quote": np.array([200.0, 240.0]),
        "buy_volume_base": np.array([1.0, 0.0]),
        "buy_volume_quote": np.array([110.0, 0.0]),
        "trade_count": np.array([2, 1]),
        "buy_count": np.array([1, 0]),
        "large_volume_quote": np.array([50.0, np.nan]),
    }
    key = SeriesKey(BARS, "okx", "BTC/USDT", "1h")
    with warehouse.connect() as connection:
        upsert(connection, ohlcv, {**NAMES, "timeframe": "1h", "opened_at": opened, "known_at": opened, **prices})
        upsert(connection, trade_bars, {**NAMES, "timeframe": "1m", "opened_at": minutes, "known_at": minutes, **sums})
        mark_collected(connection, *key.values(), NOON - 2 * HOUR, NOON + 2 * HOUR)
        observe(connection, ohlcv, key, (NOON - 2 * HOUR, NOON + 2 * HOUR), [(NOON, NOON + HOUR)])


def seed_operations(warehouse: Warehouse) -> None:
    """okx is left alone for five minutes; mexc was never troubled; one poll of okx is overdue and failed twice."""
    now = datetime.now(UTC)
    SharedPace(warehouse, "mexc", 100).reserve(1)
    pace = SharedPace(warehouse, "okx", 100)
    pace.reserve(1)
    pace.tell(BreakerStatus(BreakerState.OPEN, 5, 300.0, "HTTP 503 [maintenance]"))
    with warehouse.connect() as connection:
        late = Poll("BTC/USDT", now - HOUR, now - HOUR / 2, 300, None, 2, "HTTP 503", 90.0)
        write_poll(connection, TRADES, "okx", late)
        write_poll(connection, TRADES, "okx", Poll("ETH/USDT", now, now + HOUR, 300))


@pytest.fixture(scope="module")
def environment(shared_warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The variables of a profile whose warehouse holds what was seeded."""
    for seed in (seed_trades, seed_snapshots, seed_bars, seed_operations):
        seed(shared_warehouse)
    folder = tmp_path_factory.mktemp("show")
    (folder / "universe.yaml").write_text(UNIVERSE)
    return {
        "CRYPTO_ASSETS_HOME": str(folder / "home"),
        "CRYPTO_ASSETS_DATABASE_URL": shared_warehouse.url.get_secret_value(),
        "CRYPTO_ASSETS_UNIVERSE": str(folder / "universe.yaml"),
    }


@pytest.fixture
def run(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command on a wide terminal and gives what it printed; raises what it raises."""
    # COLUMNS would come too late: the console has looked when it was made, in a worker of xdist at the worker's.
    monkeypatch.setattr(OUT, "width", 160)

    def invoke(*arguments: str) -> str:
        told = CliRunner(env=environment).invoke(app, list(arguments), catch_exceptions=False)
        assert told.exit_code == 0, told.output
        return told.stdout

    return invoke


TRADED = ("show", "trades", "okx", "BTC/USDT", "--hours", "1.25")


def test_trades_are_added_up_window_by_window_with_what_was_not_collected(run: Run) -> None:
    told = json.loads(run(*TRADED, "--json"))
    windows = {one["opened_at"][11:16]: one for one in told["windows"]}
    assert list(windows) == ["12:00", "12:15", "12:30", "12:45", "13:00"]
    assert (windows["12:00"]["open"], windows["12:00"]["close"], windows["12:00"]["vwap"]) == (100, 110, 105)
    assert windows["12:00"]["buy_ratio"] == pytest.approx(100 / 210)
    assert [one["trade_count"] for one in windows.values()] == [2, 1, 0, 0, 1]
    assert [one["collected"] for one in windows.values()] == [1, 1, 1, 0, 1]
    assert windows["12:30"]["vwap"] is None
    total = told["total"]
    assert (total["open"], total["high"], total["low"], total["close"]) == (100, 120, 90, 90)
    assert (total["volume_quote"], total["trade_count"], total["collected"]) == (750, 4, 0.8)
    assert total["vwap"] == pytest.approx(750 / 7)
    assert total["buy_ratio"] == pytest.approx(460 / 750)
    assert told["large"] == {"from_quote": None, "quantile": 0.99, "trades": 4}
    assert [(one["trade_id"], one["price"], one["amount"]) for one in told["last"]] == [
        ("d", "90", "2"),
        ("c", "120", "3"),
        ("b", "110", "1.000"),
        ("a", "100.00", "1"),
    ]


def test_the_table_of_trades_says_what_is_a_hole_and_what_is_quiet(run: Run) -> None:
    told = run(*TRADED, "--last", "2")
    assert re.search(r"03-01 12:00 │ 100\.000 │ 110\.000 │ 105\.000 │ +210 │ █{6} +48% +│ +2 │ +│ +100% │", told)
    assert re.search(r"03-01 12:30 │ +│ +│ +│ +0 │ +│ +0 │ +│ +100% │", told)
    assert re.search(r"03-01 12:45 │ .*│ +0% │", told)
    assert re.search(r"all +│ 100\.000 │ +90\.0000 │ 107\.143 │ +750 │", told)
    assert "Collected: 80.0% of 2026-03-01 12:00 to 2026-03-01 13:15 UTC; not: 03-01 12:45:00 to" in told
    assert "Large: 4 trades are too few to tell which is large; it takes 1,000." in told
    assert re.search(r"vwap ▅█  ▁", told)
    assert "The newest 2 trades" in told
    assert re.search(r"03-01 13:05:00\.000 │ sell  │ +90 │ +2 │ +180 │ d", told)


def test_a_book_is_a_ladder_with_asks_above_bids(run: Run) -> None:
    told = run("show", "book", "okx", "BTC/USDT")
    prices = re.findall(r"│ (ask|bid) +│ +([\d.]+) │ +([\d.]+) │ +([\d,]+) │ +([\d,]+) │", told)
    assert prices == [
        ("ask", "102", "1", "102", "705"),
        ("ask", "100.50", "6", "603", "603"),
        ("bid", "99.50", "2", "199", "199"),
        ("bid", "98.5", "4", "394", "593"),
    ]
    assert "Mid 100.000, spread 100.000 bps, microprice 99.7500." in told
    # Both best prices are 50 bps from the middle: 199 of bids against 603 of asks.
    assert "Imbalance -0.504 within 50 bps: more asks." in told
    assert "Within 50 bps: bids 199, asks 603 USDT." in told
    assert "2 bids reach 150 bps down, 2 asks 200 bps up; 593 and 705 USDT." in told
    assert "spread █▁ last 2 snapshots" in told


def test_the_book_before_a_moment_is_exact_json(run: Run) -> None:
    told = json.loads(run("show", "book", "okx", "BTC/USDT", "--at", "2026-03-01T12:05", "--levels", "2", "--json"))
    assert told["snapshot_at"] == "2026-03-01T12:00:00+00:00"
    assert told["age_seconds"] == 300
    assert told["asks"] == [["101.00", "1", "101.00"], ["102", "1", "203.00"]]
    assert told["bids"] == [["99", "2", "198"], ["98.5", "4", "592.0"]]
    assert (told["mid"], told["spread_bps"], len(told["recent"])) == (100, 200, 1)
    assert told["microprice"] == pytest.approx((99 * 1 + 101 * 2) / 3)


def test_a_ticker_shows_the_newest_row_and_the_day(run: Run) -> None:
    told = run("show", "ticker", "okx", "BTC/USDT")
    assert re.search(r"last +│ +101\.500 │ USDT", told)
    assert re.search(r"spread +│ +98\.5222 │ basis points", told)
    assert re.search(r"change in 24 hours +│ +-1\.25 │ percent", told)
    assert re.search(r"value of 24 hours +│ not told", told)
    assert "last ▁█▅ 3 snapshots since 03-01 12:00" in told
    machine = json.loads(run("show", "ticker", "okx", "BTC/USDT", "--json"))
    assert (machine["last"], machine["volume_quote_24h"], machine["venue_at"]) == (101.5, None, None)
    assert [one["last"] for one in machine["day"]] == [100, 103, 101.5]


def test_bars_name_what_is_absent_and_stand_beside_what_trades_say(run: Run) -> None:
    told = run("show", "bars", "okx", "BTC/USDT", "--last", "4")
    assert re.search(r"2026-03-01 11:00 │ +110\.000 .*│ +110\.000 │ █{4} +25% +│ +25\.0% │ 2 of 60 │", told)
    assert re.search(r"2026-03-01 12:00 │ +missing │", told)
    assert "close ▅█ ▁" in told
    assert "Absent: 1 missing." in told
    rows = json.loads(run("show", "bars", "okx", "BTC/USDT", "--last", "5", "--json"))["bars"]
    assert [one["state"] for one in rows] == ["not_collected", "present", "present", "missing", "present"]
    assert [one["close"] for one in rows] == [None, 100, 110, None, 90]
    assert (rows[2]["vwap"], rows[2]["buy_ratio"], rows[2]["large_share"]) == (110, 0.25, 0.25)


@pytest.mark.parametrize(
    ("arguments", "problem", "way_out"),
    [
        (("trades", "okex", "BTC/USDT"), "Unknown venue 'okex'", "Did you mean okx? There are mexc, okx."),
        (
            ("book", "okx", "btc/usd"),
            "Unknown symbol 'btc/usd' on okx",
            "Did you mean BTC/USDT? There are BTC/USDT, ETH/USDT.",
        ),
        (
            ("ticker", "mexc", "BTC/USDT"),
            "No tickers of mexc BTC/USDT are stored",
            "Stored are those of okx BTC/USDT; `crypto-assets collect --venue mexc --market BTC/USDT` collects these.",
        ),
        (
            ("bars", "okx", "BTC/USDT", "--timeframe", "4h"),
            "No 4h bars of okx BTC/USDT are stored",
            "Choose from 1h, or collect them: `crypto-assets backfill --from …`.",
        ),
        (("bars", "okx", "BTC/USDT", "--timeframe", "7m"), "Unknown timeframe '7m'", "Choose from 1m, 5m, 15m"),
        (
            ("book", "okx", "BTC/USDT", "--at", "2026-03-01"),
            "No order book of okx BTC/USDT from before 2026-03-01 00:00:00 UTC is stored",
            "They are there from 2026-03-01 12:00:00 to 2026-03-01 12:05:00 UTC.",
        ),
        (("book", "okx", "BTC/USDT", "--at", "noon"), "--at is 'noon', no ISO 8601 time", "Write it as"),
        (("trades", "okx", "BTC/USDT", "--window", "soon"), "--window is 'soon'", "Write it as 1min"),
        (("trades", "okx", "BTC/USDT", "--window", "NaT"), "--window is 'NaT'", "Write it as 1min"),
        (("trades", "okx", "BTC/USDT", "--window", "15"), "--window is '15'", "Write it as 1min"),
        (("trades", "okx", "BTC/USDT", "--window", "1D"), "A window of 1D does not fit into 6 hours", "--hours 24"),
        (("trades", "okx", "BTC/USDT", "--window", "1s"), "6 hours hold 21,600 windows of 1s", "longer windows"),
    ],
)
def test_what_cannot_be_shown_is_said_with_a_way_out(
    run: Run, arguments: tuple[str, ...], problem: str, way_out: str
) -> None:
    with pytest.raises(CryptoAssetsError) as caught:
        run("show", *arguments)
    assert problem in caught.value.problem
    assert way_out in caught.value.way_out


def test_an_unknown_market_is_one_line_without_a_traceback(
    environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["crypto-assets", "show", "trades", "okx", "[bold]"])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert ended.value.code == 1
    assert "Error: Unknown symbol '[bold]' on okx" in told.err
    assert "Traceback" not in told.err + told.out


def test_nothing_stored_at_all_says_how_to_begin(warehouse: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "universe.yaml").write_text(UNIVERSE)
    universe, _ = read_universe(tmp_path / "universe.yaml")
    assert show_stored.stored_series(warehouse, trades) == []
    with pytest.raises(show_stored.NothingStored) as caught:
        show_stored.find_series(warehouse, trades, universe, ("okx", "BTC/USDT"), "trades")
    assert str(caught.value) == (
        "No trades of okx BTC/USDT are stored. Of no market are any;"
        " `crypto-assets collect --venue okx --market BTC/USDT` collects these."
    )


def test_status_names_an_open_breaker_late_polls_and_what_is_stored(run: Run) -> None:
    told = run("status")
    assert re.search(r"mexc +│ closed +│ +5 │", told)
    assert re.search(
        r"okx +│ open until \d\d:\d\d:\d\d UTC, \d min left +│ +7\.5 │.*│ HTTP 503 \[maintenance\] │", told
    )
    assert re.search(r"trades +│ okx +│ +2 │ \d+ (s|min) ago", told)
    assert re.search(r"│ +1 │ +1 min │ +1, 2 in a row │", told)
    assert re.search(r"market\.trades +│ okx +│ +1 │ +4 │ 2026-03-01 12:01:00 │ 2026-03-01 13:05:00 │", told)
    assert re.search(r"market\.order_books +│ okx +│ +1 │ +2 │", told)
    assert re.search(r"market\.tickers +│ okx +│ +1 │ +3 │", told)


def test_many_rows_are_estimated_and_few_are_counted(
    environment: Mapping[str, str], shared_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert environment
    assert show_stored.rows_by_venue(shared_warehouse, trades, ["okx", "mexc"]) == {
        "okx": (4, False),
        "mexc": (0, False),
    }
    monkeypatch.setattr(show_stored, "COUNTED", 2)
    rows, is_about = show_stored.rows_by_venue(shared_warehouse, trades, ["okx"])["okx"]
    assert is_about
    assert rows >= 3


def test_every_series_of_every_year_is_found_without_reading_rows(warehouse: Warehouse) -> None:
    keys = [(venue, symbol) for venue in ("a", "b") for symbol in ("X/Y", "Z/Y")]
    for year in (2024, 2025):
        moments = np.array([f"{year}-06-01"] * len(keys), dtype="datetime64[us]")
        venues, symbols = (np.array(list(names)) for names in zip(*keys, strict=True))
        batch = {"venue": venues, "symbol": symbols, "snapshot_at": moments, "known_at": moments, "source": "test"}
        with warehouse.connect() as connection:
            upsert(connection, tickers, batch)
    found = show_stored.stored_series(warehouse, tickers)
    assert [one.key for one in found] == keys
    assert {(one.first.year, one.newest.year) for one in found} == {(2024, 2025)}


@pytest.mark.parametrize(
    ("value", "told"),
    [(97123.456, "97,123.46"), (1.5, "1.50000"), (0.00001234, "0.0000123400"), (0, "0"), (float("nan"), "")],
)
def test_numbers_are_written_without_exponents(value: float, told: str) -> None:
    assert show_text.number_text(value) == told


def test_ages_shares_and_lines_are_short() -> None:
    ages = [timedelta(seconds=5), timedelta(minutes=3), timedelta(hours=2, minutes=5), timedelta(days=4, hours=1)]
    assert [show_text.age_text(age) for age in ages] == ["5 s", "3 min", "2 h 5 min", "4 d 1 h"]
    assert show_text.share_text(0.99999) == "99.9%"
    assert show_text.sparkline([1, 1, 2, 2, float("nan"), float("nan"), 3, 3], width=4) == "▁▅ █"
    assert show_text.sparkline([]) == ""
    volumes = [show_text.volume_text(value) for value in (0, 0.01234, 5.5, 9999, 12_345, 226_800_000, 2.5e9)]
    assert volumes == ["0", "0.0123", "5.50", "9,999", "12.3k", "226.8M", "2.5G"]


@pytest.mark.parametrize("command", ["trades", "book", "ticker", "bars"])
def test_every_help_shows_an_example(command: str) -> None:
    told = CliRunner().invoke(app, ["show", command, "--help"], env={"COLUMNS": "120"})
    assert told.exit_code == 0
    assert f"Example: crypto-assets show {command} binance BTC/USDT" in told.output
