"""Factories of asset checks: a dataset's checks.py names them, one line each.

What belongs here: the rules that several datasets share, as SQL over just the window a run materialized. What does not:
a dataset's bounds (its table.py, or the universe) and the scores' arithmetic.

Checks are unpartitioned and read the run's keys: partitioned checks do not combine with runs over a range. Each result
is stored in quality.scores too.
"""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pandas as pd
from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Table,
    and_,
    case,
    cast,
    extract,
    func,
    or_,
    select,
    tuple_,
)

from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.findings import Dimension, Finding, Grid, run_windows, worst_first
from crypto_assets.quality.scores import record_findings
from crypto_assets.quality.series import TICK, labelled_series, series_of, symbol_of, time_of, timeframe_of, venue_of
from crypto_assets.resources import UniverseFile
from crypto_assets.schema.bookkeeping import collected_ranges
from crypto_assets.universe import TIMEFRAME_LENGTH, Universe, timeframe_ms
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

SHOWN_SERIES = 50

type Look = Callable[[Warehouse, Universe, VenueWindow], Sequence[Finding]]
type Passes = Callable[[Sequence[Finding], Universe], bool]
type Severity = Callable[[Sequence[Finding], Universe], dg.AssetCheckSeverity]
type Ended = Callable[[Warehouse, str], frozenset[str]]
type Wanted = Callable[[Warehouse, Universe, VenueWindow], Collection[str]]
type MaxAge = Callable[[Universe], float]


@dataclass(frozen=True)
class Rule:
    """One check of a dataset.

    Args:
        name: The truth that holds, as `high_not_below_low`.
        description: The same in a sentence, with the reason of a bound.
        dimension: Which score it feeds; None for a check of the scores themselves.
        look: Reads one window and says what it found.
        severity: ERROR where the data is wrong, WARN where it may be; or a function that says which, by the findings.
        blocking: Whether downstream assets must not run on data that breaks it.
        passes: When the findings are acceptable; default: nothing failed.
    """

    name: str
    description: str
    dimension: Dimension | None
    look: Look
    severity: dg.AssetCheckSeverity | Severity = dg.AssetCheckSeverity.ERROR
    blocking: bool = False
    passes: Passes = lambda findings, _universe: not any(finding.failed for finding in findings)


def make_check(dataset: str, rule: Rule, grid: Grid = Grid.MONTHS) -> dg.AssetChecksDefinition:
    """A Dagster check from a rule, for a dataset on that grid."""

    @dg.asset_check(
        asset=dg.AssetKey(dataset.split("/")),
        name=rule.name,
        description=rule.description,
        blocking=rule.blocking,
        metadata={"dimension": rule.dimension.value if rule.dimension else "none"},
    )
    def check(
        context: dg.AssetCheckExecutionContext,
        warehouse: dg.ResourceParam[Warehouse],
        universe_file: dg.ResourceParam[UniverseFile],
    ) -> dg.AssetCheckResult:
        universe = universe_file.in_force().universe
        windows = run_windows(context, universe, grid)
        return evaluate(dataset, rule, warehouse, universe, windows, run_id=context.run.run_id)

    return check


def evaluate(
    dataset: str,
    rule: Rule,
    warehouse: Warehouse,
    universe: Universe,
    windows: Sequence[VenueWindow],
    *,
    run_id: str,
) -> dg.AssetCheckResult:
    """Look at the windows by a rule, keep what was found in quality.scores, and judge it.

    Args:
        run_id: Under which the scores are kept: results of the same one are one score a series.
    """
    findings = [finding for window in windows for finding in rule.look(warehouse, universe, window)]
    if rule.dimension is not None:
        record_findings(
            warehouse,
            dataset=dataset,
            run_id=run_id,
            check=rule.name,
            dimension=rule.dimension,
            window=(min(window.start for window in windows), max(window.end for window in windows)),
            findings=findings,
            weights=universe.scores.weights,
        )
    return result_of(rule, findings, universe)


def result_of(rule: Rule, findings: Sequence[Finding], universe: Universe) -> dg.AssetCheckResult:
    """The check's result, with a table of the series that broke the rule. Pure."""
    broken = worst_first(findings)
    checked, failed = sum(one.checked for one in findings), sum(one.failed for one in findings)
    counts = {"rows_checked": checked, "rows_failed": failed, "series_checked": len(findings)}
    metadata: dict[str, dg.MetadataValue[Any]] = {name: dg.MetadataValue.int(count) for name, count in counts.items()}
    if broken:
        metadata["failing_series"] = dg.MetadataValue.table(
            [dg.TableRecord(_record(one)) for one in broken[:SHOWN_SERIES]]
        )
    notes = [f"{one.series}: {one.note}" for one in findings if one.note]
    if notes:
        metadata["notes"] = dg.MetadataValue.md("\n".join(f"- {note}" for note in notes[:SHOWN_SERIES]))
    severity = rule.severity
    return dg.AssetCheckResult(
        passed=rule.passes(findings, universe),
        severity=severity if isinstance(severity, dg.AssetCheckSeverity) else severity(findings, universe),
        metadata=metadata,
        description=f"{failed:,} of {checked:,} rows in {len(findings)} series"
        + (f"; worst: {_told(broken[0])}" if broken else ""),
    )


def rows_keep(table: Table, broken: ColumnElement[bool]) -> Look:
    """Every row by itself: `broken` is true for a row that breaks the rule."""

    def look(warehouse: Warehouse, _universe: Universe, window: VenueWindow) -> list[Finding]:
        return read_findings(
            warehouse,
            _per_series(table, window, func.count().filter(broken), func.min(time_of(table)).filter(broken)),
        )

    return look


def key_is_unique(table: Table, *within: str) -> Look:
    """No key stands twice: the primary key holds it, and this proves that the key is there.

    Args:
        within: What else the key has beside venue, symbol, timeframe and the time.
    """

    def look(warehouse: Warehouse, _universe: Universe, window: VenueWindow) -> list[Finding]:
        keys = func.count(tuple_(time_of(table), *(table.c[name] for name in within)).distinct())
        return read_findings(warehouse, _per_series(table, window, func.count() - keys, func.min(time_of(table))))

    return look


def bars_on_grid(table: Table) -> Look:
    """A bar opens at a multiple of its length since 1970-01-01T00:00Z."""
    return rows_keep(table, cast(extract("epoch", table.c.opened_at), Integer) % bar_seconds(table) != 0)


def jump_within_bound(table: Table) -> Look:
    """Price moves between adjacent bars stay within the universe's max_jump_pct for their length."""

    def look(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
        series = series_of(table)
        before = func.lag(table.c.close).over(partition_by=series, order_by=table.c.opened_at)
        previous = func.lag(table.c.opened_at).over(partition_by=series, order_by=table.c.opened_at)
        moves = (
            select(
                *labelled_series(table),
                table.c.opened_at,
                table.c.open,
                table.c.close,
                before.label("before"),
                previous.label("previous"),
            )
            .where(*inside(table, window))
            .subquery()
        )
        limit = case(
            *((moves.c.timeframe == frame, pct / 100) for frame, pct in universe.bounds.max_jump_pct.items()), else_=1.0
        )
        is_adjacent = extract("epoch", moves.c.opened_at) - extract("epoch", moves.c.previous) == bar_seconds(moves)
        is_far = or_(
            *(func.abs(price / moves.c.before - 1) > limit for price in (moves.c.open, moves.c.close)),
            *(func.abs(moves.c.before / price - 1) > limit for price in (moves.c.open, moves.c.close)),
        )
        broken = and_(is_adjacent, is_far)
        statement = select(
            moves.c.venue,
            moves.c.symbol,
            moves.c.timeframe,
            func.count().label("checked"),
            func.count().filter(broken).label("failed"),
            func.min(moves.c.opened_at).filter(broken).label("first_at"),
        ).group_by(moves.c.venue, moves.c.symbol, moves.c.timeframe)
        return read_findings(warehouse, statement)

    return look


def listed_markets(_warehouse: Warehouse, universe: Universe, window: VenueWindow) -> set[str]:
    """Symbols that the universe lists for the window's venue and that are wanted to this day."""
    today = datetime.now(UTC).date()
    listed = universe.venue(window.venue).markets
    return {market.symbol for market in listed if market.until is None or market.until > today}


def newest_row_is_recent(
    table: Table,
    dataset: str,
    ended: Ended = lambda _warehouse, _venue: frozenset(),
    *,
    wanted: Wanted = listed_markets,
    max_age_minutes: MaxAge = lambda universe: universe.bounds.max_newest_bar_age_minutes,
) -> Look:
    """Where the window is still open, each collected series' newest row is at most its bar's length plus the bound old.

    Args:
        ended: Symbols of a venue that are traded no more, from which no bar is due.
        wanted: Symbols whose rows are due in a window; the universe's markets where nothing else is said.
        max_age_minutes: The bound.
    """

    def look(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
        now = datetime.now(UTC)
        if not window.start <= now < window.end:
            return []
        due = {*wanted(warehouse, universe, window)} - ended(warehouse, window.venue)
        bound = timedelta(minutes=max_age_minutes(universe))
        findings = []
        for row in read_frame(warehouse, _newest(table, dataset, window.venue, now)).to_dict("records"):
            if row["symbol"] not in due:
                continue
            newest = None if pd.isna(row["known_at"]) else row["known_at"].to_pydatetime()
            is_late = newest is None or now - newest > TIMEFRAME_LENGTH.get(row["timeframe"], timedelta()) + bound
            told = f"{newest:%Y-%m-%d %H:%M}" if newest else f"no {'row' if row['timeframe'] == TICK else 'bar'} at all"
            lag = (now - newest).total_seconds() if newest else None
            key = (row["venue"], row["symbol"], row["timeframe"])
            findings.append(Finding(*key, 1, int(is_late), told, lag_seconds=lag))
        return findings

    return look


def _newest(table: Table, dataset: str, venue: str, now: datetime) -> Select[tuple[object, ...]]:
    """Each collected series with the close of its newest bar; null where it has none."""
    ranges = collected_ranges
    newest = (
        select(func.max(table.c.known_at))
        .where(
            venue_of(table) == ranges.c.venue,
            symbol_of(table) == ranges.c.symbol,
            timeframe_of(table) == ranges.c.timeframe,
            time_of(table) >= now - timedelta(days=40),  # the longest bar and bound fit in; older years stay unread
        )
        .correlate(ranges)
        .scalar_subquery()
    )
    return select(ranges.c.venue, ranges.c.symbol, ranges.c.timeframe, newest.label("known_at")).where(
        ranges.c.dataset == dataset, ranges.c.venue == venue
    )


def _per_series(
    table: Table, window: VenueWindow, failed: ColumnElement[int], first_at: ColumnElement[datetime]
) -> Select[tuple[object, ...]]:
    counts = (func.count().label("checked"), failed.label("failed"), first_at.label("first_at"))
    chosen = select().add_columns(*labelled_series(table), *counts)
    return chosen.where(*inside(table, window)).group_by(*series_of(table))


def inside(table: Table, window: VenueWindow) -> tuple[ColumnElement[bool], ...]:
    """The conditions that keep a statement inside the window; one without a venue holds every series."""
    at = time_of(table)
    span = (at >= window.start, at < window.end)
    return (venue_of(table) == window.venue, *span) if window.venue else span


def bar_seconds(rows: object) -> ColumnElement[int]:
    """Length of the row's bar in seconds."""
    frame = rows.c.timeframe  # type: ignore[attr-defined]
    return case(*((frame == name, timeframe_ms(name) // 1000) for name in TIMEFRAME_LENGTH), else_=60)


def read_findings(warehouse: Warehouse, statement: Select[tuple[object, ...]]) -> list[Finding]:
    """The findings of a statement that gives venue, symbol, timeframe, checked, failed, first_at."""
    return [_finding(row) for row in read_frame(warehouse, statement).to_dict("records")]


def _finding(row: Mapping[Hashable, Any]) -> Finding:
    failed = int(row["failed"])
    first_at = row["first_at"]
    example = f"{first_at:%Y-%m-%d %H:%M}" if failed and isinstance(first_at, datetime) else ""
    return Finding(row["venue"], row["symbol"], row["timeframe"], int(row["checked"]), failed, example)


def _record(finding: Finding) -> dict[str, str | int | float]:
    return {
        "series": finding.series,
        "checked": finding.checked,
        "failed": finding.failed,
        "share_sound": round(finding.share_sound, 6),
        "first_at": finding.example,
    }


def _told(finding: Finding) -> str:
    at = f" at {finding.example}" if finding.example else ""
    return f"{finding.series}: {finding.failed:,} of {finding.checked:,}{at}"


__all__ = [
    "Ended", "Look", "MaxAge", "Passes", "Rule", "Severity", "Wanted",
    "bar_seconds", "bars_on_grid", "evaluate", "inside", "jump_within_bound", "key_is_unique", "labelled_series",
    "listed_markets", "make_check", "newest_row_is_recent", "read_findings", "result_of", "rows_keep", "series_of",
    "symbol_of", "time_of", "timeframe_of", "venue_of",
]  # fmt: skip
