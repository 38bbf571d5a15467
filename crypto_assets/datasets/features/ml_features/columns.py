"""The columns that features are made of, and looking back through them without crossing a hole.

What belongs here: access by name, lags and rolling functions. What does not: features (…_set.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from crypto_assets.indicators.declaration import Bools, Floats, Times
from crypto_assets.indicators.segments import MarketBars


class Columns(Mapping[str, Floats]):
    """Everything known at each bar's close: the bar, its indicators, the venue's other markets, joined inputs.

    Args:
        market: The bars, whose cuts no look back crosses.
        values: One array a name, one value a bar.
    """

    def __init__(self, market: MarketBars, values: Mapping[str, Floats]) -> None:
        self._values = values
        self._age = market.age()
        self.opened_at: Times = market.bars.opened_at

    def __getitem__(self, name: str) -> Floats:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def lag(self, values: Floats, bars: int) -> Floats:
        """The value so many bars before; NaN where a hole or the start lies between."""
        moved = np.full(len(values), np.nan)
        if bars < len(values):
            moved[bars:] = values[: len(values) - bars]
        return np.where(self._age >= bars, moved, np.nan)

    def rolling(self, function: Callable[..., Floats], *values: Floats) -> Floats:
        """A function of whole runs applied to each run in which all values are known and no hole lies.

        Args:
            function: Takes arrays of one length without NaN, returns one of that length.
        """
        is_known = np.logical_and.reduce([np.isfinite(one) for one in values])
        result = np.full(len(is_known), np.nan)
        for start, stop in self._runs(is_known):
            result[start:stop] = function(*(one[start:stop] for one in values))
        return result

    def _runs(self, is_known: Bools) -> Iterator[tuple[int, int]]:
        begins = is_known & ((self._age == 0) | ~np.concatenate([[False], is_known[:-1]]))
        ends = is_known & np.concatenate([begins[1:] | ~is_known[1:], [True]])
        return zip(np.flatnonzero(begins).tolist(), (np.flatnonzero(ends) + 1).tolist(), strict=True)
