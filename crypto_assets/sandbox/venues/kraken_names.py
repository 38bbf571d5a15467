"""Kraken's names of coins and pairs.

What belongs here: names from unified symbols, and back. What does not: anything that is answered.
"""

from __future__ import annotations

from crypto_assets.sandbox.venues.exchange import Asked, split

_OLD = {"BTC": "XXBT", "ETH": "XETH", "XRP": "XXRP", "LTC": "XLTC", "XMR": "XXMR"}  # coins with Kraken's X prefix
_FIAT = {"USD": "ZUSD", "EUR": "ZEUR"}


def pair_id(symbol: str) -> str:
    """BTC/USD is XXBTZUSD, SOL/USD is SOLUSD: the prefixes only come in pairs."""
    base, quote = split(symbol)
    if base in _OLD and quote in _FIAT:
        return _OLD[base] + _FIAT[quote]
    return alt(base) + alt(quote)


def asset(coin: str) -> str:
    """Kraken's own name of a coin."""
    return _OLD.get(coin) or _FIAT.get(coin) or alt(coin)


def alt(coin: str) -> str:
    """Kraken's short name of a coin."""
    return {"BTC": "XBT", "DOGE": "XDG"}.get(coin, coin)


def find_pair(asked: Asked, wanted: str) -> str | None:
    """The unified symbol of a pair, by its id or by its short names."""
    return asked.find_symbol(wanted, pair_id) or asked.find_symbol(wanted, lambda one: "".join(map(alt, split(one))))
