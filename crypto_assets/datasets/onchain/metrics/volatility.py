"""How much a currency's price moved in a week, from our own daily closes.

What belongs here: choosing closes, and the formula. What does not: collecting bars (datasets/market/ohlcv).

The standard deviation (of a sample, so divided by n - 1) of the last seven daily log returns, times the root of 365: markets
of currencies trade every day of the year.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
from sqlalchemy import extract, or_, select, tuple_

from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.datasets.onchain.metrics.declaration import OWN_BARS
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

RETURNS = 7
DAYS_A_YEAR = 365
DOLLARS = ("USD", "USDT", "USDC")
# At which hour the bar opens whose close is the day's.
_LAST_OPENS: Mapping[str, int] = {"1d": 0, "1h": 23}
_DAY = timedelta(days=1)

type Closes = Mapping[date, float]


def weekly_volatility(closes: Closes, day: date) -> float | None:
    """The volatility of the seven days up to `day`, a year; None where one of the eight closes is not there. Pure."""
    found = [closes.get(day - _DAY * back) for back in range(RETURNS, -1, -1)]
    if any(close is None or close <= 0 for close in found):
        return None
    returns = np.diff(np.log(np.array(found, dtype=np.float64)))
    return float(np.std(returns, ddof=1) * np.sqrt(DAYS_A_YEAR))


def volatilities(
    warehouse: Warehouse, universe: Universe, asset: str, days: Sequence[date]
) -> Iterator[tuple[str, list[tuple[date, float]]]]:
    """Volatilities of days, market by market in the universe's order, first by daily bars and then by hourly ones: each
    market only for those days that none before it had.

    Args:
        days: Not empty.

    Yields:
        A row's source, and the days with their values.
    """
    open_days = sorted(days)
    markets = dollar_markets(universe, asset)
    closes = daily_closes(warehouse, markets, open_days[0] - RETURNS * _DAY, open_days[-1])
    for timeframe in _LAST_OPENS:
        for venue, symbol in markets:
            own = closes.get((venue, symbol, timeframe))
            if not own:
                continue
            told = [(day, weekly_volatility(own, day)) for day in open_days]
            known = [(day, value) for day, value in told if value is not None]
            if known:
                yield f"{OWN_BARS} {venue} {symbol} {timeframe}", known
            open_days = [day for day, value in told if value is None]


def dollar_markets(universe: Universe, asset: str) -> list[tuple[str, str]]:
    """Venue and symbol of the markets in which an asset is traded for dollars, in the universe's order. Pure."""
    return [
        (venue, market.symbol)
        for venue, entry in universe.venues.items()
        for market in entry.markets
        if market.symbol in {f"{asset}/{quote}" for quote in DOLLARS}
    ]


def daily_closes(
    warehouse: Warehouse, markets: Sequence[tuple[str, str]], first: date, last: date
) -> dict[tuple[str, str, str], dict[date, float]]:
    """The last price of each day from `first` to `last`, by venue, symbol and timeframe, where the bar that ends the day is
    stored.
    """
    c = ohlcv.c
    hour = extract("hour", c.opened_at)
    ends_a_day = or_(*((c.timeframe == timeframe) & (hour == at) for timeframe, at in _LAST_OPENS.items()))
    start = datetime.combine(first, time(), tzinfo=UTC)
    end = datetime.combine(last, time(), tzinfo=UTC) + _DAY
    chosen = select(c.venue, c.symbol, c.timeframe, c.opened_at, c.close).where(
        tuple_(c.venue, c.symbol).in_(markets), ends_a_day, c.opened_at >= start, c.opened_at < end
    )
    found: dict[tuple[str, str, str], dict[date, float]] = {}
    for row in read_frame(warehouse, chosen).to_dict("records"):
        key = (row["venue"], row["symbol"], row["timeframe"])
        found.setdefault(key, {})[row["opened_at"].date()] = float(row["close"])
    return found


__all__ = ["RETURNS", "daily_closes", "dollar_markets", "volatilities", "weekly_volatility"]
