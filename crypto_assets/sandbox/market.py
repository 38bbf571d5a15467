"""A made-up market that can answer any minute of any year without state.

What belongs here: prices and volumes as a function of (seed, venue, symbol, minute). What does not: how a minute's trades
are made (seeded_trades.py), a venue's format.

The logarithm of a coin's price is a sum of smooth value noises, one for each time scale from a minute to a year, each as
large as a random walk would be over that time. A market's price is base over quote; a venue adds a few basis points.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from crypto_assets.sandbox.bars import NO_BARS, BarColumns, aggregate, join
from crypto_assets.sandbox.noise import key_of, noise, uniform
from crypto_assets.sandbox.seeded_trades import (
    AMOUNT_DECIMALS,
    MINUTE_MS,
    PERIOD_MINUTES,
    TradeCounts,
    group_units,
    make_trades,
    path_ticks,
    quote_volume,
)
from crypto_assets.sandbox.trades import NO_TRADES, TradeColumns

LISTED_MS = 1_548_133_413_000
FIRST_TRADED_MS = -(-LISTED_MS // MINUTE_MS) * MINUTE_MS  # bars reach further back, trades do not
LEVELS_USD = {
    "BTC": 90_000.0,
    "XBT": 90_000.0,
    "ETH": 3_200.0,
    "SOL": 150.0,
    "XRP": 2.2,
    "ADA": 0.7,
    "DOGE": 0.2,
    "BNB": 850.0,
    "PAXG": 4_000.0,
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
STRETCH_MINUTES = 8 * 1440  # made at a time: more leave the processor's cache, which takes a third as long again
DEFAULT_MARKETS: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(
        ("binance", "mexc", "gate", "okx"),
        ("BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT", "ADA/USDT", "DOGE/USDT", "ETH/BTC"),
    ),
    **dict.fromkeys(("coinbase", "binanceus"), ("BTC/USD", "ETH/USD", "SOL/USD", "XRP/USD", "ADA/USD", "BTC/USDT")),
    "kraken": ("BTC/USD", "ETH/USD", "SOL/USD", "XRP/USD", "ADA/USD", "BTC/USDT", "PAXG/USD"),
    "binanceusdm": ("BTC/USDT:USDT", "ETH/USDT:USDT", "XRP/USDT:USDT"),
}

type Clock = Callable[[], int]


class SeededMarket:
    """Bars and trades from a seed.

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
        self._counts = TradeCounts(
            lambda venue, symbol, minutes: _trade_counts(seed, venue, symbol, minutes, _cycle(minutes)),
            FIRST_TRADED_MS // MINUTE_MS,
        )

    def symbols(self, venue: str) -> Sequence[str]:
        """Unified symbols of the venue's markets."""
        return self._markets.get(venue, ())

    def finest_ms(self, venue: str, symbol: str) -> int | None:  # noqa: ARG002 - all markets alike
        """A minute."""
        return MINUTE_MS

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

    def trades(self, venue: str, symbol: str, start_ms: int, end_ms: int) -> TradeColumns:
        """Trades of [start, end), none from after the clock; they add up to the bars of their minutes."""
        first, last = max(start_ms, FIRST_TRADED_MS), min(end_ms, self._clock() + 1)
        if first >= last or symbol not in self.symbols(venue):
            return NO_TRADES
        opened = first - first % MINUTE_MS
        bars = self.bars(venue, symbol, MINUTE_MS, opened, last)
        first_id = self._counts.before(venue, symbol, opened // MINUTE_MS) + 1
        return make_trades(bars, price_decimals(symbol), (self._seed, venue, symbol), first_id).between(first, last)

    def moment_of(self, venue: str, symbol: str, trade_id: int) -> int:
        """When the first trade with this id or a higher one was made, ms; just after the clock where there is none."""
        now = self._clock()
        if now < FIRST_TRADED_MS:
            return now + 1
        minute = self._counts.minute_of(venue, symbol, max(0, trade_id - 1))
        found = self.trades(venue, symbol, minute * MINUTE_MS, (minute + 1) * MINUTE_MS)
        later = found.traded_at_ms[found.trade_id >= trade_id]
        return int(later[0]) if len(later) else now + 1

    def has_recorded_trades(self, venue: str, symbol: str) -> bool:  # noqa: ARG002 - none has
        """None are."""
        return False

    def _compute(self, venue: str, symbol: str, length_ms: int, first_ms: int) -> BarColumns:
        """A block of bars as they are once all are closed: a stretch that every request for it can share."""
        last_ms, stretch = first_ms + _block_ms(length_ms), max(1, STRETCH_MINUTES * MINUTE_MS // length_ms) * length_ms
        made = (
            aggregate(_minutes(self._seed, venue, symbol, at, min(at + stretch, last_ms)), length_ms)
            for at in range(first_ms, last_ms, stretch)
        )
        return join(list(made))


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
    base, quote = _coins(symbol)
    level = _level(base) / _level(quote)
    walk = (
        _coin(seed, base, edges)
        - _coin(seed, quote, edges)
        + noise(key_of(seed, venue, symbol), edges, 16) * VENUE_SIGMA * 4
    )
    decimals = price_decimals(symbol)
    price = np.round(level * np.exp(walk), decimals)
    opened, close = price[:-1], price[1:]
    wick_up, wick_down, size = (uniform(key_of(seed, venue, symbol, name), minutes) for name in ("up", "down", "size"))
    body_high, body_low = np.maximum(opened, close), np.minimum(opened, close)
    high = np.maximum(body_high, np.round(body_high * (1 + wick_up * MINUTE_SIGMA), decimals))
    low = np.minimum(body_low, np.round(body_low * (1 - wick_down * MINUTE_SIGMA), decimals))
    # Value per minute: lognormal, twice as much in the afternoon (UTC) as at night.
    cycle = _cycle(minutes)
    value_usd = 40_000 * cycle * np.exp(2.4 * (size - 0.5))
    volume = np.round(value_usd / (close * _level(quote)), AMOUNT_DECIMALS)
    ticks = path_ticks(opened, high, low, close, decimals)
    return BarColumns(
        minutes * MINUTE_MS,
        {
            "open": opened,
            "high": high,
            "low": low,
            "close": close,
            "volume_base": volume,
            "volume_quote": quote_volume(ticks, group_units(volume), decimals),
            "trade_count": _trade_counts(seed, venue, symbol, minutes, cycle),
        },
    )


def _trade_counts(
    seed: int, venue: str, symbol: str, minutes: NDArray[np.int64], cycle: NDArray[np.float64]
) -> NDArray[np.float64]:
    """At least ten a minute, more when more is traded; the same again after a period, which makes them quick to sum up."""
    return np.floor(10 + 200 * uniform(key_of(seed, venue, symbol, "trades"), minutes % PERIOD_MINUTES) * cycle)


def _cycle(minutes: NDArray[np.int64]) -> NDArray[np.float64]:
    cycle: NDArray[np.float64] = 1.5 + 0.5 * np.sin((minutes % 1440) / 1440 * 2 * np.pi - 2.2)
    return cycle


def _coins(symbol: str) -> tuple[str, str]:
    base, quote = symbol.split(":", maxsplit=1)[0].split("/")
    return base, quote


def price_decimals(symbol: str) -> int:
    """Of a price: about six digits."""
    base, quote = _coins(symbol)
    return max(0, 5 - math.floor(math.log10(_level(base) / _level(quote))))


def coin_prices(seed: int, coin: str, minutes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Dollars for a coin at successive minutes (since 1970), as every venue's prices follow them. Pure."""
    prices: NDArray[np.float64] = _level(coin) * np.exp(_coin(seed, coin, minutes))
    return prices


def _level(coin: str) -> float:
    if coin in STABLE:
        return 1.0
    return LEVELS_USD.get(coin) or float(10 ** (4 * (key_of(0, coin) % 10_000) / 10_000 - 2))


def _coin(seed: int, coin: str, minutes: NDArray[np.int64]) -> NDArray[np.float64]:
    if coin in STABLE:
        return np.zeros(len(minutes))
    total = np.zeros(len(minutes))
    for scale in SCALES_MINUTES:
        total += MINUTE_SIGMA * math.sqrt(scale) * noise(key_of(seed, coin, str(scale)), minutes, scale)
    return total
