"""Whether the present still looks like what a model learned from: distributions of inputs, and the size of errors.

What belongs here: the reference that is kept with a version, how far a window lies from it, and the verdict. What does not:
when to look and what follows (model_automation.py).

A week of one slowly moving input never looks like a year of it. So a reference knows, beside the distribution, how far the
windows of training itself lay from it, and an input has drifted only when it lies further away than those.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from crypto_assets.forecasting.declaration import Retrain
from crypto_assets.forecasting.frame import Floats, Frame, FrameRefused, Rows, Singles

BINS = 10  # deciles, the usual cut of the index
MIN_ROWS = 72  # of a window: three days of one series; the index of fewer is mostly chance, about (bins - 1) / rows
_MIN_WINDOWS = 4  # fewer windows of training cannot tell what is usual
_USUAL = 0.9  # this share of training's windows lay nearer
_MOST_ROWS = 100_000  # shares of so many are exact to a thousandth
_SHARE_FLOOR = 1e-4  # an empty bin's, so that logarithms stay finite
_SHOWN = 5  # inputs that a sentence names


@dataclass(frozen=True)
class InputReference:
    """One input as it was in training.

    Args:
        name: Of the input.
        edges: Between bins, rising: the deciles without repeats.
        shares: Of rows in each bin, and last of rows in which it was not known: one more than bins, which are one more than
            edges.
        usual: Population stability index that nine in ten windows of training stayed below; 0 where there were too few.
    """

    name: str
    edges: tuple[float, ...]
    shares: tuple[float, ...]
    usual: float


@dataclass(frozen=True)
class Reference:
    """What a version learned from, as far as drift is concerned.

    Args:
        rows: Looked at.
        inputs: Each input, in the model's order.
    """

    rows: int
    inputs: tuple[InputReference, ...]

    def as_json(self) -> dict[str, object]:
        """Numbers, texts and lists alone."""
        return {
            "rows": self.rows,
            "inputs": {
                one.name: {"edges": list(one.edges), "shares": list(one.shares), "usual": one.usual}
                for one in self.inputs
            },
        }

    @classmethod
    def of_json(cls, told: object) -> Reference:
        """What `as_json` gave, also after a journey through a database.

        Raises:
            FrameRefused: it is something else.
        """
        try:
            inputs = tuple(
                InputReference(
                    str(name), tuple(map(float, one["edges"])), tuple(map(float, one["shares"])), float(one["usual"])
                )
                for name, one in told["inputs"].items()  # type: ignore[index]
            )
            return cls(int(told["rows"]), inputs)  # type: ignore[index]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise FrameRefused(
                f"Expected the reference that drift is measured against, and got {str(told)[:80]!r} ({error!r})",
                way_out="Train the forecast anew: each training stores its own.",
            ) from None


@dataclass(frozen=True)
class Drift:
    """How far a window lies from training.

    Args:
        inputs: Population stability index of each input; NaN where it could not be told.
        drifted: Inputs beyond both the declaration's bound and what is usual, the furthest first.
        max_share: Of inputs that may have drifted.
        error: Mean absolute error of the window, out of sample; NaN where no truth came.
        expected: The same of validation.
        max_ratio: `error` may be so many times `expected`.
    """

    inputs: Mapping[str, float]
    drifted: tuple[str, ...]
    max_share: float
    error: float
    expected: float
    max_ratio: float

    @property
    def share(self) -> float:
        """Of the inputs that could be told, those that have drifted."""
        known = sum(1 for value in self.inputs.values() if math.isfinite(value))
        return len(self.drifted) / known if known else 0.0

    @property
    def ratio(self) -> float:
        """Error of the window over that of validation; NaN where either is not known."""
        return self.error / self.expected if self.expected > 0 else math.nan

    @property
    def is_over(self) -> bool:
        """Whether either bound is passed."""
        return self.share > self.max_share or self.ratio > self.max_ratio

    def told(self) -> str:
        """The figures beside their bounds, in words, with the inputs that moved most."""
        parts = []
        if any(math.isfinite(value) for value in self.inputs.values()):
            parts.append(f"{self.share:.0%} of inputs drifted (bound {self.max_share:.0%})")
        else:
            parts.append("too few rows to compare inputs")
        moved = ", ".join(f"{name} {self.inputs[name]:.2f}" for name in self.drifted[:_SHOWN])
        if moved:
            more = len(self.drifted) - _SHOWN
            parts[-1] += f": {moved}{f' and {more} more' if more > 0 else ''}"
        if math.isfinite(self.ratio):
            parts.append(f"error {self.ratio:.2f} times validation's (bound {self.max_ratio:g})")
        else:
            parts.append("no truth out of sample yet")
        return "; ".join(parts)


def reference(frame: Frame, rows: Rows, window: timedelta = Retrain.window) -> Reference:
    """The distribution of each input over some rows, and how far each window of them lies from it.

    Args:
        frame: Of training.
        rows: What was learned from, at least one.
        window: Length of the windows that will be compared with it.

    Raises:
        FrameRefused: no row.
    """
    if not len(rows):
        raise FrameRefused("Expected rows to take the distributions of inputs from, and got none")
    chosen = rows[:: -(-len(rows) // _MOST_ROWS)]
    age = (frame.decided_at[chosen] - frame.decided_at[chosen].min()) // np.timedelta64(window)
    inputs = tuple(_one(name, frame.inputs[chosen, place], age) for place, name in enumerate(frame.names))
    return Reference(len(chosen), inputs)


def psi(reference: Reference, frame: Frame, rows: Rows) -> dict[str, float]:
    """Population stability index of each input: Σ (share now - share then) · ln(share now / share then) over deciles.

    A bin of its own holds the rows in which the input is not known, so one that falls silent has drifted, too.

    Returns:
        By name: 0 for equal distributions, 0.25 the usual mark of a shift; NaN where the rows are fewer than MIN_ROWS.

    Raises:
        FrameRefused: the frame lacks an input of the reference.
    """
    return {one.name: _index(np.array(one.shares), now) for one, now in _compared(reference, frame, rows)}


def ks(reference: Reference, frame: Frame, rows: Rows) -> dict[str, float]:
    """Kolmogorov-Smirnov distance of each input, seen at the deciles: the largest difference of the two distributions there.

    The distance over all values is larger by no more than one bin's share. Rows in which the input is not known are left out.

    Returns:
        By name: 0 for equal distributions, 1 for disjoint ones; NaN where the rows are fewer than MIN_ROWS or one side knows
        none.

    Raises:
        FrameRefused: the frame lacks an input of the reference.
    """
    found = {}
    for one, now in _compared(reference, frame, rows):
        then, new = np.array(one.shares[:-1]), now[:-1]
        known = then.sum() * new.sum()
        distance = np.abs(np.cumsum(then) / then.sum() - np.cumsum(new) / new.sum()).max() if known > 0 else math.nan
        found[one.name] = float(distance)
    return found


def judge(told: Reference, found: Mapping[str, float], errors: tuple[float, float], rules: Retrain) -> Drift:
    """The verdict over a window. Pure.

    Args:
        told: What the champion learned from.
        found: What `psi` gives of the window.
        errors: Mean absolute error of the window, out of sample, and of validation; NaN where not known.
        rules: The declaration's bounds.
    """
    bounds = {one.name: max(rules.max_psi, one.usual) for one in told.inputs}
    drifted = [name for name, value in found.items() if value > bounds[name]]
    drifted.sort(key=lambda name: (-found[name], name))
    return Drift(found, tuple(drifted), rules.max_drifted_share, *errors, rules.max_error_ratio)


def _one(name: str, values: Singles, age: NDArray[np.int64]) -> InputReference:
    known = values[np.isfinite(values)].astype(np.float64)
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1])) if len(known) else np.zeros(0)
    bins, count = _bins(edges, values), len(edges) + 2
    shares = np.bincount(bins, minlength=count) / len(values)
    table = np.bincount(age * count + bins, minlength=(int(age.max()) + 1) * count).reshape(-1, count)
    table = table[table.sum(axis=1) >= MIN_ROWS]
    usual = 0.0
    if len(table) >= _MIN_WINDOWS:
        usual = float(np.quantile([_index(shares, counts / counts.sum()) for counts in table], _USUAL))
    return InputReference(name, tuple(edges.tolist()), tuple(shares.tolist()), usual)


def _bins(edges: Floats, values: Singles) -> NDArray[np.int64]:
    """The bin of each value; the last one for those that are not known."""
    bins = np.searchsorted(edges, values.astype(np.float64), side="right")
    return np.where(np.isfinite(values), bins, len(edges) + 1).astype(np.int64)


def _index(then: Floats, now: Floats) -> float:
    old, new = np.maximum(then, _SHARE_FLOOR), np.maximum(now, _SHARE_FLOOR)
    return float(np.sum((new - old) * np.log(new / old)))


def _compared(reference: Reference, frame: Frame, rows: Rows) -> Sequence[tuple[InputReference, Floats]]:
    """Each input of the reference with its shares over the rows, NaN where they are too few."""
    absent = [one.name for one in reference.inputs if one.name not in frame.names]
    if absent:
        raise FrameRefused(
            f"Expected the inputs that the version was trained on, and got a frame without {', '.join(absent)}",
            way_out="Train the forecast anew: its inputs have changed since.",
        )
    places = {name: place for place, name in enumerate(frame.names)}
    compared: list[tuple[InputReference, Floats]] = []
    for one in reference.inputs:
        count = len(one.shares)
        shares: Floats = np.full(count, math.nan)
        if len(rows) >= MIN_ROWS:
            bins = _bins(np.array(one.edges), frame.inputs[rows, places[one.name]])
            shares = np.bincount(bins, minlength=count) / len(rows)
        compared.append((one, shares))
    return compared


__all__ = ["BINS", "MIN_ROWS", "Drift", "InputReference", "Reference", "judge", "ks", "psi", "reference"]
