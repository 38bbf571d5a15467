"""Collecting through the real client on the sandbox into a real PostgreSQL."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from crypto_assets.clients.exchange import Exchange
from crypto_assets.datasets.market.ohlcv.collect import Outcome, Series, collect_series, rechecked
from crypto_assets.datasets.market.ohlcv.table import DATASET, ohlcv
from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.schema.bookkeeping import quarantine, revisions
from crypto_assets.warehouse.collected import mark_collected, read_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame
from crypto_assets_tests.playing import NOW, exchange_of

HOUR = timedelta(hours=1)
START = NOW.replace(minute=0, second=0) - 100 * HOUR
SERIES = Series("binance", "BTC/USDT", "1h", START, NOW)


@pytest.fixture
def exchange(sandbox: SandboxProcess) -> Exchange:
    exchange = exchange_of(sandbox.url, "binance")
    exchange.symbols()
    return exchange


def _count(warehouse: Warehouse, table: object = ohlcv) -> int:
    return int(read_frame(warehouse, select(func.count().label("rows")).select_from(table))["rows"].iloc[0])  # type: ignore[arg-type]


def _told(outcome: Outcome) -> tuple[int, int, int, int, int]:
    return outcome.received, outcome.inserted, outcome.changed, outcome.quarantined, outcome.absent


def test_every_closed_bar_is_stored_with_close_time_source_and_counts(warehouse: Warehouse, exchange: Exchange) -> None:
    outcome = collect_series(warehouse, exchange, SERIES)
    assert _told(outcome) == (100, 100, 0, 0, 0)
    assert (outcome.first, outcome.last) == (START, START + 99 * HOUR)
    frame = read_frame(warehouse, select(ohlcv).order_by(ohlcv.c.opened_at))
    assert list(frame["opened_at"]) == [START + n * HOUR for n in range(100)]
    assert (frame["known_at"] - frame["opened_at"] == HOUR).all()
    assert set(frame["source"]) == {"binance REST"}
    assert frame["trade_count"].notna().all()
    assert frame["volume_quote"].notna().all()


def test_a_second_run_asks_for_nothing_but_the_young_bars_and_writes_nothing(
    warehouse: Warehouse, exchange: Exchange, sandbox: SandboxProcess
) -> None:
    collect_series(warehouse, exchange, SERIES)
    before = sandbox.requests()["binance /api/v3/klines"]
    again = collect_series(warehouse, exchange, SERIES)
    assert (again.inserted, again.changed) == (0, 0)
    assert sandbox.requests()["binance /api/v3/klines"] - before <= 1
    assert _count(warehouse) == 100


def test_only_what_is_missing_is_asked_for(warehouse: Warehouse, exchange: Exchange) -> None:
    collect_series(warehouse, exchange, Series("binance", "BTC/USDT", "1h", START + 40 * HOUR, START + 60 * HOUR))
    outcome = collect_series(warehouse, exchange, SERIES)
    assert _told(outcome) == (80, 80, 0, 0, 0)
    with warehouse.connect() as connection:
        spans = read_collected(connection, DATASET, "binance", "BTC/USDT", "1h")
    assert [(start, end) for start, end in spans] == [(START, START + 100 * HOUR)]


def test_a_revised_bar_is_changed_and_its_old_value_kept(
    warehouse: Warehouse, exchange: Exchange, sandbox: SandboxProcess
) -> None:
    sandbox.set_faults([Fault(kind="revised_bars", bars=2)])
    collect_series(warehouse, exchange, SERIES)
    sandbox.clear_faults()
    outcome = collect_series(warehouse, exchange, SERIES, refresh=True)
    assert _told(outcome) == (100, 0, 2, 0, 0)
    kept = read_frame(warehouse, select(revisions.c.table_name))
    assert list(kept["table_name"]) == ["market.ohlcv"] * 2


def test_a_broken_row_is_quarantined_and_leaves_a_gap_that_is_counted(
    warehouse: Warehouse, exchange: Exchange, sandbox: SandboxProcess
) -> None:
    sandbox.set_faults([Fault(kind="ohlc_broken", route="klines")])
    outcome = collect_series(warehouse, exchange, SERIES)
    assert _told(outcome) == (99, 99, 0, 1, 1)
    assert not outcome.failed
    [reason] = read_frame(warehouse, select(quarantine.c.reason))["reason"]
    assert reason == "high is below open, close or low"


def test_an_html_page_fails_the_series_by_name_and_is_kept(
    warehouse: Warehouse, exchange: Exchange, sandbox: SandboxProcess
) -> None:
    sandbox.set_faults([Fault(kind="html_200", route="klines")])
    outcome = collect_series(warehouse, exchange, SERIES)
    assert outcome.failed
    assert "binance" in outcome.warning
    assert _count(warehouse) == 0
    [payload] = read_frame(warehouse, select(func.cast(quarantine.c.payload, ohlcv.c.source.type).label("body")))[
        "body"
    ]
    assert "Checking your browser" in payload


def test_what_came_before_a_failure_stands_and_the_next_run_fetches_the_rest(
    warehouse: Warehouse, sandbox: SandboxProcess
) -> None:
    exchange = exchange_of(sandbox.url, "mexc")
    exchange.symbols()
    series = Series("mexc", "BTC/USDT", "1m", NOW - timedelta(minutes=1600), NOW)
    sandbox.set_faults([Fault(kind="unavailable", venue="mexc", route="klines", rate=0.45)])
    outcomes = [collect_series(warehouse, exchange, series)]
    sandbox.clear_faults()
    outcomes.append(collect_series(warehouse, exchange, series))
    assert sum(outcome.inserted for outcome in outcomes) == 1599
    assert _count(warehouse) == 1599


def test_late_bars_are_fetched_by_the_next_run(
    warehouse: Warehouse, exchange: Exchange, sandbox: SandboxProcess
) -> None:
    series = Series("binance", "BTC/USDT", "1m", NOW - timedelta(minutes=60), NOW)
    sandbox.set_faults([Fault(kind="late_bars", bars=2)])
    assert collect_series(warehouse, exchange, series).inserted == 57
    sandbox.clear_faults()
    assert collect_series(warehouse, exchange, series).inserted == 2


def test_a_venue_that_keeps_only_its_newest_bars_is_asked_for_no_others_and_says_so(
    warehouse: Warehouse, sandbox: SandboxProcess
) -> None:
    exchange = exchange_of(sandbox.url, "kraken")
    long_ago = Series("kraken", "BTC/USD", "1m", datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 2, 1, tzinfo=UTC))
    asked = sandbox.requests().get("kraken /0/public/OHLC", 0)
    outcome = collect_series(warehouse, exchange, long_ago)
    assert sandbox.requests().get("kraken /0/public/OHLC", 0) == asked
    assert (outcome.received, outcome.failed) == (0, False)
    assert "no longer serves bars before" in outcome.warning


def test_hostile_symbols_are_text_and_nothing_else(warehouse: Warehouse) -> None:
    hostile = "'; DROP TABLE market.ohlcv; --"
    with warehouse.connect() as connection:
        mark_collected(connection, DATASET, hostile, hostile, "1h", START, NOW)
        assert read_collected(connection, DATASET, hostile, hostile, "1h") == [(START, NOW)]
    assert _count(warehouse) == 0


def test_young_stored_bars_are_asked_for_again_and_old_ones_are_not() -> None:
    minute = timedelta(minutes=1)
    collected = [(NOW - HOUR, NOW - 2 * minute)]
    young = rechecked([(NOW - 2 * minute, NOW)], collected, (NOW - HOUR, NOW), "1m", NOW)
    assert young == [(NOW - 5 * minute, NOW)]
    old = [(NOW - 50 * HOUR, NOW - 49 * HOUR)]
    assert rechecked(old, [(NOW - 60 * HOUR, NOW - 50 * HOUR)], (NOW - 60 * HOUR, NOW), "1m", NOW) == old
