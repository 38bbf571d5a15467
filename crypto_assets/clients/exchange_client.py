"""ccxt's REST client as it is used here: what we call of it, and what we change in it.

What belongs here: the part of ccxt that is used, as types, and a client that notes each answer and hands rows on as the
venue sent them. What does not: asking (exchange_session.py) and reading rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

_BY_TYPE = frozenset({"binance", "binanceus", "gate", "okx"})  # their lists of markets come one type a request


class CcxtClient(Protocol):
    """The part of a ccxt exchange that is used here."""

    id: str
    urls: dict[str, object]
    timeframes: dict[str, str] | None
    markets: dict[str, dict[str, object]] | None
    precisionMode: int  # noqa: N815 - ccxt's name
    has: dict[str, object]

    def load_markets(self) -> dict[str, dict[str, object]]:
        """Ask for the markets, once."""

    def set_markets_from_exchange(self, source: object) -> object:
        """Take over another client's markets."""

    def fetch_ohlcv(self, symbol: str, timeframe: str, since: int, limit: int) -> Sequence[object]:
        """One page of bars."""

    def fetch_trades(
        self, symbol: str, since: int | None, limit: int | None, params: Mapping[str, object]
    ) -> Sequence[object]:
        """One page of trades."""

    def fetch_order_book(self, symbol: str, limit: int | None) -> object:
        """The order book of now."""

    def fetch_tickers(self, symbols: Sequence[str] | None) -> Mapping[str, object]:
        """Statistics of 24 hours, a market each."""

    def fetch_time(self) -> int | None:
        """The venue's clock, milliseconds."""

    def close(self) -> None:
        """Let the connection go."""


@dataclass
class Answer:
    """The last HTTP answer a ccxt client received."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


def recording_client(name: str, answer: Answer, *, raw_bars: bool, raw_trades: bool, spot_only: bool) -> CcxtClient:
    """A ccxt client that notes each answer and, where we know the venue's rows, hands them on unparsed."""
    import ccxt  # noqa: PLC0415 - it imports a hundred exchanges, which takes seconds: only who asks a venue pays them

    parent = getattr(ccxt, name)

    def on_rest_response(
        self: object,
        code: int,
        reason: str,
        url: str,
        method: str,
        headers: Mapping[str, str],
        body: str,
        *rest: object,
    ) -> str:
        answer.status, answer.headers, answer.body = code, headers, body
        return cast("str", parent.on_rest_response(self, code, reason, url, method, headers, body, *rest))

    def parse_ohlcvs(_self: object, ohlcvs: object, *_rest: object, **_named: object) -> object:
        return ohlcvs

    def parse_trades(_self: object, trades: object, *_rest: object, **_named: object) -> object:
        return trades

    def parse_order_book(
        _self: object,
        book: Mapping[str, object],
        _symbol: str,
        timestamp: int | None = None,
        bids: str = "bids",
        asks: str = "asks",
        price: int | str = 0,
        amount: int | str = 1,
        *_rest: object,
    ) -> dict[str, object]:
        # ccxt makes floats of prices; here the venue's own digits stay, and where it keeps them.
        named = {"bids": bids, "asks": asks, "price": price, "amount": amount}
        return {"book": book, "layout": named, "timestamp": timestamp, "nonce": None}

    members: dict[str, object] = {"on_rest_response": on_rest_response, "parse_order_book": parse_order_book}
    if raw_bars:
        members["parse_ohlcvs"] = parse_ohlcvs
    if raw_trades:
        members["parse_trades"] = parse_trades
    # Budget and retries are ours (transport.py), so that they hold for every provider alike.
    types = {"fetchMarkets": {"types": ["spot"]}} if spot_only and name in _BY_TYPE else {}
    options = {"enableRateLimit": False, "timeout": 15_000, "options": {"maxRetriesOnFailure": 0, **types}}
    client = cast("CcxtClient", type(f"Recording_{name}", (parent,), members)(options))
    client.has["fetchCurrencies"] = (
        False  # nothing of them is used, and with the markets they cost up to three requests
    )
    return client
