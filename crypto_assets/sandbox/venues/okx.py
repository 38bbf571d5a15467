"""OKX spot: GET /api/v5/market/candles, …/history-candles and /public/instruments.

Format: OKX's v5 documents. {"code": "0", "msg": "", "data": rows}, newest first; rows of nine texts: [ms, open, high, low,
close, volume, volume in base, volume in quote, confirm]. `before` and `after` are exclusive bounds below and above; of what
lies between, the newest page is served. 300 a page; recent candles reach 1,440 bars back. Week and month are not served.
Trades, books and tickers: okx_trades.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from crypto_assets.sandbox.venues.exchange import FAR_MS, Asked, Reply, split, texts
from crypto_assets.sandbox.venues.okx_trades import (
    books,
    history_trades,
    inst_id,
    newest_trades,
    ticker,
    tickers,
    unknown_instrument,
)

LENGTHS = {
    "1m": 60_000,
    "3m": 180_000,
    "5m": 300_000,
    "15m": 900_000,
    "30m": 1_800_000,
    "1H": 3_600_000,
    "2H": 7_200_000,
    "4H": 14_400_000,
    "6Hutc": 21_600_000,
    "12Hutc": 43_200_000,
    "1Dutc": 86_400_000,
}
LIMIT, RECENT_BARS = 300, 1440
_MARKET_DATA: Mapping[str, Callable[[Asked], Reply]] = {
    "/market/trades": newest_trades,
    "/market/history-trades": history_trades,
    "/market/books": books,
    "/market/tickers": tickers,
    "/market/ticker": ticker,
}


class Okx:
    """The venue."""

    venue = "okx"
    hosts = ("www.okx.com", "us.okx.com", "eea.okx.com")
    used_weight_header = None

    def answer(self, asked: Asked) -> Reply | None:
        """Candles, trades, books, tickers, instruments, time."""
        name = asked.path.removeprefix("/api/v5")
        if name in _MARKET_DATA:
            return _MARKET_DATA[name](asked)
        if name in {"/market/candles", "/market/history-candles"}:
            return self._candles(asked, is_history="history" in name)
        if name == "/public/instruments":
            is_spot = asked.query.get("instType") == "SPOT"
            data = [_instrument(symbol, asked) for symbol in asked.source.symbols("okx")] if is_spot else []
            return Reply({"code": "0", "msg": "", "data": data}, asked.now())
        if name == "/public/time":
            return Reply({"code": "0", "msg": "", "data": [{"ts": str(asked.now())}]}, asked.now())
        return None

    def error(self, status: int) -> object:
        """{"code", "msg", "data"}."""
        code, message = (
            ("50011", "Too Many Requests") if status in {418, 429} else ("50001", "Service temporarily unavailable")
        )
        return {"code": code, "msg": message, "data": []}

    def bad_parameter(self, name: str, now_ms: int) -> Reply:
        """51000."""
        return Reply({"code": "51000", "msg": f"Parameter {name} error", "data": []}, now_ms, 400)

    def _candles(self, asked: Asked, *, is_history: bool) -> Reply:
        symbol = asked.find_symbol(asked.query.get("instId", ""), inst_id)
        if symbol is None:
            return unknown_instrument(asked)
        length, now = LENGTHS.get(asked.query.get("bar", "1m")), asked.now(symbol)
        if length is None:
            return Reply({"code": "51000", "msg": "Parameter bar error", "data": []}, now)
        oldest = 0 if is_history else now - RECENT_BARS * length
        span = (max(asked.number("before", 0) + 1, oldest), asked.number("after", FAR_MS))
        bars = asked.last_bars(symbol, length, span, asked.page_limit(100, LIMIT))
        text = texts(bars)
        oldest_first: list[object] = [
            [str(at), o, h, low, c, v, v, q, "1" if at + length <= now else "0"]
            for at, o, h, low, c, v, q in zip(
                bars.opened_at_ms.tolist(),
                text["open"],
                text["high"],
                text["low"],
                text["close"],
                text["volume_base"],
                text["volume_quote"],
                strict=True,
            )
        ]
        rows = oldest_first[::-1]
        return Reply({"code": "0", "msg": "", "data": rows}, now, rows=rows)


def _instrument(symbol: str, asked: Asked) -> dict[str, object]:
    base, quote = split(symbol)
    return {
        "instType": "SPOT",
        "instId": f"{base}-{quote}",
        "uly": "",
        "instFamily": "",
        "category": "1",
        "baseCcy": base,
        "quoteCcy": quote,
        "settleCcy": "",
        "ctVal": "",
        "ctMult": "",
        "ctValCcy": "",
        "optType": "",
        "stk": "",
        "listTime": str(asked.source.listed_ms("okx", symbol)),
        "expTime": "",
        "lever": "10",
        "tickSz": "0.00001",
        "lotSz": "0.00000001",
        "minSz": "0.00001",
        "ctType": "",
        "alias": "",
        "state": "live",
    }


FORMAT = Okx()
