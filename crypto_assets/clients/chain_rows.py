"""Daily values of chains, whoever tells them: what a number and a day must be to be believed.

What belongs here: the row that all providers of chains' metrics become, and how single values are read. What does not: where a
provider keeps what, and asking (coinmetrics.py, blockchain_info.py, etherscan.py, defillama.py).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NoReturn

from crypto_assets.clients.exchange_bars import RefusedRow
from crypto_assets.clients.failures import Malformed

FIRST_DAY = date(2009, 1, 3)  # of the first chain's first block
# The largest sound values are amounts of wei, some 10^26; more is a mistake, and would poison every mean.
LARGEST = 1e30
UNREADABLE = (TypeError, ValueError, KeyError, ArithmeticError, AttributeError)

_MOST_CHARACTERS = 120  # Coin Metrics writes up to 60 digits
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
# Seconds of the year 5138, milliseconds of 1973: no chain lived then.
_MILLISECONDS_FROM = 100_000_000_000


@dataclass(frozen=True)
class DayValue:
    """One number of one day.

    Args:
        metric: By the provider's name.
        day: UTC.
        value: Finite and not negative.
    """

    metric: str
    day: date
    value: float


@dataclass(frozen=True)
class DayValues:
    """The sound values of an answer in its order, and what was refused of it."""

    rows: Sequence[DayValue]
    refused: Sequence[RefusedRow] = ()


def number_of(value: object, name: str) -> float | None:
    """A number that is not negative, as JSON's or as text; None for null: not known. Pure.

    Raises:
        TypeError, ValueError: it is no number, not finite, negative, or larger than anything there is.
    """
    if value is None:
        return None
    if type(value) not in (str, int, float):
        raise TypeError(f"{name}: expected a number, came {type(value).__name__}")
    text = str(value)
    if len(text) > _MOST_CHARACTERS or not _NUMBER.fullmatch(text):
        raise ValueError(f"{name}: {text!r:.60} is no number")
    number = float(text)
    if not math.isfinite(number) or abs(number) > LARGEST:
        raise ValueError(f"{name}: {text:.60} is too large to be true")
    if number < 0:
        raise ValueError(f"{name} is negative: {text:.60}")
    return number


def day_of_iso(value: object, today: date) -> date:
    """The UTC day that an ISO time names by its midnight. Pure.

    Raises:
        TypeError, ValueError: it names none, or one before the first chain or in the future.
    """
    if not isinstance(value, str):
        raise TypeError(f"expected a time, came {type(value).__name__}")
    moment = datetime.fromisoformat(value[:40])
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return _plausible(moment.astimezone(UTC), today)


def day_of_epoch(value: object, today: date) -> date:
    """The UTC day in which seconds, or milliseconds, since 1970 lie. Pure.

    Raises:
        TypeError, ValueError: they are no number, or lie before the first chain or in the future.
    """
    if type(value) not in (int, float, str):
        raise TypeError(f"expected seconds since 1970, came {type(value).__name__}")
    seconds = number_of(value, "the time")
    if seconds is None:
        raise ValueError("a time that is not known")
    if seconds >= _MILLISECONDS_FROM:
        seconds /= 1000
    if seconds >= _MILLISECONDS_FROM:
        raise ValueError(f"the time {value!r:.40} is implausible")
    return _plausible(datetime.fromtimestamp(seconds, UTC), today)


def once_a_day(values: Sequence[tuple[DayValue, object]], refused: Sequence[RefusedRow]) -> DayValues:
    """One value a metric and day: of the same again the first is kept, another one under the same day is refused. Pure.

    Args:
        values: Each with the payload it was read from.
    """
    kept: dict[tuple[str, date], DayValue] = {}
    others = list(refused)
    for one, payload in values:
        first = kept.setdefault((one.metric, one.day), one)
        if first.value != one.value:
            others.append(RefusedRow(f"{one.metric}: another value for {one.day}", payload))
    return DayValues(tuple(kept.values()), tuple(others))


def unreadable(error: Exception, payload: object) -> RefusedRow:
    """The refusal of what could not be read."""
    return RefusedRow(f"unreadable: {type(error).__name__}: {str(error)[:120]}", payload)


def refuse_answer(provider: str, expected: str, came: object) -> NoReturn:
    """For an answer that cannot be what was asked for; it keeps what came.

    Raises:
        Malformed: always.
    """
    shown = f"an object of {', '.join(map(str, came)) or 'nothing'}" if isinstance(came, dict) else type(came).__name__
    raise Malformed(
        f"{provider}: expected {expected}, came {shown[:120]}",
        way_out="The answer is kept in quality.quarantine.",
        payload=came,
    )


def _plausible(moment: datetime, today: date) -> date:
    day = moment.date()
    if not FIRST_DAY <= day <= today:
        raise ValueError(f"the day {day} is implausible")
    return day
