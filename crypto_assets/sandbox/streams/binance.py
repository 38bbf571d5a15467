"""Binance's streams: <symbol>@bookTicker at /ws and /stream.

Format: Binance's "WebSocket Streams" document. Raw frames are {"u","s","b","B","a","A"} without a time, those of /stream are
wrapped as {"stream","data"}; futures have "e", "T" and "E" besides. SUBSCRIBE is answered {"result":null,"id"} whether or not
there is such a market, as the real one does: an unknown one stays silent. The server pings every 20 seconds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.sandbox.streams.dialect import Asking, Encoder, Heard, Subscription, broken_text
from crypto_assets.sandbox.streams.frames import TEXT, Opcode
from crypto_assets.sandbox.streams.quotes import OFFSET, STEP, MadeQuote
from crypto_assets.sandbox.venues.binance_trades import market_id

_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")


@dataclass(frozen=True)
class Binance:
    """Spot, or futures, whose frames have times."""

    venue: str
    hosts: tuple[str, ...]
    has_times: bool = False
    opcode: Opcode = TEXT
    ping_seconds: float | None = 20.0

    def market_id(self, symbol: str) -> str:
        """BTC/USDT is BTCUSDT."""
        return market_id(symbol)

    def opens(self, path: str) -> bool:
        """/ws, /stream, and what is below; futures also have /public and /market before."""
        parts = path.strip("/").split("/")
        if self.has_times and parts[0] in {"public", "market"}:
            parts = parts[1:]
        return bool(parts) and parts[0] in {"ws", "stream"}

    def at_first(self, asking: Asking) -> Heard:
        """Streams named in the address: /ws/<stream>, /stream?streams=<stream>/<stream>."""
        named = asking.query.get("streams", "").split("/")
        named += [part for part in asking.path.strip("/").split("/")[1:] if "@" in part]
        names = [name for name in named if name]
        return Heard(added=self._subscriptions(names, asking), wants=bool(names))

    def heard(self, text: str, asking: Asking) -> Heard:
        """SUBSCRIBE, UNSUBSCRIBE and LIST_SUBSCRIPTIONS."""
        try:
            method, number, names = _request(text)
        except _Refused as refused:
            message = {"code": refused.code, "msg": refused.message}
            return Heard([json.dumps(message, separators=(",", ":"))])
        if method == "SUBSCRIBE":
            return Heard([_answer(None, number)], self._subscriptions(names, asking), wants=bool(names))
        if method == "UNSUBSCRIBE":
            return Heard([_answer(None, number)], removed=names)
        return Heard([_answer(list(asking.held) if method == "LIST_SUBSCRIPTIONS" else None, number)])

    def encoder(self, subscription: Subscription) -> Encoder:
        """u rises by STEP with each quote."""
        begin, end = _wrapping(subscription)
        name = subscription.market_id
        if not self.has_times:
            return _spot_encoder(begin, name, end)

        def futures(k: int, quote: MadeQuote, at_ms: int) -> bytes:
            return (
                f'{begin}{{"e":"bookTicker","u":{k * STEP + OFFSET},"s":"{name}","b":"{quote[0]}","B":"{quote[1]}",'
                f'"a":"{quote[2]}","A":"{quote[3]}","T":{at_ms},"E":{at_ms}}}{end}'
            ).encode()

        return futures

    def broken(self, number: int, quote: MadeQuote, subscription: Subscription) -> bytes:
        """Cut off, not JSON, of an unknown market, or with fields that are no prices."""
        fields = {"u": 1, "s": subscription.market_id} | dict(zip("bBaA", quote, strict=True))
        begin, end = _wrapping(subscription)
        return broken_text(number, fields, lambda written: f"{begin}{written}{end}")

    def _subscriptions(self, names: Sequence[str], asking: Asking) -> list[Subscription]:
        wrapped = "stream" in asking.path.split("/")
        found = []
        for name in names:
            market, _, channel = name.partition("@")
            symbol = asking.find(market.upper()) if channel == "bookTicker" else None
            if symbol is not None:
                found.append(Subscription(name, symbol, market.upper(), is_wrapped=wrapped))
        return found


class _Refused(CryptoAssetsError):
    """A request that is none."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message, way_out="Send what Binance's document says.")
        self.code, self.message = code, message


def _request(text: str) -> tuple[str, object, list[str]]:
    """Method, id and parameters.

    Raises:
        _Refused: in the venue's words.
    """
    try:
        message = json.loads(text)
    except ValueError:
        raise _Refused(3, "Invalid JSON: expected value at line 1 column 1") from None
    method = message.get("method") if isinstance(message, dict) else None
    if method is None:
        raise _Refused(2, "Invalid request: missing field `method` at line 1 column 1")
    if method not in _METHODS:
        raise _Refused(2, f"Invalid request: unknown variant `{method}`, expected one of {', '.join(_METHODS)}")
    names = message.get("params", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _Refused(2, "Invalid request: params must be an array of strings")
    return method, message.get("id"), names


def _spot_encoder(begin: str, name: str, end: str) -> Encoder:
    def spot(k: int, quote: MadeQuote, at_ms: int) -> bytes:  # noqa: ARG001 - spot frames have no time
        return (
            f'{begin}{{"u":{k * STEP + OFFSET},"s":"{name}","b":"{quote[0]}","B":"{quote[1]}",'
            f'"a":"{quote[2]}","A":"{quote[3]}"}}{end}'
        ).encode()

    return spot


def _wrapping(subscription: Subscription) -> tuple[str, str]:
    return (f'{{"stream":"{subscription.name}","data":', "}") if subscription.is_wrapped else ("", "")


def _answer(result: object, number: object) -> str:
    return json.dumps({"result": result, "id": number}, separators=(",", ":"))


FORMATS = (
    Binance("binance", ("stream.binance.com", "data-stream.binance.vision")),
    Binance("binanceusdm", ("fstream.binance.com",), has_times=True),
)
