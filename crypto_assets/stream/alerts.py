"""Which alerts are told now: the same one of the same market only so often, and never a flood in one second.

What belongs here: when an alert was told last, and how many were. What does not: what an alert is about and its words
(analytics.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

MOST_AT_ONCE = (
    20  # of a kind in one snapshot: a log line costs as much as judging ten markets; the others come a second later
)
_SECOND = 1_000_000  # microseconds


class Alerts:
    """The memory of alerts.

    Args:
        every_seconds: The same alert is told again after so long.
        told: Where those that are told are counted, by kind.
    """

    def __init__(self, every_seconds: float, told: Counter[str]) -> None:
        self._every = every_seconds * _SECOND
        self._told = told
        self._last: dict[tuple[str, Hashable], int] = {}
        self._at = 0
        self._now: Counter[str] = Counter()

    def is_due(self, kind: str, about: Hashable, at: int) -> bool:
        """Whether to tell it; then it counts as told.

        Args:
            about: The market, the venue, or whatever else the alert is about.
            at: The snapshot's second, microseconds since 1970, UTC.
        """
        if at != self._at:
            self._at, self._now = at, Counter()
        last = self._last.get((kind, about))
        # A clock that was set back is no reason for silence.
        is_recent = last is not None and 0 <= at - last < self._every
        if is_recent or self._now[kind] >= MOST_AT_ONCE:
            return False
        self._last[kind, about] = at
        self._now[kind] += 1
        self._told[kind] += 1
        return True
