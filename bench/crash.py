"""kill -9 of the run worker at random moments, then a rerun: nothing lost, nothing doubled.

Two designs that must fail stand beside ours, or the test would prove nothing: progress committed before the rows (loses
rows), and rows appended without a key (doubles rows).
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from bench import stage
from crypto_assets.cli.runs import Plan
from crypto_assets.cli.worker import execute
from crypto_assets.clients.exchange import BarPage
from crypto_assets.datasets.market.ohlcv import collect
from crypto_assets.datasets.market.ohlcv.table import DATASET, ohlcv
from crypto_assets.definitions import build_definitions
from crypto_assets.settings import Settings
from crypto_assets.warehouse.collected import mark_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.write import upsert

KILLS = 50
CONTROL_KILLS = 12
SEED = 20261101
PATIENCE_SECONDS = 60
PLAN = Plan(
    "binance",
    datetime(2026, 9, 1, tzinfo=UTC),
    datetime(2026, 10, 1, tzinfo=UTC),
    ("BTC/USDT", "ETH/USDT"),
    ("5m", "15m", "1h"),
)
EXPECTED = 2 * 30 * (288 + 96 + 24)
_LOST = """
SELECT coalesce(sum(due), 0) - coalesce(sum(stored), 0) FROM (
    SELECT extract(epoch FROM upper(span) - lower(span)) / length AS due,
           (SELECT count(DISTINCT o.opened_at) FROM market.ohlcv o WHERE o.venue = r.venue AND o.symbol = r.symbol
               AND o.timeframe = r.timeframe AND o.opened_at >= lower(span) AND o.opened_at < upper(span)) AS stored
    FROM (SELECT *, unnest(collected) AS span,
                 CASE timeframe WHEN '5m' THEN 300 WHEN '15m' THEN 900 ELSE 3600 END AS length
          FROM ops.collected_ranges) r) x
"""
_DOUBLED = "SELECT count(*) - count(DISTINCT (venue, symbol, timeframe, opened_at)) FROM market.ohlcv"


@dataclass(frozen=True)
class Tally:
    """What a design came to over all kills."""

    kills: int
    hit_while_collecting: int
    lost: int
    doubled: int
    incomplete: int


type Store = Callable[[Warehouse, Sequence[BarPage], collect.Outcome], collect.Outcome]


def main(kills: int = KILLS, control_kills: int = CONTROL_KILLS) -> int:
    """Run the three designs, print, and return how many of the three claims failed."""
    designs: list[tuple[str, int, Store | None, str]] = [
        ("rows and progress in one transaction", kills, None, ""),
        ("control: progress first", control_kills, _progress_first, ""),
        ("control: no key", control_kills, _append, "ALTER TABLE market.ohlcv DROP CONSTRAINT ohlcv_pkey"),
    ]
    tallies = []
    with stage.sandbox() as url:
        for name, count, store, change in designs:
            with stage.database("crash") as warehouse, tempfile.TemporaryDirectory() as home:
                _execute(warehouse, change)
                tally = trial(warehouse, _settings(url, Path(home), warehouse), count, store)
            tallies.append(tally)
            sys.stdout.write(
                f"{name}: {tally.kills} kills ({tally.hit_while_collecting} while collecting), {tally.lost} rows lost,"
                f" {tally.doubled} doubled, {tally.incomplete} reruns incomplete\n"
            )
            sys.stdout.flush()
    ours, progress_first, no_key = tallies
    return (
        int(ours.lost + ours.doubled + ours.incomplete > 0) + int(progress_first.lost == 0) + int(no_key.doubled == 0)
    )


def trial(warehouse: Warehouse, settings: Settings, kills: int, store: Store | None) -> Tally:
    """Kill so many workers, rerun after each, and count."""
    definitions = build_definitions(settings)
    moments = random.Random(SEED)  # noqa: S311 - repeatable, not secret
    length = _uninterrupted(warehouse, definitions, store)
    hits = lost = doubled = incomplete = 0
    for _ in range(kills):
        _empty(warehouse)
        worker = _fork(definitions, store)
        _until(warehouse, rows=1)
        time.sleep(moments.uniform(0, 1) * length)
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
        hits += _rows(warehouse) < EXPECTED
        os.waitpid(_fork(definitions, store), 0)
        lost += _count(warehouse, _LOST)
        doubled += _count(warehouse, _DOUBLED)
        incomplete += _rows(warehouse) < EXPECTED
    return Tally(kills, hits, lost, doubled, incomplete)


def _uninterrupted(warehouse: Warehouse, definitions: dg.Definitions, store: Store | None) -> float:
    """Run once undisturbed; returns how long it collects, from its first row to its last, in seconds."""
    _empty(warehouse)
    worker = _fork(definitions, store)
    _until(warehouse, rows=1)
    began = time.monotonic()
    _until(warehouse, rows=EXPECTED)
    length = time.monotonic() - began
    os.waitpid(worker, 0)
    return length


def _until(warehouse: Warehouse, rows: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _rows(warehouse) < rows:
        if time.monotonic() > deadline:
            raise RuntimeError(f"a run does not store {rows} rows within {PATIENCE_SECONDS} s")
        time.sleep(0.01)


def _rows(warehouse: Warehouse) -> int:
    return _count(warehouse, "SELECT count(*) FROM market.ohlcv")


def _fork(definitions: dg.Definitions, store: Store | None) -> int:
    """A run worker: the real job in a process whose imports are done; its events stay in memory, which no kill spares."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # Dagster tells every event there
        collect.BATCH_ROWS = 500  # many commits, so that a kill meets every part of one
        if store is not None:
            collect._store = store
        with dg.DagsterInstance.ephemeral() as instance:
            code = 0 if execute(PLAN, definitions, instance).success else 1
    finally:
        os._exit(code)


def _progress_first(warehouse: Warehouse, pages: Sequence[BarPage], outcome: collect.Outcome) -> collect.Outcome:
    series = outcome.series
    with warehouse.connect() as connection:
        start, end = collect._moment(pages[0].start), collect._moment(pages[-1].end)
        mark_collected(connection, DATASET, series.venue, series.symbol, series.timeframe, start, end)
    bars = collect.join_pages(pages)
    with warehouse.connect() as connection:
        upsert(connection, ohlcv, collect.build_rows(series, bars))
    return outcome


def _append(warehouse: Warehouse, pages: Sequence[BarPage], outcome: collect.Outcome) -> collect.Outcome:
    series, bars = outcome.series, collect.join_pages(pages)
    rows = collect.build_rows(series, bars)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT ops.ensure_year_partition('market.ohlcv', %s)", (series.start,))
        cursor.executemany(
            "INSERT INTO market.ohlcv"
            " (venue, symbol, timeframe, opened_at, open, high, low, close, volume_base, source, known_at)"
            " VALUES (%s, %s, %s, %s, 1, 1, 1, 1, 1, 'control', %s)",
            [(series.venue, series.symbol, series.timeframe, at, at) for at in _times(rows["opened_at"])],
        )
    # Progress is noted a step behind, as a collector does that saves its place now and then.
    start, end = collect._moment(pages[0].start), collect._moment(pages[-1].start)
    if start < end:
        with warehouse.connect() as connection:
            mark_collected(connection, DATASET, series.venue, series.symbol, series.timeframe, start, end)
    return outcome


def _times(moments: object) -> list[datetime]:
    return [datetime.fromtimestamp(int(at) / 1000, UTC) for at in moments.astype("int64")]  # type: ignore[attr-defined]


def _settings(url: str, home: Path, warehouse: Warehouse) -> Settings:
    return Settings(home=home, profile="bench", sandbox_url=url, warehouse_url=warehouse.url)


def _execute(warehouse: Warehouse, statement: str) -> None:
    if statement:
        with warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement)


def _empty(warehouse: Warehouse) -> None:
    # By year: market.ohlcv itself refuses TRUNCATE, because that would pass its revisions by.
    if _count(warehouse, "SELECT count(*) FROM pg_class WHERE oid = to_regclass('market.ohlcv_2026')"):
        _execute(warehouse, "TRUNCATE market.ohlcv_2026, ops.collected_ranges")


def _count(warehouse: Warehouse, statement: str) -> int:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        row = cursor.fetchone()
    return int(row[0]) if row else 0


if __name__ == "__main__":
    sys.exit(main())
