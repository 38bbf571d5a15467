"""How `crypto-assets show` writes things: numbers, ages, lines of blocks, bars, JSON.

What belongs here: pure functions from values to text. What does not: reading and tables (the other show_*.py).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
from rich.text import Text

from crypto_assets.cli.features import line_of
from crypto_assets.watchlist_file import printable

type Json = bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None

LINE_WIDTH = 60  # blocks of a line: it fits beside its name
_DIGITS = 6
_ZEROS = 4  # from so many zeros behind the point on they are counted in place of written
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_LONGEST_NAME = 40
_KEPT = 6  # characters of either end of an address: another one with the same is made up on purpose only


def number_text(value: float) -> str:
    """A number to read: six digits that matter, no exponent; empty where it is not known."""
    if not math.isfinite(value):
        return ""
    if value == 0:
        return "0"
    whole = math.floor(math.log10(abs(value))) + 1
    return f"{value:,.{min(12, max(2, _DIGITS - whole))}f}"


def price_text(value: float) -> str:
    """A price to read: as `number_text`, and a tiny one with its zeros counted: 0.0₄467857 is 0.0000467857."""
    if not math.isfinite(value) or value == 0:
        return number_text(value)
    digits, _, power = f"{value:.{_DIGITS - 1}e}".partition("e")
    zeros = -int(power) - 1
    if zeros < _ZEROS:
        return number_text(value)
    sign = "-" if value < 0 else ""
    return f"{sign}0.0{str(zeros).translate(_SUBSCRIPTS)}{digits.lstrip('-').replace('.', '')}"


def plain_text(text: str, longest: int = _LONGEST_NAME) -> Text:
    """A stranger's text for the screen: no markup, no emoji codes, hidden characters escaped, not long."""
    return Text(cut_text(printable(text), longest))


def cut_text(text: str, longest: int) -> str:
    """The text, cut at its end where it is longer."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def short_address(address: str) -> str:
    """An address cut in the middle where it is long: 7bqJG2…qdL3NP. `show pool` finds it by that, too."""
    return address if len(address) <= 2 * _KEPT + 1 else f"{address[:_KEPT]}…{address[-_KEPT:]}"


def volume_text(value: float) -> str:
    """An amount or value to compare at a glance: three digits of a small one, a large one in thousands, millions, billions."""
    if not math.isfinite(value):
        return ""
    for bound, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= bound:
            return f"{value / (1e3 if unit == 'k' else bound):,.1f}{unit}"
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{min(12, 2 - math.floor(math.log10(abs(value))))}f}"


def share_text(share: float) -> str:
    """A share 0..1 in percent; never 100 % of what is not whole."""
    if not math.isfinite(share):
        return ""
    if share >= 1:
        return "100%"
    return f"{min(share, 0.999):.1%}"


def age_text(age: timedelta) -> str:
    """How long ago, in its two largest units."""
    seconds = max(0, round(age.total_seconds()))
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{seconds} s"


def currencies(symbol: str) -> tuple[str, str]:
    """Base and quote currency of a unified symbol, for the units of a table."""
    base, _, quote = symbol.partition(":")[0].partition("/")
    return base, quote


def sparkline(values: Sequence[float], width: int = LINE_WIDTH) -> str:
    """The values as a line of blocks, no longer than `width`: neighbours are averaged; a space where none is known."""
    held = pd.Series(list(values), dtype="float64")
    if len(held) > width:
        held = held.groupby(np.arange(len(held)) * width // len(held)).mean()
    return line_of(held)


def ratio_bar(share: float, width: int = 6) -> str:
    """A share 0..1 as a bar in two colours, green for the share and red for the rest, as rich markup."""
    if not math.isfinite(share):
        return ""
    green = min(width, max(0, round(share * width)))
    return f"[green]{'█' * green}[/][red]{'█' * (width - green)}[/] {share:4.0%}"


def json_text(told: Mapping[str, object]) -> str:
    """JSON for machines: times ISO 8601 UTC, exact numbers as texts, null for what is not known."""
    return json.dumps(_plain(told), indent=2, allow_nan=False)


def records(frame: pd.DataFrame) -> list[dict[str, object]]:
    """The frame's rows by column name."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _plain(value: object) -> Json:  # noqa: PLR0911 - a kind of value a line
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if value is None or isinstance(value, (bool, str)):
        return value
    if value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)
