"""MEXC's best prices: protobuf frames of the channel spot@public.aggre.bookTicker, answers in JSON.

What belongs here: the words of one venue, pure. What does not: sockets (feed.py) and the rules of a quote (format.py).

The frame's fields are those of MEXC's PushDataV3ApiWrapper that a quote needs. ccxt ships classes of all of them, but importing
it takes seconds in which nobody listens. Its own watch_bids_asks never resolves on such frames: it reads an older format.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, cast

import msgspec

from crypto_assets.clients.book_tickers.format import (
    Answer,
    Message,
    Pong,
    joined_names,
    malformed,
    plain,
    quote_of,
)

# MEXC's documentation "WebSocket Market Streams" of spot v3: base endpoint; as in ccxt's description of the venue.
URL = "wss://wbs-api.mexc.com/ws"
CHANNEL = "spot@public.aggre.bookTicker.v3.api.pb@100ms@"
_NAMED = re.compile(re.escape(CHANNEL) + r"([A-Za-z0-9_\-]{1,40})")


class _Ticker(Protocol):
    bidPrice: str  # noqa: N815 - MEXC's names
    bidQuantity: str  # noqa: N815
    askPrice: str  # noqa: N815
    askQuantity: str  # noqa: N815


class _Wrapper(Protocol):
    channel: str
    symbol: str
    createTime: int  # noqa: N815
    sendTime: int  # noqa: N815
    publicAggreBookTicker: _Ticker  # noqa: N815


class _Said(msgspec.Struct, gc=False):
    """An answer in JSON."""

    code: int | None = None
    msg: str = ""


class MexcFormat:
    """MEXC's words.

    Args:
        symbols: Unified symbols of spot markets.
        names: The venue's name to the symbol of each; None for BTC/USDT as BTCUSDT.

    Raises:
        ValueError: a symbol has no such name.
    """

    venue = "mexc"
    url = URL
    symbols_per_connection = 30  # MEXC allows no more subscriptions
    messages_per_second = 10.0
    ping_seconds = 15.0  # MEXC hangs up after a minute of silence on our side

    def __init__(self, symbols: Sequence[str], names: Mapping[str, str] | None = None) -> None:
        self.symbols: Sequence[str] = tuple(symbols)
        self._names = dict(names) if names is not None else joined_names(symbols)
        self._name_of = {symbol: name for name, symbol in self._names.items()}
        self._by_channel = {f"{CHANNEL}{name}": (name, symbol) for name, symbol in self._names.items()}
        self._said = msgspec.json.Decoder(_Said)
        self._wrapper, self._unreadable = _reader()

    def subscribe(self, symbols: Sequence[str], number: int, at: int) -> bytes:  # noqa: ARG002 - others say the time
        """The request for these markets' quotes."""
        channels = [f"{CHANNEL}{self._name_of[symbol]}" for symbol in symbols]
        return msgspec.json.encode({"method": "SUBSCRIPTION", "params": channels, "id": number})

    def ping(self, at: int) -> bytes:  # noqa: ARG002 - as above
        """A ping in MEXC's words, answered with PONG."""
        return b'{"method":"PING"}'

    def parse(self, frame: bytes, received_at: int) -> Message:
        """What a message says; None for other channels. Pure.

        Raises:
            Malformed: it cannot be read or believed.
        """
        if frame[:1] == b"{":  # a protobuf frame begins with 0x0a, the mark of its first field
            return self._answer(frame)
        try:
            wrapper = self._wrapper(frame)
        except self._unreadable as error:
            raise malformed(f"no frame of MEXC's: {plain(str(error))}") from error
        channel = wrapper.channel
        known = self._by_channel.get(channel)
        if known is None:
            _require_other_channel(channel)
            return None
        name, symbol = known
        if wrapper.symbol and wrapper.symbol != name:
            raise malformed(f"a frame of {name}'s channel names {plain(wrapper.symbol)!r}")
        ticker = wrapper.publicAggreBookTicker
        texts = (ticker.bidPrice, ticker.bidQuantity, ticker.askPrice, ticker.askQuantity)
        event_ms = wrapper.createTime or wrapper.sendTime or None
        return quote_of(symbol, texts, event_ms, received_at, None)

    def _answer(self, frame: bytes) -> Answer | Pong:
        try:
            said = self._said.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise malformed(f"no answer of MEXC's: {plain(str(error))}") from error
        if said.msg.upper() == "PONG":
            return Pong()
        # Its number is 0 whatever we sent, so that the channels it names are the only link to the request.
        found = [self._names[name] for name in _NAMED.findall(said.msg) if name in self._names]
        is_granted = said.code == 0 and not said.msg.lower().startswith("not subscribed")
        return Answer(None, tuple(found), "" if is_granted else plain(said.msg) or f"code {said.code}")


def _require_other_channel(channel: str) -> None:
    """Make sure that a frame is of another channel, not a quote of a market that nobody asked for."""
    if not channel or channel.startswith(CHANNEL):
        raise malformed(f"no channel was asked for that is called {plain(channel)!r}")


def _reader() -> tuple[Callable[[bytes], _Wrapper], type[Exception]]:
    """What reads a frame, and what it raises where it cannot; only who follows MEXC pays for the import."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]  # noqa: PLC0415
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # noqa: PLC0415

    field = descriptor_pb2.FieldDescriptorProto
    ticker = [("bidPrice", 1), ("bidQuantity", 2), ("askPrice", 3), ("askQuantity", 4)]
    texts, times = [("channel", 1), ("symbol", 3)], [("createTime", 5), ("sendTime", 6)]
    file = descriptor_pb2.FileDescriptorProto(name="mexc_book_ticker.proto", syntax="proto3")
    one = file.message_type.add(name="Ticker")
    for name, number in ticker:
        one.field.add(name=name, number=number, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    wrapper = file.message_type.add(name="Wrapper")
    for name, number in texts:
        wrapper.field.add(name=name, number=number, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    for name, number in times:
        wrapper.field.add(name=name, number=number, type=field.TYPE_INT64, label=field.LABEL_OPTIONAL)
    wrapper.field.add(
        name="publicAggreBookTicker",
        number=315,
        type=field.TYPE_MESSAGE,
        label=field.LABEL_OPTIONAL,
        type_name="Ticker",
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    made = message_factory.GetMessageClass(pool.FindMessageTypeByName("Wrapper"))
    return cast("Callable[[bytes], _Wrapper]", made.FromString), DecodeError
