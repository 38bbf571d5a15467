"""Minutes of nothing but 429, then recovery: what is asked meanwhile, what the runs say, and what is there in the end.

What belongs here: ticks of the job collect_events for one venue, as the schedule would run them. What does not: single faults
(event_soak.py).

The venue answers within a quarter of a second, as one on another continent does, so that several requests are on their way at
once when it begins to refuse.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import dagster as dg

from bench import stage
from bench.event_stage import Figure, budget_figures, silence, universe_of, universe_text
from bench.event_truth import compare
from crypto_assets import definitions
from crypto_assets.automation import collect_events, event_config
from crypto_assets.partitions import day_key, join_day_key
from crypto_assets.resources import Exchanges, resources_of
from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.settings import Settings
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.limits import read_providers, resting_providers

VENUE, MARKETS = "binance", 7
RETRY_AFTER_SECONDS = 20
_LATENCY_SECONDS = 0.25
_TICK_SECONDS = 30.0
_WATCH_SECONDS = 0.05
_ON_ITS_WAY_SECONDS = (
    0.15  # a request that was sent when the refusal had not come yet is no breach; refusals come at once
)
_PATIENCE_SECONDS = 240.0
_BEGINS_AFTER = 5  # requests for trades of the run that the blackout strikes
# Due at every tick; books once, as their round would last four minutes otherwise.
_TRADES = {"interval_minutes": 0.05, "max_interval_minutes": 0.5}
_BOOKS = {"interval_seconds": 300, "max_interval_seconds": 300}
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Tick:
    """What one run came to."""

    succeeded: bool
    warnings: str
    seconds: float


@dataclass
class Watched:
    """What was seen from outside: when requests arrived, how many before the first refusal, the states of the breaker."""

    arrivals: list[float] = field(default_factory=list)
    served: int = 0
    breaker: list[str] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)


def measure(minutes: float) -> list[Figure]:
    """A healthy tick, a blackout that begins in the midst of the second one, and ticks until it is made good."""
    silence()
    universe = universe_of({VENUE: MARKETS}, trades=_TRADES, order_books=_BOOKS)
    series = [(VENUE, market.symbol) for market in universe.venues[VENUE].markets]
    far = Fault(kind="latency", seconds=_LATENCY_SECONDS)
    with (
        stage.database("blackout") as warehouse,
        SandboxProcess(SandboxConfig(faults=(far,))) as sandbox,
        tempfile.TemporaryDirectory() as home,
        _job(warehouse, sandbox.url, universe, Path(home)) as job,
        dg.DagsterInstance.local_temp(home) as instance,
    ):
        ticks = [_tick(job, instance, universe)]
        with _watching(warehouse, sandbox) as watched:
            time.sleep(_TICK_SECONDS)
            begin = threading.Thread(target=_begin, args=(sandbox, far, watched))
            begin.start()
            ticks += _ticks(warehouse, job, instance, universe, minutes)
            begin.join()
            black = len(watched.arrivals)
            ended = time.monotonic()
            sandbox.set_faults([far])
            after, recovered = _recover(warehouse, job, instance, universe)
        told = compare(warehouse, series)
        busiest = {VENUE: sandbox.busiest(VENUE)}
        closed = str(read_providers(warehouse).set_index("provider").loc[VENUE, "breaker"])
    refused = watched.arrivals[watched.served : black]
    breaches = _breaches(refused)
    warned = [tick for tick in ticks[1:] if f"{VENUE} answered 429" in tick.warnings]
    shown = next((tick.warnings for tick in warned), "").splitlines()
    changes = _changes(watched.breaker)
    failed = [tick for tick in (*ticks, *after) if not tick.succeeded]
    return [
        Figure(
            f"{minutes:g} minutes of 429: requests within a Retry-After", breaches, "", at_most=0,
            told=f"{len(refused)} requests came, Retry-After {RETRY_AFTER_SECONDS} s; waiting {ended - refused[0]:.0f} s"
            if refused else "none came",
        ),
        *budget_figures("  blackout", busiest, (1, 10, 60)),
        Figure("  times that the breaker opened", changes.count("open"), "", at_least=1, told=" → ".join(changes)),
        Figure("  runs that failed", len(failed), "", at_most=0, told=f"of {len(ticks) + len(after)}"),
        Figure("  runs with a warning that names it", len(warned), "", at_least=1, told=shown[0][:150] if shown else ""),
        Figure("  seconds until it was made good", recovered, "s", at_most=_PATIENCE_SECONDS, told=f"breaker {closed}"),
        Figure(
            "  trades lost or doubled", told.lost + told.doubled, "trades", at_most=0,
            told=told.where or f"of {told.expected:,}, in {told.spans} stretch a market, {told.named} gaps in the ledger",
        ),
        Figure("  stretches of collected time a market", told.spans, "", at_most=1),
    ]  # fmt: skip


def _begin(sandbox: SandboxProcess, far: Fault, watched: Watched) -> None:
    """Refuse everything once the next run is fetching trades."""
    before = sum(sandbox.requests().values())
    while sum(sandbox.requests().values()) < before + _BEGINS_AFTER:
        time.sleep(_WATCH_SECONDS / 2)
    sandbox.set_faults([Fault(kind="throttled", retry_after=str(RETRY_AFTER_SECONDS)), far])
    watched.served = sum(sandbox.requests().values()) - before


def _ticks(
    warehouse: Warehouse, job: dg.JobDefinition, instance: dg.DagsterInstance, universe: Universe, minutes: float
) -> list[Tick]:
    """Ticks through the blackout; the schedule leaves out a venue that is left alone, and one that is still at work."""
    ticks, end = [], time.monotonic() + minutes * 60
    while time.monotonic() < end:
        began = time.monotonic()
        if VENUE not in resting_providers(warehouse, datetime.now(UTC)):
            ticks.append(_tick(job, instance, universe))
        time.sleep(max(0.0, min(began + _TICK_SECONDS, end) - time.monotonic()))
    return ticks


def _recover(
    warehouse: Warehouse, job: dg.JobDefinition, instance: dg.DagsterInstance, universe: Universe
) -> tuple[list[Tick], float]:
    """Ticks until every market was asked again and answered."""
    began, ticks = time.monotonic(), list[Tick]()
    recovered_at = datetime.now(UTC)
    while time.monotonic() < began + _PATIENCE_SECONDS and not _is_made_good(warehouse, recovered_at):
        if VENUE not in resting_providers(warehouse, datetime.now(UTC)):
            ticks.append(_tick(job, instance, universe))
        time.sleep(5)
    return ticks, time.monotonic() - began


def _is_made_good(warehouse: Warehouse, since: datetime) -> bool:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM ops.market_polls WHERE dataset = 'market/trades' AND venue = %s AND polled_at > %s"
            " AND failures = 0",
            (VENUE, since),
        )
        row = cursor.fetchone()
    return row is not None and row[0] == MARKETS


def _tick(job: dg.JobDefinition, instance: dg.DagsterInstance, universe: Universe) -> Tick:
    began = time.monotonic()
    result = job.execute_in_process(
        instance=instance,
        raise_on_error=False,
        partition_key=join_day_key(day_key(datetime.now(UTC)), VENUE),
        run_config={**event_config(universe), **_QUIET},
    )
    warnings = [
        str(event.materialization.metadata["warnings"].value)
        for event in result.get_asset_materialization_events()
        if "warnings" in event.materialization.metadata
    ]
    return Tick(result.success, "\n".join(warnings), time.monotonic() - began)


@contextmanager
def _job(warehouse: Warehouse, url: str, universe: Universe, home: Path) -> Iterator[dg.JobDefinition]:
    """The job as the definitions have it, except that the sandbox is asked no faster than the venue."""
    file = home / "universe.yaml"
    file.write_text(universe_text(universe))
    settings = Settings(home=home, profile="bench", universe=file, sandbox_url=url, warehouse_url=warehouse.url)
    resources = {**resources_of(settings), "exchanges": Exchanges(url, warehouse=warehouse, keeps_budget=True)}
    with patch.object(definitions, "resources_of", lambda _: resources):
        yield definitions.build_definitions(settings).resolve_job_def(collect_events.name)


@contextmanager
def _watching(warehouse: Warehouse, sandbox: SandboxProcess) -> Iterator[Watched]:
    watched = Watched()

    def watch() -> None:
        seen = sum(sandbox.requests().values())
        with warehouse.connect() as connection, connection.cursor() as cursor:
            connection.autocommit = True
            while not watched.done.wait(_WATCH_SECONDS):
                came = sum(sandbox.requests().values())
                watched.arrivals += [time.monotonic()] * (came - seen)
                seen = came
                cursor.execute("SELECT breaker FROM ops.provider_limits WHERE provider = %s", (VENUE,))
                watched.breaker += [str(state) for (state,) in cursor.fetchall()]

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield watched
    finally:
        watched.done.set()
        thread.join()


def _breaches(refused: Sequence[float]) -> int:
    """Requests that came while an earlier refusal's Retry-After was running."""
    count = 0
    for number, at in enumerate(refused):
        running = [one for one in refused[:number] if one + _ON_ITS_WAY_SECONDS < at < one + RETRY_AFTER_SECONDS - 0.5]
        count += bool(running)
    return count


def _changes(states: Sequence[str]) -> list[str]:
    return [one for number, one in enumerate(states) if number == 0 or states[number - 1] != one]


__all__ = ["measure"]
