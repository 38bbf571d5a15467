"""What requests weigh: how much arrived, the busiest windows, and limits that are enforced when asked for.

What belongs here: counting by venue over sliding windows. What does not: a request's weight (venues/) and HTTP (server.py).

Refused requests count among those that arrived; the room that a limit leaves is taken by those that were let through only.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from crypto_assets.errors import CryptoAssetsError

WINDOWS_SECONDS = (1, 10, 60)


class LimitError(CryptoAssetsError):
    """Limits that cannot be read."""


class Limit(BaseModel):
    """A venue's limit.

    Args:
        weight: The most that is let through within any window.
        seconds: The window's length.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    weight: int = Field(ge=1)
    seconds: float = Field(gt=0, le=86_400)


_LIMITS = TypeAdapter(dict[str, Limit])


def parse_limits(content: object) -> dict[str, Limit]:
    """Limits by venue from what JSON gave.

    Raises:
        LimitError: naming what is wrong.
    """
    try:
        return _LIMITS.validate_python(content)
    except ValidationError as error:
        issue = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in issue["loc"]) or "limits"
        raise LimitError(f"Limits: {key}: {issue['msg']}", way_out="Write {venue: {weight, seconds}}.") from None


@dataclass
class Window:
    """What arrived within the last so many seconds, (now - seconds, now]; memory is bounded by that."""

    seconds: float
    weight: int = 0
    most: int = 0
    _arrived: deque[tuple[float, int]] = field(default_factory=deque)

    def add(self, at: float, weight: int) -> None:
        """Count one arrival."""
        self.forget(at)
        self._arrived.append((at, weight))
        self.weight += weight
        self.most = max(self.most, self.weight)

    def empty(self) -> None:
        """Drop all that has arrived; the most that ever had stays."""
        self._arrived.clear()
        self.weight = 0

    def forget(self, now: float) -> None:
        """Drop what has left the window."""
        while self._arrived and self._arrived[0][0] <= now - self.seconds:
            self.weight -= self._arrived.popleft()[1]

    def wait(self, now: float, weight: int, most: int) -> float:
        """Seconds until so much more fits; 0 where it fits now."""
        self.forget(now)
        left = self.weight
        if left + weight <= most:
            return 0.0
        for at, one in self._arrived:
            left -= one
            if left + weight <= most:
                return at + self.seconds - now
        return self.seconds  # more than ever fits


class Budgets:
    """All venues' weights since the start.

    Args:
        clock: Reads seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.weights: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._windows: dict[str, tuple[Window, ...]] = {}
        self._minutes: dict[str, tuple[int, int]] = {}
        self._limits: Mapping[str, Limit] = {}
        self._passed: dict[str, Window] = {}

    def count_by(self, clock: Callable[[], float]) -> None:
        """Read another clock from here on, or one that was set back; the windows begin empty."""
        self._clock = clock
        for windows in (*self._windows.values(), tuple(self._passed.values())):
            for window in windows:
                window.empty()
        self._minutes.clear()

    def set_limits(self, limits: Mapping[str, Limit]) -> None:
        """Enforce these, and no others; the windows begin empty."""
        self._limits = limits
        self._passed = {venue: Window(limit.seconds) for venue, limit in limits.items()}

    def arrived(self, venue: str, weight: int) -> float:
        """Count a request; seconds until it would be let through, 0 where it is now."""
        now = self._clock()
        self.weights[venue] += weight
        for window in self._windows.setdefault(venue, tuple(Window(seconds) for seconds in WINDOWS_SECONDS)):
            window.add(now, weight)
        minute, used = self._minutes.get(venue, (0, 0))
        running = int(now // 60)
        self._minutes[venue] = (running, weight + (used if minute == running else 0))
        wait = self._wait(venue, weight, now)
        self.refused[venue] += wait > 0
        return wait

    def used(self, venue: str) -> int:
        """The weight that arrived within the running minute."""
        minute, used = self._minutes.get(venue, (0, 0))
        return used if minute == int(self._clock() // 60) else 0

    def busiest(self) -> dict[str, dict[str, int]]:
        """The most weight that arrived within any window, by venue and the window's seconds."""
        return {
            venue: {str(window.seconds): window.most for window in windows} for venue, windows in self._windows.items()
        }

    def _wait(self, venue: str, weight: int, now: float) -> float:
        limit = self._limits.get(venue)
        if limit is None:
            return 0.0
        passed = self._passed[venue]
        wait = passed.wait(now, weight, limit.weight)
        if wait <= 0:
            passed.add(now, weight)
        return wait
