"""What a sandbox is told: where it listens, which market it serves, what goes wrong.

What belongs here: the configuration, and its form as command-line arguments of a child process. What does not: serving.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.sandbox.clock import ClockError, SandboxClock, read_moment
from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.market import DEFAULT_MARKETS, SeededMarket
from crypto_assets.sandbox.pools import NO_POOLS, PoolSource
from crypto_assets.sandbox.recorded_pool_files import FOLDER
from crypto_assets.sandbox.recorded_pools import RecordedPools
from crypto_assets.sandbox.recordings import Recordings
from crypto_assets.sandbox.seeded_pools import SeededPools
from crypto_assets.sandbox.streams.recorded import RecordedStreams
from crypto_assets.sandbox.trades import MarketSource

HOST = "127.0.0.1"
DEFAULT_SEED = 7
STREAMING = ("binance", "gate", "mexc")


class SandboxConfigError(CryptoAssetsError):
    """A configuration that no sandbox can be set up from."""


@dataclass(frozen=True)
class SandboxConfig:
    """How a sandbox is set up.

    Args:
        port: On 127.0.0.1; 0 picks a free one.
        seed: Of the made-up market and of the faults' dice.
        recordings: Play this folder instead of the made-up market.
        now: ISO 8601 time at which the made-up market's clock stands still until it is set; None for the real time.
            Recordings keep their own clock.
        faults: In force from the start.
        more_markets: So many more made-up markets, M0001/USDT and on, on each venue that streams.
    """

    port: int = 0
    seed: int = DEFAULT_SEED
    recordings: Path | None = None
    now: str | None = None
    faults: tuple[Fault, ...] = ()
    more_markets: int = 0

    def source(self, clock: SandboxClock | None = None) -> MarketSource:
        """The bars and trades it serves.

        Args:
            clock: Of the made-up market; one of its own where it is None.

        Raises:
            RecordingError: the folder cannot be played.
            SandboxConfigError: `now` is no time.
        """
        if self.recordings is not None:
            recordings = Recordings(self.recordings)
            recordings.read_all()  # read now: what cannot be played is said before anybody asks
            return recordings
        more = [f"M{number:04d}/USDT" for number in range(1, self.more_markets + 1)]
        markets = {
            venue: [*symbols, *(more if venue in STREAMING else ())] for venue, symbols in DEFAULT_MARKETS.items()
        }
        return SeededMarket(self.seed, clock or self.clock(), markets)

    def pools(self, clock: SandboxClock | None = None) -> PoolSource:
        """The pools it serves.

        Args:
            clock: Of the made-up pools; one of its own where it is None.

        Raises:
            RecordingError: the folder's pools cannot be played.
            SandboxConfigError: `now` is no time.
        """
        if self.recordings is not None:
            return RecordedPools(self.recordings) if (self.recordings / FOLDER).is_dir() else NO_POOLS
        return SeededPools(self.seed, clock or self.clock())

    def recorded_streams(self) -> RecordedStreams | None:
        """The streams it plays; None where it makes them up.

        Raises:
            RecordingError: a capture cannot be read.
        """
        return RecordedStreams(self.recordings) if self.recordings is not None else None

    def clock(self) -> SandboxClock:
        """Reads the present in epoch milliseconds, or the time given until it is set.

        Raises:
            SandboxConfigError: `now` is no time.
        """
        if self.now is None or self.recordings is not None:
            return SandboxClock()
        try:
            return SandboxClock(read_moment(self.now))
        except ClockError as error:
            raise SandboxConfigError(str(error.args[0]), way_out=error.way_out) from None
