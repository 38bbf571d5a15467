"""Binance's and Binance.US's trades, order books and 24-hour tickers; MEXC writes them nearly alike.

Format: Binance's REST documents. aggTrades rows are {"a", "p", "q", "f", "l", "T", "m", "M"}, ascending; `m` says that the
buyer was the maker. fromId is inclusive, startTime and endTime are inclusive ms; without them the newest come. Here each
trade is an aggregate of its own. A depth answer is {"lastUpdateId", "bids", "asks"}. Weights: aggTrades 4; depth 5 up to 100
levels, 25 up to 500, 50 up to 1000, else 250; ticker/24hr 2 up to 20 markets, 40 up to 100, else 80.
"""

from __future__ import annotations

import json

from crypto_assets.sandbox.books import Book
from crypto_assets.sandbox.tickers import Traded
from crypto_assets.sandbox.trades import TradeColumns
from crypto_assets.sandbox.venues.exchange import FAR_MS, Asked, Offers, Reply, format_number, levels, split
from crypto_assets.sandbox.venues.trade_pages import ALL_IDS, ALL_TIMES, first_trades, last_trades, trade_texts

TRADES_LIMIT, LEVELS_LIMIT = 1000, 5000
_TRADES_WEIGHT = 4


def market_id(symbol: str) -> str:
    """BTC/USDT is BTCUSDT."""
    return "".join(split(symbol))


def agg_trades(asked: Asked) -> Reply:
    """GET /aggTrades."""
    symbol, query = asked.find_symbol(asked.query.get("symbol", ""), market_id), asked.query
    if symbol is None:
        return invalid_symbol(asked)
    has_span = "startTime" in query or "endTime" in query
    if "fromId" in query and has_span:
        return _refused(asked, -1128, "Combination of optional parameters invalid.")
    limit = asked.page_limit(500, TRADES_LIMIT)
    span = (asked.number("startTime", 0), asked.number("endTime", FAR_MS) + 1)
    if "fromId" in query:
        trades = first_trades(asked, symbol, ALL_TIMES, limit, (asked.number("fromId", 0), ALL_IDS[1]))
    elif "startTime" in query:
        trades = first_trades(asked, symbol, span, limit)
    else:
        trades = last_trades(asked, symbol, span, limit)
    rows: list[object] = [*trade_rows(trades)]
    return Reply(rows, asked.now(symbol), rows=rows, weight=_TRADES_WEIGHT)


def trade_rows(trades: TradeColumns) -> list[dict[str, object]]:
    """Objects of eight fields, oldest first."""
    prices, amounts = trade_texts(trades)
    return [
        {"a": number, "p": price, "q": amount, "f": number, "l": number, "T": at, "m": not bought, "M": True}
        for number, price, amount, at, bought in zip(
            trades.trade_id.tolist(),
            prices,
            amounts,
            trades.traded_at_ms.tolist(),
            trades.is_buy.tolist(),
            strict=True,
        )
    ]


def depth(asked: Asked) -> Reply:
    """GET /depth."""
    symbol = asked.find_symbol(asked.query.get("symbol", ""), market_id)
    if symbol is None:
        return invalid_symbol(asked)
    limit = asked.page_limit(100, LEVELS_LIMIT)
    weight = next((weight for most, weight in ((100, 5), (500, 25), (1000, 50)) if limit <= most), 250)
    return Reply(depth_payload(asked.book(symbol), limit), asked.now(symbol), weight=weight)


def depth_payload(book: Book, most: int) -> dict[str, object]:
    """{"lastUpdateId", "bids", "asks"}."""
    return {"lastUpdateId": book.sequence, "bids": levels(book.bids, most), "asks": levels(book.asks, most)}


def day_tickers(asked: Asked) -> Reply:
    """GET /ticker/24hr: of one market an object, of several or all a list."""
    query = asked.query
    if "symbol" in query and "symbols" in query:
        return _refused(asked, -1128, "Combination of optional parameters invalid.")
    if "symbol" in query:
        symbol = asked.find_symbol(query["symbol"], market_id)
        if symbol is None:
            return invalid_symbol(asked)
        return Reply(ticker(asked, symbol), asked.now(symbol), weight=2)
    wanted = (
        _listed_ids(query["symbols"]) if "symbols" in query else [*map(market_id, asked.source.symbols(asked.venue))]
    )
    if wanted is None:
        return _refused(asked, -1100, "Illegal characters found in parameter 'symbols'.")
    symbols = [symbol for one in wanted if (symbol := asked.find_symbol(one, market_id)) is not None]
    if len(symbols) < len(wanted):
        return invalid_symbol(asked)
    rows: list[object] = [ticker(asked, symbol) for symbol in symbols]
    weight = 80 if "symbols" not in query or len(wanted) > 100 else 40 if len(wanted) > 20 else 2
    return Reply(rows, asked.now(), rows=rows, weight=weight)


def ticker(asked: Asked, symbol: str) -> dict[str, object]:
    """A market's last 24 hours."""
    day, offers = asked.ticker(symbol)
    return shared_ticker(symbol, day, offers, day.change_ratio * 100) | {
        "weightedAvgPrice": format_number(round(day.vwap, 8)),
        "lastQty": format_number(day.last_amount),
        "firstId": max(day.last_id - day.trade_count + 1, 0) if day.trade_count else -1,
        "lastId": day.last_id if day.trade_count else -1,
        "count": day.trade_count,
    }


def shared_ticker(symbol: str, day: Traded, offers: Offers, change: float) -> dict[str, object]:
    """What Binance and MEXC say alike; the change as each of them counts it."""
    return {
        "symbol": market_id(symbol),
        "priceChange": format_number(round(day.change, 10)),
        "priceChangePercent": format_number(round(change, 6)),
        "prevClosePrice": format_number(day.open),
        "lastPrice": format_number(day.last),
        "bidPrice": offers.bid,
        "bidQty": offers.bid_amount,
        "askPrice": offers.ask,
        "askQty": offers.ask_amount,
        "openPrice": format_number(day.open),
        "highPrice": format_number(day.high),
        "lowPrice": format_number(day.low),
        "volume": format_number(day.volume_base),
        "quoteVolume": format_number(day.volume_quote),
        "openTime": day.opened_at_ms,
        "closeTime": day.now_ms,
    }


def invalid_symbol(asked: Asked) -> Reply:
    """-1121, which MEXC says too."""
    return _refused(asked, -1121, "Invalid symbol.")


def _listed_ids(text: str) -> list[str] | None:
    """["BTCUSDT", "ETHUSDT"] from JSON, or None where it is no list of texts."""
    try:
        ids = json.loads(text)
    except json.JSONDecodeError:
        return None
    return ids if isinstance(ids, list) and all(isinstance(one, str) for one in ids) else None


def _refused(asked: Asked, code: int, message: str) -> Reply:
    return Reply({"code": code, "msg": message}, asked.now(), 400)
