"""Best prices of a venue without a format of ours, through ccxt.pro.

What belongs here: ccxt.pro, one task a market. What does not: venues with a format (feed.py), trying again (attempts.py).

A task a market, since a call for a list of markets brings only the first message of each wait: at 1,000 messages a second
40 % of them, where single calls bring all. At 5,000 they bring 81 %: a format of our own is for venues that busy.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, cast

from crypto_assets.clients.book_tickers.attempts import ConnectionLost, Outages, keep_trying
from crypto_assets.clients.book_tickers.connection import Patience
from crypto_assets.clients.book_tickers.format import malformed, plain, quote_of
from crypto_assets.clients.book_tickers.quote import Listener, Quote
from crypto_assets.clients.failures import Malformed, NotServed
from crypto_assets.clients.redirect import redirect_urls

MARKETS_SECONDS = 60.0  # lists of markets have megabytes and come in several requests
CLOSE_SECONDS = 5.0
_NEVER_RESOLVE = frozenset({"mexc"})  # whose watch_bids_asks reads fields that frames no longer have
_KEPT_PAYLOAD = 2_000
_UNREADABLE = (TypeError, KeyError, ValueError, AttributeError, IndexError)  # ccxt reads messages without looking first

type Ticker = Mapping[str, object]


class ProClient(Protocol):
    """The part of a ccxt.pro exchange that is used here."""

    has: Mapping[str, object]
    urls: dict[str, object]
    markets: Mapping[str, object] | None

    async def load_markets(self) -> object:
        """Ask for the markets, once."""

    async def watch_bids_asks(self, symbols: Sequence[str]) -> Mapping[str, Ticker]:
        """The next best prices of any of these."""

    async def watch_ticker(self, symbol: str) -> Ticker:
        """The next ticker."""

    async def close(self) -> None:
        """Let all connections go."""


class CcxtProFeed:
    """One venue's quotes. Making one imports ccxt, which takes seconds, and opens nothing.

    Args:
        venue: ccxt id.
        symbols: Unified.
        sandbox_url: As for SocketFeed.

    Raises:
        NotServed: ccxt.pro streams no best prices of this venue.
    """

    def __init__(
        self, venue: str, symbols: Sequence[str], patience: Patience, *, sandbox_url: str | None = None
    ) -> None:
        self.venue = venue
        self._symbols = tuple(symbols)
        self._patience = patience
        self._make = _maker(venue, sandbox_url)

    async def run(self, listener: Listener) -> None:
        """Connect, subscribe, tell and reconnect, until cancelled; closes its sockets on the way out."""

        def session() -> _Session:
            return _Session(self.venue, self._make(), listener, self._patience)

        await keep_trying(session, self._symbols, Outages(self.venue, listener))


class _Session:
    """One ccxt.pro exchange, from its making to its end."""

    def __init__(self, venue: str, client: ProClient, listener: Listener, patience: Patience) -> None:
        from ccxt import BadRequest, BadSymbol, BaseError  # noqa: PLC0415 - the feed has imported it

        self.quotes = 0
        self._venue = venue
        self._client = client
        self._listener = listener
        self._patience = patience
        self._final: tuple[type[Exception], ...] = (BadSymbol, BadRequest)
        self._failures: tuple[type[Exception], ...] = (BaseError, *_UNREADABLE)
        self._has_bids_asks = bool(client.has.get("watchBidsAsks")) and venue not in _NEVER_RESOLVE

    async def live(self, symbols: Sequence[str], outages: Outages) -> None:
        """Ask for the markets, then follow each.

        Raises:
            ConnectionLost: always, with the reason.
        """
        try:
            async with asyncio.timeout(MARKETS_SECONDS):
                await self._client.load_markets()
        except TimeoutError as error:
            raise ConnectionLost(f"no list of markets within {MARKETS_SECONDS:g} s") from error
        except self._failures as error:
            raise _lost("no list of markets", error) from error
        listed = [symbol for symbol in symbols if symbol in (self._client.markets or {})]
        unlisted = [symbol for symbol in symbols if symbol not in listed]
        outages.lost(unlisted, f"{self._venue} lists no such market")
        if not listed:
            raise ConnectionLost(f"{self._venue} lists none of the markets")
        tasks = [asyncio.create_task(self._follow(symbol, listed, outages)) for symbol in listed]
        tasks.append(asyncio.create_task(self._watch()))
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in ended:
            task.result()

    async def close(self) -> None:
        """Let all connections go."""
        with contextlib.suppress(TimeoutError):  # while quotes pour in, a polite end is waited for in vain
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._client.close()

    async def _follow(self, symbol: str, listed: Sequence[str], outages: Outages) -> None:
        """Tell one market's quotes."""
        while True:
            try:
                if self._has_bids_asks:
                    ticker = (await self._client.watch_bids_asks([symbol])).get(symbol)
                else:
                    ticker = await self._client.watch_ticker(symbol)
            except self._final as error:
                outages.lost([symbol], f"the subscription was refused: {plain(str(error))}")
                return
            except self._failures as error:
                raise _lost("the connection broke", error) from error
            if ticker is not None:
                self._hear(symbol, ticker, listed, outages)

    def _hear(self, symbol: str, ticker: Ticker, listed: Sequence[str], outages: Outages) -> None:
        try:
            quote = parse_ticker(symbol, ticker, time.time_ns() // 1000)
        except Malformed as error:
            payload = json.dumps(ticker.get("info"), default=str).encode()[:_KEPT_PAYLOAD]
            self._listener.malformed(self._venue, error.problem, payload)
            return
        if not self.quotes:  # ccxt does not hand on answers to subscriptions: the first quote is the first sign
            outages.connected(listed)
        self.quotes += 1
        self._listener.quoted(self._venue, quote)

    async def _watch(self) -> None:
        """Find out silence, which ccxt does not while pongs go on."""
        limit = self._patience.silent
        seen, changed_at = -1, time.monotonic()
        while True:
            await asyncio.sleep(min(limit / 8, 1.0))
            if self.quotes != seen:
                seen, changed_at = self.quotes, time.monotonic()
            elif time.monotonic() - changed_at > limit:
                raise ConnectionLost(f"no quotes for {limit:g} s")


def parse_ticker(symbol: str, ticker: Ticker, received_at: int) -> Quote:
    """A quote from ccxt's unified ticker, whose numbers are texts. Pure.

    Raises:
        Malformed: it lacks one, or cannot be believed.
    """
    bid, bid_quantity = ticker.get("bid"), ticker.get("bidVolume")
    ask, ask_quantity = ticker.get("ask"), ticker.get("askVolume")
    if not (
        isinstance(bid, str)
        and isinstance(bid_quantity, str)
        and isinstance(ask, str)
        and isinstance(ask_quantity, str)
    ):
        raise malformed(f"{symbol} has no best prices, or no quantities of them")
    event_ms = ticker.get("timestamp")
    is_timed = isinstance(event_ms, int)
    return quote_of(
        symbol,
        (bid, bid_quantity, ask, ask_quantity),
        cast("int", event_ms) if is_timed else None,
        received_at,
        None,
    )


def _maker(venue: str, sandbox_url: str | None) -> Callable[[], ProClient]:
    """What makes ccxt.pro's client of a venue, its numbers left as the texts that the venue wrote."""
    import ccxt.pro  # noqa: PLC0415 - it imports a hundred exchanges: only who needs one of them pays

    parent = getattr(ccxt.pro, venue, None) if venue in ccxt.pro.exchanges else None

    def make() -> ProClient:
        client = cast("Callable[[Mapping[str, object]], ProClient]", parent)({"number": str, "newUpdates": True})
        if sandbox_url is not None:
            hostname = cast("str | None", getattr(client, "hostname", None))
            client.urls["api"] = redirect_urls(client.urls["api"], hostname, sandbox_url)
        return client

    if parent is None or not (parent().has.get("watchBidsAsks") or parent().has.get("watchTicker")):
        raise NotServed(f"ccxt.pro streams no best prices of {venue}", way_out="Leave it out of the stream's venues.")
    return make


def _lost(what: str, error: Exception) -> ConnectionLost:
    return ConnectionLost(f"{what}: {type(error).__name__} {plain(str(error))}")
