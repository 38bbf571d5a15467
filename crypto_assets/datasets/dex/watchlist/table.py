"""dex.watchlist: the table and its key.

What belongs here: columns and key; other datasets read the watchlist through this module and read.py. What does not: the file
(watchlist_file.py), following it (asset.py) and judging (checks.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import PrimaryKeyConstraint, Table, Text, func, select

from crypto_assets.schema.columns import METADATA, column, exact, moment, network, provenance
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

DATASET = "dex/watchlist"

watchlist = Table(
    "watchlist",
    METADATA,
    network(),
    column("address", Text(), "Address of the pool or token; hexadecimal ones in lower case"),
    moment("valid_from", "When the entry was first seen in the file"),
    moment("valid_to", "When it was first absent from the file; null while it is in it", nullable=True),
    column("address_type", Text(), "pool or token"),
    column("symbol", Text(), "What the file calls it; may be empty"),
    exact("min_trade_usd", "Trades below this value are not asked for", unit="USD"),
    column("note", Text(), "What the file says of it; may be empty"),
    column(
        "pool_address", Text(), "The pool that is collected: itself, or the token's best; null before", nullable=True
    ),
    moment("resolved_at", "When the pool was chosen", nullable=True),
    column("problem", Text(), "Why no pool could be chosen; empty where one was", server_default="''"),
    *provenance(),
    PrimaryKeyConstraint("network", "address", "valid_from"),
    schema="dex",
    comment="One entry of config/watchlist.csv while it stood there. What changes in it stands in audit.revisions.",
    info={"series": ("network", "address"), "time": "valid_from"},
)


@dataclass(frozen=True)
class WatchedPool:
    """A pool whose bars and trades are collected now.

    Args:
        address: Of the pool.
        label: What the watchlist calls it; its entries' symbols where there are several.
        min_trade_usd: Trades below this value are not wanted by any entry.
    """

    address: str
    label: str = ""
    min_trade_usd: Decimal = Decimal(0)


def watched_pools(warehouse: Warehouse, network: str) -> list[WatchedPool]:
    """The pools of a network's open entries, each once, by address.

    Raises:
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    c = watchlist.c
    open_entries = (
        select(
            c.pool_address,
            func.coalesce(func.string_agg(func.nullif(c.symbol, "").distinct(), ", "), "").label("label"),
            func.min(c.min_trade_usd).cast(Text()).label("least"),
        )
        .where(c.network == network, c.valid_to.is_(None), c.pool_address.is_not(None))
        .group_by(c.pool_address)
        .order_by(c.pool_address)
    )
    rows = read_frame(warehouse, open_entries).to_dict("records")
    return [WatchedPool(row["pool_address"], row["label"], Decimal(row["least"])) for row in rows]


__all__ = ["DATASET", "WatchedPool", "watched_pools", "watchlist"]
