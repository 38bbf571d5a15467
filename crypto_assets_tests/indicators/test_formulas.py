"""Formulas by hand, against other engines, and at the edges where engines answer nonsense."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pandas_ta
import pytest
import talib
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crypto_assets.indicators.catalog import GROUPS, INDICATORS, IndicatorUnknown, groups_of
from crypto_assets.indicators.declaration import SEED_WEIGHT, Bars, Floats, Kind, settled
from crypto_assets.indicators.segments import compute_groups, join_quiet
from crypto_assets_tests.markets import HOUR, walk

COUNT = 700


@pytest.fixture(scope="module")
def bars() -> Bars:
    return walk(COUNT, 7)


@pytest.fixture(scope="module")
def computed(bars: Bars) -> dict[str, Floats]:
    return _compute(bars)


def _compute(bars: Bars) -> dict[str, Floats]:
    return compute_groups(join_quiet(bars, HOUR), GROUPS)


def test_there_is_every_indicator_and_its_comment_says_what_it_is() -> None:
    wanted = {
        "sma_20", "sma_50", "sma_200", "ema_12", "ema_26", "rsi_14", "macd", "macd_signal", "macd_histogram",
        "bollinger_upper", "bollinger_middle", "bollinger_lower", "bollinger_width", "bollinger_percent_b", "atr_14",
        "natr_14", "adx_14", "plus_di_14", "minus_di_14", "obv", "mfi_14", "cci_20", "stochastic_k", "stochastic_d",
        "williams_r_14", "roc_10", "momentum_10", "vwap_day", "realized_volatility_24", "realized_volatility_168",
        "garman_klass_24", "parkinson_24", "return_1", "return_4", "return_24", "return_168", "close_zscore_20",
        "volume_zscore_20", "donchian_upper", "donchian_middle", "donchian_lower", "keltner_upper", "keltner_middle",
        "keltner_lower", "supertrend", "supertrend_direction", "aroon_up", "aroon_down", "close_lag_1", "close_lag_2",
        "close_lag_3",
    }  # fmt: skip
    assert set(INDICATORS) == wanted
    for one in INDICATORS.values():
        assert f"first value after {one.warm_up} bars" in one.comment
        assert one.unit
        assert one.source


def test_values_begin_after_the_stated_warm_up_and_never_before(computed: dict[str, Floats]) -> None:
    for one in INDICATORS.values():
        values = computed[one.name]
        assert np.isnan(values[: one.warm_up]).all(), one.name
        if not one.name.startswith("supertrend"):  # which waits for its first change of direction
            assert np.isfinite(values[one.warm_up :]).all(), one.name


def test_a_seed_is_let_out_when_it_weighs_one_percent() -> None:
    assert settled(11, 2 / 13) == 11 + 28  # (11/13)^28 = 0.0093, (11/13)^27 = 0.0110
    assert (11 / 13) ** 28 < SEED_WEIGHT < (11 / 13) ** 27


def test_windows_are_what_their_definition_says(bars: Bars, computed: dict[str, Floats]) -> None:
    last = COUNT - 1
    returns = np.diff(np.log(bars.close))
    assert computed["sma_200"][last] == pytest.approx(bars.close[-200:].mean(), rel=1e-12)
    assert computed["return_24"][last] == pytest.approx(bars.close[-1] / bars.close[-25] - 1, rel=1e-12)
    assert computed["realized_volatility_24"][last] == pytest.approx(np.sqrt(np.sum(returns[-24:] ** 2)), rel=1e-12)
    assert computed["close_lag_3"][last] == bars.close[-4]
    assert computed["donchian_upper"][last] == bars.high[-20:].max()
    assert computed["momentum_10"][last] == pytest.approx(bars.close[-1] - bars.close[-11], rel=1e-12)
    assert computed["close_zscore_20"][last] == pytest.approx(
        (bars.close[-1] - bars.close[-20:].mean()) / bars.close[-20:].std(ddof=1), rel=1e-9
    )
    squared_range = np.log(bars.high / bars.low)[-24:] ** 2
    assert computed["parkinson_24"][last] == pytest.approx(np.sqrt(squared_range.mean() / (4 * np.log(2))), rel=1e-12)
    moves = np.log(bars.close / bars.open)[-24:] ** 2
    variance = 0.5 * squared_range - (2 * np.log(2) - 1) * moves
    assert computed["garman_klass_24"][last] == pytest.approx(np.sqrt(variance.mean()), rel=1e-12)


def test_day_vwap_equals_pandas_ta_and_starts_anew_each_day(bars: Bars, computed: dict[str, Floats]) -> None:
    index = pd.DatetimeIndex(bars.opened_at).tz_localize("UTC")
    series = [pd.Series(values, index=index) for values in (bars.high, bars.low, bars.close, bars.volume)]
    theirs = pandas_ta.vwap(*series, anchor="D").to_numpy()
    np.testing.assert_allclose(computed["vwap_day"], theirs, rtol=1e-11)
    assert computed["vwap_day"][24] == pytest.approx(bars.typical[24], rel=1e-12)


def test_supertrend_equals_a_loop_by_its_definition(bars: Bars, computed: dict[str, Floats]) -> None:
    atr = talib.ATR(bars.high, bars.low, bars.close, 10)
    middle = (bars.high + bars.low) / 2
    upper, lower, rising = middle + 3 * atr, middle - 3 * atr, True
    expected = np.full(COUNT, np.nan)
    for at in range(11, COUNT):
        if upper[at] > upper[at - 1] and bars.close[at - 1] <= upper[at - 1]:
            upper[at] = upper[at - 1]
        if lower[at] < lower[at - 1] and bars.close[at - 1] >= lower[at - 1]:
            lower[at] = lower[at - 1]
        rising = bars.close[at] >= lower[at] if rising else bars.close[at] > upper[at]
        expected[at] = lower[at] if rising else upper[at]
    known = np.isfinite(computed["supertrend"])
    assert known.sum() > 500
    np.testing.assert_allclose(computed["supertrend"][known], expected[known], rtol=1e-12)


def test_keltner_is_an_average_and_two_true_ranges_once_the_seeds_have_faded(
    bars: Bars, computed: dict[str, Floats]
) -> None:
    middle, width = talib.EMA(bars.typical, 20), 2 * talib.ATR(bars.high, bars.low, bars.close, 10)
    np.testing.assert_allclose(computed["keltner_upper"][400:], (middle + width)[400:], rtol=1e-9)
    np.testing.assert_allclose(computed["keltner_lower"][400:], (middle - width)[400:], rtol=1e-9)


@pytest.mark.parametrize("price", [6e4, 1.0, 3e-9])
def test_a_cheap_coin_gets_the_values_of_a_dear_one(price: float) -> None:
    """Engines that take small numbers for zero would flatten bands and ranges of coins priced in millionths."""
    dear, cheap = _compute(walk(400, 3)), _compute(walk(400, 3, price=100.0 * price))
    for name in (
        "rsi_14",
        "bollinger_percent_b",
        "bollinger_width",
        "natr_14",
        "cci_20",
        "adx_14",
        "mfi_14",
        "stochastic_k",
    ):
        np.testing.assert_allclose(cheap[name], dear[name], rtol=1e-7, err_msg=name)


def test_a_market_that_stands_still_gets_nulls_where_formulas_divide_by_nothing() -> None:
    count = 400
    flat = Bars(walk(count).opened_at, *(np.full(count, 5.0) for _ in range(4)), np.zeros(count))
    computed = _compute(flat)
    for name in ("rsi_14", "stochastic_k", "stochastic_d", "williams_r_14", "cci_20", "bollinger_percent_b", "mfi_14",
                 "vwap_day", "close_zscore_20", "volume_zscore_20", "supertrend"):  # fmt: skip
        assert np.isnan(computed[name]).all(), name
    assert computed["sma_20"][-1] == 5.0
    assert computed["realized_volatility_24"][-1] == 0.0


def test_talib_is_poisoned_by_one_nan_so_that_series_must_be_cut() -> None:
    close = np.arange(1.0, 60.0)
    close[10] = np.nan
    assert np.isnan(talib.SMA(close, 3)[13:]).all()
    assert (talib.RSI(close, 3)[20:] == 0.0).all()  # not even NaN: a wrong number


@settings(max_examples=60, deadline=None)
@given(count=st.integers(0, 260), cut=st.integers(0, 260), seed=st.integers(0, 5))
@example(count=21, cut=20, seed=0)  # a convolution adds up in another order where series and window are equally long
def test_no_value_changes_when_later_bars_are_taken_away(count: int, cut: int, seed: int) -> None:
    whole, cut = walk(count, seed), min(cut, count)
    full, part = _compute(whole), _compute(whole.part(0, cut))
    for name, values in part.items():
        np.testing.assert_array_equal(values, full[name][:cut], err_msg=name)


def test_an_unknown_indicator_is_named_with_what_comes_near() -> None:
    with pytest.raises(IndicatorUnknown, match="rsi_14"):
        groups_of(["rsi14"])
    assert [one.name for one in groups_of(["sma_20"])[0].indicators] == ["sma_20"]


def test_every_group_is_of_one_kind() -> None:
    assert all(len({one.kind for one in group.indicators}) == 1 for group in GROUPS)
    assert {group.kind for group in GROUPS} == set(Kind)


def test_bars_of_other_lengths_are_computed_alike() -> None:
    minutes = walk(300, 2, timeframe="1m")
    computed = compute_groups(join_quiet(minutes, timedelta(minutes=1)), GROUPS)
    np.testing.assert_array_equal(computed["sma_20"], _compute(walk(300, 2))["sma_20"])
