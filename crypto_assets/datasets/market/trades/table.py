"""market.trades: the table, its key and how others name its series.

What belongs here: columns and key; other datasets read trades through this module alone. What does not: collecting
(asset.py), judging (checks.py) and statistics (statistics.py).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, PrimaryKeyConstraint, Table, Text

from crypto_assets.schema.columns import METADATA, column, exact, moment, provenance, symbol, venue

DATASET = "market/trades"

trades = Table(
    "trades",
    METADATA,
    venue(),
    symbol(),
    moment("traded_at", "When it was traded, by the venue's clock"),
    column("trade_id", Text(), "The venue's id; where it has none, a hash of the trade with an ordinal"),
    exact("price", "Price", unit="quote currency"),
    exact("amount", "Amount", unit="base currency"),
    exact("cost", "Price times amount", unit="quote currency"),
    column("side", Text(), "What the taker did: buy or sell"),
    column(
        "sequence",
        BigInteger(),
        "The venue's number of the trade; where it has none, its place within its moment",
        unit="number",
    ),
    column("fills", BigInteger(), "Matches that the row adds up", unit="matches"),
    moment("received_at", "When we first received it", server_default="now()"),
    *provenance(),
    PrimaryKeyConstraint("venue", "symbol", "traded_at", "trade_id"),
    schema="market",
    comment="One public trade of one market on one venue.",
    info={"partition_by": "traded_at", "time": "traded_at"},
    postgresql_partition_by="RANGE (traded_at)",
)

__all__ = ["DATASET", "trades"]
