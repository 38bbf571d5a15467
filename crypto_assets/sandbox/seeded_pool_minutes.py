"""The minutes of a made-up pool: how often it traded, for how much, and at which prices.

What belongs here: a pool's minutes and coarser bars as a function of (seed, pool, minute). What does not: the trades of a
minute (seeded_pool_trades.py), which pools there are (seeded_pool_list.py).

Only minutes with trades are there. A minute opens at the close of the one before that had trades, as GeckoTerminal's bars
do; its high and low are the extremes of that open and of its trades. Volumes are whole millionths of a dollar, so that
they add up exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from crypto_assets.sandbox.bars import NO_BARS, BarColumns, aggregate, join
from crypto_assets.sandbox.market import STABLE, coin_prices
from crypto_assets.sandbox.noise import key_of, noise, uniform
from crypto_assets.sandbox.seeded_pool_list import SeededPool

MINUTE_MS, DAY_MINUTES = 60_000, 1440
BLOCK_MINUTES, LONG_BLOCK_MINUTES = 8 * DAY_MINUTES, 64 * DAY_MINUTES
MICROS = 1e6
MOST_TRADES = 1000  # in a minute
_SCALES = (4, 32, 256, 2048, 16_384, 131_072)  # minutes
_SIGMA = 0.0025  # of a minute
_LEAST_MICROS = 10_000  # a trade is worth a cent

type Integers = NDArray[np.int64]
type Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Minutes:
    """Minutes with trades, ascending, columns of equal length; volume in millionths of a dollar."""

    minute: Integers
    count: Integers
    volume: Integers
    open: Numbers
    high: Numbers
    low: Numbers
    close: Numbers

    def __len__(self) -> int:
        return len(self.minute)

    def between(self, first: int, last: int) -> Minutes:
        """Those of [first, last)."""
        low, high = np.searchsorted(self.minute, (first, last))
        return self.take(slice(int(low), int(high)))

    def take(self, chosen: slice) -> Minutes:
        """The chosen ones."""
        return Minutes(
            self.minute[chosen],
            self.count[chosen],
            self.volume[chosen],
            self.open[chosen],
            self.high[chosen],
            self.low[chosen],
            self.close[chosen],
        )

    def followed_by(self, later: Minutes) -> Minutes:
        """These and then those."""
        return _joined([self, later])

    def bars(self) -> BarColumns:
        """As bars of a minute; both volume columns hold millionths of a dollar."""
        volume = self.volume.astype(np.float64)
        return BarColumns(
            self.minute * MINUTE_MS,
            {
                "open": self.open,
                "high": self.high,
                "low": self.low,
                "close": self.close,
                "volume_base": volume,
                "volume_quote": volume,
                "trade_count": self.count.astype(np.float64),
            },
        )


class PoolMinutes:
    """The minutes of all pools of a seed, the last ones used kept at hand."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._block = lru_cache(maxsize=512)(self._compute)  # 0.2 MB for a pool that trades now and then
        self._coarse = lru_cache(maxsize=8192)(self._aggregate)
        self._coins = lru_cache(maxsize=64)(self._coin_block)  # 0.7 MB, which all pools of a coin share

    def between(self, pool: SeededPool, first: int, last: int) -> Minutes:
        """The pool's minutes with trades in [first, last)."""
        first, last = max(first, pool.first_minute), min(last, pool.last_minute)
        if first >= last:
            return _NO_MINUTES
        blocks = range(first // BLOCK_MINUTES, (last - 1) // BLOCK_MINUTES + 1)
        return _joined([self._block(pool, block) for block in blocks]).between(first, last)

    def last_bars(
        self, pool: SeededPool, length: int, span: tuple[int, int], limit: int, running: Minutes
    ) -> BarColumns:
        """The last bars that open before a minute; volumes are millionths of a dollar.

        Args:
            length: Minutes, a divisor of a day.
            span: That minute, and the one in which the clock stands.
            running: The minutes up to the clock of the block in which it stands.
        """
        size = block_minutes(length)
        before, now_block = span[0], span[1] // size
        found: list[BarColumns] = []
        block, count = min(now_block, (before - 1) // size), 0
        oldest = pool.first_minute // size
        while block >= oldest and count < limit:
            is_running = block == now_block
            bars = aggregate(running.bars(), length * MINUTE_MS) if is_running else self._coarse(pool, length, block)
            if len(bars) and bars.opened_at_ms[-1] >= before * MINUTE_MS:
                bars = bars.take(bars.opened_at_ms < before * MINUTE_MS)
            found.append(bars)
            count += len(bars)
            block -= 1
        bars = join(found[::-1]) if found else NO_BARS
        return bars.take(slice(max(0, len(bars) - limit), None))

    def totals(self, pool: SeededPool, first: int, last: int) -> tuple[int, int]:
        """How many trades [first, last) had, and their worth in millionths of a dollar; quicker than the minutes."""
        minute, count = _activity(pool, max(first, pool.first_minute), min(last, pool.last_minute))
        return int(count.sum()), int(_volumes(pool, minute, count).sum())

    def price(self, pool: SeededPool, minute: int) -> float:
        """What the base token costs at a minute, dollars."""
        return float(self._prices(pool, np.array([minute]))[0])

    def coin(self, coin: str, minutes: Integers) -> Numbers:
        """Dollars for a coin of the made-up market at ascending minutes."""
        if not len(minutes):
            return np.empty(0)
        first, last = int(minutes[0]) // LONG_BLOCK_MINUTES, int(minutes[-1]) // LONG_BLOCK_MINUTES
        blocks = [self._coins(coin, block) for block in range(first, last + 1)]
        every = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
        return every[minutes - first * LONG_BLOCK_MINUTES]

    def _compute(self, pool: SeededPool, block: int) -> Minutes:
        return self._make(pool, block * BLOCK_MINUTES, (block + 1) * BLOCK_MINUTES)

    def _make(self, pool: SeededPool, first: int, last: int) -> Minutes:
        """The minutes of [first, last) as they are once all are over."""
        first, last = max(first, pool.first_minute), min(last, pool.last_minute)
        if first >= last:
            return _NO_MINUTES
        minute, count = _activity(pool, first, last)
        if not len(minute):
            return _NO_MINUTES
        close = self._prices(pool, minute)
        before = _last_active(pool, first)
        opened = np.concatenate([[close[0] if before is None else self.price(pool, before)], close[:-1]])
        up, down = (uniform(key_of(pool.key, name), minute) for name in ("up", "down"))
        high, low = np.maximum(opened, close), np.minimum(opened, close)
        # A minute of one trade has that one's price only, one of two an extreme on one side, and so on.
        high = np.where(count >= 2, high * (1 + 0.01 * up**3), high)
        low = np.where(count >= 3, low * (1 - 0.01 * down**3), low)
        return Minutes(minute, count, _volumes(pool, minute, count), opened, high, low, close)

    def _prices(self, pool: SeededPool, minutes: Integers) -> Numbers:
        """Dollars for the base token at ascending minutes."""
        level = pool.level_usd if pool.base_coin is None else self.coin(pool.base_coin, minutes)
        return level * _basis(pool, minutes)

    def _coin_block(self, coin: str, block: int) -> Numbers:
        minutes = np.arange(block * LONG_BLOCK_MINUTES, (block + 1) * LONG_BLOCK_MINUTES, dtype=np.int64)
        if coin in STABLE:  # held near a dollar
            held: Numbers = np.exp(0.0004 * noise(key_of(self._seed, coin, "peg"), minutes, 90))
            return held
        return coin_prices(self._seed, coin, minutes)

    def _aggregate(self, pool: SeededPool, length: int, block: int) -> BarColumns:
        size = block_minutes(length)
        is_long = size > BLOCK_MINUTES  # too long to be kept as minutes
        minutes = self._make(pool, block * size, (block + 1) * size) if is_long else self._block(pool, block)
        return aggregate(minutes.bars(), length * MINUTE_MS)


def block_minutes(length: int) -> int:
    """How many minutes are made in one go for bars of so many minutes: coarse bars want many. Pure."""
    return BLOCK_MINUTES if length < 4 * 60 else LONG_BLOCK_MINUTES


_NONE, _NOTHING = np.empty(0, np.int64), np.empty(0)
_NO_MINUTES = Minutes(_NONE, _NONE, _NONE, _NOTHING, _NOTHING, _NOTHING, _NOTHING)


def _joined(parts: list[Minutes]) -> Minutes:
    if len(parts) == 1:
        return parts[0]
    return Minutes(
        np.concatenate([part.minute for part in parts]),
        np.concatenate([part.count for part in parts]),
        np.concatenate([part.volume for part in parts]),
        np.concatenate([part.open for part in parts]),
        np.concatenate([part.high for part in parts]),
        np.concatenate([part.low for part in parts]),
        np.concatenate([part.close for part in parts]),
    )


def _activity(pool: SeededPool, first: int, last: int) -> tuple[Integers, Integers]:
    """The minutes of [first, last) with trades, and how many each has. Pure."""
    if first >= last:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    hours = np.arange(first // 60, (last - 1) // 60 + 1, dtype=np.int64)
    rate = pool.hourly_trades / 60 * _liveliness(pool, hours)
    share = rate / (1 + rate)  # of a geometric law with that mean: most minutes of most pools are quiet
    minutes = np.arange(first, last, dtype=np.int64)
    hour = minutes // 60 - hours[0]
    dice = uniform(key_of(pool.key, "count"), minutes)
    places = np.flatnonzero(dice < share[hour])
    counts = np.zeros(len(minutes), dtype=np.int64)
    drawn = np.floor(np.log(dice[places] + 1e-18) / np.log(share[hour[places]]))
    counts[places] = np.clip(drawn, 1, MOST_TRADES // 2).astype(np.int64)
    if pool.bursts:
        _add_bursts(pool, hours, first, counts)
    busy = np.flatnonzero(counts)
    return minutes[busy], counts[busy]


def _volumes(pool: SeededPool, minute: Integers, count: Integers) -> Integers:
    """What the trades of each minute are worth, millionths of a dollar. Pure."""
    size = uniform(key_of(pool.key, "size"), minute)
    volume = np.floor(count * pool.trade_usd * np.exp(3 * (size - 0.7)) * MICROS).astype(np.int64)
    at_least: Integers = np.maximum(volume, count * _LEAST_MICROS)
    return at_least


def _liveliness(pool: SeededPool, hours: Integers) -> Numbers:
    """How much more than usual it trades in each hour: days and hours differ, some hours are dead, a new pool fades."""
    days = hours // 24
    per_day = uniform(key_of(pool.key, "day"), np.arange(days[0], days[-1] + 1, dtype=np.int64))[days - days[0]]
    per_hour = uniform(key_of(pool.key, "hour"), hours)
    lively: Numbers = np.exp(1.2 * (per_day - 0.6) + 1.6 * (per_hour - 0.6)) * np.where(per_hour < 0.1, 0.05, 1.0)
    if pool.fading_minutes:
        lively = lively * np.exp(-np.maximum(0, hours * 60 - pool.first_minute) / pool.fading_minutes)
    return lively


def _add_bursts(pool: SeededPool, hours: Integers, first: int, counts: Integers) -> None:
    """About twice a day, two minutes with hundreds of trades each."""
    dice = uniform(key_of(pool.key, "burst"), hours)
    struck = dice < 1 / 12
    starts = hours[struck] * 60 + (dice[struck] * 12 * 58).astype(np.int64)
    sizes = 180 + (300 * uniform(key_of(pool.key, "burst size"), starts)).astype(np.int64)
    for shift in (0, 1):
        places = starts + shift - first
        fits = (places >= 0) & (places < len(counts))
        counts[places[fits]] = sizes[fits]


def _last_active(pool: SeededPool, minute: int) -> int | None:
    """The last minute with trades before this one, or None. Pure."""
    reach = DAY_MINUTES
    while minute > pool.first_minute:
        first = max(pool.first_minute, minute - reach)
        found, _ = _activity(pool, first, minute)
        if len(found):
            return int(found[-1])
        minute, reach = first, reach * 4
    return None


def _basis(pool: SeededPool, minutes: Integers) -> Numbers:
    """How the base token's price differs from the coin's that it follows, or from its level. Pure."""
    first, last = int(minutes[0]), int(minutes[-1])
    every = np.arange(first, last + 1, dtype=np.int64)
    walk: Numbers = np.zeros(len(every))
    if pool.base_coin is not None:
        walk += 0.0006 * noise(pool.key, every, 16)
    else:
        for scale in _SCALES:
            walk += _SIGMA * scale**0.5 * noise(key_of(pool.key, "price", scale), every, scale)
    walk = walk[minutes - first]
    if pool.fading_minutes:  # up at first, then down to a hundredth when nobody trades any more
        life = (minutes - pool.first_minute) / (pool.last_minute - pool.first_minute)
        walk = walk + 4 * life * (1 - life) - 4.6 * life**2
    basis: Numbers = np.exp(walk)
    return basis
