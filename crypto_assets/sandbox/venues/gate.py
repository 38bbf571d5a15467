"""Gate spot: GET /api/v4/spot/candlesticks and the currency and pair lists.

Format: Gate's API v4 documents. Rows of eight texts: [seconds, quote volume, close, high, low, open, base volume, closed];
from and to are inclusive seconds; at most 1,000 points in a range, none more than 10,000 points back. Trades, books and
tickers: gate_trades.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from crypto_assets.sandbox.venues.exchange import Asked, Reply, split, texts
from crypto_assets.sandbox.venues.gate_trades import order_book, pair_id, tickers, trades

LENGTHS = {
    "1m": 60_000,
    "5m": 300_000,
    "15m": 900_000,
    "30m": 1_800_000,
    "1h": 3_600_000,
    "4h": 14_400_000,
    "8h": 28_800_000,
    "1d": 86_400_000,
}
LIMIT, REACH = 1000, 10_000
_CONTRACTS = re.compile(
    r"/(futures|delivery)/[a-z]+/contracts|/options/underlyings"
)  # ccxt asks for them; there are none
_MARKET_DATA: Mapping[str, Callable[[Asked], Reply]] = {
    "/spot/trades": trades,
    "/spot/order_book": order_book,
    "/spot/tickers": tickers,
}


class Gate:
    """The venue."""

    venue = "gate"
    hosts = ("api.gateio.ws",)
    used_weight_header = None

    def answer(self, asked: Asked) -> Reply | None:
        """candlesticks, trades, order_book, tickers, currencies, pairs, time."""
        name = asked.path.removeprefix("/api/v4")
        symbols = asked.source.symbols("gate")
        if name == "/spot/candlesticks":
            return self._candlesticks(asked)
        if name in _MARKET_DATA:
            return _MARKET_DATA[name](asked)
        if name == "/spot/currency_pairs":
            return Reply([_pair(symbol) for symbol in symbols], asked.now())
        if name == "/margin/currency_pairs" or _CONTRACTS.fullmatch(name):
            return Reply([], asked.now())
        if name == "/spot/currencies":
            coins = sorted({coin for symbol in symbols for coin in split(symbol)})
            return Reply(
                [
                    {
                        "currency": coin,
                        "name": coin,
                        "delisted": False,
                        "withdraw_disabled": False,
                        "withdraw_delayed": False,
                        "deposit_disabled": False,
                        "trade_disabled": False,
                        "chain": coin,
                        "chains": [],
                    }
                    for coin in coins
                ],
                asked.now(),
            )
        return Reply({"server_time": asked.now()}, asked.now()) if name == "/spot/time" else None

    def error(self, status: int) -> object:
        """{"label", "message"}."""
        label = "TOO_MANY_REQUESTS" if status in {418, 429} else "SERVER_ERROR"
        return {"label": label, "message": label.replace("_", " ").lower()}

    def bad_parameter(self, name: str, now_ms: int) -> Reply:
        """INVALID_PARAM_VALUE."""
        return _refused("INVALID_PARAM_VALUE", f"Invalid value for parameter {name}", now_ms)

    def _candlesticks(self, asked: Asked) -> Reply:
        symbol = asked.find_symbol(asked.query.get("currency_pair", ""), pair_id)
        if symbol is None:
            return _refused("INVALID_CURRENCY_PAIR", "Invalid currency pair", asked.now())
        length = LENGTHS.get(asked.query.get("interval", ""))
        now = asked.now(symbol)
        if length is None:
            return _refused("INVALID_PARAM_VALUE", "Invalid interval", now)
        refusal = _range_refusal(asked, length, now)
        if refusal is not None:
            return _refused("INVALID_PARAM_VALUE", refusal, now)
        end = asked.number("to", now // 1000) * 1000 + 1
        if "from" in asked.query:
            bars = asked.first_bars(symbol, length, (asked.number("from", 0) * 1000, end), LIMIT + 1)
        else:
            bars = asked.last_bars(symbol, length, (0, end), asked.page_limit(100, LIMIT))
        text = texts(bars)
        rows: list[object] = [
            [str(at // 1000), q, c, h, low, o, v, "true" if at + length <= now else "false"]
            for at, q, c, h, low, o, v in zip(
                bars.opened_at_ms.tolist(),
                text["volume_quote"],
                text["close"],
                text["high"],
                text["low"],
                text["open"],
                text["volume_base"],
                strict=True,
            )
        ]
        return Reply(rows, now, rows=rows)


def _range_refusal(asked: Asked, length_ms: int, now_ms: int) -> str | None:
    """What is wrong with the points asked for, or None."""
    limit, end = asked.number("limit", 100), asked.number("to", now_ms // 1000) * 1000
    start = asked.number("from", (end - limit * length_ms) // 1000) * 1000
    if "limit" in asked.query and "from" in asked.query:
        return "limit conflicts with from and to"
    if limit > LIMIT or (end - start) // length_ms > LIMIT:
        return f"Too many data points, maximum allowed is {LIMIT}"
    if (now_ms - start) // length_ms > REACH:
        return f"Candlestick too long ago. Maximum {REACH} points ago are allowed"
    return None


def _pair(symbol: str) -> dict[str, object]:
    base, quote = split(symbol)
    return {
        "id": f"{base}_{quote}",
        "base": base,
        "base_name": base,
        "quote": quote,
        "quote_name": quote,
        "fee": "0.2",
        "min_base_amount": "0.0001",
        "min_quote_amount": "1",
        "amount_precision": 6,
        "precision": 6,
        "trade_status": "tradable",
        "sell_start": 0,
        "buy_start": 0,
        "type": "normal",
    }


def _refused(label: str, message: str, now_ms: int) -> Reply:
    return Reply({"label": label, "message": message}, now_ms, 400)


FORMAT = Gate()
