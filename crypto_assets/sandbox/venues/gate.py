"""Gate spot: GET /api/v4/spot/candlesticks and the currency and pair lists.

Format: Gate's API v4 documents. Rows of eight texts: [seconds, quote volume, close, high, low, open, base volume, closed];
from and to are inclusive seconds; at most 1,000 points in a range, none more than 10,000 points back.
"""

from __future__ import annotations

from crypto_assets.sandbox.venues.exchange import Asked, Reply, split, texts

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


class Gate:
    """The venue."""

    venue = "gate"
    hosts = ("api.gateio.ws",)

    def answer(self, asked: Asked) -> Reply | None:
        """candlesticks, currencies, pairs, time."""
        name = asked.path.removeprefix("/api/v4")
        symbols = asked.source.symbols("gate")
        if name == "/spot/candlesticks":
            return self._candlesticks(asked)
        if name == "/spot/currency_pairs":
            return Reply([_pair(symbol) for symbol in symbols], asked.now())
        if name == "/margin/currency_pairs":
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
        if name == "/spot/time":
            return Reply({"server_time": asked.now()}, asked.now())
        return None

    def error(self, status: int) -> object:
        """{"label", "message"}."""
        label = "TOO_MANY_REQUESTS" if status in {418, 429} else "SERVER_ERROR"
        return {"label": label, "message": label.replace("_", " ").lower()}

    def _candlesticks(self, asked: Asked) -> Reply:
        symbol = asked.find_symbol(asked.query.get("currency_pair", ""), lambda one: "_".join(split(one)))
        if symbol is None:
            return _refused("INVALID_CURRENCY_PAIR", "Invalid currency pair", asked.now())
        length = LENGTHS.get(asked.query.get("interval", ""))
        now = asked.now(symbol)
        if length is None:
            return _refused("INVALID_PARAM_VALUE", "Invalid interval", now)
        end = min(asked.number("to", now // 1000) * 1000, now)
        start = asked.number("from", (end - (asked.number("limit", 100) - 1) * length) // 1000) * 1000
        if (asked.number("to", now // 1000) * 1000 - start) // length > LIMIT:
            return _refused("INVALID_PARAM_VALUE", "Too many data points, maximum allowed is 1000", now)
        if (now - start) // length > REACH:
            return _refused(
                "INVALID_PARAM_VALUE", "Candlestick too long ago. Maximum 10000 points ago are allowed", now
            )
        bars = asked.bars(symbol, length, start, end + 1)
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
