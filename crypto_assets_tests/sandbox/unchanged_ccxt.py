"""ccxt's clients as they come, led to a sandbox: nothing is overridden but their URLs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, cast

import ccxt

from crypto_assets.clients.redirect import redirect_urls
from crypto_assets.universe import timeframe_ms

MINUTE = 60_000


class Client(Protocol):
    """What the tests use of ccxt."""

    urls: dict[str, object]
    timeframes: dict[str, str]
    markets: dict[str, dict[str, object]]
    timeout: int

    def load_markets(self, reload: bool = False) -> dict[str, object]: ...
    def fetch_time(self) -> int: ...
    def fetch_ohlcv(
        self, symbol: str, timeframe: str, since: int | None = None, limit: int | None = None
    ) -> list[list[float]]: ...
    def fetch_trades(
        self,
        symbol: str,
        since: int | None = None,
        limit: int | None = None,
        params: Mapping[str, object] | None = None,
    ) -> list[Mapping[str, object]]: ...
    def fetch_order_book(self, symbol: str, limit: int | None = None) -> Mapping[str, object]: ...
    def fetch_tickers(self, symbols: Sequence[str] | None = None) -> Mapping[str, Mapping[str, float]]: ...
    def fetch_ticker(self, symbol: str) -> Mapping[str, float]: ...


def client_of(url: str, venue: str) -> Client:
    """The venue's client with its markets loaded."""
    client = cast("Client", getattr(ccxt, venue)({"enableRateLimit": False, "timeout": 10_000}))
    client.urls["api"] = redirect_urls(client.urls["api"], getattr(client, "hostname", None), url)
    client.load_markets()
    return client


def page_through(client: Client, symbol: str, timeframe: str, since: int, limit: int) -> list[list[list[float]]]:
    """Pages from `since` on until one brings nothing new; each begins on the grid, as gate loses a bar otherwise."""
    length = timeframe_ms(timeframe)
    pages: list[list[list[float]]] = []
    while True:
        page = client.fetch_ohlcv(symbol, timeframe, since, limit)
        if not page or int(page[-1][0]) < since:
            return pages
        pages.append(page)
        since = int(page[-1][0]) + length


def times(rows: Sequence[Sequence[float]]) -> list[int]:
    return [int(row[0]) for row in rows]
