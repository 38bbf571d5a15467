"""Markets for tests of what is derived from bars: seeded walks, recorded ones, and putting them into a warehouse.

What belongs here: making and storing bars. What does not: assertions.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np

from crypto_assets.datasets.market.ohlcv.table import DATASET, ohlcv
from crypto_assets.indicators.declaration import Bars
from crypto_assets.sandbox.recordings import Recordings
from crypto_assets.universe import TIMEFRAME_LENGTH
from crypto_assets.warehouse.collected import mark_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.write import upsert

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
RECORDED = ("ADA", "BNB", "BTC", "ETH", "LINK", "LUNA", "MATIC", "SOL", "TRX")


def moment(at: datetime) -> np.datetime64:
    return np.datetime64(at.astimezone(UTC).replace(tzinfo=None), "us")


def walk(
    count: int,
    seed: int = 0,
    *,
    start: datetime = START,
    timeframe: str = "1h",
    price: float = 100.0,
    step: float = 0.01,
) -> Bars:
    """A random walk of bars without a hole."""
    rng = np.random.default_rng(seed)
    close = price * np.exp(np.cumsum(rng.normal(0, step, count)))
    opened = np.concatenate([[price], close[:-1]])
    high = np.maximum(opened, close) * (1 + np.abs(rng.normal(0, step / 2, count)))
    low = np.minimum(opened, close) * (1 - np.abs(rng.normal(0, step / 2, count)))
    length = np.timedelta64(TIMEFRAME_LENGTH[timeframe] // timedelta(microseconds=1), "us")
    return Bars(moment(start) + np.arange(count) * length, opened, high, low, close, rng.random(count) * 10)


def without(bars: Bars, *spans: tuple[int, int]) -> Bars:
    """The bars less those at positions [start, stop) of each span."""
    keep = np.ones(len(bars), dtype=bool)
    for start, stop in spans:
        keep[start:stop] = False
    return Bars(*(getattr(bars, name)[keep] for name in ("opened_at", "open", "high", "low", "close", "volume")))


def store(warehouse: Warehouse, bars: Bars, symbol: str, *, venue: str = "binance", timeframe: str = "1h") -> None:
    """Upsert bars and mark their span as collected, in one transaction."""
    length = TIMEFRAME_LENGTH[timeframe]
    first, last = (at.item().replace(tzinfo=UTC) for at in (bars.opened_at[0], bars.opened_at[-1]))
    with warehouse.connect() as connection:
        upsert(
            connection,
            ohlcv,
            {
                "venue": venue, "symbol": symbol, "timeframe": timeframe, "opened_at": bars.opened_at, "open": bars.open,
                "high": bars.high, "low": bars.low, "close": bars.close, "volume_base": bars.volume,
                "volume_quote": bars.volume * bars.close, "trade_count": np.full(len(bars), np.nan), "source": "test",
                "known_at": bars.opened_at + np.timedelta64(length // timedelta(microseconds=1), "us"),
            },
        )  # fmt: skip
        mark_collected(connection, DATASET, venue, symbol, timeframe, first, last + length)


@cache
def recorded(folder: Path, base: str) -> Bars:
    """One of binance's nine recorded series of hours, less its unfinished last bar."""
    bars = Recordings(folder).bars("binance", f"{base}/USDT", 3_600_000, 0, 2**50)
    opened_at = (bars.opened_at_ms * 1000).view("datetime64[us]")
    names = ("open", "high", "low", "close", "volume_base")
    return Bars(opened_at[:-1], *(np.ascontiguousarray(bars.values[name][:-1]) for name in names))
