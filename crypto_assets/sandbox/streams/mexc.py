"""MEXC's spot streams: spot@public.aggre.bookTicker.v3.api.pb@<interval>@<symbol> at /ws.

Format: MEXC's "WebSocket Market Streams" document. Requests and their answers are JSON, quotes are Protocol Buffers: a
PushDataV3ApiWrapper with publicAggreBookTicker, and no number of the book's state. A connection carries 30 subscriptions.
{"method":"ping"} is answered with PONG.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

from crypto_assets.sandbox.noise import key_of
from crypto_assets.sandbox.streams.dialect import Asking, Encoder, Heard, Subscription
from crypto_assets.sandbox.streams.frames import BINARY, Opcode
from crypto_assets.sandbox.streams.quotes import MadeQuote
from crypto_assets.sandbox.venues.binance_trades import market_id

MOST_SUBSCRIPTIONS = 30  # a connection
_CHANNEL = "spot@public.aggre.bookTicker.v3.api.pb"
_INTERVALS = frozenset({"100ms", "10ms"})
_BROKEN_PRICES = (("", ""), ("-1.5", "1"), ("NaN", "NaN"), ("null", "null"), ("0", "0"), ("1e400", "1"))


@dataclass(frozen=True)
class Mexc:
    """The one of them."""

    venue: str = "mexc"
    hosts: tuple[str, ...] = ("wbs-api.mexc.com",)
    opcode: Opcode = BINARY
    ping_seconds: float | None = None

    def market_id(self, symbol: str) -> str:
        """BTC/USDT is BTCUSDT."""
        return market_id(symbol)

    def opens(self, path: str) -> bool:
        """/ws."""
        return path.strip("/") == "ws"

    def at_first(self, asking: Asking) -> Heard:  # noqa: ARG002 - the address says nothing
        """Nothing."""
        return Heard()

    def heard(self, text: str, asking: Asking) -> Heard:
        """SUBSCRIPTION, UNSUBSCRIPTION, ping."""
        try:
            message = json.loads(text)
        except ValueError:
            message = None
        method = str(message.get("method", "")) if isinstance(message, dict) else ""
        if method.lower() == "ping":
            return Heard([_said("PONG")])
        names = message.get("params", []) if isinstance(message, dict) else None
        if method not in {"SUBSCRIPTION", "UNSUBSCRIPTION"} or not isinstance(names, list):
            return Heard([_said("Invalid request")])
        if method == "UNSUBSCRIPTION":
            return Heard([_said(",".join(map(str, names)))], removed=[str(name) for name in names])
        return _subscribed([str(name) for name in names], asking)

    def encoder(self, subscription: Subscription) -> Encoder:
        """Both times of the frame are the quote's."""
        head = _head(subscription.name, subscription.market_id)

        def book(_k: int, quote: MadeQuote, at_ms: int) -> bytes:
            return head + _times(at_ms) + _ticker(quote)

        return book

    def broken(self, number: int, quote: MadeQuote, subscription: Subscription) -> bytes:
        """Cut off, random, of an unknown market, empty, or with fields that are no prices."""
        kinds = len(_BROKEN_PRICES) + 4
        kind = number % kinds
        name, market = subscription.name, subscription.market_id
        if kind == kinds - 1:
            return key_of("broken", number).to_bytes(8, "big") * 5
        if kind == kinds - 2:
            whole = _head(name, market) + _times(1) + _ticker(quote)
            return whole[: len(whole) * 2 // 3]
        if kind == kinds - 3:
            return _head(name.replace(market, "NO_SUCH_MARKET"), "NO_SUCH_MARKET") + _times(1) + _ticker(quote)
        if kind == kinds - 4:
            return b""
        bid, ask = _BROKEN_PRICES[kind]
        return _head(name, market) + _times(1) + _ticker(MadeQuote(bid, "1", ask, "1"))


def _subscribed(names: list[str], asking: Asking) -> Heard:
    added, refused = [], []
    free = MOST_SUBSCRIPTIONS - len(asking.held)
    for name in names:
        symbol = _find(name, asking)
        if symbol is None or (name not in asking.held and free <= 0):
            refused.append(name)
            continue
        free -= name not in asking.held
        added.append(Subscription(name, symbol, name.rsplit("@", 1)[1]))
    replies = [_said(",".join(one.name for one in added))] if added else []
    if refused:  # the comma and the colon as the venue writes them
        replies.append(_said(f"Not Subscribed successfully! [{','.join(refused)}].  Reason： Blocked! "))
    return Heard(replies, added, wants=bool(added))


def _find(name: str, asking: Asking) -> str | None:
    """The market of a channel, where there are both."""
    channel, _, rest = name.partition("pb@")
    interval, _, market = rest.partition("@")
    return asking.find(market) if f"{channel}pb" == _CHANNEL and interval in _INTERVALS else None


def _head(channel: str, market_id: str) -> bytes:
    """Fields 1 and 3 of the wrapper."""
    return _text(1, channel) + _text(3, market_id)


@lru_cache(maxsize=256)
def _times(at_ms: int) -> bytes:
    """Fields 5 and 6: when it was made, and when it was sent."""
    number = _varint(at_ms & (2**64 - 1))
    return _varint(5 << 3) + number + _varint(6 << 3) + number


def _ticker(quote: MadeQuote) -> bytes:
    """Field 315: a message whose fields 1 to 4 are the texts in our order, each shorter than 128 bytes."""
    bid, bid_quantity, ask, ask_quantity = quote
    body = (  # numbers and lengths are bytes below 128, which are themselves as text
        f"\x0a{chr(len(bid))}{bid}\x12{chr(len(bid_quantity))}{bid_quantity}"
        f"\x1a{chr(len(ask))}{ask}\x22{chr(len(ask_quantity))}{ask_quantity}"
    ).encode()
    return _TICKER + _varint(len(body)) + body


def _text(number: int, text: str) -> bytes:
    """A field that holds a text."""
    content = text.encode()
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth says that more follow."""
    if number < 128:
        return _ONE_BYTE[number]
    return _ONE_BYTE[number & 127 | 128] + _varint(number >> 7)


_ONE_BYTE = tuple(bytes((number,)) for number in range(256))
_TICKER = _varint(315 << 3 | 2)


def _said(message: str) -> str:
    return json.dumps({"id": 0, "code": 0, "msg": message}, separators=(",", ":"), ensure_ascii=False)


FORMATS = (Mexc(),)
