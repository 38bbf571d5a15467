"""`make bench-scale-out`: one worker and two on the same backfill, a worker killed in the middle, two on one venue's budget.

What belongs here: the parts in order, the table, the exit code. What does not: the stage (scale_out_stage.py) and the machines
(scale_out_net.py).

The work is five months of bars of four venues that answer after 0.3 s: what a backfill waits for is the venues, not the
database, and a worker that takes one run at a time waits for one of them. More months than venues, for Dagster makes a run of
each month otherwise. Every worker is a machine of its own, where namespaces can be made.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg
from rich.console import Console

from bench.event_stage import Figure, budget_figures
from bench.events import table_of
from bench.scale_out_net import can_split, machines
from bench.scale_out_stage import Place, has_ended, place, request, runs_of
from crypto_assets.cli.instance import dagster_instance
from crypto_assets.sandbox.faults import Fault
from crypto_assets.warehouse.connection import Warehouse

BARS, TRADES = "market/ohlcv", "market/trades"
MONTHS, DAY = [f"2026-{month:02}-01" for month in range(6, 11)], "2026-10-31"
VENUES = {
    "binance": ["BTC/USDT", "ETH/USDT", "SOL/USDT"],
    "mexc": ["BTC/USDT", "ETH/USDT", "SOL/USDT"],
    "okx": ["BTC/USDT", "ETH/USDT", "SOL/USDT"],
    "coinbase": ["BTC/USD", "ETH/USD", "SOL/USD"],
}
PAGE_BARS = 100  # what all four take, so that their runs are equally long: 37 pages a market
DUE = len(VENUES) * 3 * 153 * 24
LATENCY_SECONDS = 0.3
LEAST_SPEED_UP = 1.6
MOST_LOST_PAGES = 37 + 10  # a kill costs the series that was being asked for, and the lists read at a run's start
KILL_AFTER_SECONDS = 8.0
MOST_NOTICED_SECONDS = 75.0  # two looks every 15 s, the second 20 s after the first, and twice that on a busy machine
ONE_VENUE, REQUESTS_PER_SECOND = "binance", 10.0
LEAST_USED = 0.7  # else nobody could have exceeded it
_EMPTY = "TRUNCATE market.ohlcv_2026, ops.collected_ranges"
_ROWS = """
SELECT count(*), count(*) - count(DISTINCT (venue, symbol, timeframe, opened_at)),
       md5(string_agg(concat_ws('|', venue, symbol, timeframe, opened_at, open, high, low, close, volume_base), ';'
           ORDER BY venue, symbol, timeframe, opened_at))
  FROM market.ohlcv
"""
_SLOTS = "SELECT count(*) FROM concurrency_slots WHERE run_id IS NOT NULL AND NOT deleted"


@dataclass(frozen=True)
class Collected:
    """What a backfill came to.

    Args:
        seconds: From its first run's start to its last run's end.
        requests: That the venues got.
        digest: Over all rows in the order of their keys.
        again: Runs that were requested a second time.
    """

    seconds: float
    requests: int
    rows: int
    doubled: int
    digest: str
    runs: int
    failed: int
    again: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return 1 where a bound is missed."""
    _parser().parse_args(arguments)
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    began, load = time.monotonic(), os.getloadavg()[0]
    why_not = can_split()
    with place(_universe()) as here, _machines(here, why_not) as names, dagster_instance(here.environment) as instance:
        figures = [Figure("machines besides the first", 0 if why_not else 2, "", told=why_not or "namespaces and veth")]
        figures += _speed(here, instance, names)
        figures += _budget(here, instance)
    console = Console(width=150)
    console.print(table_of(figures))
    missed = [figure.name.strip() for figure in figures if not figure.holds]
    console.print(
        f"{time.monotonic() - began:.0f} s on {os.cpu_count()} cores, load {load:.1f} at the start and"
        f" {os.getloadavg()[0]:.1f} at the end. {'Missed: ' + '; '.join(missed) if missed else 'Every bound held.'}",
        highlight=False,
    )
    return int(bool(missed))


def _parser() -> argparse.ArgumentParser:
    return argparse.ArgumentParser(prog="python -m bench.scale_out", description=__doc__.splitlines()[0])


@contextmanager
def _machines(here: Place, why_not: str) -> Iterator[Sequence[str]]:
    if why_not:
        yield ["", ""]
        return
    with machines(2, here.ports) as names:
        yield names


def _universe() -> dict[str, object]:
    venues = {
        venue: {"markets": markets, "requests_per_second": REQUESTS_PER_SECOND, "page_bars": PAGE_BARS}
        for venue, markets in VENUES.items()
    }
    return {
        "history_from": "2026-01-01", "automatic_history_days": 0, "timeframes": ["1h"], "venues": venues,
        "stream": {"venues": []},
    }  # fmt: skip


def _speed(here: Place, instance: dg.DagsterInstance, names: Sequence[str]) -> list[Figure]:
    here.sandbox.set_faults([Fault(kind="latency", seconds=LATENCY_SECONDS)])
    here.start_worker("w1", names[0])
    one = _collect(here, instance)
    _told(f"one worker: {one}")
    here.start_worker("w2", names[1])
    two = _collect(here, instance)
    _told(f"two workers: {two}")
    killed, noticed, back = _with_a_kill(here, instance)
    _told(f"one of two killed: {killed}")
    held = _count(here.dagster, _SLOTS)
    here.start_worker("w2", names[1])
    return [
        Figure("the backfill on one worker", one.seconds, "s", told=f"{one.rows:,} bars in {one.runs} runs"),
        Figure("the backfill on two workers", two.seconds, "s"),
        Figure("  times as fast", one.seconds / two.seconds, "", at_least=LEAST_SPEED_UP),
        Figure("  bars not there", DUE - two.rows, "", at_most=0, told=f"of {DUE:,}"),
        Figure("one of two killed with -9 in the middle of a run", killed.seconds, "s", told="nobody started it again"),
        Figure("  until its run counts as failed", noticed, "s", at_most=MOST_NOTICED_SECONDS),
        Figure("  until it is at work again", back, "s", told="behind what the other worker had before it"),
        Figure("  runs that failed and were run again", killed.again, "", at_least=1),
        Figure("  bars not there", DUE - killed.rows, "", at_most=0, told=f"of {DUE:,}"),
        Figure("  bars doubled", killed.doubled, "", at_most=0),
        Figure("  bars that differ from the run without a kill", float(killed.digest != two.digest), "", at_most=0),
        Figure("  requests more than without a kill", killed.requests - two.requests, "", at_most=MOST_LOST_PAGES),
        Figure("  places in pools that the dead still hold", held, "", at_most=0),
    ]


def _collect(here: Place, instance: dg.DagsterInstance) -> Collected:
    """The backfill, from an empty table."""
    _execute(here.warehouse, _EMPTY)
    before = sum(here.sandbox.requests().values())
    name = _request(instance)
    here.until(lambda: has_ended(instance, name), "the backfill has ended")
    return _outcome(here, instance, name, before)


def _with_a_kill(here: Place, instance: dg.DagsterInstance) -> tuple[Collected, float, float]:
    """The same, while one of the workers is killed and stays dead; and the seconds until its run failed, and had another."""
    _execute(here.warehouse, _EMPTY)
    before = sum(here.sandbox.requests().values())
    name = _request(instance)

    def started() -> list[str]:
        at_work = dg.RunsFilter(tags={"dagster/backfill": name}, statuses=[dg.DagsterRunStatus.STARTED])
        return [run.run_id for run in instance.get_runs(at_work)]

    here.until(lambda: len(started()) == 2, "both workers are at work")
    time.sleep(KILL_AFTER_SECONDS)
    here.kill_worker("w2")
    struck = time.time()
    here.until(lambda: has_ended(instance, name), "the backfill has ended")
    runs = runs_of(instance, name)
    noticed = [run.end_time for run in runs if run.dagster_run.status == dg.DagsterRunStatus.FAILURE and run.end_time]
    back = [run.start_time for run in runs if run.dagster_run.parent_run_id and run.start_time]
    never = [float("inf")]
    return _outcome(here, instance, name, before), min(noticed or never) - struck, min(back or never) - struck


def _request(instance: dg.DagsterInstance) -> str:
    """All venues in one backfill, which the daemon makes a run a venue."""
    return request(instance, BARS, [f"{month}|{venue}" for month in MONTHS for venue in VENUES])


def _outcome(here: Place, instance: dg.DagsterInstance, name: str, before: int) -> Collected:
    runs = runs_of(instance, name)
    with here.warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_ROWS)
        rows, doubled, digest = cursor.fetchone() or (0, 0, "")
    return Collected(
        seconds=max(run.end_time or 0.0 for run in runs) - min(run.start_time or float("inf") for run in runs),
        requests=sum(here.sandbox.requests().values()) - before,
        rows=rows,
        doubled=doubled,
        digest=digest,
        runs=len(runs),
        failed=sum(run.dagster_run.status == dg.DagsterRunStatus.FAILURE for run in runs),
        again=sum(run.dagster_run.parent_run_id is not None for run in runs),
    )


def _budget(here: Place, instance: dg.DagsterInstance) -> list[Figure]:
    """Bars on one worker, trades on the other, one venue: they share its pace."""
    here.sandbox.clear_faults()
    _execute(here.warehouse, _EMPTY)
    span = {"since": f"{DAY}T00:00:00+00:00", "until": f"{DAY}T01:00:00+00:00"}
    names = [
        request(instance, BARS, [f"{month}|{ONE_VENUE}" for month in MONTHS]),
        request(instance, TRADES, [f"{DAY}|{ONE_VENUE}"], {"ops": {"market__trades": {"config": span}}}),
    ]
    here.until(lambda: all(has_ended(instance, name) for name in names), "both have ended")
    runs = [run for name in names for run in runs_of(instance, name)]
    together = min(run.end_time or 0.0 for run in runs) - max(run.start_time or 0.0 for run in runs)
    busiest = here.sandbox.busiest(ONE_VENUE)
    used = busiest.get("10", 0) / (REQUESTS_PER_SECOND * 2 * 10)
    return [
        *budget_figures("two workers on one venue", {ONE_VENUE: busiest}, (10, 60)),
        # Two lists of markets weigh twenty each and follow each other after a second: the window may see both, by chance.
        Figure("  weight in the busiest second", busiest.get("1", 0), "", told="20 a second, and a list of markets 20"),
        Figure("  of the budget used in the busiest 10 s", used, "", at_least=LEAST_USED),
        Figure("  seconds that both were at work", together, "s", at_least=5),
        Figure("  runs that failed", sum(not run.dagster_run.is_success for run in runs), "", at_most=0),
    ]


def _execute(warehouse: Warehouse, statement: str) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('market.ohlcv_2026') IS NOT NULL")
        row = cursor.fetchone()
        if row and row[0]:
            cursor.execute(statement)


def _count(warehouse: Warehouse, statement: str) -> int:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def _told(line: str) -> None:
    """Say it at once: the whole takes minutes."""
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
