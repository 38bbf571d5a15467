"""Oscillators and rates of change of the price.

What belongs here: formulas and declarations. What does not: holes (segments.py) and the list of all groups (catalog.py).

TA-Lib answers 0 where an oscillator divides by nothing (a market that stood still); here that is no value.
"""

from __future__ import annotations

import numpy as np
import talib

from crypto_assets.indicators.declaration import SIMPLE, Bars, Floats, Group, Indicator, Kind, lagged, settled, where

_PRICE = "quote currency"
_TALIB = "TA-Lib"


def _rsi(bars: Bars) -> tuple[Floats]:
    has_moved = (
        np.concatenate([[False], np.cumsum(np.abs(np.diff(bars.close))) > 0]) if len(bars) else np.zeros(0, bool)
    )
    return (where(has_moved, talib.RSI(bars.close, 14)),)


def _stochastic(bars: Bars) -> tuple[Floats, Floats]:
    k, d = talib.STOCH(bars.high, bars.low, bars.close, 14, 3, SIMPLE, 3, SIMPLE)
    stood_still = (talib.MAX(bars.high, 14) == talib.MIN(bars.low, 14)).astype(np.float64)
    return where(talib.MAX(stood_still, 3) == 0, k), where(talib.MAX(stood_still, 5) == 0, d)


def _williams(bars: Bars) -> tuple[Floats]:
    has_range = talib.MAX(bars.high, 14) > talib.MIN(bars.low, 14)
    return (where(has_range, talib.WILLR(bars.high, bars.low, bars.close, 14)),)


def _cci(bars: Bars) -> tuple[Floats]:
    typical = bars.typical
    return (where(talib.MAX(typical, 20) > talib.MIN(typical, 20), talib.CCI(bars.high, bars.low, bars.close, 20)),)


def _return(bars: int) -> Group:
    indicator = Indicator(
        f"return_{bars}",
        f"Close over the close {bars} bars before, less 1",
        "fraction",
        bars,
        f"{_TALIB} ROCP",
        least=-1,
    )
    return Group((indicator,), lambda b: (talib.ROCP(b.close, bars),))


def _lag(bars: int) -> Group:
    indicator = Indicator(f"close_lag_{bars}", f"Close {bars} bars before", _PRICE, bars, "own shift", least=0)
    return Group((indicator,), lambda b: (lagged(b.close, bars),))


GROUPS = (
    Group(
        (
            Indicator(
                "rsi_14",
                "Relative strength index, Wilder, 14 bars; null where the price never moved",
                "0..100",
                settled(14, 1 / 14),
                f"{_TALIB} RSI",
                Kind.RECURSIVE,
                least=0,
                most=100,
            ),
        ),
        _rsi,
    ),
    Group(
        (
            Indicator(
                "stochastic_k",
                "Slow stochastic %K: 14 bars, smoothed by SMA 3; null without a range",
                "0..100",
                17,
                f"{_TALIB} STOCH",
                least=0,
                most=100,
            ),
            Indicator(
                "stochastic_d",
                "Slow stochastic %D: SMA 3 of %K; null without a range",
                "0..100",
                17,
                f"{_TALIB} STOCH",
                least=0,
                most=100,
            ),
        ),
        _stochastic,
    ),
    Group(
        (
            Indicator(
                "williams_r_14",
                "Williams %R, 14 bars; null without a range",
                "-100..0",
                13,
                f"{_TALIB} WILLR",
                least=-100,
                most=0,
            ),
        ),
        _williams,
    ),
    Group(
        (
            Indicator(
                "cci_20",
                "Commodity channel index, 20 bars, constant 0.015; null where the price stood",
                "index",
                19,
                f"{_TALIB} CCI",
            ),
        ),
        _cci,
    ),
    Group(
        (Indicator("roc_10", "Rate of change over 10 bars", "percent", 10, f"{_TALIB} ROC", least=-100),),
        lambda b: (talib.ROC(b.close, 10),),
    ),
    Group(
        (Indicator("momentum_10", "Close less the close 10 bars before", _PRICE, 10, f"{_TALIB} MOM"),),
        lambda b: (talib.MOM(b.close, 10),),
    ),
    *(_return(bars) for bars in (1, 4, 24, 168)),
    *(_lag(bars) for bars in (1, 2, 3)),
)
