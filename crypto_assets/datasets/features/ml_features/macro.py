"""Macroeconomic series as features may know them: the newest value, those before it, and what was first told.

What belongs here: which series, how old their values may be, and reading macro.observations. What does not: editions and
moments (vintages.py), the features (macro_set.py).

Statistics are revised for years. A revision counts from its `known_at` on and changes nothing before; the surprise of a
release compares what was told at that moment with what was known the microsecond before, and later revisions leave it alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import numpy as np
import pyarrow as pa
from sqlalchemy import select

from crypto_assets.datasets.features.ml_features.as_of import KnownRows
from crypto_assets.datasets.features.ml_features.dex_pools import closes_of
from crypto_assets.datasets.features.ml_features.pool_totals import Grid
from crypto_assets.datasets.features.ml_features.vintages import (
    Told,
    Vintages,
    Whole,
    months_before,
    told_at_closes,
)
from crypto_assets.datasets.features.source import Source, days, floats, times
from crypto_assets.datasets.macro.observations.table import observations
from crypto_assets.indicators.declaration import Floats
from crypto_assets.quality.coverage import SeriesKey
from crypto_assets.spans import Span
from crypto_assets.universe import TIMEFRAME_LENGTH

TREND = 6  # periods whose mean change a release is compared with
_YEAR = 12
_GAP_DAYS = 7  # the trading day before: at most a week of holidays
# The oldest fresh period, and what it looks back on: a year of prices, or seven months; a quarter looks at the one before.
_READ_BACK = timedelta(days=500)


@dataclass(frozen=True)
class KnownSeries:
    """One series that features know.

    Args:
        name: First part of its columns' names.
        series_id: As macro.observations has it.
        months: Length of its periods; 0 for days, of which only trading days have a value.
        max_age: So long after the first moment of a period its value counts as unknown.
        tells: What is told of it, each a column: value, before (of the period before), year_before; of the newest release
            first (what was told then), last_then (of the period before, as known just before) and trend_then (the mean change
            of `TREND` periods to that one, likewise).
    """

    name: str
    series_id: str
    months: int
    max_age: timedelta
    tells: tuple[str, ...] = ("value", "before")

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of what it tells."""
        return tuple(f"{self.name}_{kind}" for kind in self.tells)

    def before(self, periods: Whole, count: int) -> Whole:
        """The periods so many before, by the calendar."""
        return months_before(periods, count * self.months) if self.months else periods - count


# A month is told five to seven weeks after its first day, and the next one four weeks later: past 80 days one release is
# overdue, past 100 two nearly are.
_MONTH = timedelta(days=100)
# A quarter is first told four months after its first day and the next one three months later: 215 days, and a late release.
_QUARTER = timedelta(days=240)
# Told the next day; longest where a holiday lies beside a weekend, or a day's release fails.
_DAILY = timedelta(days=8)
# Told once a week for the week before, so that a value is up to ten days old when the next one comes; and a holiday.
_WEEKLY = timedelta(days=16)
# Traded every day of the week.
_EVERY_DAY = timedelta(days=4)

SERIES: Mapping[str, KnownSeries] = {
    one.series_id: one
    for one in (
        KnownSeries("unemployment", "UNRATE", 1, _MONTH, ("value", "before", "first", "last_then", "trend_then")),
        KnownSeries("prices", "CPIAUCSL", 1, _MONTH, ("value", "year_before", "first", "last_then", "trend_then")),
        KnownSeries("growth", "A191RL1Q225SBEA", 3, _QUARTER, ("value", "first", "last_then")),
        KnownSeries("policy_rate", "FEDFUNDS", 1, _MONTH),
        KnownSeries("ten_year", "DGS10", 0, _DAILY),
        KnownSeries("vix", "VIXCLS", 0, _DAILY),
        KnownSeries("dollar", "DTWEXBGS", 0, _WEEKLY),
        KnownSeries("oil", "DCOILWTICO", 0, _WEEKLY),
        KnownSeries("gold", "PAXGUSD", 0, _EVERY_DAY),
    )
}
MACRO_COLUMNS = tuple(name for one in SERIES.values() for name in one.columns)


def macro_known(source: Source, key: SeriesKey, start: datetime, end: datetime) -> list[KnownRows]:
    """What every series tells at the close of each bar: the same for all markets, and made once. Known at that close."""
    grid = closes_of(key.timeframe, start, end)
    if not grid.count or not source.may_hold(observations, "macro", observations.c.series_id.in_([*SERIES])):
        return []
    known = (source.as_of, source.known_by)
    first, last = source.whole or (start, end)
    span = (min(first, start), max(last, end) + TIMEFRAME_LENGTH[key.timeframe])
    series = source.shared.once(("vintages", *known, span), lambda: _read(source, span))
    columns = source.shared.once(("macro", *known, span, grid), lambda: macro_columns(series, grid))
    return [KnownRows(grid.times, grid.times, columns)]


def macro_columns(series: Mapping[str, Vintages], grid: Grid) -> dict[str, Floats]:
    """Each of `MACRO_COLUMNS` at the closes of a grid. Pure.

    Args:
        series: By its id; one that is not there is unknown.
    """
    columns: dict[str, Floats] = {name: np.full(grid.count, np.nan) for name in MACRO_COLUMNS}
    for series_id, vintages in series.items():
        one = SERIES[series_id]
        columns |= told_at_closes(grid, vintages, partial(_tell, one, vintages), one.max_age)
    return columns


def _tell(one: KnownSeries, known: Vintages, moments: Whole) -> Told:
    newest = known.newest(moments)
    released = known.first_known(newest)
    return Told(
        newest, {f"{one.name}_{kind}": _TOLD[kind](one, known, newest, moments, released) for kind in one.tells}
    )


def _value(_one: KnownSeries, known: Vintages, newest: Whole, moments: Whole, _released: Whole) -> Floats:
    return known.at(newest, moments)


def _before(one: KnownSeries, known: Vintages, newest: Whole, moments: Whole, _released: Whole) -> Floats:
    """Of the period before; among days, of the newest of the week before that has a value."""
    value = known.at(one.before(newest, 1), moments)
    for back in range(2, 1 if one.months else _GAP_DAYS + 1):
        is_missing = np.isnan(value)
        if not is_missing.any():
            break
        value[is_missing] = known.at(newest[is_missing] - back, moments[is_missing])
    return value


def _year_before(_one: KnownSeries, known: Vintages, newest: Whole, moments: Whole, _released: Whole) -> Floats:
    return known.at(months_before(newest, _YEAR), moments)


def _first(_one: KnownSeries, known: Vintages, newest: Whole, _moments: Whole, released: Whole) -> Floats:
    return known.at(newest, released)


def _last_then(one: KnownSeries, known: Vintages, newest: Whole, _moments: Whole, released: Whole) -> Floats:
    return known.at(one.before(newest, 1), released - 1)


def _trend_then(one: KnownSeries, known: Vintages, newest: Whole, _moments: Whole, released: Whole) -> Floats:
    last, earlier = (known.at(one.before(newest, back), released - 1) for back in (1, 1 + TREND))
    return (last - earlier) / TREND


_TOLD: Mapping[str, Callable[[KnownSeries, Vintages, Whole, Whole, Whole], Floats]] = {
    "value": _value, "before": _before, "year_before": _year_before,
    "first": _first, "last_then": _last_then, "trend_then": _trend_then,
}  # fmt: skip


def _read(source: Source, span: Span) -> dict[str, Vintages]:
    """What was known of each series in a span, and of periods that values in it are compared with."""
    first, last = span[0] - _READ_BACK, span[1]
    c = observations.c
    where = c.series_id.in_([*SERIES]) & (c.period_on >= first.date())
    t = source.stands(observations, where & (c.known_at <= last)).c
    rows = source.reader.arrow(select(t.series_id, t.period_on, t.realtime_start, t.known_at, t.value))
    names = rows.column("series_id").combine_chunks().dictionary_encode()
    return _by_series(rows, names)


def _by_series(rows: pa.Table, names: pa.DictionaryArray) -> dict[str, Vintages]:
    of = np.asarray(names.indices.to_numpy(zero_copy_only=False), dtype=np.int64)
    period, edition = days(rows, "period_on"), days(rows, "realtime_start")
    known, value = times(rows, "known_at").astype(np.int64), floats(rows, "value")
    found = {}
    for place, series_id in enumerate(names.dictionary.to_pylist()):
        here = np.flatnonzero(of == place)
        found[str(series_id)] = Vintages(period[here], known[here], edition[here], value[here])
    return found
