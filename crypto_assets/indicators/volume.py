"""What the traded amount says: balance, money flow, weighted price, and how unusual price and amount are.

What belongs here: formulas and declarations. What does not: holes (segments.py) and the list of all groups (catalog.py).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import talib

from crypto_assets.indicators.declaration import Bars, Bools, Floats, Group, Indicator, Kind, Positions, where

_ZSCORE_BARS = 20
_DAY = np.timedelta64(1, "D")


def _money_flow(bars: Bars) -> tuple[Floats]:
    """MFI, null where no money flowed: nothing traded, or the typical price never changed."""
    flowed = np.zeros(len(bars))
    flowed[1:] = (np.diff(bars.typical) != 0) & (bars.volume[1:] > 0)
    return (where(talib.MAX(flowed, 14) > 0, talib.MFI(bars.high, bars.low, bars.close, bars.volume, 14)),)


def _session_vwap(bars: Bars) -> tuple[Floats]:
    """Mean of the typical price weighted by volume since 00:00 UTC; null while nothing was traded.

    The bars start with the session, or `session_is_whole` of segments.py withholds the day.
    """
    if not len(bars):
        return (np.zeros(0),)
    days = bars.opened_at.astype("datetime64[D]")
    first_of_day = np.flatnonzero(np.concatenate([[True], days[1:] != days[:-1]]))
    counts = np.diff(np.append(first_of_day, len(bars)))
    sums = []
    for values in (bars.typical * bars.volume, bars.volume):
        running = np.cumsum(values)
        before = np.where(first_of_day > 0, running[first_of_day - 1], 0.0)
        sums.append(running - np.repeat(before, counts))
    value, volume = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        return (where(_traded(bars.volume, first_of_day, counts), value / volume),)


def _traded(volume: Floats, first_of_day: Positions, counts: Positions) -> Bools:
    """Whether anything was traded since the session began; counted, for a difference of sums may leave a remainder."""
    running = np.cumsum(volume > 0)
    before = np.where(first_of_day > 0, running[first_of_day - 1], 0)
    return np.asarray(running - np.repeat(before, counts) > 0)


def zscore(values: Floats, bars: int) -> Floats:
    """Distance from the mean of the last bars in sample standard deviations (ddof 1); NaN where they are all alike."""
    import pandas_ta  # noqa: PLC0415 - a second of imports that only a run of this group should pay

    if len(values) < bars:
        return np.full(len(values), np.nan)
    # Without talib=False, pandas-ta takes TA-Lib's population deviation wherever TA-Lib is installed, and says nothing. The
    # flag travels among its free keywords, whose annotation is wrong.
    # The mean comes from numpy's convolution, which adds up in another order where series and window are equally long: with one
    # value more at the end, no value depends in its last bit on whether a later one is there.
    longer = pd.Series(np.append(values, values[-1]))
    scored = pandas_ta.zscore(longer, length=bars, talib=False).to_numpy()[:-1]  # type: ignore[arg-type]
    return where(talib.MAX(values, bars) > talib.MIN(values, bars), scored)


GROUPS = (
    Group(
        (
            Indicator(
                "obv",
                "On-balance volume: volume added when the close rises, taken off when it falls; starts 2,400 bars before the"
                " calendar year, so only its changes mean something",
                "base currency",
                0,
                "TA-Lib OBV",
                Kind.CUMULATIVE,
            ),
        ),
        lambda b: (talib.OBV(b.close, b.volume),),
    ),
    Group(
        (
            Indicator(
                "mfi_14",
                "Money flow index, 14 bars; null where no money flowed",
                "0..100",
                14,
                "TA-Lib MFI",
                least=0,
                most=100,
            ),
        ),
        _money_flow,
    ),
    Group(
        (
            Indicator(
                "vwap_day",
                "Volume-weighted mean of the typical price since 00:00 UTC; null until something is traded",
                "quote currency",
                0,
                "own cumulative sums; equals pandas-ta vwap(anchor D), 250 times faster",
                Kind.SESSION,
                least=0,
            ),
        ),
        _session_vwap,
    ),
    Group(
        (
            Indicator(
                "close_zscore_20",
                "Close less its mean over 20 bars, in sample standard deviations",
                "standard deviations",
                _ZSCORE_BARS - 1,
                "pandas-ta zscore, without TA-Lib",
                least=-_ZSCORE_BARS,
                most=_ZSCORE_BARS,
            ),
            Indicator(
                "volume_zscore_20",
                "Volume less its mean over 20 bars, in sample standard deviations",
                "standard deviations",
                _ZSCORE_BARS - 1,
                "pandas-ta zscore, without TA-Lib",
                least=-_ZSCORE_BARS,
                most=_ZSCORE_BARS,
            ),
        ),
        lambda b: (zscore(b.close, _ZSCORE_BARS), zscore(b.volume, _ZSCORE_BARS)),
    ),
)
