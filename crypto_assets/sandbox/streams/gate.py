"""Gate's spot streams: spot.book_ticker and spot.tickers at /ws/v4/.

Format: Gate's "Spot WebSocket v4" document. A subscription that names an unknown pair fails as a whole, with code 2. A frame of
spot.book_ticker holds {"t": ms, "u", "s", "b", "B", "a", "A"}. spot.ping is answered with spot.pong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from crypto_assets.sandbox.streams.dialect import Asking, Encoder, Heard, Subscription, broken_text
from crypto_assets.sandbox.streams.frames import TEXT, Opcode
from crypto_assets.sandbox.streams.quotes import OFFSET, STEP, MadeQuote
from crypto_assets.sandbox.venues.gate_trades import pair_id

_CHANNELS: Mapping[str, Literal["book", "ticker"]] = {"spot.book_ticker": "book", "spot.tickers": "ticker"}
_TRACE = "0" * 32  # a real one names the request in the venue's own records


@dataclass(frozen=True)
class Gate:
    """The one of them."""

    venue: str = "gate"
    hosts: tuple[str, ...] = ("api.gateio.ws",)
    opcode: Opcode = TEXT
    ping_seconds: float | None = None

    def market_id(self, symbol: str) -> str:
        """BTC/USDT is BTC_USDT."""
        return pair_id(symbol)

    def opens(self, path: str) -> bool:
        """/ws/v4/."""
        return path.strip("/") == "ws/v4"

    def at_first(self, asking: Asking) -> Heard:  # noqa: ARG002 - the address says nothing
        """Nothing."""
        return Heard()

    def heard(self, text: str, asking: Asking) -> Heard:
        """Subscribe, unsubscribe, ping."""
        try:
            message = json.loads(text)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            return Heard([_reply(asking, {"channel": "", "event": ""}, (1, "invalid argument struct"))])
        if message.get("channel") == "spot.ping":
            return Heard([_pong(asking)])
        about = {name: message[name] for name in ("id", "channel", "event", "payload") if name in message}
        error = _error(message, asking)
        if error is not None:
            return Heard([_reply(asking, about, error)])
        channel, pairs = message["channel"], message.get("payload") or []
        if message["event"] == "unsubscribe":
            return Heard([_reply(asking, about)], removed=[f"{channel} {pair}" for pair in pairs])
        found = {pair: asking.find(pair) for pair in pairs}
        added = [
            Subscription(f"{channel} {pair}", symbol, pair, _CHANNELS[channel])
            for pair, symbol in found.items()
            if symbol is not None
        ]
        return Heard([_reply(asking, about)], added, wants=True)

    def encoder(self, subscription: Subscription) -> Encoder:
        """u rises by STEP with each quote; the time of the frame is that of the quote."""
        name = subscription.market_id
        if subscription.channel == "ticker":
            return lambda _k, quote, at_ms: _update(at_ms, "spot.tickers", _ticker(name, quote))

        def book(k: int, quote: MadeQuote, at_ms: int) -> bytes:
            return (
                f'{{"time":{at_ms // 1000},"time_ms":{at_ms},"channel":"spot.book_ticker","event":"update",'
                f'"result":{{"t":{at_ms},"u":{k * STEP + OFFSET},"s":"{name}","b":"{quote[0]}","B":"{quote[1]}",'
                f'"a":"{quote[2]}","A":"{quote[3]}"}}}}'
            ).encode()

        return book

    def broken(self, number: int, quote: MadeQuote, subscription: Subscription) -> bytes:
        """Cut off, not JSON, of an unknown market, or with fields that are no prices."""
        fields: dict[str, object] = {"t": 1, "u": 1, "s": subscription.market_id}
        return broken_text(
            number,
            fields | dict(zip("bBaA", quote, strict=True)),
            lambda written: f'{{"time":1,"channel":"spot.book_ticker","event":"update","result":{written}}}',
        )


def _error(message: Mapping[str, object], asking: Asking) -> tuple[int, str] | None:
    """What is wrong with a request, in the venue's words; None where nothing is."""
    channel, event, pairs = message.get("channel"), message.get("event"), message.get("payload") or []
    if channel not in _CHANNELS:
        return 2, f"unknown channel: {channel}"
    if not isinstance(pairs, list) or not all(isinstance(pair, str) for pair in pairs):
        return 1, "invalid argument struct"
    if event not in {"subscribe", "unsubscribe"}:
        return 2, f"unknown event: {event}"
    unknown = next((pair for pair in pairs if event == "subscribe" and asking.find(pair) is None), None)
    return None if unknown is None else (2, f"unknown currency pair: {unknown}")


def _ticker(pair: str, quote: MadeQuote) -> dict[str, str]:
    """A day's ticker of which the best prices are made up and the rest is still."""
    return {
        "currency_pair": pair,
        "last": quote.bid_price,
        "lowest_ask": quote.ask_price,
        "highest_bid": quote.bid_price,
        "change_percentage": "0",
        "base_volume": "0",
        "quote_volume": "0",
        "high_24h": quote.ask_price,
        "low_24h": quote.bid_price,
    }


def _update(at_ms: int, channel: str, result: Mapping[str, object]) -> bytes:
    message = {"time": at_ms // 1000, "time_ms": at_ms, "channel": channel, "event": "update", "result": result}
    return json.dumps(message, separators=(",", ":")).encode()


def _reply(asking: Asking, about: Mapping[str, object], error: tuple[int, str] | None = None) -> str:
    message: dict[str, object] = {"time": asking.now_ms // 1000, "time_ms": asking.now_ms, "conn_id": _TRACE[:16]}
    message |= {"trace_id": _TRACE, **about}
    if error is not None:
        message["error"] = {"code": error[0], "message": error[1]}
    message |= {"result": {"status": "success" if error is None else "fail"}, "requestId": _TRACE}
    return json.dumps(message, separators=(",", ":"))


def _pong(asking: Asking) -> str:
    now = {"time": asking.now_ms // 1000, "time_ms": asking.now_ms}
    return json.dumps({**now, "channel": "spot.pong", "event": "", "result": None}, separators=(",", ":"))


FORMATS = (Gate(),)
