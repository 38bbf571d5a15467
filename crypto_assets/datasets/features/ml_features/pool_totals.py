"""What many pools add up to at each decision: the newest snapshot of each, and how many are new.

What belongs here: pure arithmetic over arrays. What does not: reading pools (dex_pools.py).

Decisions lie on a grid, so that each snapshot is laid on those at which it counts, and nothing is looked up one by one. Sums
go through the pools in the order of their numbers: the same pools give the same bits from whatever window.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from crypto_assets.indicators.declaration import Bools, Floats, Times

type Whole = NDArray[np.int64]
_NEVER = np.iinfo(np.int64).max // 2


@dataclass(frozen=True)
class Grid:
    """Moments a step apart.

    Args:
        first: The first one, in microseconds since 1970.
        step: In microseconds.
        count: How many.
    """

    first: int
    step: int
    count: int

    @property
    def times(self) -> Times:
        """The moments."""
        return (self.first + self.step * np.arange(self.count, dtype=np.int64)).view("datetime64[us]")

    def not_before(self, at: Whole) -> Whole:
        """For each time the place of the first moment that is not before it; it may lie outside of the grid."""
        return -((self.first - at) // self.step)

    def part(self, start: int, stop: int) -> Grid:
        """The moments at the places [start, stop)."""
        return Grid(self.first + start * self.step, self.step, min(stop, self.count) - start)


@dataclass(frozen=True)
class Snapshots:
    """Rows about pools, in any order.

    Args:
        pool: Number of each row's pool; numbers follow the same order whichever pools are there.
        snapshot_at: What moment it tells of.
        known_at: Since when it could be known.
        values: What it tells; NaN where it does not, so that the pool is left out of that sum.
    """

    pool: Whole
    snapshot_at: Times
    known_at: Times
    values: Mapping[str, Floats]


def newest_sums(grid: Grid, rows: Snapshots, max_age: timedelta) -> dict[str, Floats]:
    """For each moment the sum over pools of the newest snapshot that was known by then; NaN where no pool has one.

    Args:
        max_age: A snapshot taken longer ago does not count, nor does an older one in its place.
    """
    at, snapshot, known, pool = _that_count(rows)
    bound = max_age // timedelta(microseconds=1)
    superseded = np.full(len(at), _NEVER)
    if len(at):
        superseded[:-1] = np.where(pool[1:] == pool[:-1], known[1:], _NEVER)
    first = np.maximum(grid.not_before(known), 0)
    after = np.minimum(grid.not_before(superseded), grid.not_before(snapshot + bound + 1))
    places = np.maximum(np.minimum(after, grid.count) - first, 0)
    row = np.repeat(at, places)
    begins = np.cumsum(places) - places
    place = np.repeat(first - begins, places) + np.arange(len(row))
    return {name: _sums(place, values[row], grid.count) for name, values in rows.values.items()}


def born_before(grid: Grid, born_at: Times, known_at: Times, within: timedelta) -> Floats:
    """For each moment t how many were born in (t - within, t] and known by t."""
    born, known = (at.astype(np.int64) for at in (born_at, known_at))
    first = np.clip(grid.not_before(np.maximum(born, known)), 0, grid.count)
    after = np.clip(grid.not_before(born + within // timedelta(microseconds=1)), 0, grid.count)
    counts = np.zeros(grid.count + 1, dtype=np.int64)
    np.add.at(counts, first, 1)
    np.add.at(counts, np.maximum(first, after), -1)
    return np.cumsum(counts)[:-1].astype(np.float64)


def watched_since(grid: Grid, rounds: Times, longest: timedelta) -> tuple[Times, Times]:
    """For each moment the last round by then, and the first one since when no two were further apart than `longest`.

    NaT where there was no round. A round is a moment at which pools were asked for; each may come several times.
    """
    moments = np.unique(rounds.astype(np.int64))
    nothing = np.full(grid.count, np.datetime64("NaT", "us"))
    if not len(moments):
        return nothing, nothing
    bound = longest // timedelta(microseconds=1)
    begins = np.concatenate([[True], np.diff(moments) > bound])
    since = np.maximum.accumulate(np.where(begins, moments, np.iinfo(np.int64).min))
    last = np.searchsorted(moments, grid.times.astype(np.int64), side="right") - 1
    there = last >= 0
    return (
        np.where(there, moments[last].view("datetime64[us]"), nothing),
        np.where(there, since[last].view("datetime64[us]"), nothing),
    )


def _that_count(rows: Snapshots) -> tuple[Whole, Whole, Whole, Whole]:
    """Positions of the rows by pool and time of knowledge, less those that told of an older moment than one known before."""
    snapshot, known = rows.snapshot_at.astype(np.int64), rows.known_at.astype(np.int64)
    order = np.lexsort((snapshot, known, rows.pool))
    moments, rank = np.unique(snapshot[order], return_inverse=True)
    height = rows.pool[order] * max(1, len(moments)) + rank  # no snapshot of one pool reaches up to the next pool's
    counts: Bools = height == np.maximum.accumulate(height) if len(height) else np.zeros(0, dtype=bool)
    at = order[counts]
    return at, snapshot[at], known[at], rows.pool[at]


def _sums(place: Whole, values: Floats, count: int) -> Floats:
    told = np.isfinite(values)
    sums = np.bincount(place[told], weights=values[told], minlength=count)
    return np.where(np.bincount(place[told], minlength=count) > 0, sums, np.nan)
