"""From a venue's raw trade rows to columns, row by row checked, every digit kept.

What belongs here: where each venue keeps what in a row, the rules a row must keep to be a trade, and an id for those that
have none. What does not: asking the venue (exchange_trades.py) and storing.

Layouts are those of the venues' REST documents. Whether a venue numbers a market's trades without holes was looked up in
recorded captures: binance, coinbase and okx do, gate shares one counter among its markets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from crypto_assets.clients.exchange_bars import EARLIEST_MS, LATEST_MS, Integers, Key, RefusedRow

type Texts = NDArray[np.object_]
type Cells = Mapping[Key, object]

_MOST_DIGITS = 80  # more is no price
_MOST_POWER = 40  # nor is what lies beyond that power of ten, up or down; products of two still fit a float
# What PostgreSQL reads as a number; Python's own numbers may hold underscores, spaces and other scripts' digits.
_PLAIN = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20})?")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_UNREADABLE = (TypeError, ValueError, KeyError, IndexError, ArithmeticError, AttributeError)


@dataclass(frozen=True)
class TradeLayout:
    """Where a venue's row keeps each field: list positions, or names where rows are objects.

    Args:
        time: When it was traded; `read_time` makes microseconds since 1970 of it.
        side: What the taker did; `bought` is the value that means that it bought.
        trade_id: The venue's id; None where it has none.
        sequence: The venue's number of the trade within its market, ascending with time.
        is_dense: Whether those numbers have no holes, so that none missing proves that none is.
        fills: First and last number of the matches that the row adds up; None where it is a single match.
    """

    time: Key
    price: Key
    amount: Key
    side: Key
    bought: object
    sold: object
    read_time: Callable[[object], int]
    trade_id: Key | None = None
    sequence: Key | None = None
    is_dense: bool = False
    fills: tuple[Key, Key] | None = None
    newest_first: bool = False


def _milliseconds(value: object) -> int:
    """Of a number or its text, fractions kept as far as a microsecond."""
    if type(value) is int:
        return value * 1000
    return int(_decimal(value) * 1000)


def _seconds(value: object) -> int:
    return round(_decimal(value) * 1_000_000)


def _iso(value: object) -> int:
    moment = datetime.fromisoformat(str(value))
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _binance(**changed: object) -> TradeLayout:
    told = {"trade_id": "a", "sequence": "a", "is_dense": True, "fills": ("f", "l")} | changed
    return TradeLayout("T", "p", "q", "m", False, True, _milliseconds, **told)  # type: ignore[arg-type]


TRADE_LAYOUTS: Mapping[str, TradeLayout] = {
    "binance": _binance(),
    "binanceus": _binance(),
    "binanceusdm": _binance(),
    "mexc": _binance(trade_id=None, sequence=None, is_dense=False, fills=None, newest_first=True),
    "gate": TradeLayout(
        "create_time_ms", "price", "amount", "side", "buy", "sell", _milliseconds, "id", "id", newest_first=True
    ),
    "kraken": TradeLayout(2, 0, 1, 3, "b", "s", _seconds, 6, 6),
    "coinbase": TradeLayout(
        "time", "price", "size", "side", "BUY", "SELL", _iso, "trade_id", "trade_id", is_dense=True, newest_first=True
    ),
    "okx": TradeLayout(
        "ts", "px", "sz", "side", "buy", "sell", _milliseconds, "tradeId", "tradeId", is_dense=True, newest_first=True
    ),
}
# What ccxt's own parse_trades returns, for venues not named above: their prices have been floats.
CCXT_TRADES = TradeLayout("timestamp", "price", "amount", "side", "buy", "sell", _milliseconds, "id")


@dataclass(frozen=True)
class Trades:
    """Sound trades in the order in which they happened, columns of equal length, and what was refused.

    Args:
        traded_at_us: Microseconds since 1970, UTC.
        price: Decimal text, quote currency.
        amount: Decimal text, base currency.
        is_buy: Whether the taker bought.
        trade_id: The venue's, or one made from the trade itself.
        sequence: The venue's number; where it has none, the trade's place among those of its microsecond.
        fills: How many matches the row adds up.
        repeated: Rows that came twice and count once.
    """

    traded_at_us: Integers
    price: Texts
    amount: Texts
    is_buy: NDArray[np.bool_]
    trade_id: Texts
    sequence: Integers
    fills: Integers
    refused: Sequence[RefusedRow] = field(default_factory=tuple)
    repeated: int = 0

    def __len__(self) -> int:
        return len(self.traded_at_us)

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Trades:
        """The chosen trades, with the same refusals."""
        columns = {name: getattr(self, name)[chosen] for name in _COLUMNS}
        return replace(self, **columns)

    def between(self, start_us: int, end_us: int) -> Trades:
        """Those of [start, end)."""
        return self.take((self.traded_at_us >= start_us) & (self.traded_at_us < end_us))


_COLUMNS = ("traded_at_us", "price", "amount", "is_buy", "trade_id", "sequence", "fills")


class _Row(NamedTuple):
    time: int
    price: str
    amount: str
    is_buy: bool
    trade_id: str
    sequence: int
    fills: int


def parse_trades(rows: Sequence[object], layout: TradeLayout) -> Trades:
    """Read and check one page of rows. Pure.

    A row that came twice counts once. Two different rows under one id are both refused: nobody can say which is right.
    """
    read: list[_Row] = []
    payloads: list[object] = []
    refused: list[RefusedRow] = []
    for payload in reversed(rows) if layout.newest_first else rows:
        try:
            read.append(_read(payload, layout))
            payloads.append(payload)
        except _UNREADABLE as error:
            refused.append(RefusedRow(f"unreadable: {type(error).__name__}: {str(error)[:120]}", payload))
    if layout.trade_id is None:
        return _columns(_with_ids(sorted(read, key=lambda row: row.time)), refused, 0)
    kept, repeated, quarrel = _once(read)
    refused += [RefusedRow("two different trades under one id", payloads[i]) for i in quarrel]
    ordered = sorted(kept, key=lambda row: (row.sequence, row.time) if layout.sequence is not None else (row.time, 0))
    return _columns(ordered if layout.sequence is not None else _with_places(ordered), refused, repeated)


def join_trades(parts: Sequence[Trades]) -> Trades:
    """Pages one after the other as one."""
    if len(parts) == 1:
        return parts[0]
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS}
    refused = tuple(row for part in parts for row in part.refused)
    return replace(NO_TRADES, **columns, refused=refused, repeated=sum(part.repeated for part in parts))


NO_TRADES = Trades(
    np.empty(0, np.int64), np.empty(0, object), np.empty(0, object), np.empty(0, bool),
    np.empty(0, object), np.empty(0, np.int64), np.empty(0, np.int64),
)  # fmt: skip


def _read(payload: object, layout: TradeLayout) -> _Row:
    if not isinstance(payload, (list, dict)):
        raise TypeError("a row is neither a list nor an object")
    row = cast("Cells", payload)  # lists are asked by position, objects by name
    time = layout.read_time(row[layout.time])
    if not EARLIEST_MS * 1000 <= time < LATEST_MS * 1000:
        raise ValueError("the time is implausible")
    side = row[layout.side]
    # True == 1 in Python: a side that is a number is no side.
    if type(side) is not type(layout.bought) or side not in (layout.bought, layout.sold):
        raise ValueError(f"side {side!r:.20} is neither bought nor sold")
    fills = 1
    if layout.fills is not None:
        first, last = (_whole(row[key]) for key in layout.fills)
        fills = last - first + 1
        if fills < 1:
            raise ValueError("the last match stands before the first")
    return _Row(
        time,
        positive_text(row[layout.price], "price"),
        positive_text(row[layout.amount], "amount"),
        side == layout.bought,
        "" if layout.trade_id is None else _id(row[layout.trade_id]),
        0 if layout.sequence is None else _whole(row[layout.sequence]),
        fills,
    )


def _once(rows: Sequence[_Row]) -> tuple[list[_Row], int, list[int]]:
    """Each trade once, how many came again, and the positions of those that quarrel about an id."""
    first: dict[str, int] = {}
    again: set[int] = set()
    quarrel: set[int] = set()
    for i, row in enumerate(rows):
        before = first.setdefault(row.trade_id, i)
        if before == i:
            continue
        if rows[before] == row:
            again.add(i)
        else:
            quarrel |= {before, i}
    kept = [row for i, row in enumerate(rows) if i not in again and i not in quarrel]
    return kept, len(again - quarrel), sorted(quarrel)


def _with_ids(rows: Sequence[_Row]) -> list[_Row]:
    """Rows with an id made of time, price, amount and side, and an ordinal among those equal in all four.

    The same trades get the same ids however the page was cut, as long as no millisecond was: see exchange_trades.py.
    """
    seen: dict[tuple[int, str, str, bool], int] = {}
    placed = []
    for row in _with_places(rows):
        key = (row.time, row.price, row.amount, row.is_buy)
        ordinal = seen[key] = seen.get(key, -1) + 1
        mark = sha256("|".join(map(str, key)).encode()).hexdigest()[:24]
        placed.append(_Row(row.time, row.price, row.amount, row.is_buy, f"{mark}-{ordinal}", row.sequence, row.fills))
    return placed


def _with_places(rows: Sequence[_Row]) -> list[_Row]:
    """Rows with their place among those of the same time as their number."""
    placed: list[_Row] = []
    for row in rows:
        place = placed[-1].sequence + 1 if placed and placed[-1].time == row.time else 0
        placed.append(_Row(row.time, row.price, row.amount, row.is_buy, row.trade_id, place, row.fills))
    return placed


def _columns(rows: Sequence[_Row], refused: Sequence[RefusedRow], repeated: int) -> Trades:
    def texts(values: list[str]) -> Texts:
        column = np.empty(len(values), dtype=object)
        column[:] = values
        return column

    return Trades(
        np.array([row.time for row in rows], dtype=np.int64),
        texts([row.price for row in rows]),
        texts([row.amount for row in rows]),
        np.array([row.is_buy for row in rows], dtype=bool),
        texts([row.trade_id for row in rows]),
        np.array([row.sequence for row in rows], dtype=np.int64),
        np.array([row.fills for row in rows], dtype=np.int64),
        tuple(refused),
        repeated,
    )


def positive_text(value: object, name: str) -> str:
    """The decimal text of a price or amount; the venue's own where it is text.

    Raises:
        ValueError: it is no number above zero.
    """
    # Nearly every price is a short row of digits; what that says needs no Decimal, which is most of a page's time.
    if type(value) is str and _PLAIN.fullmatch(value):
        if value.strip("0."):
            return value
        raise ValueError(f"{name} is not positive")
    number = _decimal(value)
    if not number > 0:
        raise ValueError(f"{name} is not positive")
    text = value if isinstance(value, str) else str(number)
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"{name} has more than {_MOST_DIGITS} characters")
    return text


def _decimal(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise TypeError(f"expected a number, came {type(value).__name__}")
    text = value if isinstance(value, str) else repr(value)
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r:.40} is no number")
    number = Decimal(text)
    if abs(number.adjusted()) > _MOST_POWER:
        raise ValueError(f"{text!r:.40} is too large or too small")
    return number


def _whole(value: object) -> int:
    if type(value) is int and 0 <= value < 2**63:
        return value
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise TypeError(f"expected a whole number, came {type(value).__name__}")
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        raise ValueError(f"{value!r:.40} is no whole number")
    number = int(value)
    if not 0 <= number < 2**63:
        raise ValueError("the trade's number does not fit into 63 bits")
    return number


def _id(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise TypeError(f"expected an id, came {type(value).__name__}")
    text = str(value)
    if not text or len(text) > 100 or not text.isprintable():  # NUL and half characters cannot be stored
        raise ValueError("no id")
    return text
