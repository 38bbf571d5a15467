"""An order book as a venue sent it: levels checked, every digit kept, and what they say together.

What belongs here: reading levels, the rules of a book, its metrics as pure functions. What does not: asking the venue
(exchange_books.py) and storing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from crypto_assets.clients.exchange_bars import Key
from crypto_assets.clients.trade_rows import positive_text

# A level at just 10 bps is within 10 bps on both sides, whichever way its quotient was rounded.
_ROUNDING = 1e-12

type Level = tuple[str, str]
type Floats = NDArray[np.float64]


class BookRefused(ValueError):
    """Levels that are no order book: which rule they break."""


@dataclass(frozen=True)
class Levels:
    """Both sides, best price first; price in the quote currency and amount in the base currency, as decimal texts."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


@dataclass(frozen=True)
class BookMetrics:
    """What a book says, its prices in the quote currency.

    Args:
        mid: Middle between the best prices.
        spread_bps: Distance of the best prices, in hundredths of a percent of the middle.
        imbalance: (bids - asks) / (bids + asks) of the values within 50 bps of the middle, -1..1.
        microprice: The best prices weighted with the other side's best amount: it leans to the side about to be used up.
        bid_depth_quote: Value of all bids kept.
        ask_depth_quote: Value of all asks kept.
        bid_depth_10bps_quote: Value of bids within 10 bps below the middle, and so on.
    """

    mid: float
    spread_bps: float
    imbalance: float
    microprice: float
    bid_depth_quote: float
    ask_depth_quote: float
    bid_depth_10bps_quote: float
    ask_depth_10bps_quote: float
    bid_depth_50bps_quote: float
    ask_depth_50bps_quote: float


def read_levels(bids: Sequence[object], asks: Sequence[object], price: Key, amount: Key, depth: int) -> Levels:
    """Levels of both sides, no more than `depth` of each. Pure.

    Args:
        price: Where a level keeps its price, a position or a name.
        amount: Where it keeps its amount. Levels without amount are left out: some venues send emptied ones.

    Raises:
        BookRefused: a level that is none, prices out of order, or sides that cross.
    """
    levels = Levels(*(_side(side, price, amount)[:depth] for side in (bids, asks)))
    check_levels(levels)
    return levels


def check_levels(levels: Levels) -> None:
    """Let only a book pass whose sides are there, in order and apart.

    Raises:
        BookRefused: naming the rule.
    """
    bids, asks = ([Decimal(price) for price, _ in side] for side in (levels.bids, levels.asks))
    if not bids or not asks:
        raise BookRefused("a side is empty")
    if any(one <= other for one, other in pairwise(bids)):
        raise BookRefused("bids do not fall")
    if any(one >= other for one, other in pairwise(asks)):
        raise BookRefused("asks do not rise")
    if bids[0] >= asks[0]:
        raise BookRefused("best bid is not below best ask")


def measure(levels: Levels) -> BookMetrics:
    """What the levels say together. Pure; the levels have passed `check_levels`."""
    bid, bid_amount = _columns(levels.bids)
    ask, ask_amount = _columns(levels.asks)
    mid = (bid[0] + ask[0]) / 2
    best = bid_amount[0] + ask_amount[0]
    within = {bps: (_value(bid, bid_amount, mid, bps), _value(ask, ask_amount, mid, bps)) for bps in (10, 50)}
    near = sum(within[50])
    return BookMetrics(
        mid=float(mid),
        spread_bps=float((ask[0] - bid[0]) / mid * 1e4),
        imbalance=float((within[50][0] - within[50][1]) / near) if near > 0 else 0.0,
        microprice=float((bid[0] * ask_amount[0] + ask[0] * bid_amount[0]) / best),
        bid_depth_quote=float(bid @ bid_amount),
        ask_depth_quote=float(ask @ ask_amount),
        bid_depth_10bps_quote=within[10][0],
        ask_depth_10bps_quote=within[10][1],
        bid_depth_50bps_quote=within[50][0],
        ask_depth_50bps_quote=within[50][1],
    )


def _side(side: Sequence[object], price: Key, amount: Key) -> tuple[Level, ...]:
    found = []
    for level in side:
        try:
            cells = _cells(level)
            if Decimal(str(cells[amount])) == 0:
                continue
            found.append((positive_text(cells[price], "price"), positive_text(cells[amount], "amount")))
        except (TypeError, ValueError, KeyError, ArithmeticError) as error:
            raise BookRefused(f"unreadable level: {str(error)[:120]}") from None
    return tuple(found)


def _cells(level: object) -> Mapping[Key, object]:
    if isinstance(level, dict):
        return level
    if isinstance(level, (list, tuple)):
        return dict(enumerate(level))
    raise TypeError("a level is neither a list nor an object")  # of a text, "52", the positions would be numbers


def _columns(side: Sequence[Level]) -> tuple[Floats, Floats]:
    numbers = np.array(side, dtype=np.float64)
    return numbers[:, 0], numbers[:, 1]


def _value(price: Floats, amount: Floats, mid: float, bps: int) -> float:
    near = np.abs(price / mid - 1) <= bps / 1e4 + _ROUNDING
    return float(price[near] @ amount[near])
