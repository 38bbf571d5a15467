"""Gate spot's trades, order books and 24-hour tickers.

Format: Gate's API v4 documents. Trades come newest first. With last_id those newer than it come, the ones next to it, or with
reverse=true those older; from and to are inclusive seconds; page counts from 1. `id` comes from one counter for all markets,
so that it rises and has holes; sequence_id is the market's own number. A book has an id only with with_id=true.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crypto_assets.sandbox.noise import uniform
from crypto_assets.sandbox.trades import TradeColumns
from crypto_assets.sandbox.venues.exchange import FAR_MS, Asked, Reply, format_number, levels, split
from crypto_assets.sandbox.venues.trade_pages import ALL_IDS, ALL_TIMES, first_trades, last_trades, trade_texts

TRADES_LIMIT, LEVELS_LIMIT = 1000, 1000
_SKIPPED_AT_MOST = 100_000
_IDS_PER_TRADE, _IDS_PER_MARKET = 64, 8  # eight markets share the counter; within its eight ids a trade's is seeded


def pair_id(symbol: str) -> str:
    """BTC/USDT is BTC_USDT."""
    return "_".join(split(symbol))


def trades(asked: Asked) -> Reply:
    """GET /spot/trades."""
    symbol = asked.find_symbol(asked.query.get("currency_pair", ""), pair_id)
    if symbol is None:
        return _refused(asked, "INVALID_CURRENCY_PAIR", "Invalid currency pair")
    limit, page = asked.number("limit", 100), asked.number("page", 1)
    if not 1 <= limit <= TRADES_LIMIT:
        return _refused(asked, "INVALID_PARAM_VALUE", f"limit must be between 1 and {TRADES_LIMIT}")
    if page < 1 or (page - 1) * limit > _SKIPPED_AT_MOST:
        return _refused(asked, "INVALID_PARAM_VALUE", "page is out of range")
    found = _found(asked, symbol, limit, page)
    prices, amounts = trade_texts(found)
    pair = pair_id(symbol)
    oldest_first: list[object] = [
        {
            "id": str(number),
            "create_time": str(at // 1000),
            "create_time_ms": f"{at}.000000",
            "currency_pair": pair,
            "side": "buy" if bought else "sell",
            "role": "taker",
            "amount": amount,
            "price": price,
            "sequence_id": str(sequence),
        }
        for number, sequence, at, bought, price, amount in zip(
            shared_ids(asked, symbol, found.trade_id).tolist(),
            found.trade_id.tolist(),
            found.traded_at_ms.tolist(),
            found.is_buy.tolist(),
            prices,
            amounts,
            strict=True,
        )
    ]
    rows = oldest_first[::-1]
    return Reply(rows, asked.now(symbol), rows=rows)


def _found(asked: Asked, symbol: str, limit: int, page: int) -> TradeColumns:
    """The page asked for, oldest first."""
    span = (asked.number("from", 0) * 1000, (asked.number("to", FAR_MS // 1000) + 1) * 1000)
    if "last_id" not in asked.query:
        newest = last_trades(asked, symbol, span, limit * page)
        return newest.take(slice(0, max(0, len(newest) - limit * (page - 1)))).take(slice(-limit, None))
    first = _first_behind(asked, symbol, asked.number("last_id", 0, digits=18))
    if asked.query.get("reverse", "false").lower() == "true":
        last = first - 1 if _is_taken(asked, symbol, first - 1) else first
        return last_trades(asked, symbol, ALL_TIMES, limit, (ALL_IDS[0], last))
    return first_trades(asked, symbol, ALL_TIMES, limit, (first, ALL_IDS[1]))


def _first_behind(asked: Asked, symbol: str, last_id: int) -> int:
    """The market's own number of the first trade whose id is above `last_id`."""
    if asked.source.has_recorded_trades(asked.venue, symbol):
        return last_id + 1
    number = last_id // _IDS_PER_TRADE
    return number + int(shared_ids(asked, symbol, np.array([number]))[0] <= last_id)


def _is_taken(asked: Asked, symbol: str, number: int) -> bool:
    """Whether the last_id asked about is that of this trade, which then does not belong to the older ones."""
    return int(shared_ids(asked, symbol, np.array([number]))[0]) == asked.number("last_id", 0, digits=18)


def shared_ids(asked: Asked, symbol: str, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Ids from the counter that all markets share, of a market's own numbers; recorded ids are served as they are."""
    if asked.source.has_recorded_trades(asked.venue, symbol):
        return numbers
    market = list(asked.source.symbols(asked.venue)).index(symbol) % (_IDS_PER_TRADE // _IDS_PER_MARKET)
    within = (uniform(asked.seed, numbers) * _IDS_PER_MARKET).astype(np.int64)
    return numbers * _IDS_PER_TRADE + market * _IDS_PER_MARKET + within


def order_book(asked: Asked) -> Reply:
    """GET /spot/order_book."""
    symbol = asked.find_symbol(asked.query.get("currency_pair", ""), pair_id)
    if symbol is None:
        return _refused(asked, "INVALID_CURRENCY_PAIR", "Invalid currency pair")
    book, most = asked.book(symbol), asked.page_limit(10, LEVELS_LIMIT)
    numbered = {"id": book.sequence} if asked.query.get("with_id", "").lower() == "true" else {}
    sides = {"asks": levels(book.asks, most), "bids": levels(book.bids, most)}
    return Reply(numbered | {"current": book.now_ms, "update": book.now_ms} | sides, asked.now(symbol))


def tickers(asked: Asked) -> Reply:
    """GET /spot/tickers."""
    symbols = list(asked.source.symbols(asked.venue))
    if "currency_pair" in asked.query:
        symbol = asked.find_symbol(asked.query["currency_pair"], pair_id)
        if symbol is None:
            return _refused(asked, "INVALID_CURRENCY_PAIR", "Invalid currency pair")
        symbols = [symbol]
    rows: list[object] = [_ticker(asked, symbol) for symbol in symbols]
    return Reply(rows, asked.now(), rows=rows)


def _ticker(asked: Asked, symbol: str) -> dict[str, object]:
    day, offers = asked.ticker(symbol)
    return {
        "currency_pair": pair_id(symbol),
        "last": format_number(day.last),
        "lowest_ask": offers.ask,
        "lowest_size": offers.ask_amount,
        "highest_bid": offers.bid,
        "highest_size": offers.bid_amount,
        "change_percentage": format_number(round(day.change_ratio * 100, 4)),
        "base_volume": format_number(day.volume_base),
        "quote_volume": format_number(day.volume_quote),
        "high_24h": format_number(day.high),
        "low_24h": format_number(day.low),
    }


def _refused(asked: Asked, label: str, message: str) -> Reply:
    return Reply({"label": label, "message": message}, asked.now(), 400)
