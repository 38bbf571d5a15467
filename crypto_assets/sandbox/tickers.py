"""What was traded over a span that ends now: open, high, low, last, volumes, and the best offers.

What belongs here: summing up a source's bars and trades. What does not: a venue's format.

Closed bars of the finest length that the source has are summed up, and the trades since the last of them. In a market
without trades the bar still open stands for them, in one without bars the trades stand for all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crypto_assets.sandbox.bars import NO_BARS, BarColumns, join
from crypto_assets.sandbox.books import Book, make_book
from crypto_assets.sandbox.trades import MarketSource, TradeColumns

DAY_MS = 86_400_000
_REACH_MS = 300_000  # how far back the last trade is looked for at first


@dataclass(frozen=True)
class Traded:
    """What was traded over a span; zeros where nothing was.

    Args:
        opened_at_ms: When the span begins.
        now_ms: When it ends: the venue's clock.
        open: First price.
        last: Last price, also where that was before the span; 0 where there is none.
        last_amount: Of the last trade, base currency; 0 where trades are not known.
        last_id: Of the last trade.
    """

    opened_at_ms: int
    now_ms: int
    open: float
    high: float
    low: float
    last: float
    volume_base: float
    volume_quote: float
    trade_count: int
    last_amount: float
    last_id: int

    @property
    def change(self) -> float:
        """Last less open."""
        return self.last - self.open

    @property
    def change_ratio(self) -> float:
        """Change as a part of open."""
        return self.change / self.open if self.open else 0.0

    @property
    def vwap(self) -> float:
        """What a unit of the base cost on average."""
        return self.volume_quote / self.volume_base if self.volume_base else 0.0


def traded_since(source: MarketSource, venue: str, symbol: str, start_ms: int) -> Traded:
    """Everything traded from a moment, a multiple of the bars' length, until now."""
    now = source.now_ms(venue, symbol)
    closed, still_open, closed_until = _bars(source, venue, symbol, start_ms, now)
    trades = source.trades(venue, symbol, max(start_ms, closed_until), now + 1)
    newest = trades if len(trades) else last_trade(source, venue, symbol)
    running = _as_bar(trades) if len(trades) else NO_BARS if len(newest) else still_open
    parts = [part for part in (closed, running) if len(part)]
    bars = join(parts) if parts else NO_BARS
    values = bars.values
    found = len(bars) > 0
    last = float(newest.price[-1]) if len(newest) else float(values["close"][-1]) if found else 0.0
    return Traded(
        start_ms,
        now,
        float(values["open"][0]) if found else last,
        float(values["high"].max()) if found else last,
        float(values["low"].min()) if found else last,
        last,
        round(float(values["volume_base"].sum()), 8),
        round(float(values["volume_quote"].sum()), 8),
        int(values["trade_count"].sum()),
        float(newest.amount[-1]) if len(newest) else 0.0,
        int(newest.trade_id[-1]) if len(newest) else 0,
    )


def day_traded(source: MarketSource, venue: str, symbol: str) -> Traded:
    """The last 24 hours: 1,440 closed minutes and what is traded of the running one."""
    now = source.now_ms(venue, symbol)
    return traded_since(source, venue, symbol, now - now % 60_000 - DAY_MS)


def last_trade(source: MarketSource, venue: str, symbol: str) -> TradeColumns:
    """The newest trade, or none."""
    end, listed, reach = source.now_ms(venue, symbol) + 1, source.listed_ms(venue, symbol), _REACH_MS
    while True:
        found = source.trades(venue, symbol, max(listed, end - reach), end)
        if len(found) or end - reach <= listed:
            return found.take(slice(max(0, len(found) - 1), None))
        reach *= 4


def book_after(day: Traded, market: tuple[int, str, str]) -> Book:
    """The order book at the end of a day: a level holds about what is traded in six seconds. Pure.

    Args:
        market: Seed, venue and symbol.
    """
    return make_book(market, day.now_ms, day.last or None, max(day.volume_base / 14_400, 0.0001))


def _bars(
    source: MarketSource, venue: str, symbol: str, start_ms: int, now_ms: int
) -> tuple[BarColumns, BarColumns, int]:
    """Closed bars since then, the one still open, and until when the closed ones reach."""
    length = source.finest_ms(venue, symbol)
    if length is None:
        return NO_BARS, NO_BARS, start_ms
    bars = source.bars(venue, symbol, length, start_ms, now_ms + 1)
    closed = np.asarray(bars.opened_at_ms + length <= now_ms, dtype=bool)
    return bars.take(closed), bars.take(~closed), now_ms - now_ms % length


def _as_bar(trades: TradeColumns) -> BarColumns:
    price, amount = trades.price, trades.amount
    numbers = {
        "open": price[0],
        "high": price.max(),
        "low": price.min(),
        "close": price[-1],
        "volume_base": amount.sum(),
        "volume_quote": (price * amount).sum(),
        "trade_count": len(trades),
    }
    return BarColumns(trades.traded_at_ms[:1], {name: np.array([float(one)]) for name, one in numbers.items()})
