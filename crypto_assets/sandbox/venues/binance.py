"""Binance, Binance.US and Binance USD-M futures: GET …/klines and …/exchangeInfo.

Format: Binance's REST documents. A row is [open ms, open, high, low, close, volume, close ms, quote volume, trades, taker
base, taker quote, "0"], ascending. Without endTime the answer starts at the first bar at or after startTime, however far.
"""

from __future__ import annotations

from dataclasses import dataclass

from crypto_assets.sandbox.bars import BarColumns
from crypto_assets.sandbox.venues.exchange import Asked, Reply, split, texts

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
_FAR = 4_102_444_800_000


@dataclass(frozen=True)
class Binance:
    """One of the three: they differ in host, prefix, page limit and market list."""

    venue: str
    hosts: tuple[str, ...]
    prefix: str
    limit: int

    def answer(self, asked: Asked) -> Reply | None:
        """klines, exchangeInfo, time."""
        name = asked.path.removeprefix(self.prefix)
        if name == "/klines":
            return self._klines(asked)
        if name == "/exchangeInfo":
            symbols = [self._market(symbol) for symbol in asked.source.symbols(self.venue)]
            return Reply(
                {"timezone": "UTC", "serverTime": asked.now(), "rateLimits": [], "symbols": symbols}, asked.now()
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

    def _klines(self, asked: Asked) -> Reply:
        symbol = asked.find_symbol(asked.query.get("symbol", ""), market_id)
        if symbol is None:
            return Reply({"code": -1121, "msg": "Invalid symbol."}, asked.now(), 400)
        length = LENGTHS.get(asked.query.get("interval", ""))
        if length is None:
            return Reply({"code": -1120, "msg": "Invalid interval."}, asked.now(symbol), 400)
        limit = max(1, min(self.limit, asked.number("limit", 500)))
        now = asked.now(symbol)
        if "startTime" in asked.query:
            bars = self._from(asked, symbol, length, limit)
        else:
            last = min(now, asked.number("endTime", now))
            bars = asked.bars(symbol, length, last - limit * length, last + 1)
        rows = rows_of(bars, length)[:limit]
        return Reply(rows, now, rows=rows)

    def _from(self, asked: Asked, symbol: str, length: int, limit: int) -> BarColumns:
        start, now = asked.number("startTime", 0), asked.now(symbol)
        if "endTime" in asked.query:
            return asked.bars(symbol, length, start, min(asked.number("endTime", _FAR), start + limit * length) + 1)
        span = limit * length
        while start <= now:
            found = asked.bars(symbol, length, start, start + span)
            if len(found):
                missing = limit - len(found)
                if missing and start + span <= now:
                    found = asked.bars(symbol, length, start, min(now + 1, start + span + 40 * missing * length))
                return found
            start += span
            span = min(span * 4, 2000 * length)
        return asked.bars(symbol, length, 0, 0)

    def _market(self, symbol: str) -> dict[str, object]:
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
                "onboardDate": 1569398400000,
                "underlyingType": "COIN",
            }
        return market


def market_id(symbol: str) -> str:
    """BTC/USDT is BTCUSDT."""
    return "".join(split(symbol))


def rows_of(bars: BarColumns, length_ms: int) -> list[object]:
    """Rows of twelve fields."""
    text = texts(bars)
    times = bars.opened_at_ms.tolist()
    counts = bars.values["trade_count"].astype(int).tolist()
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
            counts,
            strict=True,
        )
    ]


FORMATS = (
    Binance("binance", ("api.binance.com",), "/api/v3", 1000),
    Binance("binanceus", ("api.binance.us",), "/api/v3", 1000),
    Binance("binanceusdm", ("fapi.binance.com",), "/fapi/v1", 1500),
)
