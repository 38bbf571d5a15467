"""Frames a second of our feeds and of ccxt.pro's on one core, in the same run, and whether any is lost at 20,000 a second.

What belongs here: the feeds alone, from the socket to the listener. What does not: snapshots, writing and analytics. The server
floods from the other core (stream_flood.py), so that the reader is what is measured.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import ccxt.pro
import numpy as np
import uvloop
from rich.console import Console
from rich.table import Table as Shown

from bench.stream_flood import SUMMARY
from crypto_assets.clients.book_tickers.feeds import feed_of
from crypto_assets.clients.book_tickers.quote import Quote
from crypto_assets.clients.redirect import redirect_urls
from crypto_assets.universe_stream import StreamRules

MARKETS = 100
WARM_SECONDS, FLOOD_SECONDS = 1.0, 3.0
RATE, RATE_SECONDS = 20_000, 20.0  # frames a second of all markets together
MIN_RATIO = 5.0
EARLIEST_MS = -1.0  # a quote received before it was sent has a wrong stamp
SYMBOLS = tuple(f"A{number:02d}/USDT" for number in range(MARKETS))
CLIENT_CORE, SERVER_CORE = 0, 1


@dataclass(frozen=True)
class Figure:
    """One line of the table: what was measured, its value, the least and the most it may be."""

    name: str
    value: float
    unit: str = ""
    least: float | None = None
    most: float | None = None
    beside: str = ""

    @property
    def holds(self) -> bool:
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)

    @property
    def shown(self) -> str:
        return f"{self.value:,.0f}" if self.value >= 1000 else f"{self.value:,.3g} {self.unit}".strip()

    @property
    def bound(self) -> str:
        if self.least is not None and self.least == self.most:
            return f"= {self.least:,.3g}"
        least = "" if self.least is None else f"≥ {self.least:,.3g}"
        return f"{least} {'' if self.most is None else f'≤ {self.most:,.3g}'}".strip()


class Counting:
    """A listener that keeps what is needed to find a lost quote, and no more."""

    def __init__(self) -> None:
        self.count = 0
        self.latest: dict[str, Quote] = {}
        self.lags: list[int] = []
        self.troubles: Counter[str] = Counter()

    def quoted(self, _venue: str, quote: Quote) -> None:
        self.count += 1
        self.latest[quote.symbol] = quote
        if quote.event_at is not None:
            self.lags.append(quote.received_at - quote.event_at)

    def connected(self, _venue: str, _symbols: Sequence[str], _at: int) -> None:
        """Nothing."""

    def lost(self, _venue: str, _symbols: Sequence[str], _at: int, why: str) -> None:
        self.troubles[why] += 1

    def malformed(self, _venue: str, why: str, _payload: bytes) -> None:
        self.troubles[why] += 1


def main() -> int:
    """Measure, print, and return 1 where a bound is missed."""
    began = time.monotonic()
    cores = os.sched_getaffinity(0)
    if not {CLIENT_CORE, SERVER_CORE} <= cores:
        sys.stderr.write("One core for the reader and one for the server are needed.\n")
        return 1
    os.sched_setaffinity(0, {CLIENT_CORE})
    try:
        figures = [figure for venue in ("binance", "gate", "mexc") for figure in _flooded(venue)]
        figures += [figure for venue in ("gate", "mexc") for figure in _at_rate(venue)]
    finally:
        os.sched_setaffinity(0, cores)  # other benches may follow in this process
    shown = Shown("measured", "value", "bound", "", "beside")
    for one in figures:
        verdict = "" if not one.bound else "held" if one.holds else "MISSED"
        shown.add_row(one.name, one.shown, one.bound, verdict, one.beside)
    Console(width=150).print(shown)
    sys.stdout.write(f"{time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.1f} at the end\n")
    return int(not all(one.holds for one in figures))


def _flooded(venue: str) -> list[Figure]:
    """Both readers, one after the other, of the same flood."""
    with _server() as server:
        theirs = asyncio.run(_theirs(venue, server))
    with _server() as server:
        ours = uvloop.run(_ours(venue, server.url))
    told = f"ccxt.pro {theirs:,.0f}"
    return [
        _told(Figure(f"{venue}: frames a second of {MARKETS} markets", ours, "", None, None, told)),
        _told(Figure("  of ccxt.pro's, times", ours / theirs, "", MIN_RATIO)),
    ]


def _at_rate(venue: str) -> list[Figure]:
    """Every frame of a steady stream: how many come, whether the last ones are the source's, when they are stamped."""
    listener = Counting()
    frames = round(RATE / MARKETS * RATE_SECONDS) * MARKETS
    with _server(RATE / MARKETS, RATE_SECONDS) as server:
        share = uvloop.run(_read_all(venue, server.url, listener, frames))
        last = server.sent()
    names = {symbol.replace("/", "_" if venue == "gate" else ""): symbol for symbol in SYMBOLS}
    found = {name: listener.latest.get(symbol) for name, symbol in names.items()}
    wrong = sum(1 for name, quote in found.items() if quote is None or quote.bid_quantity != str(last.get(name)))
    lags = np.array(listener.lags) / 1000
    assert not listener.troubles, listener.troubles
    return [
        _told(Figure(f"{venue}: frames lost of {frames:,} at {RATE:,} a second", frames - listener.count, "", 0, 0)),
        _told(Figure("  markets whose last quote is not the source's last", wrong, "", None, 0)),
        _told(Figure("  received after it was sent, at least", float(lags.min()), "ms", EARLIEST_MS)),
        _told(Figure("  the same, p99", float(np.quantile(lags, 0.99)), "ms")),
        _told(Figure("  share of the core", share)),
    ]


async def _read_all(venue: str, url: str, listener: Counting, frames: int) -> float:
    feed = feed_of(venue, SYMBOLS, StreamRules(), url)
    began, spent = time.perf_counter(), time.process_time()
    task = asyncio.create_task(feed.run(listener))
    limit = began + RATE_SECONDS + 10
    while listener.count < frames and time.perf_counter() < limit:
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.5)  # more than were sent would be as wrong
    share = (time.process_time() - spent) / (time.perf_counter() - began)
    await _end(task)
    return share


async def _ours(venue: str, url: str) -> float:
    listener = Counting()
    feed = feed_of(venue, SYMBOLS, StreamRules(), url)
    rate = await _frames_a_second(feed.run(listener), lambda: listener.count)
    assert len(listener.latest) == MARKETS, f"{len(listener.latest)} markets; {listener.troubles}"
    assert not listener.troubles, listener.troubles
    return rate


async def _theirs(venue: str, server: Server) -> float:
    """ccxt.pro, in the way that brings the most of each venue; every message it has read counts, awaited or not."""
    parent = getattr(ccxt.pro, venue)
    read = Counter[str]()

    class Tapped(parent):  # type: ignore[misc, valid-type]
        def handle_message(self, client: object, message: object) -> object:
            read["messages"] += 1
            return super().handle_message(client, message)

    exchange = Tapped({"options": {"ws": {"compress": 0}}})
    exchange.urls["api"] = redirect_urls(exchange.urls["api"], getattr(exchange, "hostname", None), server.url)
    between = "_" if venue == "gate" else ""
    exchange.set_markets([_market(exchange, symbol, between) for symbol in SYMBOLS])

    async def forever(watch: Callable[[], Awaitable[object]]) -> None:
        while True:
            await watch()

    async def all_markets() -> None:
        if venue == "binance":
            await forever(lambda: exchange.watch_bids_asks(list(SYMBOLS)))
        single: Callable[[str], Awaitable[object]] = (
            exchange.watch_ticker if venue == "mexc" else lambda symbol: exchange.watch_bids_asks([symbol])
        )
        async with asyncio.TaskGroup() as group:
            for symbol in SYMBOLS:
                group.create_task(forever(lambda symbol=symbol: single(symbol)))

    try:
        return await _frames_a_second(all_markets(), lambda: read["messages"], server.end)
    finally:
        server.end()  # closing politely within a flood, aiohttp reads on for ever
        await exchange.close()


async def _frames_a_second(
    work: Coroutine[object, object, object], count: Callable[[], int], end: Callable[[], None] = lambda: None
) -> float:
    """How fast a count rises while the work goes on, once it does rise."""
    task = asyncio.create_task(work)
    limit = time.perf_counter() + 30
    while count() < 1_000 and time.perf_counter() < limit and not task.done():
        await asyncio.sleep(0.05)
    await asyncio.sleep(WARM_SECONDS)
    began, before = time.perf_counter(), count()
    await asyncio.sleep(FLOOD_SECONDS)
    rate = (count() - before) / (time.perf_counter() - began)
    end()
    await _end(task)
    return rate


async def _end(task: asyncio.Task[object]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _market(exchange: ccxt.pro.Exchange, symbol: str, between: str) -> object:
    base, quote = symbol.split("/")
    name = f"{base}{between}{quote}"
    return exchange.safe_market_structure(
        {
            "id": name, "lowercaseId": name.lower(), "symbol": symbol, "base": base, "quote": quote, "baseId": base,
            "quoteId": quote, "type": "spot", "spot": True, "active": True, "contract": False,
        }
    )  # fmt: skip


class Server:
    """A flooding server."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin
        assert process.stdout
        self._process, self._in, self._out = process, process.stdin, process.stdout
        self.url = f"http://127.0.0.1:{int(self._out.readline())}"

    def sent(self) -> dict[str, int]:
        """End it; the number of each market's last frame."""
        self._in.close()
        found: dict[str, int] = json.loads(self._out.readline().removeprefix(SUMMARY))
        return found

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def _server(rate: float = 0.0, seconds: float = 0.0) -> Iterator[Server]:
    command = [sys.executable, "-m", "bench.stream_flood", "--core", str(SERVER_CORE)]
    command += ["--rate", str(rate), "--seconds", str(seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        server = Server(process)
        try:
            yield server
        finally:
            server.end()


def _told(figure: Figure) -> Figure:
    """Say it at once: the whole takes a minute or two."""
    sys.stderr.write(f"{figure.name}: {figure.shown} {figure.beside}\n")
    return figure


if __name__ == "__main__":
    sys.exit(main())
