"""Order books for consumers: one book with its levels and what they say, or the measures of many.

What belongs here: reading market.order_books for use. What does not: storing (asset.py), the rules and metrics of a book
(clients/book_rows.py) and printing (cli).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import pandas as pd
from sqlalchemy import select

from crypto_assets.clients.book_rows import BookMetrics, BookRefused, Level, Levels, check_levels, measure
from crypto_assets.datasets.market.order_books.table import order_books
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

_BOOK = """
SELECT snapshot_at, bids, asks, sequence, venue_at, source FROM market.order_books
 WHERE venue = %s AND symbol = %s AND (%s::timestamptz IS NULL OR snapshot_at < %s)
 ORDER BY snapshot_at DESC LIMIT 1
"""
_MEASURES = ("snapshot_at", "mid", "microprice", "spread_bps", "imbalance", "bid_depth_quote", "ask_depth_quote")


class BookUnreadable(CryptoAssetsError):
    """A stored book breaks the rules of one; only writing past the package can have done so."""


@dataclass(frozen=True)
class StoredBook:
    """One snapshot. Times are UTC.

    Args:
        snapshot_at: When the answer had come, by our clock.
        levels: Best first, as decimal texts with every digit that was stored.
        metrics: Measured from the levels, not read.
        sequence: The venue's number of the book's state; None where it has none.
        venue_at: When the venue says that the book stood so; None where it does not.
        source: Provider and how it was asked.
    """

    snapshot_at: datetime
    levels: Levels
    metrics: BookMetrics
    sequence: int | None
    venue_at: datetime | None
    source: str


def newest_book(warehouse: Warehouse, venue: str, symbol: str, before: datetime | None = None) -> StoredBook | None:
    """The newest snapshot of a market, or the newest before a moment; None where there is none.

    Raises:
        BookUnreadable: what is stored is no book.
        DatabaseUnreachable, NotMigrated: as for `Warehouse.connect`.
    """
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_BOOK, (venue, symbol, before, before))
        row = cursor.fetchone()
    if row is None:
        return None
    snapshot_at, bids, asks, sequence, venue_at, source = row
    moment = snapshot_at.astimezone(UTC)
    try:
        levels = levels_of(bids, asks)
    except BookRefused as error:
        raise BookUnreadable(
            f"The book of {venue} {symbol} at {moment:%Y-%m-%d %H:%M:%S} is none: {error}",
            way_out="Delete that row; audit.revisions keeps it.",
        ) from None
    return StoredBook(
        moment, levels, measure(levels), sequence, venue_at.astimezone(UTC) if venue_at else None, str(source)
    )


def recent_measures(
    warehouse: Warehouse, venue: str, symbol: str, most: int, until: datetime | None = None
) -> pd.DataFrame:
    """Measures of the last `most` snapshots of a market, oldest first, without their levels.

    Args:
        until: Snapshots of this moment and before; None for all.

    Returns:
        snapshot_at (UTC), mid, microprice (quote currency), spread_bps, imbalance (-1..1), bid_depth_quote, ask_depth_quote.

    Raises:
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    c = order_books.c
    chosen = select(*(c[name] for name in _MEASURES)).where(c.venue == venue, c.symbol == symbol)
    if until is not None:
        chosen = chosen.where(c.snapshot_at <= until)
    newest = read_frame(warehouse, chosen.order_by(c.snapshot_at.desc()).limit(most))
    return newest.iloc[::-1].reset_index(drop=True)


def levels_of(bids: Sequence[Sequence[Decimal]], asks: Sequence[Sequence[Decimal]]) -> Levels:
    """Levels from the numbers as the database gives them, no digit lost. Pure.

    Raises:
        BookRefused: an empty side, a level that is no pair, prices out of order, or sides that cross.
    """
    levels = Levels(_side(bids), _side(asks))
    check_levels(levels)
    return levels


def _side(side: Sequence[Sequence[Decimal]]) -> tuple[Level, ...]:
    if any(len(level) != 2 for level in side):
        raise BookRefused("a level is no pair")
    return tuple((format(level[0], "f"), format(level[1], "f")) for level in side)


__all__ = ["BookUnreadable", "StoredBook", "levels_of", "newest_book", "recent_measures"]
