"""How the markets stand at one second: what snapshots are made of and analytics look at.

What belongs here: the types that the stream's parts hand each other. What does not: taking a snapshot (snapshots.py), storing
(writer.py) and judging (analytics.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crypto_assets.clients.book_tickers.quote import Quote

type MarketName = tuple[str, str]  # venue and symbol, both as ccxt has them


@dataclass(frozen=True, slots=True)
class Standing:
    """One market at one second.

    Args:
        quote: The newest one that had come by then.
        age_ms: How long before that second it was so; never below 0.
        is_stale: Too old, or its market has no connection: not to be traded on.
    """

    venue: str
    quote: Quote
    age_ms: int
    is_stale: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All markets at one second.

    Args:
        at: The second, microseconds since 1970, UTC; a multiple of the grid's step.
        taken_at: When it was really taken, likewise.
        standings: Of the markets that ever had a quote.
        absent: Those that never had one.
    """

    at: int
    taken_at: int
    standings: Sequence[Standing]
    absent: Sequence[MarketName]


@dataclass(frozen=True, slots=True)
class Lines:
    """Rows of one second for one table, in the text format of COPY.

    Args:
        at: The second, microseconds since 1970, UTC.
        table: Its full name, as market.book_ticker_snapshots; the writer knows its columns.
        rows: How many.
        text: Lines as COPY reads them, each ended by a line feed; the columns in the order of the table's writer.
    """

    at: int
    table: str
    rows: int
    text: bytes
