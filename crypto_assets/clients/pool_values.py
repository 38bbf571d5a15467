"""How the values in GeckoTerminal's answers are read: numbers, times, ids, names.

What belongs here: what a single value must be, pure, every digit kept. What does not: which row keeps what (pool_rows.py,
pool_trade_rows.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import cast

from crypto_assets.clients.exchange_bars import RefusedRow

type Fields = Mapping[str, object]

UNREADABLE = (TypeError, ValueError, KeyError, IndexError, ArithmeticError, AttributeError)
# The first smart contracts that could trade anything are of 2015; what is younger than this, a clock may be ahead.
EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)
CLOCK_TOLERANCE = timedelta(minutes=1)

_MOST_CHARACTERS = 100  # of a number or an id: more is none, and would swell every row
_LONGEST_NAME = 300  # anybody can deploy a token with a novel for a name
# Nothing but ASCII digits: Python's own numbers may hold underscores, spaces and other scripts' digits.
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_HEX = re.compile(r"0[xX][0-9a-fA-F]+")
_NOT_STORABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # control characters and halves of characters


def canonical(address: str) -> str:
    """An address as it is compared and stored: hexadecimal ones, whose case is but a checksum, in lower case. Pure."""
    return address.lower() if _HEX.fullmatch(address) else address


def without_network(value: object, network_id: str) -> str:
    """The address in an id such as `polygon_pos_0x12`: exactly the network and one underscore are taken off. Pure.

    Raises:
        ValueError: the id is another network's.
    """
    text = id_text(value)
    if not text.startswith(f"{network_id}_"):
        raise ValueError(f"{text!r:.60} is not of network {network_id}")
    return canonical(id_text(text[len(network_id) + 1 :]))


def id_text(value: object) -> str:
    """An id, address or hash. Pure.

    Raises:
        TypeError, ValueError: it is none.
    """
    if not isinstance(value, str):
        raise TypeError(f"expected an id, came {type(value).__name__}")
    if not value or len(value) > _MOST_CHARACTERS or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError(f"{value!r:.60} is no id")
    return value


def number_text(value: object) -> str | None:
    """A decimal number as text in plain notation, each digit that came; None for null, "NaN" and "". Pure.

    GeckoTerminal sends decimals as text. Those few that come as JSON numbers have been through a float.

    Raises:
        TypeError, ValueError: it is no number, or one of more than 100 characters.
    """
    if value is None:
        return None
    if type(value) not in (str, int, float):
        raise TypeError(f"expected a number, came {type(value).__name__}")
    text = str(value)
    if text.lower() in {"", "nan"}:
        return None
    found = _NUMBER.fullmatch(text) if len(text) <= _MOST_CHARACTERS else None
    if found is None:
        raise ValueError(f"{text!r:.60} is no number")
    if found[1]:
        text = format(Decimal(text), "f")
        if len(text) > _MOST_CHARACTERS:
            raise ValueError(f"a number has more than {_MOST_CHARACTERS} characters")
    return text


def amount_text(value: object, name: str) -> str:
    """A number that must be known and not negative; otherwise as `number_text`. Pure.

    Raises:
        TypeError, ValueError: it is not.
    """
    text = unsigned_text(value, name)
    if text is None:
        raise ValueError(f"{name} is not known")
    return text


def price_text(value: object, name: str) -> str:
    """A number that must be known and above zero; otherwise as `number_text`. Pure.

    Raises:
        TypeError, ValueError: it is not.
    """
    text = amount_text(value, name)
    if not text.strip("0."):
        raise ValueError(f"{name} is not positive")
    return text


def moment_of(value: object, now: datetime) -> datetime:
    """An ISO time with its zone, as UTC. Pure.

    Raises:
        TypeError, ValueError: it is none, or lies before 2015 or more than a minute after `now`.
    """
    if not isinstance(value, str):
        raise TypeError(f"expected a time, came {type(value).__name__}")
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    if not EARLIEST <= moment <= now + CLOCK_TOLERANCE:
        raise ValueError(f"the time {value:.40} is implausible")
    return moment.astimezone(UTC)


def whole(value: object, name: str) -> int:
    """A count or number of a block. Pure.

    Raises:
        TypeError, ValueError: it is none that fits into 63 bits.
    """
    if type(value) not in (str, int):
        raise TypeError(f"{name}: expected a whole number, came {type(value).__name__}")
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        raise ValueError(f"{name}: {value!r:.40} is no whole number")
    number = int(cast("str | int", value))
    if not 0 <= number < 2**63:
        raise ValueError(f"{name} is negative or does not fit into 63 bits")
    return number


def unsigned_text(value: object, name: str) -> str | None:
    """A number that is not negative, where it is known; otherwise as `number_text`. Pure.

    Raises:
        TypeError, ValueError: it is negative, or none.
    """
    text = number_text(value)
    if text is not None and text.startswith("-"):
        raise ValueError(f"{name} is negative")
    return text


def unsigned_number(value: object, name: str) -> float | None:
    """The same as a float, which is finite. Pure.

    Raises:
        TypeError, ValueError: it is negative, or none.
    """
    text = unsigned_text(value, name)
    return None if text is None else float(text)


def signed_number(value: object) -> float | None:
    """A finite float where it is known; otherwise as `number_text`. Pure.

    Raises:
        TypeError, ValueError: it is no number.
    """
    text = number_text(value)
    return None if text is None else float(text)


def name_text(value: object) -> str:
    """A name as PostgreSQL can keep it and people can look at it: no control characters, at most 300 characters. Pure.

    Raises:
        TypeError: it is no text.
    """
    if not isinstance(value, str):
        raise TypeError(f"expected a name, came {type(value).__name__}")
    return _NOT_STORABLE.sub("\ufffd", value[:_LONGEST_NAME])


def fields_of(value: object, name: str) -> Fields:
    """A JSON object.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(value, dict):
        raise TypeError(f"{name} is {type(value).__name__}, no object")
    return value


def unreadable(error: Exception, payload: object) -> RefusedRow:
    """The refusal of a row that could not be read."""
    return RefusedRow(f"unreadable: {type(error).__name__}: {str(error)[:120]}", payload)
