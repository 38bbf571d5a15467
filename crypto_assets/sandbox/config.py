"""What a sandbox is told: where it listens, which market it serves, what goes wrong.

What belongs here: the configuration, and its form as command-line arguments of a child process. What does not: serving.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.market import SeededMarket
from crypto_assets.sandbox.recordings import Recordings
from crypto_assets.sandbox.trades import MarketSource

HOST = "127.0.0.1"
DEFAULT_SEED = 7


class SandboxConfigError(CryptoAssetsError):
    """A configuration that no sandbox can be set up from."""


@dataclass(frozen=True)
class SandboxConfig:
    """How a sandbox is set up.

    Args:
        port: On 127.0.0.1; 0 picks a free one.
        seed: Of the made-up market and of the faults' dice.
        recordings: Play this folder instead of the made-up market.
        now: ISO 8601 time at which the made-up market's clock stands still; None for the real time. Recordings keep
            their own clock.
        faults: In force from the start.
    """

    port: int = 0
    seed: int = DEFAULT_SEED
    recordings: Path | None = None
    now: str | None = None
    faults: tuple[Fault, ...] = ()

    def source(self) -> MarketSource:
        """The bars and trades it serves.

        Raises:
            RecordingError: the folder cannot be played.
            SandboxConfigError: `now` is no time.
        """
        if self.recordings is not None:
            recordings = Recordings(self.recordings)
            recordings.read_all()  # read now: what cannot be played is said before anybody asks
            return recordings
        return SeededMarket(self.seed, self.clock())

    def clock(self) -> Callable[[], int]:
        """Reads the present in epoch milliseconds, or always the time given; without an offset it is UTC.

        Raises:
            SandboxConfigError: `now` is no time.
        """
        if self.now is None:
            return lambda: time.time_ns() // 1_000_000
        try:
            moment = datetime.fromisoformat(self.now)
        except ValueError:
            raise SandboxConfigError(
                f"'{self.now}' is no time", way_out="Write it as ISO 8601: 2026-03-10T12:00:00+00:00."
            ) from None
        standing = round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
        return lambda: standing
