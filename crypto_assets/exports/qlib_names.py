"""What Qlib calls a market and a length of bar, and back.

What belongs here: names alone. What does not: files (qlib_files.py).

Qlib looks for an instrument's folder in lower case and tells names in whichever case they stand in its list. So a name must
be the same in any case, safe as a folder, and still say which market it is: VENUE.BASE_QUOTE, as BINANCE.BTC_USDT. A to Z,
digits, the dash and (within a symbol) the dot stand for themselves in upper case, the slash is an underscore, and every
other byte is an equals sign with its two hexadecimal digits, as BINANCE.BTC_USDT=3AUSDT. No two markets have the same name.
"""

from __future__ import annotations

import re
from datetime import timedelta

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.universe import TIMEFRAME_LENGTH

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_ESCAPE = re.compile(r"=([0-9A-F]{2})")
_MOST = 200  # bytes of a folder's name; file systems end at 255
_UPPER, _LOWER = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"), frozenset(b"abcdefghijklmnopqrstuvwxyz")
_PLAIN = frozenset(b"0123456789-")


class NotForQlib(CryptoAssetsError):
    """Qlib's files cannot hold it."""


def instrument_of(venue: str, symbol: str) -> str:
    """The name of a market.

    Raises:
        NotForQlib: the name would be too long for a folder.
    """
    # Venues are written in lower case and symbols in upper case: each stands for itself, and the other case is escaped.
    name = f"{_written(venue, _LOWER, _PLAIN, '')}.{_written(symbol, _UPPER, _PLAIN | frozenset(b'.'), '/')}"
    if len(name) > _MOST or not venue:
        raise NotForQlib(f"'{venue[:40]} {symbol[:40]}' gives no name of a folder", way_out="Leave that market out.")
    return name


def market_of(instrument: str) -> tuple[str, str]:
    """Venue and symbol of a name, in whichever case it is.

    Raises:
        NotForQlib: it is no name of ours.
    """
    venue, dot, symbol = instrument.upper().partition(".")
    try:
        found = _read(venue, lower=True), _read(symbol.replace("_", "/"))
        is_ours = bool(dot) and instrument_of(*found) == instrument.upper()
    except (UnicodeDecodeError, NotForQlib):
        is_ours = False
    if not is_ours:
        raise NotForQlib(
            f"'{instrument[:80]}' is no instrument of an export", way_out="They are called VENUE.BASE_QUOTE."
        )
    return found


def frequency_of(timeframe: str) -> str:
    """Qlib's name of a length of bar: 1min, 60min, day."""
    length = TIMEFRAME_LENGTH[timeframe]
    return "day" if length == _DAY else f"{length // _MINUTE}min"


FREQUENCIES = {frequency_of(timeframe): timeframe for timeframe in TIMEFRAME_LENGTH}


def _written(text: str, letters: frozenset[int], plain: frozenset[int], underscore: str) -> str:
    made = []
    for byte in text.encode():
        if byte in letters or byte in plain:
            made.append(chr(byte).upper())
        elif underscore and chr(byte) == underscore:
            made.append("_")
        else:
            made.append(f"={byte:02X}")
    return "".join(made)


def _read(text: str, *, lower: bool = False) -> str:
    parts = _ESCAPE.split(text)  # plain, digits, plain, digits, …
    made = b""
    for place, part in enumerate(parts):
        made += bytes.fromhex(part) if place % 2 else (part.lower() if lower else part).encode()
    return made.decode()


__all__ = ["FREQUENCIES", "NotForQlib", "frequency_of", "instrument_of", "market_of"]
