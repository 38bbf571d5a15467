"""A watch server in a thread of its own, with a stream that is only told to be there.

What belongs here: starting and ending it. What does not: assertions.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from crypto_assets.stream.arbitrage import Opportunity
from crypto_assets.stream.counters import Counters
from crypto_assets.stream.standing import Snapshot
from crypto_assets.stream.watch import WatchServer
from crypto_assets_tests.stream.standings import START


class Stream:
    """What the server reads; tests change it."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.snapshot: Snapshot | None = None
        self.opportunities: Sequence[Opportunity] = ()
        self.why_not: str | None = None
        self.now = START

    def server(self, port: int = 0, snapshot_seconds: int = 1) -> WatchServer:
        return WatchServer(
            self.counters,
            lambda: self.snapshot,
            lambda: self.why_not,
            port,
            opportunities=lambda: self.opportunities,
            snapshot_seconds=snapshot_seconds,
            clock=lambda: self.now,
        )


@contextmanager
def served(server: WatchServer) -> Iterator[int]:
    """The port on which it answers, until the end of the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        port = asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
        yield port
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
