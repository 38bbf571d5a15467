"""What GeckoTerminal says of a made-up pool or token at a moment, out of the trades of the 24 hours before.

What belongs here: the attributes of pools and tokens. What does not: which trades there were (seeded_pool_trades.py).
Counts of buyers and sellers, reserves and supplies are made up; all else follows from the trades.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from crypto_assets.sandbox.noise import key_of, noise
from crypto_assets.sandbox.pools import Token
from crypto_assets.sandbox.seeded_pool_list import SeededPool
from crypto_assets.sandbox.seeded_pool_trades import SeededTrades, exact_text, micros_text, native_text

WINDOWS_SECONDS = {"m5": 300, "m15": 900, "m30": 1800, "h1": 3600, "h6": 21_600, "h24": 86_400}
SUPPLY = 1_000_000_000  # of every made-up token
_LEFT = 1e-7  # of a dead pool's reserve


@dataclass(frozen=True)
class Day:
    """A pool's last 24 hours.

    Args:
        now: Seconds since 1970.
        opened_usd: The price before the first trade.
        price_usd: The price after the last one.
    """

    now: int
    trades: SeededTrades
    opened_usd: float
    price_usd: float
    quote_usd: float
    native_usd: float


def pool_attributes(pool: SeededPool, day: Day) -> Mapping[str, object]:
    """The attributes of a pool object. Pure."""
    created = datetime.fromtimestamp(pool.first_minute * 60 + pool.second, UTC)
    base_in_quote = day.price_usd / day.quote_usd
    name = f"{pool.base.symbol} / {pool.quote.symbol}"
    starts = {
        label: int(np.searchsorted(day.trades.second, day.now - s, "right")) for label, s in WINDOWS_SECONDS.items()
    }
    return {
        "base_token_price_usd": exact_text(day.price_usd),
        "base_token_price_native_currency": native_text(day.price_usd / day.native_usd),
        "quote_token_price_usd": exact_text(day.quote_usd),
        "quote_token_price_native_currency": native_text(day.quote_usd / day.native_usd),
        "base_token_price_quote_token": native_text(base_in_quote),
        "quote_token_price_base_token": native_text(1 / base_in_quote),
        "address": pool.address,
        "name": f"{name} 0.05%" if pool.dex.id == "uniswap_v3" else name,
        "pool_created_at": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "fdv_usd": native_text(round(day.price_usd * SUPPLY, 2)),
        "market_cap_usd": None,
        "price_change_percentage": {label: _change(day, start) for label, start in starts.items()},
        "transactions": {label: _transactions(day, start) for label, start in starts.items()},
        "volume_usd": {label: micros_text(int(day.trades.volume[start:].sum())) for label, start in starts.items()},
        "reserve_in_usd": f"{_reserve(pool, day.now):.4f}",
    }


def token_attributes(token: Token, pool: SeededPool, day: Day) -> Mapping[str, object]:
    """The attributes of a token object, told from its busiest pool. Pure."""
    price = day.price_usd if token == pool.base else day.quote_usd
    return {
        "address": token.address,
        "name": token.name,
        "symbol": token.symbol,
        "decimals": token.decimals,
        "image_url": token.image_url,
        "coingecko_coin_id": token.coingecko_coin_id,
        "total_supply": f"{SUPPLY * 10 ** (token.decimals or 0)}.0",
        "normalized_total_supply": f"{SUPPLY}.0",
        "price_usd": exact_text(price),
        "fdv_usd": native_text(round(price * SUPPLY, 2)),
        "total_reserve_in_usd": f"{_reserve(pool, day.now):.4f}",
        "volume_usd": {"h24": micros_text(int(day.trades.volume.sum()))},
        "market_cap_usd": None,
    }


def _change(day: Day, start: int) -> str:
    """Percent since the last price before the window."""
    before = float(day.trades.price[start - 1]) if start else day.opened_usd
    return f"{(day.price_usd / before - 1) * 100:.3f}".rstrip("0").rstrip(".")


def _transactions(day: Day, start: int) -> dict[str, int]:
    buys = int(day.trades.is_buy[start:].sum())
    sells = len(day.trades) - start - buys
    return {"buys": buys, "sells": sells, "buyers": buys - buys // 5, "sellers": sells - sells // 5}


def _reserve(pool: SeededPool, now: int) -> float:
    minute = now // 60
    if minute >= pool.last_minute:
        return pool.reserve_usd * _LEFT
    moved = noise(key_of(pool.key, "reserve"), np.array([minute]), 4 * 1440)[0]
    return pool.reserve_usd * float(np.exp(0.4 * moved))
