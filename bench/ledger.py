"""What the gap ledger costs: beside the write of a batch, and for a scan over ten million bars.

Both are measured in one process against the work they belong to: the rest of the same transaction, and PostgreSQL counting the
same keys.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta

import numpy as np

from bench import stage
from crypto_assets.clients.exchange_bars import Bars
from crypto_assets.datasets.market.ohlcv import collect
from crypto_assets.datasets.market.ohlcv.collect import BATCH_ROWS, Series, store_bars
from crypto_assets.datasets.market.ohlcv.table import DATASET, ohlcv
from crypto_assets.quality.coverage import LedgerChanges, SeriesKey
from crypto_assets.quality.scan import collected_series, scan
from crypto_assets.universe import Gaps
from crypto_assets.warehouse.collected import mark_collected
from crypto_assets.warehouse.connection import Warehouse

BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SCANNED_SERIES, SCANNED_BARS = 20, 500_000
HOLE_EVERY = 5_000  # bars; each hole is a bar longer than the one before, up to 20
MAX_SCAN_SECONDS = 20.0
MAX_LEDGER_SHARE = 0.10
BATCHES = 30


def main() -> int:
    """Measure both, print, and return how many bounds were missed."""
    with stage.database("ledger") as warehouse:
        usual, sparse = ledger_share(warehouse, holes=20), ledger_share(warehouse, holes=4_000)
        _told(
            f"ledger beside the write of {BATCH_ROWS:,} bars with 20 holes: {usual:.1%} (bound {MAX_LEDGER_SHARE:.0%})"
        )
        _told(f"  the same with 4,000 holes, as a thin market skips: {sparse:.1%} (no bound: each hole is a row, too)")
        _fill(warehouse)
        first, counted, found = _scan(warehouse)
        second, _, again = _scan(warehouse)
        bars = SCANNED_SERIES * SCANNED_BARS
        _told(
            f"scan of {bars:,} expected bars: {first:.1f} s, {found.written:,} gaps written (bound {MAX_SCAN_SECONDS:.0f} s);"
            f" again: {second:.1f} s, {again.written} written; counting the same keys: {counted:.1f} s"
        )
    return int(usual > MAX_LEDGER_SHARE) + int(max(first, second) > MAX_SCAN_SECONDS) + int(again.written > 0)


def ledger_share(warehouse: Warehouse, holes: int) -> float:
    """Time in the ledger as a share of the rest of the same writes: median over batches of new bars."""
    spent = 0.0
    original = collect.observe

    def timed(*arguments: object, **named: object) -> LedgerChanges:
        nonlocal spent
        began = time.perf_counter()
        changes = original(*arguments, **named)  # type: ignore[arg-type]
        spent += time.perf_counter() - began
        return changes

    collect.observe = timed
    shares = []
    try:
        for number in range(BATCHES):
            start = BEGIN + number * timedelta(days=30)
            symbol = f"HOLES{holes}/USD"
            series = Series("kraken", symbol, "1m", start, start + timedelta(days=30))
            bars = _bars(start, holes)
            spent, began = 0.0, time.perf_counter()
            end = start + (BATCH_ROWS + holes) * MINUTE
            store_bars(warehouse, series, bars, (start, end))
            whole = time.perf_counter() - began
            shares.append(spent / (whole - spent))
    finally:
        collect.observe = original
    return float(np.median(shares))


def _bars(start: datetime, holes: int) -> Bars:
    minutes = np.arange(BATCH_ROWS + holes)
    every = len(minutes) // holes
    kept = minutes[(minutes % every != every // 2) | (minutes >= every * holes)][:BATCH_ROWS]
    opened = np.int64(start.timestamp() * 1000) + kept * 60_000
    numbers = {
        name: np.full(len(kept), 100.0) for name in ("open", "high", "low", "close", "volume_base", "volume_quote")
    }
    return Bars(opened, {**numbers, "trade_count": np.full(len(kept), 7.0)}, np.ones(len(kept), dtype=bool))


def _fill(warehouse: Warehouse) -> None:
    """Ten million one-minute bars less the holes, straight from SQL, and the progress that goes with them."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        years = [BEGIN, BEGIN + timedelta(days=365)]
        cursor.execute("SELECT ops.ensure_year_partition('market.ohlcv', at) FROM unnest(%s) AS at", (years,))
        for number in range(SCANNED_SERIES):
            symbol = f"S{number}/USD"
            cursor.execute(
                "INSERT INTO market.ohlcv"
                " (venue, symbol, timeframe, opened_at, open, high, low, close, volume_base, source, known_at)"
                " SELECT 'okx', %s, '1m', %s + n * interval '1 minute', 1, 1, 1, 1, 1, 'bench', %s + n * interval '1 minute'"
                " FROM generate_series(0, %s - 1) AS n WHERE n %% %s >= (n / %s) %% 20 + 1 OR n < %s",
                (symbol, BEGIN, BEGIN, SCANNED_BARS, HOLE_EVERY, HOLE_EVERY, HOLE_EVERY),
            )
            mark_collected(connection, DATASET, "okx", symbol, "1m", BEGIN, BEGIN + SCANNED_BARS * MINUTE)


def _scan(warehouse: Warehouse) -> tuple[float, float, LedgerChanges]:
    """Seconds of the scan, seconds of counting the same keys, and the rows it wrote."""
    series: list[tuple[SeriesKey, tuple[datetime, datetime]]] = collected_series(warehouse, DATASET, venue="okx")
    began = time.perf_counter()
    scanned, changes = scan(warehouse, ohlcv, series, listings=lambda _venue: {}, rules=Gaps())
    seconds = time.perf_counter() - began
    for one in scanned:
        changes += one.changes
    began = time.perf_counter()
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT symbol, count(*) FROM market.ohlcv WHERE venue = 'okx' GROUP BY symbol")
    return seconds, time.perf_counter() - began, changes


def _told(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
