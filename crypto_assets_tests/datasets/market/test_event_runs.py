"""The real job collect_events against the sandbox: whole days, scheduled rounds, venues in trouble."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import func, select

from crypto_assets.datasets.market.ohlcv.collect import Series, collect_series
from crypto_assets.datasets.market.order_books.table import order_books
from crypto_assets.datasets.market.tickers.table import tickers
from crypto_assets.datasets.market.trade_bars.checks import trades_match_bars
from crypto_assets.datasets.market.trade_bars.table import trade_bars
from crypto_assets.datasets.market.trades.table import DATASET, trades
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.coverage import read_gaps
from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.schema.operations import market_polls, provider_limits
from crypto_assets.universe import read_universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.limits import resting_providers
from crypto_assets.warehouse.read import read_frame
from crypto_assets_tests.datasets.market.events import EventStage, checks, metadata
from crypto_assets_tests.playing import exchange_of


@pytest.fixture(scope="module")
def live_sandbox() -> Iterator[SandboxProcess]:
    """A sandbox whose clock is the real one: a book of now can be asked for."""
    with SandboxProcess(SandboxConfig()) as process:
        yield process


@pytest.fixture
def stage(tmp_path: Path, warehouse: Warehouse, live_sandbox: SandboxProcess) -> Iterator[EventStage]:
    now = datetime.now(UTC)
    if (now.hour, now.minute // 5) == (0, 0):
        pytest.skip("the day is too young: its first minutes hold too few trades to judge by")
    live_sandbox.clear_faults()
    with dg.DagsterInstance.ephemeral() as instance:
        yield EventStage(tmp_path, warehouse, live_sandbox.url, instance)
    live_sandbox.clear_faults()


def _count(stage: EventStage, table: object) -> int:
    return int(read_frame(stage.warehouse, select(func.count().label("n")).select_from(table))["n"].iloc[0])  # type: ignore[arg-type]


def test_a_round_collects_all_four_and_every_check_holds(stage: EventStage) -> None:
    now = datetime.now(UTC)
    result = stage.run("binance", now)
    assert result.success, result.all_events
    assert {name for name, passed in checks(result).items() if not passed} == set()
    assert len(checks(result)) == 22
    assert _count(stage, tickers) == 3
    assert _count(stage, order_books) == 3
    assert metadata(result, "trades")["dagster/row_count"] == _count(stage, trades) > 0
    assert _count(stage, trade_bars) >= 3  # of three minutes and three markets, the one still open is not whole
    polls = read_frame(stage.warehouse, select(market_polls).order_by(market_polls.c.dataset))
    assert list(polls.groupby("dataset").size().items()) == [("market/order_books", 3), ("market/trades", 3)]
    assert (polls["due_at"] > polls["polled_at"]).all()
    [limits] = read_frame(stage.warehouse, select(provider_limits)).to_dict("records")
    assert (limits["provider"], limits["breaker"], limits["throttled"]) == ("binance", "closed", 0)
    assert limits["requests"] >= 8  # markets, tickers, three books, three pages of trades
    # What is not due yet is not asked for again.
    again = stage.run("binance", now)
    assert again.success
    assert metadata(again, "order_books")["dagster/row_count"] == 0
    assert metadata(again, "trades")["dagster/row_count"] == 0


def test_minutes_of_trades_are_the_venues_candles(stage: EventStage, live_sandbox: SandboxProcess) -> None:
    start = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=3)
    end = start + timedelta(minutes=20)
    if start.date() != end.date():
        start, end = start - timedelta(hours=1), end - timedelta(hours=1)
    span = {"since": start.isoformat(), "until": end.isoformat()}
    for venue, symbol in (("binance", "ETH/USDT"), ("kraken", "BTC/USD"), ("mexc", "BTC/USDT")):
        result = stage.run(venue, start, {"trades": {**span, "markets": [symbol]}}, due_only=False)
        assert result.success, result.all_events
        exchange = exchange_of(live_sandbox.url, venue)
        exchange.venue = exchange.venue.model_copy(update={"history_bars": None})
        collect_series(stage.warehouse, exchange, Series(venue, symbol, "1m", start, end))
        universe, _ = read_universe(stage.file)
        window = VenueWindow(venue, start, end)
        [found] = trades_match_bars(stage.warehouse, universe, window)
        assert (found.symbol, found.checked, found.failed) == (symbol, 20, 0)
    # A trade that is not there is seen by the comparison.
    with stage.warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE market.trade_bars SET volume_base = volume_base * 0.999 WHERE venue = 'mexc' AND opened_at = %s",
            (start,),
        )
    [found] = trades_match_bars(stage.warehouse, universe, window)
    assert (found.failed, found.example) == (1, f"{start:%Y-%m-%d %H:%M}")


def test_a_day_that_is_over_has_no_books_and_no_tickers(stage: EventStage) -> None:
    day = datetime.now(UTC) - timedelta(days=2)
    noon = day.replace(hour=12, minute=0, second=0, microsecond=0)
    span = {"since": noon.isoformat(), "until": (noon + timedelta(minutes=2)).isoformat()}
    result = stage.run("mexc", day, {"trades": span}, due_only=False)
    assert result.success
    assert metadata(result, "order_books")["dagster/row_count"] == 0
    assert _count(stage, tickers) == 0
    assert _count(stage, trades) > 0
    assert _count(stage, trade_bars) == 2


def test_a_venue_that_refuses_everything_ends_the_run_in_a_named_warning_and_the_next_one_loses_nothing(
    stage: EventStage, live_sandbox: SandboxProcess
) -> None:
    now = datetime.now(UTC)
    assert stage.run("binance", now).success
    first = read_frame(stage.warehouse, select(func.max(trades.c.traded_at).label("at")))["at"].iloc[0]
    before = live_sandbox.requests().copy()
    live_sandbox.set_faults([Fault(kind="throttled", venue="binance", retry_after="1")])
    with stage.warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE ops.market_polls SET due_at = now(), polled_at = now() - interval '5 min'")
    blocked = stage.run("binance", now)
    assert blocked.success, "a venue that asks for rest is no failure of ours"
    warnings = str(metadata(blocked, "trades")["warnings"])
    assert "binance" in warnings
    assert "429" in warnings
    assert metadata(blocked, "trades")["markets_postponed"] == 3
    asked = sum(live_sandbox.requests().values()) - sum(before.values())
    assert asked <= 4  # over all three datasets: four failures in a row open the breaker
    [limits] = read_frame(stage.warehouse, select(provider_limits)).to_dict("records")
    assert limits["throttled"] > 0
    assert limits["breaker"] == "open"
    assert "binance" in resting_providers(stage.warehouse, datetime.now(UTC))
    live_sandbox.clear_faults()
    with stage.warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE ops.provider_limits SET open_until = now()")  # as if its rest were over
        cursor.execute("UPDATE ops.market_polls SET due_at = now(), polled_at = now() - interval '5 min'")
    later = stage.run("binance", datetime.now(UTC))
    assert later.success
    assert metadata(later, "trades")["dagster/row_count"] > 0  # type: ignore[operator]
    assert read_gaps(stage.warehouse, dataset=DATASET).empty
    assert checks(later)["trades.no_trade_is_missing"]
    newest = read_frame(stage.warehouse, select(func.max(trades.c.traded_at).label("at")))["at"].iloc[0]
    assert newest > first
    [limits] = read_frame(stage.warehouse, select(provider_limits)).to_dict("records")
    assert limits["breaker"] == "closed"


def test_a_wrong_symbol_fails_the_run_and_names_those_there_are(stage: EventStage) -> None:
    result = stage.run("binance", datetime.now(UTC), {"trades": {"markets": ["NOPE/USDT"]}})
    assert not result.success
    told = [event.step_failure_data.user_failure_data for event in result.all_events if event.is_step_failure]
    assert "NOPE/USDT" in str(told)
    assert "BTC/USDT" in str(told)


def test_what_a_venue_lacks_is_said_once_by_name_and_left_out(stage: EventStage) -> None:
    result = stage.run("mexc", datetime.now(UTC), lacking=("fetchOrderBook", "fetchTickers"))
    assert result.success
    assert str(metadata(result, "order_books")["warnings"]).count("mexc does not serve order books") == 1
    assert str(metadata(result, "tickers")["warnings"]).count("mexc does not serve tickers") == 1
    assert _count(stage, order_books) == _count(stage, tickers) == 0
    assert _count(stage, trades) > 0


def test_a_book_is_compared_with_the_one_of_the_run_before(stage: EventStage) -> None:
    now = datetime.now(UTC)
    assert stage.run("mexc", now).success
    with stage.warehouse.connect() as connection, connection.cursor() as cursor:
        # As if five minutes had passed, in which the price halved.
        cursor.execute("UPDATE ops.market_polls SET due_at = now(), polled_at = now() - interval '5 min'")
        cursor.execute("UPDATE market.order_books SET mid = mid * 2")
    assert stage.run("mexc", now).success
    polls = select(market_polls).where(market_polls.c.dataset == "market/order_books")
    [moved] = read_frame(stage.warehouse, polls).to_dict("records")
    # Half of the price that was stored: 5,000 basis points in 300 seconds.
    assert moved["activity"] == pytest.approx(5000 / 300, rel=0.02)
