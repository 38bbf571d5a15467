"""How numbers of the stream are said in log lines and in the live table.

What belongs here: amounts of money, venues, currencies. What does not: which line is told (analytics.py).
"""

from __future__ import annotations

from functools import lru_cache

# Currencies that one may take for dollars when it is about a thousand of them; others are not converted.
DOLLARS = frozenset(
    {"USD", "USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USDP", "PYUSD", "USDE", "USDS", "DAI", "RLUSD", "USD1"}
)

# Amounts below the first are told in the second; rounded to three digits, the bound itself would be a thousand of them.
_UNITS = ((999.5, 1.0, ""), (999_500.0, 1e3, "K"), (999_500_000.0, 1e6, "M"))


def quote_currency(symbol: str) -> str:
    """USDT of BTC/USDT, and of BTC/USDT:USDT; empty where the symbol has none. Pure."""
    return symbol.partition("/")[2].partition(":")[0]


@lru_cache(maxsize=20_000)
def is_in_dollars(symbol: str) -> bool:
    """Whether prices of that market may be taken for dollars. Pure."""
    return quote_currency(symbol) in DOLLARS


def price(text: str, symbol: str) -> str:
    """A price with its currency: $50000.50, or 0.0512 BTC. Pure."""
    return f"${text}" if is_in_dollars(symbol) else f"{text} {quote_currency(symbol)}".strip()


def dollars(amount: float) -> str:
    """An amount in few signs: $950, $30K, $1.5M. Pure."""
    for bound, divisor, letter in _UNITS:
        if amount < bound:
            return f"${amount / divisor:.3g}{letter}"
    return f"${amount / 1e9:.3g}B"


def venue_name(venue: str) -> str:
    """As log lines write it: MEXC. Pure."""
    return venue.upper()
