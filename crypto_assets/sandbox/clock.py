"""The clock of the made-up market and pools: the real time, or one that stands still until it is set.

What belongs here: reading and setting it. What does not: the clocks of recordings.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from crypto_assets.errors import CryptoAssetsError


class ClockError(CryptoAssetsError):
    """A time that is none, or a clock that cannot be set."""


class SandboxClock:
    """Read by calling it: epoch milliseconds.

    Args:
        standing_ms: Where it stands; None for the real time.
    """

    def __init__(self, standing_ms: int | None = None) -> None:
        self._standing_ms = standing_ms

    def __call__(self) -> int:
        """The present, epoch milliseconds."""
        return time.time_ns() // 1_000_000 if self._standing_ms is None else self._standing_ms

    @property
    def stands(self) -> bool:
        """Whether it stands still."""
        return self._standing_ms is not None

    def seconds(self) -> float:
        """The present in seconds since 1970."""
        return self() / 1000

    def set(self, milliseconds: int) -> None:
        """Let it stand there.

        Raises:
            ClockError: it does not stand still.
        """
        if not self.stands:
            raise ClockError("This sandbox's clock cannot be set", way_out="Start it with --now, without --recordings.")
        self._standing_ms = milliseconds


def read_moment(text: str) -> int:
    """Epoch milliseconds of an ISO 8601 time; without an offset it is UTC.

    Raises:
        ClockError: it is no time.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ClockError(f"'{text}' is no time", way_out="Write it as ISO 8601: 2026-03-10T12:00:00+00:00.") from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
