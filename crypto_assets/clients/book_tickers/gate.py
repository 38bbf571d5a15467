"""Gate's best prices: JSON frames of the channel spot.book_ticker.

What belongs here: the words of one venue, pure. What does not: sockets (feed.py) and the rules of a quote (format.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec

from crypto_assets.clients.book_tickers.format import (
    Answer,
    Message,
    Pong,
    joined_names,
    malformed,
    plain,
    quote_of,
    symbol_of,
)

# Gate's documentation "Spot WebSocket v4", server URL.
URL = "wss://api.gateio.ws/ws/v4/"
CHANNEL = "spot.book_ticker"
_PONG = "spot.pong"

type _Sequence = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class _Result(msgspec.Struct, gc=False):
    """A quote, or the fate of a request; all optional, so that one can be told from the other."""

    event_ms: int | None = msgspec.field(name="t", default=None)
    sequence: _Sequence | None = msgspec.field(name="u", default=None)
    name: str | None = msgspec.field(name="s", default=None)
    bid_price: str | None = msgspec.field(name="b", default=None)
    bid_quantity: str | None = msgspec.field(name="B", default=None)
    ask_price: str | None = msgspec.field(name="a", default=None)
    ask_quantity: str | None = msgspec.field(name="A", default=None)
    status: str | None = None


class _Error(msgspec.Struct, gc=False):
    code: int | str | None = None
    message: str = ""


class _Envelope(msgspec.Struct, gc=False):
    """What every message has."""

    channel: str
    event: str = ""


class _Frame(_Envelope, gc=False):
    id: int | str | None = None
    result: _Result | None = None
    error: _Error | None = None


class GateFormat:
    """Gate's words.

    Args:
        symbols: Unified symbols of spot markets.
        names: The venue's name to the symbol of each; None for BTC/USDT as BTC_USDT.

    Raises:
        ValueError: a symbol has no such name.
    """

    venue = "gate"
    url = URL
    symbols_per_connection = 100
    messages_per_second = 20.0
    ping_seconds = 15.0

    def __init__(self, symbols: Sequence[str], names: Mapping[str, str] | None = None) -> None:
        self.symbols: Sequence[str] = tuple(symbols)
        self._names = dict(names) if names is not None else joined_names(symbols, "_")
        self._name_of = {symbol: name for name, symbol in self._names.items()}
        self._frame = msgspec.json.Decoder(_Frame)
        self._envelope = msgspec.json.Decoder(_Envelope)

    def subscribe(self, symbols: Sequence[str], number: int, at: int) -> bytes:
        """The request for these markets' quotes."""
        names = [self._name_of[symbol] for symbol in symbols]
        request = {"time": at // 1_000_000, "id": number, "channel": CHANNEL, "event": "subscribe", "payload": names}
        return msgspec.json.encode(request)

    def ping(self, at: int) -> bytes:
        """A ping in Gate's words, answered on the channel spot.pong."""
        return msgspec.json.encode({"time": at // 1_000_000, "channel": "spot.ping"})

    def parse(self, frame: bytes, received_at: int) -> Message:
        """What a message says; None for other channels, and where one side of the book is empty. Pure.

        Raises:
            Malformed: it cannot be read or believed.
        """
        try:
            message = self._frame.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._require_other_channel(frame, error)
            return None
        if message.channel != CHANNEL:
            return Pong() if message.channel == _PONG else None
        if message.event != "update":
            return _answer(message)
        ticker = message.result
        if ticker is None:
            raise malformed("an update of Gate's has no result")
        bid_price, bid_quantity = ticker.bid_price, ticker.bid_quantity
        ask_price, ask_quantity = ticker.ask_price, ticker.ask_quantity
        if bid_price is None or bid_quantity is None or ask_price is None or ask_quantity is None:
            raise malformed("a quote of Gate's lacks a price or a quantity")
        symbol = symbol_of(ticker.name, self._names)
        if not bid_price or not ask_price:
            return None  # so Gate says that nobody bids, or nobody asks: there is no quote then
        texts = (bid_price, bid_quantity, ask_price, ask_quantity)
        return quote_of(symbol, texts, ticker.event_ms, received_at, ticker.sequence)

    def _require_other_channel(self, frame: bytes, error: Exception) -> None:
        """Make sure that a message that cannot be read as a quote is none: results of other channels look otherwise."""
        try:
            found = self._envelope.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise malformed(f"no message of Gate's: {plain(str(error))}") from error
        if found.channel == CHANNEL:
            raise malformed(f"no quote of Gate's: {plain(str(error))}") from error


def _answer(message: _Frame) -> Answer | None:
    if message.event != "subscribe":
        return None
    why = ""
    if message.error is not None:
        why = plain(message.error.message) or f"code {message.error.code}"
    elif message.result is not None and message.result.status not in {None, "success"}:
        why = plain(f"status {message.result.status}")
    return Answer(message.id if isinstance(message.id, int) else None, (), why)
