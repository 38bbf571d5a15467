"""market.ohlcv: the table, its key and the bounds its rows must keep.

What belongs here: columns, key and bounds, each with its reason; other datasets read bars through this module alone.
What does not: collecting (asset.py) and judging (checks.py).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, PrimaryKeyConstraint, Table

from crypto_assets.schema.columns import METADATA, column, moment, number, provenance, symbol, timeframe, venue

DATASET = "market/ohlcv"

ohlcv = Table(
    "ohlcv",
    METADATA,
    venue(),
    symbol(),
    timeframe(),
    moment("opened_at", "When the bar opens; its close is one timeframe later"),
    number("open", "Price of the first trade", unit="quote currency"),
    number("high", "Highest price", unit="quote currency"),
    number("low", "Lowest price", unit="quote currency"),
    number("close", "Price of the last trade", unit="quote currency"),
    number("volume_base", "Amount traded", unit="base currency"),
    number("volume_quote", "Value traded, where the venue says it", unit="quote currency", nullable=True),
    column("trade_count", BigInteger(), "Number of trades, where the venue says it", unit="trades", nullable=True),
    *provenance(),
    PrimaryKeyConstraint("venue", "symbol", "timeframe", "opened_at"),
    schema="market",
    comment="One closed bar of one market on one venue, keyed by when it opens. Bars still open are never stored.",
    info={"partition_by": "opened_at"},
    postgresql_partition_by="RANGE (opened_at)",
)

__all__ = ["DATASET", "ohlcv"]
