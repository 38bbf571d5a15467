"""Averages, MACD, directional movement, Aroon, Supertrend and channels that follow the trend.

What belongs here: formulas and declarations. What does not: holes (segments.py) and the list of all groups (catalog.py).
"""

from __future__ import annotations

import numpy as np
import talib

from crypto_assets.indicators.declaration import Bars, Floats, Group, Indicator, Kind, settled, where

_PRICE = "quote currency"
_TALIB = "TA-Lib"
_DI = settled(14, 1 / 14)
_ADX = settled(_DI + 13, 1 / 14)
_MACD = settled(33, 2 / 27)
_SIGNAL = settled(_MACD, 2 / 10)
_ATR_10 = settled(10, 1 / 10)


def _sma(bars: int) -> Group:
    indicator = Indicator(
        f"sma_{bars}",
        f"Simple moving average of the close over {bars} bars",
        _PRICE,
        bars - 1,
        f"{_TALIB} SMA",
        least=0,
    )
    return Group((indicator,), lambda b: (talib.SMA(b.close, bars),))


def _ema(bars: int) -> Group:
    indicator = Indicator(
        f"ema_{bars}",
        f"Exponential moving average of the close, weight 2/({bars}+1), seeded with the mean of {bars} bars",
        _PRICE,
        settled(bars - 1, 2 / (bars + 1)),
        f"{_TALIB} EMA",
        Kind.RECURSIVE,
        least=0,
    )
    return Group((indicator,), lambda b: (talib.EMA(b.close, bars),))


def _supertrend(bars: Bars) -> tuple[Floats, Floats]:
    """Level and direction, from the first change of direction on: before it, the direction is only assumed."""
    level, direction = talib.SUPERTREND(bars.high, bars.low, bars.close, 10, 3.0)
    turned = np.flatnonzero(np.diff(direction) * (direction[1:] != 0) * (direction[:-1] != 0))
    is_known = np.arange(len(level)) > (turned[0] if len(turned) else len(level))
    return where(is_known, level), where(is_known, direction.astype(np.float64))


GROUPS = (
    _sma(20),
    _sma(50),
    _sma(200),
    _ema(12),
    _ema(26),
    Group(
        (
            Indicator(
                "macd", "MACD line: EMA 12 less EMA 26 of the close", _PRICE, _MACD, f"{_TALIB} MACD", Kind.RECURSIVE
            ),
            Indicator("macd_signal", "EMA 9 of the MACD line", _PRICE, _SIGNAL, f"{_TALIB} MACD", Kind.RECURSIVE),
            Indicator("macd_histogram", "MACD line less its signal", _PRICE, _SIGNAL, f"{_TALIB} MACD", Kind.RECURSIVE),
        ),
        lambda b: talib.MACD(b.close, 12, 26, 9),
    ),
    Group(
        (
            Indicator(
                "adx_14",
                "Average directional index, Wilder, 14 bars",
                "0..100",
                _ADX,
                f"{_TALIB} ADX",
                Kind.RECURSIVE,
                least=0,
                most=100,
            ),
            Indicator(
                "plus_di_14",
                "Positive directional indicator, Wilder, 14 bars",
                "0..100",
                _DI,
                f"{_TALIB} PLUS_DI",
                Kind.RECURSIVE,
                least=0,
                most=100,
            ),
            Indicator(
                "minus_di_14",
                "Negative directional indicator, Wilder, 14 bars",
                "0..100",
                _DI,
                f"{_TALIB} MINUS_DI",
                Kind.RECURSIVE,
                least=0,
                most=100,
            ),
        ),
        lambda b: (
            talib.ADX(b.high, b.low, b.close, 14),
            talib.PLUS_DI(b.high, b.low, b.close, 14),
            talib.MINUS_DI(b.high, b.low, b.close, 14),
        ),
    ),
    Group(
        (
            Indicator(
                "aroon_down",
                "Aroon down, 25 bars: 100 less 4 for each bar since the lowest low",
                "0..100",
                25,
                f"{_TALIB} AROON",
                least=0,
                most=100,
            ),
            Indicator(
                "aroon_up",
                "Aroon up, 25 bars: 100 less 4 for each bar since the highest high",
                "0..100",
                25,
                f"{_TALIB} AROON",
                least=0,
                most=100,
            ),
        ),
        lambda b: talib.AROON(b.high, b.low, 25),
    ),
    Group(
        (
            Indicator(
                "supertrend",
                "Supertrend: the band (median price ∓ 3 ATR 10) that trails the trend",
                _PRICE,
                _ATR_10,
                f"{_TALIB} SUPERTREND, from its first change of direction on",
                Kind.RECURSIVE,
            ),
            Indicator(
                "supertrend_direction",
                "Direction of the Supertrend: 1 up, -1 down",
                "±1",
                _ATR_10,
                f"{_TALIB} SUPERTREND, from its first change of direction on",
                Kind.RECURSIVE,
                least=-1,
                most=1,
            ),
        ),
        _supertrend,
    ),
    Group(
        tuple(
            Indicator(
                f"donchian_{name}", f"Donchian channel, 20 bars: {meaning}", _PRICE, 19, f"{_TALIB} DONCHIAN", least=0
            )
            for name, meaning in (
                ("upper", "highest high"),
                ("middle", "mean of upper and lower"),
                ("lower", "lowest low"),
            )
        ),
        lambda b: talib.DONCHIAN(b.high, b.low, 20),
    ),
)
