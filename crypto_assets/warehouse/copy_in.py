"""Sending a batch to the server: COPY from encoded bytes, piece by piece.

What belongs here: the COPY statement and the file that the driver reads. What does not: the encoding (binary_copy.py).
"""

from __future__ import annotations

import io
from collections.abc import Iterator

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class under a function's name
from sqlalchemy import Table

from crypto_assets.warehouse.binary_copy import EncodedBatch

_READ_BYTES = 1 << 20  # psycopg2 asks for 8 kB at a time unless told


def copy_rows(cursor: Cursor, target: sql.Composable, batch: EncodedBatch) -> None:
    """Copy the batch's rows into a table.

    Args:
        cursor: In a transaction.
        target: The table's name, composed.
        batch: The rows; its columns are the table's.
    """
    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in batch.columns)
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(target, names)
    cursor.copy_expert(statement, io.BufferedReader(_Pieces(batch.pieces()), _READ_BYTES), _READ_BYTES)


def table_name(table: Table) -> sql.Identifier:
    """Schema and name, to be composed into statements."""
    return sql.Identifier(*([table.schema] if table.schema else []), table.name)


class _Pieces(io.RawIOBase):
    """A file to read from, made of pieces that come one by one, so that a batch is never in memory twice."""

    def __init__(self, pieces: Iterator[bytes | bytearray]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """True: it is for reading."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the base says a wider Buffer
        """Fill the buffer as far as the current piece goes; 0 at the end."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
