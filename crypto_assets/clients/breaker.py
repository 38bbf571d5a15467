"""A circuit breaker: after failures in a row a provider is left alone, then tried with one request.

What belongs here: the states and their changes. What does not: which failures count (transport.py).

pybreaker, used before, holds its lock while a request runs, so threads that share a provider would ask one after the other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class BreakerState(StrEnum):
    """Closed: requests pass. Open: none does. Half-open: one is on its way to find out."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True)
class BreakerStatus:
    """A breaker's state.

    Args:
        failures: In a row.
        rest_seconds: For how long nothing is asked; 0 unless open.
        why: The last failure in words; empty where closed.
    """

    state: BreakerState
    failures: int = 0
    rest_seconds: float = 0.0
    why: str = ""


class Breaker:
    """Counts failures in a row; threads may share it.

    Args:
        most_failures: So many in a row open it.
        rest_seconds: For so long it stays open.
        tell: Told of each failure, and of the first answer after failures.
    """

    def __init__(
        self,
        most_failures: int,
        rest_seconds: float,
        *,
        tell: Callable[[BreakerStatus], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most_failures = most_failures
        self._rest_seconds = rest_seconds
        self._tell = tell
        self._clock = clock
        self._lock = threading.Lock()
        self._status = BreakerStatus(BreakerState.CLOSED)
        self._opened_at = 0.0

    @property
    def status(self) -> BreakerStatus:
        """The present state; an open one says how long it still rests."""
        with self._lock:
            return self._present()

    def carry_on(self, failures: int) -> None:
        """Count from where others have come: so many failures in a row were seen before the first request here."""
        with self._lock:
            if self._status == BreakerStatus(BreakerState.CLOSED):
                self._status = BreakerStatus(BreakerState.CLOSED, failures)

    def admits(self) -> bool:
        """Whether a request may be sent now; the first one after the rest is a trial, and the only one until it ends."""
        with self._lock:
            now = self._present()
            if now.state is BreakerState.OPEN and now.rest_seconds <= 0:
                trying = BreakerStatus(BreakerState.HALF_OPEN, now.failures, 0, now.why)
                self._tell(trying)  # before the change: where telling fails, no trial has begun
                self._status = trying
                return True
            return now.state is BreakerState.CLOSED

    def succeeded(self) -> None:
        """A request was answered."""
        with self._lock:
            if self._status != BreakerStatus(BreakerState.CLOSED):
                self._change(BreakerStatus(BreakerState.CLOSED))

    def not_asked(self, why: str) -> None:
        """A request that was admitted was not sent: that is no failure, but a trial is over."""
        with self._lock:
            if self._status.state is BreakerState.HALF_OPEN:
                self._open(self._status.failures, why)

    def failed(self, why: str) -> None:
        """A request was not answered as it should be."""
        with self._lock:
            failures = self._status.failures + 1
            is_trial = self._status.state is BreakerState.HALF_OPEN
            if self._status.state is BreakerState.OPEN:
                return  # one that was on its way when it opened
            if is_trial or failures >= self._most_failures:
                self._open(failures, why)
            else:
                self._change(BreakerStatus(BreakerState.CLOSED, failures, 0, why))

    def _present(self) -> BreakerStatus:
        one = self._status
        if one.state is not BreakerState.OPEN:
            return one
        left = max(0.0, self._rest_seconds - (self._clock() - self._opened_at))
        return BreakerStatus(one.state, one.failures, left, one.why)

    def _open(self, failures: int, why: str) -> None:
        self._opened_at = self._clock()
        self._change(BreakerStatus(BreakerState.OPEN, failures, self._rest_seconds, why))

    def _change(self, status: BreakerStatus) -> None:
        self._status = status
        self._tell(status)
