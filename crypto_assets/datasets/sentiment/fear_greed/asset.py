"""The asset sentiment/fear_greed: the days of the index that a window lacks.

What belongs here: what is asked for, when a value counts as known, storing. What does not: asking (clients), when it runs
(automation).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import numpy as np
from sqlalchemy import select

from crypto_assets.clients.alternative_me import FIRST_DAY, MOST_BYTES, AlternativeMe, FearGreed
from crypto_assets.clients.failures import Malformed, ProviderError
from crypto_assets.clients.pool_rows import Answer
from crypto_assets.datasets.calendar_asset import CalendarRun, Rhythm, calendar_asset
from crypto_assets.datasets.outcomes import Collected, EventOutcome
from crypto_assets.datasets.sentiment.fear_greed.table import DATASET, INDEX, LIVE_FOR, PUBLISHED_AFTER, fear_greed
from crypto_assets.partitions import Grids, VenueWindow
from crypto_assets.quality.series import TICK
from crypto_assets.warehouse.collected import mark_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.quarantine import Refused, quarantine
from crypto_assets.warehouse.read import read_frame
from crypto_assets.warehouse.write import Batch, upsert

_SOURCE = "alternative_me fng"
_DAY = timedelta(days=1)


class FearGreedConfig(dg.Config):
    """What a run may be told.

    Args:
        again: Ask for the window's days although they are there, to see what was corrected.
    """

    again: bool = False


@dataclass(frozen=True)
class Known:
    """A day as it is to be stored; `known_at` is UTC."""

    row: FearGreed
    known_at: datetime


def build_asset(grids: Grids) -> dg.AssetsDefinition:
    """The asset over the grids of the universe in force; the automation adds when it runs."""
    return calendar_asset(
        DATASET,
        fear_greed,
        grids,
        FearGreedConfig,
        collect_fear_greed,
        Rhythm(by_month=False, expected_every=timedelta(hours=6)),
        description="The Crypto Fear & Greed index of each day, from alternative.me.",
    )


def collect_fear_greed(run: CalendarRun[FearGreedConfig]) -> Collected:
    """Ask for the days of the window that are not stored; for none where all are."""
    began = time.monotonic()
    now = run.clock()
    span = days_of(run.window, now)
    if span is None:
        return Collected([], {})
    first, last = span
    stored = read_days(run.warehouse, first, last)
    lacking = [day for day in _each(first, last) if run.config.again or day not in stored]
    if not lacking:
        return Collected([EventOutcome("", INDEX, seconds=time.monotonic() - began)], {})
    http = run.providers.http(
        AlternativeMe.name, run.universe.sentiment.fear_greed_requests_per_minute, most_bytes=MOST_BYTES
    )
    try:
        answer = AlternativeMe(http).fear_greed((now.date() - min(lacking)).days + 1, now.date())
    except ProviderError as error:
        _keep_body(run, error)
        return Collected([EventOutcome("", INDEX, turns=1, warning=str(error), failed=True)], {})
    finally:
        http.close()
    outcome = _store(run, answer, stored, (first, last))
    return Collected([replace(outcome, seconds=time.monotonic() - began)], {})


def days_of(window: VenueWindow, now: datetime) -> tuple[date, date] | None:
    """The first and last day of a window that can have a value; None where no day can. Pure."""
    first = max(window.start.date(), FIRST_DAY)
    last = min((window.end - _DAY).date(), now.date())
    return (first, last) if first <= last else None


def judge_days(
    rows: Sequence[FearGreed], stored: Mapping[date, tuple[int, str]], now: datetime
) -> tuple[list[Known], int]:
    """The days to store, and how many of them correct what is there. Pure.

    Args:
        stored: Value and classification of what is there.
    """
    kept, corrected = [], 0
    for row in rows:
        before = stored.get(row.observed_on)
        if before == (row.value, row.classification):
            continue
        corrected += before is not None
        kept.append(Known(row, now if before is not None else known_at(row.observed_on, now)))
    return kept, corrected


def known_at(day: date, now: datetime) -> datetime:
    """When a careful consumer could first have known a day's value that is stored now for the first time. Pure."""
    published = datetime.combine(day, datetime.min.time(), UTC) + PUBLISHED_AFTER
    return max(published, now) if now - published < LIVE_FOR else published


def read_days(warehouse: Warehouse, first: date, last: date) -> dict[date, tuple[int, str]]:
    """Value and classification of the stored days."""
    c = fear_greed.c
    chosen = select(c.observed_on, c.value, c.classification).where(c.observed_on.between(first, last))
    return {
        row["observed_on"].date(): (int(row["value"]), str(row["classification"]))
        for row in read_frame(warehouse, chosen).to_dict("records")
    }


def build_rows(days: Sequence[Known]) -> Batch:
    """The table's columns. Pure."""
    return {
        "observed_on": np.array([one.row.observed_on for one in days], dtype="datetime64[D]"),
        "value": np.array([one.row.value for one in days], dtype=np.int64),
        "classification": np.array([one.row.classification for one in days], dtype=object),
        "source": _SOURCE,
        "known_at": np.array([one.known_at.replace(tzinfo=None) for one in days], dtype="datetime64[us]"),
    }


def _store(
    run: CalendarRun[FearGreedConfig],
    answer: Answer[FearGreed],
    stored: Mapping[date, tuple[int, str]],
    span: tuple[date, date],
) -> EventOutcome:
    now = run.clock()
    first, last = span
    inside = [row for row in answer.rows if first <= row.observed_on <= last]
    kept, corrected = judge_days(inside, stored, now)
    refused = [Refused(one.reason, one.payload) for one in answer.refused]
    start = datetime.combine(first, datetime.min.time(), UTC)
    with run.warehouse.connect() as connection:
        counts = upsert(connection, fear_greed, build_rows(kept))
        quarantine(connection, dataset=DATASET, venue="", symbol=INDEX, timeframe=TICK, items=refused)
        mark_collected(
            connection,
            DATASET,
            "",
            INDEX,
            TICK,
            start,
            max(start + timedelta(microseconds=1), min(run.window.end, now)),
        )
    seen = sorted({row.observed_on for row in inside} | stored.keys())
    return EventOutcome(
        "", INDEX, received=len(inside), inserted=counts.inserted, changed=corrected, quarantined=len(refused),
        absent=(last - first).days + 1 - len(seen), turns=1,
        first=_midnight(seen[0]) if seen else None, last=_midnight(seen[-1]) if seen else None,
        warning=f"{len(refused)} days were refused" if refused else "",
    )  # fmt: skip


def _keep_body(run: CalendarRun[FearGreedConfig], error: ProviderError) -> None:
    if isinstance(error, Malformed) and error.payload is not None:
        with run.warehouse.connect() as connection:
            items = [Refused(error.problem, error.payload)]
            quarantine(connection, dataset=DATASET, venue="", symbol=INDEX, timeframe=TICK, items=items)


def _each(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC)
