"""MEXC spot: GET /api/v3/klines and /api/v3/exchangeInfo.

Format: MEXC's spot v3 documents. Rows of eight: [open ms, open, high, low, close, volume, close ms, quote volume]; one hour
is "60m"; at most 500 bars; endTime is exclusive.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from crypto_assets.sandbox.venues.binance import rows_of
from crypto_assets.sandbox.venues.binance_trades import market_id
from crypto_assets.sandbox.venues.exchange import FAR_MS, Asked, Reply, split
from crypto_assets.sandbox.venues.mexc_trades import agg_trades, day_tickers, depth

LENGTHS = {
    "1m": 60_000,
    "5m": 300_000,
    "15m": 900_000,
    "30m": 1_800_000,
    "60m": 3_600_000,
    "4h": 14_400_000,
    "1d": 86_400_000,
}
LIMIT = 500
_MARKET_DATA: Mapping[str, Callable[[Asked], Reply]] = {
    "/api/v3/aggTrades": agg_trades,
    "/api/v3/depth": depth,
    "/api/v3/ticker/24hr": day_tickers,
}


class Mexc:
    """The venue."""

    venue = "mexc"
    hosts = ("api.mexc.com", "contract.mexc.com")
    used_weight_header = None

    def answer(self, asked: Asked) -> Reply | None:
        """klines, aggTrades, depth, ticker/24hr, exchangeInfo, time, and the contract list that ccxt always asks for."""
        if asked.path in _MARKET_DATA:
            return _MARKET_DATA[asked.path](asked)
        if asked.path == "/api/v3/klines":
            return self._klines(asked)
        if asked.path == "/api/v3/exchangeInfo":
            return Reply(
                {
                    "timezone": "CST",
                    "serverTime": asked.now(),
                    "rateLimits": [],
                    "exchangeFilters": [],
                    "symbols": [_market(symbol) for symbol in asked.source.symbols("mexc")],
                },
                asked.now(),
                weight=10,
            )
        if asked.path == "/api/v3/time":
            return Reply({"serverTime": asked.now()}, asked.now())
        if asked.path.startswith("/api/v1/contract/detail"):
            return Reply({"success": True, "code": 0, "data": []}, asked.now())
        return None

    def error(self, status: int) -> object:
        """{"code", "msg"}."""
        return {"code": status, "msg": "Too Many Requests" if status in {418, 429} else "Service unavailable"}

    def bad_parameter(self, name: str, now_ms: int) -> Reply:
        """700008."""
        return Reply({"code": 700008, "msg": f"Illegal characters found in parameter '{name}'"}, now_ms, 400)

    def _klines(self, asked: Asked) -> Reply:
        symbol = asked.find_symbol(asked.query.get("symbol", ""), market_id)
        if symbol is None:
            return Reply({"code": -1121, "msg": "Invalid symbol."}, asked.now(), 400)
        length = LENGTHS.get(asked.query.get("interval", ""))
        if length is None:
            return Reply({"code": -1121, "msg": "Invalid interval."}, asked.now(symbol), 400)
        now = asked.now(symbol)
        limit = asked.page_limit(LIMIT, LIMIT)
        end = asked.number("endTime", FAR_MS)
        if "startTime" in asked.query:
            start = asked.number("startTime", 0)
            bars = asked.first_bars(symbol, length, (start, min(end, start + LIMIT * length)), limit)
        else:
            bars = asked.last_bars(symbol, length, (0, end), limit)
        rows: list[object] = [row[:8] for row in rows_of(bars, length)]
        return Reply(rows, now, rows=rows)


def _market(symbol: str) -> dict[str, object]:
    base, quote = split(symbol)
    return {
        "symbol": market_id(symbol),
        "status": "1",
        "baseAsset": base,
        "quoteAsset": quote,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "MARKET"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "permissions": ["SPOT"],
        "filters": [],
        "maxQuoteAmount": "2000000",
        "makerCommission": "0",
        "takerCommission": "0.0005",
        "baseSizePrecision": "0.000001",
        "quoteAmountPrecision": "1",
        "fullName": base,
    }


FORMAT = Mexc()
