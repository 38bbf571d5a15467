"""Writing and reading the warehouse: rows a second, and how many times faster than the usual way in the same run.

What belongs here: the figures of upsert and read_frame with their bounds. What does not: collecting (bench/collect.py)
and safety (bench/crash.py).

Bounds are ratios wherever a baseline exists, for machines differ; the two absolute ones are the project's promise for a
desktop with two cores.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from psycopg2.extras import execute_values
from rich.console import Console
from rich.table import Table as Shown
from sqlalchemy import select

from bench.stage import database
from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.warehouse.binary_copy import Batch
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame
from crypto_assets.warehouse.write import WriteCounts, upsert

ROWS = 1_000_000
BATCH_ROWS = 100_000
BASELINE_ROWS = 50_000
PROMISED_NEW_ROWS_A_SECOND = 150_000
PROMISED_SAME_ROWS_A_SECOND = 200_000


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Args:
        name: What was measured.
        rate: Rows a second.
        ratio: Times the baseline; None where there is none.
        bound: The least ratio, or the least rate where there is no ratio; None where none is stated.
    """

    name: str
    rate: float
    ratio: float | None = None
    bound: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the bound is kept."""
        return self.bound is None or (self.rate if self.ratio is None else self.ratio) >= self.bound


def main() -> int:
    """Measure, print, and return 1 where a bound is missed."""
    with database("bench_warehouse") as warehouse:
        figures = [*writes(warehouse), *reads(warehouse)]
    shown = Shown("measured", "rows a second", "times the baseline", "bound", "")
    for figure in figures:
        shown.add_row(
            figure.name,
            f"{figure.rate:,.0f}",
            "" if figure.ratio is None else f"{figure.ratio:.1f}",
            "" if figure.bound is None else f"{figure.bound:,.3g}" if figure.ratio else f"{figure.bound:,.0f}",
            "" if figure.bound is None else "held" if figure.holds else "missed",
        )
    Console(width=110).print(shown)
    return 0 if all(figure.holds for figure in figures) else 1


def writes(warehouse: Warehouse) -> list[Figure]:
    """A first load, an unchanged second run, a run where a tenth differs; against execute_values."""
    baseline_new = _rate(BASELINE_ROWS, lambda: _execute_values(warehouse))
    baseline_same = _rate(BASELINE_ROWS, lambda: _execute_values(warehouse))
    new = _rate(ROWS, lambda: _expect(_load(warehouse), WriteCounts(ROWS, ROWS, 0, 0)))
    same = _rate(ROWS, lambda: _expect(_load(warehouse), WriteCounts(ROWS, 0, 0, ROWS)))
    tenth = ROWS // 10
    some = _rate(ROWS, lambda: _expect(_load(warehouse, changed_every=10), WriteCounts(ROWS, 0, tenth, ROWS - tenth)))
    small = _rate(200 * 40, lambda: _small_batches(warehouse))
    return [
        Figure("execute_values upsert, new rows (baseline)", baseline_new),
        Figure("execute_values upsert, same rows (baseline)", baseline_same),
        Figure("upsert, new rows", new, new / baseline_new, 3),
        Figure("upsert, new rows, absolute", new, None, PROMISED_NEW_ROWS_A_SECOND),
        Figure("upsert, same rows: none written", same, same / baseline_same, 5),
        Figure("upsert, same rows, absolute", same, None, PROMISED_SAME_ROWS_A_SECOND),
        Figure("upsert, a tenth changed", some, some / baseline_same),
        Figure("upsert, 40 rows a batch", small),
    ]


def reads(warehouse: Warehouse) -> list[Figure]:
    """A million rows of eight columns through ADBC and through pandas.read_sql."""
    columns = ("symbol", "timeframe", "opened_at", "open", "high", "low", "close", "volume_base")
    statement = select(*(ohlcv.c[name] for name in columns)).where(ohlcv.c.venue == "bench").limit(ROWS)
    engine = warehouse.engine()
    try:
        usual = _rate(ROWS, lambda: pd.read_sql(statement, engine))
    finally:
        engine.dispose()
    fast = max(_rate(ROWS, lambda: read_frame(warehouse, statement)) for _ in range(2))
    return [Figure("pandas.read_sql (baseline)", usual), Figure("read_frame", fast, fast / usual, 3)]


def bars(first: int, count: int, *, venue: str = "bench", changed_every: int = 0) -> Batch:
    """Minute bars from minute `first` of 2023 on, the same for the same arguments."""
    opened_at = np.datetime64("2023-01-01", "m") + np.arange(first, first + count)
    price = np.random.default_rng(first).random(count) * 100 + 1
    quote = price * 2
    quote[::50] = np.nan
    close = price.copy()
    if changed_every:
        close[::changed_every] += 1
    return {
        "venue": venue,
        "symbol": "BTC/USDT",
        "timeframe": "1m",
        "opened_at": opened_at,
        "open": price,
        "high": price,
        "low": price,
        "close": close,
        "volume_base": price,
        "volume_quote": quote,
        "trade_count": np.full(count, np.nan),
        "source": "bench REST",
        "known_at": opened_at + np.timedelta64(1, "m"),
    }


def _load(warehouse: Warehouse, changed_every: int = 0) -> WriteCounts:
    totals = np.zeros(4, dtype=np.int64)
    for first in range(0, ROWS, BATCH_ROWS):
        with warehouse.connect() as connection:
            counts = upsert(connection, ohlcv, bars(first, BATCH_ROWS, changed_every=changed_every))
        totals += (counts.received, counts.inserted, counts.changed, counts.unchanged)
    return WriteCounts(*totals.tolist())


def _small_batches(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        for first in range(0, 200 * 40, 40):
            upsert(connection, ohlcv, bars(first, 40, venue="small"))
            connection.commit()


def _execute_values(warehouse: Warehouse) -> None:
    batch = bars(0, BASELINE_ROWS, venue="baseline")
    frame = pd.DataFrame(dict(batch)).astype(object)
    for name in ("opened_at", "known_at"):
        frame[name] = pd.DatetimeIndex(np.asarray(batch[name])).tz_localize("UTC").to_pydatetime()
    rows = list(frame.where(frame.notna(), None).itertuples(index=False, name=None))
    names, values = (
        ", ".join(batch),
        [name for name in batch if name not in {"venue", "symbol", "timeframe", "opened_at"}],
    )
    changes = ", ".join(f"{name} = excluded.{name}" for name in values)
    old, new = (", ".join(f"{side}.{name}" for name in values) for side in ("t", "excluded"))
    statement = (
        f"INSERT INTO market.ohlcv AS t ({names}) VALUES %s ON CONFLICT (venue, symbol, timeframe, opened_at)"  # noqa: S608
        f" DO UPDATE SET {changes}, ingested_at = now() WHERE ({old}) IS DISTINCT FROM ({new})"
    )
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT ops.ensure_year_partition('market.ohlcv', '2023-01-01')")
        execute_values(cursor, statement, rows, page_size=1000)


def _expect(counts: WriteCounts, expected: WriteCounts) -> None:
    if counts != expected:
        raise AssertionError(f"expected {expected}, got {counts}")


def _rate(rows: int, work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return rows / (time.perf_counter() - began)


if __name__ == "__main__":
    sys.exit(main())
