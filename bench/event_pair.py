"""Two worker processes on one venue at the same time: the budget is one, whoever asks.

What belongs here: that. What does not: six venues under faults (event_soak.py).
"""

from __future__ import annotations

import multiprocessing
import time
from datetime import UTC, datetime, timedelta

from bench import stage
from bench.event_stage import (
    PLAIN_WEIGHT,
    REQUESTS_PER_SECOND,
    Figure,
    budget_figures,
    collect,
    day_window,
    silence,
    universe_of,
)
from bench.event_truth import compare
from crypto_assets.datasets.market.order_books.asset import BooksConfig
from crypto_assets.datasets.market.trades.asset import TradesConfig
from crypto_assets.partitions import VenueWindow
from crypto_assets.resources import Exchanges
from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse

VENUE, MARKETS = "binance", 7
_HOURS = 2  # some 150,000 trades: alone, too, they would use the whole budget for half a minute
_MINUTES = 0.5  # of books: seven markets once a second want more than the whole budget
_LEAST_USED = 0.8  # else nobody could have exceeded it


def measure() -> list[Figure]:
    """Let one process collect trades and another one watch books, and see what arrived."""
    with stage.database("pair") as warehouse, SandboxProcess(SandboxConfig()) as sandbox:
        context = multiprocessing.get_context("spawn")
        began = time.monotonic()
        workers = [context.Process(target=work, args=(warehouse, sandbox.url)) for work in (_trades, _books)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        seconds = time.monotonic() - began
        busiest = sandbox.busiest(VENUE)
        codes = [worker.exitcode for worker in workers]
        told = compare(warehouse, [(VENUE, market.symbol) for market in _universe().venues[VENUE].markets])
        shares = _shares(sandbox)
    used = busiest.get("10", 0) / (REQUESTS_PER_SECOND[VENUE] * PLAIN_WEIGHT[VENUE] * 10)
    return [
        *budget_figures("two processes on one venue", {VENUE: busiest}, (1, 10, 60)),
        Figure("  of the budget used in the busiest 10 s", used, "", at_least=_LEAST_USED, told=shares),
        Figure(
            "  trades lost or doubled", told.lost + told.doubled, "trades", at_most=0,
            told=f"of {told.expected:,} in {seconds:.0f} s",
        ),
        Figure("  processes that failed", sum(code != 0 for code in codes), "", at_most=0),
    ]  # fmt: skip


def _shares(sandbox: SandboxProcess) -> str:
    counts = {path.rpartition("/")[2]: count for path, count in sandbox.requests().items()}
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def _universe() -> Universe:
    return universe_of({VENUE: MARKETS}, order_books={"interval_seconds": 1, "max_interval_seconds": 1})


def _window() -> VenueWindow:
    """Yesterday too: early in the day the hours before are asked for as well."""
    day = day_window(VENUE)
    return VenueWindow(VENUE, day.start - timedelta(days=1), day.end)


def _trades(warehouse: Warehouse, url: str) -> None:
    since = datetime.now(UTC) - timedelta(hours=_HOURS)
    _work(warehouse, url, "trades", TradesConfig(since=since.isoformat()))


def _books(warehouse: Warehouse, url: str) -> None:
    _work(warehouse, url, "order_books", BooksConfig(minutes=_MINUTES))


def _work(warehouse: Warehouse, url: str, dataset: str, config: TradesConfig | BooksConfig) -> None:
    silence()
    exchanges = Exchanges(url, warehouse=warehouse, keeps_budget=True)
    outcomes = collect(warehouse, exchanges, _universe(), _window(), dataset, config)
    failed = [one.warning for one in outcomes if one.failed]
    if failed:
        raise SystemExit(failed[0])
