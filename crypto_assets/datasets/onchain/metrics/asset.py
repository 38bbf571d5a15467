"""The asset onchain/metrics: collects a month of all chains' metrics, stores them, and shows which days are known.

What belongs here: a run from its plan to its rows, and what it shows. What does not: asking (sources.py), deciding whose value
counts (search.py), and when it runs (automation.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

import dagster as dg
import numpy as np
from numpy.typing import NDArray
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from pydantic import Field
from sqlalchemy import select

from crypto_assets.datasets.calendar_asset import CalendarRun, Rhythm, calendar_asset
from crypto_assets.datasets.onchain.metrics.declaration import METRICS, OWN_BARS, source_of
from crypto_assets.datasets.onchain.metrics.search import (
    DAY,
    Row,
    Search,
    Series,
    Stored,
    days_of,
    end_of,
    lag_of,
    needed_days,
    not_due_from,
)
from crypto_assets.datasets.onchain.metrics.sources import ask_sources
from crypto_assets.datasets.onchain.metrics.table import DATASET, metrics
from crypto_assets.datasets.outcomes import Collected, EventOutcome
from crypto_assets.partitions import Grids
from crypto_assets.quality.coverage import TICK
from crypto_assets.spans import Span
from crypto_assets.universe import UniverseError
from crypto_assets.warehouse.collected import mark_collected, read_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.quarantine import Refused, quarantine
from crypto_assets.warehouse.read import read_frame
from crypto_assets.warehouse.write import Batch, upsert


class MetricsConfig(dg.Config):
    """What a run collects."""

    assets: list[str] = Field(default=[], description="Only these currencies of the universe; empty for all.")
    again: bool = Field(
        default=False, description="Ask for days that are stored, too: brings corrections, and better sources' values."
    )


def build_asset(grids: Grids) -> dg.AssetsDefinition:
    """The asset over the grids of the universe in force; automation.py adds when it runs."""
    return calendar_asset(
        DATASET,
        metrics,
        grids,
        MetricsConfig,
        collect_metrics,
        Rhythm(by_month=True, expected_every=timedelta(hours=6)),
        description="Daily metrics of chains: activity, fees, hash rate, supply, flows, value locked, volatility.",
        after=(OWN_BARS,),
    )


def collect_metrics(run: CalendarRun[MetricsConfig]) -> Collected:
    """Collect a window's metrics.

    Raises:
        UniverseError: the config names an asset that the universe does not have.
    """
    search = plan(run)
    if search.days:
        ask_sources(search, run.providers, run.universe, run.warehouse)
        rows = search.rows()
        with run.warehouse.connect() as connection:
            _store(connection, run, search, rows)
        outcomes = [_outcome(search, series, rows) for series in search.needed if _is_told_of(search, series)]
        return Collected(outcomes, {"days_known": _coverage(search, rows)})
    return Collected([], {})


def plan(run: CalendarRun[MetricsConfig]) -> Search:
    """What there is to look for, and what is there already.

    An open month also finishes the last days of the month before: their values come when this one has begun.

    Raises:
        UniverseError: as for `collect_metrics`.
    """
    rules, now = run.universe.onchain, run.clock()
    assets = _chosen(run)
    first = run.window.start.date() - (rules.recheck_days * DAY if run.is_open() else timedelta())
    days = days_of(first, min(run.window.end.date(), now.date()))
    every = [(asset, metric) for asset in assets for metric in METRICS]
    stored = read_stored(run.warehouse, assets, days)
    chosen = {asset: rules.assets[asset] for asset in assets}
    return Search(
        rules.model_copy(update={"assets": chosen}),
        now,
        days,
        {one: needed_days(days, stored.get(one, {}), rules, now, again=run.config.again) for one in every},
        stored,
        _marks(run.warehouse, every),
    )


def read_stored(warehouse: Warehouse, assets: Sequence[str], days: Sequence[date]) -> dict[Series, dict[date, Stored]]:
    """What the table has of the days, by series."""
    if not days:
        return {}
    c = metrics.c
    chosen = select(c.asset, c.metric, c.observed_on, c.value, c.source, c.known_at).where(
        c.asset.in_(assets), c.observed_on >= days[0], c.observed_on <= days[-1]
    )
    found: dict[Series, dict[date, Stored]] = {}
    for row in read_frame(warehouse, chosen).to_dict("records"):
        one = Stored(float(row["value"]), row["source"], row["known_at"].to_pydatetime())
        found.setdefault((row["asset"], row["metric"]), {})[row["observed_on"].date()] = one
    return found


def build_rows(rows: Sequence[Row]) -> Batch:
    """The table's columns. Pure."""
    return {
        "asset": _texts(row.series[0] for row in rows),
        "metric": _texts(row.series[1] for row in rows),
        "observed_on": np.array([row.day for row in rows], dtype="datetime64[D]"),
        "value": np.array([row.value for row in rows], dtype=np.float64),
        "unit": _texts(METRICS[row.series[1]].unit_of(row.series[0]) for row in rows),
        "source": _texts(row.source for row in rows),
        "known_at": np.array(
            [row.known_at.astimezone(UTC).replace(tzinfo=None) for row in rows], dtype="datetime64[us]"
        ),
    }


def _chosen(run: CalendarRun[MetricsConfig]) -> list[str]:
    known = run.universe.onchain.assets
    unknown = [asset for asset in run.config.assets if asset not in known]
    if unknown:
        raise UniverseError(
            f"Unknown asset {', '.join(map(repr, unknown))}",
            way_out=f"The universe's onchain.assets has {', '.join(known)}.",
        )
    return [asset for asset in known if not run.config.assets or asset in run.config.assets]


def _marks(warehouse: Warehouse, every: Sequence[Series]) -> dict[Series, Sequence[Span]]:
    with warehouse.connect() as connection:
        return {one: read_collected(connection, DATASET, *one, TICK) for one in every}


def _store(connection: Connection, run: CalendarRun[MetricsConfig], search: Search, rows: Sequence[Row]) -> None:
    """Rows, refused ones, and how far each answered series was asked for: in one transaction."""
    upsert(connection, metrics, build_rows(rows))
    for symbol in sorted({where for where, _ in search.refused}):
        items = [Refused(one.reason, one.payload) for where, one in search.refused if where == symbol]
        quarantine(connection, dataset=DATASET, venue=run.window.venue, symbol=symbol, timeframe=TICK, items=items)
    start = datetime.combine(search.days[0], time(), tzinfo=UTC)
    until = search.now if run.is_open() else min(run.window.end, search.now)
    for asset, metric in sorted(search.answered):
        mark_collected(connection, DATASET, asset, metric, TICK, start, until)


def _is_told_of(search: Search, series: Series) -> bool:
    """Whether any source offers the series: what none has is no outcome."""
    return series in search.answered or series in search.failures


def _outcome(search: Search, series: Series, rows: Sequence[Row]) -> EventOutcome:
    own = [row for row in rows if row.series == series]
    lacking, failures = lacking_days(search, series), search.failures.get(series, [])
    found = search.found.get(series, {})
    absent = [f"{len(lacking)} days have no value at any source, first {lacking[0]}"] if lacking else []
    return EventOutcome(
        *series, received=len(found), inserted=sum(row.is_new for row in own), changed=sum(not row.is_new for row in own),
        absent=len(lacking), turns=1, first=end_of(min(found)) if found else None, last=end_of(max(found)) if found else None,
        warning="; ".join([*failures, *absent]), failed=bool(failures) and series not in search.answered,
    )  # fmt: skip


def lacking_days(search: Search, series: Series) -> list[date]:
    """Days of the window that should be known by now and are not, stored or found. Pure."""
    there = {**search.stored.get(series, {}), **search.found.get(series, {})}
    return [day for day in due_days(search) if day not in there]


def due_days(search: Search) -> list[date]:
    """Days of the window that every source should have finished. Pure."""
    longest = max(lag_of(search.rules, name) for name in search.rules.lag_hours)
    behind = not_due_from(search.now, longest)
    return [day for day in search.days if day < behind]


def _coverage(search: Search, rows: Sequence[Row]) -> dg.TableMetadataValue:
    """Asset by metric: days known of days due, and whose."""
    written: dict[Series, dict[date, str]] = {}
    for row in rows:
        written.setdefault(row.series, {})[row.day] = row.source
    due = set(due_days(search))
    records = []
    for series in search.needed:
        sources = {day: one.source for day, one in search.stored.get(series, {}).items()} | written.get(series, {})
        sources = {day: source for day, source in sources.items() if day in due}
        note = "; ".join(search.failures.get(series, [])) or _note(search, series, sources)
        records.append(
            dg.TableRecord(
                {
                    "asset": series[0],
                    "metric": series[1],
                    "days_known": f"{len(sources)}/{len(due)}",
                    "share": round(len(sources) / len(due), 4) if due else 1.0,
                    "sources": _counted(sources),
                    "note": note,
                }
            )
        )
    return dg.MetadataValue.table(records)


def _note(search: Search, series: Series, sources: Mapping[date, str]) -> str:
    if series in search.hints and not sources:
        return search.hints[series]
    return "" if sources or series in search.answered else "no source has it"


def _counted(sources: Mapping[date, str]) -> str:
    names = [source_of(one) for one in sources.values()]
    return ", ".join(f"{name} {names.count(name)}" for name in sorted(set(names)))


def _texts(values: Iterable[str]) -> NDArray[np.object_]:
    return np.array(list(values), dtype=object)
