"""What an indicator is: its declaration, the bars it is computed from, and the rule of its class at holes.

What belongs here: the types that formulas and readers share. What does not: formulas (trend.py, momentum.py, …) and which
bars go together (segments.py).

The rule at a hole is stated for a class of indicators, not for each:

- WINDOW: exactly the last n bars. A hole ends the series; n bars later there are values again.
- RECURSIVE: each value rests on the one before. A hole ends the series, and the first values after it are withheld until
  the seed weighs less than `SEED_WEIGHT`.
- SESSION: sums over a UTC day's trades. Nothing is traded in an outage of the venue, so sums go on behind it; where bars
  are missing, sums lack trades and stay null until the next session.
- CUMULATIVE: sums since a start. They go on behind an outage for the same reason, and start anew behind missing bars.

Minutes that the venue names quiet (nobody traded) are no hole for any of them: the price stood, the volume was 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray
from talib._ta_lib import MA_Type  # where talib's own stubs say it lives

type Floats = NDArray[np.float64]
type Singles = NDArray[np.float32]
type Times = NDArray[np.datetime64]
type Bools = NDArray[np.bool_]
type Positions = NDArray[np.int64]

SIMPLE = MA_Type.SMA  # TA-Lib's number of the simple moving average

# A seed of one percent moves an average by a hundredth of the seed's own error: below the noise of any use.
SEED_WEIGHT = 0.01


class Kind(StrEnum):
    """Class of an indicator: what it does at a hole."""

    WINDOW = "window"
    RECURSIVE = "recursive"
    SESSION = "session"
    CUMULATIVE = "cumulative"


@dataclass(frozen=True)
class Indicator:
    """One column.

    Args:
        name: Column name.
        meaning: Definition with parameters, in a clause.
        unit: As in schema/columns.py.
        warm_up: Bars of an unbroken series before the first value.
        source: Which engine or paper the values come from.
        kind: What it does at a hole.
        least: No value lies below; None where there is no bound.
        most: No value lies above.
    """

    name: str
    meaning: str
    unit: str
    warm_up: int
    source: str
    kind: Kind = Kind.WINDOW
    least: float | None = None
    most: float | None = None

    @property
    def comment(self) -> str:
        """What the database says of the column, less its unit."""
        return f"{self.meaning}; {self.kind.value}, first value after {self.warm_up} bars; source: {self.source}"


@dataclass(frozen=True)
class Bars:
    """Bars of one market in order of time, as arrays of one length.

    Args:
        opened_at: datetime64[us], UTC.
        open: Prices in the quote currency, as high, low and close.
        volume: Amount in the base currency.
    """

    opened_at: Times
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def __len__(self) -> int:
        return len(self.opened_at)

    def part(self, start: int, stop: int) -> Self:
        """The bars at positions [start, stop), without a copy."""
        return type(self)(*(getattr(self, field.name)[start:stop] for field in fields(self)))

    @property
    def typical(self) -> Floats:
        """(high + low + close) / 3."""
        return (self.high + self.low + self.close) / 3


@dataclass(frozen=True)
class Group:
    """Indicators that one call computes together.

    Args:
        indicators: In the order of what `compute` returns; all of one kind.
        compute: From one unbroken series to one array an indicator; NaN where there is no value.
    """

    indicators: tuple[Indicator, ...]
    compute: Callable[[Bars], tuple[Floats, ...]]

    @property
    def kind(self) -> Kind:
        """The class of all of them."""
        return self.indicators[0].kind


def settled(first: int, weight: float) -> int:
    """Bars before a recursive average is let out: its first value, and then until the seed weighs `SEED_WEIGHT`.

    Args:
        first: Position of the first value.
        weight: What a new bar weighs: 2/(n+1) for an EMA, 1/n for Wilder's.
    """
    return first + math.ceil(math.log(SEED_WEIGHT) / math.log(1 - weight))


def where(condition: Bools, values: Floats) -> Floats:
    """The values, NaN where the condition does not hold."""
    return np.where(condition, values, np.nan)


def lagged(values: Floats, bars: int) -> Floats:
    """The value so many bars before; NaN for the first ones."""
    moved = np.full(len(values), np.nan)
    if bars < len(values):
        moved[bars:] = values[: len(values) - bars]
    return moved
