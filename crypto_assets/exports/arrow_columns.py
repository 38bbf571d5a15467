"""The columns of a file: their types, units and meanings, from the table they come from.

What belongs here: the way from a SQLAlchemy Table to an Arrow schema, and rows as they were read into that schema. What
does not: reading, and the formats of files.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, Double, Integer, SmallInteger, Text
from sqlalchemy.dialects.postgresql import JSONB, REAL

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.exports.catalog import Exported

_TYPES: tuple[tuple[type, pa.DataType], ...] = (
    # Subclasses before their parents: SQLAlchemy's SmallInteger and BigInteger are Integers.
    (SmallInteger, pa.int16()),
    (BigInteger, pa.int64()),
    (Integer, pa.int32()),
    (REAL, pa.float32()),
    (Double, pa.float64()),
    (Boolean, pa.bool_()),
    (DateTime, pa.timestamp("us", "UTC")),
    (Date, pa.date32()),
    (Text, pa.string()),
    (JSONB, pa.string()),
)
_DIGITS_OF_128_BITS = 38


class ValueDoesNotFit(CryptoAssetsError):
    """A stored number has more digits than the file's column; nothing of it was rounded, and no file written."""


def arrow_schema(one: Exported, columns: Sequence[Column[object]]) -> pa.Schema:
    """Types, with unit and meaning of each column in its metadata, and the dataset's name, key and meaning in the schema's."""
    said = {
        "dataset": one.name,
        "table": one.table.fullname,
        "key": ", ".join(column.name for column in one.table.primary_key.columns),
        "meaning": one.table.comment or "",
    }
    fields = [
        pa.field(column.name, _type(one, column), nullable=bool(column.nullable), metadata=described(column))
        for column in columns
    ]
    return pa.schema(fields, metadata=said)


def described(column: Column[object]) -> dict[str, str]:
    """Unit and meaning of a column."""
    unit = str(column.info.get("unit", ""))
    return {"unit": unit, "meaning": (column.comment or "").removesuffix(f" [{unit}]")}


def typed(rows: pa.Table, schema: pa.Schema, one: Exported) -> pa.Table:
    """Rows as they were read in the schema's types; columns that the schema lacks are left out.

    Raises:
        ValueDoesNotFit: an exact number has too many digits, or is none.
    """
    return pa.Table.from_arrays([_cast(rows.column(field.name), field, one) for field in schema], schema=schema)


def _cast(column: pa.ChunkedArray, field: pa.Field, one: Exported) -> pa.ChunkedArray:
    if column.type == field.type:
        return column
    try:
        return column.cast(field.type)
    except pa.ArrowInvalid as error:
        raise ValueDoesNotFit(
            f"A value of {one.table.fullname}.{field.name} does not fit {field.type}: {' '.join(str(error).split())[:120]}",
            way_out="Export it as CSV, which keeps every digit as it is stored.",
        ) from error


def _type(one: Exported, column: Column[object]) -> pa.DataType:
    digits = one.digits_of(column)
    if digits is not None:
        return pa.decimal128(*digits) if digits[0] <= _DIGITS_OF_128_BITS else pa.decimal256(*digits)
    for kind, arrow in _TYPES:
        if isinstance(column.type, kind) and not (kind is Double and isinstance(column.type, REAL)):
            return arrow
    raise TypeError(f"{one.table.fullname}.{column.name} has the type {column.type!r}, which no file has yet")


__all__ = ["ValueDoesNotFit", "arrow_schema", "described", "typed"]
