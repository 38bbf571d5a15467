"""Decisions of several series, with what was known at each and what came after: what every learner sees.

What belongs here: the arrays, their order, and choosing rows. What does not: reading them (datasets/models) and what is made of
them (the learners and baselines beside this module).

Every target is the logarithm of a positive quantity's value at the end of the horizon over its value at the decision. So one
number means the same for a fee, a spread, a depth, a reserve and a price, zero is "no change", and a value is restored by
`now * exp(change)`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from crypto_assets.errors import CryptoAssetsError

type Floats = NDArray[np.float64]
type Singles = NDArray[np.float32]
type Times = NDArray[np.datetime64]
type Rows = NDArray[np.int64]

# Decisions are made on the hour: bars, fees and pools are all brought onto this grid.
STEP = timedelta(hours=1)


class FrameRefused(CryptoAssetsError):
    """The frame cannot serve: columns are missing or all null, arrays differ in length, or history is too short."""


@dataclass(frozen=True, order=True)
class SeriesName:
    """What a forecast is about.

    Args:
        domain: Exchange by its ccxt id, or chain by its name: who answers for the quantity.
        series: Unified symbol, address of a pool, or the name of a chain's one series.
    """

    domain: str
    series: str

    def __str__(self) -> str:
        return f"{self.domain} {self.series}"


@dataclass(frozen=True)
class Frame:
    """Decisions in order: by series, and within a series by time, each hour at most once; n rows, p inputs.

    Args:
        names: Of the inputs, p of them, in the order of `inputs`' columns.
        series: Each series once.
        code: Position in `series`, int64 (n,); never falls.
        decided_at: datetime64[us] (n,), UTC, on the hour.
        inputs: float32 (n, p); NaN where it was not known.
        now: float64 (n,): the quantity as it was known at the decision; positive, or NaN where it was not known.
        target: float64 (n,): logarithm of the quantity at the horizon's end over `now`; NaN where it is not known (yet).
        target_known_at: datetime64[us] (n,): when the target could first be known; NaT where `target` is NaN.
    """

    names: tuple[str, ...]
    series: tuple[SeriesName, ...]
    code: Rows
    decided_at: Times
    inputs: Singles
    now: Floats
    target: Floats
    target_known_at: Times

    def __post_init__(self) -> None:
        count = len(self.decided_at)
        lengths = {len(self.code), len(self.inputs), len(self.now), len(self.target), len(self.target_known_at), count}
        if len(lengths) > 1 or self.inputs.ndim != 2 or self.inputs.shape[1] != len(self.names):
            raise FrameRefused(
                f"Expected {count} rows of {len(self.names)} inputs, and got arrays of {sorted(lengths)} rows and"
                f" inputs of the shape {self.inputs.shape}"
            )

    def __len__(self) -> int:
        return len(self.decided_at)

    def take(self, rows: Rows) -> Frame:
        """Some rows, in rising order; series keep their codes."""
        return replace(
            self,
            code=self.code[rows],
            decided_at=self.decided_at[rows],
            inputs=self.inputs[rows],
            now=self.now[rows],
            target=self.target[rows],
            target_known_at=self.target_known_at[rows],
        )

    def usable(self) -> Rows:
        """Rows from which can be learned or which can be judged: quantity and target known."""
        return np.flatnonzero(np.isfinite(self.now) & np.isfinite(self.target)).astype(np.int64)

    def starts(self) -> Rows:
        """For each row, the first row of its series (n,)."""
        if not len(self):
            return np.zeros(0, dtype=np.int64)
        return np.searchsorted(self.code, self.code, side="left").astype(np.int64)


__all__ = ["STEP", "Floats", "Frame", "FrameRefused", "Rows", "SeriesName", "Singles", "Times"]
