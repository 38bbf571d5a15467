"""market.arbitrage_opportunities: the table, its key, and the columns that the stream gives.

What belongs here: columns and key. What does not: finding opportunities (stream/arbitrage.py), telling of hours (asset.py) and
judging (checks.py).

Its rows are only ever inserted: a second is told once. So there are no old values, and no triggers to keep them.
"""

from __future__ import annotations

from sqlalchemy import Integer, PrimaryKeyConstraint, Table, Text

from crypto_assets.schema.columns import METADATA, column, exact, moment, number, provenance, symbol

DATASET = "market/arbitrage_opportunities"
# What a writer gives of a row, in the order in which it gives it; the database adds ingested_at.
COPY_COLUMNS = (
    "symbol", "buy_venue", "sell_venue", "snapshot_at", "opened_at", "persisted_snapshots", "buy_price", "sell_price",
    "buy_fee_pct", "sell_fee_pct", "gross_pct", "net_pct", "size_base", "profit_quote", "buy_age_ms", "sell_age_ms",
    "source", "known_at",
)  # fmt: skip
# Gaps of liquid markets close within a percent; five are seen where nobody can carry coins from one venue to the other.
BELIEVABLE_PCT = 5.0
_QUOTE = "quote currency"

arbitrage_opportunities = Table(
    "arbitrage_opportunities",
    METADATA,
    symbol(),
    column("buy_venue", Text(), "Exchange whose ask is paid, by its ccxt id"),
    column("sell_venue", Text(), "Exchange whose bid is received, by its ccxt id"),
    moment("snapshot_at", "The second of the grid at which the opportunity was open"),
    moment("opened_at", "The first second of those in a row that show it; it counts as open once enough of them do"),
    column(
        "persisted_snapshots", Integer(), "How many snapshots in a row show it, this one included", unit="snapshots"
    ),
    exact("buy_price", "Best ask where it is bought", unit=_QUOTE),
    exact("sell_price", "Best bid where it is sold", unit=_QUOTE),
    number("buy_fee_pct", "What a taker is taken to pay where it is bought", unit="percent"),
    number("sell_fee_pct", "What a taker is taken to pay where it is sold", unit="percent"),
    number("gross_pct", "Sell price above buy price, over the buy price", unit="percent"),
    number("net_pct", "What the sale brings after its fee above what the purchase costs with its fee", unit="percent"),
    exact("size_base", "The smaller of what is offered at the ask and wanted at the bid", unit="base currency"),
    number("profit_quote", "What that amount earns after both fees", unit=_QUOTE),
    column("buy_age_ms", Integer(), "How long before the second the ask was so", unit="milliseconds"),
    column("sell_age_ms", Integer(), "How long before the second the bid was so", unit="milliseconds"),
    *provenance(),
    PrimaryKeyConstraint("symbol", "buy_venue", "sell_venue", "snapshot_at"),
    schema="market",
    comment="A gap between two exchanges that a trade of one second would have earned from after fees, second by second.",
    info={
        "partition_by": "snapshot_at",
        "partition_unit": "day",
        "time": "snapshot_at",
        "series": ("buy_venue", "symbol"),
    },
    postgresql_partition_by="RANGE (snapshot_at)",
)

__all__ = ["BELIEVABLE_PCT", "COPY_COLUMNS", "DATASET", "arbitrage_opportunities"]
