"""Binance's best prices: JSON frames of the stream <symbol>@bookTicker, raw, in combined streams and of futures.

What belongs here: the words of one venue, pure. What does not: sockets (feed.py) and the rules of a quote (format.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec

from crypto_assets.clients.book_tickers.format import (
    Answer,
    Message,
    joined_names,
    malformed,
    plain,
    quote_of,
    symbol_of,
)

# Binance's documentation of spot "WebSocket Streams", general information; futures have another host.
URL = "wss://stream.binance.com:9443/ws"
STREAM = "bookTicker"

type _Sequence = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class _Ticker(msgspec.Struct, gc=False):
    """Fields of a quote; all optional, so that other messages can be told from broken ones."""

    event: str | None = msgspec.field(name="e", default=None)
    sequence: _Sequence | None = msgspec.field(name="u", default=None)
    name: str | None = msgspec.field(name="s", default=None)
    bid_price: str | None = msgspec.field(name="b", default=None)
    bid_quantity: str | None = msgspec.field(name="B", default=None)
    ask_price: str | None = msgspec.field(name="a", default=None)
    ask_quantity: str | None = msgspec.field(name="A", default=None)
    changed_ms: int | None = msgspec.field(name="T", default=None)
    sent_ms: int | None = msgspec.field(name="E", default=None)


class _Error(msgspec.Struct, gc=False):
    code: int | None = None
    msg: str = ""


class _Frame(_Ticker, gc=False):
    """A raw quote, a combined stream's envelope of one, or an answer to a request."""

    stream: str | None = None
    data: _Ticker | None = None
    id: int | str | None = None
    error: _Error | None = None
    code: int | None = None
    msg: str = ""


class _Channel(msgspec.Struct, gc=False):
    event: str | None = msgspec.field(name="e", default=None)


class _Envelope(_Channel, gc=False):
    """Only what tells whose channel a message is of."""

    stream: str | None = None
    data: _Channel | None = None


class BinanceFormat:
    """Binance's words.

    Args:
        symbols: Unified symbols of spot markets.
        names: The venue's name to the symbol of each; None for BTC/USDT as BTCUSDT.

    Raises:
        ValueError: a symbol has no such name.
    """

    venue = "binance"
    url = URL
    symbols_per_connection = 200  # of 1,024 that are allowed: an outage takes fewer markets along
    messages_per_second = 4.0  # of 5 that are allowed, pings included; more, and the venue hangs up
    ping_seconds = 20.0

    def __init__(self, symbols: Sequence[str], names: Mapping[str, str] | None = None) -> None:
        self.symbols: Sequence[str] = tuple(symbols)
        self._names = dict(names) if names is not None else joined_names(symbols)
        self._name_of = {symbol: name for name, symbol in self._names.items()}
        self._frame = msgspec.json.Decoder(_Frame)
        self._envelope = msgspec.json.Decoder(_Envelope)

    def subscribe(self, symbols: Sequence[str], number: int, at: int) -> bytes:  # noqa: ARG002 - others say the time
        """The request for these markets' quotes."""
        streams = [f"{self._name_of[symbol].lower()}@{STREAM}" for symbol in symbols]
        return msgspec.json.encode({"method": "SUBSCRIBE", "params": streams, "id": number})

    def ping(self, at: int) -> None:
        """None: the protocol's pings serve."""

    def parse(self, frame: bytes, received_at: int) -> Message:
        """What a message says; None for other channels. Pure.

        Raises:
            Malformed: it cannot be read or believed.
        """
        try:
            message = self._frame.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._require_other_channel(frame, error)
            return None
        if message.id is not None or message.error is not None or message.code is not None:
            return _answer(message)
        ticker = message if message.data is None else message.data
        bid_price, bid_quantity = ticker.bid_price, ticker.bid_quantity
        ask_price, ask_quantity = ticker.ask_price, ticker.ask_quantity
        if ticker.event is not None and ticker.event != STREAM:
            return None
        if bid_price is None or bid_quantity is None or ask_price is None or ask_quantity is None:
            _require_nothing_of_a_quote(ticker)
            return None
        event_ms = ticker.sent_ms if ticker.changed_ms is None else ticker.changed_ms
        texts = (bid_price, bid_quantity, ask_price, ask_quantity)
        return quote_of(symbol_of(ticker.name, self._names), texts, event_ms, received_at, ticker.sequence)

    def _require_other_channel(self, frame: bytes, error: Exception) -> None:
        """Make sure that a message that cannot be read as a quote is none; elsewhere the same letters mean other things."""
        try:
            found = self._envelope.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise malformed(f"no message of Binance's: {plain(str(error))}") from error
        event = (found.data.event if found.data is not None else None) or found.event
        stream = found.stream
        if (event is None and (stream is None or stream.endswith(STREAM))) or event == STREAM:
            raise malformed(f"no quote of Binance's: {plain(str(error))}") from error


def _answer(message: _Frame) -> Answer:
    """Of a request; a refusal comes in an error of its own or, without the request's number, at the top."""
    number = message.id if isinstance(message.id, int) else None
    if message.error is not None:
        return Answer(number, (), plain(message.error.msg) or f"code {message.error.code}")
    return Answer(number, (), plain(message.msg) or f"code {message.code}" if message.code is not None else "")


def _require_nothing_of_a_quote(ticker: _Ticker) -> None:
    """Make sure that a message without a quote has no part of one."""
    told = (ticker.name, ticker.bid_price, ticker.bid_quantity, ticker.ask_price, ticker.ask_quantity)
    if ticker.event == STREAM or any(one is not None for one in told):
        raise malformed("a quote of Binance's lacks a price or a quantity")
