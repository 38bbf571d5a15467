"""Exact decimal numbers as binary COPY sends them: every digit kept, zeros at the end too.

What belongs here: columns of the type numeric. What does not: double precision and whole numbers (binary_copy.py), and
arrays of numbers (binary_arrays.py).

The format (numeric_recv in PostgreSQL's source): how many groups of four decimal digits, the power of 10000 of the first
group, the sign, the digits shown behind the point, then the groups. The server drops groups of zeros at both ends, so
numbers of unlike lengths can be sent with as many groups each, and a column of them has few widths or one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TypeGuard

import numpy as np

from crypto_assets.warehouse.binary_fields import (
    Array,
    Bools,
    Bytes,
    Int64s,
    RaggedField,
    ValueRefused,
    is_missing,
    windows,
    wrong_type,
)

type Place = Callable[[int], str]

_MOST_WHOLE, _MOST_FRACTION = 131_072, 16_383  # digits, PostgreSQL's limits
# Groups before or behind the point. Numbers share the width of the widest one of their class, so that one of thousands
# of digits does not widen a million others; nearly all columns have one class.
_CLASSES = (6, 16, 64, 256, 1024, 4096)
_PIECE_DIGITS = 1 << 18  # so many are worked on at a time: they fit a processor's cache
_HEADER_BYTES = 8
_NEGATIVE = 0x4000
_DIGIT, _POINT, _SIGN, _END, _OTHER = range(5)
_KINDS = np.full(256, _OTHER, dtype=np.uint8)
_KINDS[list(b"0123456789")] = _DIGIT
_KINDS[list(b".")] = _POINT
_KINDS[list(b"+-")] = _SIGN
_KINDS[list(b"\n")] = _END
_KINDS.flags.writeable = False
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?P<power>[eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class _Written:
    """Numbers as text, one behind the other, and where in it their parts are; each array has shape (numbers,).

    Args:
        text: ASCII digits, points and signs.
        points: Where each number's point is, or its end where there is none.
        whole: How many digits stand before the point.
        fraction: How many stand behind it.
        negative: Which numbers have a minus.
    """

    text: Bytes
    points: Int64s
    whole: Int64s
    fraction: Int64s
    negative: Bools


def encode_numeric(name: str, array: Array) -> RaggedField:
    """A column of numeric.

    Args:
        name: The column's, for errors.
        array: Numbers as text ("-0.050", "1E-8"), Decimal, int or float (its shortest text); None, and NaN of a float,
            is NULL; shape (rows,) or ().

    Raises:
        ValueRefused: NaN or infinity as text or Decimal, what is no number, more digits than numeric holds; it names
            the row and the value.
    """
    field = encode_numbers(_items(name, array), lambda index: f"Column {name}, row {index}")
    return RaggedField(field.buffer, field.starts.reshape(array.shape), field.lengths.reshape(array.shape))


def encode_numbers(items: list[object], place: Place) -> RaggedField:
    """Numbers, in the numeric format.

    Args:
        items: str, Decimal, int or float; None, and NaN of a float, is NULL.
        place: What an error says of the number of an index, as "Column price, row 3".

    Raises:
        ValueRefused: what is not a number that numeric holds.
    """
    nulls = None
    if _are_texts(items):
        texts = items
    else:
        known = [None if is_missing(item) else _text_of(item, index, place) for index, item in enumerate(items)]
        nulls = np.array([text is None for text in known], dtype=bool)
        texts = ["0" if text is None else text for text in known]
    written = _read(texts) or _read([_spelt_out(text, index, place) for index, text in enumerate(texts)])
    if written is None:
        raise AssertionError("numbers without powers are read")
    _refuse_too_long(written, texts, place)
    field = _laid_out(written)
    return field if nulls is None else RaggedField(field.buffer, field.starts, np.where(nulls, -1, field.lengths))


def _are_texts(items: list[object]) -> TypeGuard[list[str]]:
    return set(map(type, items)) <= {str}


def _items(name: str, array: Array) -> list[object]:
    if array.dtype.kind not in "OUiuf":
        raise wrong_type(name, array, "numbers, as text or Decimal where every digit counts")
    if array.dtype.kind not in "iuf":
        return list(np.atleast_1d(array).tolist())
    nulls = np.atleast_1d(np.isnan(array.astype(np.float64)))
    # Not by way of Python's float, whose shortest text of a float32 is another number's.
    texts = np.atleast_1d(array).astype(str).tolist()
    return [None if is_null else text for text, is_null in zip(texts, nulls.tolist(), strict=True)]


def _text_of(item: object, index: int, place: Place) -> str:
    if isinstance(item, str):
        return item
    if isinstance(item, float | np.floating):
        return str(item)
    if isinstance(item, Decimal):
        text = str(item)
        return format(item, "f") if "E" in text and _is_sane(item) else text
    if isinstance(item, int | np.integer) and not isinstance(item, bool):
        return str(Decimal(int(item)))  # int's own text ends at 4300 digits
    raise ValueRefused(f"{place(index)}: expected a decimal number, and got {type(item).__name__} {item!r:.80}")


def _spelt_out(text: str, index: int, place: Place) -> str:
    """The number without a power of ten."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise ValueRefused(f"{place(index)}: expected a decimal number, and got {text!r:.80}")
    if found["power"] is None:
        return text
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise _too_long(text, index, place) from None
    if not _is_sane(number):
        raise _too_long(text, index, place)
    return format(number, "f")


def _is_sane(number: Decimal) -> bool:
    """Whether it is a number that is not too long to be spelt out."""
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -_MOST_FRACTION and number.adjusted() < _MOST_WHOLE


def _too_long(text: str, index: int, place: Place) -> ValueRefused:
    return ValueRefused(
        f"{place(index)}: numeric holds {_MOST_WHOLE} digits before the point and {_MOST_FRACTION} behind it,"
        f" and got {text!r:.80}"
    )


def _refuse_too_long(written: _Written, texts: Sequence[str], place: Place) -> None:
    long = np.flatnonzero((written.whole > _MOST_WHOLE) | (written.fraction > _MOST_FRACTION))
    if len(long):
        raise _too_long(texts[int(long[0])], int(long[0]), place)


def _read(texts: list[str]) -> _Written | None:
    """Find the parts of all numbers; None where one is not plain digits with a sign and a point at most."""
    text = np.frombuffer("\n".join([*texts, ""]).encode("ascii", "replace"), dtype=np.uint8)
    kinds = _KINDS[text]
    marks = np.flatnonzero(kinds).astype(np.int64)
    of_mark = kinds[marks]
    is_end, is_point = of_mark == _END, of_mark == _POINT
    ends = marks[is_end]
    if len(ends) != len(texts) or (of_mark == _OTHER).any() or (is_point[1:] & is_point[:-1]).any():
        return None
    begins = np.concatenate([np.zeros(1, dtype=np.int64), ends + 1])[:-1]
    signed = kinds[begins] == _SIGN
    if np.count_nonzero(signed) != np.count_nonzero(of_mark == _SIGN):
        return None
    row = np.cumsum(is_end) - is_end
    points = ends.copy()
    points[row[is_point]] = marks[is_point]
    starts = begins + signed
    whole, fraction = points - starts, np.asarray(np.maximum(ends - points - 1, 0))
    if (whole + fraction < 1).any():
        return None
    return _Written(text, points, whole, fraction, np.asarray(signed & (text[begins] == ord("-"))))


def _laid_out(written: _Written) -> RaggedField:
    """All numbers in their format, class by class."""
    whole, fraction = np.maximum(_groups(written.whole), 1), _groups(written.fraction)
    classes = np.searchsorted(np.array(_CLASSES), np.maximum(whole, fraction))
    starts, lengths = np.zeros(len(whole), dtype=np.int64), np.zeros(len(whole), dtype=np.int64)
    blocks: list[Bytes] = []
    begin = 0
    for one in np.unique(classes):
        rows = np.flatnonzero(classes == one)
        groups = int(whole[rows].max()), int(fraction[rows].max())
        width = _HEADER_BYTES + 2 * sum(groups)
        starts[rows] = begin + width * np.arange(len(rows))
        lengths[rows] = width
        blocks.extend(_block(written, rows, groups))
        begin += width * len(rows)
    return RaggedField(np.concatenate([np.zeros(0, dtype=np.uint8), *blocks]), starts, lengths)


def _groups(digits: Int64s) -> Int64s:
    return -(-digits // 4)


def _block(written: _Written, rows: Int64s, groups: tuple[int, int]) -> list[Bytes]:
    """The numbers of these rows, with as many groups before and behind the point each."""
    before, behind = groups
    wire = [("groups", ">u2"), ("weight", ">i2"), ("sign", ">i2"), ("scale", ">i2"), ("digits", ">i2", (sum(groups),))]
    # A window may reach beyond the text at either end; what is there is cut off.
    text = np.pad(written.text, (4 * before, 4 * behind + 1))
    at_once = max(1, _PIECE_DIGITS // (4 * sum(groups)))
    blocks = []
    for first in range(0, len(rows), at_once):
        piece = rows[first : first + at_once]
        block = np.empty(len(piece), dtype=wire)
        block["groups"], block["weight"] = sum(groups), before - 1
        block["sign"] = np.where(written.negative[piece], _NEGATIVE, 0)
        block["scale"] = written.fraction[piece]
        points = written.points[piece]
        # Place i of `before` counts from the left, so the digits of a short number begin late.
        is_digit = np.arange(4 * before) >= 4 * before - written.whole[piece][:, None]
        block["digits"][:, :before] = _grouped(text, points, is_digit)
        is_digit = np.arange(4 * behind) < written.fraction[piece][:, None]
        block["digits"][:, before:] = _grouped(text, points + 4 * before + 1, is_digit)
        blocks.append(block.view(np.uint8))
    return blocks


def _grouped(text: Bytes, starts: Int64s, is_digit: Bools) -> Array:
    """The digits that begin at `starts`, four to a group; shape (numbers, groups)."""
    places = is_digit.shape[1]
    if not places:
        return np.zeros((len(starts), 0), dtype=np.int16)
    characters = windows(text, places)[starts].view(np.uint8).reshape(-1, places)
    digits = np.where(is_digit, characters - np.uint8(ord("0")), 0).astype(np.int16)
    thousands, hundreds, tens, ones = (digits[:, place::4] for place in range(4))
    return np.asarray(((thousands * 10 + hundreds) * 10 + tens) * 10 + ones)
