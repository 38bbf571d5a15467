"""Kraken spot: GET /0/public/OHLC, Assets and AssetPairs.

Format: Kraken's REST documents. {"error": [], "result": {pair: rows, "last": seconds}}; rows of eight: [seconds, open, high,
low, close, vwap, volume, count]. Only the newest 720 closed bars and the open one are served, whatever `since` says; `last`
is the newest closed one. Errors come with status 200. Week and fortnight are not served.
"""

from __future__ import annotations

import numpy as np

from crypto_assets.sandbox.venues.exchange import Asked, Reply, counts, format_numbers, split, texts

MINUTES = frozenset({1, 5, 15, 30, 60, 240, 1440})
REACH = 720
_OLD = {"BTC": "XXBT", "ETH": "XETH", "XRP": "XXRP", "LTC": "XLTC", "XMR": "XXMR"}  # coins with Kraken's X prefix
_FIAT = {"USD": "ZUSD", "EUR": "ZEUR"}


class Kraken:
    """The venue."""

    venue = "kraken"
    hosts = ("api.kraken.com",)

    def answer(self, asked: Asked) -> Reply | None:
        """OHLC, Assets, AssetPairs, Time."""
        name = asked.path.removeprefix("/0/public")
        symbols = asked.source.symbols("kraken")
        if name == "/OHLC":
            return self._ohlc(asked)
        if name == "/AssetPairs":
            return _result({pair_id(symbol): _pair(symbol) for symbol in symbols}, asked.now())
        if name == "/Assets":
            coins = {coin for symbol in symbols for coin in split(symbol)}
            return _result(
                {
                    _asset(coin): {
                        "aclass": "currency",
                        "altname": _alt(coin),
                        "decimals": 10,
                        "display_decimals": 5,
                        "status": "enabled",
                    }
                    for coin in sorted(coins)
                },
                asked.now(),
            )
        if name == "/Time":
            return _result({"unixtime": asked.now() // 1000, "rfc1123": ""}, asked.now())
        return None

    def error(self, status: int) -> object:
        """{"error": […]}."""
        return {"error": ["EAPI:Rate limit exceeded" if status in {418, 429} else "EService:Unavailable"]}

    def bad_parameter(self, name: str, now_ms: int) -> Reply:
        """EGeneral:Invalid arguments."""
        return Reply({"error": [f"EGeneral:Invalid arguments:{name}"]}, now_ms)

    def _ohlc(self, asked: Asked) -> Reply:
        wanted = asked.query.get("pair", "")
        symbol = asked.find_symbol(wanted, pair_id) or asked.find_symbol(
            wanted, lambda one: "".join(map(_alt, split(one)))
        )
        if symbol is None:
            return Reply({"error": ["EQuery:Unknown asset pair"]}, asked.now())
        minutes, now = asked.number("interval", 1), asked.now(symbol)
        if minutes not in MINUTES:
            return Reply({"error": ["EGeneral:Invalid arguments"]}, now)
        length = minutes * 60_000
        newest = asked.last_bars(symbol, length, (now - now % length - REACH * length, now + 1), REACH + 1)
        bars = newest.take(newest.opened_at_ms > asked.number("since", 0) * 1000)
        text = texts(bars)
        traded = bars.values["volume_base"] > 0  # Kraken says 0.0 where nothing was traded
        vwap = format_numbers(np.where(traded, (bars.values["high"] + bars.values["low"]) / 2, 0).round(6))
        rows: list[object] = [
            [at // 1000, o, h, low, c, w, v, n]
            for at, o, h, low, c, w, v, n in zip(
                bars.opened_at_ms.tolist(),
                text["open"],
                text["high"],
                text["low"],
                text["close"],
                vwap,
                text["volume_base"],
                counts(bars),
                strict=True,
            )
        ]
        last = (now - now % length - length) // 1000
        return Reply({"error": [], "result": {pair_id(symbol): rows, "last": last}}, now, rows=rows)


def pair_id(symbol: str) -> str:
    """BTC/USD is XXBTZUSD, SOL/USD is SOLUSD: the prefixes only come in pairs."""
    base, quote = split(symbol)
    if base in _OLD and quote in _FIAT:
        return _OLD[base] + _FIAT[quote]
    return _alt(base) + _alt(quote)


def _asset(coin: str) -> str:
    return _OLD.get(coin) or _FIAT.get(coin) or _alt(coin)


def _alt(coin: str) -> str:
    return {"BTC": "XBT", "DOGE": "XDG"}.get(coin, coin)


def _pair(symbol: str) -> dict[str, object]:
    base, quote = split(symbol)
    return {
        "altname": _alt(base) + _alt(quote),
        "wsname": f"{_alt(base)}/{_alt(quote)}",
        "aclass_base": "currency",
        "base": _asset(base),
        "aclass_quote": "currency",
        "quote": _asset(quote),
        "lot": "unit",
        "cost_decimals": 5,
        "pair_decimals": 5,
        "lot_decimals": 8,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, 0.4]],
        "fees_maker": [[0, 0.25]],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": "0.0001",
        "costmin": "0.5",
        "tick_size": "0.00001",
        "status": "online",
    }


def _result(result: object, now_ms: int) -> Reply:
    return Reply({"error": [], "result": result}, now_ms)


FORMAT = Kraken()
