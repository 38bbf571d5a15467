"""Best prices of one market, and who is told of them.

What belongs here: the types that feeds and their listeners share. What does not: formats (binance.py, gate.py, mexc.py),
sockets (feed.py) and what is made of quotes (stream/).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec


class Quote(msgspec.Struct, frozen=True, gc=False):
    """One market's best prices, as one message told them; both prices are finite and above 0, quantities not below 0.

    Args:
        symbol: ccxt's unified one.
        bid_price: Decimal text as the venue wrote it, quote currency; so are the other three, quantities in base currency.
        bid: The same number for arithmetic.
        ask: That of ask_price.
        event_at: When the venue says that it was so, microseconds since 1970, UTC; None where it does not say.
        received_at: When the message had come, by our clock, microseconds since 1970, UTC.
        sequence: The venue's number of the book's state, where it has one: it rises, with steps of any width.
    """

    symbol: str
    bid_price: str
    bid_quantity: str
    ask_price: str
    ask_quantity: str
    bid: float
    ask: float
    event_at: int | None
    received_at: int
    sequence: int | None


class Listener(Protocol):
    """Who is told what a feed sees. Called from the event loop: each call returns at once and raises nothing."""

    def quoted(self, venue: str, quote: Quote) -> None:
        """A message brought this quote; it may be older than one before, or the same again."""

    def connected(self, venue: str, symbols: Sequence[str], at: int) -> None:
        """A connection that carries these markets is subscribed; their sequences begin anew.

        Args:
            at: Microseconds since 1970, UTC; so below.
        """

    def lost(self, venue: str, symbols: Sequence[str], at: int, why: str) -> None:
        """The connection of these markets is gone, or could not be made; told once an outage, not once an attempt."""

    def malformed(self, venue: str, why: str, payload: bytes) -> None:
        """A message could not be read and was skipped."""


class BookTickerFeed(Protocol):
    """Best prices of one venue's markets. Making one opens nothing."""

    venue: str

    async def run(self, listener: Listener) -> None:
        """Connect, subscribe, tell and reconnect, until cancelled; closes its sockets on the way out."""
