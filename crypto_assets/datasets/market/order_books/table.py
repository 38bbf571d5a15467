"""market.order_books: the table and its key.

What belongs here: columns and key; other datasets read books through this module alone. What does not: collecting (asset.py)
and judging (checks.py).
"""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import BigInteger, Integer, Numeric, PrimaryKeyConstraint, Table
from sqlalchemy.dialects.postgresql import ARRAY

from crypto_assets.schema.columns import METADATA, column, moment, number, provenance, symbol, venue

DATASET = "market/order_books"
_QUOTE = "quote currency"
_LEVELS = ARRAY[Decimal](Numeric(), dimensions=2)

order_books = Table(
    "order_books",
    METADATA,
    venue(),
    symbol(),
    moment("snapshot_at", "When the answer had come, by our clock"),
    column("depth", Integer(), "Levels of the shorter side", unit="levels"),
    column("bids", _LEVELS, "Price and amount of each bid, best first", unit="quote and base currency"),
    column("asks", _LEVELS, "Price and amount of each ask, best first", unit="quote and base currency"),
    number("mid", "Middle between the best prices", unit=_QUOTE),
    number("microprice", "Best prices weighted with the other side's best amount", unit=_QUOTE),
    number("spread_bps", "Distance of the best prices over the middle", unit="basis points"),
    number("imbalance", "Bids less asks over both, by value within 50 basis points of the middle", unit="-1..1"),
    number("bid_depth_quote", "Value of all bids kept", unit=_QUOTE),
    number("ask_depth_quote", "Value of all asks kept", unit=_QUOTE),
    number("bid_depth_10bps_quote", "Value of bids within 10 basis points of the middle", unit=_QUOTE),
    number("ask_depth_10bps_quote", "Value of asks within 10 basis points of the middle", unit=_QUOTE),
    number("bid_depth_50bps_quote", "Value of bids within 50 basis points of the middle", unit=_QUOTE),
    number("ask_depth_50bps_quote", "Value of asks within 50 basis points of the middle", unit=_QUOTE),
    column(
        "sequence",
        BigInteger(),
        "The venue's number of the book's state, where it has one",
        unit="number",
        nullable=True,
    ),
    moment("venue_at", "When the venue says that the book stood so, where it does", nullable=True),
    *provenance(),
    PrimaryKeyConstraint("venue", "symbol", "snapshot_at"),
    schema="market",
    comment="The order book of one market on one venue at one moment.",
    info={"partition_by": "snapshot_at", "time": "snapshot_at"},
    postgresql_partition_by="RANGE (snapshot_at)",
)

__all__ = ["DATASET", "order_books"]
