"""The made-up market: stateless, plausible, and each coarser bar just the sum of its minutes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_assets.sandbox.bars import BarColumns, aggregate
from crypto_assets.sandbox.market import SeededMarket

MINUTE = 60_000
NOW = 1_900_000_040_000  # 20 s into a minute of 2030


def _market(seed: int = 7) -> SeededMarket:
    return SeededMarket(seed, lambda: NOW)


@given(
    first=st.integers(1_262_304_000_000, 1_890_000_000_000),
    length=st.sampled_from([5, 15, 30, 60, 240]),
    venue=st.sampled_from(["binance", "okx"]),
)
@settings(max_examples=25, deadline=None)
def test_a_coarser_bar_is_the_first_highest_lowest_last_and_sum_of_its_minutes(
    first: int, length: int, venue: str
) -> None:
    span = length * MINUTE
    start = first - first % span
    [coarse] = [_market().bars(venue, "ETH/USDT", span, start, start + span)]
    fine = _market().bars(venue, "ETH/USDT", MINUTE, start, start + span).values
    assert coarse.opened_at_ms.tolist() == [start]
    assert coarse.values["open"][0] == fine["open"][0]
    assert coarse.values["close"][0] == fine["close"][-1]
    assert coarse.values["high"][0] == max(fine["high"])
    assert coarse.values["low"][0] == min(fine["low"])
    assert coarse.values["volume_base"][0] == pytest.approx(sum(fine["volume_base"]))
    assert coarse.values["trade_count"][0] == sum(fine["trade_count"])


def test_the_same_minute_is_the_same_however_it_is_asked_for() -> None:
    wide = _market().bars("mexc", "BTC/USDT", MINUTE, 1_700_000_000_000, 1_700_006_000_000)
    narrow = _market().bars("mexc", "BTC/USDT", MINUTE, 1_700_003_000_000, 1_700_003_060_000)
    at = wide.opened_at_ms.tolist().index(int(narrow.opened_at_ms[0]))
    assert {name: values[0] for name, values in narrow.values.items()} == {
        name: values[at] for name, values in wide.values.items()
    }


def test_another_seed_is_another_market_and_another_venue_is_nearly_the_same() -> None:
    span = ("BTC/USDT", MINUTE, 1_700_000_000_000, 1_700_600_000_000)
    one, other = (_market(seed).bars("binance", *span).values["close"] for seed in (7, 8))
    assert not np.allclose(one, other, rtol=0.001)
    there = _market().bars("okx", *span).values["close"]
    assert 0 < np.abs(there / one - 1).max() < 0.002


@pytest.mark.parametrize(
    ("symbol", "low", "high"), [("BTC/USDT", 20_000, 400_000), ("XRP/USDT", 0.4, 12), ("ETH/BTC", 0.005, 0.3)]
)
def test_prices_stay_near_their_level_and_bars_are_sound(symbol: str, low: float, high: float) -> None:
    bars = _market().bars("binance", symbol, 3_600_000, 1_600_000_000_000, 1_610_000_000_000)
    values = bars.values
    assert low < values["low"].min() <= values["high"].max() < high
    assert (values["high"] >= np.maximum(values["open"], values["close"])).all()
    assert (values["low"] <= np.minimum(values["open"], values["close"])).all()
    assert (values["open"][1:] == values["close"][:-1]).all()
    assert np.abs(values["close"] / values["open"] - 1).max() < 0.2


def test_the_bar_still_open_holds_the_minutes_that_have_begun() -> None:
    bars = _market().bars("binance", "BTC/USDT", 3_600_000, NOW - 7_200_000, NOW + 7_200_000)
    last = int(bars.opened_at_ms[-1])
    assert last <= NOW < last + 3_600_000
    minutes = _market().bars("binance", "BTC/USDT", MINUTE, last, NOW + MINUTE)
    assert bars.values["close"][-1] == minutes.values["close"][-1]
    assert int(minutes.opened_at_ms[-1]) <= NOW


@pytest.mark.parametrize(("length", "bars"), [(MINUTE, 3000), (60 * MINUTE, 1500), (1440 * MINUTE, 150)])
def test_a_span_over_several_cached_blocks_is_whole_and_like_its_parts(length: int, bars: int) -> None:
    market, start = _market(), 1_700_006_400_000  # a midnight
    whole = market.bars("gate", "SOL/USDT", length, start, start + bars * length)
    assert whole.opened_at_ms.tolist() == [start + n * length for n in range(bars)]
    part = _market().bars("gate", "SOL/USDT", length, start + 7 * length, start + (bars - 3) * length)
    for name in whole.values:
        np.testing.assert_array_equal(part.values[name], whole.values[name][7:-3])
    assert (whole.values["open"][1:] == whole.values["close"][:-1]).all()


def test_a_span_that_holds_no_opening_time_is_empty() -> None:
    assert len(_market().bars("gate", "SOL/USDT", MINUTE, NOW + MINUTE, NOW + 9 * MINUTE)) == 0
    assert len(_market().bars("gate", "SOL/USDT", MINUTE, NOW, NOW + 1)) == 0


def test_a_clock_on_the_boundary_has_just_opened_a_bar() -> None:
    boundary = 1_900_000_800_000 - 1_900_000_800_000 % (60 * MINUTE)
    bars = SeededMarket(7, lambda: boundary).bars("okx", "ETH/USDT", 60 * MINUTE, boundary - 60 * MINUTE, boundary + 1)
    assert bars.opened_at_ms.tolist() == [boundary - 60 * MINUTE, boundary]
    minute = SeededMarket(7, lambda: boundary).bars("okx", "ETH/USDT", MINUTE, boundary, boundary + 1)
    assert {name: values[1] for name, values in bars.values.items()} == {
        name: values[0] for name, values in minute.values.items()
    }


def test_aggregation_by_hand() -> None:
    columns = ("open", "high", "low", "close", "volume_base", "volume_quote", "trade_count")
    rows = [(1, 3, 1, 2, 10, 20, 1), (2, 5, 2, 4, 10, 30, 2), (4, 4, 0.5, 1, 1, 1, 3)]
    fine = BarColumns(
        np.array([0, 60_000, 300_000]),
        {name: np.array([row[i] for row in rows], float) for i, name in enumerate(columns)},
    )
    coarse = aggregate(fine, 300_000)
    assert coarse.opened_at_ms.tolist() == [0, 300_000]
    assert [coarse.values[name].tolist() for name in columns] == [
        [1, 4],
        [5, 4],
        [1, 0.5],
        [4, 1],
        [20, 1],
        [50, 1],
        [3, 3],
    ]
