"""Gaps between exchanges that were open before a decision, as inputs.

What belongs here: adding up market.arbitrage_opportunities by the hour in which they became known, and telling "none was seen"
from "nobody listened". What does not: finding gaps (stream/).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    FromClause,
    Select,
    cast,
    exists,
    func,
    literal_column,
    select,
    union_all,
)

from crypto_assets.datasets.features.source import floats, times
from crypto_assets.datasets.market.arbitrage_opportunities.table import BELIEVABLE_PCT, arbitrage_opportunities
from crypto_assets.datasets.market.book_ticker_hours.table import book_ticker_hours
from crypto_assets.datasets.models.hours import hours_of
from crypto_assets.datasets.models.opportunity import ARBITRAGE_INPUTS
from crypto_assets.datasets.models.stored_rows import split
from crypto_assets.forecasting.frame import Floats, Rows, SeriesName
from crypto_assets.schema.storage import archived_partitions

DAY = 24
# The sums of an hour of quotes are made some minutes after it, so that the newest ones known may be of the hour before.
_LISTENED_WITHIN = 2
# Of a day's hours so many must have been listened to for "none" to mean none.
_LEAST_HOURS = 12


@dataclass(frozen=True)
class Gaps:
    """One market's hours with a gap, ascending; k of them.

    Args:
        hours: Ends of the hours in which the gaps became known (k,).
        seconds: In which one was open, with the market at either end, float64 (k,).
        best_pct: The greatest net gain, percent, float64 (k,).
    """

    hours: Rows
    seconds: Floats
    best_pct: Floats


NO_GAPS = Gaps(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))


def gaps_statement(then: FromClause) -> Select[*tuple[object, ...]]:
    """Seconds and best gain of each venue, symbol and hour, from rows of market.arbitrage_opportunities.

    Gaps wider than is believable are left out: coins cannot be carried there, and one would stand for the best of its day.
    """
    c = then.c
    hour = cast(func.ceil(func.extract("epoch", c.known_at) / literal_column("3600")), BigInteger).label("hour")
    told = (c.symbol, c.snapshot_at, c.net_pct, hour)
    believable = c.gross_pct <= literal_column(str(BELIEVABLE_PCT), Float)
    ends = union_all(
        select(c.buy_venue.label("venue"), *told).where(believable),
        select(c.sell_venue.label("venue"), *told).where(believable),
    ).subquery("ends")
    seconds = cast(func.count(ends.c.snapshot_at.distinct()), Float(53)).label("seconds")
    return select(
        ends.c.venue, ends.c.symbol, ends.c.hour, seconds, func.max(ends.c.net_pct).label("best_pct")
    ).group_by(ends.c.venue, ends.c.symbol, ends.c.hour)


def gaps_of(rows: pa.Table) -> dict[SeriesName, Gaps]:
    """The statement's rows by market."""
    hours, seconds, best = floats(rows, "hour").astype(np.int64), floats(rows, "seconds"), floats(rows, "best_pct")
    found = {}
    for name, positions in split(rows, "venue", "symbol"):
        at = positions[np.argsort(hours[positions], kind="stable")]
        found[name] = Gaps(hours[at], seconds[at], best[at])
    return found


def gaps_are_kept() -> ColumnElement[bool]:
    """Whether the gaps of an hour of market.book_ticker_hours are in their table: hours stay, and days of gaps go.

    Of a day that retention took out nobody can say that none was seen, so that nobody counts as having listened then.
    """
    a = archived_partitions.c
    day = func.date_trunc("day", book_ticker_hours.c.opened_at, "UTC")
    is_away = (a.table_name == arbitrage_opportunities.fullname) & (a.outcome != "restored") & (a.starts_at == day)
    return ~exists().where(is_away)


def listened_of(rows: pa.Table) -> dict[SeriesName, Rows]:
    """Ends of the hours in which somebody listened to a market, from rows of market.book_ticker_hours with fresh quotes."""
    known = hours_of(times(rows, "known_at") - np.timedelta64(1, "us")) + 1
    ends = np.maximum(hours_of(times(rows, "opened_at")) + 1, known)
    return {name: np.unique(ends[at]) for name, at in split(rows, "venue", "symbol")}


def arbitrage_inputs(gaps: Gaps, listened: Rows, hours: Rows) -> Mapping[str, Floats]:
    """Gaps of the last hour and of the last 24, for each decision. Pure.

    Args:
        gaps: With those of a day before the first decision.
        listened: Ends of hours that were listened to.
        hours: Of the decisions, ascending (n,).

    Returns:
        By name of ARBITRAGE_INPUTS, float64 (n,): logarithm of 1 and the seconds, percent. 0 where somebody listened and saw
        none; NaN where nobody listened.
    """
    if not len(hours):
        return {name: np.zeros(0) for name in ARBITRAGE_INPUTS}
    if not len(gaps.hours) and not len(listened):
        return {name: np.full(len(hours), np.nan) for name in ARBITRAGE_INPUTS}
    first, last = int(hours[0]) - DAY, int(hours[-1])
    place = hours - first
    seconds, best = _dense(gaps.hours, gaps.seconds, first, last), _dense(gaps.hours, gaps.best_pct, first, last)
    heard = _dense(listened, np.ones(len(listened)), first, last)
    is_heard = {1: _total(heard, _LISTENED_WITHIN + 1)[place] > 0, DAY: _total(heard, DAY)[place] >= _LEAST_HOURS}
    total = {span: _total(seconds, span)[place] for span in (1, DAY)}
    most = {1: best[place], DAY: _greatest(best, DAY)[place]}
    told = (
        *(np.where((total[span] > 0) | is_heard[span], np.log1p(total[span]), np.nan) for span in (1, DAY)),
        *(np.where((total[span] > 0) | is_heard[span], most[span], np.nan) for span in (1, DAY)),
    )
    return dict(zip(ARBITRAGE_INPUTS, told, strict=True))


def _dense(hours: Rows, values: Floats, first: int, last: int) -> Floats:
    dense = np.zeros(last - first + 1)
    inside = (hours >= first) & (hours <= last)
    dense[hours[inside] - first] = values[inside]
    return dense


def _total(counts: Floats, span: int) -> Floats:
    """For each place the sum of the last `span`, this one included; of whole numbers, so that running sums are exact."""
    running = np.cumsum(counts)
    running[span:] -= running[:-span].copy()
    return running


def _greatest(values: Floats, span: int) -> Floats:
    """For each place the greatest of the last `span`, this one included, none of which is below 0."""
    padded = np.concatenate([np.zeros(span - 1), values])
    most: Floats = np.lib.stride_tricks.sliding_window_view(padded, span).max(axis=1)
    return most


__all__ = ["DAY", "NO_GAPS", "Gaps", "arbitrage_inputs", "gaps_are_kept", "gaps_of", "gaps_statement", "listened_of"]
