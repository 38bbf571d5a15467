"""How much the price moves: bands, ranges, and volatility estimated from closes and from ranges.

What belongs here: formulas and declarations. What does not: holes (segments.py) and the list of all groups (catalog.py).

Realised volatility is the square root of the sum of squared log returns (Andersen and Bollerslev, 1998). Garman and Klass
(1980) and Parkinson (1980) estimate the variance of a bar from its range; here averaged over 24 bars. None is annualised.
"""

from __future__ import annotations

import math

import numpy as np
import talib

from crypto_assets.indicators.declaration import SIMPLE, Bars, Floats, Group, Indicator, Kind, lagged, settled, where

_PRICE = "quote currency"
_TALIB = "TA-Lib"
_ATR = settled(14, 1 / 14)
_KELTNER = max(settled(19, 2 / 21), settled(20, 1 / 10))
_ESTIMATOR_BARS = 24


def _bollinger(bars: Bars) -> tuple[Floats, ...]:
    upper, middle, lower = talib.BBANDS(bars.close, 20, 2.0, 2.0, SIMPLE)
    with np.errstate(divide="ignore", invalid="ignore"):
        percent_b = where(upper > lower, (bars.close - lower) / (upper - lower))
        return upper, middle, lower, (upper - lower) / middle, percent_b


def _realized(bars: int) -> Group:
    def compute(b: Bars) -> tuple[Floats]:
        squared = np.square(np.log(b.close) - np.log(lagged(b.close, 1)))[1:]
        return (np.concatenate([np.full(min(1, len(b)), np.nan), np.sqrt(np.maximum(talib.SUM(squared, bars), 0))]),)

    indicator = Indicator(
        f"realized_volatility_{bars}",
        f"Square root of the sum of the squared log returns of {bars} bars",
        "fraction over the window",
        bars,
        f"Andersen and Bollerslev 1998, by {_TALIB} SUM",
        least=0,
    )
    return Group((indicator,), compute)


def _garman_klass(bars: Bars) -> tuple[Floats]:
    log_range, log_move = np.log(bars.high / bars.low), np.log(bars.close / bars.open)
    variance = 0.5 * np.square(log_range) - (2 * math.log(2) - 1) * np.square(log_move)
    return (np.sqrt(np.maximum(talib.SMA(variance, _ESTIMATOR_BARS), 0)),)


def _parkinson(bars: Bars) -> tuple[Floats]:
    variance = np.square(np.log(bars.high / bars.low)) / (4 * math.log(2))
    return (np.sqrt(np.maximum(talib.SMA(variance, _ESTIMATOR_BARS), 0)),)


GROUPS = (
    Group(
        (
            *(
                Indicator(f"bollinger_{name}", f"Bollinger bands, SMA 20: {meaning}", _PRICE, 19, f"{_TALIB} BBANDS")
                for name, meaning in (
                    ("upper", "plus 2 population standard deviations"),
                    ("middle", "the average"),
                    ("lower", "less 2 population standard deviations"),
                )
            ),
            Indicator(
                "bollinger_width",
                "Upper less lower Bollinger band, over the middle",
                "fraction",
                19,
                f"{_TALIB} BBANDS",
                least=0,
            ),
            Indicator(
                "bollinger_percent_b",
                "Close between the Bollinger bands: 0 at the lower, 1 at the upper; null without a width",
                "fraction",
                19,
                f"{_TALIB} BBANDS",
            ),
        ),
        _bollinger,
    ),
    Group(
        (
            Indicator(
                "atr_14", "Average true range, Wilder, 14 bars", _PRICE, _ATR, f"{_TALIB} ATR", Kind.RECURSIVE, least=0
            ),
            Indicator(
                "natr_14",
                "Average true range over the close",
                "percent",
                _ATR,
                f"{_TALIB} NATR",
                Kind.RECURSIVE,
                least=0,
            ),
        ),
        lambda b: (talib.ATR(b.high, b.low, b.close, 14), talib.NATR(b.high, b.low, b.close, 14)),
    ),
    Group(
        tuple(
            Indicator(
                f"keltner_{name}",
                f"Keltner channel: EMA 20 of the typical price {meaning}",
                _PRICE,
                _KELTNER,
                f"{_TALIB} KC",
                Kind.RECURSIVE,
            )
            for name, meaning in (("upper", "plus 2 ATR 10"), ("middle", "alone"), ("lower", "less 2 ATR 10"))
        ),
        lambda b: talib.KC(b.high, b.low, b.close, 20, 10, 2.0),
    ),
    _realized(24),
    _realized(168),
    Group(
        (
            Indicator(
                "garman_klass_24",
                "Garman-Klass volatility of a bar, root of the mean variance of 24 bars",
                "fraction per bar",
                _ESTIMATOR_BARS - 1,
                f"Garman and Klass 1980, by {_TALIB} SMA",
                least=0,
            ),
        ),
        _garman_klass,
    ),
    Group(
        (
            Indicator(
                "parkinson_24",
                "Parkinson volatility of a bar, root of the mean variance of 24 bars",
                "fraction per bar",
                _ESTIMATOR_BARS - 1,
                f"Parkinson 1980, by {_TALIB} SMA",
                least=0,
            ),
        ),
        _parkinson,
    ),
)
