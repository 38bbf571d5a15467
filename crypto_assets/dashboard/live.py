"""The live ticker: server-sent events with the newest stored quotes, one each second.

What belongs here: the stream of events, and how many may listen. What does not: reading quotes (figures/quotes.py).

Format of an event: WHATWG HTML, section "Server-sent events": lines `event:` and `data:`, and an empty one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from crypto_assets.dashboard.figures.quotes import NewestQuote
from crypto_assets.errors import CryptoAssetsError

MOST_LISTENERS = 16
LONGEST_SECONDS = 3600.0  # then the page connects anew by itself: a listener that nobody hears of goes
EVERY_SECONDS = 1.0

type Ask = Callable[[], Awaitable[Sequence[NewestQuote]]]


class LiveQuote(msgspec.Struct, frozen=True):
    """A market's newest second.

    Args:
        at: That second, milliseconds since 1970, UTC.
        bid: Decimal text as the venue wrote it, quote currency, as ask; quantities in base currency.
        spread_pct: In percent of the bid.
        age_ms: How old the quote is now, by the database's clock.
    """

    venue: str
    symbol: str
    at: int
    bid: str
    bid_quantity: str
    ask: str
    ask_quantity: str
    spread_pct: float
    age_ms: int
    is_stale: bool


class Ticker:
    """Serves the events of all listeners; the database is asked once a second for all of them.

    Args:
        ask: The newest quotes.
        is_ending: Whether the server wants to end.
        every_seconds: Time between events.
    """

    def __init__(self, ask: Ask, is_ending: Callable[[], bool], *, every_seconds: float = EVERY_SECONDS) -> None:
        self._ask = ask
        self._is_ending = is_ending
        self._every_seconds = every_seconds
        self.listeners = 0

    async def answer(self, request: Request) -> Response:
        """A stream of events, or 503 where too many listen."""
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        if self.listeners >= MOST_LISTENERS:
            return PlainTextResponse(f"{MOST_LISTENERS} listen already.\n", 503, {"Retry-After": "30"})
        self.listeners += 1
        return _Stream(self._events(), self._left)

    async def _events(self) -> AsyncIterator[bytes]:
        end = time.monotonic() + LONGEST_SECONDS
        while time.monotonic() < end and not self._is_ending():
            yield await self._event()
            await asyncio.sleep(self._every_seconds)

    def _left(self) -> None:
        self.listeners -= 1

    async def _event(self) -> bytes:
        try:
            quotes = [live_quote(one) for one in await self._ask()]
        except CryptoAssetsError as error:
            return event("trouble", {"problem": error.problem})
        return event("quotes", quotes)


class _Stream(StreamingResponse):
    """Says when it is over, however it ends: a listener may be gone before the first event is made."""

    def __init__(self, events: AsyncIterator[bytes], over: Callable[[], None]) -> None:
        super().__init__(events, media_type="text/event-stream")
        self._over = over

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._over()


def live_quote(one: NewestQuote) -> LiveQuote:
    """What is sent of a quote. Pure."""
    bid, bid_quantity, ask, ask_quantity = (
        f"{value:f}" for value in (one.bid, one.bid_quantity, one.ask, one.ask_quantity)
    )
    at, age = round(one.snapshot_at * 1000), round(one.age_seconds * 1000)
    return LiveQuote(one.venue, one.symbol, at, bid, bid_quantity, ask, ask_quantity, one.spread_pct, age, one.is_stale)


def event(name: str, told: object) -> bytes:
    """One event. JSON has no line breaks, so whatever a stranger wrote into a symbol ends no line."""
    return f"event: {name}\ndata: ".encode() + msgspec.json.encode(told) + b"\n\n"


__all__ = ["EVERY_SECONDS", "MOST_LISTENERS", "LiveQuote", "Ticker", "event", "live_quote"]
