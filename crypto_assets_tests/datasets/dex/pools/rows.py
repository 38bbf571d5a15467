"""Rows of pools as the client gives them, made by hand."""

from __future__ import annotations

from dataclasses import replace

from crypto_assets.clients.pool_rows import PoolRow

ALIVE = PoolRow(
    address="pool",
    name="A / B",
    dex="pumpswap",
    base_token="token a",  # noqa: S106 - no secret
    quote_token="token b",  # noqa: S106 - no secret
    base_symbol="A",
    quote_symbol="B",
    fee_pct=None,
    created_at=None,
    price_usd="2",
    price_quote="1",
    quote_price_usd="2",
    reserve_usd=5000.0,
    fdv_usd=None,
    market_cap_usd=None,
    volume_usd={"24h": 10.0},
    buys={"24h": 3},
    sells={"24h": 1},
    buyers={},
    sellers={},
    price_change_pct={},
)
DRAINED = replace(ALIVE, reserve_usd=99.0, buys={"24h": 0}, sells={"24h": 0}, volume_usd={"24h": 0.0})


def pool(address: str, like: PoolRow = ALIVE, **changed: object) -> PoolRow:
    """A row like another, of an address."""
    return replace(like, address=address, **changed)  # type: ignore[arg-type]


def of_tokens(row: PoolRow, base: str, quote: str) -> PoolRow:
    """The row, of these tokens."""
    return replace(row, base_token=base, quote_token=quote)
