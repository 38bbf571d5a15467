"""Pages of trades: the first or the last so many of a span of time or of ids, as the faults leave them.

What belongs here: finding a page without making more trades than it needs. What does not: a venue's parameters and rows.
"""

from __future__ import annotations

from crypto_assets.sandbox.faults import ON_TRADES, spoil_trades
from crypto_assets.sandbox.trades import TradeColumns
from crypto_assets.sandbox.venues.exchange import FAR_MS, Asked, format_numbers

ALL_IDS = (-(2**62), 2**62)
ALL_TIMES = (0, FAR_MS)
_MS_PER_TRADE = 600  # about as dense as the made-up markets are; only how far is looked at first depends on it


def first_trades(
    asked: Asked, symbol: str, span: tuple[int, int], limit: int, ids: tuple[int, int] = ALL_IDS
) -> TradeColumns:
    """The oldest `limit` trades of a span, oldest first.

    Args:
        span: [start, end), ms.
        ids: [first, last) ids.
    """
    start, end = _narrowed(asked, symbol, span, ids)
    reach = limit * _MS_PER_TRADE + 60_000
    while True:
        found = _within(asked.source.trades(asked.venue, symbol, start, min(start + reach, end)), ids)
        if len(found) >= limit or start + reach >= end:
            return spoilt(asked, found.take(slice(0, limit)))
        reach *= 4


def last_trades(
    asked: Asked, symbol: str, span: tuple[int, int], limit: int, ids: tuple[int, int] = ALL_IDS
) -> TradeColumns:
    """The newest `limit` trades of a span, oldest first; `span` and `ids` as for `first_trades`."""
    start, end = _narrowed(asked, symbol, span, ids)
    reach = limit * _MS_PER_TRADE + 60_000
    while True:
        found = _within(asked.source.trades(asked.venue, symbol, max(start, end - reach), end), ids)
        if len(found) >= limit or end - reach <= start:
            return spoilt(asked, found.take(slice(max(0, len(found) - limit), None)))
        reach *= 4


def trade_texts(trades: TradeColumns) -> tuple[list[str], list[str]]:
    """Prices and amounts as text."""
    return format_numbers(trades.price), format_numbers(trades.amount)


def _narrowed(asked: Asked, symbol: str, span: tuple[int, int], ids: tuple[int, int]) -> tuple[int, int]:
    """The part of a span in which trades with these ids can be."""
    start = max(span[0], asked.source.listed_ms(asked.venue, symbol))
    end = min(span[1], asked.now(symbol) + 1)
    if ids[0] > ALL_IDS[0]:
        start = max(start, asked.source.moment_of(asked.venue, symbol, ids[0]))
    if ids[1] < ALL_IDS[1]:
        end = min(end, asked.source.moment_of(asked.venue, symbol, ids[1]) + 1)
    return start, end


def _within(trades: TradeColumns, ids: tuple[int, int]) -> TradeColumns:
    return trades.take((trades.trade_id >= ids[0]) & (trades.trade_id < ids[1]))


def spoilt(asked: Asked, found: TradeColumns) -> TradeColumns:
    """A page as the faults leave it."""
    struck = [fault for fault in asked.faults if fault.kind in ON_TRADES]
    return spoil_trades(found, struck) if struck else found
