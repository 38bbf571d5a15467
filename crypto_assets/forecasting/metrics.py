"""How far forecasts were off, and how sure that is.

What belongs here: measures of arrays, and the bootstrap over hours. What does not: which rows are measured (validation.py).

Arrays are float64 (n,) without NaN: who calls leaves out what was not said. A measure of no rows is NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from crypto_assets.forecasting.frame import Floats, Rows

LEVEL = 0.9  # of intervals: one in twenty lies below, one in twenty above
DRAWS = 500


@dataclass(frozen=True)
class Interval:
    """Where a measure lies, with a probability of `LEVEL`; infinite where the rows cannot tell.

    Args:
        low: One in twenty lies below.
        high: One in twenty lies above.
    """

    low: float
    high: float


def mae(truth: Floats, yhat: Floats) -> float:
    """Mean absolute error."""
    return _mean(np.abs(truth - yhat))


def pinball(truth: Floats, quantile: Floats, level: float) -> float:
    """Mean pinball loss of a quantile: what is least for whoever names the true one (Koenker and Bassett, 1978).

    Args:
        level: Of the quantile: 0.1 says that one truth in ten lies below.
    """
    above = truth - quantile
    return _mean(np.maximum(level * above, (level - 1) * above))


def coverage(truth: Floats, low: Floats, high: Floats) -> float:
    """Share of truths from `low` to `high`, ends included."""
    return _mean((low <= truth) & (truth <= high))


def directional_accuracy(truth: Floats, yhat: Floats) -> float:
    """Share of right signs among the rows where something changed and the forecast named a direction."""
    named = (truth != 0) & (yhat != 0)
    return _mean(np.sign(truth[named]) == np.sign(yhat[named]))


def skill(model_errors: Floats, baseline_errors: Floats) -> float:
    """1 less the model's mean absolute error over the baseline's: 0 is no better, 1 is perfect, below 0 is worse.

    Against a baseline that never errs: 0 for a model that never errs either, else minus infinity.
    """
    model, base = float(np.abs(model_errors).sum()), float(np.abs(baseline_errors).sum())
    if base:
        return 1 - model / base
    return 0.0 if not model else -math.inf


def _mean(values: Floats | np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> float:
    return float(values.mean()) if len(values) else math.nan


def block_bootstrap(
    above: Floats, below: Floats, hours: Rows, *, block: int, seed: int, draws: int = DRAWS
) -> Interval:
    """Interval of Σ above / Σ below by the moving-block bootstrap (Künsch, 1989) over hours.

    A draw puts blocks of consecutive hours together until there are as many hours as between the first row and the last. All
    rows of an hour are drawn together, since series move together, and hours without rows hold their place, so that a block
    is always the same span of time. A skill's interval is 1 less that of model errors over baseline errors; a mean's that of
    values over ones.

    Few blocks say less than they seem to: their draws vary too little, by (n - 1)/n, and the quantiles of so few are those of
    Student's t. The interval is stretched around the measured value by both (Hesterberg, What Teachers Should Know About the
    Bootstrap, 2015, whose expanded percentile interval this is where draws
    are normal). Fewer than two blocks say nothing.

    Args:
        above: float64 (n,).
        below: float64 (n,), none negative; a row where it is 0 counts for nothing.
        hours: Hour of each row, since any hour, int64 (n,).
        block: Length in hours; at least as long as targets overlap.
        seed: The same seed gives the same interval, bit for bit.
    """
    nothing = Interval(-math.inf, math.inf)
    if not len(hours) or not float(below.sum()):
        return nothing
    at = hours - hours.min()
    span = int(at.max()) + 1
    # Blocks that fall into a hole of the history say nothing.
    stretch = _stretch(min(span / block, len(np.unique(at[below > 0] // block))))
    if math.isinf(stretch):
        return nothing
    sums: list[Floats] = [np.bincount(at, values, minlength=span).astype(np.float64) for values in (above, below)]
    whole = float(sums[0].sum() / sums[1].sum())
    starts = np.random.default_rng(seed).integers(0, span - block + 1, size=(draws, math.ceil(span / block)))
    drawn_above, drawn_below = (_block_sums(values, block)[starts].sum(axis=1) for values in sums)
    held = drawn_below > 0
    low, high = np.quantile(drawn_above[held] / drawn_below[held], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(whole - stretch * max(0.0, whole - float(low)), whole + stretch * max(0.0, float(high) - whole))


def _block_sums(values: Floats, block: int) -> Floats:
    """Sum of each run of `block` values."""
    until: Floats = np.concatenate([[0.0], np.cumsum(values)])
    found: Floats = until[block:] - until[:-block]
    return found


def _stretch(blocks: float) -> float:
    """How much wider an interval is for so few blocks: infinite below two."""
    if blocks < 2:
        return math.inf
    # Half a second of imports, which every process that loads the definitions would pay. scikit-learn brings SciPy.
    from scipy.special import stdtrit  # type: ignore[import-untyped]  # noqa: PLC0415

    end = (1 + LEVEL) / 2
    return float(math.sqrt(blocks / (blocks - 1)) * stdtrit(blocks - 1, end) / NormalDist().inv_cdf(end))


__all__ = [
    "DRAWS",
    "LEVEL",
    "Interval",
    "block_bootstrap",
    "coverage",
    "directional_accuracy",
    "mae",
    "pinball",
    "skill",
]
