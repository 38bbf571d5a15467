"""Collecting bars against a bare ccxt loop over the same pages, and peak memory over a tenfold range."""

from __future__ import annotations

import multiprocessing
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import ccxt

from bench import stage
from crypto_assets.clients.exchange import Exchange
from crypto_assets.clients.redirect import redirect_urls
from crypto_assets.datasets.market.ohlcv.collect import Series, collect_series
from crypto_assets.universe import Market, Venue
from crypto_assets.warehouse.connection import Warehouse

BARS = 100_000
PAGE = 1000
RATIO_BOUND = 1.25
MEMORY_BOUND = 1.15  # flat, but for what the allocator keeps
ROUNDS = 5
START = datetime(2026, 1, 1, tzinfo=UTC)
VENUE = Venue(markets=(Market(symbol="BTC/USDT"),), requests_per_second=1000, page_bars=PAGE)


def main() -> int:
    """Measure, print, and return how many bounds were missed."""
    with stage.database("collect") as warehouse, stage.sandbox() as url:
        bare_loop(url, 5_000)  # the sandbox computes a day once; both sides then find it made
        bare_loop(url, BARS)
        ratios, bares = [], []
        for number in range(ROUNDS):
            _empty(warehouse)
            ours, bare = _timed_pair(warehouse, url, ours_first=bool(number % 2))
            ratios.append(ours / bare)
            bares.append(bare)
        ratio = statistics.median(ratios)
        small, large = (_peak_in_child(warehouse, url, bars) for bars in (BARS // 5, BARS * 2))
    growth = large / small
    sys.stdout.write(
        f"collect {BARS:,} bars: {ratio:.2f}x a bare ccxt loop (median of {ROUNDS} pairs, {min(ratios):.2f} to"
        f" {max(ratios):.2f}; bare {statistics.median(bares):.2f} s; bound {RATIO_BOUND})\n"
        f"peak memory over a tenfold range: {growth:.2f}x ({small / 1024:.0f} to {large / 1024:.0f} MiB;"
        f" bound {MEMORY_BOUND})\n"
    )
    return int(ratio > RATIO_BOUND) + int(growth > MEMORY_BOUND)


def bare_loop(url: str, bars: int) -> int:
    """What anybody would write: fetch_ohlcv in a loop, rows kept in a list of lists."""
    client = ccxt.binance({"enableRateLimit": False, "options": {"fetchMarkets": {"types": ["spot"]}}})
    client.urls["api"] = redirect_urls(client.urls["api"], None, url)
    client.load_markets()
    since = int(START.timestamp() * 1000)
    end = since + bars * 60_000
    rows = 0
    while since < end:
        page = client.fetch_ohlcv("BTC/USDT", "1m", since, PAGE)
        rows += len(page)
        since = page[-1][0] + 60_000
    return rows


def ours(warehouse: Warehouse, url: str, bars: int) -> int:
    """The same pages through client, checks and warehouse."""
    exchange = Exchange("binance", VENUE, sandbox_url=url)
    series = Series("binance", "BTC/USDT", "1m", START, START + timedelta(minutes=bars))
    outcome = collect_series(warehouse, exchange, series)
    if outcome.inserted != bars:
        raise RuntimeError(f"expected {bars} new bars, stored {outcome.inserted}: {outcome.warning}")
    return outcome.inserted


def _timed_pair(warehouse: Warehouse, url: str, *, ours_first: bool) -> tuple[float, float]:
    def time_ours() -> float:
        began = time.perf_counter()
        ours(warehouse, url, BARS)
        return time.perf_counter() - began

    def time_bare() -> float:
        began = time.perf_counter()
        bare_loop(url, BARS)
        return time.perf_counter() - began

    if ours_first:
        first = time_ours()
        return first, time_bare()
    bare = time_bare()
    return time_ours(), bare


def _empty(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('market.ohlcv_2026') IS NOT NULL")
        row = cursor.fetchone()
        if row and row[0]:  # by year: market.ohlcv itself refuses TRUNCATE, because that would pass its revisions by
            cursor.execute("TRUNCATE market.ohlcv_2026, ops.collected_ranges")


def _peak_in_child(warehouse: Warehouse, url: str, bars: int) -> int:
    """Peak resident memory, KiB, of a fresh process that collects so many bars."""
    _empty(warehouse)
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    child = context.Process(target=_report_peak, args=(warehouse, url, bars, queue))
    child.start()
    child.join()
    return int(queue.get())


def _report_peak(warehouse: Warehouse, url: str, bars: int, queue: multiprocessing.SimpleQueue[int]) -> None:
    ours(warehouse, url, bars)
    # Not getrusage: its peak is inherited from the process that started this one.
    status = Path("/proc/self/status").read_text()
    queue.put(int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))))


if __name__ == "__main__":
    sys.exit(main())
