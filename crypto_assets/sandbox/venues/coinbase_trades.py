"""Coinbase's trades with the best offers, order books, and what its products list says of prices.

Format: Coinbase's Advanced Trade documents. products/{id}/ticker is {"trades": [{"trade_id", "product_id", "price", "size",
"time", "side", "exchange"}], "best_bid", "best_ask"}, newest first; start and end are inclusive seconds; of a window with
more trades than `limit` the newest are served. `side` is written as the taker's. product_book is {"pricebook": {"product_id",
"bids": [{"price", "size"}], "asks", "time"}}.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from crypto_assets.sandbox.books import Side
from crypto_assets.sandbox.venues.exchange import FAR_MS, Asked, Reply, format_number, levels, split
from crypto_assets.sandbox.venues.trade_pages import last_trades, trade_texts

TRADES_LIMIT, LEVELS_LIMIT = 1000, 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def product_id(symbol: str) -> str:
    """BTC/USD is BTC-USD."""
    return "-".join(split(symbol))


def trades(asked: Asked, product: str) -> Reply:
    """GET …/market/products/{id}/ticker."""
    symbol = asked.find_symbol(product, product_id)
    if symbol is None:
        return refused("NOT_FOUND", "valid product_id is required", asked.now(), 404)
    span = (asked.number("start", 0) * 1000, asked.number("end", FAR_MS // 1000) * 1000 + 1)
    found = last_trades(asked, symbol, span, asked.page_limit(100, TRADES_LIMIT))
    prices, amounts = trade_texts(found)
    oldest_first: list[object] = [
        {
            "trade_id": str(number),
            "product_id": product,
            "price": price,
            "size": amount,
            "time": iso_time(at),
            "side": "BUY" if bought else "SELL",
            "exchange": "coinbase",
        }
        for number, price, amount, at, bought in zip(
            found.trade_id.tolist(), prices, amounts, found.traded_at_ms.tolist(), found.is_buy.tolist(), strict=True
        )
    ]
    rows = oldest_first[::-1]
    _, offers = asked.ticker(symbol)
    return Reply({"trades": rows, "best_bid": offers.bid, "best_ask": offers.ask}, asked.now(symbol), rows=rows)


def book(asked: Asked) -> Reply:
    """GET …/market/product_book."""
    product = asked.query.get("product_id", "")
    symbol = asked.find_symbol(product, product_id)
    if symbol is None:
        return refused("NOT_FOUND", "valid product_id is required", asked.now(), 404)
    found, most = asked.book(symbol), asked.page_limit(LEVELS_LIMIT, LEVELS_LIMIT)
    pricebook = {
        "product_id": product,
        "bids": _levels(found.bids, most),
        "asks": _levels(found.asks, most),
        "time": iso_time(found.now_ms),
    }
    return Reply({"pricebook": pricebook}, asked.now(symbol))


def day_fields(asked: Asked, symbol: str) -> dict[str, object]:
    """What the products list says of a market's last 24 hours."""
    day, offers = asked.ticker(symbol)
    return {
        "price": format_number(day.last),
        "price_percentage_change_24h": format_number(round(day.change_ratio * 100, 8)),
        "volume_24h": format_number(day.volume_base),
        "approximate_quote_24h_volume": format_number(day.volume_quote),
        "best_bid_price": offers.bid,
        "best_ask_price": offers.ask,
    }


def iso_time(milliseconds: int) -> str:
    """2026-03-10T12:00:30.123000Z."""
    return (_EPOCH + timedelta(milliseconds=milliseconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def refused(error: str, message: str, now_ms: int, status: int) -> Reply:
    """An error in Coinbase's words."""
    return Reply({"error": error, "error_details": message, "message": message}, now_ms, status)


def _levels(side: Side, most: int) -> list[dict[str, str]]:
    return [{"price": price, "size": amount} for price, amount in levels(side, most)]
