"""The asset onchain/network_fees: what transactions cost on each chain, now and, on Ethereum, before.

What belongs here: what a run collects of which chain, storing it, what is said of it. What does not: who is asked (sources.py),
the past (backfill.py), when it runs (calendar_automation.py).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from pydantic import Field

from crypto_assets.clients.failures import ProviderError
from crypto_assets.clients.json_rpc import NoNodeAnswered
from crypto_assets.datasets.calendar_asset import CalendarRun, Rhythm, calendar_asset
from crypto_assets.datasets.onchain.network_fees.backfill import PastFees, points_due
from crypto_assets.datasets.onchain.network_fees.samples import FeeSample, build_rows
from crypto_assets.datasets.onchain.network_fees.sources import FeeSources, kept
from crypto_assets.datasets.onchain.network_fees.table import DATASET, ETHEREUM, SERIES, network_fees
from crypto_assets.datasets.outcomes import Collected, EventOutcome
from crypto_assets.partitions import Grids
from crypto_assets.quality.series import TICK
from crypto_assets.spans import Span
from crypto_assets.universe import UniverseError
from crypto_assets.warehouse.collected import mark_collected, read_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.quarantine import Refused, quarantine
from crypto_assets.warehouse.write import WriteCounts, upsert

EVERY = timedelta(minutes=15)
_INSTANT = timedelta(microseconds=1)  # a sample holds for the moment at which its answer had come
_TOLD_EVERY = 100  # points of the past
_TOLD_PROBLEMS = 5  # of a run: thousands of points may each have met some
_NEWEST = "SELECT max(observed_at) FROM onchain.network_fees WHERE chain = %s AND observed_at <= %s"


class NetworkFeesConfig(dg.Config):
    """What a run collects."""

    chains: list[str] = Field(default=[], description="Only these: ethereum, bitcoin, solana. Empty means all.")


def build_asset(grids: Grids) -> dg.AssetsDefinition:
    """The asset over the grids of the universe in force."""
    return calendar_asset(
        DATASET,
        network_fees,
        grids,
        NetworkFeesConfig,
        collect_fees,
        Rhythm(by_month=False, expected_every=EVERY),
        description="What a transaction costs: Ethereum's base and priority fees, Bitcoin's recommended fees, Solana's priority"
        " fees. The open day is sampled; of days that are over only Ethereum can be asked, every few hours.",
    )


def collect_fees(run: CalendarRun[NetworkFeesConfig]) -> Collected:
    """One sample a chain where the window is open, and of its days that are over the points of Ethereum that are missing.

    Raises:
        UniverseError: a chain was named that the universe does not follow.
    """
    rules, outcomes = run.universe.network_fees, []
    chains = _chosen(run)
    with FeeSources(run.providers, rules, run.clock) as sources:
        for chain in chains:
            if chain == ETHEREUM:
                outcomes += _collect_past(run, PastFees(sources.evm_nodes(), rules))
            elif run.window.start < _midnight(run.clock()):
                run.log.info("%s tells its fees of now alone: of days that are over nothing can be collected", chain)
            if run.is_open():
                outcomes.append(_sample_now(run, sources, chain))
    return Collected(outcomes, {})


def _chosen(run: CalendarRun[NetworkFeesConfig]) -> list[str]:
    there = run.universe.network_fees.chains
    unknown = [name for name in run.config.chains if name not in there]
    if unknown:
        raise UniverseError(
            f"Unknown chain {', '.join(repr(name[:40]) for name in unknown)}",
            way_out=f"The universe's network_fees.chains has {', '.join(sorted(there))}.",
        )
    return [name for name in there if not run.config.chains or name in run.config.chains]


def _sample_now(run: CalendarRun[NetworkFeesConfig], sources: FeeSources, chain: str) -> EventOutcome:
    began = time.monotonic()
    try:
        told = sources.fees_now(chain)
    except ProviderError as error:
        return replace(_refused(run.warehouse, chain, error), seconds=time.monotonic() - began)
    at = run.clock()  # when the answer had come: what was asked for a moment earlier could not be known then
    refused = kept(told.failures)
    with run.warehouse.connect() as connection:
        with connection.cursor() as cursor:
            cursor.execute(_NEWEST, (chain, at))
            row = cursor.fetchone()
        counts = upsert(connection, network_fees, build_rows([FeeSample(chain, at, at, told.source, told.values)]))
        _keep(connection, chain, refused)
        before = row[0].astimezone(UTC) if row and row[0] else at
        # Samples that follow each other in time cover what lies between them, so that no point of it is asked for later.
        first = before if at - before <= 2 * EVERY else at
        mark_collected(connection, DATASET, chain, SERIES, TICK, first, at + _INSTANT)
    done = _outcome(chain, [at], counts, len(refused))
    return replace(done, seconds=time.monotonic() - began, warning="; ".join(one.problem for one in told.failures))


def _collect_past(run: CalendarRun[NetworkFeesConfig], past: PastFees) -> list[EventOutcome]:
    """The missing points of the window's days that are over; each is stored by itself, so that a rerun goes on."""
    began, step = time.monotonic(), timedelta(minutes=past.rules.backfill_minutes)
    with run.warehouse.connect() as connection:
        collected = read_collected(connection, DATASET, ETHEREUM, SERIES, TICK)
    due = list(points_due((run.window.start, run.window.end), run.clock(), step, collected))
    done = EventOutcome(ETHEREUM, SERIES)
    problems: dict[str, None] = {}  # each once, in order
    for number, at in enumerate(due):
        try:
            sample, failures = past.sample(at)
        except ProviderError as error:
            failed = _refused(run.warehouse, ETHEREUM, error)
            told = f"{number} of {len(due)} points of the past, then: {failed.warning}"
            return [replace(done + failed, turns=number, warning=told, seconds=time.monotonic() - began)]
        done = done + _store_point(run.warehouse, sample, (at, at + step), kept(failures))
        problems |= dict.fromkeys(one.problem for one in failures)
        if (number + 1) % _TOLD_EVERY == 0:
            run.log.info(
                "ethereum: %d of %d points of the past, up to %s", number + 1, len(due), f"{at:%Y-%m-%d %H:%M}"
            )
    told = "; ".join(list(problems)[:_TOLD_PROBLEMS])
    return [replace(done, turns=len(due), seconds=time.monotonic() - began, warning=told)] if due else []


def _store_point(warehouse: Warehouse, sample: FeeSample, stands_for: Span, refused: Sequence[Refused]) -> EventOutcome:
    with warehouse.connect() as connection:
        counts = upsert(connection, network_fees, build_rows([sample]))
        _keep(connection, ETHEREUM, refused)
        mark_collected(connection, DATASET, ETHEREUM, SERIES, TICK, *stands_for)
    return _outcome(ETHEREUM, [sample.observed_at], counts, len(refused))


def _refused(warehouse: Warehouse, chain: str, error: ProviderError) -> EventOutcome:
    """A chain nobody could tell of: what came instead goes to the quarantine."""
    refused = kept(error.failures if isinstance(error, NoNodeAnswered) else [error])
    with warehouse.connect() as connection:
        _keep(connection, chain, refused)
    return EventOutcome(chain, SERIES, quarantined=len(refused), turns=1, warning=str(error), failed=True)


def _keep(connection: Connection, chain: str, refused: Sequence[Refused]) -> None:
    quarantine(connection, dataset=DATASET, venue=chain, symbol=SERIES, timeframe=TICK, items=refused)


def _outcome(chain: str, moments: Sequence[datetime], counts: WriteCounts, quarantined: int) -> EventOutcome:
    return EventOutcome(
        chain, SERIES, received=counts.received, inserted=counts.inserted, changed=counts.changed, quarantined=quarantined,
        turns=1, first=min(moments), last=max(moments),
    )  # fmt: skip


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
