"""Which block of Ethereum is the first at or after a moment, found with few questions.

What belongs here: the search. What does not: asking a node (clients/evm_rpc.py) and what is done with the block (backfill.py).

Since the merge blocks come in slots of 12 seconds, of which a few stay empty, so the distance in slots from a block whose time
is known is nearly right; before it they came after 13 seconds on average, anyhow. Blocks that were seen bracket the moment;
each answer narrows the bracket, so that the search ends even where time does not run evenly.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from crypto_assets.clients.evm_rpc import Block
from crypto_assets.clients.failures import Malformed, Unavailable

SLOT = timedelta(seconds=12)
MERGED_AT = datetime(2022, 9, 15, 6, 42, 59, tzinfo=UTC)  # the time of the first block in a slot
_GUESSES = 8  # by time; then the bracket is halved, which needs 25 more at most


def first_block_at(at: datetime, seen: list[Block], ask: Callable[[int], Block]) -> Block:
    """The first block whose time is `at` or later.

    Args:
        at: A moment with its zone.
        seen: Blocks whose time is known, in any order; what is asked is added.
        ask: Gives a block by its number.

    Raises:
        Unavailable: none of the blocks seen is so late.
        Malformed: times do not rise with numbers.
    """
    later = [one for one in seen if one.mined_at >= at]
    if not later:
        raise Unavailable(
            f"there is no block at {at:%Y-%m-%d %H:%M} yet", way_out="A node that lags behind catches up by itself."
        )
    high = min(later, key=lambda one: one.number)
    low = max((one for one in seen if one.mined_at < at), key=lambda one: one.number, default=None)
    asked = 0
    while not _is_first(high, low, at):
        block = ask(_next_guess(at, low, high, asked))
        asked += 1
        if block.mined_at >= high.mined_at or (low is not None and block.mined_at <= low.mined_at):
            raise Malformed(
                f"block {block.number} bears {block.mined_at:%Y-%m-%d %H:%M:%S}, a time that is not between its neighbours'",
                way_out="The next node is asked.",
            )
        seen.append(block)
        if block.mined_at >= at:
            high = block
        else:
            low = block
    return high


def _is_first(high: Block, low: Block | None, at: datetime) -> bool:
    """Whether no block before `high` can be at `at` or later."""
    if high.number == 0 or (low is not None and high.number - low.number == 1):
        return True
    return high.mined_at > MERGED_AT and high.mined_at - at < SLOT


def _next_guess(at: datetime, low: Block | None, high: Block, asked: int) -> int:
    """A number between both."""
    first, last = (low.number + 1 if low is not None else 0), high.number - 1
    if asked >= _GUESSES:
        return (first + last) // 2
    nearest = low if low is not None and at - low.mined_at < high.mined_at - at else high
    return min(max(nearest.number + math.ceil((at - nearest.mined_at) / SLOT), first), last)
