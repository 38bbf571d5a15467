"""Text and JSON as binary COPY sends them.

What belongs here: columns of the types text and jsonb. What does not: numbers that come as text (binary_numeric.py).

The texts of a column are joined and encoded in one go, and found again by the NUL bytes between them, which no text of
PostgreSQL's holds. So a million trade ids, all different, cost no more than a million times the same symbol.
"""

from __future__ import annotations

import numpy as np

from crypto_assets.warehouse.binary_fields import (
    Array,
    Bools,
    Bytes,
    RaggedField,
    ValueRefused,
    is_missing,
    wrong_type,
)

_JSONB_VERSION = b"\x01"
_SHORTEST_STEP = 16  # bytes


def encode_text(name: str, array: Array) -> RaggedField:
    """A column of text.

    Args:
        name: The column's, for errors.
        array: Texts, None for NULL: an array of objects or of numpy's text; shape (rows,) or ().

    Raises:
        ValueRefused: something that is not text, or holds a NUL byte or half a character.
    """
    items, nulls = _texts(name, array)
    joined = _encoded(name, items)
    ends = np.flatnonzero(joined == 0).astype(np.int64)
    if len(ends) != len(items):
        wrong = next(item for item in items if "\0" in item)
        raise ValueRefused(f"Column {name}: PostgreSQL's text holds no NUL byte, and got {wrong!r:.80}")
    starts = np.concatenate([np.zeros(1, dtype=np.int64), ends + 1])[:-1]
    lengths = np.where(nulls, -1, ends - starts)
    return RaggedField(joined, starts.reshape(array.shape), lengths.reshape(array.shape))


def encode_json(name: str, array: Array) -> RaggedField:
    """A column of jsonb; whether a text is JSON is for the server to say.

    Args:
        name: The column's, for errors.
        array: JSON texts, None for NULL; shape (rows,) or ().

    Raises:
        ValueRefused: as for text.
    """
    text = encode_text(name, array)
    values = [
        None if length < 0 else _padded(text.buffer[start : start + length].tobytes())
        for start, length in zip(np.atleast_1d(text.starts), np.atleast_1d(text.lengths), strict=True)
    ]
    return RaggedField.of(values, array.shape)


def _padded(json: bytes) -> bytes:
    """With blanks behind, which JSON ignores: of few lengths, so that many rows are laid out alike."""
    step = max(_SHORTEST_STEP, 1 << max(0, len(json).bit_length() - 3))
    return _JSONB_VERSION + json.ljust(-(-len(json) // step) * step)


def _texts(name: str, array: Array) -> tuple[list[str], Bools]:
    """The texts, empty for NULL, and which are NULL."""
    if array.dtype.kind not in "OU":
        raise wrong_type(name, array, "text")
    items = np.atleast_1d(array).tolist()
    if set(map(type, items)) <= {str}:
        return items, np.zeros(len(items), dtype=bool)
    missing = [is_missing(item) for item in items]
    wrong = next((item for item, is_null in zip(items, missing, strict=True) if not (is_null or _is_text(item))), None)
    if wrong is not None:
        raise ValueRefused(f"Column {name}: expected text, and got {type(wrong).__name__} {wrong!r:.80}")
    return ["" if is_null else item for item, is_null in zip(items, missing, strict=True)], np.array(missing)


def _is_text(item: object) -> bool:
    return isinstance(item, str)


def _encoded(name: str, items: list[str]) -> Bytes:
    """All texts in UTF-8, a NUL byte behind each."""
    try:
        return np.frombuffer("\0".join([*items, ""]).encode(), dtype=np.uint8)
    except UnicodeEncodeError:
        wrong = next(item for item in items if not _is_sound(item))
        raise ValueRefused(f"Column {name}: expected text of valid characters, and got {wrong!r:.80}") from None


def _is_sound(item: str) -> bool:
    try:
        item.encode()
    except UnicodeEncodeError:
        return False
    return True
