"""Whose turn it is: the markets of a venue by how long they have waited and how much is traded there. Pure.

What belongs here: the rule and its bound. What does not: asking (rounds.py) and how often a market is due (interval.py).

A market's urgency is the time since it was last asked, in its own intervals, plus its share of the venue's volume (0..1).
Among markets that are due the most urgent one has its turn. Urgency grows without end while a market waits, and the share
adds at most one interval, so none starves: see `longest_wait`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Turn:
    """A market's place in the rotation; times in seconds of one clock.

    Args:
        name: Its symbol.
        asked_at: When it was last asked.
        interval: Seconds from one poll to the next.
        share: Its part of the venue's volume, 0..1.
    """

    name: str
    asked_at: float
    interval: float
    share: float = 0.0

    @property
    def due_at(self) -> float:
        """When its next poll is due."""
        return self.asked_at + self.interval

    def urgency(self, now: float) -> float:
        """How much its poll is wanted; 1 and more when it is due."""
        return (now - self.asked_at) / self.interval + self.share


def most_urgent(turns: Iterable[Turn], now: float) -> Turn | None:
    """The due market that is asked first; None where none is due."""
    due = [turn for turn in turns if turn.due_at <= now]
    return max(due, key=lambda turn: (turn.urgency(now), turn.name)) if due else None


def next_due(turns: Iterable[Turn]) -> float | None:
    """When the next market becomes due; None where there are none."""
    return min((turn.due_at for turn in turns), default=None)


def longest_wait(turns: Sequence[Turn], seconds_a_poll: float) -> dict[str, float]:
    """Bound on the time that each due market waits for its turn, where one poll after the other is made.

    Let a market with interval I have waited w beyond its due time. Another one, with interval C, passes it only when it is
    due and at least as urgent, so w into the wait its own polls lie at least C max(1, w / I) apart: over a wait W it has at
    most 2 + (I + I ln+(W / I)) / C of them. Added up over n markets, with the load L = sum of seconds_a_poll / C, this gives
    W <= 2 n seconds_a_poll + L I (1 + ln+(W / I)), and solved for W, by the tangent of the logarithm, the bound returned.
    """
    load = sum(seconds_a_poll / turn.interval for turn in turns)
    factor = load * max(1.0, 2 * math.log(2 * max(1.0, load)))
    return {turn.name: 4 * len(turns) * seconds_a_poll + factor * turn.interval for turn in turns}


def volume_shares(volumes: dict[str, float | None]) -> dict[str, float]:
    """Each market's part of the volume of all; equal parts where nothing is known."""
    known = {name: _sound(volume) for name, volume in volumes.items()}
    total = sum(known.values())
    return {name: volume / total if total else 1 / len(known) for name, volume in known.items()}


def _sound(volume: float | None) -> float:
    return volume if volume is not None and 0 < volume < math.inf else 0.0
