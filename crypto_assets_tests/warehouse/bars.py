"""Bars to write: batches for market.ohlcv whose values can be told by hand.

What belongs here: building batches for the tests of this package. What does not: assertions.
"""

from __future__ import annotations

import numpy as np

from crypto_assets.warehouse.binary_copy import Batch

FIRST = np.datetime64("2024-01-01T00:00", "m")


def bars(count: int, *, first: int = 0, close: float = 100.0, symbol: str = "BTC/USD") -> dict[str, object]:
    """`count` one-minute bars of kraken from minute `first` of 2024 on; bar i closes at `close` + i."""
    minutes = np.arange(first, first + count)
    opened_at = FIRST + minutes
    prices = close + minutes.astype(np.float64)
    return {
        "venue": "kraken",
        "symbol": symbol,
        "timeframe": "1m",
        "opened_at": opened_at.astype("datetime64[ms]"),
        "open": prices,
        "high": prices + 1,
        "low": prices - 1,
        "close": prices,
        "volume_base": np.full(count, 2.5),
        "volume_quote": np.full(count, np.nan),
        "trade_count": np.full(count, 7.0),
        "source": "kraken REST",
        "known_at": (opened_at + 1).astype("datetime64[ms]"),
    }


def batch(count: int, *, first: int = 0, close: float = 100.0, symbol: str = "BTC/USD") -> Batch:
    """The same, typed as the writers take it."""
    return bars(count, first=first, close=close, symbol=symbol)  # type: ignore[return-value]
