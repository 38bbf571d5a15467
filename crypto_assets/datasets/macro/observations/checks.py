"""The checks of macro/observations.

What belongs here: names, severities and the reasons of what blocks. What does not: how shared rules are looked at (quality)
and bounds (the universe).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
from dagster import AssetCheckSeverity
from sqlalchemy import and_, func, or_, select

from crypto_assets.datasets.macro.observations.table import DATASET, LEDGER, observations
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import Rule, key_is_unique, make_check, read_findings, rows_keep
from crypto_assets.quality.completeness import rows_are_accepted
from crypto_assets.quality.coverage import TICK
from crypto_assets.quality.findings import Dimension, Finding, Grid
from crypto_assets.quality.series import labelled_series
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

_C = observations.c
_PERIOD = (_C.series_id, _C.period_on)
_CLOCKS = timedelta(seconds=1)  # known_at is told by our clock, ingested_at by the database's


def _values_within_bounds(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> Sequence[Finding]:
    """Every value lies within its series' least and most of the universe."""
    rules = universe.macro
    bounds = {name: (one.least, one.most) for name, one in rules.series.items()}
    if rules.gold is not None:
        bounds[rules.gold.series_id] = (rules.gold.least, rules.gold.most)
    broken = or_(
        False,
        *(and_(_C.series_id == name, or_(_C.value < least, _C.value > most)) for name, (least, most) in bounds.items()),
    )
    return rows_keep(observations, broken)(warehouse, universe, window)


def _vintages_follow_each_other(warehouse: Warehouse, _universe: Universe, window: VenueWindow) -> Sequence[Finding]:
    """Of a period's vintages each begins after the one before it, which ended the day before or not at all."""
    followed = (
        select(
            *labelled_series(observations),
            _C.known_at, _C.realtime_start, _C.realtime_end,
            func.lead(_C.realtime_start).over(partition_by=_PERIOD, order_by=_C.realtime_start).label("next_start"),
            func.lead(_C.known_at).over(partition_by=_PERIOD, order_by=_C.realtime_start).label("next_known"),
        )
        .where(_C.known_at >= window.start)
        .subquery()
    )  # fmt: skip
    c = followed.c
    is_followed = c.next_start.is_not(None)
    broken = or_(
        c.realtime_end < c.realtime_start,
        and_(is_followed, or_(c.realtime_end.is_(None), c.realtime_end != c.next_start - 1)),
        and_(is_followed, c.next_known <= c.known_at),
    )
    counts = (
        func.count().label("checked"),
        func.count().filter(broken).label("failed"),
        func.min(c.known_at).filter(broken).label("first_at"),
    )
    key = (c.venue, c.symbol, c.timeframe)
    return read_findings(warehouse, select(*key, *counts).where(c.known_at < window.end).group_by(*key))


def _newest_release_is_recent(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
    """Where the window is open, the newest value of each series that was ever collected is not too old."""
    now = datetime.now(UTC)
    if not window.start <= now < window.end:
        return []
    newest = select(_C.series_id, func.max(_C.known_at).label("known_at")).group_by(_C.series_id)
    stored = {row["series_id"]: row["known_at"] for row in read_frame(warehouse, newest).to_dict("records")}
    return [_age(name, stored[name], days, now) for name, days in _max_ages(universe).items() if name in stored]


def _max_ages(universe: Universe) -> Mapping[str, float]:
    rules = universe.macro
    gold = {rules.gold.series_id: rules.gold.max_age_days} if rules.gold else {}
    return {name: one.max_age_days for name, one in rules.series.items()} | gold


def _age(name: str, known_at: pd.Timestamp, days: float, now: datetime) -> Finding:
    age = now - known_at.to_pydatetime()
    is_late = age > timedelta(days=days)
    return Finding(LEDGER, name, TICK, 1, int(is_late), f"{known_at:%Y-%m-%d %H:%M}", lag_seconds=age.total_seconds())


def _rows_are_accepted(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> Sequence[Finding]:
    """No row of the last day had to be refused; ledgers name what stands in the place of a venue."""
    return rows_are_accepted(observations, DATASET)(warehouse, universe, replace(window, venue=LEDGER))


RULES = (
    Rule(
        "key_is_unique",
        "One row for each series, period and vintage.",
        Dimension.ACCURACY,
        key_is_unique(observations, "period_on", "realtime_start"),
        blocking=True,
    ),
    Rule(
        "no_release_from_the_future",
        "Nothing was stored before it was known (up to a second between clocks): such a row would be knowledge too early.",
        Dimension.ACCURACY,
        rows_keep(observations, _C.known_at > _C.ingested_at + _CLOCKS),
        blocking=True,
    ),
    Rule(
        "vintages_follow_each_other",
        "A vintage ends the day before the next one begins, which becomes known later: else a moment has two values.",
        Dimension.ACCURACY,
        _vintages_follow_each_other,
        blocking=True,
    ),
    Rule(
        "values_within_bounds",
        "Values lie within the bounds of the universe, which are wider than anything recorded.",
        Dimension.ACCURACY,
        _values_within_bounds,
    ),
    Rule(
        "newest_release_is_recent",
        "The newest value of each series is at most its max_age_days old.",
        Dimension.TIMELINESS,
        _newest_release_is_recent,
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "rows_are_accepted",
        "No row of the last day had to be refused.",
        Dimension.ACCURACY,
        _rows_are_accepted,
        severity=AssetCheckSeverity.WARN,
    ),
)

CHECKS = [make_check(DATASET, rule, Grid.CALENDAR_MONTHS) for rule in RULES]
