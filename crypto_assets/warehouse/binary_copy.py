"""PostgreSQL's binary COPY format, encoded with numpy: no loop over rows.

What belongs here: turning columns of a batch into the bytes of `COPY … FROM STDIN (FORMAT binary)`, values of fixed width
among them, and refusing values that a column cannot hold. What does not: values of any width (binary_text.py,
binary_numeric.py, binary_arrays.py) and SQL (write.py). Source of the format: PostgreSQL's manual, "COPY", "Binary
Format"; of the values: the types' receive functions (big-endian; timestamps are microseconds since 2000-01-01 UTC).

A row of the format is a list of (length, bytes) pairs, so rows whose fields have equal lengths are one numpy structured
array. Rows are grouped by that pattern (which fields are NULL, how long each text is); their order is not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, Double, Integer, Numeric, SmallInteger, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, REAL

from crypto_assets.warehouse.binary_arrays import encode_number_pairs
from crypto_assets.warehouse.binary_fields import (
    Array,
    Bools,
    Chosen,
    Field,
    FixedField,
    ValueRefused,
    wrong_type,
)
from crypto_assets.warehouse.binary_numeric import encode_numeric
from crypto_assets.warehouse.binary_text import encode_json, encode_text

type Values = Array | str | int | float | Decimal | date | None
type Batch = Mapping[str, Values]

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
)


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

    def __init__(
        self,
        columns: Sequence[Column[object]],
        rows: int,
        fields: Sequence[Field],
        chosen: NDArray[np.bool_] | None = None,
    ) -> None:
        self.columns = tuple(columns)
        self.rows = rows if chosen is None else int(np.count_nonzero(chosen))
        self._all_rows = rows
        self._fields = tuple(fields)
        self._chosen = chosen

    def only(self, chosen: NDArray[np.bool_]) -> EncodedBatch:
        """Some of its rows, without encoding them again."""
        return EncodedBatch(self.columns, self._all_rows, self._fields, chosen)

    def plus(self, column: Column[object], value: Values) -> EncodedBatch:
        """The same with one more column.

        Raises:
            ValueRefused: the column cannot hold the value.
        """
        return EncodedBatch((*self.columns, column), self.rows, (*self._fields, _encode(column, value, self.rows)))

    def pieces(self) -> Iterator[bytes | bytearray]:
        """The bytes of binary COPY, piece by piece; the rows come in any order."""
        yield SIGNATURE
        for alike in _same_pattern(self._fields, self._all_rows):
            chosen = alike if self._chosen is None else _those(self._chosen, alike)
            if isinstance(chosen, slice) or len(chosen):
                yield from _lay_out(self._fields, chosen)
        yield TRAILER


def encode_batch(columns: Sequence[Column[object]], batch: Batch) -> EncodedBatch:
    """Check and encode a batch's values.

    Args:
        columns: Which columns of the batch, with their types and whether they may be NULL.
        batch: Column name → values. A scalar stands for all rows. NaN, NaT and None are NULL. For numeric, numeric[][]
            and jsonb, which hold no NaN: binary_numeric.py, binary_arrays.py and binary_text.py.

    Raises:
        ValueRefused: naming the column and what it cannot hold.
    """
    rows = batch_length(batch)
    return EncodedBatch(columns, rows, [_encode(column, batch[column.name], rows) for column in columns])


def _same_pattern(encoded: Sequence[Field], rows: int) -> Iterator[Chosen]:
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


def _those(chosen: NDArray[np.bool_], alike: Chosen) -> NDArray[np.int64]:
    """The numbers of those rows that are chosen."""
    numbers = np.arange(alike.start, alike.stop, dtype=np.int64) if isinstance(alike, slice) else alike
    return numbers[chosen[numbers]]


def _lay_out(fields: Sequence[Field], chosen: Chosen) -> Iterator[bytearray]:
    """The rows chosen, `_PIECE_ROWS` at a time: so many fit a processor's cache, and each row is visited for each column."""
    count = chosen.stop - chosen.start if isinstance(chosen, slice) else len(chosen)
    first = chosen.start if isinstance(chosen, slice) else int(chosen[0])
    lengths = [field.length_of(first) for field in fields]
    wire: list[tuple[str, str]] = [("fields", ">i2")]
    for index, (field, length) in enumerate(zip(fields, lengths, strict=True)):
        wire.append((f"length_{index}", ">i4"))
        if length > 0:
            wire.append((f"value_{index}", field.wire_of(first)))
    blank = np.zeros((), dtype=wire)
    blank["fields"] = len(fields)
    for index, length in enumerate(lengths):
        blank[f"length_{index}"] = length
    for start in range(0, count, _PIECE_ROWS):
        rows = _part(chosen, start, min(count, start + _PIECE_ROWS))
        piece = bytearray(blank.tobytes() * min(_PIECE_ROWS, count - start))
        block = np.frombuffer(piece, dtype=wire)
        for index, (field, length) in enumerate(zip(fields, lengths, strict=True)):
            if length > 0:
                block[f"value_{index}"] = field.taken(rows, length)
        yield piece


def _part(chosen: Chosen, start: int, stop: int) -> Chosen:
    """The rows chosen, from one to another."""
    if isinstance(chosen, slice):
        return slice(chosen.start + start, chosen.start + stop)
    return chosen[start:stop]


def _encode(column: Column[object], values: Values, rows: int) -> Field:
    field = _encode_array(column, _as_array(column, values))
    nulls = field.null_rows()
    if nulls is not None and not column.nullable and nulls.any():
        row = int(np.flatnonzero(np.atleast_1d(nulls))[0])
        raise ValueRefused(f"Column {column.name} may not be NULL, and row {row} of {rows} is")
    return field


def _encode_array(column: Column[object], array: Array) -> Field:
    for kind, encode in _RAGGED_TYPES:
        if isinstance(column.type, kind):
            return encode(column, array)
    wire = next((wire for kind, wire in _WIRE_TYPES if isinstance(column.type, kind)), None)
    if wire is None or (isinstance(column.type, DateTime) and not column.type.timezone):
        raise _not_carried(column)
    if isinstance(column.type, DateTime | Date):
        return _encode_time(column, array, wire)
    if wire == "?":
        return _encode_bool(column, array)
    if wire.startswith(">f"):
        return _encode_float(column, array, wire)
    return _encode_int(column, array, wire)


def _encode_text(column: Column[object], array: Array) -> Field:
    return encode_text(column.name, array)


def _encode_json(column: Column[object], array: Array) -> Field:
    return encode_json(column.name, array)


def _encode_numeric(column: Column[object], array: Array) -> Field:
    if not _is_plain_numeric(column.type):
        raise _not_carried(column)
    return encode_numeric(column.name, array)


def _encode_pairs(column: Column[object], array: Array) -> Field:
    kind = column.type
    if not isinstance(kind, ARRAY) or kind.dimensions != 2 or not _is_plain_numeric(kind.item_type):
        raise _not_carried(column)
    return encode_number_pairs(column.name, array)


def _is_plain_numeric(kind: object) -> bool:
    """Whether it keeps every digit: with a precision the server would round, and say nothing."""
    return isinstance(kind, Numeric) and kind.precision is None and kind.scale is None


def _not_carried(column: Column[object]) -> ValueRefused:
    return ValueRefused(f"Column {column.name} has the type {column.type}, which batches do not carry")


_RAGGED_TYPES: tuple[tuple[type, Callable[[Column[object], Array], Field]], ...] = (
    (Text, _encode_text),
    (Numeric, _encode_numeric),
    (JSONB, _encode_json),
    (ARRAY, _encode_pairs),
)


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


def _encode_float(column: Column[object], array: Array, wire: str) -> FixedField:
    if array.dtype == object and array.ndim == 0 and array.item() is None:
        return _null(wire)
    if array.dtype.kind not in "fiu":
        raise wrong_type(column.name, array, "numbers")
    # Singles stay singles: to widen a hundred columns of them costs more than to send them.
    values = array if array.dtype == np.float32 else array.astype(np.float64)
    if wire == ">f4" and values.dtype != np.float32 and _is_beyond_single(values):
        raise ValueRefused(f"Column {column.name}: expected numbers of single precision, and got one too large")
    return FixedField(wire, values, np.asarray(np.isnan(values)))


def _is_beyond_single(values: Array) -> bool:
    return bool((np.isfinite(values) & (np.abs(values) > np.finfo(np.float32).max)).any())


def _encode_bool(column: Column[object], array: Array) -> FixedField:
    if array.dtype == object:
        return _encode_objects(column, array, (bool, np.bool_), "?")
    if array.dtype.kind != "b":
        raise wrong_type(column.name, array, "booleans")
    return FixedField("?", array)


def _encode_int(column: Column[object], array: Array, wire: str) -> FixedField:
    if array.dtype == object:
        return _encode_objects(column, array, (int, np.integer), wire)
    if array.dtype.kind not in "iuf":
        raise wrong_type(column.name, array, "whole numbers")
    nulls = np.asarray(np.isnan(array.astype(np.float64)) if array.dtype.kind == "f" else np.zeros(array.shape, bool))
    known = np.where(nulls, 0, array)
    bits = np.dtype(wire).itemsize * 8
    whole = _is_whole(known, bits)
    if not whole.all():
        row = int(np.flatnonzero(~np.atleast_1d(whole))[0])
        wrong = np.atleast_1d(known)[row]
        raise ValueRefused(f"Column {column.name}: expected whole numbers of {bits} bits, and row {row} is {wrong}")
    return FixedField(wire, np.asarray(known).astype(np.int64), nulls)


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


def _encode_objects(column: Column[object], array: Array, kinds: tuple[type, ...], wire: str) -> FixedField:
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
    return FixedField(wire, np.asarray(kept), nulls.reshape(shape))


def _encode_time(column: Column[object], array: Array, wire: str) -> FixedField:
    if array.dtype == object and array.ndim == 0 and array.item() is None:
        return _null(wire)
    if array.dtype.kind != "M":
        raise wrong_type(column.name, array, "times (datetime64, UTC)")
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
        return FixedField(wire, np.asarray(number // _DAY_US - _EPOCH_US // _DAY_US), nulls)
    return FixedField(wire, np.asarray(number - _EPOCH_US), nulls)


def _null(wire: str) -> FixedField:
    return FixedField(wire, np.zeros((), dtype=np.int64), np.ones((), dtype=bool))


__all__ = [
    "Array",
    "Batch",
    "EncodedBatch",
    "ValueRefused",
    "Values",
    "batch_length",
    "encode_batch",
]
