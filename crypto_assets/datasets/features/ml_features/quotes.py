"""Quotes as features may know them: the newest hour that they were added up over, and the day of hours behind it.

What belongs here: reading market.book_ticker_hours, how old an hour may be and how much of it has to be there. What does not:
the join by time (as_of.py) and the features (quotes_set.py).
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from crypto_assets.datasets.features.ml_features.as_of import KnownRows, newest_known
from crypto_assets.datasets.features.ml_features.dex_pools import closes_of, moment_of
from crypto_assets.datasets.features.source import Source, floats, times
from crypto_assets.datasets.market.book_ticker_hours.table import book_ticker_hours
from crypto_assets.indicators.declaration import Floats, Times
from crypto_assets.quality.coverage import SeriesKey

QUOTE_COLUMNS = (
    "quote_spread", "quote_spread_day_mean", "quote_imbalance", "quote_changes_per_minute", "quote_volatility",
    "quote_stale_share",
)  # fmt: skip
# Spreads and volatility follow the hours of the day: what ended more than two hours ago tells of another time.
QUOTE_MAX_AGE = timedelta(hours=2)
DAY_HOURS = 24
# A mean of a day that lacks half of it is one of an evening or of a morning.
LEAST_HOURS = 12
# Of an hour's seconds so many have to be fresh, and compared, for it to tell of prices.
LEAST_SHARE = 0.5
_HOUR = timedelta(hours=1)
_TOLD = (
    "seconds", "stale_seconds", "expected_seconds", "compared_seconds", "quote_changes", "spread_bps_mean", "imbalance_mean",
    "realized_volatility",
)  # fmt: skip


def quotes_known(source: Source, key: SeriesKey, start: datetime, end: datetime) -> list[KnownRows]:
    """The newest hour of the market's quotes at the close of each bar. Known at that close.

    Basis points twice, -1..1, changes a minute, a fraction over an hour, a share.
    """
    grid = closes_of(key.timeframe, start, end)
    if not source.holds(book_ticker_hours, key.venue) or not grid.count:
        return []
    first, last = moment_of(grid.first), moment_of(grid.first + (grid.count - 1) * grid.step)
    c = book_ticker_hours.c
    reach = QUOTE_MAX_AGE + (DAY_HOURS + 1) * _HOUR
    within = (c.opened_at >= first - reach) & (c.opened_at < last) & (c.known_at <= last)
    rows = source.rows(
        book_ticker_hours,
        ("opened_at", "known_at", *_TOLD),
        (c.venue == key.venue) & (c.symbol == key.symbol) & within,
        ("opened_at",),
    )
    opened = times(rows, "opened_at")
    if not len(opened):
        return []
    told = hours_told(opened, {name: floats(rows, name) for name in _TOLD})
    at = newest_known(grid.times, times(rows, "known_at"), opened, QUOTE_MAX_AGE)
    columns = {name: np.where(at >= 0, values[np.maximum(at, 0)], np.nan) for name, values in told.items()}
    return [KnownRows(grid.times, grid.times, columns)]


def hours_told(opened: Times, sums: dict[str, Floats]) -> dict[str, Floats]:
    """What each hour tells; NaN where too little of it is there. Pure.

    Args:
        opened: Beginnings of the hours, ascending, each once.
        sums: Columns of market.book_ticker_hours, one value an hour.
    """
    is_enough = sums["seconds"] >= LEAST_SHARE * sums["expected_seconds"]
    compared = sums["compared_seconds"]
    is_compared = is_enough & (compared >= LEAST_SHARE * sums["expected_seconds"])
    spread = np.where(is_enough, sums["spread_bps_mean"], np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        changes = np.where(is_compared, sums["quote_changes"] / compared * 60, np.nan)
        whole_hour = np.sqrt(sums["expected_seconds"] / compared)
        stored = sums["seconds"] + sums["stale_seconds"]
        stale = np.where(stored > 0, sums["stale_seconds"] / stored, np.nan)
        volatility = np.where(is_compared, sums["realized_volatility"] * whole_hour, np.nan)
    imbalance = np.where(is_enough, sums["imbalance_mean"], np.nan)
    values = (spread, _day_mean(opened, spread), imbalance, changes, volatility, stale)
    return dict(zip(QUOTE_COLUMNS, values, strict=True))


def _day_mean(opened: Times, values: Floats) -> Floats:
    """For each hour the mean of what is known of it and the 23 before; NaN where that is less than half a day."""
    place = opened.astype("datetime64[h]").astype(np.int64)
    place -= place[0]
    laid = np.full(int(place[-1]) + DAY_HOURS, np.nan)
    laid[place + DAY_HOURS - 1] = values
    total, known = np.zeros(len(place)), np.zeros(len(place))
    for back in range(DAY_HOURS):  # no running sum: its digits would depend on where the run began
        before = laid[place + DAY_HOURS - 1 - back]
        known += np.isfinite(before)
        total += np.nan_to_num(before)
    return np.where(known >= LEAST_HOURS, total / np.maximum(known, 1), np.nan)
