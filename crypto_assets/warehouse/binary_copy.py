"""PostgreSQL's binary COPY format, encoded with numpy: no loop over rows.

What belongs here: turning columns of a batch into the bytes of `COPY … FROM STDIN (FORMAT binary)`, and refusing values
that a column cannot hold. What does not: SQL (write.py). Source of the format: PostgreSQL's manual, "COPY", "Binary
Format"; of the values: the types' receive functions (big-endian; timestamps are microseconds since 2000-01-01 UTC).

A row of the format is a list of (length, bytes) pairs, so rows whose fields have equal lengths are one numpy structured
array. Rows are grouped by that pattern (which fields are NULL, how long each text is); their order is not kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, Double, Integer, SmallInteger, Text
from sqlalchemy.dialects.postgresql import REAL

from crypto_assets.errors import CryptoAssetsError

type Array = NDArray[np.generic]
type Values = Array | str | int | float | date | None
type Batch = Mapping[str, Values]
type Int64s = NDArray[np.int64]
type Bools = NDArray[np.bool_]
type Chosen = slice | Int64s

SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # no flags, no header extension
TRAILER = b"\xff\xff"
_PIECE_ROWS = 1024
_LONG_STRETCH = 256  # rows of one pattern that lie together, on average, from which moving none is faster than grouping
_EPOCH_US = 946_684_800_000_000  # 2000-01-01 in microseconds since 1970
_DAY_US = 86_400_000_000
_OLDEST_US = -210_866_803_200_000_000  # 4714-11-24 BC, PostgreSQL's first day, since 1970
_NEWEST_US = 9_223_371_331_200_000_000 - 1  # 294276-12-31, its last
_FINER_UNITS = frozenset({"ns", "ps", "fs", "as"})
_WIRE_TYPES: tuple[tuple[type, str], ...] = (
    # Subclasses before their parents: SQLAlchemy's SmallInteger and BigInteger are Integers.
    (SmallInteger, ">i2"),
    (BigInteger, ">i8"),
    (Integer, ">i4"),
    (REAL, ">f4"),
    (Double, ">f8"),
    (Boolean, "?"),
    (DateTime, ">i8"),
    (Date, ">i4"),
    (Text, "text"),
)


class ValueRefused(CryptoAssetsError):
    """A batch holds something that its column cannot."""


@dataclass(frozen=True)
class _Encoded:
    """One column, ready to be laid out.

    Args:
        wire: numpy type of a fixed-width field, or "text".
        values: One value a row, or one for all (shape ()); for text, indices into `texts`.
        nulls: Which rows are NULL; None where none is.
        texts: The distinct texts, encoded; empty for other types.
    """

    wire: str
    values: Array
    nulls: Bools | None = None
    texts: tuple[bytes, ...] = ()

    def pattern(self) -> Int64s | None:
        """A number a row: -1 for NULL, else the length of the text; None where all rows are alike."""
        nulls = self.nulls if self.nulls is not None and self.nulls.ndim else None
        if self.wire != "text" or not self.values.ndim:
            return None if nulls is None else -nulls.astype(np.int64)
        lengths = np.array([len(text) for text in self.texts] or [0], dtype=np.int64)[self.values.astype(np.int64)]
        return lengths if nulls is None else np.where(nulls, -1, lengths)


def batch_length(batch: Batch) -> int:
    """How many rows a batch has: the length of its arrays, 1 where it holds scalars only.

    Raises:
        ValueRefused: arrays of different lengths, or not one-dimensional.
    """
    shapes = {name: values.shape for name, values in batch.items() if isinstance(values, np.ndarray)}
    if len(set(shapes.values())) > 1 or any(len(shape) != 1 for shape in shapes.values()):
        told = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueRefused(f"Expected one-dimensional arrays of one length in a batch, and got {told}")
    return next(iter(shapes.values()))[0] if shapes else 1


class EncodedBatch:
    """A batch whose values are known to fit, ready to be sent.

    Args:
        columns: In the order in which they are sent.
        rows: How many rows.
    """

    def __init__(self, columns: Sequence[Column[object]], rows: int, fields: Sequence[_Encoded]) -> None:
        self.columns = tuple(columns)
        self.rows = rows
        self._fields = tuple(fields)

    def plus(self, column: Column[object], value: Values) -> EncodedBatch:
        """The same with one more column.

        Raises:
            ValueRefused: the column cannot hold the value.
        """
        return EncodedBatch((*self.columns, column), self.rows, (*self._fields, _encode(column, value, self.rows)))

    def pieces(self) -> Iterator[bytes | bytearray]:
        """The bytes of binary COPY, piece by piece; the rows come in any order."""
        yield SIGNATURE
        for chosen in _same_pattern(self._fields, self.rows):
            yield from _lay_out(self._fields, chosen)
        yield TRAILER


def encode_batch(columns: Sequence[Column[object]], batch: Batch) -> EncodedBatch:
    """Check and encode a batch's values.

    Args:
        columns: Which columns of the batch, with their types and whether they may be NULL.
        batch: Column name → values. A scalar stands for all rows. NaN, NaT and None are NULL.

    Raises:
        ValueRefused: naming the column and what it cannot hold.
    """
    rows = batch_length(batch)
    return EncodedBatch(columns, rows, [_encode(column, batch[column.name], rows) for column in columns])


def _same_pattern(encoded: Sequence[_Encoded], rows: int) -> Iterator[Chosen]:
    """Rows that share a pattern, group by group: stretches of them where they lie together, else their numbers."""
    if rows == 0:
        return
    patterns = [pattern for column in encoded if (pattern := column.pattern()) is not None]
    changes = np.zeros(rows - 1, dtype=bool)
    for pattern in patterns:
        changes |= pattern[1:] != pattern[:-1]
    borders = np.flatnonzero(changes) + 1
    if len(borders) * _LONG_STRETCH <= rows:
        yield from (slice(start, stop) for start, stop in pairwise([0, *borders.tolist(), rows]))
        return
    combined = np.zeros(rows, dtype=np.int64)
    for pattern in patterns:
        codes, _ = pd.factorize(pattern)
        joined = combined * (int(codes.max(initial=0)) + 1) + codes
        combined = pd.factorize(joined)[0].astype(np.int64)  # numbered anew, so that products stay small
    order = np.argsort(combined, kind="stable").astype(np.int64)
    yield from np.split(order, np.flatnonzero(np.diff(combined[order])) + 1)


def _lay_out(encoded: Sequence[_Encoded], chosen: Chosen) -> Iterator[bytearray]:
    """The rows chosen, `_PIECE_ROWS` at a time: so many fit a processor's cache, and each row is visited for each column."""
    count = chosen.stop - chosen.start if isinstance(chosen, slice) else len(chosen)
    first = chosen.start if isinstance(chosen, slice) else int(chosen[0])
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    contents: list[Array | None] = []
    for index, column in enumerate(encoded):
        wire, values = _field(column, chosen, first)
        fields.append((f"length_{index}", ">i4"))
        length = -1 if values is None else np.dtype(wire).itemsize
        if length > 0:
            fields.append((f"value_{index}", wire))
        contents.append(values if length > 0 else None)
    blank = np.zeros((), dtype=fields)
    blank["fields"] = len(encoded)
    for index in range(len(encoded)):
        blank[f"length_{index}"] = _length_of(encoded[index], first)
    for start in range(0, count, _PIECE_ROWS):
        piece = bytearray(blank.tobytes() * min(_PIECE_ROWS, count - start))
        block = np.frombuffer(piece, dtype=fields)
        for index, values in enumerate(contents):
            if values is not None:
                block[f"value_{index}"] = values if values.ndim == 0 else values[start : start + _PIECE_ROWS]
        yield piece


def _length_of(column: _Encoded, row: int) -> int:
    """Bytes of the column's field in a row; -1 for NULL."""
    nulls = column.nulls
    if nulls is not None and (nulls if nulls.ndim == 0 else nulls[row]):
        return -1
    if column.wire != "text":
        return np.dtype(column.wire).itemsize
    return len(column.texts[int(column.values if column.values.ndim == 0 else column.values[row])])


def _field(column: _Encoded, chosen: Chosen, first: int) -> tuple[str, Array | None]:
    """Type and values of one field for the chosen rows; None for NULL."""
    length = _length_of(column, first)
    if length < 0:
        return "S0", None
    values = column.values if column.values.ndim == 0 else column.values[chosen]
    if column.wire != "text":
        return column.wire, values
    texts = np.array(column.texts, dtype=f"S{max([1, *map(len, column.texts)])}")
    return f"S{length}", texts[values.astype(np.int64)].astype(f"S{length}" if length else "S1")


def _encode(column: Column[object], values: Values, rows: int) -> _Encoded:
    wire = next((wire for kind, wire in _WIRE_TYPES if isinstance(column.type, kind)), None)
    if wire is None or (isinstance(column.type, DateTime) and not column.type.timezone):
        raise ValueRefused(f"Column {column.name} has the type {column.type}, which batches do not carry")
    array = _as_array(column, values)
    if wire == "text":
        encoded = _encode_text(column, array)
    elif isinstance(column.type, DateTime | Date):
        encoded = _encode_time(column, array, wire)
    elif wire == "?":
        encoded = _encode_bool(column, array)
    elif wire.startswith(">f"):
        encoded = _encode_float(column, array, wire)
    else:
        encoded = _encode_int(column, array, wire)
    nulls = encoded.nulls
    if nulls is None or not nulls.any():
        return _Encoded(encoded.wire, encoded.values, None, encoded.texts)
    if not column.nullable:
        row = int(np.flatnonzero(np.atleast_1d(nulls))[0])
        raise ValueRefused(f"Column {column.name} may not be NULL, and row {row} of {rows} is")
    return encoded


def _as_array(column: Column[object], values: Values) -> Array:
    if isinstance(values, np.ndarray):
        return values
    if isinstance(values, datetime):
        if values.tzinfo is None:
            raise ValueRefused(f"Column {column.name}: expected a time with its zone, and got {values.isoformat()}")
        return np.array(values.astimezone(UTC).replace(tzinfo=None), dtype="datetime64[us]")
    if isinstance(values, date):
        return np.array(values, dtype="datetime64[D]")
    if values is None or isinstance(values, str):
        return np.array(values, dtype=object)
    return np.array(values)


def _encode_text(column: Column[object], array: Array) -> _Encoded:
    if array.dtype.kind not in "OU":
        raise _wrong_type(column, array, "text")
    found, distinct = pd.factorize(np.atleast_1d(array).astype(object))
    texts = []
    for value in distinct:
        if not isinstance(value, str):
            raise ValueRefused(f"Column {column.name}: expected text, and got {type(value).__name__} {value!r:.80}")
        if "\0" in value:
            raise ValueRefused(f"Column {column.name}: PostgreSQL's text holds no NUL byte, and got {value!r:.80}")
        texts.append(_utf8(column, value))
    nulls = np.asarray(found < 0)
    codes: Array = np.where(nulls, 0, found).astype(np.int64)
    if array.ndim == 0:
        return _Encoded("text", codes.reshape(()), nulls.reshape(()), tuple(texts))
    return _Encoded("text", codes, nulls, tuple(texts))


def _utf8(column: Column[object], value: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise ValueRefused(f"Column {column.name}: expected text of valid characters, and got {value!r:.80}") from None


def _encode_float(column: Column[object], array: Array, wire: str) -> _Encoded:
    if array.dtype == object and array.ndim == 0 and array.item() is None:
        return _null(wire)
    if array.dtype.kind not in "fiu":
        raise _wrong_type(column, array, "numbers")
    values = array.astype(np.float64)
    if wire == ">f4" and (np.isfinite(values) & (np.abs(values) > np.finfo(np.float32).max)).any():
        raise ValueRefused(f"Column {column.name}: expected numbers of single precision, and got one too large")
    return _Encoded(wire, values, np.asarray(np.isnan(values)))


def _encode_bool(column: Column[object], array: Array) -> _Encoded:
    if array.dtype == object:
        return _encode_objects(column, array, (bool, np.bool_), "?")
    if array.dtype.kind != "b":
        raise _wrong_type(column, array, "booleans")
    return _Encoded("?", array)


def _encode_int(column: Column[object], array: Array, wire: str) -> _Encoded:
    if array.dtype == object:
        return _encode_objects(column, array, (int, np.integer), wire)
    if array.dtype.kind not in "iuf":
        raise _wrong_type(column, array, "whole numbers")
    nulls = np.asarray(np.isnan(array.astype(np.float64)) if array.dtype.kind == "f" else np.zeros(array.shape, bool))
    known = np.where(nulls, 0, array)
    bits = np.dtype(wire).itemsize * 8
    whole = _is_whole(known, bits)
    if not whole.all():
        row = int(np.flatnonzero(~np.atleast_1d(whole))[0])
        wrong = np.atleast_1d(known)[row]
        raise ValueRefused(f"Column {column.name}: expected whole numbers of {bits} bits, and row {row} is {wrong}")
    return _Encoded(wire, np.asarray(known).astype(np.int64), nulls)


def _is_whole(known: Array, bits: int) -> Bools:
    """Which values are whole and fit. Each kind of number is compared in its own, lest int64 is rounded to a float."""
    limit = 2.0 ** (bits - 1)
    if known.dtype.kind == "f":
        numbers = known.astype(np.float64)
        # 2.0**63 is a float that no int64 reaches, so "less than" is exact.
        return np.asarray((numbers == np.floor(numbers)) & (numbers >= -limit) & (numbers < limit))
    if known.dtype.kind == "u":
        return np.asarray(known.astype(np.uint64) <= np.uint64(2 ** (bits - 1) - 1))
    whole = known.astype(np.int64)
    return np.asarray((whole >= -(2 ** (bits - 1))) & (whole <= 2 ** (bits - 1) - 1))


def _encode_objects(column: Column[object], array: Array, kinds: tuple[type, ...], wire: str) -> _Encoded:
    """Arrays of Python objects with None for NULL, for types whose numpy arrays have no NULL."""
    items = np.atleast_1d(array).tolist()
    wrong = next((item for item in items if item is not None and not isinstance(item, kinds)), None)
    if wrong is not None:
        raise ValueRefused(f"Column {column.name}: expected {kinds[0].__name__} or None, and got {wrong!r:.80}")
    nulls = np.array([item is None for item in items])
    try:
        values = np.array([0 if item is None else item for item in items], dtype=np.int64)
    except OverflowError:
        raise ValueRefused(f"Column {column.name}: a whole number does not fit into 64 bits") from None
    shape = array.shape
    kept = (
        _encode_int(column, values.reshape(shape), wire).values if wire != "?" else values.reshape(shape).astype(bool)
    )
    return _Encoded(wire, np.asarray(kept), nulls.reshape(shape))


def _encode_time(column: Column[object], array: Array, wire: str) -> _Encoded:
    if array.dtype == object and array.ndim == 0 and array.item() is None:
        return _null(wire)
    if array.dtype.kind != "M":
        raise _wrong_type(column, array, "times (datetime64, UTC)")
    nulls = np.asarray(np.isnat(array))
    micro = array.astype("datetime64[us]")
    # A unit coarser than a microsecond can hold times that do not fit, and numpy wraps around silently.
    is_kept = (
        any(f"[{unit}]" in array.dtype.str for unit in _FINER_UNITS)
        or np.asarray(micro.astype(array.dtype) == array) | nulls
    )
    number = np.where(nulls, 0, micro.astype(np.int64))
    if not (is_kept & (number >= _OLDEST_US) & (number <= _NEWEST_US)).all():
        raise ValueRefused(f"Column {column.name}: expected times between 4713 BC and 294276, and got one outside")
    if isinstance(column.type, Date):
        return _Encoded(wire, np.asarray(number // _DAY_US - _EPOCH_US // _DAY_US), nulls)
    return _Encoded(wire, np.asarray(number - _EPOCH_US), nulls)


def _null(wire: str) -> _Encoded:
    return _Encoded(wire, np.zeros((), dtype=np.int64), np.ones((), dtype=bool))


def _wrong_type(column: Column[object], array: Array, expected: str) -> ValueRefused:
    return ValueRefused(f"Column {column.name}: expected {expected}, and got an array of {array.dtype}")
