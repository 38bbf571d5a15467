"""From a venue's raw bar rows to columns, row by row checked.

What belongs here: where each venue keeps what in a row, and the rules a row must keep to be a bar. What does not:
asking the venue (exchange.py) and storing.

ccxt's own parser keeps six fields, turns an HTML page into rows of None, and forgets what came. So the rows are read
here: quote volume and trade count are kept, and a refused row keeps its payload. Layouts are those of the venues' REST
documents; a test holds them equal to ccxt's parser for the fields that it has.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

NUMBERS = ("open", "high", "low", "close", "volume_base", "volume_quote", "trade_count")
REQUIRED = ("open", "high", "low", "close", "volume_base")
# 2009-01-01 to 2100-01-01: outside lies no bar, and seconds mistaken for milliseconds fall before it.
EARLIEST_MS, LATEST_MS = 1_230_768_000_000, 4_102_444_800_000

type Key = int | str
type Floats = NDArray[np.float64]
type Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """Where a venue's row keeps each field: list positions, or names where rows are objects.

    Args:
        time: Opening time, in units of `time_unit_ms` milliseconds.
        closed: The venue's own mark for a finished bar, and the text that means finished.
        envelope: The key under which an answer carries its rows; None where the answer is the list itself.
    """

    time: Key
    open: Key
    high: Key
    low: Key
    close: Key
    volume_base: Key
    volume_quote: Key | None = None
    trade_count: Key | None = None
    time_unit_ms: int = 1
    closed: tuple[Key, str] | None = None
    newest_first: bool = False
    envelope: str | None = None


_BINANCE = Layout(0, 1, 2, 3, 4, 5, volume_quote=7, trade_count=8)
CCXT_LAYOUT = Layout(0, 1, 2, 3, 4, 5)  # what ccxt's parse_ohlcv returns, for venues not named below
LAYOUTS: Mapping[str, Layout] = {
    "binance": _BINANCE,
    "binanceus": _BINANCE,
    "binanceusdm": _BINANCE,
    "mexc": Layout(0, 1, 2, 3, 4, 5, volume_quote=7),
    "gate": Layout(0, 5, 3, 4, 2, 6, volume_quote=1, time_unit_ms=1000, closed=(7, "true")),
    "kraken": Layout(0, 1, 2, 3, 4, 6, trade_count=7, time_unit_ms=1000, envelope="result"),
    "coinbase": Layout(
        "start", "open", "high", "low", "close", "volume", time_unit_ms=1000, newest_first=True, envelope="candles"
    ),
    "okx": Layout(0, 1, 2, 3, 4, 5, volume_quote=7, closed=(8, "1"), newest_first=True, envelope="data"),
}


@dataclass(frozen=True)
class RefusedRow:
    """A row that is no bar: which rule it broke, and the row as it came."""

    reason: str
    payload: object


@dataclass(frozen=True)
class Bars:
    """Sound bars in ascending order of `opened_at_ms`, columns of equal length, and what was refused.

    `volume_quote` and `trade_count` are NaN where the venue does not say; `is_finished` is the venue's own mark, True
    where it has none.
    """

    opened_at_ms: Integers
    columns: Mapping[str, Floats]
    is_finished: NDArray[np.bool_]
    refused: Sequence[RefusedRow] = field(default_factory=tuple)

    def __len__(self) -> int:
        return len(self.opened_at_ms)

    def take(self, mask: NDArray[np.bool_]) -> Bars:
        """The bars for which mask is true, with the same refusals."""
        return Bars(
            self.opened_at_ms[mask],
            {name: values[mask] for name, values in self.columns.items()},
            self.is_finished[mask],
            self.refused,
        )


def parse_bars(rows: Sequence[object], layout: Layout, length_ms: int) -> Bars:
    """Read and check one page of rows.

    Args:
        rows: The rows as the venue sent them.
        layout: Where the venue keeps what.
        length_ms: Length of a bar; opening times must be multiples of it.
    """
    ordered = list(reversed(rows)) if layout.newest_first else list(rows)
    times, numbers, finished, kept, refused = _read(ordered, layout)
    reasons = _broken_rules(times, numbers, length_ms)
    _mark_disorder(times, numbers, reasons)
    sound = np.array([not reason for reason in reasons], dtype=bool)
    refused += [RefusedRow(reason, kept[i]) for i, reason in enumerate(reasons) if reason]
    columns = {name: numbers[i] for i, name in enumerate(NUMBERS)}
    return Bars(times, columns, finished, tuple(refused)).take(sound)


def says_no_bars(body: str, layout: Layout) -> bool:
    """Whether the body of an answer really says that there are no bars. Pure.

    ccxt turns an HTML page or a half answer into an empty list for venues that wrap their rows.
    """
    try:
        content = json.loads(body)
    except ValueError:
        return False
    return (
        isinstance(content, list)
        if layout.envelope is None
        else isinstance(content, dict) and layout.envelope in content
    )


def _read(
    rows: list[object], layout: Layout
) -> tuple[Integers, NDArray[np.float64], NDArray[np.bool_], list[object], list[RefusedRow]]:
    """Times, a 7 × n matrix of numbers, finished marks, the readable rows, and the unreadable ones."""
    try:
        times, numbers, finished = _columns(rows, layout)
    except (TypeError, ValueError, KeyError, IndexError, OverflowError):
        pass  # at least one row is unreadable: find out which, below
    else:
        return times, numbers, finished, rows, []
    kept, refused = [], []
    for row in rows:
        try:
            _columns([row], layout)
            kept.append(row)
        except (TypeError, ValueError, KeyError, IndexError, OverflowError) as error:
            refused.append(RefusedRow(f"unreadable: {type(error).__name__}: {str(error)[:120]}", row))
    times, numbers, finished = _columns(kept, layout)
    return times, numbers, finished, kept, refused


def _columns(rows: list[object], layout: Layout) -> tuple[Integers, NDArray[np.float64], NDArray[np.bool_]]:
    if not set(map(type, rows)) <= {list, dict}:  # indexing a string gives a character, and "5" is a number
        raise TypeError("a row is neither a list nor an object")
    milliseconds = _column(rows, layout.time) * layout.time_unit_ms
    if not (np.abs(milliseconds) < 1e15).all():  # false for NaN too
        raise ValueError("the opening time is no number or out of any range")
    times = np.round(milliseconds).astype(np.int64)
    numbers = np.full((len(NUMBERS), len(rows)), np.nan)
    for i, name in enumerate(NUMBERS):
        key: Key | None = getattr(layout, name)
        if key is not None:
            numbers[i] = _column(rows, key)
    finished: NDArray[np.bool_] = np.ones(len(rows), dtype=bool)
    if layout.closed is not None:
        mark, meaning = layout.closed
        finished = np.array([str(value).lower() == meaning for value in _cells(rows, mark)], dtype=bool)
    return times, numbers, finished


def _column(rows: list[object], key: Key) -> Floats:
    values = _cells(rows, key)
    foreign = set(map(type, values)) - {str, int, float}
    if foreign:
        raise TypeError(f"field {key} holds {', '.join(sorted(kind.__name__ for kind in foreign))}")
    return np.array(values, dtype=np.float64)


def _cells(rows: list[object], key: Key) -> list[object]:
    return [row[key] for row in rows]  # type: ignore[index]  # lists and objects, as checked


def _broken_rules(times: Integers, numbers: NDArray[np.float64], length_ms: int) -> list[str]:
    """For each row the first rule that it breaks, or an empty text."""
    opened, high, low, close, volume = numbers[:5]
    prices = numbers[:4]
    rules = (
        ("price or volume is not finite", ~np.isfinite(numbers[:5]).all(axis=0)),
        ("price is not positive", ~(prices > 0).all(axis=0)),
        ("high is below open, close or low", high < np.maximum(np.maximum(opened, close), low)),
        ("low is above open or close", low > np.minimum(opened, close)),
        ("volume is negative", volume < 0),
        (
            "quote volume or trade count is negative or infinite",
            ((numbers[5:] < 0) | np.isinf(numbers[5:])).any(axis=0),
        ),
        ("opening time is implausible", (times < EARLIEST_MS) | (times >= LATEST_MS)),
        ("opening time is off the grid", times % length_ms != 0),
    )
    reasons = [""] * len(times)
    for reason, broken in reversed(rules):
        for i in np.flatnonzero(broken):
            reasons[i] = reason
    return reasons


def _mark_disorder(times: Integers, numbers: NDArray[np.float64], reasons: list[str]) -> None:
    """Refuse what stands out of order, and of equal times all but the first, or all where they differ.

    A page in order costs one comparison.
    """
    if (np.diff(times) > 0).all():
        return
    first: dict[int, int] = {}
    newest = -1
    for i, moment in enumerate(times.tolist()):
        if reasons[i]:
            continue
        if moment in first:
            same = np.array_equal(numbers[:, i], numbers[:, first[moment]], equal_nan=True)
            reasons[i] = "bar came twice" if same else "two different bars for one time"
            if not same:
                reasons[first[moment]] = reasons[i]
            continue
        first[moment] = i
        if moment < newest:
            reasons[i] = "bar is out of order"
        newest = max(newest, moment)
