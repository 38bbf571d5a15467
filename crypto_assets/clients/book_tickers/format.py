"""What every venue's format shares: the answers it tells apart, and when four texts are a quote.

What belongs here: the types between formats and sockets, the rules of a believable quote, pure. What does not: one venue's
format (binance.py, gate.py, mexc.py) and the sockets (feed.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from crypto_assets.clients.book_tickers.quote import Quote
from crypto_assets.clients.failures import Malformed

LONGEST_NUMBER = 40  # characters; a venue's numbers have a dozen, and each would be kept in every row
HIGHEST_PRICE = 1e18  # the dearest thing in the smallest currency is worth 1e12
LARGEST_QUANTITY = 1e24  # the commonest token has 1e15 of itself
EVENT_TOLERANCE = 24 * 3600 * 1_000_000  # µs: a clock so wrong says nothing of a quote's age

_SKIPPED = "The message is skipped and counted."
# Only ASCII digits: float() takes underscores, spaces, signs and other scripts' digits too, and these texts go into COPY.
_PLAIN = r"[0-9]{1,20}(?:\.[0-9]{1,19})?"  # 40 characters at most
_FOUR_PLAIN = re.compile(f"{_PLAIN},{_PLAIN},{_PLAIN},{_PLAIN}").fullmatch
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?").fullmatch


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What a venue says of a request to subscribe.

    Args:
        number: Of the request; None where the venue does not say it.
        symbols: That it names, unified; empty where it names none.
        why: It is refused for that; empty where it is granted.
    """

    number: int | None = None
    symbols: tuple[str, ...] = ()
    why: str = ""


class Pong(msgspec.Struct, frozen=True, gc=False):
    """A venue's answer to a ping in its own words."""


type Message = Quote | Answer | Pong | None


class Format(Protocol):
    """One venue's words. Nothing here opens anything.

    Args:
        venue: ccxt id.
        url: Of production.
        symbols: Unified, each with a name at the venue.
        symbols_per_connection: So many at most are asked for on one connection.
        messages_per_second: So many at most are sent on one connection.
        ping_seconds: Distance of pings.
    """

    venue: str
    url: str
    symbols: Sequence[str]
    symbols_per_connection: int
    messages_per_second: float
    ping_seconds: float

    def subscribe(self, symbols: Sequence[str], number: int, at: int) -> bytes:
        """The request for these markets' quotes.

        Args:
            number: Of the request, above 0.
            at: Now, microseconds since 1970, UTC.
        """

    def ping(self, at: int) -> bytes | None:
        """A ping in the venue's words; None where it has none but the protocol's."""

    def parse(self, frame: bytes, received_at: int) -> Message:
        """What a message says; None for what is neither a quote nor meant for us. Pure.

        Args:
            received_at: When it had come, microseconds since 1970, UTC.

        Raises:
            Malformed: it cannot be read or believed.
        """


def joined_names(symbols: Sequence[str], between: str = "") -> dict[str, str]:
    """Names of spot markets at a venue that joins both currencies: BTC/USDT is BTCUSDT or BTC_USDT; name to symbol. Pure.

    Raises:
        ValueError: a symbol is not of a spot market, or two have one name.
    """
    names = {}
    for symbol in symbols:
        base, slash, quote = symbol.partition("/")
        if not (base and slash and quote) or ":" in symbol:
            raise ValueError(f"{symbol!r:.60} is no symbol of a spot market")
        names[f"{base}{between}{quote}"] = symbol
    if len(names) < len(symbols):
        raise ValueError("two symbols have one name at the venue")
    return names


def quote_of(
    symbol: str, texts: tuple[str, str, str, str], event_ms: int | None, received_at: int, sequence: int | None
) -> Quote:
    """A quote, where its numbers and its time can be believed. Pure.

    Args:
        texts: Bid's price and quantity, ask's price and quantity, as the venue wrote them.
        event_ms: The venue's time, milliseconds; None where it says none.

    Raises:
        Malformed: a number is none, not positive, negative or absurd, or the time is more than a day off.
    """
    bid_price, bid_quantity, ask_price, ask_quantity = texts
    if not _FOUR_PLAIN(f"{bid_price},{bid_quantity},{ask_price},{ask_quantity}"):
        _require_numbers(texts)  # rarer notations, one by one
    bid, ask = float(bid_price), float(ask_price)
    if not (0 < bid < HIGHEST_PRICE and 0 < ask < HIGHEST_PRICE):
        raise malformed(f"a price of {symbol} is not above 0, or absurd: {bid_price:.50}, {ask_price:.50}")
    event_at = None
    if event_ms is not None:
        event_at = event_ms * 1000
        if not -EVENT_TOLERANCE <= event_at - received_at <= EVENT_TOLERANCE:
            raise malformed(f"the time of {symbol}'s quote is more than a day off")
    return Quote(
        symbol, bid_price, bid_quantity, ask_price, ask_quantity, bid, ask, event_at, received_at, sequence
    )  # fmt: skip


def malformed(problem: str) -> Malformed:
    """The failure for a message that cannot be read or believed."""
    return Malformed(problem, way_out=_SKIPPED)


def plain(text: str) -> str:
    """A venue's words as people and log lines can bear them: one line, nothing unprintable, at most 120 characters."""
    return "".join(character if character.isprintable() else " " for character in text[:120]).strip()


def symbol_of(name: str | None, names: Mapping[str, str]) -> str:
    """The unified symbol of a market's name at the venue.

    Raises:
        Malformed: there is none.
    """
    symbol = names.get(name or "")
    if symbol is None:
        raise malformed(f"no market was asked for that is called {plain(name or '')!r}")
    return symbol


def _require_numbers(texts: tuple[str, str, str, str]) -> None:
    for text in texts:
        if len(text) > LONGEST_NUMBER or not _NUMBER(text):
            raise malformed(f"{text!r:.60} is no number that can be believed")
    if float(texts[1]) > LARGEST_QUANTITY or float(texts[3]) > LARGEST_QUANTITY:
        raise malformed(f"quantities of {texts[1]} and {texts[3]} are absurd")
