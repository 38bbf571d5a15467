"""One column's values as binary COPY sends them, ready to be laid out beside others.

What belongs here: the two shapes that a column can have (values of one width, values of any width), what is common to
all encoders, and the error they raise. What does not: making bytes of values (binary_copy.py, binary_text.py,
binary_numeric.py, binary_arrays.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crypto_assets.errors import CryptoAssetsError

type Array = NDArray[np.generic]
type Int64s = NDArray[np.int64]
type Bools = NDArray[np.bool_]
type Bytes = NDArray[np.uint8]
type Chosen = slice | Int64s


class ValueRefused(CryptoAssetsError):
    """A batch holds something that its column cannot."""


class Field(Protocol):
    """One column of a batch. Values and lengths have shape (rows,), or () where one stands for all rows."""

    def null_rows(self) -> Bools | None:
        """Which rows are NULL; None where none can be."""

    def pattern(self) -> Int64s | Bools | None:
        """A value a row, the same for fields of one length; None where all are alike."""

    def length_of(self, row: int) -> int:
        """Bytes of the field in a row; -1 for NULL."""

    def wire_of(self, row: int) -> str:
        """The numpy type of the field in a row that is not NULL."""

    def taken(self, chosen: Chosen, length: int) -> Array:
        """The values of rows whose fields all have this length, in bytes."""


@dataclass(frozen=True)
class FixedField:
    """Values of one width.

    Args:
        wire: numpy type of the field.
        values: One value a row, or one for all.
        nulls: Which rows are NULL, or whether all are; None where none is.
    """

    wire: str
    values: Array
    nulls: Bools | None = None

    def null_rows(self) -> Bools | None:
        """Which rows are NULL; None where none is."""
        return self.nulls

    def pattern(self) -> Bools | None:
        """Which rows are NULL; None where no row or every row is."""
        if self.nulls is None or not self.nulls.ndim or not self.nulls.any():
            return None
        return self.nulls

    def length_of(self, row: int) -> int:
        """Bytes of the field in a row; -1 for NULL."""
        if self.nulls is not None and (self.nulls if self.nulls.ndim == 0 else self.nulls[row]):
            return -1
        return np.dtype(self.wire).itemsize

    def wire_of(self, row: int) -> str:  # noqa: ARG002 - one type for all rows
        """The numpy type of every field that is not NULL."""
        return self.wire

    def taken(self, chosen: Chosen, length: int) -> Array:  # noqa: ARG002 - as above
        """The values of the rows chosen."""
        return self.values if self.values.ndim == 0 else self.values[chosen]


@dataclass(frozen=True)
class RaggedField:
    """Values of any width, each somewhere in one buffer.

    Args:
        buffer: Bytes, in which values may share their place.
        starts: Where each row's value begins.
        lengths: How many bytes it has; -1 for NULL.
    """

    buffer: Bytes
    starts: Int64s
    lengths: Int64s

    @classmethod
    def of(cls, values: Sequence[bytes | None], shape: tuple[int, ...]) -> RaggedField:
        """A field of the values, None for NULL, `shape` being (rows,) or ()."""
        buffer = np.frombuffer(b"".join(value or b"" for value in values), dtype=np.uint8)
        lengths = np.array([-1 if value is None else len(value) for value in values], dtype=np.int64)
        ends = np.cumsum(np.maximum(lengths, 0))
        return cls(buffer, (ends - np.maximum(lengths, 0)).reshape(shape), lengths.reshape(shape))

    def null_rows(self) -> Bools | None:
        """Which rows are NULL."""
        return np.asarray(self.lengths < 0)

    def pattern(self) -> Int64s | None:
        """The length of each row's value, -1 for NULL; None where one value stands for all."""
        return self.lengths if self.lengths.ndim else None

    def length_of(self, row: int) -> int:
        """Bytes of the field in a row; -1 for NULL."""
        return int(self.lengths if self.lengths.ndim == 0 else self.lengths[row])

    def wire_of(self, row: int) -> str:
        """Bytes of the row's length."""
        return f"V{self.length_of(row)}"

    def taken(self, chosen: Chosen, length: int) -> Array:
        """The values of the rows chosen, all of this length, as numpy's void."""
        return windows(self.buffer, length)[self.starts[chosen] if self.starts.ndim else np.atleast_1d(self.starts)]


def windows(buffer: Bytes, width: int) -> Array:
    """The buffer as overlapping items of `width` bytes, item i beginning at byte i: picking them copies whole values."""
    return np.ndarray((len(buffer) - width + 1,), dtype=f"V{width}", buffer=buffer.data, strides=(1,))


def is_missing(item: object) -> bool:
    """Whether an item of an object array is NULL: None, NaN, NaT or pandas' NA; a Decimal's NaN is not."""
    if item is None or isinstance(item, str):
        return item is None
    if isinstance(item, float | np.floating):
        return bool(item != item)  # noqa: PLR0124 - only NaN differs from itself
    return item is pd.NA or item is pd.NaT


def wrong_type(name: str, array: Array, expected: str) -> ValueRefused:
    """The error for an array of a type that the column does not take."""
    return ValueRefused(f"Column {name}: expected {expected}, and got an array of {array.dtype}")
