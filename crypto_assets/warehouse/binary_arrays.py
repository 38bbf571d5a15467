"""Order books as binary COPY sends them: numeric[][], a list of (price, amount) a row.

What belongs here: columns that are arrays of two dimensions of numeric. What does not: the numbers (binary_numeric.py).

The format (array_recv in PostgreSQL's source): dimensions, whether there are NULLs, the elements' type, size and first
index of each dimension, then each element with its length before it. Such batches have few rows of many numbers, so the
numbers are encoded all at once and the rows one by one.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import chain
from typing import TypeGuard

import numpy as np

from crypto_assets.warehouse.binary_fields import (
    Array,
    Bytes,
    Int64s,
    RaggedField,
    ValueRefused,
    is_missing,
    windows,
    wrong_type,
)
from crypto_assets.warehouse.binary_numeric import encode_numbers

_NUMERIC_OID = 1700
_EMPTY = struct.pack(">iiI", 0, 0, _NUMERIC_OID)
_LENGTH_BYTES = 4


def encode_number_pairs(name: str, array: Array) -> RaggedField:
    """A column of numeric[][].

    Args:
        name: The column's, for errors.
        array: Objects, each a sequence of (price, amount) as numeric takes them, or None for NULL; an empty sequence is
            '{}'; shape (rows,) or ().

    Raises:
        ValueRefused: rows that are no sequences of pairs, or a number that numeric does not hold; it names the row.
    """
    if array.dtype.kind != "O":
        raise wrong_type(name, array, "sequences of pairs of numbers")
    rows = [None if is_missing(item) else _pairs(name, index, item) for index, item in enumerate(_items(array))]
    numbers = list(chain.from_iterable(pair for row in rows for pair in row or ()))
    borders = np.cumsum([0, *(2 * len(row or ()) for row in rows)])

    def place(index: int) -> str:
        row = int(np.searchsorted(borders, index, side="right")) - 1
        level = (index - int(borders[row])) // 2
        return f"Column {name}, row {row}, pair {level}"

    missing = next((index for index, number in enumerate(numbers) if is_missing(number)), None)
    if missing is not None:
        raise ValueRefused(f"{place(missing)}: expected two numbers, and got {numbers[missing]!r}")
    strung, offsets = _strung(encode_numbers(numbers, place))
    values = [
        None if row is None else _one_array(len(row), strung[offsets[first] : offsets[first + 2 * len(row)]])
        for row, first in zip(rows, borders[:-1].tolist(), strict=True)
    ]
    return RaggedField.of(values, array.shape)


def _items(array: Array) -> list[object]:
    return list(array.tolist()) if array.ndim else [array.item()]


def _pairs(name: str, index: int, item: object) -> list[Sequence[object]]:
    if not _is_sequence(item):
        raise ValueRefused(f"Column {name}, row {index}: expected a sequence of pairs, and got {item!r:.80}")
    pairs = [pair for pair in item if _is_sequence(pair) and len(pair) == 2]
    if len(pairs) < len(item):
        wrong = next(pair for pair in item if not _is_sequence(pair) or len(pair) != 2)
        raise ValueRefused(f"Column {name}, row {index}: expected pairs of numbers, and got {wrong!r:.80}")
    return pairs


def _is_sequence(item: object) -> TypeGuard[Sequence[object]]:
    return isinstance(item, list | tuple) or (isinstance(item, np.ndarray) and item.ndim > 0)


def _strung(field: RaggedField) -> tuple[Bytes, Int64s]:
    """All values behind one another, each with its length before it, and where each begins (and the last ends)."""
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(field.lengths + _LENGTH_BYTES)])
    strung = np.zeros(int(offsets[-1]), dtype=np.uint8)
    for length in np.unique(field.lengths).tolist():
        chosen = np.flatnonzero(field.lengths == length)
        elements = np.empty(len(chosen), dtype=[("length", ">i4"), ("value", f"V{length}")])
        elements["length"] = length
        elements["value"] = field.taken(chosen, length)
        windows(strung, _LENGTH_BYTES + length)[offsets[chosen]] = elements.view(f"V{_LENGTH_BYTES + length}")
    return strung, offsets


def _one_array(pairs: int, elements: Bytes) -> bytes:
    if not pairs:
        return _EMPTY
    return struct.pack(">iiIiiii", 2, 0, _NUMERIC_OID, pairs, 1, 2, 1) + elements.tobytes()
