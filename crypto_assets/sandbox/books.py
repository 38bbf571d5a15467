"""Order books around the last price: made up, without state, the same for the same millisecond.

What belongs here: the levels and their sizes. What does not: the last price (tickers.py), a venue's format.

The spread and the distances between levels are those of a second, sizes those of a level and a second, so that two books of
one second differ only by what was traded between them. The sequence number is the clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crypto_assets.sandbox.noise import key_of, uniform

LEVELS = 500  # a side
_WIDEST_SPREAD = 4e-4  # of the price


@dataclass(frozen=True)
class Side:
    """Levels of one side, best first: prices (quote currency), amounts (base currency), numbers of orders."""

    prices: NDArray[np.float64]
    amounts: NDArray[np.float64]
    orders: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.prices)

    def best(self, levels: int) -> Side:
        """The first so many levels."""
        return Side(self.prices[:levels], self.amounts[:levels], self.orders[:levels])


@dataclass(frozen=True)
class Book:
    """An order book at a moment.

    Args:
        now_ms: The venue's clock.
        sequence: Rises with the clock.
        tick: The smallest step of a price.
    """

    now_ms: int
    sequence: int
    tick: float
    bids: Side
    asks: Side


NO_LEVELS = Side(np.empty(0), np.empty(0), np.empty(0, np.int64))


def make_book(market: tuple[int, str, str], now_ms: int, last: float | None, typical_amount: float) -> Book:
    """The book of a market: bids at or below the last price, asks above it. Pure.

    Args:
        market: Seed, venue and symbol.
        last: The last traded price; None where nothing was ever traded, which makes an empty book.
        typical_amount: About what a level holds, base currency.
    """
    if last is None:
        return Book(now_ms, now_ms, 1.0, NO_LEVELS, NO_LEVELS)
    decimals = max(0, 5 - math.floor(math.log10(last)))
    second = now_ms // 1000
    middle = math.floor(round(last * 10**decimals, 3))
    wide, lean = uniform(key_of(*market, "spread"), np.array([2 * second, 2 * second + 1]))
    width = 0.2 + 0.8 * float(uniform(key_of(*market, "width"), np.zeros(1, np.int64))[0])
    widest = max(1, round(middle * _WIDEST_SPREAD * width))
    spread = 1 + int(wide * widest)
    best_bid = middle - int(lean * spread)
    return Book(
        now_ms,
        now_ms,
        10.0**-decimals,
        _side(best_bid, -1, market, second, decimals, typical_amount),
        _side(best_bid + spread, 1, market, second, decimals, typical_amount),
    )


def _side(best: int, step: int, market: tuple[int, str, str], second: int, decimals: int, typical: float) -> Side:
    numbers = np.arange(LEVELS, dtype=np.int64)
    # Further out the levels are further apart, and hold more.
    gaps = 1 + np.floor(uniform(key_of(*market, "gap", step), second * LEVELS + numbers) * (1 + numbers / 8)).astype(
        int
    )
    ticks = best + step * (np.cumsum(gaps) - gaps[0])
    ticks = ticks[ticks > 0]
    dice = uniform(key_of(*market, "size", step, second), ticks)
    depth = 1 + numbers[: len(ticks)] / 50
    amounts = np.maximum(np.round(typical * depth * np.exp(4 * (dice - 0.7)), 5), 0.00001)
    return Side(ticks / 10.0**decimals, amounts, 1 + np.floor(dice * dice * 12).astype(np.int64))
