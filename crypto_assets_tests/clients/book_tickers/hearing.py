"""A listener that keeps what it is told, and waits for more; a feed run beside a test; a peer that does as it is told.

What belongs here: what tests of feeds share. What does not: assertions.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from picows import WSFrame, WSListener, WSTransport, WSUpgradeRequest, ws_create_server

from crypto_assets.clients.book_tickers.quote import BookTickerFeed, Quote

LONGEST_WAIT = 20.0


@dataclass
class Heard:
    """What a feed told, in the order of its telling."""

    quotes: list[Quote] = field(default_factory=list)
    connections: list[tuple[str, ...]] = field(default_factory=list)
    losses: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    refused: list[tuple[str, bytes]] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def quoted(self, _venue: str, quote: Quote) -> None:
        self.quotes.append(quote)
        self._note("quoted")

    def connected(self, _venue: str, symbols: Sequence[str], _at: int) -> None:
        self.connections.append(tuple(symbols))
        self._note("connected")

    def lost(self, _venue: str, symbols: Sequence[str], _at: int, why: str) -> None:
        self.losses.append((tuple(symbols), why))
        self._note("lost")

    def malformed(self, _venue: str, why: str, payload: bytes) -> None:
        self.refused.append((why, payload))
        self._note("malformed")

    def symbols(self, since: int = 0) -> set[str]:
        return {quote.symbol for quote in self.quotes[since:]}

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds; what is told is when it is looked at again."""
        async with asyncio.timeout(LONGEST_WAIT):
            while not holds():
                self.news.clear()
                await self.news.wait()

    def _note(self, what: str) -> None:
        self.order.append(what)
        self.news.set()


@asynccontextmanager
async def running(feed: BookTickerFeed) -> AsyncIterator[Heard]:
    """The feed, until the end of the block; its own failure ends the block's waiting."""
    heard = Heard()
    task = asyncio.create_task(feed.run(heard))
    try:
        yield heard
    finally:
        task.cancel()
        [error] = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(error, asyncio.CancelledError), error


class Peer(WSListener):
    """A server's side of one connection.

    Args:
        speaks: What it does with each message; it gets the transport and the text.
    """

    def __init__(self, speaks: Callable[[WSTransport, bytes], None]) -> None:
        self._speaks = speaks

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type.value == 1:
            self._speaks(transport, frame.get_payload_as_bytes())


@asynccontextmanager
async def peer(
    speaks: Callable[[WSTransport, bytes], None], *, answers_pings: bool = True, tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """A server on this machine, at its address; each connection speaks the same."""

    def listener(_request: WSUpgradeRequest) -> WSListener:
        return Peer(speaks)

    server = await ws_create_server(listener, "127.0.0.1", 0, enable_auto_pong=answers_pings, ssl=tls)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
