"""Rules that every derived dataset keeps: a row for each bar, values in range, null in the warm-up, the same when recomputed.

What belongs here: looks over tables keyed venue, symbol, timeframe, opened_at. What does not: the checks' names and severities
(each dataset's checks.py) and bounds (the columns' declarations).

What cannot be asked of all rows in a moment is asked of a few series of each venue, each time others: the day chooses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
from sqlalchemy import ColumnElement, Table, and_, false, func, or_, select

from crypto_assets.datasets.features.blocks import Block, blocks_of
from crypto_assets.datasets.features.derive import Column, Rows, choose_series, timeframes_of
from crypto_assets.datasets.features.source import Source, floats, series_within, times
from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.indicators.declaration import Bools
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import Look, bar_seconds, inside, read_findings, rows_keep
from crypto_assets.quality.coverage import SeriesKey
from crypto_assets.quality.findings import Finding
from crypto_assets.universe import TIMEFRAME_LENGTH, Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame, reading

SAMPLED_SERIES = 3  # of each venue and timeframe; more would make the check longer than the run for small windows
SAMPLED_ROWS = 1_000  # the newest of each, where each row is computed again
SCANNED_ROWS = 20_000  # where they are only read
_EPSILON = 1e-9  # rounding may step over a bound by this much of it

type Bounds = Mapping[str, tuple[float | None, float | None]]
type Recompute = Callable[[Source, SeriesKey, Sequence[SeriesKey], Block, Universe], Rows]


class _All:
    """Every series that the universe names."""

    markets: Sequence[str] = ()
    timeframes: Sequence[str] = ()


def values_in_range(table: Table, bounds: Bounds) -> Look:
    """No value lies outside of what its definition allows."""
    outside: list[ColumnElement[bool]] = []
    for name, (least, most) in bounds.items():
        if least is not None:
            outside.append(table.c[name] < least - _EPSILON * max(1, abs(least)))
        if most is not None:
            outside.append(table.c[name] > most + _EPSILON * max(1, abs(most)))
    return rows_keep(table, or_(false(), *outside))


def every_bar_has_its_row(table: Table) -> Look:
    """Each stored bar of the universe's markets and derived timeframes has a row."""

    def look(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
        keys = [ohlcv.c.venue, ohlcv.c.symbol, ohlcv.c.timeframe]
        same = and_(*(table.c[name] == ohlcv.c[name] for name in ("venue", "symbol", "timeframe", "opened_at")))
        markets = [market.symbol for market in universe.venue(window.venue).markets]
        statement = (
            select(
                *keys,
                func.count().label("checked"),
                func.count().filter(table.c.opened_at.is_(None)).label("failed"),
                func.min(ohlcv.c.opened_at).filter(table.c.opened_at.is_(None)).label("first_at"),
            )
            .select_from(ohlcv.outerjoin(table, same))
            .where(
                *inside(ohlcv, window), ohlcv.c.timeframe.in_(universe.features.timeframes), ohlcv.c.symbol.in_(markets)
            )
            .group_by(*keys)
        )
        return read_findings(warehouse, statement)

    return look


def coverage_above_bound(table: Table, names: Sequence[str], warm_up: int) -> Look:
    """Of each series' rows past the warm-up of its first bar, every column holds a value in min_coverage of them.

    Args:
        names: The columns that any market can have.
        warm_up: Bars that the slowest of them needs.
    """

    def look(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
        c = table.c
        keys = (c.venue, c.symbol, c.timeframe)
        first = (
            select(*keys, func.min(c.opened_at).label("first"))
            .where(c.venue == window.venue)
            .group_by(*keys)
            .subquery()
        )
        begun = first.c.first + warm_up * bar_seconds(table) * func.make_interval(0, 0, 0, 0, 0, 0, 1)
        same = and_(*(first.c[name] == c[name] for name in ("venue", "symbol", "timeframe")))
        statement = (
            select(*keys, func.count().label("rows"), *(func.count(c[name]).label(name) for name in names))
            .select_from(table.join(first, same))
            .where(*inside(table, window), c.opened_at >= begun)
            .group_by(*keys)
        )
        findings = []
        for row in read_frame(warehouse, statement).to_dict("records"):
            shares = {name: row[name] / row["rows"] for name in names}
            low = [name for name in names if shares[name] < universe.features.min_coverage]
            worst = min(names, key=lambda name: shares[name])
            told = f"{worst} in {shares[worst]:.1%} of {row['rows']:,} rows"
            findings.append(
                Finding(row["venue"], row["symbol"], row["timeframe"], len(names), len(low), told if low else "")
            )
        return findings

    return look


def warm_up_is_null(table: Table, warm_ups: Mapping[str, int]) -> Look:
    """Where a series begins or begins anew behind a hole, a column is null until its warm-up is over."""

    def look(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
        findings = []
        with reading(warehouse) as reader:
            source = Source(reader)
            for key, _peers, block in sampled(source, universe, window, SCANNED_ROWS):
                market = source.market(key, block.history_from, block.end)
                stored = read_rows(source, table, key, block, tuple(warm_ups))
                at = np.searchsorted(market.bars.opened_at, stored.opened_at)
                age = market.age()[np.minimum(at, max(0, len(market.bars) - 1))] if len(market.bars) else at
                early = sum(_count(np.isfinite(stored.columns[name]) & (age < bars)) for name, bars in warm_ups.items())
                findings.append(Finding(key.venue, key.symbol, key.timeframe, len(at) * len(warm_ups), early))
        return findings

    return look


def sample_equals_recomputed(table: Table, names: Sequence[str], recompute: Recompute) -> Look:
    """The newest rows of a few series, computed again from the bars as they are now, equal the stored ones exactly."""

    def look(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
        findings = []
        with reading(warehouse) as reader:
            source = Source(reader)
            for key, peers, block in sampled(source, universe, window):
                again = recompute(source, key, peers, block, universe)
                findings.append(_compared(key, read_rows(source, table, key, block, names), again, names))
        return findings

    return look


def sampled(
    source: Source, universe: Universe, window: VenueWindow, rows: int = SAMPLED_ROWS
) -> list[tuple[SeriesKey, list[SeriesKey], Block]]:
    """A few series of the window, each with the stored series beside it and its newest rows' block; others each day."""
    stored = source.series(window.venue)
    keys = choose_series(stored, universe, window.venue, _All())
    chosen = []
    for timeframe in timeframes_of(keys):
        there = [key for key in keys if key.timeframe == timeframe]
        peers = [key for key in stored if key.timeframe == timeframe]
        first = datetime.now(UTC).toordinal() * SAMPLED_SERIES
        picked = {(first + place) % len(there) for place in range(min(SAMPLED_SERIES, len(there)))}
        for place in sorted(picked):
            block = _newest_block(source, there[place], window, rows)
            if block:
                chosen.append((there[place], peers, block))
    return chosen


def read_rows(source: Source, table: Table, key: SeriesKey, block: Block, names: Sequence[str]) -> Rows:
    """Stored rows of a block, in order of time."""
    rows = source.rows(table, ("opened_at", *names), series_within(table, key, block.start, block.end), ("opened_at",))
    return Rows(times(rows, "opened_at"), {name: floats(rows, name) for name in names})


def _newest_block(source: Source, key: SeriesKey, window: VenueWindow, rows: int) -> Block | None:
    """The newest rows' span, within one calendar year."""
    length = TIMEFRAME_LENGTH[key.timeframe]
    newest = source.newest_bar(key, window.start, window.end)
    if newest is None:
        return None
    end = newest + length
    start = max(window.start, end - rows * length)
    return blocks_of(start, end, key.timeframe)[-1]


def _compared(key: SeriesKey, stored: Rows, again: Rows, names: Sequence[str]) -> Finding:
    checked = max(len(stored.opened_at), len(again.opened_at)) * len(names)
    if not np.array_equal(stored.opened_at, again.opened_at):
        return Finding(key.venue, key.symbol, key.timeframe, checked, checked, "the rows are of other bars")
    differing = {name: _count(~_same(stored.columns[name], again.columns[name])) for name in names}
    failed = sum(differing.values())
    worst = max(differing, key=lambda name: differing[name])
    return Finding(key.venue, key.symbol, key.timeframe, checked, failed, worst if failed else "")


def _same(stored: Column, again: Column) -> Bools:
    return np.asarray((stored == again) | (np.isnan(stored) & np.isnan(again)))


def _count(flags: Bools) -> int:
    return int(np.count_nonzero(flags))
