"""market.instruments: the table, its key, and reading listing periods from it.

What belongs here: columns and key; other datasets read instruments through this module alone. What does not: collecting
(asset.py) and judging (checks.py).
"""

from __future__ import annotations

import pandas as pd
from sqlalchemy import PrimaryKeyConstraint, Table, Text, func, select

from crypto_assets.quality.naming import Listing
from crypto_assets.schema.columns import METADATA, column, moment, number, provenance, symbol, venue
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

DATASET = "market/instruments"

instruments = Table(
    "instruments",
    METADATA,
    venue(),
    symbol(),
    moment("valid_from", "From when this row describes the symbol"),
    column("venue_symbol", Text(), "The venue's own name of the market"),
    column("base", Text(), "Currency that is traded"),
    column("quote", Text(), "Currency that it is priced in"),
    column("type", Text(), "spot, swap, future or option"),
    number("tick_size", "Smallest step of the price", unit="quote currency", nullable=True),
    number("lot_size", "Smallest step of the amount", unit="base currency", nullable=True),
    column("status", Text(), "trading, halted or gone (no longer in the venue's list)"),
    moment(
        "listed_at",
        "When trading began: the venue's word, else the open of its first bar; null where it lies before what the venue serves",
        nullable=True,
    ),
    moment("delisted_at", "End of the last bar before trading ended; null while it trades", nullable=True),
    moment("valid_to", "Until when this row describes the symbol; null for the present one", nullable=True),
    *provenance(),
    PrimaryKeyConstraint("venue", "symbol", "valid_from"),
    schema="market",
    comment="One market of a venue for as long as its symbol meant the same and its description held.",
)


def read_listings(warehouse: Warehouse, venue: str) -> dict[str, list[Listing]]:
    """The listing periods of a venue's markets by symbol; a symbol that is not there is unknown."""
    c = instruments.c
    ended = func.coalesce(c.delisted_at, c.valid_to).label("ended_at")
    frame = read_frame(warehouse, select(c.symbol, c.listed_at, ended).where(c.venue == venue).distinct())
    listings: dict[str, list[Listing]] = {}
    for row in frame.to_dict("records"):
        listed, ended_at = (
            None if pd.isna(row[name]) else row[name].to_pydatetime() for name in ("listed_at", "ended_at")
        )
        listings.setdefault(row["symbol"], []).append(Listing(listed, ended_at))
    return listings


def ended_symbols(warehouse: Warehouse, venue: str) -> frozenset[str]:
    """Symbols of a venue that are traded no more: delisted, or gone from its list."""
    c = instruments.c
    traded = select(c.symbol).where(c.venue == venue, c.delisted_at.is_(None), c.valid_to.is_(None))
    known = select(c.symbol).where(c.venue == venue)
    return frozenset(read_frame(warehouse, known.except_(traded))["symbol"])


__all__ = ["DATASET", "ended_symbols", "instruments", "read_listings"]
