"""Binance, Binance.US and Binance's futures: GET …/klines and …/exchangeInfo.

Format: Binance's REST documents. A row is [open ms, open, high, low, close, volume, close ms, quote volume, trades, taker
base, taker quote, "0"], ascending. startTime and endTime bound opening times, both inclusive. The answer starts at the
first bar at or after startTime, however far behind it that is. A limit above the venue's is cut without a word. Weeks,
months and three days, whose bars do not begin on multiples of their length, are not served, nor are seconds. Klines weigh 2,
exchangeInfo 20. Trades, books and tickers: binance_trades.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from crypto_assets.sandbox.bars import BarColumns
from crypto_assets.sandbox.venues.binance_trades import agg_trades, day_tickers, depth, market_id
from crypto_assets.sandbox.venues.exchange import FAR_MS, Asked, Reply, counts, split, texts

LENGTHS = {
    "1m": 60_000,
    "3m": 180_000,
    "5m": 300_000,
    "15m": 900_000,
    "30m": 1_800_000,
    "1h": 3_600_000,
    "2h": 7_200_000,
    "4h": 14_400_000,
    "6h": 21_600_000,
    "8h": 28_800_000,
    "12h": 43_200_000,
    "1d": 86_400_000,
}


_MORE_OF_SPOT: Mapping[str, Callable[[Asked], Reply]] = {
    "/aggTrades": agg_trades,
    "/depth": depth,
    "/ticker/24hr": day_tickers,
}


@dataclass(frozen=True)
class Binance:
    """One of them: they differ in host, prefix, page limit and market list."""

    venue: str
    hosts: tuple[str, ...]
    prefix: str
    limit: int
    used_weight_header: str | None = "X-MBX-USED-WEIGHT-1M"

    def answer(self, asked: Asked) -> Reply | None:
        """klines, exchangeInfo, time; of the spot markets also aggTrades, depth and ticker/24hr."""
        name = asked.path.removeprefix(self.prefix)
        if self.prefix == "/api/v3" and name in _MORE_OF_SPOT:
            return _MORE_OF_SPOT[name](asked)
        if name == "/klines":
            return self._klines(asked)
        if name == "/exchangeInfo":
            symbols = [self._market(symbol, asked) for symbol in asked.source.symbols(self.venue)]
            return Reply(
                {"timezone": "UTC", "serverTime": asked.now(), "rateLimits": [], "symbols": symbols},
                asked.now(),
                weight=20,
            )
        if name == "/time":
            return Reply({"serverTime": asked.now()}, asked.now())
        return None

    def error(self, status: int) -> object:
        """{"code", "msg"}."""
        codes = {
            429: (-1003, "Too many requests."),
            418: (-1003, "Way too much request weight used; IP banned."),
            503: (-1008, "Server is currently overloaded with other requests."),
        }
        code, message = codes.get(status, (-1000, "An unknown error occurred."))
        return {"code": code, "msg": message}

    def bad_parameter(self, name: str, now_ms: int) -> Reply:
        """-1100."""
        return Reply(
            {
                "code": -1100,
                "msg": f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.",
            },
            now_ms,
            400,
        )

    def _klines(self, asked: Asked) -> Reply:
        symbol = asked.find_symbol(asked.query.get("symbol", ""), market_id)
        if symbol is None:
            return Reply({"code": -1121, "msg": "Invalid symbol."}, asked.now(), 400)
        length = LENGTHS.get(asked.query.get("interval", ""))
        if length is None:
            return Reply({"code": -1120, "msg": "Invalid interval."}, asked.now(symbol), 400)
        now = asked.now(symbol)
        limit = asked.page_limit(500, self.limit)
        span = (asked.number("startTime", 0), asked.number("endTime", FAR_MS) + 1)
        page = asked.first_bars if "startTime" in asked.query else asked.last_bars
        rows: list[object] = list(rows_of(page(symbol, length, span, limit), length))
        return Reply(rows, now, rows=rows, weight=2)

    def _market(self, symbol: str, asked: Asked) -> dict[str, object]:
        base, quote = split(symbol)
        market: dict[str, object] = {
            "symbol": market_id(symbol),
            "status": "TRADING",
            "baseAsset": base,
            "quoteAsset": quote,
            "baseAssetPrecision": 8,
            "quotePrecision": 8,
            "isSpotTradingAllowed": True,
            "permissions": ["SPOT"],
            "filters": [
                {
                    "filterType": "PRICE_FILTER",
                    "minPrice": "0.00000100",
                    "maxPrice": "1000000.00000000",
                    "tickSize": "0.00000100",
                },
                {
                    "filterType": "LOT_SIZE",
                    "minQty": "0.00001000",
                    "maxQty": "9000000.00000000",
                    "stepSize": "0.00001000",
                },
            ],
        }
        if self.prefix == "/fapi/v1":
            market |= {
                "pair": market_id(symbol),
                "contractType": "PERPETUAL",
                "marginAsset": quote,
                "deliveryDate": 4133404800000,
                "onboardDate": asked.source.listed_ms(self.venue, symbol),
                "underlyingType": "COIN",
            }
        return market


def rows_of(bars: BarColumns, length_ms: int) -> list[list[object]]:
    """Rows of twelve fields."""
    text = texts(bars)
    times = bars.opened_at_ms.tolist()
    return [
        [at, o, h, low, c, v, at + length_ms - 1, q, n, "0", "0", "0"]
        for at, o, h, low, c, v, q, n in zip(
            times,
            text["open"],
            text["high"],
            text["low"],
            text["close"],
            text["volume_base"],
            text["volume_quote"],
            counts(bars),
            strict=True,
        )
    ]


FORMATS = (
    Binance("binance", ("api.binance.com",), "/api/v3", 1000),
    Binance("binanceus", ("api.binance.us",), "/api/v3", 1000),
    Binance("binanceusdm", ("fapi.binance.com",), "/fapi/v1", 1500),
    Binance("binancecoinm", ("dapi.binance.com",), "/dapi/v1", 1500),  # ccxt asks for its markets; there are none
)
