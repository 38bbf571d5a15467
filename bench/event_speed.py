"""Collecting trades against a bare asynchronous ccxt loop over the same span, with as many requests on their way.

What belongs here: rows a second of both, and what more workers bring. What does not: limits and faults (event_soak.py).

The bare loop only fetches and counts; ours checks every row, writes it to PostgreSQL, keeps progress and looks for holes.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Protocol, cast
from unittest.mock import patch

from ccxt import async_support

from bench import stage
from bench.event_stage import Figure, collect, silence, universe_of
from crypto_assets.clients.redirect import redirect_urls
from crypto_assets.datasets.market import polling
from crypto_assets.datasets.market.trades.asset import TradesConfig
from crypto_assets.partitions import VenueWindow
from crypto_assets.resources import Exchanges
from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse

LEAST_RATIO = 0.8
RUNS = 3
PAGE = 1000
WORKERS = 4
START = datetime(2026, 10, 20, 6, tzinfo=UTC)
MINUTES = 60  # of eight markets: some 60,000 trades
# What one venue's workers bring is measured on six markets, so that eight workers find six.
CONCURRENCY, WIDE, WIDE_MINUTES = (1, 2, 4, 8), 6, 40
LATENCY_SECONDS = 0.1

type Span = tuple[datetime, datetime]


class _Client(Protocol):
    """The part of ccxt's asynchronous client that is used here."""

    urls: dict[str, object]

    async def load_markets(self) -> object: ...

    async def fetch_trades(self, symbol: str, since: int, limit: int) -> Sequence[Mapping[str, object]]: ...

    async def close(self) -> None: ...


def measure() -> list[Figure]:
    """Both ways, in turns."""
    silence()
    markets = {"binance": 4, "kraken": 4}
    span = (START, START + timedelta(minutes=MINUTES))
    with stage.database("speed") as warehouse, SandboxProcess(SandboxConfig(now=stage.NOW)) as sandbox:
        trades = _expected(universe_of(markets), span)
        bare_loop(
            sandbox.url, universe_of(markets), span, WORKERS
        )  # the sandbox makes its bars once; both find them made
        pairs = []
        for number in range(RUNS):
            pairs.append(_pair(warehouse, sandbox.url, markets, span, trades, number))
        figures = _compared(f"{trades:,} trades of binance and kraken", pairs)
        figures += _concurrency(warehouse, sandbox)
    return figures


def bare_loop(url: str, universe: Universe, span: Span, workers: int) -> int:
    """What anybody would write: pages of each market one after the other, so many requests at once a venue; rows counted."""
    return asyncio.run(_bare(url, universe, span, workers))


def ours(warehouse: Warehouse, url: str, universe: Universe, span: Span, workers: int) -> int:
    """The same trades through client, checks, warehouse and ledger; rows stored."""
    exchanges = Exchanges(url, warehouse=warehouse)
    config = TradesConfig(since=span[0].isoformat(), until=span[1].isoformat())
    day = span[0].replace(hour=0)

    def one(venue: str) -> int:
        window = VenueWindow(venue, day, day + timedelta(days=1))
        outcomes = collect(warehouse, exchanges, universe, window, "trades", config)
        return sum(outcome.inserted for outcome in outcomes)

    with patch.object(polling, "workers_for", lambda *_: workers), ThreadPoolExecutor(len(universe.venues)) as pool:
        return sum(pool.map(one, universe.venues))


async def _bare(url: str, universe: Universe, span: Span, workers: int) -> int:
    first, last = (round(moment.timestamp() * 1000) for moment in span)
    clients: dict[str, _Client] = {}
    try:
        tasks = []
        for venue, there in universe.venues.items():
            options = {"enableRateLimit": False, "options": {"fetchMarkets": {"types": ["spot"]}}}
            client = cast("_Client", getattr(async_support, venue)(options))
            client.urls["api"] = redirect_urls(client.urls["api"], None, url)
            clients[venue] = client
            await client.load_markets()
            gate = asyncio.Semaphore(workers)
            tasks += [_pages(client, gate, market.symbol, first, last) for market in there.markets]
        return sum(await asyncio.gather(*tasks))
    finally:
        for client in clients.values():
            await client.close()


async def _pages(client: _Client, gate: asyncio.Semaphore, symbol: str, since: int, last: int) -> int:
    rows = 0
    while True:
        async with gate:
            page = await client.fetch_trades(symbol, since, PAGE)
        rows += sum(cast("int", row["timestamp"]) < last for row in page)
        newest = cast("int", page[-1]["timestamp"]) if page else last
        if newest >= last:
            return rows
        since = newest + 1


def _expected(universe: Universe, span: Span) -> int:
    source = SandboxConfig(now=stage.NOW).source()
    first, last = (round(moment.timestamp() * 1000) for moment in span)
    return sum(
        len(source.trades(venue, market.symbol, first, last))
        for venue, there in universe.venues.items()
        for market in there.markets
    )


def _pair(
    warehouse: Warehouse, url: str, markets: Mapping[str, int], span: Span, trades: int, number: int,
    workers: int = WORKERS,
) -> tuple[float, float]:  # fmt: skip
    """Rows a second of ours and of the bare loop; which of them begins alternates."""
    universe = universe_of(markets, trades={"turn_pages": 1000})

    def time_ours() -> float:
        _empty(warehouse)
        seconds, rows = _timed(lambda: ours(warehouse, url, universe, span, workers))
        if rows != trades:
            raise RuntimeError(f"expected {trades:,} new trades, stored {rows:,}")
        return trades / seconds

    def time_bare() -> float:
        return trades / _timed(lambda: bare_loop(url, universe, span, workers))[0]

    if number % 2:
        bare = time_bare()
        return time_ours(), bare
    rate = time_ours()
    return rate, time_bare()


def _compared(name: str, pairs: Sequence[tuple[float, float]]) -> list[Figure]:
    ratios = [mine / bare for mine, bare in pairs]
    mine, bare = (statistics.median(side) for side in zip(*pairs, strict=True))
    told = (
        f"{mine:,.0f} against {bare:,.0f} rows a second; {min(ratios):.2f} to {max(ratios):.2f} in {len(pairs)} pairs"
    )
    return [Figure(f"{name}: times a bare loop", statistics.median(ratios), "", at_least=LEAST_RATIO, told=told)]


def _concurrency(warehouse: Warehouse, sandbox: SandboxProcess) -> list[Figure]:
    """One venue with 1, 2, 4 and 8 workers: against the bare loop, and against one worker of a venue that is far away."""
    span, markets = (START, START + timedelta(minutes=WIDE_MINUTES)), {"binance": WIDE}
    trades = _expected(universe_of(markets), span)
    figures, far = [], dict[int, float]()
    for workers in CONCURRENCY:
        mine, bare = _pair(warehouse, sandbox.url, markets, span, trades, workers, workers)
        sandbox.set_faults([Fault(kind="latency", seconds=LATENCY_SECONDS)])
        far[workers], _ = _pair(warehouse, sandbox.url, markets, span, trades, workers, workers)
        sandbox.clear_faults()
        told = (
            f"{mine:,.0f} against {bare:,.0f} rows a second; {LATENCY_SECONDS * 1000:.0f} ms away"
            f" {far[workers]:,.0f}, {far[workers] / far[1]:.1f} times one worker"
        )
        figures.append(Figure(f"  {workers} at once on one venue: times a bare loop", mine / bare, "", told=told))
    return figures


def _timed(work: Callable[[], int]) -> tuple[float, int]:
    began = time.perf_counter()
    rows = work()
    return time.perf_counter() - began, rows


def _empty(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('market.trades_2026') IS NOT NULL")
        row = cursor.fetchone()
        if row and row[0]:  # by year: market.trades itself refuses TRUNCATE, because that would pass its revisions by
            cursor.execute("TRUNCATE market.trades_2026, ops.collected_ranges, ops.market_polls")


__all__ = ["bare_loop", "measure", "ours"]
