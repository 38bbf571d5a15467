"""market.book_ticker_snapshots: the table, its key, and the columns that a snapshot brings.

What belongs here: columns and key; others read snapshots through this module alone. What does not: taking and storing them
(stream/), summing up hours (asset.py) and judging (checks.py).

Its rows are only ever inserted: a second of a market is told once, and nobody can ask for it again. So there are no old
values, and no triggers to keep them.
"""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import Boolean, Column, Computed, Integer, Numeric, PrimaryKeyConstraint, Table

from crypto_assets.schema.columns import METADATA, column, exact, moment, provenance, symbol, venue

DATASET = "market/book_ticker_snapshots"
# What a writer gives of a row, in the order in which it gives it; the others the database adds.
COPY_COLUMNS = (
    "venue", "symbol", "snapshot_at", "bid_price", "bid_quantity", "ask_price", "ask_quantity",
    "event_at", "received_at", "age_ms", "is_stale", "source", "known_at",
)  # fmt: skip
_BASE, _QUOTE = "base currency", "quote currency"


def _generated(name: str, meaning: str, unit: str, expression: str) -> Column[Decimal]:
    """A number that the database computes from the others, so that no writer can get it wrong."""
    computed = Computed(expression, persisted=True)
    return Column(name, Numeric(), computed, nullable=True, comment=f"{meaning} [{unit}]", info={"unit": unit})


book_ticker_snapshots = Table(
    "book_ticker_snapshots",
    METADATA,
    venue(),
    symbol(),
    moment("snapshot_at", "The second of the grid; the row holds the newest quote that had come by then"),
    exact("bid_price", "Best bid", unit=_QUOTE),
    exact("bid_quantity", "Amount wanted at the best bid", unit=_BASE),
    exact("ask_price", "Best ask", unit=_QUOTE),
    exact("ask_quantity", "Amount offered at the best ask", unit=_BASE),
    _generated("spread", "Best ask less best bid", _QUOTE, "ask_price - bid_price"),
    _generated("spread_pct", "Spread over the best bid", "percent", "(ask_price - bid_price) / bid_price * 100"),
    moment("event_at", "When the venue says that it was so, where it does", nullable=True),
    moment("received_at", "When the quote had come, by our clock"),
    column("age_ms", Integer(), "How long before the second it was so", unit="milliseconds"),
    column("is_stale", Boolean(), "Too old, or its market had no connection: not to be traded on"),
    *provenance(),
    PrimaryKeyConstraint("venue", "symbol", "snapshot_at"),
    schema="market",
    comment="Best bid and ask of one market at one second. Partitions are days: whole days are dropped.",
    info={"partition_by": "snapshot_at", "partition_unit": "day", "time": "snapshot_at"},
    postgresql_partition_by="RANGE (snapshot_at)",
)

__all__ = ["COPY_COLUMNS", "DATASET", "book_ticker_snapshots"]
