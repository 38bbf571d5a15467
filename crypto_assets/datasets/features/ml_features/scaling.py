"""Ways to scale a feature: against its own past, never against its whole sample.

What belongs here: the scalings, pure, over one unbroken run of values. What does not: which feature is scaled how
(catalog.py), and runs (columns.py).

Each takes a run without NaN and gives as many values; NaN where the window is not full yet. `window=None` is expanding: from
the run's start on, at least `MIN_EXPANDING` values.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
import talib

from crypto_assets.indicators.declaration import Floats, where

MIN_EXPANDING = 100  # a deviation of fewer values is off by more than 7 %


class Method(StrEnum):
    """How a feature is scaled."""

    NONE = "none"
    ZSCORE = "z-score"
    ROBUST = "robust"
    MIN_MAX = "min-max"
    LOG = "log"
    RANK = "rank"


@dataclass(frozen=True)
class Scaling:
    """A method and the bars it looks back; None for an expanding window."""

    method: Method = Method.NONE
    window: int | None = None

    @property
    def told(self) -> str:
        """In words, for comments."""
        if self.method in {Method.NONE, Method.LOG}:
            return {Method.NONE: "not scaled", Method.LOG: "log scaled"}[self.method]
        return f"{self.method.value} over {f'{self.window} bars' if self.window else 'all bars before'}"

    @property
    def warm_up(self) -> int:
        """Values before the first scaled one."""
        if self.method in {Method.NONE, Method.LOG}:
            return 0
        # A rank is that among the values before, without the value itself.
        return (self.window or MIN_EXPANDING) - (self.method is not Method.RANK)

    def apply(self, run: Floats) -> Floats:
        """Scale a run."""
        if len(run) <= self.warm_up:
            return np.full(len(run), np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            scaled: Floats = _METHODS[self.method](run, self.window)
            return scaled


NONE = Scaling()
LOG = Scaling(Method.LOG)


def zscore(window: int | None) -> Scaling:
    """(x - mean) / standard deviation; NaN where all are alike."""
    return Scaling(Method.ZSCORE, window)


def robust(window: int | None) -> Scaling:
    """(x - median) / (interquartile range / 1.349, the deviation of a normal distribution); quartiles by nearest rank."""
    return Scaling(Method.ROBUST, window)


def min_max(window: int | None) -> Scaling:
    """0 at the least value of the window, 1 at the greatest."""
    return Scaling(Method.MIN_MAX, window)


def rank(window: int | None) -> Scaling:
    """Share of the window's values before that lie below: 0..1."""
    return Scaling(Method.RANK, window)


def _log(run: Floats, _window: int | None) -> Floats:
    return np.asarray(np.sign(run) * np.log1p(np.abs(run)))


def _zscore(run: Floats, window: int | None) -> Floats:
    if window is None:
        expanding = pd.Series(run).expanding(MIN_EXPANDING)
        mean, deviation = expanding.mean().to_numpy(), expanding.std(ddof=0).to_numpy()
        return where(deviation > 0, (run - mean) / deviation)
    moved = talib.MAX(run, window) > talib.MIN(run, window)
    return where(moved, (run - talib.SMA(run, window)) / talib.STDDEV(run, window))


def _robust(run: Floats, window: int | None) -> Floats:
    if window is None:
        past = pd.Series(run).expanding(MIN_EXPANDING)
        quartiles: list[Floats] = [
            past.quantile(share, interpolation="lower").to_numpy() for share in (0.25, 0.5, 0.75)
        ]
    else:
        quartiles = [talib.PERCENTILE(run, window, percent) for percent in (25.0, 50.0, 75.0)]
    low, middle, high = quartiles
    return where(high > low, (run - middle) / ((high - low) / 1.349))


def _min_max(run: Floats, window: int | None) -> Floats:
    if window is None:
        least, most = np.minimum.accumulate(run), np.maximum.accumulate(run)
        scaled = where(most > least, (run - least) / (most - least))
        scaled[: MIN_EXPANDING - 1] = np.nan
        return scaled
    least, most = talib.MIN(run, window), talib.MAX(run, window)
    return where(most > least, (run - least) / (most - least))


def _rank(run: Floats, window: int | None) -> Floats:
    if window is not None:
        return np.asarray(talib.PERCENTRANK(run, window) / 100)
    below = pd.Series(run).expanding().rank(method="min").to_numpy() - 1
    shares: Floats = below / np.maximum(np.arange(len(run)), 1)
    shares[:MIN_EXPANDING] = np.nan
    return shares


_METHODS = {
    Method.NONE: lambda run, _window: run,
    Method.LOG: _log,
    Method.ZSCORE: _zscore,
    Method.ROBUST: _robust,
    Method.MIN_MAX: _min_max,
    Method.RANK: _rank,
}
