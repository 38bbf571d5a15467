"""A connection to a venue, tried again and again: the pauses between attempts, and who is told of an outage, once.

What belongs here: what feeds over sockets of our own (feed.py) and over ccxt.pro's (ccxt_pro.py) have in common. What does not:
connections.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from crypto_assets.clients.book_tickers.quote import Listener
from crypto_assets.clients.failures import Unavailable

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 30.0
STEADY_SECONDS = 5.0  # a connection that lived so long, and had quotes, is forgiven all failures before it

_WAY_OUT = "The connection is made anew; see the venue's status page."


class ConnectionLost(Unavailable):
    """A connection could not be made, or is of no more use; the problem is a plain reason.

    Args:
        retry_after_seconds: How long the venue asks us to stay away; None where it does not.
    """

    def __init__(self, problem: str, *, way_out: str = _WAY_OUT, retry_after_seconds: float | None = None) -> None:
        super().__init__(problem, way_out=way_out)
        self.retry_after_seconds = retry_after_seconds


class Outages:
    """Tells a listener of outages: of each market when it begins and when it ends, however many attempts lie between."""

    def __init__(self, venue: str, listener: Listener) -> None:
        self._venue = venue
        self._listener = listener
        self._lost: set[str] = set()

    def connected(self, symbols: Sequence[str]) -> None:
        """These markets have a connection."""
        self._lost.difference_update(symbols)
        self._listener.connected(self._venue, symbols, time.time_ns() // 1000)

    def lost(self, symbols: Sequence[str], why: str) -> None:
        """These markets have none."""
        news = [symbol for symbol in symbols if symbol not in self._lost]
        if news:
            self._lost.update(news)
            self._listener.lost(self._venue, news, time.time_ns() // 1000, why)


class Attempt(Protocol):
    """One connection, from its opening to its end."""

    @property
    def quotes(self) -> int:
        """How many have come."""

    async def live(self, symbols: Sequence[str], outages: Outages) -> None:
        """Connect, subscribe, tell, until it is lost.

        Raises:
            ConnectionLost: always, with the reason.
        """

    async def close(self) -> None:
        """Let go of all sockets, at whatever stage it is."""


async def keep_trying(make: Callable[[], Attempt], symbols: Sequence[str], outages: Outages) -> None:
    """Keep one connection for these markets, until cancelled."""
    failures = 0
    while True:
        attempt = make()
        began = time.monotonic()
        try:
            await attempt.live(symbols, outages)
        except ConnectionLost as lost:
            outages.lost(symbols, lost.problem)
            if attempt.quotes and time.monotonic() - began >= STEADY_SECONDS:
                failures = 0
            pause = max(pause_seconds(failures), lost.retry_after_seconds or 0.0)
            failures += 1
        finally:
            await attempt.close()
        await asyncio.sleep(pause)


def pause_seconds(failures: int) -> float:
    """How long to wait after so many failures in a row: not at all at first, then anything up to a doubling limit.

    The whole range is drawn from ("full jitter"), so that clients that were cut off together do not come back together.
    """
    if failures == 0:
        return 0.0
    limit = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 16))
    return random.uniform(0, limit)  # noqa: S311 - spreads load, hides nothing
