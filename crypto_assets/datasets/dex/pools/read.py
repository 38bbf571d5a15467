"""Reading pools: as they stand, as they stood, and the universe of pools that was known at a date.

What belongs here: questions that the CLI, features and researchers ask of dex.pools. What does not: printing (cli) and the
rule of death's use while collecting (lives.py).
"""

from __future__ import annotations

from datetime import datetime

import pandas as pd
from sqlalchemy import Boolean, ColumnElement, FromClause, Label, Text, and_, case, func, not_, or_, select, true

from crypto_assets.datasets.dex.pools.table import pool_lives, pools
from crypto_assets.universe import DexRules
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_arrow, read_frame

_ENDS = 4  # characters of either end of an address that tell it from others


def pools_as_of(warehouse: Warehouse, network: str, at: datetime, rules: DexRules) -> pd.DataFrame:
    """Every pool of a network that was known at a time, with its newest snapshot then: dead ones too, no later knowledge.

    A pool that died, vanished or was rugged after `at` stands here as it was seen, so that a backtest that picks from this
    frame picks from what could be picked; a pool found later is not here, whenever it was made.

    Args:
        at: A moment with its zone.
        rules: The universe's: what counts as drained.

    Returns:
        A row a pool, largest reserve first: pool_address, dex, name (of an unlisted one the last that was told),
        base_token, base_symbol, quote_token, quote_symbol, created_at, first_seen_at, seen_at (UTC), age_days, price_usd,
        reserve_usd, volume_usd_24h, buys_24h, sells_24h, fdv_usd, is_dead, price_usd_exact (a text with every digit; None
        where it is not told).

    Raises:
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    c, lives = pools.c, pool_lives.c
    newest = (
        select(pools)
        .where(c.network == lives.network, c.pool_address == lives.pool_address, c.known_at <= at, c.snapshot_at <= at)
        .order_by(c.snapshot_at.desc())
        .limit(1)
        .lateral("newest")  # a probe of the key for each pool, where sorting would read every snapshot there is
    )
    n = newest.c
    statement = (
        select(
            n.pool_address, n.dex, _name_of(newest), n.base_token, n.base_symbol, n.quote_token, n.quote_symbol, n.created_at,
            lives.first_seen_at, n.snapshot_at.label("seen_at"),
            (func.extract("epoch", at - n.created_at) / 86_400).label("age_days"),
            n.price_usd, n.reserve_usd, n.volume_usd_24h, n.buys_24h, n.sells_24h, n.fdv_usd,
            func.coalesce(_is_dead(n, rules), False).label("is_dead"), n.price_usd.cast(Text()).label("price_usd_exact"),
        )
        .select_from(pool_lives.join(newest, true()))
        .where(lives.network == network, lives.first_seen_at <= at)
        .order_by(n.reserve_usd.desc().nulls_last(), n.pool_address)
    )  # fmt: skip
    return read_frame(warehouse, statement)


def pool_snapshots(warehouse: Warehouse, network: str, address: str, *, most: int) -> pd.DataFrame:
    """The newest snapshots of one pool, newest first: all columns of dex.pools."""
    c = pools.c
    chosen = select(pools).where(c.network == network, c.pool_address == address)
    return read_frame(warehouse, chosen.order_by(c.snapshot_at.desc()).limit(most))


def newest_snapshot(warehouse: Warehouse, network: str, address: str) -> dict[str, object] | None:
    """The newest snapshot in which a pool was listed, by column: times UTC, prices as exact texts; None where there is none."""
    c = pools.c
    chosen = select(pools).where(c.network == network, c.pool_address == address, c.is_listed)
    rows: list[dict[str, object]] = read_arrow(warehouse, chosen.order_by(c.snapshot_at.desc()).limit(1)).to_pylist()
    return rows[0] if rows else None


def find_pool(warehouse: Warehouse, address: str) -> list[str]:
    """The networks on which a pool of that address was ever seen."""
    c = pool_lives.c
    found = read_frame(warehouse, select(c.network).where(c.pool_address == address).order_by(c.network))
    return list(found["network"])


def matching_pools(
    warehouse: Warehouse, text: str, network: str | None = None, *, most: int = 10
) -> list[tuple[str, str]]:
    """Network and address of the pools whose address is the text, begins with it, or is cut to it as first…last.

    Args:
        text: What somebody typed; of an address cut in the middle both ends must be right.
        network: Only of this one.
    """
    c = pool_lives.c
    first, is_cut, last = text.partition("…")
    chosen = select(c.network, c.pool_address).where(c.pool_address.startswith(first, autoescape=True))
    if is_cut:
        chosen = chosen.where(c.pool_address.endswith(last, autoescape=True))
    if network is not None:
        chosen = chosen.where(c.network == network)
    rows = read_frame(warehouse, chosen.order_by(c.network, c.pool_address).limit(most)).to_dict("records")
    exact = [(row["network"], row["pool_address"]) for row in rows if row["pool_address"] == text]
    return exact or [(row["network"], row["pool_address"]) for row in rows]


def similar_addresses(warehouse: Warehouse, text: str, *, most: int = 50) -> list[str]:
    """Addresses of pools that begin or end as the text does, whatever the case: a slip is seldom at both ends."""
    c = pool_lives.c
    first, last = text[:_ENDS].lower(), text[-_ENDS:].lower()
    lower = func.lower(c.pool_address)
    either = or_(lower.startswith(first, autoescape=True), lower.endswith(last, autoescape=True))
    found = read_frame(warehouse, select(c.pool_address).where(either).order_by(c.last_seen_at.desc()).limit(most))
    return list(found["pool_address"])


def pools_of_token(warehouse: Warehouse, token: str, *, most: int = 3) -> list[str]:
    """Addresses of pools in which a token is one of the two, those seen last first."""
    c = pool_lives.c
    chosen = select(c.pool_address).where(or_(c.base_token == token, c.quote_token == token))
    return list(read_frame(warehouse, chosen.order_by(c.last_seen_at.desc()).limit(most))["pool_address"])


def read_life(warehouse: Warehouse, network: str, address: str) -> pd.DataFrame:
    """One pool's life: a row of dex.pool_lives, or none."""
    c = pool_lives.c
    return read_frame(warehouse, select(pool_lives).where(c.network == network, c.pool_address == address))


def _name_of(newest: FromClause) -> Label[str]:
    """A pool's name in its newest snapshot; GeckoTerminal tells none of a pool that it lists no more."""
    before = pools.alias("before")
    named = (
        select(before.c.name)
        .where(before.c.network == newest.c.network, before.c.pool_address == newest.c.pool_address)
        .where(before.c.snapshot_at < newest.c.snapshot_at, before.c.name != "")
        .order_by(before.c.snapshot_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    return func.coalesce(func.nullif(newest.c.name, ""), named, "").label("name")


def _is_dead(newest: object, rules: DexRules) -> ColumnElement[bool]:
    """The rule of lives.py, by one snapshot."""
    c = newest
    traded = c.buys_24h + c.sells_24h  # type: ignore[attr-defined]
    is_drained = and_(traded == 0, c.reserve_usd < rules.dead_reserve_usd)  # type: ignore[attr-defined]
    return case((not_(c.is_listed), True), else_=is_drained).cast(Boolean)  # type: ignore[attr-defined]
