"""market.tickers: the table and its key.

What belongs here: columns and key; other datasets read tickers through this module alone. What does not: collecting
(asset.py) and judging (checks.py).
"""

from __future__ import annotations

from sqlalchemy import PrimaryKeyConstraint, Table

from crypto_assets.schema.columns import METADATA, moment, number, provenance, symbol, venue

DATASET = "market/tickers"
_QUOTE = "quote currency"

tickers = Table(
    "tickers",
    METADATA,
    venue(),
    symbol(),
    moment("snapshot_at", "When the answer had come, by our clock"),
    number("last", "Price of the last trade", unit=_QUOTE, nullable=True),
    number("bid", "Best bid", unit=_QUOTE, nullable=True),
    number("ask", "Best ask", unit=_QUOTE, nullable=True),
    number("open_24h", "Price 24 hours before", unit=_QUOTE, nullable=True),
    number("high_24h", "Highest price of 24 hours", unit=_QUOTE, nullable=True),
    number("low_24h", "Lowest price of 24 hours", unit=_QUOTE, nullable=True),
    number("volume_base_24h", "Amount traded in 24 hours", unit="base currency", nullable=True),
    number("volume_quote_24h", "Value traded in 24 hours", unit=_QUOTE, nullable=True),
    number("change_pct_24h", "Change of the price in 24 hours", unit="percent", nullable=True),
    moment("venue_at", "When the venue says that it stood so, where it does", nullable=True),
    *provenance(),
    PrimaryKeyConstraint("venue", "symbol", "snapshot_at"),
    schema="market",
    comment="24-hour statistics of one market on one venue at one moment.",
    info={"partition_by": "snapshot_at", "time": "snapshot_at"},
    postgresql_partition_by="RANGE (snapshot_at)",
)

__all__ = ["DATASET", "tickers"]
