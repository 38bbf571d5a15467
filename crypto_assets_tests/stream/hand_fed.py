"""A stream without a venue: quotes come from a loop, and its clock may run faster.

What belongs here: the feed, the audience, the clock; run as a program, a stream that somebody may kill. What does not:
assertions.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import SecretStr

from crypto_assets.clients.book_tickers.quote import Listener
from crypto_assets.stream.counters import Counters
from crypto_assets.stream.report import Ended, HourReport, Ready
from crypto_assets.stream.sidecar import Plan, Sidecar
from crypto_assets.stream.snapshots import SECOND
from crypto_assets.stream.standing import Snapshot
from crypto_assets.universe_stream import StreamRules
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.stream.quoting import quote

SYMBOLS = ("BTC/USDT", "ETH/USDT")
MARKETS = tuple(("mexc", symbol) for symbol in SYMBOLS)


class FastTime:
    """Real time, so many times faster and so many seconds ahead."""

    def __init__(self, speed: int, ahead: int = 0) -> None:
        self._speed = speed
        self._ahead = ahead * SECOND
        self._began = time.time_ns() // 1000

    def now(self) -> int:
        return self._began + self._ahead + (time.time_ns() // 1000 - self._began) * self._speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._speed)


class LoopFeed:
    """Quotes of all its markets, ten a second of its clock, while it is not told to be gone."""

    venue = "mexc"

    def __init__(self, time: FastTime, symbols: Sequence[str] = SYMBOLS) -> None:
        self._time = time
        self._symbols = symbols
        self.is_gone = False
        self.fails: BaseException | None = None

    async def run(self, listener: Listener) -> None:
        is_connected, number = False, 0
        while True:
            if self.fails is not None:
                raise self.fails
            if self.is_gone and is_connected:
                listener.lost(self.venue, self._symbols, self._time.now(), "gone")
            elif not self.is_gone and not is_connected:
                listener.connected(self.venue, self._symbols, self._time.now())
            is_connected = not self.is_gone
            for symbol in self._symbols if is_connected else ():
                number += 1
                listener.quoted(self.venue, quote(symbol, received_at=self._time.now(), sequence=number))
            await self._time.sleep(0.1)


class Notes:
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.reports: list[Ready | HourReport | Ended] = []
        self.snapshots: list[Snapshot] = []

    def report(self, line: Ready | HourReport | Ended) -> None:
        self.reports.append(line)

    def looked(self, snapshot: Snapshot, counters: Counters) -> None:
        assert counters.snapshots.last_at == snapshot.at
        self.snapshots.append(snapshot)

    async def until(self, snapshots: int) -> None:
        async with asyncio.timeout(20):
            while len(self.snapshots) < snapshots:
                await asyncio.sleep(0.01)


class Spoken(Notes):
    """Says when it is ready, and each second that it took."""

    def report(self, line: Ready | HourReport | Ended) -> None:
        print(type(line).__name__, flush=True)

    def looked(self, snapshot: Snapshot, counters: Counters) -> None:
        print(len(snapshot.standings), snapshot.at, counters.writer.rows, flush=True)


def main(url: str, folder: str) -> None:
    plan = Plan(MARKETS, StreamRules(), Path(folder), Warehouse(SecretStr(url)))
    time = FastTime(5)
    asyncio.run(Sidecar(plan, [LoopFeed(time)], Spoken(), time.now, time.sleep).run())


if __name__ == "__main__":
    main(*sys.argv[1:])
