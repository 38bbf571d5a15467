"""Features of one market: its moves, trend, oscillators, volatility and volume, in units that compare across markets.

What belongs here: features of the bar and its indicators alone. What does not: other markets (cross_market_set.py).

Prices become ratios, so that a coin at 60,000 and one at 0.00001 look alike; null where the indicator is.
"""

from __future__ import annotations

import math

import numpy as np
import talib

from crypto_assets.datasets.features.ml_features.columns import Columns
from crypto_assets.datasets.features.ml_features.declaration import Feature, FeatureSet
from crypto_assets.datasets.features.ml_features.scaling import LOG, min_max, rank, robust, zscore
from crypto_assets.indicators.catalog import INDICATORS
from crypto_assets.indicators.declaration import Floats, where

WEEK, MONTH = 168, 720
_FRACTION = "fraction"
_DEVIATIONS = "standard deviations"


def _ratio(over: Floats, under: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return where(under != 0, over / under)


def _column(name: str, meaning: str, unit: str, horizon: int) -> Feature:
    """An indicator as it is."""
    bounds = INDICATORS[name]
    return Feature(name, meaning, unit, (name,), horizon, lambda c: c[name], least=bounds.least, most=bounds.most)


def _percent(name: str, meaning: str, horizon: int) -> Feature:
    """An indicator of 0..100 as a fraction."""
    return Feature(name, meaning, _FRACTION, (name,), horizon, lambda c: c[name] / 100, least=0, most=1)


def _above(name: str, indicator: str, meaning: str, horizon: int) -> Feature:
    """Close over a price, less 1."""
    return Feature(
        name, f"Close over {meaning}, less 1", _FRACTION, ("close", indicator), horizon,
        lambda c: _ratio(c["close"], c[indicator]) - 1, least=-1,
    )  # fmt: skip


def _within(name: str, low: str, high: str, meaning: str, horizon: int) -> Feature:
    """Where the close lies between two prices."""
    return Feature(
        name, f"Close within {meaning}: 0 at the lower end, 1 at the upper", _FRACTION, ("close", low, high), horizon,
        lambda c: _ratio(c["close"] - c[low], c[high] - c[low]),
    )  # fmt: skip


def _lagged_return(bars: int) -> Feature:
    return Feature(
        f"return_1_lag_{bars}", f"Return of one bar, {bars} bars before", _FRACTION, ("return_1",), bars + 1,
        lambda c: c.lag(c["return_1"], bars), least=-1,
    )  # fmt: skip


def _volatility_ratio(c: Columns) -> Floats:
    return _ratio(c["realized_volatility_24"] / math.sqrt(24), c["realized_volatility_168"] / math.sqrt(WEEK))


def _volume_share(c: Columns) -> Floats:
    mean = c.rolling(lambda volume: talib.SMA(volume, WEEK), c["volume"])
    return _ratio(c["volume"], mean)


def _balance(c: Columns) -> Floats:
    """Signed share of a day's volume: OBV's change over the volume it could have changed by."""
    total = c.rolling(lambda volume: talib.SUM(volume, 24), c["volume"])
    return _ratio(c["obv"] - c.lag(c["obv"], 24), total)


def _drawdown(c: Columns) -> Floats:
    return _ratio(c["close"], c.rolling(lambda high: talib.MAX(high, WEEK), c["high"])) - 1


def _recovery(c: Columns) -> Floats:
    return _ratio(c["close"], c.rolling(lambda low: talib.MIN(low, WEEK), c["low"])) - 1


def _illiquidity(c: Columns) -> Floats:
    """Amihud (2002): absolute return a unit of value traded, a day's mean."""
    price_impact = _ratio(np.abs(c["return_1"]), c["volume"] * c["close"])
    return c.rolling(lambda impact: talib.SMA(impact, 24), price_impact)


def _skew(c: Columns) -> Floats:
    def third_moment(returns: Floats) -> Floats:
        mean = talib.SMA(returns, WEEK)
        cubes = (
            talib.SMA(returns * returns * returns, WEEK) - 3 * mean * talib.SMA(returns * returns, WEEK) + 2 * mean**3
        )
        return _ratio(cubes, talib.STDDEV(returns, WEEK) ** 3)

    return c.rolling(third_moment, c["return_1"])


FEATURES = (
    _column("return_1", "Return of one bar", _FRACTION, 1),
    _column("return_4", "Return of 4 bars", _FRACTION, 4),
    _column("return_24", "Return of 24 bars", _FRACTION, 24),
    _column("return_168", "Return of 168 bars", _FRACTION, WEEK),
    *(_lagged_return(bars) for bars in (1, 2, 3)),
    Feature(
        "return_1_zscore", "Return of one bar against its week", _DEVIATIONS, ("return_1",), 1, lambda c: c["return_1"],
        zscore(WEEK), least=-13, most=13,
    ),
    Feature("return_skew_168", "Skewness of a week's returns", "third moment", ("return_1",), WEEK, _skew),
    _above("close_to_sma_20", "sma_20", "its average of 20 bars", 20),
    _above("close_to_sma_50", "sma_50", "its average of 50 bars", 50),
    _above("close_to_sma_200", "sma_200", "its average of 200 bars", 200),
    _above("close_to_vwap_day", "vwap_day", "the volume-weighted price since 00:00 UTC", 0),
    _above("close_to_supertrend", "supertrend", "the Supertrend", 54),
    Feature(
        "ema_12_to_ema_26", "EMA 12 over EMA 26, less 1", _FRACTION, ("ema_12", "ema_26"), 85,
        lambda c: _ratio(c["ema_12"], c["ema_26"]) - 1, least=-1,
    ),
    Feature(
        "macd_histogram_to_close", "MACD histogram over the close", _FRACTION, ("macd_histogram", "close"), 114,
        lambda c: _ratio(c["macd_histogram"], c["close"]),
    ),
    Feature(
        "macd_zscore_168", "MACD line over the close, against its week", _DEVIATIONS, ("macd", "close"), 93,
        lambda c: _ratio(c["macd"], c["close"]), zscore(WEEK), least=-13, most=13,
    ),
    _percent("rsi_14", "Relative strength index, 14 bars", 77),
    _percent("adx_14", "Average directional index, 14 bars", 153),
    Feature(
        "directional_balance", "Positive less negative directional indicator", _FRACTION, ("plus_di_14", "minus_di_14"), 77,
        lambda c: (c["plus_di_14"] - c["minus_di_14"]) / 100, least=-1, most=1,
    ),
    _percent("stochastic_k", "Slow stochastic %K", 17),
    _percent("stochastic_d", "Slow stochastic %D", 17),
    _percent("mfi_14", "Money flow index, 14 bars", 14),
    Feature(
        "cci_20_log", "Commodity channel index, 20 bars", "log of the index", ("cci_20",), 20, lambda c: c["cci_20"], LOG
    ),
    Feature(
        "aroon_oscillator", "Aroon up less Aroon down, 25 bars", _FRACTION, ("aroon_up", "aroon_down"), 25,
        lambda c: (c["aroon_up"] - c["aroon_down"]) / 100, least=-1, most=1,
    ),
    Feature(
        "supertrend_direction", "Direction of the Supertrend", "±1", ("supertrend_direction",), 54,
        lambda c: c["supertrend_direction"], least=-1, most=1,
    ),
    _column("bollinger_percent_b", "Close between the Bollinger bands", _FRACTION, 20),
    Feature(
        "bollinger_width_rank_720", "Width of the Bollinger bands among those of a month", "share", ("bollinger_width",), 20,
        lambda c: c["bollinger_width"], rank(MONTH), least=0, most=1,
    ),
    _within("donchian_position", "donchian_lower", "donchian_upper", "the Donchian channel of 20 bars", 20),
    _within("keltner_position", "keltner_lower", "keltner_upper", "the Keltner channel", 66),
    Feature(
        "close_position_168", "Close within a week's closes: 0 at the lowest, 1 at the highest", _FRACTION, ("close",), 0,
        lambda c: c["close"], min_max(WEEK), least=0, most=1,
    ),
    Feature(
        "drawdown_168", "Close over the highest high of a week, less 1", _FRACTION, ("close", "high"), WEEK, _drawdown,
        least=-1, most=0,
    ),
    Feature(
        "recovery_168", "Close over the lowest low of a week, less 1", _FRACTION, ("close", "low"), WEEK, _recovery, least=0
    ),
    _column("natr_14", "Average true range over the close", "percent", 77),
    _column("realized_volatility_24", "Realised volatility of a day", "fraction over the window", 24),
    _column("realized_volatility_168", "Realised volatility of a week", "fraction over the window", WEEK),
    Feature(
        "volatility_ratio", "Volatility a bar: that of a day over that of a week", "ratio",
        ("realized_volatility_24", "realized_volatility_168"), WEEK, _volatility_ratio, least=0,
    ),
    Feature(
        "volatility_rank_720", "Realised volatility of a day among those of a month", "share", ("realized_volatility_24",),
        24, lambda c: c["realized_volatility_24"], rank(MONTH), least=0, most=1,
    ),
    _column("garman_klass_24", "Garman-Klass volatility of a bar", "fraction per bar", 24),
    _column("parkinson_24", "Parkinson volatility of a bar", "fraction per bar", 24),
    Feature(
        "range_to_close", "High less low, over the close", _FRACTION, ("high", "low", "close"), 1,
        lambda c: _ratio(c["high"] - c["low"], c["close"]), least=0,
    ),
    Feature(
        "close_in_range", "Close within the bar: 0 at the low, 1 at the high; null without a range", _FRACTION,
        ("close", "low", "high"), 1, lambda c: _ratio(c["close"] - c["low"], c["high"] - c["low"]), least=0, most=1,
    ),
    Feature(
        "body_to_range", "Close less open, over the range; null without a range", _FRACTION,
        ("open", "close", "high", "low"), 1, lambda c: _ratio(c["close"] - c["open"], c["high"] - c["low"]),
        least=-1, most=1,
    ),
    _column("close_zscore_20", "Close against 20 bars", _DEVIATIONS, 20),
    _column("volume_zscore_20", "Volume against 20 bars", _DEVIATIONS, 20),
    Feature(
        "volume_robust_168", "Volume against its week", "robust standard deviations", ("volume",), 0, lambda c: c["volume"],
        robust(WEEK),
    ),
    Feature(
        "volume_to_mean_168", "Volume over its week's mean", "log ratio", ("volume",), WEEK, _volume_share, LOG, least=0
    ),
    Feature(
        "volume_balance_24", "Volume of rising less falling closes, over a day's volume", _FRACTION, ("obv", "volume"), 24,
        _balance, least=-1, most=1,
    ),
    Feature(
        "illiquidity_24", "Amihud illiquidity: absolute return a unit of value traded, a day's mean, against all before",
        _DEVIATIONS, ("return_1", "volume", "close"), 24, _illiquidity, zscore(None), optional=True,
    ),
)  # fmt: skip

MARKET = FeatureSet("market", "What a market's own bars say", FEATURES)
