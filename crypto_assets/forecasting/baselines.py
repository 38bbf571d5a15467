"""Forecasts that need no learning: what a learner has to beat before anybody listens to it.

What belongs here: zero change, drift, seasonal naive and EWMA volatility, with their intervals. What does not: which of them is
the best on some rows (validation.py).

Each looks at what the quantity was at and before a row's decision, in the same series, and finds it by its hour, never by its
place: decisions that are missing are holes, and shift nothing. The formulas of the middle are those of Hyndman and
Athanasopoulos, Forecasting: Principles and Practice, 3rd edition, section 5.2, on the logarithm of the quantity. Intervals are
RiskMetrics' (Technical Document, 4th edition, 1996, section 5.2): a random walk with exponentially weighted variance.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Self

import numpy as np

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.forecasting.frame import Floats, Frame, Rows
from crypto_assets.forecasting.learner import Forecasts

LAMBDA = 0.94  # RiskMetrics' decay, here by the hour: half of the weight lies in the last 11 hours
DRIFT_HOURS = 168
_LEAST_DRIFT_HOURS = 24  # a mean over less than a day takes the time of day for a trend
_Z90 = NormalDist().inv_cdf(0.9)  # 1.2816
# An hour within a series, as one number that rises along the whole frame: hours since 1970 need 20 bits.
_SERIES_BITS = 32
# After 2**10 = 1024 known hours, 0.94**1024 = 3e-28 is left of a value: below what a float64 can tell apart.
_DOUBLINGS = 10


class BaselineUnknown(CryptoAssetsError):
    """No baseline has that name."""


@dataclass(frozen=True)
class _Known:
    """The hours of a frame at which the quantity was known, in the frame's order.

    Args:
        keys: Series and hour as one number, rising, int64 (k,).
        logs: Logarithm of the quantity, float64 (k,).
    """

    keys: Rows
    logs: Floats

    @classmethod
    def of(cls, frame: Frame) -> Self:
        """Of all rows of a frame; a quantity that is not positive counts as not known."""
        known = np.flatnonzero(np.isfinite(frame.now) & (frame.now > 0)).astype(np.int64)
        return cls(_keys(frame, known), np.log(frame.now[known]))

    def at(self, keys: Rows) -> Floats:
        """The logarithms at given hours; NaN at those that are not known."""
        places = np.searchsorted(self.keys, keys)
        found = np.full(len(keys), np.nan)
        held = places < len(self.keys)
        held[held] = self.keys[places[held]] == keys[held]
        found[held] = self.logs[places[held]]
        return found


def _keys(frame: Frame, rows: Rows) -> Rows:
    hours = frame.decided_at[rows].astype("datetime64[h]").astype(np.int64)
    return (frame.code[rows] << _SERIES_BITS) + hours


@dataclass(frozen=True)
class _Baseline(ABC):
    """A baseline. `fit` learns nothing but the horizon.

    Args:
        horizon_hours: How far ahead; None until `fit` said it.
    """

    horizon_hours: int | None = None

    @property
    @abstractmethod
    def name(self) -> str:
        """As reports and the registry say it."""

    def fit(self, forecast: Forecast, frame: Frame, rows: Rows) -> Self:  # noqa: ARG002 - as every learner
        """The same for that forecast's horizon. Rows are not looked at: nothing is learned."""
        return replace(self, horizon_hours=forecast.horizon_hours)

    def predict(self, frame: Frame, rows: Rows) -> Forecasts:
        """As `Fitted.predict`: NaN where the quantity is not known at the decision, or not at the hours that the rule needs.

        The interval is `yhat` ± 1.2816·σ·√horizon with `hourly_volatility`'s σ; NaN where no change is known yet.

        Raises:
            ValueError: the horizon is not known; call `fit` first.
        """
        if self.horizon_hours is None:
            raise ValueError(f"The horizon of {self.name} is not known: fit it first")
        known = _Known.of(frame)
        keys = _keys(frame, rows)
        yhat = self._middle(known, keys, self.horizon_hours)
        half = _Z90 * np.sqrt(self.horizon_hours) * _volatility_at(known, keys)
        return Forecasts(yhat, yhat - half, yhat + half)

    @abstractmethod
    def _middle(self, known: _Known, keys: Rows, horizon_hours: int) -> Floats:
        """What is expected at each key."""


@dataclass(frozen=True)
class ZeroChange(_Baseline):
    """The quantity stays as it is: the best forecast there is of a random walk."""

    @property
    def name(self) -> str:
        """zero_change."""
        return "zero_change"

    def _middle(self, known: _Known, keys: Rows, horizon_hours: int) -> Floats:  # noqa: ARG002 - the same for each
        return np.where(np.isnan(known.at(keys)), np.nan, 0.0)


@dataclass(frozen=True)
class EwmaVolatility(ZeroChange):
    """Zero change, kept for its interval: the one beside which a learner's q10 and q90 are judged."""

    @property
    def name(self) -> str:
        """ewma_volatility."""
        return "ewma_volatility"


@dataclass(frozen=True)
class Drift(_Baseline):
    """The quantity goes on as it went, on the mean, in the last `DRIFT_HOURS`.

    The mean hourly change is that from the oldest known hour of the window to the decision, over the hours between; NaN where
    less than a day lies between.
    """

    @property
    def name(self) -> str:
        """drift."""
        return "drift"

    def _middle(self, known: _Known, keys: Rows, horizon_hours: int) -> Floats:
        if not len(known.keys):
            return np.full(len(keys), np.nan)
        # The window's first hour may lie before the series' first: then the next known key is that of the series' first.
        oldest = np.minimum(np.searchsorted(known.keys, keys - DRIFT_HOURS), len(known.keys) - 1)
        hours = keys - known.keys[oldest]
        means = (known.at(keys) - known.logs[oldest]) / np.maximum(hours, 1)
        return np.where(hours >= _LEAST_DRIFT_HOURS, means * horizon_hours, np.nan)


@dataclass(frozen=True)
class SeasonalNaive(_Baseline):
    """The quantity will be what it was at the same hour of the last season that is known.

    Args:
        season_hours: 24 for the day, 168 for the week. Where the horizon is longer, as many seasons back as it takes.
    """

    season_hours: int = 24

    @property
    def name(self) -> str:
        """seasonal_naive_24h."""
        return f"seasonal_naive_{self.season_hours}h"

    def _middle(self, known: _Known, keys: Rows, horizon_hours: int) -> Floats:
        seasons = -(-horizon_hours // self.season_hours)
        return known.at(keys + horizon_hours - seasons * self.season_hours) - known.at(keys)


BASELINES: tuple[ZeroChange | Drift | SeasonalNaive, ...] = (
    ZeroChange(),
    Drift(),
    SeasonalNaive(season_hours=24),
    SeasonalNaive(season_hours=168),
    EwmaVolatility(),
)


def baseline(name: str) -> ZeroChange | Drift | SeasonalNaive:
    """A baseline by its name.

    Raises:
        BaselineUnknown: names those there are.
    """
    for one in BASELINES:
        if one.name == name:
            return one
    names = ", ".join(one.name for one in BASELINES)
    raise BaselineUnknown(f"No baseline is named {name!r}", way_out=f"Choose one of {names}.")


def hourly_volatility(frame: Frame, rows: Rows) -> Floats:
    """RiskMetrics' volatility of hourly logarithmic changes at some rows, float64 (n,); NaN where no change is known yet.

    σ² is the mean of squared changes, each weighted by `LAMBDA` to the power of its age in hours. A change over k hours, with
    none known between, counts as one of r²/k: the variance of a random walk grows with time.
    """
    return _volatility_at(_Known.of(frame), _keys(frame, rows))


def _volatility_at(known: _Known, keys: Rows) -> Floats:
    places = np.searchsorted(known.keys, keys)
    found = np.full(len(keys), np.nan)
    held = places < len(known.keys)
    held[held] = known.keys[places[held]] == keys[held]
    found[held] = _volatility(known)[places[held]]
    return found


def _volatility(known: _Known) -> Floats:
    """At each known hour: √(Σ λ^age·r²/k over Σ λ^age).

    Both sums follow x[i] = decay[i]·x[i-1] + added[i]. Composing each step with the one before, then pairs, then fours, solves
    all rows at once, in the same order of operations for each, whatever stands behind it.
    """
    count = len(known.keys)
    is_next = np.zeros(count, dtype=np.bool_)
    is_next[1:] = known.keys[1:] >> _SERIES_BITS == known.keys[:-1] >> _SERIES_BITS
    hours = np.ones(count)
    hours[1:] = np.where(is_next[1:], np.diff(known.keys), 1)
    change = np.zeros(count)
    change[1:] = np.where(is_next[1:], np.diff(known.logs), 0.0)
    decay = np.where(is_next, LAMBDA**hours, 0.0)
    squares, weights = change**2 / hours, is_next.astype(np.float64)
    for doubling in range(_DOUBLINGS):
        step = 1 << doubling
        if step >= count:
            break
        squares[step:] += decay[step:] * squares[:-step].copy()
        weights[step:] += decay[step:] * weights[:-step].copy()
        decay[step:] = decay[step:] * decay[:-step].copy()
    found: Floats = np.sqrt(np.divide(squares, weights, out=np.full(count, np.nan), where=weights > 0))
    return found


__all__ = [
    "BASELINES",
    "DRIFT_HOURS",
    "LAMBDA",
    "BaselineUnknown",
    "Drift",
    "EwmaVolatility",
    "SeasonalNaive",
    "ZeroChange",
    "baseline",
    "hourly_volatility",
]
