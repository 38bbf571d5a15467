"""How often a market is asked, from what was seen of it. Pure.

What belongs here: the rule for the next interval, and how many requests may be on their way at once. What does not: whose
turn it is (rotation.py).
"""

from __future__ import annotations

import math

_MOST_CHANGE = 2.0  # from one poll to the next: a burst or a lull alone does not turn a market's rhythm upside down
_UNMEASURED_LATENCY = 0.2  # seconds; a venue on another continent answers in so long
MOST_WORKERS = 8  # more threads than that wait for Python, not for the venue


def next_interval(interval: float, seen: float, wanted: float, shortest: float, longest: float) -> float:
    """Seconds until the next poll, so that each brings about as much as wanted.

    Args:
        interval: Seconds that the last poll looked back on.
        seen: What happened in them, in any measure: trades, basis points of movement.
        wanted: How much of it a poll should bring.
        shortest: Least result.
        longest: Largest result.
    """
    factor = _MOST_CHANGE if seen <= 0 else min(_MOST_CHANGE, max(1 / _MOST_CHANGE, wanted / seen))
    return min(longest, max(shortest, interval * factor))


def retry_interval(interval: float, failures: int, longest: float) -> float:
    """Seconds until a market that failed is asked again: its interval, doubled with each failure in a row."""
    return min(longest, interval * 2.0 ** min(failures - 1, 30))


def workers_for(requests_per_second: float, latency_seconds: float | None) -> int:
    """How many requests are on their way at once, on average, when the budget is used up: Little's law.

    Args:
        requests_per_second: The venue's budget.
        latency_seconds: As measured; None before the first measurement.
    """
    latency = _UNMEASURED_LATENCY if latency_seconds is None else latency_seconds
    return max(1, min(MOST_WORKERS, math.ceil(requests_per_second * latency)))
