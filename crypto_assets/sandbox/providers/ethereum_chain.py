"""A made-up Ethereum: blocks, base fees and tips, each a function of (seed, number), without state.

What belongs here: what is true on the chain. What does not: how nodes and Etherscan write it (evm_rpc.py, etherscan.py).

Slots of 12 seconds are counted from the first block after the merge. One slot in 150 stays without a block, as validators miss
some. Base fees lie on a smooth path, and each block has used as much gas as its successor's base fee calls for by EIP-1559:
fee(n + 1) = fee(n) (1 + (ratio(n) - 1/2) / 4).
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from crypto_assets.sandbox.noise import key_of, noise, uniform

SLOT_SECONDS = 12
FIRST_BLOCK, FIRST_SECOND = 15_537_394, 1_663_224_179  # the first block after the merge
_GROUP = 150  # slots, one of which has no block
_GWEI = 10**9
# Amplitude in logarithms and blocks between knots; together a step never exceeds the eighth that EIP-1559 allows.
_WAVES = ((0.9, 50_000), (0.4, 2_000), (0.12, 60), (0.12, 4))
_MEAN_GWEI = 6.0
# As on the real chain, days have a rhythm: dear in the afternoon of UTC, cheap at night. So there is something to forecast.
_DAY_SLOTS, _DAY_HEIGHT, _DEAREST = 7_200, 0.5, 16 / 24
_TIPS_GWEI = (0.05, 0.8, 3.0)  # what 10, 50 and 90 % of a block's gas paid at most, about


def block_time(seed: int, number: int) -> int:
    """When a block was made, epoch seconds."""
    group, place = divmod(number - FIRST_BLOCK, _GROUP - 1)
    slot = group * _GROUP + place + (place >= _missed(seed, group))
    return FIRST_SECOND + slot * SLOT_SECONDS


def newest_block(seed: int, second: int) -> int:
    """Number of the newest block at a time in epoch seconds."""
    slot = (second - FIRST_SECOND) // SLOT_SECONDS
    group, place = divmod(slot, _GROUP)
    return FIRST_BLOCK + group * (_GROUP - 1) + place - (place >= _missed(seed, group))


def base_fees(seed: int, first: int, count: int) -> list[int]:
    """Base fees of so many blocks from the first on, wei per gas."""
    numbers = np.arange(first, first + count, dtype=np.int64)
    path = sum(
        (height * noise(key_of(seed, "base fee", scale), numbers, scale) for height, scale in _WAVES),
        start=_DAY_HEIGHT * np.cos(2 * np.pi * (_day_share(numbers) - _DEAREST)),
    )
    return [round(_MEAN_GWEI * _GWEI * math.exp(one)) for one in path.tolist()]


def _day_share(numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """How much of its day had gone by when each block was made, but for the slots without a block in its group."""
    slots = (numbers - FIRST_BLOCK) * _GROUP / (_GROUP - 1)
    return ((FIRST_SECOND / SLOT_SECONDS + slots) % _DAY_SLOTS) / _DAY_SLOTS


def gas_used_ratios(fees: list[int]) -> list[float]:
    """What each block but the last used of its limit, from base fees of adjacent blocks."""
    return [0.5 + 4 * (after / before - 1) for before, after in pairwise(fees)]


def tips(seed: int, first: int, count: int, percentiles: list[float]) -> list[list[int]]:
    """Priority fees at percentiles of each block's gas, wei per gas; ascending as the percentiles do."""
    numbers = np.arange(first, first + count, dtype=np.int64)
    levels = np.exp(
        0.5 * noise(key_of(seed, "tips"), numbers, 100) + 0.3 * (2 * uniform(key_of(seed, "tip"), numbers) - 1)
    )
    spread = np.interp(percentiles, (0, 10, 50, 90, 100), (0.01, *_TIPS_GWEI, 50.0))
    found: NDArray[np.int64] = np.rint(levels[:, None] * spread[None, :] * _GWEI).astype(np.int64)
    return [[int(tip) for tip in row] for row in found]


@lru_cache(maxsize=4096)
def _missed(seed: int, group: int) -> int:
    """Place of the slot without a block in its group; never the first, so that a group begins with a block."""
    return 1 + int(uniform(key_of(seed, "missed slot"), np.array([group], dtype=np.int64))[0] * (_GROUP - 1))
