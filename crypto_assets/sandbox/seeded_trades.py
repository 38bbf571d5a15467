"""The trades of a made-up minute: they add up to its bar exactly.

What belongs here: the path of prices within a minute, its lots, times, sides and ids. What does not: the bars themselves
(market.py), how trades are asked for (trades.py), a venue's format.

A minute has six groups of trades, one price each: open, halfway to the first extreme, that extreme, halfway to the other,
the other, close. A bar that rises meets its low first, another its high. Each group has a fixed share of the volume, so
that the bar's quote volume is known without making a single trade. All sums are of whole units (0.00001 of the base, one
tick of the price), so that they are exact and the same whatever span is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crypto_assets.sandbox.bars import BarColumns
from crypto_assets.sandbox.noise import key_of, uniform
from crypto_assets.sandbox.trades import NO_TRADES, TradeColumns

MINUTE_MS, DAY_MINUTES = 60_000, 1440
AMOUNT_DECIMALS = 5
PERIOD_MINUTES = 64 * DAY_MINUTES
GROUPS = 6
_UNITS = 10**AMOUNT_DECIMALS
_VOLUME_SHARES = (15 / 128, 23 / 128, 26 / 128, 26 / 128, 26 / 128)  # exact in binary; the last group has the rest
_COUNT_PERCENT = np.array([[15], [30], [50], [70], [90]])  # up to the end of each group; ten trades give each one
_MOST_TRADES = 512  # in a minute

type Integers = NDArray[np.int64]
type Numbers = NDArray[np.float64]


def path_ticks(opened: Numbers, high: Numbers, low: Numbers, close: Numbers, decimals: int) -> Numbers:
    """The six prices of each bar in time order, in whole ticks of 10**-decimals: shape (6, bars). Pure."""
    o, h, lo, c = (np.rint(price * 10.0**decimals) for price in (opened, high, low, close))
    rises = c > o
    first, second = np.where(rises, lo, h), np.where(rises, h, lo)
    return np.stack([o, np.floor((o + first) * 0.5), first, np.floor((h + lo) * 0.5), second, c])


def group_units(volume: Numbers) -> Numbers:
    """The volume of each of the six groups of each bar, in whole units of 0.00001: shape (6, bars). Pure."""
    units = np.rint(volume * _UNITS)
    shares = [np.floor(units * share) for share in _VOLUME_SHARES]
    return np.stack([*shares, units - sum(shares)])


def quote_volume(ticks: Numbers, units: Numbers, decimals: int) -> Numbers:
    """What all trades of each bar cost, quote currency. Pure."""
    cost: Numbers = np.einsum("gm,gm->m", ticks, units) / 10.0 ** (decimals + AMOUNT_DECIMALS)
    return cost


def make_trades(bars: BarColumns, decimals: int, market: tuple[int, str, str], first_id: int) -> TradeColumns:
    """All trades of these minutes, ids from `first_id` on. Pure.

    Args:
        bars: Bars of one minute.
        decimals: Of a price.
        market: Seed, venue and symbol.
    """
    if not len(bars):
        return NO_TRADES
    values = bars.values
    ticks = path_ticks(values["open"], values["high"], values["low"], values["close"], decimals)
    places = _places(bars)
    lots = _lots(places, _whole(group_units(values["volume_base"]).T.ravel()), key_of(*market, "lot"))
    gaps = _gaps(places, key_of(*market, "gap"))
    twins = _twins(places, lots, key_of(*market, "twin"))
    lots[twins] = lots[twins + 1] = (lots[twins] + lots[twins + 1]) // 2
    gaps[twins + 1] = 0
    numbers = np.arange(len(places.minute))
    bunch = np.maximum.accumulate(np.where(gaps > 0, numbers, 0))  # who trades in one go trades on one side
    return TradeColumns(
        first_id + numbers,
        bars.opened_at_ms[places.minute] + _offsets(places, gaps, key_of(*market, "rest")),
        ticks.T.ravel()[places.cell] / 10.0**decimals,
        lots / _UNITS,
        uniform(key_of(*market, "side"), places.key[bunch]) < 0.5,
    )


@dataclass(frozen=True)
class _Places:
    """Where each trade stands: minute (by number), cell (minute * 6 + group), and a key of its own."""

    opened_minutes: Integers
    counts: Integers
    minute: Integers
    cell: Integers
    cell_sizes: Integers
    key: Integers


def _places(bars: BarColumns) -> _Places:
    counts = bars.values["trade_count"].astype(np.int64)
    minute = np.repeat(np.arange(len(bars)), counts)
    place = np.arange(len(minute)) - (np.cumsum(counts) - counts)[minute]
    ends = _COUNT_PERCENT * counts // 100
    cell = minute * GROUPS + (place >= ends[:, minute]).sum(axis=0)
    opened = bars.opened_at_ms // MINUTE_MS
    sizes = np.bincount(cell, minlength=GROUPS * len(bars))
    return _Places(opened, counts, minute, cell, sizes, opened[minute] * _MOST_TRADES + place)


def _lots(places: _Places, units: Integers, key: int) -> Integers:
    """Each cell's units cut into as many lots as it has trades, none empty; a few are far larger than the others."""
    weights = 1 + (4095 * uniform(key, places.key) ** 4).astype(np.int64)
    upto, whole = _upto(weights, places.cell_sizes)
    share = (units - places.cell_sizes)[places.cell] * upto // whole[places.cell]
    before = np.concatenate([[0], share[:-1]])
    before[np.cumsum(places.cell_sizes) - places.cell_sizes] = 0
    lots: Integers = 1 + share - before
    return lots


def _gaps(places: _Places, key: int) -> Integers:
    """How long after the one before each trade comes, in no unit; a third come in the same moment."""
    dice = uniform(key, places.key)
    gaps = np.where(dice < 0.35, 0, 1 + (2047 * ((dice - 0.35) / 0.65) ** 3).astype(np.int64))
    firsts = np.cumsum(places.counts) - places.counts
    gaps[firsts] = np.maximum(gaps[firsts], 1)
    return gaps


def _twins(places: _Places, lots: Integers, key: int) -> Integers:
    """Numbers of trades that are made equal to the next one: now and then, in pairs that share no trade."""
    cell = places.cell
    within = np.arange(len(cell)) - (np.cumsum(places.cell_sizes) - places.cell_sizes)[cell]
    has_next = (cell[:-1] == cell[1:]) & (within[:-1] % 2 == 0) & ((lots[:-1] + lots[1:]) % 2 == 0)
    return np.flatnonzero(has_next & (uniform(key, places.key[:-1]) < 0.04))


def _offsets(places: _Places, gaps: Integers, key: int) -> Integers:
    """Milliseconds since the minute began; the rest of the minute, after the last trade, is of the gaps' kind."""
    upto, whole = _upto(gaps, places.counts)
    rest = 1 + (2047 * uniform(key, places.opened_minutes) ** 3).astype(np.int64)
    offsets: Integers = upto * MINUTE_MS // (whole + rest)[places.minute]
    return offsets


def _upto(weights: Integers, sizes: Integers) -> tuple[Integers, Integers]:
    """Running sums within stretches of these sizes, and each stretch's whole sum."""
    running = np.cumsum(weights)
    ends = np.cumsum(sizes)
    before = np.concatenate([[0], running[ends[:-1] - 1]])
    return running - np.repeat(before, sizes), running[ends - 1] - before


def _whole(numbers: Numbers) -> Integers:
    return np.rint(numbers).astype(np.int64)


class TradeCounts:
    """How many trades a market had before any minute: the counts come again every 64 days, so that a few sums tell all.

    Args:
        counts: The number of trades of each of a market's minutes (minutes since 1970).
        first_minute: Where counting begins.
    """

    def __init__(self, counts: Callable[[str, str, Integers], Numbers], first_minute: int) -> None:
        self._counts = counts
        self._first = first_minute
        self._before_days: dict[tuple[str, str], Integers] = {}

    def before(self, venue: str, symbol: str, minute: int) -> int:
        """How many there were before this minute."""
        return self._since_1970(venue, symbol, minute) - self._since_1970(venue, symbol, self._first)

    def minute_of(self, venue: str, symbol: str, place: int) -> int:
        """The minute of the trade that has so many before it."""
        before_days = self._of_days(venue, symbol)
        periods, left = divmod(place + self._since_1970(venue, symbol, self._first), int(before_days[-1]))
        day = int(np.searchsorted(before_days, left, side="right")) - 1
        running = np.cumsum(self._of_minutes(venue, symbol, day * DAY_MINUTES, (day + 1) * DAY_MINUTES))
        within = int(np.searchsorted(running, left - before_days[day], side="right"))
        return periods * PERIOD_MINUTES + day * DAY_MINUTES + within

    def _since_1970(self, venue: str, symbol: str, minute: int) -> int:
        before_days = self._of_days(venue, symbol)
        periods, left = divmod(minute, PERIOD_MINUTES)
        day = left // DAY_MINUTES
        within = self._of_minutes(venue, symbol, day * DAY_MINUTES, left).sum()
        return int(periods * before_days[-1] + before_days[day] + within)

    def _of_minutes(self, venue: str, symbol: str, first: int, last: int) -> Integers:
        return self._counts(venue, symbol, np.arange(first, last, dtype=np.int64)).astype(np.int64)

    def _of_days(self, venue: str, symbol: str) -> Integers:
        """Trades before each day of a period, and in all of it."""
        if (venue, symbol) not in self._before_days:
            days = self._of_minutes(venue, symbol, 0, PERIOD_MINUTES).reshape(-1, DAY_MINUTES).sum(axis=1)
            self._before_days[venue, symbol] = np.concatenate([[0], np.cumsum(days)])
        return self._before_days[venue, symbol]
