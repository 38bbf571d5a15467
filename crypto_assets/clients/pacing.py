"""How fast a provider may be asked: slots handed out one by one, and rest when the provider asks for it.

What belongs here: the protocol of a pace, and the pace of one process. What does not: a pace that several processes share,
which needs a database (collection/shared_pace.py).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from crypto_assets.clients.breaker import BreakerStatus


@dataclass(frozen=True)
class Usage:
    """What a client has asked since it last told.

    Args:
        requests: Requests sent.
        throttled: Those of them that the provider answered with "too often".
        latency_seconds: Typical time from a request to its answer; None before the first.
    """

    requests: int
    throttled: int
    latency_seconds: float | None


class Pace(Protocol):
    """When the next request may be sent, for all that ask one provider through it."""

    def reserve(self, cost: float) -> float:
        """Take the next slot; seconds to wait until it comes.

        Args:
            cost: How many plain requests this one counts for.

        Raises:
            BreakerOpen: another process found that the provider must be left alone for longer than a wait is worth.
        """

    def rest(self, seconds: float) -> None:
        """Hand out no slot for so long: the provider asked for it."""

    def failures(self) -> int:
        """How many failures in a row have been seen by whoever asked last."""

    def tell(self, status: BreakerStatus) -> None:
        """Take note of the breaker's new state."""

    def used(self, usage: Usage) -> None:
        """Take note of what was asked; nothing more is for now."""


class LocalPace:
    """Even pacing within this process: no two plain requests closer than 1 / requests_per_second; threads may share it.

    Even spacing rather than bursts, because venues count over windows whose start nobody knows.
    """

    def __init__(self, requests_per_second: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = 1 / requests_per_second
        self._clock = clock
        self._lock = threading.Lock()
        self._next_slot = 0.0

    def reserve(self, cost: float) -> float:
        """Take the next slot; seconds to wait until it comes."""
        with self._lock:
            now = self._clock()
            slot = max(now, self._next_slot)
            self._next_slot = slot + self._interval * cost
        return slot - now

    def rest(self, seconds: float) -> None:
        """Hand out no slot for so long."""
        with self._lock:
            self._next_slot = max(self._next_slot, self._clock() + seconds)

    def failures(self) -> int:
        """None: nobody else asks."""
        return 0

    def tell(self, status: BreakerStatus) -> None:
        """Nobody else is there to be told."""

    def used(self, usage: Usage) -> None:
        """Nobody else is there to be told."""
