"""Minutes out of trades: quiet ones have zeros and no price, and no bound knows a trade of its own hour."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crypto_assets.datasets.market.trade_bars.asset import build_bars, hour_bounds
from crypto_assets.datasets.market.trades.statistics import FEWEST_TRADES, TradeColumns
from crypto_assets.universe import TradeRules

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
T0 = np.datetime64("2026-03-01T12:00", "us")
MINUTE = np.timedelta64(60_000_000, "us")
HOUR = T0.astype("datetime64[h]")
PRICES = ("open", "high", "low", "close", "vwap")
SUMS = ("volume_base", "volume_quote", "buy_volume_base", "buy_volume_quote", "trade_count", "buy_count")
RULES = TradeRules(large_of_trades=FEWEST_TRADES, large_quantile=0.99)


def _trades(minutes: list[float], costs: list[float] | NDArray[np.float64]) -> TradeColumns:
    """Trades at a price of 2, at so many minutes after noon."""
    cost = np.asarray(costs, dtype=np.float64)
    at = T0 + (np.asarray(minutes, dtype=np.float64) * 60e6).astype("timedelta64[us]")
    size = len(cost)
    return TradeColumns(at, np.full(size, 2.0), cost / 2, cost, np.arange(size) % 2 == 0, np.ones(size, dtype=np.int64))


def _minutes(*numbers: int) -> NDArray[np.datetime64]:
    return (T0 + np.array(numbers, dtype=np.int64) * MINUTE).astype("datetime64[us]")


def test_each_minute_that_was_asked_for_has_a_row_by_hand() -> None:
    found = _trades([0, 0.5, 2, 5], [10, 30, 8, 100])
    told = build_bars(found, _minutes(0, 1, 2), {HOUR: 20.0})
    assert list(told["opened_at"]) == list(_minutes(0, 1, 2))
    assert list(told["known_at"]) == list(_minutes(1, 2, 3))
    assert list(told["volume_quote"]) == [40, 0, 8]
    assert list(told["buy_volume_quote"]) == [10, 0, 8]
    assert list(told["trade_count"]) == [2, 0, 1]
    assert list(told["large_volume_quote"]) == [30, 0, 0]
    assert list(told["large_from_quote"]) == [20, 20, 20]


def test_a_quiet_minute_has_zeros_and_no_price() -> None:
    told = build_bars(_trades([0], [10]), _minutes(0, 1), {HOUR: 20.0})
    assert [float(told[name][1]) for name in (*SUMS, "large_volume_quote")] == [0] * 7
    assert all(np.isnan(told[name][1]) for name in PRICES)
    assert all(told[name][0] == 2 for name in PRICES)


def test_counts_stay_whole_numbers() -> None:
    told = build_bars(_trades([0], [10]), _minutes(0, 1), {})
    assert {np.asarray(told[name]).dtype for name in ("trade_count", "buy_count")} == {np.dtype(np.int64)}


def test_minutes_before_behind_and_without_any_trade_are_quiet() -> None:
    told = build_bars(_trades([3], [10]), _minutes(0, 3, 9), {})
    assert list(told["volume_quote"]) == [0, 10, 0]
    assert list(build_bars(_trades([], []), _minutes(0, 1), {})["trade_count"]) == [0, 0]
    assert all(len(np.atleast_1d(values)) == 0 for values in build_bars(_trades([1], [1]), _minutes(), {}).values())


def test_without_a_bound_nothing_is_said_of_large_trades_even_in_a_quiet_minute() -> None:
    told = build_bars(_trades([0, 60], [10, 10]), _minutes(0, 1, 60, 61), {HOUR: float("nan"), HOUR + 1: 5.0})
    np.testing.assert_array_equal(told["large_volume_quote"], [np.nan, np.nan, 10, 0])
    np.testing.assert_array_equal(told["large_from_quote"], [np.nan, np.nan, 5, 5])


_ROWS = st.lists(st.tuples(st.floats(0, 180), st.floats(0.01, 1e6)), max_size=50).map(sorted)


@given(_ROWS, st.sets(st.integers(0, 179), max_size=60))
def test_the_minutes_add_up_to_the_trades_in_them(rows: list[tuple[float, float]], chosen: set[int]) -> None:
    found = _trades([minute for minute, _ in rows], [cost for _, cost in rows])
    minutes = _minutes(*sorted(chosen))
    told = build_bars(found, minutes, {HOUR: 100.0, HOUR + 1: 1e9, HOUR + 2: float("nan")})
    inside = np.isin(found.traded_at.astype("datetime64[m]").astype("datetime64[us]"), minutes)
    assert len(np.asarray(told["opened_at"])) == len(chosen)
    assert np.sum(told["volume_quote"]) == pytest.approx(found.cost[inside].sum())
    assert np.sum(told["trade_count"]) == inside.sum()
    large = inside & (found.cost >= 100) & (found.traded_at < T0 + 60 * MINUTE)
    assert np.nansum(told["large_volume_quote"]) == pytest.approx(found.cost[large].sum())
    quiet = np.asarray(told["trade_count"]) == 0
    for name in PRICES:
        np.testing.assert_array_equal(np.isnan(np.asarray(told[name])), quiet)


def test_each_hours_bound_comes_from_the_trades_before_it_by_hand() -> None:
    before = np.arange(1.0, 1001)
    found = _trades([0, 60], [5000, 7])
    bounds = hour_bounds(found, before, (NOON, NOON + timedelta(hours=3)), RULES)
    # At noon 1 … 1000; at one o'clock 2 … 1000 and 5000; at two 3 … 1000, 5000 and 7. The last percent begins at:
    assert bounds == {HOUR: 991, HOUR + 1: 992, HOUR + 2: 992}


def test_too_few_trades_before_give_no_bound() -> None:
    found = _trades([0.01 * n for n in range(1500)], np.arange(1500.0) + 1)
    bounds = hour_bounds(found, np.empty(0), (NOON, NOON + timedelta(hours=2)), RULES)
    assert np.isnan(bounds[HOUR])
    assert bounds[HOUR + 1] == 1491  # of the last thousand, 501 … 1500


@given(st.lists(st.floats(0, 120), max_size=40).map(sorted), st.integers(990, 1040), st.integers(0, 3))
def test_no_bound_knows_a_trade_of_its_own_hour_or_a_later_one(moments: list[float], earlier: int, hour: int) -> None:
    costs = np.linspace(1, 50, len(moments))
    changed = np.where(np.array(moments) >= 60 * hour, 1e9, costs)
    before = np.linspace(1, 50, earlier)
    span = (NOON, NOON + timedelta(hours=3))
    one = hour_bounds(_trades(moments, costs), before, span, RULES)
    other = hour_bounds(_trades(moments, changed), before, span, RULES)
    for at in [HOUR + n for n in range(min(hour, 2) + 1)]:
        np.testing.assert_equal(one[at], other[at])


@given(st.lists(st.floats(0, 119.9), max_size=30).map(sorted))
def test_a_bound_is_the_same_whether_its_hour_is_the_spans_first_or_not(moments: list[float]) -> None:
    costs = np.linspace(1, 5000, len(moments))
    before = np.linspace(1, 50, 1200)
    found = _trades(moments, costs)
    whole = hour_bounds(found, before, (NOON, NOON + timedelta(hours=2)), RULES)
    cut = found.between(T0 + 60 * MINUTE, T0 + 120 * MINUTE)
    known = np.concatenate((before, found.between(T0, T0 + 60 * MINUTE).cost))[-FEWEST_TRADES:]
    part = hour_bounds(cut, known, (NOON + timedelta(hours=1), NOON + timedelta(hours=2)), RULES)
    assert part == {HOUR + 1: whole[HOUR + 1]}
