"""Files of rows: Parquet, CSV and Arrow's own format, written piece by piece.

What belongs here: the settings of each format. What does not: where files go (place.py) and which rows they hold (export.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Column

from crypto_assets.exports import csv_cells
from crypto_assets.exports.arrow_columns import arrow_schema, described, typed
from crypto_assets.exports.catalog import Exported

# A reader that needs one column of one market decodes no more than this; statistics of smaller groups cost more than they save.
ROW_GROUP = 262_144
# Feature columns shrink by a few percent more with level 9, in five times the time.
ZSTD_LEVEL = 3
_CSV_ROWS = 50_000  # turned into text at once


class FileFormat(StrEnum):
    """How rows are written."""

    PARQUET = "parquet"
    CSV = "csv"
    ARROW = "arrow"
    QLIB = "qlib"  # no rows: qlib_export.py


class RowWriter(Protocol):
    """A file that rows are added to."""

    def write(self, rows: pa.Table) -> None:
        """Add rows, as they were read from the database.

        Raises:
            ValueDoesNotFit: an exact number has too many digits for the file's column.
        """


@contextmanager
def writing(
    kind: FileFormat, path: Path, one: Exported, columns: Sequence[Column[object]], partition: str = ""
) -> Iterator[RowWriter]:
    """A new file of a dataset, whole once the block has ended.

    Args:
        path: Where it is made.
        columns: Those that are read, in the order of the file.
        partition: The value of the dataset's domain; folders tell it, so Parquet and Arrow have it in their metadata alone.
    """
    if kind is FileFormat.CSV:
        with path.open("xb") as file:
            file.write(csv_cells.header([column.name for column in columns]))
            yield _Csv(file.write, csv_schema(one, columns))
        return
    schema = arrow_schema(one, [column for column in columns if column.name != one.domain])
    if one.domain:
        schema = schema.with_metadata({**schema.metadata, one.domain: partition})
    if kind is FileFormat.PARQUET:
        texts = [field.name for field in schema if pa.types.is_string(field.type)]
        with pq.ParquetWriter(
            path, schema, compression="zstd", compression_level=ZSTD_LEVEL, use_dictionary=texts, write_statistics=True
        ) as parquet:
            yield _Parquet(parquet, schema, one)
        return
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema, options=options) as arrow:
        yield _Arrow(arrow, schema, one)


class _Parquet:
    def __init__(self, writer: pq.ParquetWriter, schema: pa.Schema, one: Exported) -> None:
        self._writer, self._schema, self._one = writer, schema, one

    def write(self, rows: pa.Table) -> None:
        self._writer.write_table(typed(rows, self._schema, self._one), row_group_size=ROW_GROUP)


class _Arrow:
    def __init__(self, writer: pa.ipc.RecordBatchFileWriter, schema: pa.Schema, one: Exported) -> None:
        self._writer, self._schema, self._one = writer, schema, one

    def write(self, rows: pa.Table) -> None:
        self._writer.write_table(typed(rows, self._schema, self._one), max_chunksize=ROW_GROUP)


class _Csv:
    def __init__(self, write: Callable[[bytes], int], schema: pa.Schema) -> None:
        self._write, self._schema = write, schema

    def write(self, rows: pa.Table) -> None:
        for start in range(0, rows.num_rows, _CSV_ROWS):
            part = rows.slice(start, _CSV_ROWS)
            columns = [part.column(field.name).cast(field.type) for field in self._schema]
            self._write(csv_cells.lines(pa.Table.from_arrays(columns, schema=self._schema)))


def csv_schema(one: Exported, columns: Sequence[Column[object]]) -> pa.Schema:
    """As `arrow_schema`, but exact numbers stay the text that the database gave, every digit kept."""
    schema = arrow_schema(one, columns)
    for position, column in enumerate(columns):
        if one.digits_of(column) is not None:
            told = {**described(column), "exact": "yes"}
            schema = schema.set(position, pa.field(column.name, pa.string(), metadata=told))
    return schema


__all__ = ["FileFormat", "RowWriter", "csv_schema", "writing"]
