"""MEXC spot's trades, order books and 24-hour tickers.

Format: MEXC's spot v3 documents. Rows of aggTrades are Binance's with null ids, newest first; startTime and endTime, inclusive
ms, come together and at most one hour apart, and of a window with more trades than `limit` the newest are served. A depth
answer has a timestamp, a ticker's change is a part of one and not a percentage, its count is null. ticker/24hr of all
markets weighs 40.
"""

from __future__ import annotations

from crypto_assets.sandbox.venues.binance_trades import (
    LEVELS_LIMIT,
    TRADES_LIMIT,
    depth_payload,
    invalid_symbol,
    market_id,
    shared_ticker,
    trade_rows,
)
from crypto_assets.sandbox.venues.exchange import Asked, Reply
from crypto_assets.sandbox.venues.trade_pages import ALL_TIMES, last_trades

_WINDOW_MS = 3_600_000


def agg_trades(asked: Asked) -> Reply:
    """GET /aggTrades."""
    symbol, query = asked.find_symbol(asked.query.get("symbol", ""), market_id), asked.query
    if symbol is None:
        return invalid_symbol(asked)
    if ("startTime" in query) != ("endTime" in query):
        return _refused(asked, "startTime and endTime must be sent together")
    start, end = asked.number("startTime", 0), asked.number("endTime", 0)
    if end - start > _WINDOW_MS:
        return _refused(asked, "startTime and endTime must be at most one hour apart")
    span = (start, end + 1) if "startTime" in query else ALL_TIMES
    trades = last_trades(asked, symbol, span, asked.page_limit(500, TRADES_LIMIT))
    rows: list[object] = [_without_ids(row) for row in reversed(trade_rows(trades))]
    return Reply(rows, asked.now(symbol), rows=rows)


def depth(asked: Asked) -> Reply:
    """GET /depth."""
    symbol = asked.find_symbol(asked.query.get("symbol", ""), market_id)
    if symbol is None:
        return invalid_symbol(asked)
    book = asked.book(symbol)
    payload = depth_payload(book, asked.page_limit(100, LEVELS_LIMIT)) | {"timestamp": book.now_ms}
    return Reply(payload, asked.now(symbol))


def day_tickers(asked: Asked) -> Reply:
    """GET /ticker/24hr: of one market an object, of all a list."""
    if "symbol" in asked.query:
        symbol = asked.find_symbol(asked.query["symbol"], market_id)
        return invalid_symbol(asked) if symbol is None else Reply(_ticker(asked, symbol), asked.now(symbol))
    rows: list[object] = [_ticker(asked, symbol) for symbol in asked.source.symbols("mexc")]
    return Reply(rows, asked.now(), rows=rows, weight=40)


def _ticker(asked: Asked, symbol: str) -> dict[str, object]:
    day, offers = asked.ticker(symbol)
    return shared_ticker(symbol, day, offers, day.change_ratio) | {"count": None}


def _without_ids(row: dict[str, object]) -> dict[str, object]:
    return row | {"a": None, "f": None, "l": None}


def _refused(asked: Asked, message: str) -> Reply:
    return Reply({"code": 700004, "msg": message}, asked.now(), 400)
