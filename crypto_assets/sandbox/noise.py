"""Numbers that look random and are a function of a key: the same in every run, in any order, without state.

What belongs here: uniform numbers for integers, and smooth noise over minutes. What does not: what they stand for.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


@lru_cache(maxsize=4096)
def key_of(*parts: object) -> int:
    """A 64-bit key for anything that has a text."""
    return int.from_bytes(hashlib.sha256("|".join(map(str, parts)).encode()).digest()[:8], "big")


def uniform(key: int, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """A number in 0..1 for each integer: the finaliser of splitmix64, which mixes every bit."""
    x = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(key)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x ^ (x >> np.uint64(31))).astype(np.float64) / 2**64


def noise(key: int, minutes: NDArray[np.int64], scale: int) -> NDArray[np.float64]:
    """Smooth noise in -1..1 for successive minutes; its knots are `scale` minutes apart."""
    if scale == 1:
        return 2 * uniform(key, minutes) - 1
    first, last = int(minutes[0]) // scale, int(minutes[-1]) // scale
    # Mixing bits costs most of the time, so each knot is mixed once and not once a minute.
    knots = uniform(key, np.arange(first, last + 2, dtype=np.int64))
    left, rise = knots[:-1], np.diff(knots)
    if scale <= len(minutes):  # whole stretches between knots, cut afterwards: half the arithmetic
        whole = left[:, None] + rise[:, None] * _between_knots(scale)
        between = whole.ravel()[minutes[0] - first * scale :][: len(minutes)]
    else:
        index = minutes // scale - first
        between = left[index] + rise[index] * _smooth(minutes % scale, scale)
    centred: NDArray[np.float64] = 2 * between - 1
    return centred


@lru_cache(maxsize=64)
def _between_knots(scale: int) -> NDArray[np.float64]:
    return _smooth(np.arange(scale), scale)


def _smooth(minutes: NDArray[np.int64], scale: int) -> NDArray[np.float64]:
    """From 0 to 1 over `scale` minutes, level at both ends."""
    part = minutes / scale
    smooth: NDArray[np.float64] = part * part * (3 - 2 * part)
    return smooth
