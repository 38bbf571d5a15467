"""What the venues' formats have in common: the request, the answer, and the way to bars and books.

What belongs here: types and the two or three lines each format would repeat. What does not: pages of trades
(trade_pages.py) and anything of one venue.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.sandbox.bars import COLUMNS, BarColumns
from crypto_assets.sandbox.books import Book, Side
from crypto_assets.sandbox.faults import ON_BARS, Fault, spoil_bars, spoil_book
from crypto_assets.sandbox.pools import NO_POOLS, POOL_VENUES, PoolSource
from crypto_assets.sandbox.tickers import Traded, book_after, day_traded
from crypto_assets.sandbox.trades import MarketSource

FAR_MS = 4_102_444_800_000  # 2100: behind every clock
_WHOLE = re.compile(r"-?\d{1,19}")


class UnreadableNumberError(CryptoAssetsError):
    """A query parameter that is no whole number.

    Args:
        parameter: Its name.
    """

    def __init__(self, parameter: str) -> None:
        super().__init__(f"Parameter {parameter} is no whole number", way_out="Send digits.")
        self.parameter = parameter


@dataclass(frozen=True)
class Reply:
    """An answer before it is written.

    Args:
        payload: What becomes JSON.
        rows: The list of rows inside the payload (bars, trades, tickers), for faults that strike rows; None where there
            are none.
        now_ms: The venue's clock, for the Date header.
        weight: What the request counts for in the venue's budget.
        text: What is written in place of JSON, as XML; None for JSON.
        content_type: Of the text.
    """

    payload: object
    now_ms: int
    status: int = 200
    rows: list[object] | None = None
    weight: int = 1
    text: str | None = None
    content_type: str = "application/json"


@dataclass(frozen=True)
class Offers:
    """Best bid and best ask as text, "0" where there is none."""

    bid: str
    bid_amount: str
    ask: str
    ask_amount: str


@dataclass(frozen=True)
class Asked:
    """A request to a venue: path and query, the sources, the faults that strike it, the seed of books.

    Args:
        body: What was posted, read as JSON; None for a plain request.
        clock: The present, epoch milliseconds, for what has no market.
        host: Which of the format's hosts was asked.
    """

    venue: str
    path: str
    query: Mapping[str, str]
    source: MarketSource
    faults: Sequence[Fault] = field(default_factory=tuple)
    seed: int = 0
    pools: PoolSource = NO_POOLS
    body: object = None
    clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    host: str = ""

    def now(self, symbol: str | None = None) -> int:
        """The venue's clock."""
        if self.venue in POOL_VENUES:
            return self.pools.now_ms()
        return self.source.now_ms(self.venue, symbol)

    def bars(self, symbol: str, length_ms: int, start_ms: int, end_ms: int) -> BarColumns:
        """Bars opening in [start, end), spoilt by the faults that concern bars."""
        return self._spoilt(self.source.bars(self.venue, symbol, length_ms, start_ms, end_ms), symbol, length_ms)

    def first_bars(self, symbol: str, length_ms: int, span: tuple[int, int], limit: int) -> BarColumns:
        """The first `limit` bars opening in span, a [start, end) in ms, however far behind its start they are."""
        start, end = span[0], min(span[1], self.now(symbol) + 1)
        reach = limit * length_ms
        while True:
            found = self.source.bars(self.venue, symbol, length_ms, start, min(start + reach, end))
            if len(found) >= limit or start + reach >= end:
                return self._spoilt(found.take(slice(0, limit)), symbol, length_ms)
            reach *= 4

    def last_bars(self, symbol: str, length_ms: int, span: tuple[int, int], limit: int) -> BarColumns:
        """The last `limit` bars opening in span, a [start, end) in ms, the one still open included."""
        start, end = span[0], min(span[1], self.now(symbol) + 1)
        reach = limit * length_ms
        while True:
            found = self.source.bars(self.venue, symbol, length_ms, max(start, end - reach), end)
            if len(found) >= limit or end - reach <= start:
                return self._spoilt(found.take(slice(max(0, len(found) - limit), None)), symbol, length_ms)
            reach *= 4

    def book(self, symbol: str) -> Book:
        """The order book, spoilt by the faults that concern books."""
        day = day_traded(self.source, self.venue, symbol)
        return spoil_book(book_after(day, (self.seed, self.venue, symbol)), self.faults)

    def ticker(self, symbol: str) -> tuple[Traded, Offers]:
        """The last 24 hours and the best offers."""
        day = day_traded(self.source, self.venue, symbol)
        book = book_after(day, (self.seed, self.venue, symbol))
        best = [levels(side, 1) or [("0", "0")] for side in (book.bids, book.asks)]
        return day, Offers(*best[0][0], *best[1][0])

    def number(self, name: str, default: int, digits: int = 15) -> int:
        """A query parameter as a whole number of at most so many digits.

        Raises:
            UnreadableNumberError: it is none.
        """
        text = self.query.get(name)
        if text is None:
            return default
        if not _WHOLE.fullmatch(text) or len(text.lstrip("-")) > digits:
            raise UnreadableNumberError(name)
        return int(text)

    def page_limit(self, default: int, most: int) -> int:
        """The parameter `limit`, between 1 and what the venue serves: venues cut what is more, without a word."""
        return max(1, min(most, self.number("limit", default)))

    def find_symbol(self, market_id: str, id_of: Callable[[str], str]) -> str | None:
        """The unified symbol whose venue id this is."""
        return next((symbol for symbol in self.source.symbols(self.venue) if id_of(symbol) == market_id), None)

    def _spoilt(self, found: BarColumns, symbol: str, length_ms: int) -> BarColumns:
        struck = [fault for fault in self.faults if fault.kind in ON_BARS]
        return spoil_bars(found, struck, self.now(symbol), length_ms) if struck else found


class VenueFormat(Protocol):
    """One venue: its hosts and how it answers."""

    @property
    def venue(self) -> str:
        """ccxt id."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """Hosts of its REST addresses."""

    @property
    def used_weight_header(self) -> str | None:
        """The header that tells the weight used in the running minute, where the venue has one."""

    def answer(self, asked: Asked) -> Reply | None:
        """The answer, or None where there is no such path."""

    def error(self, status: int) -> object:
        """The body of an error of that status, in the venue's words."""

    def bad_parameter(self, name: str, now_ms: int) -> Reply:
        """The answer to a parameter that is no number."""


def split(symbol: str) -> tuple[str, str]:
    """Base and quote of a unified symbol."""
    base, quote = symbol.split(":", maxsplit=1)[0].split("/")
    return base, quote


def texts(bars: BarColumns) -> dict[str, list[str]]:
    """Each column but the count as text."""
    return {name: format_numbers(bars.values[name]) for name in COLUMNS[:-1]}


def levels(side: Side, most: int) -> list[tuple[str, str]]:
    """Price and amount of a side's best levels as text, best first."""
    best = side.best(most)
    return list(zip(format_numbers(best.prices), format_numbers(best.amounts), strict=True))


def counts(bars: BarColumns) -> list[int]:
    """The number of trades of each bar."""
    found: list[int] = bars.values["trade_count"].astype(np.int64).tolist()
    return found


def format_numbers(column: NDArray[np.float64]) -> list[str]:
    """Numbers as venues write them: the shortest text that reads back the same, no exponent."""
    # Arrow formats three times as fast as Python; within this range it writes no exponent.
    if (((column >= 1e-4) & (column < 1e9)) | (column == 0)).all():
        # Handed over as a buffer: pa.array() would import pandas first, for seconds, to see whether it got a frame.
        buffer = pa.py_buffer(np.ascontiguousarray(column, dtype=np.float64))
        written: list[str] = (
            pa.Array.from_buffers(pa.float64(), len(column), [None, buffer]).cast(pa.string()).to_pylist()
        )
        return written
    return [np.format_float_positional(number, trim="-") for number in column.tolist()]


def format_number(number: float) -> str:
    """One number as venues write it."""
    return format_numbers(np.array([number]))[0]
