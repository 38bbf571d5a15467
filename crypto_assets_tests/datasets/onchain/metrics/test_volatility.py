"""Volatility from closes: against hand-made numbers, and from stored bars."""

from __future__ import annotations

import math
import statistics
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.datasets.onchain.metrics.volatility import dollar_markets, volatilities, weekly_volatility
from crypto_assets.universe import parse_universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.write import upsert
from crypto_assets_tests.datasets.onchain.metrics.stage import UNIVERSE

FIRST = date(2026, 3, 1)
DAY = timedelta(days=1)


def put(warehouse: Warehouse, venue: str, symbol: str, frame: str, closes: dict[datetime, float]) -> None:
    """Bars by when they close."""
    length = DAY if frame == "1d" else timedelta(hours=1)
    opened = np.array([(at - length).replace(tzinfo=None) for at in closes], dtype="datetime64[us]")
    price = np.array(list(closes.values()))
    with warehouse.connect() as connection:
        upsert(
            connection, ohlcv,
            {"venue": venue, "symbol": symbol, "timeframe": frame, "opened_at": opened, "open": price, "high": price,
             "low": price, "close": price, "volume_base": price, "source": "test",
             "known_at": opened + np.timedelta64(length)},
        )  # fmt: skip


def closing(first: date, prices: list[float]) -> dict[datetime, float]:
    """Prices at the end of successive days."""
    start = datetime(first.year, first.month, first.day, tzinfo=UTC) + DAY
    return {start + DAY * number: price for number, price in enumerate(prices)}


def test_a_price_that_goes_up_and_down_by_the_same_step_has_that_steps_deviation() -> None:
    closes = {FIRST + DAY * number: 100.0 * (1.1 if number % 2 else 1.0) for number in range(8)}
    # Returns are +s, -s, +s, -s, +s, -s, +s with s = ln 1.1: their mean is s/7, their sum of squares 7 s^2.
    step = math.log(1.1)
    expected = math.sqrt((7 * step**2 - 7 * (step / 7) ** 2) / 6) * math.sqrt(365)
    assert weekly_volatility(closes, FIRST + 7 * DAY) == pytest.approx(expected, rel=1e-12)


@given(st.lists(st.floats(0.01, 1e6), min_size=8, max_size=8))
def test_it_is_the_sample_deviation_of_log_returns_a_year(prices: list[float]) -> None:
    closes = {FIRST + DAY * number: price for number, price in enumerate(prices)}
    returns = [math.log(later) - math.log(sooner) for sooner, later in pairwise(prices)]
    found = weekly_volatility(closes, FIRST + 7 * DAY)
    assert found == pytest.approx(statistics.stdev(returns) * math.sqrt(365), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("absent", range(8))
def test_without_one_of_the_eight_closes_it_is_not_known(absent: int) -> None:
    closes = {FIRST + DAY * number: 100.0 for number in range(8) if number != absent}
    assert weekly_volatility(closes, FIRST + 7 * DAY) is None
    assert weekly_volatility({**closes, FIRST + DAY * absent: 0.0}, FIRST + 7 * DAY) is None


def test_markets_for_dollars_come_in_the_universes_order() -> None:
    universe = parse_universe(UNIVERSE, "universe.yaml")
    assert dollar_markets(universe, "BTC") == [("binance", "BTC/USDT"), ("kraken", "BTC/USD")]
    assert dollar_markets(universe, "DOGE") == []


def test_a_day_that_one_market_lacks_comes_from_the_next_and_then_from_hours(warehouse: Warehouse) -> None:
    universe = parse_universe(UNIVERSE, "universe.yaml")
    prices = [100.0 + number for number in range(12)]
    put(warehouse, "binance", "BTC/USDT", "1d", closing(FIRST, prices[:9]))
    put(warehouse, "kraken", "BTC/USD", "1d", closing(FIRST, [2 * price for price in prices[:10]]))
    hours = closing(FIRST, prices)
    put(warehouse, "binance", "BTC/USDT", "1h", hours | {at - timedelta(hours=5): 7.0 for at in hours})
    found = dict(volatilities(warehouse, universe, "BTC", [FIRST + DAY * number for number in range(6, 12)]))
    assert {source: [day.day for day, _ in values] for source, values in found.items()} == {
        "market/ohlcv binance BTC/USDT 1d": [8, 9],
        "market/ohlcv kraken BTC/USD 1d": [10],
        "market/ohlcv binance BTC/USDT 1h": [11, 12],
    }
    closes = {FIRST + DAY * number: price for number, price in enumerate(prices)}
    told = {day: value for values in found.values() for day, value in values}
    assert all(value == pytest.approx(weekly_volatility(closes, day), rel=1e-9) for day, value in told.items())
