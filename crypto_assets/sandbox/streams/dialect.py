"""What the venues' stream formats have in common: what a client asks for, and how a venue answers it.

What belongs here: the types between formats (binance.py, gate.py, mexc.py) and connections (session.py). What does not: a
format, a socket.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from crypto_assets.sandbox.streams.frames import Opcode
from crypto_assets.sandbox.streams.quotes import MadeQuote

type Encoder = Callable[[int, MadeQuote, int], bytes]  # number k, quote, event time in ms: a frame's payload
_BROKEN_QUOTES: Sequence[Mapping[str, object]] = (
    {"b": None, "a": None},
    {"b": "-1.5"},
    {"b": "NaN", "a": "NaN"},
    {"b": {"price": 1}, "a": [2]},
    {"b": "0", "a": "0"},
    {"B": "1e400"},
)  # what a quote's fields become in frames that are broken, by Binance's and Gate's names


@dataclass(frozen=True)
class Subscription:
    """One market's quotes, as a client asked for them.

    Args:
        name: The client's word for it, which also ends it.
        symbol: The unified one.
        market_id: The venue's.
        channel: Best prices alone, or a day's ticker that holds them.
        is_wrapped: Frames name their stream beside the data.
    """

    name: str
    symbol: str
    market_id: str
    channel: Literal["book", "ticker"] = "book"
    is_wrapped: bool = False


@dataclass(frozen=True)
class Asking:
    """Who asks, and when.

    Args:
        find: The unified symbol of a venue's market id; None where there is no such market.
        held: Names subscribed on this connection.
        path: That was connected to.
        query: Of that address.
    """

    find: Callable[[str], str | None]
    held: Sequence[str]
    path: str
    query: Mapping[str, str]
    now_ms: int


@dataclass(frozen=True)
class Heard:
    """What a message makes of a connection.

    Args:
        replies: Texts that answer it.
        added: What is subscribed from now on.
        removed: Names of what is no longer.
        wants: Whether something was asked for, though there may be none: what starts a playback.
    """

    replies: Sequence[str] = ()
    added: Sequence[Subscription] = ()
    removed: Sequence[str] = ()
    wants: bool = False


class Dialect(Protocol):
    """A venue's way to stream best prices. All of it is pure."""

    @property
    def venue(self) -> str:
        """The name that markets and faults know it by."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """Of its addresses."""

    @property
    def opcode(self) -> Opcode:
        """Of frames with quotes."""

    @property
    def ping_seconds(self) -> float | None:
        """How often the venue pings by itself."""

    def market_id(self, symbol: str) -> str:
        """The venue's name of a market."""

    def opens(self, path: str) -> bool:
        """Whether there are streams at this path."""

    def at_first(self, asking: Asking) -> Heard:
        """What the address alone asks for."""

    def heard(self, text: str, asking: Asking) -> Heard:
        """What a client's message asks for."""

    def encoder(self, subscription: Subscription) -> Encoder:
        """Writes quotes of a subscription."""

    def broken(self, number: int, quote: MadeQuote, subscription: Subscription) -> bytes:
        """A payload that no client should take for a quote; the next number is another kind."""


def broken_text(number: int, fields: dict[str, object], written: Callable[[str], str]) -> bytes:
    """A broken message of JSON, of a kind that the number chooses. Pure.

    Args:
        fields: Of the quote, with the market under `s`.
        written: Puts the quote's JSON into its message.
    """
    kinds = len(_BROKEN_QUOTES) + 4
    kind = number % kinds
    if kind < len(_BROKEN_QUOTES):
        return written(json.dumps(fields | dict(_BROKEN_QUOTES[kind]))).encode()
    whole = written(json.dumps(fields))
    if kind == kinds - 4:
        return whole[: len(whole) * 2 // 3].encode()
    if kind == kinds - 3:
        return b"upstream connect error or disconnect/reset before headers"
    if kind == kinds - 2:
        return written(json.dumps(fields | {"s": "NO_SUCH_MARKET"})).encode()
    return written("[1, 2, 3]").encode()
