"""Quotes, feeds and snapshots made by hand, for tests of what is made of them.

What belongs here: making them. What does not: assertions.
"""

from __future__ import annotations

from collections.abc import Sequence

from crypto_assets.clients.book_tickers.quote import Quote
from crypto_assets.stream.snapshots import SECOND, snapshot_lines
from crypto_assets.stream.standing import Lines, Snapshot, Standing

NOON = 1_773_144_000 * SECOND  # 2026-03-10 12:00:00 UTC
BTC, ETH = ("mexc", "BTC/USDT"), ("mexc", "ETH/USDT")
SOURCES = {"mexc": "mexc bookTicker stream", "gate": "gate bookTicker stream"}


def quote(
    symbol: str = "BTC/USDT",
    bid: str = "100.10",
    ask: str = "100.30",
    *,
    received_at: int = NOON,
    event_at: int | None = None,
    sequence: int | None = None,
) -> Quote:
    return Quote(symbol, bid, "1.50", ask, "2.0", float(bid), float(ask), event_at, received_at, sequence)


def second_of(at: int, markets: Sequence[tuple[str, str]] = (BTC,), *, bid: str = "100.10") -> Lines:
    """The rows of one second."""
    standings = [Standing(venue, quote(symbol, bid, received_at=at - 250_000), 250, False) for venue, symbol in markets]
    return snapshot_lines(Snapshot(at, at, standings, []), SOURCES)
