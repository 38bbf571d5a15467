"""A made-up market that can answer any minute of any year without state.

What belongs here: prices and volumes as a function of (seed, venue, symbol, minute). What does not: a venue's format.

The logarithm of a coin's price is a sum of smooth value noises, one for each time scale from a minute to a year, each as
large as a random walk would be over that time. A market's price is base over quote; a venue adds a few basis points.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from crypto_assets.sandbox.bars import NO_BARS, BarColumns, aggregate, join

MINUTE_MS = 60_000
LISTED_MS = 1_548_133_413_000
LEVELS_USD = {
    "BTC": 90_000.0,
    "XBT": 90_000.0,
    "ETH": 3_200.0,
    "SOL": 150.0,
    "XRP": 2.2,
    "ADA": 0.7,
    "DOGE": 0.2,
    "BNB": 850.0,
    "LTC": 95.0,
    "LINK": 17.0,
    "TRX": 0.3,
    "AVAX": 25.0,
    "DOT": 5.0,
    "XMR": 320.0,
    "MATIC": 0.5,
}
STABLE = frozenset({"USD", "USDT", "USDC", "FDUSD", "DAI"})
SCALES_MINUTES = (1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144)
MINUTE_SIGMA = 0.00045
VENUE_SIGMA = 0.00015
BLOCK_MINUTES = 64 * 1440
DEFAULT_MARKETS: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(
        ("binance", "mexc", "gate", "okx"),
        ("BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT", "ADA/USDT", "DOGE/USDT", "ETH/BTC"),
    ),
    **dict.fromkeys(
        ("kraken", "coinbase", "binanceus"), ("BTC/USD", "ETH/USD", "SOL/USD", "XRP/USD", "ADA/USD", "BTC/USDT")
    ),
    "binanceusdm": ("BTC/USDT:USDT", "ETH/USDT:USDT", "XRP/USDT:USDT"),
}

type Clock = Callable[[], int]


class SeededMarket:
    """Bars from a seed.

    Args:
        seed: Another seed is another market.
        clock: Reads the present, epoch milliseconds.
        markets: Unified symbols by venue.
    """

    def __init__(self, seed: int, clock: Clock, markets: Mapping[str, Sequence[str]] = DEFAULT_MARKETS) -> None:
        self._seed = seed
        self._clock = clock
        self._markets = markets
        self._block = lru_cache(maxsize=512)(self._compute)  # at most 64 kB each

    def symbols(self, venue: str) -> Sequence[str]:
        """Unified symbols of the venue's markets."""
        return self._markets.get(venue, ())

    def listed_ms(self, venue: str, symbol: str) -> int:  # noqa: ARG002 - all markets alike
        """Early 2019, for every market."""
        return LISTED_MS

    def now_ms(self, venue: str, symbol: str | None) -> int:  # noqa: ARG002 - one clock for all
        """The present, epoch milliseconds."""
        return self._clock()

    def bars(self, venue: str, symbol: str, length_ms: int, start_ms: int, end_ms: int) -> BarColumns:
        """Bars opening in [start, end), up to the one still open, which holds the minutes that have begun."""
        now = self._clock()
        opens_last = now - now % length_ms
        first = -(-start_ms // length_ms) * length_ms
        last = min(-(-end_ms // length_ms) * length_ms, opens_last + length_ms)
        if first >= last:
            return NO_BARS
        span = _block_ms(length_ms)
        blocks = [self._block(venue, symbol, length_ms, at) for at in range(first - first % span, last, span)]
        if last > opens_last and length_ms > MINUTE_MS:
            begun = now - now % MINUTE_MS + MINUTE_MS
            closed = _between(blocks, first, opens_last)
            return join([closed, aggregate(_minutes(self._seed, venue, symbol, opens_last, begun), length_ms)])
        return _between(blocks, first, last)

    def _compute(self, venue: str, symbol: str, length_ms: int, first_ms: int) -> BarColumns:
        """A block of bars as they are once all are closed: a stretch that every request for it can share."""
        minutes = _minutes(self._seed, venue, symbol, first_ms, first_ms + _block_ms(length_ms))
        return aggregate(minutes, length_ms)


def _block_ms(length_ms: int) -> int:
    """Length of a block: few enough minutes to be made in one go, few enough bars to be kept."""
    return max(4, min(1024, BLOCK_MINUTES * MINUTE_MS // length_ms)) * length_ms


def _between(blocks: Sequence[BarColumns], first_ms: int, last_ms: int) -> BarColumns:
    bars = join(blocks)
    low, high = np.searchsorted(bars.opened_at_ms, (first_ms, last_ms))
    return bars.take(slice(int(low), int(high)))


def _minutes(seed: int, venue: str, symbol: str, first_ms: int, last_ms: int) -> BarColumns:
    minutes = np.arange(first_ms // MINUTE_MS, last_ms // MINUTE_MS, dtype=np.int64)
    edges = np.append(minutes, minutes[-1:] + 1)
    base, quote = symbol.split(":", maxsplit=1)[0].split("/")
    level = _level(base) / _level(quote)
    walk = (
        _coin(seed, base, edges)
        - _coin(seed, quote, edges)
        + _noise(_key(seed, venue, symbol), edges, 16) * VENUE_SIGMA * 4
    )
    decimals = max(0, 5 - math.floor(math.log10(level)))
    price = np.round(level * np.exp(walk), decimals)
    opened, close = price[:-1], price[1:]
    wick_up, wick_down, size, trades = (
        _uniform(_key(seed, venue, symbol, name), minutes) for name in ("up", "down", "size", "trades")
    )
    body_high, body_low = np.maximum(opened, close), np.minimum(opened, close)
    high = np.maximum(body_high, np.round(body_high * (1 + wick_up * MINUTE_SIGMA), decimals))
    low = np.minimum(body_low, np.round(body_low * (1 - wick_down * MINUTE_SIGMA), decimals))
    # Value per minute: lognormal, twice as much in the afternoon (UTC) as at night.
    cycle = 1.5 + 0.5 * np.sin((minutes % 1440) / 1440 * 2 * np.pi - 2.2)
    value_usd = 40_000 * cycle * np.exp(2.4 * (size - 0.5))
    volume = np.round(value_usd / (close * _level(quote)), 5)
    return BarColumns(
        minutes * MINUTE_MS,
        {
            "open": opened,
            "high": high,
            "low": low,
            "close": close,
            "volume_base": volume,
            "volume_quote": np.round(volume * (opened + close) / 2, 5),
            "trade_count": np.floor(10 + 200 * trades * cycle),
        },
    )


def _level(coin: str) -> float:
    if coin in STABLE:
        return 1.0
    return LEVELS_USD.get(coin) or float(10 ** (4 * (_key(0, coin) % 10_000) / 10_000 - 2))


def _coin(seed: int, coin: str, minutes: NDArray[np.int64]) -> NDArray[np.float64]:
    if coin in STABLE:
        return np.zeros(len(minutes))
    total = np.zeros(len(minutes))
    for scale in SCALES_MINUTES:
        total += MINUTE_SIGMA * math.sqrt(scale) * _noise(_key(seed, coin, str(scale)), minutes, scale)
    return total


def _noise(key: int, minutes: NDArray[np.int64], scale: int) -> NDArray[np.float64]:
    """Smooth noise in -1..1 for successive minutes; its knots are `scale` minutes apart."""
    if scale == 1:
        return 2 * _uniform(key, minutes) - 1
    first, last = int(minutes[0]) // scale, int(minutes[-1]) // scale
    # Mixing bits costs most of the time, so each knot is mixed once and not once a minute.
    knots = _uniform(key, np.arange(first, last + 2, dtype=np.int64))
    left, rise = knots[:-1], np.diff(knots)
    if scale <= len(minutes):  # whole stretches between knots, cut afterwards: half the arithmetic
        whole = left[:, None] + rise[:, None] * _smooth(np.arange(scale), scale)
        between = whole.ravel()[minutes[0] - first * scale :][: len(minutes)]
    else:
        index = minutes // scale - first
        between = left[index] + rise[index] * _smooth(minutes % scale, scale)
    noise: NDArray[np.float64] = 2 * between - 1
    return noise


def _smooth(minutes: NDArray[np.int64], scale: int) -> NDArray[np.float64]:
    """From 0 to 1 over `scale` minutes, level at both ends."""
    part = minutes / scale
    smooth: NDArray[np.float64] = part * part * (3 - 2 * part)
    return smooth


def _uniform(key: int, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """A number in 0..1 for each integer: the finaliser of splitmix64, which mixes every bit."""
    x = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(key)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x ^ (x >> np.uint64(31))).astype(np.float64) / 2**64


@lru_cache(maxsize=4096)
def _key(*parts: object) -> int:
    return int.from_bytes(hashlib.sha256("|".join(map(str, parts)).encode()).digest()[:8], "big")
