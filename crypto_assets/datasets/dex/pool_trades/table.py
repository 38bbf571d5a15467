"""dex.pool_trades: the table and its key.

What belongs here: columns and key; other datasets read trades of pools through this module alone. What does not: collecting
(collect.py) and judging (checks.py).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, PrimaryKeyConstraint, Table, Text

from crypto_assets.schema.columns import METADATA, column, exact, moment, network, pool_address, provenance

DATASET = "dex/pool_trades"

pool_trades = Table(
    "pool_trades",
    METADATA,
    network(),
    pool_address(),
    moment("traded_at", "Time of the block"),
    column("tx_hash", Text(), "Transaction"),
    column("ordinal", BigInteger(), "Place of the trade within its transaction, by GeckoTerminal's id", unit="number"),
    column("block_number", BigInteger(), "Block, or slot", unit="number"),
    column("side", Text(), "Whether the base token was bought: buy or sell"),
    exact("price_usd", "Price of the base token", unit="USD"),
    exact("amount_base", "Amount of the base token", unit="base token"),
    exact("amount_quote", "Amount of the quote token", unit="quote token"),
    exact("volume_usd", "Value of the trade", unit="USD"),
    column("sender", Text(), "Address that sent the transaction"),
    moment("received_at", "When we first received it", server_default="now()"),
    *provenance(),
    PrimaryKeyConstraint("network", "pool_address", "traded_at", "tx_hash", "ordinal"),
    schema="dex",
    comment="One trade of one pool, every digit kept.",
    info={"partition_by": "traded_at", "time": "traded_at", "series": ("network", "pool_address")},
    postgresql_partition_by="RANGE (traded_at)",
)

__all__ = ["DATASET", "pool_trades"]
