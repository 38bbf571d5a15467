"""Values of periods in their editions, and which of them were known at a moment.

What belongs here: pure arithmetic over arrays, for whatever is told of a day, month or quarter and may be told again otherwise.
What does not: reading tables (macro.py, onchain.py, sentiment.py) and features of it (…_set.py).

At a moment a period has the value of its newest edition known by then; an edition known at that very moment counts. One that
takes the value away leaves none: nothing is better than what is known to be wrong. Periods are days since 1970 (a month or
quarter is its first day), moments microseconds since 1970, UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from crypto_assets.datasets.features.ml_features.pool_totals import Grid
from crypto_assets.indicators.declaration import Floats

type Whole = NDArray[np.int64]
NO_PERIOD = -1_000_000  # a day long before any, where none is known
_DAY_US = 86_400_000_000


class Vintages:
    """Editions of one series, searched by period and moment.

    Args:
        period: Of each edition, in any order.
        known_at: When each could first be known.
        edition: Which of two editions of a period is the newer one, whenever they became known; days or any other order.
        value: What each tells; NaN where it says that there is none.
    """

    def __init__(self, period: Whole, known_at: Whole, edition: Whole, value: Floats) -> None:
        at = np.lexsort((edition, known_at, period))
        _, rank = np.unique(edition[at], return_inverse=True)
        # One that became known after a newer one of the same period displaces nothing.
        height = _numbers(period[at]) * (len(at) + 1) + rank
        at = at[height == np.maximum.accumulate(height)] if len(at) else at
        # Of several known at once the last one counts.
        is_last = (np.diff(period[at], append=NO_PERIOD) != 0) | (np.diff(known_at[at], append=0) != 0)
        at = at[is_last]
        self.period, self.known, self.value = period[at], known_at[at], value[at]
        number = _numbers(self.period)
        self._periods = self.period[np.diff(number, prepend=-1) > 0]
        self._moments, moment = np.unique(self.known, return_inverse=True)
        self._codes = number * (len(self._moments) + 1) + moment  # ascending: by period, then by moment
        told = np.flatnonzero(np.isfinite(self.value))
        self._told, self._first = self.period[told], self.known[told]
        in_time = told[np.argsort(self._first, kind="stable")]
        self._in_time = self.known[in_time]
        self._newest = np.maximum.accumulate(self.period[in_time]) if len(told) else self._told

    def newest(self, moments: Whole) -> Whole:
        """The newest period that had a value by each moment; NO_PERIOD where there is none."""
        last = np.searchsorted(self._in_time, moments, side="right") - 1
        if not len(self._newest):
            return np.full(len(moments), NO_PERIOD)
        return np.where(last >= 0, self._newest[np.maximum(last, 0)], NO_PERIOD)

    def at(self, periods: Whole, moments: Whole) -> Floats:
        """The value of each period as known at the moment beside it; NaN where none was."""
        if not len(self.value):
            return np.full(len(periods), np.nan)
        asked = np.searchsorted(self._periods, periods) * (len(self._moments) + 1)
        asked += np.searchsorted(self._moments, moments, side="right") - 1
        place = np.searchsorted(self._codes, asked, side="right") - 1
        is_known = (place >= 0) & (self.period[np.maximum(place, 0)] == periods)
        return np.where(is_known, self.value[np.maximum(place, 0)], np.nan)

    def first_known(self, periods: Whole) -> Whole:
        """When each period's first value became known; the moment 0 for a period that has none."""
        if not len(self._told):
            return np.zeros(len(periods), np.int64)
        place = np.minimum(np.searchsorted(self._told, periods), len(self._told) - 1)
        return np.where(self._told[place] == periods, self._first[place], 0)


def _numbers(ascending: Whole) -> Whole:
    """For each value how many others lie below it."""
    numbers: Whole = np.cumsum(np.diff(ascending, prepend=ascending[:1]) != 0)
    return numbers


@dataclass(frozen=True)
class Told:
    """What a series tells at each of some moments.

    Args:
        period: The newest one known then; NO_PERIOD for none.
        values: By name; NaN where it is not known.
    """

    period: Whole
    values: Mapping[str, Floats]


def months_before(periods: Whole, months: int) -> Whole:
    """The first days of the months that lie so many months before."""
    month = periods.view("datetime64[D]").astype("datetime64[M]") - np.timedelta64(months, "M")
    return month.astype("datetime64[D]").astype(np.int64)


def told_at_closes(
    grid: Grid, vintages: Vintages, tell: Callable[[Whole], Told], max_age: timedelta
) -> dict[str, Floats]:
    """What a series tells at each close of a grid; looked up only where something became known, and carried on from there.

    Args:
        tell: From moments to what is told then.
        max_age: NaN from so long after the first moment of the newest period on.
    """
    places = np.maximum(grid.not_before(vintages.known), 0)
    places = np.unique(np.append(places[places < grid.count], 0))
    closes = grid.times.astype(np.int64)
    told = tell(closes[places])
    lasts = np.diff(np.append(places, grid.count))
    age = closes - np.repeat(told.period, lasts) * _DAY_US
    is_fresh = age <= max_age // timedelta(microseconds=1)
    return {name: np.where(is_fresh, np.repeat(values, lasts), np.nan) for name, values in told.values.items()}
