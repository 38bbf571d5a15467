"""Worlds for tests of the feature engine: a market, its peers, another venue, and how to change what was known when.

What belongs here: making worlds. What does not: assertions.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from crypto_assets.datasets.features.blocks import Block
from crypto_assets.datasets.features.ml_features.as_of import KnownRows
from crypto_assets.datasets.features.ml_features.catalog import FEATURES
from crypto_assets.datasets.features.ml_features.dex_pools import POOL_COLUMNS
from crypto_assets.datasets.features.ml_features.engine import MarketInputs
from crypto_assets.datasets.features.ml_features.look_ahead import World
from crypto_assets.indicators.declaration import Bars, Floats
from crypto_assets.indicators.segments import join_quiet
from crypto_assets_tests.markets import HOUR, START, moment, walk

ALL = tuple(FEATURES.values())
HISTORY_FROM = START - timedelta(hours=1100)
BLOCK = Block(HISTORY_FROM, START, START + timedelta(hours=400))
COUNT = 1500
STEP = np.timedelta64(1, "h")


def market_of(seed: int) -> Bars:
    """Bars over the block and its history."""
    return walk(COUNT, seed, start=HISTORY_FROM)


def world(
    own: Bars | None = None,
    peers: dict[str, Bars] | None = None,
    elsewhere: Bars | None = None,
    pools: Bars | None = None,
) -> World:
    """ETH/USDT among BTC, SOL and XRP, on one other venue whose clock runs an hour's close later than ours, and in pools."""
    own = market_of(1) if own is None else own
    peers = {"BTC/USDT": market_of(2), "SOL/USDT": market_of(3), "XRP/USDT": market_of(4)} if peers is None else peers
    other = market_of(5) if elsewhere is None else elsewhere
    closes = tuple((symbol, bars.opened_at, bars.close) for symbol, bars in {**peers, "ETH/USDT": own}.items())
    told = market_of(6) if pools is None else pools
    closes_at = told.opened_at + STEP
    joined = {
        "other_venues": [KnownRows(other.opened_at + STEP, other.opened_at, {"close_elsewhere": other.close})],
        "dex_pools": [KnownRows(closes_at, closes_at, dict(zip(POOL_COLUMNS, _told(told), strict=True)))],
        "dex_trades": [KnownRows(closes_at, closes_at, {"pool_bought": told.high, "pool_sold": told.low})],
    }
    return World(MarketInputs("1h", "USDT", join_quiet(own, HOUR), joined), closes, "BTC")


def _told(bars: Bars) -> tuple[Floats, ...]:
    """Something for each of `POOL_COLUMNS` that moves as bars do."""
    return bars.close, bars.volume, bars.open, bars.high, bars.low, bars.close // 1, bars.open // 1


def at_hour(hour: int) -> np.datetime64:
    """The opening time of an hour of the block."""
    return moment(START) + hour * STEP


def altered(bars: Bars, after: np.datetime64, factor: float) -> Bars:
    """The bars with prices and volume of those that open after a moment multiplied."""
    change = np.where(bars.opened_at > after, factor, 1.0)
    values = {name: getattr(bars, name) * change for name in ("open", "high", "low", "close", "volume")}
    return replace(bars, **values)


def cut(bars: Bars, after: np.datetime64, drop: int) -> Bars:
    """The bars without every `drop`-th of those that open after a moment."""
    keep = (bars.opened_at <= after) | (np.arange(len(bars)) % drop != 0)
    return Bars(*(getattr(bars, name)[keep] for name in ("opened_at", "open", "high", "low", "close", "volume")))


def utc(at: np.datetime64) -> datetime:
    """As Python has it."""
    moment_of: datetime = at.astype("datetime64[us]").item()
    return moment_of.replace(tzinfo=UTC)
