"""What scored headlines add up to within a day before each close.

What belongs here: pure arithmetic over arrays. What does not: reading scores (sentiment.py), the features (sentiment_set.py).

Scores are added up as whole millionths: a running sum of floats would have other digits from another window.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from crypto_assets.datasets.features.ml_features.pool_totals import Grid, Whole
from crypto_assets.indicators.declaration import Floats, where

WITHIN = timedelta(hours=24)
_MILLION = 1_000_000
_US = timedelta(microseconds=1)


@dataclass(frozen=True)
class Scored:
    """Scored headlines, each once for every asset that it names, in any order.

    Args:
        known_at: When the first score of each could be known; microseconds since 1970, UTC.
        news_known_at: When the headline could be known, likewise; not after its score.
        asset: Which one it is about.
        score: From -1 to 1.
    """

    known_at: Whole
    news_known_at: Whole
    asset: NDArray[np.object_]
    score: Floats

    def about(self, asset: str) -> Scored:
        """Those about one asset."""
        here = np.flatnonzero(self.asset == asset)
        return Scored(self.known_at[here], self.news_known_at[here], self.asset[here], self.score[here])


@dataclass(frozen=True)
class DayOfNews:
    """What became known in the day before each close.

    Args:
        count: Headlines.
        mean: Of their scores; NaN without any.
        deviation: Standard deviation of their scores; NaN for fewer than two.
    """

    count: Floats
    mean: Floats
    deviation: Floats


def day_before(grid: Grid, scored: Scored) -> DayOfNews:
    """At each close t the headlines that became known in (t - 24 h, t] and whose score was known at t."""
    until = scored.news_known_at + WITHIN // _US
    news = np.flatnonzero(scored.known_at < until)  # one that was scored a day late never was news
    comes, goes = scored.known_at[news], until[news]
    whole = np.rint(scored.score[news] * _MILLION).astype(np.int64)
    closes = grid.times.astype(np.int64)
    count, total, squares = (
        _added(closes, comes, values) - _added(closes, goes, values)
        for values in (np.ones(len(news), np.int64), whole, whole * whole)
    )
    counted = count.astype(np.float64)
    mean = where(counted > 0, total / np.maximum(counted, 1))
    variance = np.maximum(squares / np.maximum(counted, 1) - np.square(mean), 0)
    return DayOfNews(counted, mean / _MILLION, where(counted > 1, np.sqrt(variance) / _MILLION))


def _added(closes: Whole, at: Whole, values: Whole) -> Whole:
    """For each close the sum of the values whose moment has come."""
    order = np.argsort(at, kind="stable")
    sums = np.concatenate([np.zeros(1, np.int64), np.cumsum(values[order])])
    added: Whole = sums[np.searchsorted(at[order], closes, side="right")]
    return added
