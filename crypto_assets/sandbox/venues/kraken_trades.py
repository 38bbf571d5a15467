"""Kraken spot's trades, order books and tickers.

Format: Kraken's REST documents. Trades are {"error": [], "result": {pair: rows, "last": ns}}; rows of seven: [price, volume,
seconds, "b" or "s", "m" or "l", "", id], ascending. `since` is exclusive, in seconds or nanoseconds; `last` is to be sent as
the next one. Trades of one millisecond differ in the nanoseconds of `last`, so that a page may end between them. Books are
{pair: {"asks": [[price, volume, seconds]], "bids"}}. A ticker's pairs of numbers are today's (UTC) and the last 24 hours'.
"""

from __future__ import annotations

from dataclasses import replace

from crypto_assets.sandbox.tickers import DAY_MS, traded_since
from crypto_assets.sandbox.trades import TradeColumns
from crypto_assets.sandbox.venues.exchange import Asked, Reply, format_number, levels
from crypto_assets.sandbox.venues.kraken_names import find_pair, pair_id
from crypto_assets.sandbox.venues.trade_pages import ALL_TIMES, first_trades, last_trades, spoilt, trade_texts

TRADES_LIMIT, LEVELS_LIMIT = 1000, 500
_NS = 1_000_000  # in a millisecond
_MOST_AT_ONCE = 1000  # more trades are not made in one millisecond
_SECONDS_BELOW = 10**12  # a `since` below this is seconds


def trades(asked: Asked) -> Reply:
    """GET /Trades."""
    symbol = find_pair(asked, asked.query.get("pair", ""))
    if symbol is None:
        return unknown_pair(asked)
    most, now = max(1, min(TRADES_LIMIT, asked.number("count", TRADES_LIMIT))), asked.now(symbol)
    since = asked.number("since", 0, digits=19) if "since" in asked.query else None
    if since is None:
        page = last_trades(replace(asked, faults=()), symbol, ALL_TIMES, most)
        last = _cursor(page, now * _NS)
    else:
        page, last = _page_since(asked, symbol, since * 10**9 if since < _SECONDS_BELOW else since, most)
    rows = _rows(spoilt(asked, page))
    return Reply({"error": [], "result": {pair_id(symbol): rows, "last": str(last)}}, now, rows=rows)


def _page_since(asked: Asked, symbol: str, since_ns: int, most: int) -> tuple[TradeColumns, int]:
    """The trades behind a cursor, faults left out, and the next cursor."""
    millisecond, passed = divmod(since_ns, _NS)
    passed = min(passed, _MOST_AT_ONCE)  # so many trades of that millisecond have been sent
    start = millisecond if passed else millisecond + 1
    found = first_trades(replace(asked, faults=()), symbol, (start, ALL_TIMES[1]), most + passed)
    skipped = min(passed, int((found.traded_at_ms == millisecond).sum()))
    found = found.take(slice(0, skipped + most))
    return found.take(slice(skipped, None)), _cursor(found, since_ns)


def _cursor(found: TradeColumns, otherwise: int) -> int:
    """Nanoseconds that stand for the last of these trades: its millisecond, and which one of that it is."""
    if not len(found):
        return otherwise
    at = int(found.traded_at_ms[-1])
    return at * _NS + int((found.traded_at_ms == at).sum())


def _rows(page: TradeColumns) -> list[object]:
    prices, amounts = trade_texts(page)
    return [
        [price, amount, at / 1000, "b" if bought else "s", "l" if number % 4 else "m", "", number]
        for price, amount, at, bought, number in zip(
            prices, amounts, page.traded_at_ms.tolist(), page.is_buy.tolist(), page.trade_id.tolist(), strict=True
        )
    ]


def depth(asked: Asked) -> Reply:
    """GET /Depth."""
    symbol = find_pair(asked, asked.query.get("pair", ""))
    if symbol is None:
        return unknown_pair(asked)
    book, most = asked.book(symbol), max(1, min(LEVELS_LIMIT, asked.number("count", 100)))
    seconds = book.now_ms // 1000
    sides = {
        name: [[price, amount, seconds] for price, amount in levels(side, most)]
        for name, side in (("asks", book.asks), ("bids", book.bids))
    }
    return Reply({"error": [], "result": {pair_id(symbol): sides}}, asked.now(symbol))


def tickers(asked: Asked) -> Reply:
    """GET /Ticker: of the pairs named, with commas between them, or of all."""
    if "pair" in asked.query:
        symbols = [find_pair(asked, one) for one in asked.query["pair"].split(",")]
    else:
        symbols = [*asked.source.symbols(asked.venue)]
    if None in symbols:
        return unknown_pair(asked)
    result = {pair_id(symbol): _ticker(asked, symbol) for symbol in symbols if symbol is not None}
    return Reply({"error": [], "result": result}, asked.now())


def _ticker(asked: Asked, symbol: str) -> dict[str, object]:
    day, offers = asked.ticker(symbol)
    today = traded_since(asked.source, asked.venue, symbol, day.now_ms - day.now_ms % DAY_MS)
    both = (today, day)
    return {
        "a": [offers.ask, _whole_lots(offers.ask_amount), offers.ask_amount],
        "b": [offers.bid, _whole_lots(offers.bid_amount), offers.bid_amount],
        "c": [format_number(day.last), format_number(day.last_amount)],
        "v": [format_number(one.volume_base) for one in both],
        "p": [format_number(round(one.vwap, 10)) for one in both],
        "t": [one.trade_count for one in both],
        "l": [format_number(one.low) for one in both],
        "h": [format_number(one.high) for one in both],
        "o": format_number(today.open),
    }


def unknown_pair(asked: Asked) -> Reply:
    """EQuery:Unknown asset pair."""
    return Reply({"error": ["EQuery:Unknown asset pair"]}, asked.now())


def _whole_lots(amount: str) -> str:
    return str(max(1, int(float(amount))))
