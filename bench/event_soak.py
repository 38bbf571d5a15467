"""Rounds of a hundred tasks under faults: how many succeed, within which budget, with how much memory, after what wait.

What belongs here: the rounds, in a process of their own so that its memory is theirs. What does not: what the trades are
compared with (event_truth.py).

A task is a market's turn in one dataset's round. It succeeded where the round brought it, however often the venue had to be
asked; the next round is a task of its own.
"""

from __future__ import annotations

import multiprocessing
import statistics
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import psutil

from bench import stage
from bench.event_stage import (
    DATASETS,
    MARKETS,
    Figure,
    budget_figures,
    collect,
    day_window,
    faults,
    silence,
    universe_of,
)
from bench.event_truth import compare
from crypto_assets.collection.rotation import Turn, longest_wait
from crypto_assets.datasets.market.trades.table import DATASET as TRADES
from crypto_assets.datasets.outcomes import EventOutcome
from crypto_assets.quality.coverage import missing_gaps
from crypto_assets.resources import Exchanges
from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.limits import read_polls, read_providers

LEAST_SUCCESS = 0.999
MOST_GROWTH = 1.05
_ROUND_SECONDS = 30.0
_SETTLED_MINUTES = 2.0  # by then every library is loaded and every cache has met its markets
_SAMPLE_SECONDS = 1.0
_SMOOTHED = 20  # samples whose median is one reading of memory
_PATIENCE_SECONDS = 240.0  # for gaps that are due to be asked for again


@dataclass
class Soaked:
    """What the rounds came to.

    Args:
        tasks: How many of them there were.
        failed: Those that did not succeed, in words.
        rounds: Of one dataset on one venue.
        waits: Longest wait and its bound in seconds, with a name, for each round.
        memory: Seconds since the start, and resident bytes.
    """

    tasks: int = 0
    rounds: int = 0
    failed: list[str] = field(default_factory=list)
    waits: list[tuple[float, float, str]] = field(default_factory=list)
    memory: list[tuple[float, int]] = field(default_factory=list)


def measure(minutes: float) -> list[Figure]:
    """Soak for so long, let the venues recover, and compare."""
    universe = universe_of(MARKETS)
    series = [(venue, market.symbol) for venue, there in universe.venues.items() for market in there.markets]
    with stage.database("soak") as warehouse, SandboxProcess(SandboxConfig(faults=tuple(faults()))) as sandbox:
        soaked = _in_child(warehouse, sandbox.url, minutes)
        sandbox.clear_faults()
        _recover(warehouse, sandbox.url, universe)
        busiest = {venue: sandbox.busiest(venue) for venue in universe.venues}
        told = compare(warehouse, series)
        providers = read_providers(warehouse)
    asked, refused = int(providers["requests"].sum()), int(providers["throttled"].sum())
    share = 1 - len(soaked.failed) / max(1, soaked.tasks)
    tasks = f"{soaked.tasks:,} tasks in {soaked.rounds} rounds; {asked:,} requests, {refused} answered 429 or 418"
    return [
        Figure("tasks under faults that succeeded", share, "", at_least=LEAST_SUCCESS, told=tasks + _reasons(soaked)),
        Figure("  markets × datasets", len(series) * len(DATASETS), "tasks", at_least=100),
        *budget_figures("six venues under faults", busiest, (1, 10, 60)),
        Figure("trades lost", told.lost, "trades", at_most=0, told=told.where or f"of {told.expected:,}"),
        Figure("trades doubled", told.doubled, "trades", at_most=0),
        Figure("  stretches of collected time a market", told.spans, "", at_most=1, told="1: nothing left out"),
        Figure("  gaps still in the ledger", told.named, "gaps", at_most=0),
        *_wait_figures(soaked),
        *_memory_figures(soaked, minutes),
    ]


def _reasons(soaked: Soaked) -> str:
    common = Counter(soaked.failed).most_common(3)
    return "".join(f"; {count} × {why[:110]}" for why, count in common)


def _wait_figures(soaked: Soaked) -> list[Figure]:
    longest, bound, name = max(soaked.waits)
    share, where = max((wait / bound, name) for wait, bound, name in soaked.waits)
    return [
        Figure("longest wait of a market for its turn", longest, "s", at_most=bound, told=name),
        Figure("  largest share of rotation.longest_wait", share, "", at_most=1, told=where),
    ]


def _memory_figures(soaked: Soaked, minutes: float) -> list[Figure]:
    settled = min(_SETTLED_MINUTES, minutes / 3) * 60
    early = statistics.median([size for at, size in soaked.memory if at >= settled][:_SMOOTHED])
    late = statistics.median([size for _, size in soaked.memory][-_SMOOTHED:])
    told = f"{early / 2**20:.0f} to {late / 2**20:.0f} MiB, from {settled:.0f} s to {soaked.memory[-1][0]:.0f} s"
    return [Figure("resident memory at the end, times that after settling", late / early, "", MOST_GROWTH, told=told)]


def _in_child(warehouse: Warehouse, url: str, minutes: float) -> Soaked:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_soak, args=(warehouse, url, minutes, sender))
    child.start()
    sender.close()  # so that a child that dies is noticed
    soaked = receiver.recv()
    child.join()
    assert isinstance(soaked, Soaked)
    return soaked


def _soak(warehouse: Warehouse, url: str, minutes: float, sender: multiprocessing.connection.Connection) -> None:
    silence()
    universe = universe_of(MARKETS)
    exchanges = Exchanges(url, warehouse=warehouse, keeps_budget=True)
    soaked, lock, began = Soaked(), threading.Lock(), time.monotonic()
    end = began + minutes * 60

    def rounds(venue: str) -> None:
        while time.monotonic() < end:
            started = time.monotonic()
            for dataset in DATASETS:
                outcomes = collect(warehouse, exchanges, universe, day_window(venue), dataset)
                with lock:
                    _note(warehouse, soaked, dataset, outcomes)
            time.sleep(max(0.0, min(started + _ROUND_SECONDS, end) - time.monotonic()))

    own = psutil.Process()
    with ThreadPoolExecutor(len(MARKETS)) as pool:
        running = [pool.submit(rounds, venue) for venue in MARKETS]
        while not all(one.done() for one in running):
            soaked.memory.append((time.monotonic() - began, own.memory_info().rss))
            time.sleep(_SAMPLE_SECONDS)
        for one in running:
            one.result()
    sender.send(soaked)
    sender.close()


def _note(warehouse: Warehouse, soaked: Soaked, dataset: str, outcomes: Sequence[EventOutcome]) -> None:
    soaked.rounds += 1
    soaked.tasks += len(outcomes)
    soaked.failed += [f"{dataset} {one.venue}: {one.warning}" for one in outcomes if one.failed or one.postponed]
    turned = [one for one in outcomes if one.turns and one.seconds]
    if dataset == "tickers" or not turned:
        return  # one request asks for all markets: nobody waits for a turn
    venue = turned[0].venue
    with warehouse.connect() as connection:
        polls = read_polls(connection, f"market/{dataset}", venue)
    turns = [Turn(name, 0.0, poll.interval_seconds) for name, poll in polls.items()]
    bounds = longest_wait(turns, max(one.seconds / one.turns for one in turned))
    found = [
        (one.waited_seconds, bounds[one.symbol], f"{dataset} {venue} {one.symbol}") for one in outcomes if one.turns
    ]
    soaked.waits += found


def _recover(warehouse: Warehouse, url: str, universe: Universe) -> None:
    """Rounds without faults until nothing is missing, for a bounded time: gaps are asked for again after a minute."""
    exchanges = Exchanges(url, warehouse=warehouse, keeps_budget=True)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        with ThreadPoolExecutor(len(MARKETS)) as pool:
            list(pool.map(lambda venue: collect(warehouse, exchanges, universe, day_window(venue), "trades"), MARKETS))
        if not missing_gaps(warehouse, TRADES) or time.monotonic() > deadline:
            return
        time.sleep(10)


__all__ = ["Soaked", "measure"]
