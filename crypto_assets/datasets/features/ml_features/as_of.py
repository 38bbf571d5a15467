"""The as-of join: for each decision, the newest row that was known by then.

What belongs here: the pure join. What does not: reading inputs (inputs.py) and using them (engine.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from crypto_assets.indicators.declaration import Floats, Times


@dataclass(frozen=True)
class KnownRows:
    """Rows of one input, in any order.

    Args:
        known_at: When each could first be known; datetime64[us], UTC.
        observed_at: What time each speaks of: a bar's opening, a macro value's period. Of the rows known, the one that
            speaks of the latest time counts, so that a late revision of an old period displaces nothing; among versions of
            the same time, the one known last.
        values: One array a column.
    """

    known_at: Times
    observed_at: Times
    values: Mapping[str, Floats]


def newest_known(
    decided_at: Times, known_at: Times, observed_at: Times, max_age: timedelta | None
) -> NDArray[np.int64]:
    """For each decision the position of the row that counts, -1 where none does.

    Args:
        decided_at: Decision times in any order.
        known_at: Of the rows. A row known at the very moment of the decision is known.
        observed_at: Of the rows.
        max_age: A row known longer ago than this counts no more; None for no bound.
    """
    order = _in_order(known_at, observed_at)
    known, observed = known_at[order], observed_at[order]
    # Rows that speak of a time older than one known before them never count: carry on the better one's position.
    counts = observed == np.maximum.accumulate(observed) if len(observed) else np.zeros(0, dtype=bool)
    best = np.maximum.accumulate(np.where(counts, np.arange(len(known)), 0)) if len(known) else np.zeros(0, np.int64)
    last = np.searchsorted(known, decided_at, side="right") - 1
    found = np.where(last >= 0, best[np.maximum(last, 0)] if len(best) else 0, -1)
    if max_age is not None and len(known):
        age = decided_at - known[np.maximum(found, 0)]
        found = np.where(age <= np.timedelta64(max_age // timedelta(microseconds=1), "us"), found, -1)
    return np.where(found >= 0, order[np.maximum(found, 0)] if len(order) else -1, -1).astype(np.int64)


def join_known(
    decided_at: Times, inputs: Sequence[KnownRows], columns: Sequence[str], max_age: timedelta | None
) -> dict[str, Floats]:
    """Each column as it was known at each decision; NaN where it was not.

    Args:
        inputs: Several sources of the same facts count as their median.
    """
    joined: dict[str, list[Floats]] = {name: [] for name in columns}
    for rows in inputs:
        at = newest_known(decided_at, rows.known_at, rows.observed_at, max_age)
        for name in columns:
            values = rows.values[name]
            joined[name].append(np.where(at >= 0, values[np.maximum(at, 0)], np.nan) if len(values) else _nothing(at))
    nothing = np.full(len(decided_at), np.nan)
    return {name: _median(found) if found else nothing for name, found in joined.items()}


def _in_order(known_at: Times, observed_at: Times) -> NDArray[np.int64]:
    """The positions by `known_at`, then `observed_at`. What is in that order already need not be sorted for each market."""
    is_later, is_same = known_at[1:] > known_at[:-1], known_at[1:] == known_at[:-1]
    if np.all(is_later | (is_same & (observed_at[1:] >= observed_at[:-1]))):
        return np.arange(len(known_at), dtype=np.int64)
    order: NDArray[np.int64] = np.lexsort((observed_at, known_at)).astype(np.int64)
    return order


def _nothing(like: NDArray[np.int64]) -> Floats:
    return np.full(len(like), np.nan)


def _median(found: Sequence[Floats]) -> Floats:
    if len(found) == 1:
        return found[0]
    values = np.sort(np.vstack(found), axis=0)  # NaN goes last
    count = np.isfinite(values).sum(axis=0)
    low, high = np.maximum((count - 1) // 2, 0), np.minimum(count // 2, len(found) - 1)
    rows = np.arange(values.shape[1])
    return np.where(count > 0, (values[low, rows] + values[high, rows]) / 2, np.nan)
