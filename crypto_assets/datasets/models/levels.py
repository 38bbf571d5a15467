"""The quantities that are forecast, as they were known hour by hour: fees, spreads, depths, reserves, closes.

What belongs here: from which table each is read, how old it may be, and bringing observations onto the hour. What does not:
what is made of the hours (inputs.py, parts.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from sqlalchemy import ColumnElement, FromClause, Table, and_, or_, true

from crypto_assets.datasets.dex.pools.table import pools
from crypto_assets.datasets.features.ml_features.as_of import newest_known
from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.datasets.market.order_books.table import order_books
from crypto_assets.datasets.models import gas, liquidity, opportunity
from crypto_assets.datasets.models.hours import HOUR_US, hours_of, times_of
from crypto_assets.datasets.onchain.network_fees.table import ETHEREUM, SERIES, network_fees
from crypto_assets.forecasting.frame import STEP, Floats, Rows, Times

TIMEFRAME = "1h"
_DAY_SECONDS = 86_400.0

type Read = Mapping[str, Floats]


@dataclass(frozen=True)
class LevelSource:
    """Where a quantity is read.

    Args:
        table: With `known_at`.
        domain: Its column that says whose the series is.
        series: Its column that says which one; None where a domain has one series, called `only`.
        observed: Its column of the time that a row speaks of.
        reads: Its columns that are read; times come as seconds since 1970.
        tell: From the columns read and the times observed (seconds) to "level" and further inputs by name.
        counts: Which of its rows count, for the columns of the table or of a selection from it.
        max_age: A level observed longer ago counts as unknown.
        lag: What a row speaks of ends so long after `observed`: a bar is keyed by when it opens.
        only: Name of a domain's one series.
    """

    table: Table
    domain: str
    series: str | None
    observed: str
    reads: tuple[str, ...]
    tell: Callable[[Read, Floats], dict[str, Floats]]
    counts: Callable[[FromClause], ColumnElement[bool]]
    max_age: timedelta
    lag: timedelta = timedelta(0)
    only: str = ""


@dataclass(frozen=True)
class Observations:
    """One series' rows of a quantity, in any order; n of them.

    Args:
        known_at: When each could first be known, datetime64[us] (n,), UTC.
        observed_at: What time each speaks of, datetime64[us] (n,), UTC.
        columns: "level" (n,), positive or NaN, and what else was observed with it.
    """

    known_at: Times
    observed_at: Times
    columns: Mapping[str, Floats]


@dataclass(frozen=True)
class Hourly:
    """One series on a grid of hours without holes; n of them.

    Args:
        first: The first hour.
        observed_at: Of what stands at each hour, datetime64[us] (n,); NaT where nothing is known.
        columns: "level" and the others of `Observations`, as known at each hour; NaN where it is not, or is too old.
    """

    first: int
    observed_at: Times
    columns: Mapping[str, Floats]

    @property
    def level(self) -> Floats:
        """The quantity (n,)."""
        return self.columns["level"]

    def __len__(self) -> int:
        return len(self.observed_at)


def hourly(rows: Observations, first: int, last: int, max_age: timedelta) -> Hourly:
    """What was known at each hour from `first` to `last`, both included: the newest observation known by then. Pure."""
    hours = np.arange(first, last + 1, dtype=np.int64)
    if not len(rows.known_at):
        nothing = {name: np.full(len(hours), np.nan) for name in rows.columns}
        return Hourly(first, np.full(len(hours), np.datetime64("NaT", "us")), nothing)
    times = times_of(hours)
    at = newest_known(times, rows.known_at, rows.observed_at, None)
    place = np.maximum(at, 0)
    observed = rows.observed_at[place]
    is_known = (at >= 0) & (times - observed <= np.timedelta64(max_age // timedelta(microseconds=1), "us"))
    columns = {name: np.where(is_known, values[place], np.nan) for name, values in rows.columns.items()}
    return Hourly(first, np.where(is_known, observed, np.datetime64("NaT", "us")), columns)


def newest_of_hours(rows: Observations) -> Observations:
    """Of the rows that became known within an hour the one that counts at its end: no hour's end can rest on another. Pure."""
    ends = hours_of(rows.known_at - np.timedelta64(1, "us"))
    order = np.lexsort((rows.known_at, rows.observed_at, ends))
    kept = order[np.flatnonzero(np.diff(ends[order], append=np.iinfo(np.int64).max))]
    columns = {name: values[kept] for name, values in rows.columns.items()}
    return Observations(rows.known_at[kept], rows.observed_at[kept], columns)


def changes_ahead(there: Hourly, hours: Rows, horizon: int, last_known: int) -> tuple[Floats, Times]:
    """What came after each decision: the logarithm of the level at the horizon's end over that at the decision. Pure.

    The level at the horizon's end is the newest known then, no older than it may be at a decision; it is never a row that
    becomes known later. The two observations must lie between half the horizon and twice it apart: where nothing was observed
    in between, a level that is merely carried on would read as "no change", and a jump over a hole as the change of an hour.

    Args:
        there: With hours from the first decision to the last one's horizon, as far as they are known.
        hours: Of the decisions (n,).
        horizon: In hours.
        last_known: The last hour that is over: of what ends later, nobody knows yet.

    Returns:
        float64 (n,), NaN where it is not known; and when it could first be known, the horizon's end, datetime64[us] (n,), NaT
        where it is not.
    """
    start, end = hours - there.first, hours - there.first + horizon
    is_over = (end < len(there)) & (hours + horizon <= last_known)
    end = np.where(is_over, end, start)
    apart = (there.observed_at[end] - there.observed_at[start]) / np.timedelta64(HOUR_US, "us")  # NaT becomes NaN
    with np.errstate(invalid="ignore"):
        is_right = is_over & (apart >= horizon / 2) & (apart <= horizon * 2)
        change = np.where(is_right, np.log(there.level[end]) - np.log(there.level[start]), np.nan)
    known_at = np.where(np.isfinite(change), times_of(hours + horizon), np.datetime64("NaT", "us"))
    return change, known_at


def _positive(values: Floats) -> Floats:
    """A quantity of nothing has no logarithm: unknown."""
    return np.where(np.isfinite(values) & (values > 0), values, np.nan)


def _fees(read: Read, _observed: Floats) -> dict[str, Floats]:
    """Where Etherscan stood in for a node it knows the next block's base fee alone, at most an eighth off."""
    base, coming = _positive(read["base_fee_gwei"]), _positive(read["next_base_fee_gwei"])
    low, high = np.log1p(read["priority_fee_p10_gwei"]), np.log1p(read["priority_fee_p90_gwei"])
    told = (
        read["gas_used_ratio"], np.log(coming) - np.log(base), np.log1p(read["priority_fee_p50_gwei"]), high - low,
    )  # fmt: skip
    return {"level": np.where(np.isfinite(base), base, coming), **dict(zip(gas.FEE_INPUTS, told, strict=True))}


def _spread(read: Read, _observed: Floats) -> dict[str, Floats]:
    return {"level": _positive(read["spread_bps"])}


def _depth(read: Read, _observed: Floats) -> dict[str, Floats]:
    return {"level": _positive(read["bid_depth_50bps_quote"] + read["ask_depth_50bps_quote"])}


def _close(read: Read, _observed: Floats) -> dict[str, Floats]:
    return {"level": _positive(read["close"])}


def _reserve(read: Read, observed: Floats) -> dict[str, Floats]:
    reserve = _positive(read["reserve_usd"])
    age_days = np.maximum(observed - read["created_at"], 0) / _DAY_SECONDS
    told = (
        np.log1p(read["volume_usd_1h"] / reserve), np.log1p(read["volume_usd_24h"] / reserve),
        _balance(read["buys_1h"], read["sells_1h"]), _balance(read["buys_24h"], read["sells_24h"]),
        np.log1p(read["buys_24h"] + read["sells_24h"]), read["price_change_pct_1h"] / 100,
        read["price_change_pct_24h"] / 100, np.log1p(age_days),
    )  # fmt: skip
    return {"level": reserve, **dict(zip(liquidity.POOL_INPUTS, told, strict=True))}


def _balance(buys: Floats, sells: Floats) -> Floats:
    """Buys less sells over both; 0 where nobody traded."""
    total = buys + sells
    return np.where(total == 0, 0.0, (buys - sells) / np.where(total == 0, 1, total))


_BOOK_KEYS = (order_books, "venue", "symbol", "snapshot_at")
SOURCES: Mapping[str, LevelSource] = {
    gas.MODEL: LevelSource(
        network_fees, "chain", None, "observed_at",
        (
            "base_fee_gwei", "next_base_fee_gwei", "priority_fee_p10_gwei", "priority_fee_p50_gwei",
            "priority_fee_p90_gwei", "gas_used_ratio",
        ),
        _fees,
        lambda t: and_(
            t.c.chain == ETHEREUM, or_(t.c.base_fee_gwei.is_not(None), t.c.next_base_fee_gwei.is_not(None))
        ),
        gas.MAX_AGE,
        only=SERIES,
    ),
    liquidity.SPREAD: LevelSource(
        *_BOOK_KEYS, ("spread_bps",), _spread, lambda _table: true(), liquidity.BOOK_MAX_AGE
    ),
    liquidity.DEPTH: LevelSource(
        *_BOOK_KEYS, ("bid_depth_50bps_quote", "ask_depth_50bps_quote"), _depth, lambda _table: true(),
        liquidity.BOOK_MAX_AGE,
    ),
    liquidity.RESERVE: LevelSource(
        pools, "network", "pool_address", "snapshot_at",
        (
            "reserve_usd", "volume_usd_1h", "volume_usd_24h", "buys_1h", "sells_1h", "buys_24h", "sells_24h",
            "price_change_pct_1h", "price_change_pct_24h", "created_at",
        ),
        _reserve,
        lambda t: t.c.reserve_usd.is_not(None),
        liquidity.RESERVE_MAX_AGE,
    ),
    # The close of the very bar that closes at the decision: an older one is another hour's price.
    opportunity.MODEL: LevelSource(
        ohlcv, "venue", "symbol", "opened_at", ("close",), _close, lambda t: t.c.timeframe == TIMEFRAME,
        timedelta(0), lag=STEP,
    ),
}  # fmt: skip

__all__ = [
    "SOURCES",
    "TIMEFRAME",
    "Hourly",
    "LevelSource",
    "Observations",
    "changes_ahead",
    "hourly",
    "newest_of_hours",
]
