"""Coinbase Advanced Trade, public part: GET …/market/products and …/candles.

Format: Coinbase's Advanced Trade documents. {"candles": [{"start", "low", "high", "open", "close", "volume"}, …]}, texts,
newest first; start and end are inclusive seconds; fewer than 350 candles a request; there is no four-hour bar. Trades and
books: coinbase_trades.py.
"""

from __future__ import annotations

from crypto_assets.sandbox.venues.coinbase_trades import book, day_fields, product_id, refused, trades
from crypto_assets.sandbox.venues.exchange import Asked, Reply, split, texts

LENGTHS = {
    "ONE_MINUTE": 60_000,
    "FIVE_MINUTE": 300_000,
    "FIFTEEN_MINUTE": 900_000,
    "THIRTY_MINUTE": 1_800_000,
    "ONE_HOUR": 3_600_000,
    "TWO_HOUR": 7_200_000,
    "SIX_HOUR": 21_600_000,
    "ONE_DAY": 86_400_000,
}
LIMIT = 350
_PRODUCTS, _BOOK = "/api/v3/brokerage/market/products", "/api/v3/brokerage/market/product_book"


class Coinbase:
    """The venue."""

    venue = "coinbase"
    hosts = ("api.coinbase.com",)
    used_weight_header = None

    def answer(self, asked: Asked) -> Reply | None:
        """Products, candles, trades, books, currencies, rates, time."""
        symbols = asked.source.symbols("coinbase")
        coins = sorted({split(symbol)[0] for symbol in symbols})
        lists: dict[str, object] = {
            "/v2/currencies": {"data": [{"id": "USD", "name": "US Dollar", "min_size": "0.01"}]},
            "/v2/currencies/crypto": {
                "data": [
                    {
                        "asset_id": coin.lower(),
                        "code": coin,
                        "name": coin,
                        "color": "#000000",
                        "sort_index": 100,
                        "exponent": 8,
                        "type": "crypto",
                    }
                    for coin in coins
                ]
            },
            "/v2/exchange-rates": {"data": {"currency": "USD", "rates": dict.fromkeys(coins, "1")}},
            "/v2/time": {"data": {"epoch": asked.now() // 1000}},
        }
        if asked.path in lists:
            return Reply(lists[asked.path], asked.now())
        if asked.path == _PRODUCTS:
            return _products(asked)
        if asked.path == _BOOK:
            return book(asked)
        product, _, name = asked.path.removeprefix(_PRODUCTS + "/").partition("/")
        if not asked.path.startswith(_PRODUCTS) or name not in {"candles", "ticker"}:
            return None
        return self._candles(asked, product) if name == "candles" else trades(asked, product)

    def error(self, status: int) -> object:
        """{"error", "message"}."""
        name = "rate_limit_exceeded" if status in {418, 429} else "unavailable"
        return {"error": name, "code": status, "message": name}

    def bad_parameter(self, name: str, now_ms: int) -> Reply:
        """INVALID_ARGUMENT."""
        return refused("INVALID_ARGUMENT", f"{name} must be an integer", now_ms, 400)

    def _candles(self, asked: Asked, product: str) -> Reply:
        symbol = asked.find_symbol(product, product_id)
        if symbol is None:
            return refused("NOT_FOUND", "valid product_id is required", asked.now(), 404)
        length, now = LENGTHS.get(asked.query.get("granularity", "")), asked.now(symbol)
        if length is None:
            return refused("INVALID_ARGUMENT", "unsupported granularity", now, 400)
        start, end = asked.number("start", 0) * 1000, asked.number("end", 0) * 1000
        if (end - start) // length >= LIMIT:
            return refused("INVALID_ARGUMENT", "number of candles requested should be less than 350", now, 400)
        bars = asked.bars(symbol, length, start, min(end, now) + 1)
        text = texts(bars)
        oldest_first: list[object] = [
            {"start": str(at // 1000), "low": low, "high": h, "open": o, "close": c, "volume": v}
            for at, low, h, o, c, v in zip(
                bars.opened_at_ms.tolist(),
                text["low"],
                text["high"],
                text["open"],
                text["close"],
                text["volume_base"],
                strict=True,
            )
        ]
        rows = oldest_first[::-1]
        return Reply({"candles": rows}, now, rows=rows)


def _products(asked: Asked) -> Reply:
    """All products, or those named."""
    is_spot = asked.query.get("product_type", "SPOT") != "FUTURE"
    wanted = asked.query["product_ids"].split(",") if "product_ids" in asked.query else None
    products = [
        _product(symbol) | day_fields(asked, symbol)
        for symbol in asked.source.symbols("coinbase")
        if is_spot and (wanted is None or product_id(symbol) in wanted)
    ]
    return Reply({"products": products, "num_products": len(products)}, asked.now())


def _product(symbol: str) -> dict[str, object]:
    base, quote = split(symbol)
    return {
        "product_id": f"{base}-{quote}",
        "volume_percentage_change_24h": "0",
        "base_increment": "0.00000001",
        "quote_increment": "0.00001",
        "quote_min_size": "1",
        "quote_max_size": "150000000",
        "base_min_size": "0.00000001",
        "base_max_size": "34000000",
        "base_name": base,
        "quote_name": quote,
        "watched": False,
        "is_disabled": False,
        "new": False,
        "status": "online",
        "cancel_only": False,
        "limit_only": False,
        "post_only": False,
        "trading_disabled": False,
        "auction_mode": False,
        "product_type": "SPOT",
        "quote_currency_id": quote,
        "base_currency_id": base,
        "fcm_trading_session_details": None,
        "mid_market_price": "",
        "alias": "",
        "alias_to": [],
        "base_display_symbol": base,
        "quote_display_symbol": quote,
        "view_only": False,
        "price_increment": "0.00001",
        "display_name": f"{base}-{quote}",
        "product_venue": "CBE",
    }


FORMAT = Coinbase()
