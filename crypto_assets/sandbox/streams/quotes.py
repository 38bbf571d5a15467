"""Best prices of the made-up market: the k-th quote of a market, without state, cheap enough for tens of thousands a second.

What belongs here: quotes as a function of (seed, venue, symbol, k), and the venue's number of each. What does not: how a venue
writes them (binance.py, gate.py, mexc.py), and when they are sent (session.py).

A market's quotes have numbers k = 0, 1, 2, … since 1970; at a rate of r a second the k-th is sent at second k / r. The middle
goes in a straight line from a minute's first price to its last, with a small jitter each second, so that it stays beside the
minute's bar. Eight seconds of one minute in thirty lie half a percent off, which another venue's quotes do not: an arbitrage;
eight seconds of another minute in thirty offer little.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from crypto_assets.sandbox.market import VENUE_SIGMA, coin_prices, price_decimals
from crypto_assets.sandbox.noise import key_of, noise

DEFAULT_RATE = 5.0  # quotes a second of each market
STEP = 7  # of the numbers that venues give to states of the book: most states leave the best prices alone
OFFSET = 3
AMOUNT_DECIMALS = 5
_BLOCK = 64  # minutes whose prices are made in one go
_TYPICAL_VALUE = 6000.0  # dollars at a best price
_WIDEST_SPREAD = 2e-4  # of the price
_JITTER = 1e-4
_DISLOCATION = 5e-3
_EVERY_MINUTES = 30
_GOLDEN = 0x9E3779B97F4A7C15
_MASK = 2**64 - 1


class MadeQuote(NamedTuple):
    """Best prices (quote currency) and quantities (base currency) as decimal text."""

    bid_price: str
    bid_quantity: str
    ask_price: str
    ask_quantity: str


class _Second(NamedTuple):
    """What the quotes of one second of a market are drawn from.

    Args:
        key: Of the dice.
        prices: Eight pairs of bid and ask.
        quantities: 32 pairs of quantities, those of even numbers and those of odd ones.
    """

    key: int
    prices: Sequence[tuple[str, str]]
    quantities: Sequence[str]


def sequence_of(k: int) -> int:
    """The venue's number of the k-th quote."""
    return k * STEP + OFFSET


def k_of(sequence: int) -> int:
    """Which quote a venue's number belongs to."""
    return (sequence - OFFSET) // STEP


def latest_k(at: float, rate: float = DEFAULT_RATE) -> int:
    """The quote that is current at a moment, seconds since 1970."""
    return math.floor(at * rate)


def made_quote(seed: int, venue: str, symbol: str, k: int, rate: float = DEFAULT_RATE) -> MadeQuote:
    """The k-th quote of a market; it differs from the one before, and its bid is below its ask. Pure.

    Args:
        symbol: The unified one.
        rate: Quotes a second, which says when the k-th is.
    """
    second = _second(seed, venue, symbol, int(k / rate))
    dice = (k * _GOLDEN ^ second.key) >> 40
    # The last bit of k is in the quantities, so that neighbours differ whatever the dice say.
    odd = k & 1
    bid, ask = second.prices[dice & 7]
    quantities = second.quantities
    return MadeQuote(bid, quantities[(dice >> 2) & 62 | odd], ask, quantities[(dice >> 8) & 62 | odd])


@lru_cache(maxsize=16_384)
def _second(seed: int, venue: str, symbol: str, second: int) -> _Second:
    minute, within = divmod(second, 60)
    prices = _prices(seed, venue, symbol, minute // _BLOCK)
    first, last = prices[minute % _BLOCK], prices[minute % _BLOCK + 1]
    key = key_of(seed, venue, symbol, "quotes")
    dice = _mixed(key, second)
    jitter = _JITTER * ((dice & 1023) / 511.5 - 1)
    price = (first + (last - first) * within / 60) * (1 + jitter)
    weather = _mixed(key + 1, minute)
    if 20 <= within < 28 and weather % _EVERY_MINUTES == 0:
        price *= 1 + (_DISLOCATION if weather & 1024 else -_DISLOCATION)
    thin = 40 <= within < 48 and weather % _EVERY_MINUTES == 1
    decimals = price_decimals(symbol)
    middle = max(1000, round(price * 10**decimals))
    spread = 1 + (dice >> 10) % max(1, int(middle * _WIDEST_SPREAD))
    bids = [_decimal(middle - spread // 2 - down, decimals) for down in range(4)]
    asks = [_decimal(middle - spread // 2 - down + spread, decimals) for down in range(-1, 4)]
    pairs = [(bids[which >> 1], asks[(which >> 1) + 1 - (which & 1)]) for which in range(8)]
    return _Second(key, pairs, _quantities(seed, symbol, minute, thin))


@lru_cache(maxsize=8192)
def _quantities(seed: int, symbol: str, minute: int, thin: bool) -> Sequence[str]:
    usd = float(coin_prices(seed, symbol.split("/", maxsplit=1)[0], np.array([minute]))[0])
    lots = int(_TYPICAL_VALUE / usd * 10**AMOUNT_DECIMALS) // (50 if thin else 1)
    units = [2 * (lots * (32 + 2 * which) // 128 + 1) for which in range(32)]
    return [_decimal(one + odd, AMOUNT_DECIMALS) for one in units for odd in (0, 1)]


def _decimal(units: int, decimals: int) -> str:
    text = str(units).zfill(decimals + 1)
    return f"{text[:-decimals]}.{text[-decimals:]}" if decimals else text


def _mixed(key: int, number: int) -> int:
    """48 bits that look random."""
    x = (key ^ number * _GOLDEN) & _MASK
    x = ((x ^ (x >> 31)) * 0xBF58476D1CE4E5B9) & _MASK
    return x >> 16


@lru_cache(maxsize=8192)
def _prices(seed: int, venue: str, symbol: str, block: int) -> tuple[float, ...]:
    """The first prices of a block's minutes, and of the minute after: those that the market's bars open with."""
    base, quote = symbol.split(":", maxsplit=1)[0].split("/")
    minutes = np.arange(block * _BLOCK, (block + 1) * _BLOCK + 1, dtype=np.int64)
    ratio = coin_prices(seed, base, minutes) / coin_prices(seed, quote, minutes)
    apart = noise(key_of(seed, venue, symbol), minutes, 16) * VENUE_SIGMA * 4
    return tuple((ratio * np.exp(apart)).tolist())
