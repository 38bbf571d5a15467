"""Kraken spot: GET /0/public/OHLC, Assets and AssetPairs.

Format: Kraken's REST documents. {"error": [], "result": {pair: rows, "last": seconds}}; rows of eight: [seconds, open, high,
low, close, vwap, volume, count]. Only the newest 720 closed bars and the open one are served, whatever `since` says; `last`
is the newest closed one. Errors come with status 200. Week and fortnight are not served. Trades, books and
tickers: kraken_trades.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from crypto_assets.sandbox.bars import BarColumns
from crypto_assets.sandbox.venues.exchange import Asked, Reply, counts, format_numbers, split, texts
from crypto_assets.sandbox.venues.kraken_names import alt, asset, find_pair, pair_id
from crypto_assets.sandbox.venues.kraken_trades import depth, tickers, trades, unknown_pair

MINUTES = frozenset({1, 5, 15, 30, 60, 240, 1440})
REACH = 720
_MARKET_DATA: Mapping[str, Callable[[Asked], Reply]] = {"/Trades": trades, "/Depth": depth, "/Ticker": tickers}


class Kraken:
    """The venue."""

    venue = "kraken"
    hosts = ("api.kraken.com",)
    used_weight_header = None

    def answer(self, asked: Asked) -> Reply | None:
        """OHLC, Trades, Depth, Ticker, Assets, AssetPairs, Time."""
        name = asked.path.removeprefix("/0/public")
        if name in _MARKET_DATA:
            return _MARKET_DATA[name](asked)
        symbols = asked.source.symbols("kraken")
        if name == "/OHLC":
            return self._ohlc(asked)
        if name == "/AssetPairs":
            return _result({pair_id(symbol): _pair(symbol) for symbol in symbols}, asked.now())
        if name == "/Assets":
            coins = {coin for symbol in symbols for coin in split(symbol)}
            return _result(
                {
                    asset(coin): {
                        "aclass": "currency",
                        "altname": alt(coin),
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
        symbol = find_pair(asked, asked.query.get("pair", ""))
        if symbol is None:
            return unknown_pair(asked)
        minutes, now = asked.number("interval", 1), asked.now(symbol)
        if minutes not in MINUTES:
            return Reply({"error": ["EGeneral:Invalid arguments"]}, now)
        length = minutes * 60_000
        newest = asked.last_bars(symbol, length, (now - now % length - REACH * length, now + 1), REACH + 1)
        bars = newest.take(newest.opened_at_ms > asked.number("since", 0) * 1000)
        text = texts(bars)
        vwap = format_numbers(_vwap(bars))
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


def _vwap(bars: BarColumns) -> NDArray[np.float64]:
    """Quote volume by base volume; 0 where nothing was traded, and the middle where no quote volume is known."""
    base, quote = bars.values["volume_base"], bars.values["volume_quote"]
    known = np.where(quote > 0, quote / np.where(base > 0, base, 1), (bars.values["high"] + bars.values["low"]) / 2)
    return np.where(base > 0, known, 0).round(8)


def _pair(symbol: str) -> dict[str, object]:
    base, quote = split(symbol)
    return {
        "altname": alt(base) + alt(quote),
        "wsname": f"{alt(base)}/{alt(quote)}",
        "aclass_base": "currency",
        "base": asset(base),
        "aclass_quote": "currency",
        "quote": asset(quote),
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
