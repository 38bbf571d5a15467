"""The checks of onchain/metrics.

What belongs here: names, severities and the reasons of what blocks. What does not: how shared rules are looked at (quality) and
bounds (the universe).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

from dagster import AssetCheckSeverity
from sqlalchemy import false, func, or_, select

from crypto_assets.datasets.onchain.metrics.declaration import METRICS
from crypto_assets.datasets.onchain.metrics.search import DAY, days_of, end_of
from crypto_assets.datasets.onchain.metrics.table import DATASET, metrics
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import Rule, key_is_unique, make_check, rows_keep
from crypto_assets.quality.completeness import rows_are_accepted
from crypto_assets.quality.coverage import TICK
from crypto_assets.quality.findings import Dimension, Finding, Grid
from crypto_assets.spans import Span
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

_C = metrics.c
_SIGNED = [one.name for one in METRICS.values() if one.is_signed]
_LISTED = 5  # days that a note names

type _Series = tuple[str, str]


def _within_bounds(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> Sequence[Finding]:
    """Every row of a metric with bounds lies within them."""
    outside = (
        (_C.metric == metric) & or_(_C.value < low, _C.value > high)
        for metric, (low, high) in universe.onchain.bounds.items()
    )
    return rows_keep(metrics, or_(false(), *outside))(warehouse, universe, window)


def _newest_is_recent(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
    """In the open month, the newest day of each collected series was known within the bound."""
    now = datetime.now(UTC)
    if not window.start <= now < window.end:
        return []
    newest = select(_C.asset, _C.metric, func.max(_C.known_at).label("known_at"), func.max(_C.observed_on).label("day"))
    rows = read_frame(warehouse, newest.group_by(_C.asset, _C.metric)).to_dict("records")
    found = {(row["asset"], row["metric"]): (row["known_at"].to_pydatetime(), row["day"]) for row in rows}
    findings = []
    for series in sorted(_asked(warehouse, universe, window)):
        known_at, day = found.get(series, (None, None))
        lag = None if known_at is None else (now - known_at).total_seconds()
        is_late = lag is None or lag > universe.onchain.max_age_hours * 3600
        told = "no value at all" if day is None else f"newest day {day:%Y-%m-%d}"
        findings.append(Finding(*series, TICK, 1, int(is_late), told, lag_seconds=lag))
    return findings


def _days_are_known(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
    """Days of each series that were asked for and are due, against those that are there.

    Days before a series' first value are no loss: the chain, or who measures it, began later.
    """
    longest = timedelta(hours=max(universe.onchain.lag_hours.values()))
    now = datetime.now(UTC)
    first = _first_days(warehouse)
    inside = select(_C.asset, _C.metric, _C.observed_on).where(
        _C.observed_on >= window.start, _C.observed_on < window.end
    )
    there: dict[_Series, set[date]] = {}
    for row in read_frame(warehouse, inside).to_dict("records"):
        there.setdefault((row["asset"], row["metric"]), set()).add(row["observed_on"].date())
    findings = []
    for series, spans in sorted(_asked(warehouse, universe, window).items()):
        days = [day for day in _days_within(spans, window) if end_of(day) + longest <= now]
        due = [day for day in days if series in first and day >= first[series]]
        missing = [day for day in due if day not in there.get(series, ())]
        findings.append(Finding(*series, TICK, len(due), len(missing), *_told(days, due, missing)))
    return findings


def _told(days: Sequence[date], due: Sequence[date], missing: Sequence[date]) -> tuple[str, str]:
    notes = []
    if len(days) > len(due):
        notes.append(f"{len(days) - len(due)} days lie before its first value")
    if missing:
        named = ", ".join(map(str, missing[:_LISTED]))
        notes.append(f"no source has {named}{' and more' if len(missing) > _LISTED else ''}")
    return (str(missing[0]) if missing else ""), "; ".join(notes)


def _first_days(warehouse: Warehouse) -> Mapping[_Series, date]:
    first = select(_C.asset, _C.metric, func.min(_C.observed_on).label("day")).group_by(_C.asset, _C.metric)
    rows = read_frame(warehouse, first).to_dict("records")
    return {(row["asset"], row["metric"]): row["day"].date() for row in rows}


def _asked(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> dict[_Series, list[Span]]:
    """Spans of the window for which a source has answered, by series; of an asset that is collected no more nothing is due."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT venue, symbol, lower(span), upper(span) FROM ops.collected_ranges, unnest(collected) AS span"
            " WHERE dataset = %s AND span && tstzrange(%s, %s) ORDER BY venue, symbol, span",
            (DATASET, window.start, window.end),
        )
        found: dict[_Series, list[Span]] = {}
        for asset, metric, start, end in cursor.fetchall():
            if asset in universe.onchain.assets:
                found.setdefault((asset, metric), []).append((start.astimezone(UTC), end.astimezone(UTC)))
    return found


def _days_within(spans: Sequence[Span], window: VenueWindow) -> list[date]:
    days: set[date] = set()
    for start, end in spans:
        first, last = max(start, window.start), min(end, window.end)
        until = last.date() + (DAY if last.time() > time() else timedelta())
        days.update(days_of(first.date(), until))
    return sorted(days)


def _share_is_enough(findings: Sequence[Finding], universe: Universe) -> bool:
    return all(one.share_sound >= universe.onchain.min_completeness for one in findings)


RULES = (
    Rule(
        "key_is_unique",
        "One value for each asset, metric and day.",
        Dimension.ACCURACY,
        key_is_unique(metrics, "metric"),
        blocking=True,
    ),
    Rule(
        "values_not_negative",
        "Nothing is counted below zero but the net flow to exchanges.",
        Dimension.ACCURACY,
        rows_keep(metrics, (_C.value < 0) & _C.metric.not_in(_SIGNED)),
        blocking=True,
    ),
    Rule(
        "no_value_from_the_future",
        "No value was known before its day was over, nor later than now.",
        Dimension.ACCURACY,
        # A value known too soon would let features look ahead: nothing downstream may run on it.
        rows_keep(
            metrics, or_(_C.known_at < _C.observed_on + func.make_interval(0, 0, 0, 1), _C.known_at > func.now())
        ),
        blocking=True,
    ),
    Rule(
        "values_within_bounds",
        "Values lie within onchain.bounds of the universe: far outside, a unit or a digit slipped.",
        Dimension.ACCURACY,
        _within_bounds,
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "rows_are_accepted",
        "No row of the last day had to be refused.",
        Dimension.ACCURACY,
        rows_are_accepted(metrics, DATASET),
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "days_are_known",
        "Of each series' days that are due, the share onchain.min_completeness is there; the notes name the others.",
        Dimension.COMPLETENESS,
        _days_are_known,
        severity=AssetCheckSeverity.WARN,
        passes=_share_is_enough,
    ),
    Rule(
        "newest_day_is_recent",
        "In the open month, each series' newest value became known less than onchain.max_age_hours ago.",
        Dimension.TIMELINESS,
        _newest_is_recent,
        severity=AssetCheckSeverity.WARN,
    ),
)

CHECKS = [make_check(DATASET, rule, Grid.CALENDAR_MONTHS) for rule in RULES]
