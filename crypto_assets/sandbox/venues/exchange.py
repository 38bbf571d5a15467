"""What the venues' formats have in common: the request, the answer, and the way to bars.

What belongs here: types and the two or three lines each format would repeat. What does not: anything of one venue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from crypto_assets.sandbox.bars import COLUMNS, BarColumns, BarSource
from crypto_assets.sandbox.faults import ON_BARS, Fault, spoil_bars


@dataclass(frozen=True)
class Reply:
    """An answer before it is written.

    Args:
        payload: What becomes JSON.
        rows: The list of bar rows inside the payload, for faults that strike rows; None where there are no bars.
        now_ms: The venue's clock, for the Date header.
    """

    payload: object
    now_ms: int
    status: int = 200
    rows: list[object] | None = None


@dataclass(frozen=True)
class Asked:
    """A request to a venue: path and query, the source of bars, the faults that strike it."""

    venue: str
    path: str
    query: Mapping[str, str]
    source: BarSource
    faults: Sequence[Fault] = field(default_factory=tuple)

    def now(self, symbol: str | None = None) -> int:
        """The venue's clock."""
        return self.source.now_ms(self.venue, symbol)

    def bars(self, symbol: str, length_ms: int, start_ms: int, end_ms: int) -> BarColumns:
        """Bars opening in [start, end), spoilt by the faults that concern bars."""
        found = self.source.bars(self.venue, symbol, length_ms, start_ms, end_ms)
        struck = [fault for fault in self.faults if fault.kind in ON_BARS]
        return spoil_bars(found, struck, self.now(symbol), length_ms) if struck else found

    def number(self, name: str, default: int) -> int:
        """A query parameter as a whole number."""
        try:
            return int(float(self.query.get(name, default)))
        except ValueError:
            return default

    def find_symbol(self, market_id: str, id_of: Callable[[str], str]) -> str | None:
        """The unified symbol whose venue id this is."""
        return next((symbol for symbol in self.source.symbols(self.venue) if id_of(symbol) == market_id), None)


class VenueFormat(Protocol):
    """One venue: its hosts and how it answers."""

    @property
    def venue(self) -> str:
        """ccxt id."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """Hosts of its REST addresses."""

    def answer(self, asked: Asked) -> Reply | None:
        """The answer, or None where there is no such path."""

    def error(self, status: int) -> object:
        """The body of an error of that status, in the venue's words."""


def split(symbol: str) -> tuple[str, str]:
    """Base and quote of a unified symbol."""
    base, quote = symbol.split(":", maxsplit=1)[0].split("/")
    return base, quote


def texts(bars: BarColumns) -> dict[str, list[str]]:
    """Each column as the shortest decimal text that reads back the same."""
    return {name: [format_number(value) for value in bars.values[name].tolist()] for name in COLUMNS}


def format_number(value: float) -> str:
    """A number as venues write it: no exponent."""
    text = repr(value)
    return f"{value:.12f}".rstrip("0").rstrip(".") if "e" in text else text
