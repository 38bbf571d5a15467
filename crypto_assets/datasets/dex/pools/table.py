"""dex.pools and dex.pool_lives: the tables and their keys.

What belongs here: columns and keys; other datasets read pools through this module alone. What does not: asking
(asset.py), lives (lives.py), reading (read.py) and judging (checks.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pandas as pd
from sqlalchemy import BigInteger, Boolean, Column, PrimaryKeyConstraint, Table, Text, func, literal, select
from sqlalchemy.dialects.postgresql import distinct_on

from crypto_assets.schema.columns import METADATA, column, exact, moment, network, number, pool_address, provenance
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

DATASET = "dex/pools"
WINDOWS = ("5m", "1h", "6h", "24h")


def _volume(window: str) -> Column[float]:
    return number(f"volume_usd_{window}", f"Traded in the last {window}", unit="USD", nullable=True)


def _count(what: str, meaning: str, window: str) -> Column[int]:
    return column(
        f"{what}_{window}", BigInteger(), f"{meaning} in the last {window}", unit="transactions", nullable=True
    )


pools = Table(
    "pools",
    METADATA,
    network(),
    pool_address(),
    moment("snapshot_at", "When GeckoTerminal was asked"),
    column("dex", Text(), "GeckoTerminal's name of the exchange"),
    column("name", Text(), "Its name as people write it: BASE / QUOTE and the fee, where there is one"),
    column("base_token", Text(), "Address of the base token"),
    column("base_symbol", Text(), "Symbol of the base token, as its makers chose it: anybody may choose any"),
    column("quote_token", Text(), "Address of the quote token"),
    column("quote_symbol", Text(), "Symbol of the quote token"),
    number("fee_pct", "Fee that the name states", unit="percent", nullable=True),
    moment("created_at", "When the pool was made, on its chain", nullable=True),
    column("found_in", Text(), "Which list it stood in: top, new, watchlist or followed"),
    column("is_listed", Boolean(), "Whether GeckoTerminal still knew it"),
    exact("price_usd", "Price of the base token", unit="USD", nullable=True),
    exact("price_quote", "Price of the base token", unit="quote token", nullable=True),
    exact("quote_price_usd", "Price of the quote token", unit="USD", nullable=True),
    number("reserve_usd", "Value of both tokens in the pool", unit="USD", nullable=True),
    *(_volume(window) for window in WINDOWS),
    *(_count("buys", "Purchases of the base token", window) for window in WINDOWS),
    *(_count("sells", "Sales of the base token", window) for window in WINDOWS),
    *(_count("buyers", "Addresses that bought", window) for window in WINDOWS),
    *(_count("sellers", "Addresses that sold", window) for window in WINDOWS),
    *(
        number(f"price_change_pct_{window}", f"Change of the price in the last {window}", unit="percent", nullable=True)
        for window in WINDOWS
    ),
    number("fdv_usd", "Value of all base tokens that can ever be", unit="USD", nullable=True),
    number("market_cap_usd", "Value of the base tokens in circulation", unit="USD", nullable=True),
    *provenance(),
    PrimaryKeyConstraint("network", "pool_address", "snapshot_at"),
    schema="dex",
    comment="One pool as it stood when it was asked for.",
    info={"partition_by": "snapshot_at", "time": "snapshot_at", "series": ("network", "pool_address")},
    postgresql_partition_by="RANGE (snapshot_at)",
)

pool_lives = Table(
    "pool_lives",
    METADATA,
    network(),
    pool_address(),
    column("dex", Text(), "GeckoTerminal's name of the exchange"),
    column("base_token", Text(), "Address of the base token"),
    column("quote_token", Text(), "Address of the quote token"),
    moment("created_at", "When the pool was made, on its chain", nullable=True),
    moment("first_seen_at", "When we first saw it"),
    moment("last_seen_at", "When GeckoTerminal last knew it"),
    moment("asked_at", "When we last asked for it or met it in a list"),
    moment("dead_at", "Since when it is dead by the rule; null while it lives", nullable=True),
    column("death", Text(), "What it died of: unlisted or drained; empty while it lives", server_default="''"),
    *provenance(),
    PrimaryKeyConstraint("network", "pool_address"),
    schema="dex",
    comment="The life of each pool we ever saw, dead ones too. Follows from dex.pools, written in the same transaction.",
    info={"series": ("network", "pool_address"), "time": "first_seen_at"},
)


def pool_births(warehouse: Warehouse, network: str) -> dict[str, datetime | None]:
    """When each pool of the watchlist's reach was made, UTC; None where GeckoTerminal does not say.

    Raises:
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    c = pool_lives.c
    rows = read_frame(warehouse, select(c.pool_address, c.created_at).where(c.network == network)).to_dict("records")
    return {
        row["pool_address"]: None if pd.isna(row["created_at"]) else row["created_at"].to_pydatetime() for row in rows
    }


@dataclass(frozen=True)
class Pace:
    """How fast a pool was traded, as a snapshot tells.

    Args:
        per_second: Transactions, of the last five minutes or the last hour, whichever were more.
        at: When it was taken, UTC.
    """

    per_second: float
    at: datetime


def recent_paces(warehouse: Warehouse, network: str, since: datetime) -> dict[str, Pace]:
    """The pace of each pool of a network of which a snapshot was taken since then, by address: of its newest one.

    Raises:
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    c = pools.c
    minutes = func.coalesce(c.buys_5m, 0) + func.coalesce(c.sells_5m, 0)
    hour = func.coalesce(c.buys_1h, 0) + func.coalesce(c.sells_1h, 0)
    per_second = func.greatest(minutes / literal(300.0), hour / literal(3600.0)).label("per_second")
    newest = (
        select(c.pool_address, per_second, c.snapshot_at)
        .where(c.network == network, c.snapshot_at >= since)
        .ext(distinct_on(c.pool_address))
        .order_by(c.pool_address, c.snapshot_at.desc())
    )
    rows = read_frame(warehouse, newest).to_dict("records")
    return {row["pool_address"]: Pace(row["per_second"], row["snapshot_at"].to_pydatetime()) for row in rows}


def dead_pools(warehouse: Warehouse, network: str) -> frozenset[str]:
    """Addresses of the network's pools that are dead by the rule."""
    c = pool_lives.c
    dead = select(c.pool_address).where(c.network == network, c.dead_at.is_not(None))
    return frozenset(read_frame(warehouse, dead)["pool_address"])


__all__ = ["DATASET", "WINDOWS", "Pace", "dead_pools", "pool_births", "pool_lives", "pools", "recent_paces"]
