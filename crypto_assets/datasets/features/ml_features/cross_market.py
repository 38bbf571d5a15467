"""What a venue's markets do together: the reference's closes, breadth, mean return and dispersion at each bar.

What belongs here: adding up markets, pure. What does not: reading them (engine.py) and features of it (cross_market_set.py).

A market counts at a bar where it has that bar and the one a span before; holes between do not matter to a return. Sums are
taken in the order of symbols, so that they come out the same to the last bit.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from crypto_assets.indicators.declaration import Floats, Times

MIN_MARKETS = 3  # a share or deviation of two markets says nothing of the venue
DAY_BARS, AVERAGE_BARS = 24, 50
COLUMNS = (
    "reference_close",
    "breadth_rising_24",
    "breadth_above_average_50",
    "market_return_1",
    "market_return_24",
    "dispersion_24",
)


class CrossMarket:
    """Sums over the markets of a venue on a regular grid of opening times.

    Args:
        start: First opening time of the grid.
        count: How many bars it has.
        length: Of a bar.
    """

    def __init__(self, start: np.datetime64, count: int, length: timedelta) -> None:
        self._start = start
        self._step = np.timedelta64(length // timedelta(microseconds=1), "us")
        self._count = count
        self._reference: dict[str, Floats] = {}
        self._sums = {name: np.zeros(count) for name in ("return_1", "return_24", "square_24", "rising", "above")}
        self._members = {name: np.zeros(count) for name in ("return_1", "return_24", "average")}

    def add(self, opened_at: Times, close: Floats) -> None:
        """Add a market's closes."""
        grid = self.on_grid(opened_at, close)
        day = _change(grid, DAY_BARS)
        bar = _change(grid, 1)
        above = _above_average(grid)
        for name, values in (("return_1", bar), ("return_24", day), ("square_24", np.square(day))):
            self._sums[name] += np.nan_to_num(values)
        self._sums["rising"] += day > 0
        self._sums["above"] += above > 0
        for name, values in (("return_1", bar), ("return_24", day), ("average", above)):
            self._members[name] += np.isfinite(values)

    def refer(self, quote: str, opened_at: Times, close: Floats) -> None:
        """Set the closes of the reference that markets of a quote currency are compared with."""
        self._reference[quote] = self.on_grid(opened_at, close)

    def at(self, opened_at: Times, quote: str) -> dict[str, Floats]:
        """The columns of `COLUMNS` at opening times of the grid."""
        sums, members = self._sums, self._members
        with np.errstate(divide="ignore", invalid="ignore"):
            mean_24 = sums["return_24"] / members["return_24"]
            variance = np.maximum(sums["square_24"] / members["return_24"] - np.square(mean_24), 0)
            columns = {
                "breadth_rising_24": (sums["rising"] / members["return_24"], members["return_24"]),
                "breadth_above_average_50": (sums["above"] / members["average"], members["average"]),
                "market_return_1": (sums["return_1"] / members["return_1"], members["return_1"]),
                "market_return_24": (mean_24, members["return_24"]),
                "dispersion_24": (np.sqrt(variance), members["return_24"]),
            }
        place = ((opened_at - self._start) // self._step).astype(np.int64)
        known = {
            name: np.where(count >= MIN_MARKETS, values, np.nan)[place] for name, (values, count) in columns.items()
        }
        reference = self._reference.get(quote)
        return {"reference_close": np.full(len(place), np.nan) if reference is None else reference[place], **known}

    def on_grid(self, opened_at: Times, values: Floats) -> Floats:
        """Values at their places of the grid, NaN elsewhere; what lies outside of it is left out."""
        place = ((opened_at - self._start) // self._step).astype(np.int64)
        inside = (place >= 0) & (place < self._count)
        grid = np.full(self._count, np.nan)
        grid[place[inside]] = values[inside]
        return grid


def _change(grid: Floats, bars: int) -> Floats:
    change = np.full(len(grid), np.nan)
    if bars < len(grid):
        change[bars:] = grid[bars:] / grid[:-bars] - 1
    return change


def _above_average(grid: Floats) -> Floats:
    """Close less its average over `AVERAGE_BARS` full bars; NaN where one is absent."""
    result = np.full(len(grid), np.nan)
    if len(grid) < AVERAGE_BARS:
        return result
    is_known = np.isfinite(grid)
    sums = np.concatenate([[0.0], np.cumsum(np.where(is_known, grid, 0.0))])
    counts = np.concatenate([[0], np.cumsum(is_known)])
    mean = (sums[AVERAGE_BARS:] - sums[:-AVERAGE_BARS]) / AVERAGE_BARS
    full = counts[AVERAGE_BARS:] - counts[:-AVERAGE_BARS] == AVERAGE_BARS
    result[AVERAGE_BARS - 1 :] = np.where(full, grid[AVERAGE_BARS - 1 :] - mean, np.nan)
    return result
