"""OKX spot's trades, order books and 24-hour tickers.

Format: OKX's v5 documents. Trades are {"instId", "side", "sz", "px", "tradeId", "ts"}, newest first. history-trades reaches
three months back; with type=1 `after` and `before` are exclusive trade ids, older and newer, with type=2 `after` is an
exclusive time in ms; of what lies between, the newest page is served. A level of a book is [price, amount, "0", orders].
"""

from __future__ import annotations

from crypto_assets.sandbox.books import Side
from crypto_assets.sandbox.tickers import DAY_MS
from crypto_assets.sandbox.trades import TradeColumns
from crypto_assets.sandbox.venues.exchange import FAR_MS, Asked, Reply, format_number, levels, split
from crypto_assets.sandbox.venues.trade_pages import ALL_IDS, ALL_TIMES, last_trades, trade_texts

NEWEST_LIMIT, HISTORY_LIMIT, LEVELS_LIMIT = 500, 100, 400
REACH_MS = 90 * DAY_MS


def inst_id(symbol: str) -> str:
    """BTC/USDT is BTC-USDT."""
    return "-".join(split(symbol))


def newest_trades(asked: Asked) -> Reply:
    """GET /market/trades."""
    symbol = asked.find_symbol(asked.query.get("instId", ""), inst_id)
    if symbol is None:
        return unknown_instrument(asked)
    return _answer(asked, symbol, last_trades(asked, symbol, ALL_TIMES, asked.page_limit(100, NEWEST_LIMIT)))


def history_trades(asked: Asked) -> Reply:
    """GET /market/history-trades."""
    symbol = asked.find_symbol(asked.query.get("instId", ""), inst_id)
    if symbol is None:
        return unknown_instrument(asked)
    kind, limit = asked.query.get("type", "1"), asked.page_limit(100, HISTORY_LIMIT)
    oldest = asked.now(symbol) - REACH_MS
    if kind == "1":
        ids = (asked.number("before", ALL_IDS[0] - 1, 18) + 1, asked.number("after", ALL_IDS[1], 18))
        return _answer(asked, symbol, last_trades(asked, symbol, (oldest, FAR_MS), limit, ids))
    if kind == "2":
        span = (oldest, asked.number("after", FAR_MS))
        return _answer(asked, symbol, last_trades(asked, symbol, span, limit))
    return Reply({"code": "51000", "msg": "Parameter type error", "data": []}, asked.now(symbol))


def _answer(asked: Asked, symbol: str, trades: TradeColumns) -> Reply:
    prices, amounts = trade_texts(trades)
    instrument = inst_id(symbol)
    oldest_first: list[object] = [
        {
            "instId": instrument,
            "side": "buy" if bought else "sell",
            "sz": amount,
            "px": price,
            "source": "0",
            "tradeId": str(number),
            "ts": str(at),
        }
        for number, price, amount, at, bought in zip(
            trades.trade_id.tolist(), prices, amounts, trades.traded_at_ms.tolist(), trades.is_buy.tolist(), strict=True
        )
    ]
    rows = oldest_first[::-1]
    return Reply({"code": "0", "msg": "", "data": rows}, asked.now(symbol), rows=rows)


def books(asked: Asked) -> Reply:
    """GET /market/books."""
    symbol = asked.find_symbol(asked.query.get("instId", ""), inst_id)
    if symbol is None:
        return unknown_instrument(asked)
    book, most = asked.book(symbol), max(1, min(LEVELS_LIMIT, asked.number("sz", 1)))
    sides: dict[str, object] = {"asks": _levels(book.asks, most), "bids": _levels(book.bids, most)}
    data = [sides | {"ts": str(book.now_ms), "seqId": book.sequence}]
    return Reply({"code": "0", "msg": "", "data": data}, asked.now(symbol))


def tickers(asked: Asked) -> Reply:
    """GET /market/tickers."""
    symbols = asked.source.symbols(asked.venue) if asked.query.get("instType") == "SPOT" else ()
    rows: list[object] = [_ticker(asked, symbol) for symbol in symbols]
    return Reply({"code": "0", "msg": "", "data": rows}, asked.now(), rows=rows)


def ticker(asked: Asked) -> Reply:
    """GET /market/ticker."""
    symbol = asked.find_symbol(asked.query.get("instId", ""), inst_id)
    if symbol is None:
        return unknown_instrument(asked)
    return Reply({"code": "0", "msg": "", "data": [_ticker(asked, symbol)]}, asked.now(symbol))


def _ticker(asked: Asked, symbol: str) -> dict[str, object]:
    day, offers = asked.ticker(symbol)
    return {
        "instType": "SPOT",
        "instId": inst_id(symbol),
        "last": format_number(day.last),
        "lastSz": format_number(day.last_amount),
        "askPx": offers.ask,
        "askSz": offers.ask_amount,
        "bidPx": offers.bid,
        "bidSz": offers.bid_amount,
        "open24h": format_number(day.open),
        "high24h": format_number(day.high),
        "low24h": format_number(day.low),
        "volCcy24h": format_number(day.volume_quote),
        "vol24h": format_number(day.volume_base),
        "ts": str(day.now_ms),
    }


def unknown_instrument(asked: Asked) -> Reply:
    """51001."""
    return Reply({"code": "51001", "msg": "Instrument ID doesn't exist.", "data": []}, asked.now())


def _levels(side: Side, most: int) -> list[list[str]]:
    orders = side.best(most).orders.tolist()
    return [[price, amount, "0", str(n)] for (price, amount), n in zip(levels(side, most), orders, strict=True)]
