"""What every source of bars has in common: columns, and coarser bars made from finer ones.

What belongs here: the `BarSource` protocol and aggregation. What does not: where bars come from and how a venue writes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

COLUMNS = ("open", "high", "low", "close", "volume_base", "volume_quote", "trade_count")


@dataclass(frozen=True)
class BarColumns:
    """Bars in ascending order: opening times in epoch milliseconds, and a column for each of COLUMNS."""

    opened_at_ms: NDArray[np.int64]
    values: Mapping[str, NDArray[np.float64]]

    def __len__(self) -> int:
        return len(self.opened_at_ms)

    def take(self, chosen: NDArray[np.bool_] | slice) -> BarColumns:
        """The chosen bars."""
        return BarColumns(self.opened_at_ms[chosen], {name: self.values[name][chosen] for name in COLUMNS})


NO_BARS = BarColumns(np.empty(0, dtype=np.int64), {name: np.empty(0) for name in COLUMNS})


class BarSource(Protocol):
    """Where the sandbox's bars come from."""

    def symbols(self, venue: str) -> Sequence[str]:
        """Unified symbols of the venue's markets."""

    def bars(self, venue: str, symbol: str, length_ms: int, start_ms: int, end_ms: int) -> BarColumns:
        """Bars opening in [start, end), the one still open included."""

    def finest_ms(self, venue: str, symbol: str) -> int | None:
        """The shortest length of bar that there is of the market, ms; None where there are no bars."""

    def listed_ms(self, venue: str, symbol: str) -> int:
        """Since when the venue says that it lists the market, where it says so."""

    def now_ms(self, venue: str, symbol: str | None) -> int:
        """The venue's clock, for a market where its own clock differs (playback)."""


def join(parts: Sequence[BarColumns]) -> BarColumns:
    """Adjacent stretches of bars as one. Pure."""
    if len(parts) == 1:
        return parts[0]
    return BarColumns(
        np.concatenate([part.opened_at_ms for part in parts]),
        {name: np.concatenate([part.values[name] for part in parts]) for name in COLUMNS},
    )


def aggregate(fine: BarColumns, length_ms: int) -> BarColumns:
    """Coarser bars: open of the first, highest high, lowest low, close of the last, sums of the rest. Pure."""
    if not len(fine):
        return fine
    buckets = fine.opened_at_ms - fine.opened_at_ms % length_ms
    starts = np.flatnonzero(np.diff(buckets, prepend=buckets[0] - 1))
    ends = np.append(starts[1:], len(fine)) - 1
    values = fine.values
    return BarColumns(
        buckets[starts],
        {
            "open": values["open"][starts],
            "high": np.maximum.reduceat(values["high"], starts),
            "low": np.minimum.reduceat(values["low"], starts),
            "close": values["close"][ends],
            **{name: np.add.reduceat(values[name], starts) for name in COLUMNS[4:]},
        },
    )
