"""What a request costs at each venue, in plain requests: one page of bars is one.

What belongs here: the venues' weights. What does not: how many plain requests a second are allowed, which the universe says.

Binance weighs its requests (klines 2, aggTrades 4, depth 5 up to 100 levels, 25 up to 500, ticker/24hr 2 for up to 20
markets, exchangeInfo 20) and so does MEXC (ticker/24hr 40 for all markets, exchangeInfo 10); the others count requests.
Source: their REST documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Kind(StrEnum):
    """What is asked for."""

    MARKETS = "markets"
    BARS = "bars"
    TRADES = "trades"
    BOOK = "book"
    TICKERS = "tickers"


_BINANCE = {Kind.MARKETS: 10.0, Kind.TRADES: 2.0, Kind.BOOK: 2.5}
_COSTS: Mapping[str, Mapping[Kind, float]] = {
    "binance": _BINANCE,
    "binanceus": _BINANCE,
    "binanceusdm": {Kind.TRADES: 10.0, Kind.TICKERS: 20.0},
    "mexc": {Kind.MARKETS: 11.0, Kind.TICKERS: 40.0},  # ccxt asks for its contracts too
    "gate": {Kind.MARKETS: 2.0},
    "coinbase": {Kind.MARKETS: 2.0},
}
_DEEP_BOOK = {"binance": (100, 12.5), "binanceus": (100, 12.5)}  # above so many levels, this much


def cost_of(venue: str, kind: Kind, *, depth: int = 0) -> float:
    """How many plain requests one of that kind counts for.

    Args:
        depth: Levels a side, for order books.
    """
    levels, deep = _DEEP_BOOK.get(venue, (0, 0.0))
    if kind is Kind.BOOK and levels and depth > levels:
        return deep
    return _COSTS.get(venue, {}).get(kind, 1.0)
