"""Made-up economic series with all their vintages, from (seed, date) alone.

What belongs here: periods, days of release, revisions and values. What does not: how FRED writes them (fred.py).

A month is released 5 to 35 days after its end and revised with the next two releases; a quarter a month after its end and
revised one and two months later; a business day on the next one. Holidays of daily series have the value ".".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from crypto_assets.sandbox.noise import key_of, noise, uniform

NEW_YORK, ST_LOUIS = ZoneInfo("America/New_York"), ZoneInfo("America/Chicago")
FOREVER = date(9999, 12, 31)
MISSING = "."
_DAY = timedelta(days=1)
_HOLIDAYS = frozenset({(1, 1), (7, 4), (11, 11), (12, 25)})
_JITTER_DAYS = 4

RELEASE_NAMES: Mapping[int, str] = {
    10: "Consumer Price Index",
    17: "H.10 Foreign Exchange Rates",
    18: "H.15 Selected Interest Rates",
    50: "Employment Situation",
    53: "Gross Domestic Product",
    200: "CBOE Market Statistics",
    212: "Spot Prices",
}


@dataclass(frozen=True)
class Row:
    """A value of a period from `start` to `end`, both included; "." for none."""

    period: date
    start: date
    end: date
    value: str


@dataclass(frozen=True)
class MadeSeries:
    """A series and how its values are made.

    Args:
        frequency: Daily, Monthly or Quarterly.
        lag_days: From a period's end to its first release, at least.
        shown_at: When a release is in FRED, New York.
        level, swing, growth: A value lies within `swing` of `level`, which grows by that share a period.
        revised: A revision moves a value by up to so much.
    """

    series_id: str
    title: str
    units: str
    frequency: str
    release_id: int
    lag_days: int
    shown_at: time
    level: float
    swing: float
    decimals: int
    growth: float = 0.0
    revised: float = 0.0
    adjustment: str = "Not Seasonally Adjusted"

    @property
    def starts(self) -> date:
        """The first period."""
        return date(2012, 1, 2) if self.frequency == "Daily" else date(2010, 1, 1)

    def rows(self, seed: int, now: datetime, since: date, until: date) -> list[Row]:
        """The vintages of the periods from `since` to `until` that are out, in the order of period and day."""
        return [row for row in _made(self, seed, self._last_day(now)) if since <= row.period <= until]

    def vintage_dates(self, seed: int, now: datetime) -> Sequence[date]:
        """The days on which a value was new or changed, oldest first."""
        return _vintage_dates(self, seed, self._last_day(now))

    def last_updated(self, seed: int, now: datetime) -> datetime:
        """When the newest vintage came into FRED, St. Louis."""
        newest = self.vintage_dates(seed, now)[-1]
        return datetime.combine(newest, self.shown_at, NEW_YORK).astimezone(ST_LOUIS)

    def newest_period(self, seed: int, now: datetime) -> date:
        """The first day of the newest period that is out."""
        return _made(self, seed, self._last_day(now))[-1].period

    def _last_day(self, now: datetime) -> date:
        """The last day whose releases are out."""
        there = now.astimezone(NEW_YORK)
        return there.date() if there.time() >= self.shown_at else there.date() - _DAY


@lru_cache(maxsize=64)
def _made(series: MadeSeries, seed: int, last_day: date) -> tuple[Row, ...]:
    releases = list(_releases(series, seed, last_day))
    said = _said(series, seed, len(releases))
    found: list[Row] = []
    for number, (period, days) in enumerate(releases):
        is_closed = series.frequency == "Daily" and _is_holiday(period)
        values = [MISSING] if is_closed else [f"{value:.{series.decimals}f}" for value in said[number]]
        found += _spans(period, [day for day in days if day <= last_day], values)
    return tuple(found)


@lru_cache(maxsize=64)
def _vintage_dates(series: MadeSeries, seed: int, last_day: date) -> tuple[date, ...]:
    return tuple(sorted({row.start for row in _made(series, seed, last_day)}))


def _spans(period: date, days: Sequence[date], values: Sequence[str]) -> Iterator[Row]:
    """A row for each value that differs from the one before it."""
    changes = [(days[0], values[0])] if days else []
    for day, value in zip(days[1:], values[1:], strict=False):
        if value != changes[-1][1]:
            changes.append((day, value))
    ends = [day - _DAY for day, _ in changes[1:]] + [FOREVER]
    for (day, value), end in zip(changes, ends, strict=False):
        yield Row(period, day, end, value)


def _releases(series: MadeSeries, seed: int, last_day: date) -> Iterator[tuple[date, Sequence[date]]]:
    """Each period whose first release is out, with the days of its releases."""
    if series.frequency == "Daily":
        for period in _weekdays(series.starts, last_day):
            released = _business_day(period + _DAY)
            if released <= last_day:
                yield period, (released,)
        return
    months = 1 if series.frequency == "Monthly" else 3
    key = key_of(seed, "fred", series.release_id, "release")
    count = (last_day.year - series.starts.year + 1) * 12
    firsts = [_later(series.starts, number) for number in range(count + 4)]
    jitter = np.floor(uniform(key, np.arange(len(firsts))) * _JITTER_DAYS).astype(int).tolist()
    # A release a month, in each of which something of a period is told.
    told = [
        _business_day(after + timedelta(days=series.lag_days + extra))
        for after, extra in zip(firsts[1:], jitter, strict=False)
    ]
    for number in range(0, count, months):
        days = told[number + months - 1 : number + months + 2]
        if days[0] > last_day:
            return
        yield firsts[number], days


def _said(series: MadeSeries, seed: int, periods: int) -> Sequence[Sequence[float]]:
    """For each period what is said of it at first, and after each revision."""
    if periods == 0:
        return []
    key, at = key_of(seed, "fred", series.series_id), np.arange(periods, dtype=np.int64)
    wave = 0.6 * noise(key, at, 97) + 0.3 * noise(key + 1, at, 13) + 0.1 * noise(key + 2, at, 1)
    true = series.level * (1 + series.growth) ** at + series.swing * wave
    if not series.revised:
        columns = [true]
    else:
        early, later = ((2 * uniform(key + move, at) - 1) * series.revised for move in (3, 4))
        columns = [true + early, true + later, true]
    rows: list[list[float]] = np.column_stack(columns).tolist()
    return rows


def _weekdays(first: date, last: date) -> Iterator[date]:
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        if day.weekday() < 5:
            yield day


def _business_day(day: date) -> date:
    """The day, or the next one on which is worked."""
    while day.weekday() >= 5 or _is_holiday(day):
        day += _DAY
    return day


def _is_holiday(day: date) -> bool:
    is_thanksgiving = day.month == 11 and day.weekday() == 3 and 22 <= day.day <= 28
    return (day.month, day.day) in _HOLIDAYS or is_thanksgiving


def _later(first: date, months: int) -> date:
    year, month = divmod(first.month - 1 + months, 12)
    return date(first.year + year, month + 1, 1)


_EARLY, _LATE = time(8, 31), time(16, 20)
_SEASONAL = "Seasonally Adjusted"
SERIES: Mapping[str, MadeSeries] = {
    one.series_id: one
    for one in (
        MadeSeries(
            "UNRATE", "Unemployment Rate", "Percent", "Monthly", 50, 4, _EARLY, 4.5, 1.2, 1, revised=0.1, adjustment=_SEASONAL
        ),
        MadeSeries(
            "CPIAUCSL", "Consumer Price Index for All Urban Consumers: All Items in U.S. City Average",
            "Index 1982-1984=100", "Monthly", 10, 10, _EARLY, 217.0, 1.0, 3, growth=0.0022, revised=0.4, adjustment=_SEASONAL,
        ),
        MadeSeries(
            "A191RL1Q225SBEA", "Real Gross Domestic Product", "Percent Change from Preceding Period", "Quarterly", 53, 26,
            _EARLY, 2.4, 3.0, 1, revised=0.5, adjustment="Seasonally Adjusted Annual Rate",
        ),
        MadeSeries("FEDFUNDS", "Federal Funds Effective Rate", "Percent", "Monthly", 18, 1, _LATE, 3.0, 2.4, 2),
        MadeSeries(
            "DGS10", "Market Yield on U.S. Treasury Securities at 10-Year Constant Maturity", "Percent", "Daily", 18, 1,
            _LATE, 4.0, 1.4, 2,
        ),
        MadeSeries("VIXCLS", "CBOE Volatility Index: VIX", "Index", "Daily", 200, 1, time(9, 40), 19.0, 9.0, 2),
        MadeSeries(
            "DTWEXBGS", "Nominal Broad U.S. Dollar Index", "Index Jan 2006=100", "Daily", 17, 1, _LATE, 119.0, 7.0, 4
        ),
        MadeSeries(
            "DCOILWTICO", "Crude Oil Prices: West Texas Intermediate (WTI) - Cushing, Oklahoma", "Dollars per Barrel",
            "Daily", 212, 1, time(13, 20), 74.0, 22.0, 2,
        ),
    )
}  # fmt: skip

__all__ = ["FOREVER", "MISSING", "NEW_YORK", "RELEASE_NAMES", "SERIES", "ST_LOUIS", "MadeSeries", "Row"]
