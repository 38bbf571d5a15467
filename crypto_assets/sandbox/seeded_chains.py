"""Made-up chains: what happened on each on any day, as a function of (seed, asset, metric, day).

What belongs here: the numbers. What does not: how a provider writes them and when it has them (providers/).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import lru_cache

import numpy as np

from crypto_assets.sandbox.noise import key_of, uniform

DAY_MS = 86_400_000
_EPOCH = date(2020, 1, 1)
_SWING = 0.2  # a day's number lies within 20 percent of its chain's course
_GROWTH = 0.15  # a year

# Magnitudes of 2020. Supplies and what they grow by a day stand apart: they do not swing.
_LEVELS: Mapping[str, Mapping[str, float]] = {
    "BTC": {
        "active_addresses": 800_000, "transactions": 300_000, "fees_native": 40, "fees_usd": 600_000, "hash_rate": 1.2e8,
        "exchange_inflow": 25_000, "exchange_outflow": 25_500, "market_cap_usd": 2.5e11, "tvl_usd": 1e9,
    },
    "ETH": {
        "active_addresses": 450_000, "transactions": 1_000_000, "fees_native": 1200, "fees_usd": 400_000,
        "exchange_inflow": 200_000, "exchange_outflow": 210_000, "market_cap_usd": 9e10, "tvl_usd": 2e10,
    },
    "SOL": {"active_addresses": 700_000, "transactions": 3e7, "market_cap_usd": 2e10, "tvl_usd": 2e9},
    "XRP": {
        "active_addresses": 30_000, "transactions": 1_000_000, "fees_native": 900, "market_cap_usd": 1.2e10, "tvl_usd": 4e7,
    },
    "DOGE": {
        "active_addresses": 70_000, "transactions": 50_000, "fees_native": 70_000, "hash_rate": 200, "market_cap_usd": 5e8,
    },
    "ADA": {"active_addresses": 40_000, "transactions": 70_000, "fees_native": 20_000, "market_cap_usd": 5e9, "tvl_usd": 2e8},
}  # fmt: skip
_SUPPLY: Mapping[str, tuple[float, float]] = {
    "BTC": (18_130_000, 700), "ETH": (109_000_000, 4_000), "SOL": (440_000_000, 60_000), "XRP": (43_000_000_000, 5_000_000),
    "DOGE": (122_600_000_000, 14_000_000), "ADA": (31_000_000_000, 1_700_000),
}  # fmt: skip
_WHOLE = frozenset({"active_addresses", "transactions"})
SUPPLY = "supply"


def assets() -> tuple[str, ...]:
    """The chains there are, by currency."""
    return tuple(_LEVELS)


def metrics_of(asset: str) -> tuple[str, ...]:
    """What is known of a chain."""
    return (*_LEVELS[asset], SUPPLY)


@lru_cache(maxsize=65_536)  # a chain's whole history is asked for again and again
def chain_number(seed: int, asset: str, metric: str, day: date) -> float:
    """A day's number, in natural units: USD, coins, TH/s."""
    days = (day - _EPOCH).days
    if metric == SUPPLY:
        at_first, a_day = _SUPPLY[asset]
        return max(0.0, at_first + a_day * days)
    chance = float(uniform(key_of(seed, "chain", asset, metric), np.array([day.toordinal()], dtype=np.int64))[0])
    found = _LEVELS[asset][metric] * (1 + _GROWTH) ** (days / 365) * (1 - _SWING + 2 * _SWING * chance)
    return float(round(found)) if metric in _WHOLE else round(found, 8)


def day_of_ms(moment: int) -> date:
    """The UTC day of a moment in epoch milliseconds."""
    return datetime.fromtimestamp(moment / 1000, UTC).date()


def start_ms(day: date) -> int:
    """When a UTC day begins, epoch milliseconds."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def hours_after(seed: int, name: str, day: date, least: float, spread: float) -> float:
    """So long after a day's end somebody has finished it: between `least` and `least + spread` hours."""
    return least + spread * float(uniform(key_of(seed, "late", name), np.array([day.toordinal()], dtype=np.int64))[0])
