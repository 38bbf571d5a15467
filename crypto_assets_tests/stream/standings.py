"""Snapshots for tests of what looks at them.

What belongs here: making them from few words. What does not: assertions.
"""

from __future__ import annotations

from collections.abc import Sequence

from crypto_assets.clients.book_tickers.quote import Quote
from crypto_assets.stream.standing import MarketName, Snapshot, Standing

SECOND = 1_000_000
START = 1_770_000_000_000_000  # 2026-02-02 02:40:00


def quote(symbol: str, bid: str, ask: str, bid_quantity: str = "1", ask_quantity: str = "1", at: int = START) -> Quote:
    return Quote(symbol, bid, bid_quantity, ask, ask_quantity, float(bid), float(ask), None, at, None)


def standing(
    venue: str,
    bid: str,
    ask: str,
    *,
    symbol: str = "BTC/USDT",
    bid_quantity: str = "1",
    ask_quantity: str = "1",
    age_ms: int = 100,
    is_stale: bool = False,
) -> Standing:
    return Standing(venue, quote(symbol, bid, ask, bid_quantity, ask_quantity), age_ms, is_stale)


def snapshot(second: float, standings: Sequence[Standing], absent: Sequence[MarketName] = ()) -> Snapshot:
    """Of so many seconds after START."""
    at = START + round(second * SECOND)
    return Snapshot(at, at + 1200, standings, absent)
