"""How long the newest value of each kind is worth anything; after that it is gone from Redis.

What belongs here: the lives, each with its reason. What does not: the values (values.py). All in microseconds.
"""

from __future__ import annotations

_SECOND = 1_000_000
_MINUTE = 60 * _SECOND
_HOUR = 60 * _MINUTE

# A snapshot comes each second: after ten without one the stream is gone, and a price so old is nobody's price. Of wider grids,
# three snapshots.
QUOTE = 10 * _SECOND
QUOTE_SNAPSHOTS = 3
# Both are collected every five minutes: the third round that brings nothing ends it.
TICKER = 15 * _MINUTE
# A market that stands still is asked every quarter of an hour, and its book was hardly another until then.
BOOK = 20 * _MINUTE
# Decisions are made on the hour and their inputs come within half an hour: the one before counts until then, and never beyond
# the end of its own horizon.
PREDICTION = 2 * _HOUR
# Features, too, look back a day: what was in the news yesterday is none.
SCORE = 24 * _HOUR


def quote_until(at_us: int, step_us: int) -> int:
    """End of a quote's life.

    Args:
        at_us: Its second.
        step_us: Of the grid of snapshots.
    """
    return at_us + max(QUOTE, QUOTE_SNAPSHOTS * step_us)


def bar_until(known_us: int, length_us: int) -> int:
    """End of a bar's life: when the one after it has closed.

    Args:
        known_us: When it closed.
        length_us: Of a bar.
    """
    return known_us + length_us


def prediction_until(decided_us: int, horizon_end_us: int) -> int:
    """End of a prediction's life."""
    return min(decided_us + PREDICTION, horizon_end_us)


__all__ = [
    "BOOK",
    "PREDICTION",
    "QUOTE",
    "QUOTE_SNAPSHOTS",
    "SCORE",
    "TICKER",
    "bar_until",
    "prediction_until",
    "quote_until",
]
