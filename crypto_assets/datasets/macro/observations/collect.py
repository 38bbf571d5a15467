"""One series of FRED: whether it has anything new, its vintages as rows, and what is kept of them.

What belongs here: from a series' name to stored rows and its state. What does not: asking (clients/fred.py), gold (gold.py),
which series a run collects (asset.py).

A vintage that FRED has already, but that a careful consumer does not know before the day is over, is left to a later run: so
a row has the same `known_at` whether it was collected on its day or years later.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from sqlalchemy import func, select

from crypto_assets.clients.exchange_bars import RefusedRow
from crypto_assets.clients.fred import Fred
from crypto_assets.clients.fred_rows import Release, SeriesInfo, Vintage
from crypto_assets.datasets.macro.observations.known import off_calendar, release_moments
from crypto_assets.datasets.macro.observations.table import DATASET, LEDGER, observations, series
from crypto_assets.datasets.outcomes import EventOutcome
from crypto_assets.quality.coverage import TICK
from crypto_assets.universe_sources import MacroSeries
from crypto_assets.warehouse.collected import mark_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.quarantine import Refused, quarantine
from crypto_assets.warehouse.read import read_frame
from crypto_assets.warehouse.write import Batch, WriteCounts, upsert

SOURCE = "fred series/observations"
_DESCRIBED = "fred series"
_SHOWN = 3


@dataclass(frozen=True)
class Wanted:
    """What is wanted of every series.

    Args:
        since: First day of the oldest period.
        start, end: The window, UTC: what became known before its end is kept.
        now: The present, UTC.
        only_new: Whether a series without news since the last time is passed over.
        keeps_state: Whether this is all that is wanted of the present, so that the next run may start from it.
    """

    since: date
    start: datetime
    end: datetime
    now: datetime
    only_new: bool
    keeps_state: bool

    @property
    def known_before(self) -> datetime:
        """Nothing known from then on is kept; what is known at this very moment is."""
        return min(self.end, self.now)


@dataclass(frozen=True)
class State:
    """How far a series has been collected; times are UTC.

    Args:
        last_updated_at: When FRED had last had something new of it.
        due_at: When a vintage becomes known that FRED had already; None where none waits.
        followed_from: First day of the oldest period that was asked for.
    """

    last_updated_at: datetime
    due_at: datetime | None
    followed_from: date


def read_oldest(warehouse: Warehouse) -> dict[str, date]:
    """The oldest period of each series that is stored: what is there is followed, for it may be revised."""
    c = observations.c
    rows = read_frame(warehouse, select(c.series_id, func.min(c.period_on).label("day")).group_by(c.series_id))
    return {row["series_id"]: row["day"].date() for row in rows.to_dict("records")}


def read_states(warehouse: Warehouse) -> dict[str, State]:
    """How far each series has been collected."""
    c = series.c
    rows = read_frame(warehouse, select(c.series_id, c.last_updated_at, c.due_at, c.followed_from))
    return {row["series_id"]: _state(row) for row in rows.to_dict("records")}


def collect_series(
    fred: Fred, warehouse: Warehouse, series_id: str, rules: MacroSeries, wanted: Wanted, before: State | None
) -> EventOutcome:
    """Ask for a series' vintages and store them, its state in the same transaction.

    Raises:
        ProviderError: FRED failed; nothing was written.
    """
    info = fred.series(series_id)
    if wanted.only_new and not has_news(info, before, wanted):
        return EventOutcome("fred", series_id, turns=1)
    release = fred.release(series_id)
    calendar = fred.release_dates(release.release_id) if rules.released_at else frozenset()
    answer = fred.vintages(series_id, wanted.since)
    days = np.array([row.realtime_start for row in answer.rows], dtype="datetime64[D]")
    known = release_moments(days, rules.released_at, calendar)
    is_kept, due_at = choose(known, wanted)
    kept = [row for row, is_wanted in zip(answer.rows, is_kept.tolist(), strict=True) if is_wanted]
    with warehouse.connect() as connection:
        counts = upsert(connection, observations, build_rows(info, kept, known[is_kept]))
        keep_refused(connection, series_id, answer.refused)
        if wanted.start < wanted.known_before:
            mark_collected(connection, DATASET, LEDGER, series_id, TICK, wanted.start, wanted.known_before)
        if wanted.keeps_state:
            upsert(connection, series, build_state(info, release, due_at, wanted.since))
    odd = off_calendar(days[is_kept & (known >= _wall(wanted.start))], calendar) if rules.released_at else []
    return outcome_of("fred", series_id, counts, answer.refused, known[is_kept], _warning(info, rules, odd))


def has_news(info: SeriesInfo, before: State | None, wanted: Wanted) -> bool:
    """Whether there is anything that a series' last collection did not keep. Pure."""
    if before is None or info.last_updated_at != before.last_updated_at or wanted.since < before.followed_from:
        return True
    return before.due_at is not None and wanted.now >= before.due_at


def choose(known: NDArray[np.datetime64], wanted: Wanted) -> tuple[NDArray[np.bool_], datetime | None]:
    """Which vintages are kept, and when the first becomes known of those that wait for that. Pure.

    Args:
        known: When each is known, datetime64[us], UTC.
    """
    is_known = known <= _wall(wanted.now)
    waiting = known[~is_known]
    is_kept: NDArray[np.bool_] = is_known & (known < _wall(wanted.end))
    return is_kept, waiting.min().astype(datetime).replace(tzinfo=UTC) if len(waiting) else None


def build_rows(info: SeriesInfo, rows: Sequence[Vintage], known: NDArray[np.datetime64], source: str = SOURCE) -> Batch:
    """The table's columns from vintages. Pure.

    Args:
        known: When each was known, datetime64[us], UTC.
    """
    return {
        "series_id": info.series_id,
        "period_on": np.array([row.period_on for row in rows], dtype="datetime64[D]"),
        "realtime_start": np.array([row.realtime_start for row in rows], dtype="datetime64[D]"),
        "realtime_end": np.array([row.realtime_end for row in rows], dtype="datetime64[D]"),
        "value": np.array([np.nan if row.value is None else row.value for row in rows], dtype=np.float64),
        "unit": info.unit,
        "frequency": info.frequency,
        "source": source,
        "known_at": known,
    }


def build_state(info: SeriesInfo, release: Release, due_at: datetime | None, followed_from: date) -> Batch:
    """A row of macro.series. Pure."""
    updated = np.array([_wall(info.last_updated_at)])
    return {
        "series_id": np.array([info.series_id], dtype=object),
        "title": info.title,
        "unit": info.unit,
        "frequency": info.frequency,
        "seasonal_adjustment": info.seasonal_adjustment,
        "release_id": str(release.release_id),
        "release_name": release.name,
        "followed_from": followed_from,
        "last_updated_at": updated,
        "due_at": np.array([np.datetime64("NaT") if due_at is None else _wall(due_at)], dtype="datetime64[us]"),
        "source": _DESCRIBED,
        "known_at": updated,
    }


def keep_refused(connection: Connection, series_id: str, refused: Collection[RefusedRow]) -> None:
    """Put what was refused of a series into the quarantine."""
    kept = [Refused(one.reason, one.payload) for one in refused]
    quarantine(connection, dataset=DATASET, venue=LEDGER, symbol=series_id, timeframe=TICK, items=kept)


def outcome_of(
    provider: str,
    series_id: str,
    counts: WriteCounts,
    refused: Collection[RefusedRow],
    known: NDArray[np.datetime64],
    warning: str = "",
) -> EventOutcome:
    """What a run tells of a series whose rows were stored. Pure."""
    ends = [moment.astype(datetime).replace(tzinfo=UTC) for moment in (known.min(), known.max())] if len(known) else []
    return EventOutcome(
        provider, series_id, received=counts.received, inserted=counts.inserted, changed=counts.changed,
        quarantined=len(refused), turns=1, first=min(ends, default=None), last=max(ends, default=None), warning=warning,
    )  # fmt: skip


def _state(row: Mapping[Hashable, Any]) -> State:
    due_at = None if pd.isna(row["due_at"]) else row["due_at"].to_pydatetime()
    return State(row["last_updated_at"].to_pydatetime(), due_at, row["followed_from"].date())


def _warning(info: SeriesInfo, rules: MacroSeries, odd: Sequence[date]) -> str:
    told = []
    if info.frequency != rules.frequency:
        told.append(f"FRED calls it {info.frequency}, the universe {rules.frequency}")
    if odd:
        days = ", ".join(day.isoformat() for day in odd[-_SHOWN:])
        told.append(
            f"{len(odd)} vintages on days without a release in FRED's calendar, known at the end of the day: {days}"
        )
    return "; ".join(told)


def _wall(at: datetime) -> np.datetime64:
    return np.datetime64(at.astimezone(UTC).replace(tzinfo=None), "us")


__all__ = ["SOURCE", "State", "Wanted", "build_rows", "collect_series", "read_states"]
