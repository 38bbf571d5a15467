"""Features of a market among others: against the reference, the venue's breadth, and its own price elsewhere.

What belongs here: features that need other markets. What does not: adding them up (cross_market.py).
"""

from __future__ import annotations

import numpy as np
import talib

from crypto_assets.datasets.features.ml_features.columns import Columns
from crypto_assets.datasets.features.ml_features.declaration import Feature, FeatureSet
from crypto_assets.datasets.features.ml_features.scaling import robust
from crypto_assets.indicators.declaration import Floats, where

WEEK = 168
_FRACTION = "fraction"


def _reference_return(c: Columns, bars: int) -> Floats:
    reference = c["reference_close"]
    return reference / c.lag(reference, bars) - 1


def _correlation(bars: int) -> Feature:
    return Feature(
        f"reference_correlation_{bars}", f"Correlation of one-bar returns with the reference's over {bars} bars",
        "correlation", ("return_1", "reference_close"), bars + 1,
        lambda c: c.rolling(lambda own, other: _correlated(own, other, bars), c["return_1"], _reference_return(c, 1)),
        least=-1, most=1, optional=True,
    )  # fmt: skip


def _correlated(own: Floats, other: Floats, bars: int) -> Floats:
    """Pearson's correlation, null where one of them stood still; rounding is kept from leaving -1..1."""
    moved = (talib.MAX(own, bars) > talib.MIN(own, bars)) & (talib.MAX(other, bars) > talib.MIN(other, bars))
    return where(moved, np.clip(talib.CORREL(own, other, bars), -1, 1))


def _beta(c: Columns) -> Floats:
    def slope(own: Floats, other: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return _correlated(own, other, WEEK) * talib.STDDEV(own, WEEK) / talib.STDDEV(other, WEEK)

    return c.rolling(slope, c["return_1"], _reference_return(c, 1))


def _strength(bars: int) -> Feature:
    return Feature(
        f"relative_strength_{bars}", f"Return of {bars} bars less the reference's", _FRACTION,
        (f"return_{bars}", "reference_close"), bars, lambda c: c[f"return_{bars}"] - _reference_return(c, bars),
        optional=True,
    )  # fmt: skip


def _as_it_is(name: str, meaning: str, unit: str, horizon: int, least: float, most: float | None) -> Feature:
    return Feature(name, meaning, unit, (name,), horizon, lambda c: c[name], least=least, most=most, optional=True)


def _premium(c: Columns) -> Floats:
    return c["close"] / c["close_elsewhere"] - 1


FEATURES = (
    Feature(
        "reference_return_1", "Return of the reference, one bar", _FRACTION, ("reference_close",), 1,
        lambda c: _reference_return(c, 1), least=-1, optional=True,
    ),
    Feature(
        "reference_return_24", "Return of the reference, 24 bars", _FRACTION, ("reference_close",), 24,
        lambda c: _reference_return(c, 24), least=-1, optional=True,
    ),
    Feature(
        "reference_beta_168", "Slope of one-bar returns on the reference's over 168 bars", "ratio",
        ("return_1", "reference_close"), WEEK + 1, _beta, optional=True,
    ),
    _correlation(24),
    _correlation(168),
    _strength(24),
    _strength(168),
    _as_it_is("breadth_rising_24", "Share of the venue's markets above their close 24 bars before", "share", 24, 0, 1),
    _as_it_is("breadth_above_average_50", "Share of the venue's markets above their 50-bar average", "share", 50, 0, 1),
    _as_it_is("market_return_1", "Mean one-bar return of the venue's markets", _FRACTION, 1, -1, None),
    _as_it_is("market_return_24", "Mean 24-bar return of the venue's markets", _FRACTION, 24, -1, None),
    _as_it_is("dispersion_24", "Standard deviation of 24-bar returns across the venue's markets", _FRACTION, 24, 0, None),
    Feature(
        "venue_premium", "Close over the median close of the same market on other venues, less 1", _FRACTION,
        ("close", "close_elsewhere"), 0, _premium, least=-1, optional=True,
    ),
    Feature(
        "venue_premium_robust_168", "Premium over other venues against its week", "robust standard deviations",
        ("close", "close_elsewhere"), 0, _premium, robust(WEEK), optional=True,
    ),
)  # fmt: skip

CROSS_MARKET = FeatureSet("cross_market", "What a market does among others", FEATURES, inputs=("other_venues",))
