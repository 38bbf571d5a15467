"""The files of archived partitions: where they lie, writing them whole or not at all, reading and checking them.

What belongs here: names, Parquet, hashes of files. What does not: rows in PostgreSQL (detach_rows.py) and the book of what is
archived (detached.py).

A file lies below the archive's place in a folder of the profile and one of the table, and its name ends with the beginning of
its rows' hash: market.trades/trades_2024-0123456789ab.parquet. It is Parquet with zstd; each field's metadata says the
column's type in PostgreSQL and its meaning, and the file's own say which table and span it is. In a folder a file is written
under another name, synced and moved; an object store shows an object when it is whole.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.warehouse.detach_rows import StoredColumn

_NAME = re.compile(r"[a-z_]{1,40}\.[a-z0-9_]{1,63}/[a-z0-9_]{1,63}-[0-9a-f]{12}\.parquet", re.ASCII)
_PIECE_BYTES = 1 << 20
_TYPE, _MEANING = b"postgresql_type", b"meaning"


class ArchiveUnavailable(CryptoAssetsError):
    """The archive's place cannot be read or written."""


class FileDamaged(CryptoAssetsError):
    """An archive's file is missing, or holds other bytes than were written."""


@dataclass(frozen=True)
class FileMark:
    """What a file must be.

    Args:
        name: Below the archive's folder of the profile.
        bytes: Its size.
        sha256: 64 hexadecimal digits.
    """

    name: str
    bytes: int
    sha256: str


class Archive:
    """The place of archived partitions. Making one opens nothing.

    Args:
        place: A folder, or an address that fsspec knows; credentials are best left to fsspec's own configuration.
        profile: Whose files: no profile sees another's.
    """

    def __init__(self, place: str, profile: str) -> None:
        self._place = place
        self._profile = profile

    def __str__(self) -> str:
        if "://" not in self._place:
            return self._place
        scheme, rest = self._place.split("://", 1)
        return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"

    def write(
        self, name: str, columns: Sequence[StoredColumn], batches: Iterable[pa.RecordBatch], about: Mapping[str, str]
    ) -> FileMark:
        """Write a file whole, or not at all; one of that name is replaced. One writer a table at a time.

        Args:
            name: As `file_name` makes it.
            columns: Of the batches.
            batches: Rows; each becomes a piece that can be read by itself.
            about: Kept in the file's metadata.

        Raises:
            ArchiveUnavailable: it cannot be written.
        """
        with self._at(name, "written") as (system, path):
            schema = _schema(columns, about)
            folder, _, last = path.rpartition("/")
            system.makedirs(folder, exist_ok=True)
            for left in system.glob(f"{folder}/.{last}.*.part"):  # by a writer that was killed
                system.rm_file(left)
            part = f"{folder}/.{last}.{uuid4().hex}.part"
            try:
                _write_parquet(system, part, schema, batches)
                mark = FileMark(name, *_bytes_and_hash(system, part))
                _move(system, part, path)
            finally:
                if system.exists(part):
                    system.rm_file(part)
        return mark

    def check(self, mark: FileMark) -> None:
        """See that a file is the one that was written.

        Raises:
            FileDamaged: it is missing, or other bytes.
            ArchiveUnavailable: the place cannot be read.
        """
        with self._at(mark.name, "read") as (system, path):
            if not system.isfile(path):
                raise FileDamaged(f"{self} lacks the file {mark.name}", way_out="Put it back from where it was moved.")
            size, digest = _bytes_and_hash(system, path)
        if (size, digest) != (mark.bytes, mark.sha256):
            raise FileDamaged(
                f"{mark.name} has {size:,} bytes with the SHA-256 {digest[:12]}…,"
                f" and {mark.bytes:,} with {mark.sha256[:12]}… were written",
                way_out="Put the file back as it was; nothing was restored from this one.",
            )

    @contextmanager
    def reading(self, name: str) -> Iterator[tuple[list[StoredColumn], Iterator[pa.RecordBatch]]]:
        """A file's columns, and its rows piece by piece; check it first."""
        with self._at(name, "read") as (system, path), system.open(path, "rb") as stream:
            file = pq.ParquetFile(stream)
            pieces = (
                batch
                for group in range(file.num_row_groups)
                for batch in file.read_row_group(group).combine_chunks().to_batches()
            )
            yield _columns(file.schema_arrow), pieces

    def remove(self, name: str) -> None:
        """Delete a file; one that is not there is no error."""
        with self._at(name, "deleted") as (system, path):
            if system.exists(path):
                system.rm_file(path)

    @contextmanager
    def _at(self, name: str, done: str) -> Iterator[tuple[AbstractFileSystem, str]]:
        """The file system and a file's path on it; whatever fails there is said without the address's secrets."""
        if not _NAME.fullmatch(name):
            raise FileDamaged(f"No file of an archive is called {name[:120]!r}")
        try:
            system, root = url_to_fs(self._place)
            yield system, f"{root.rstrip('/')}/{self._profile}/{name}"
        except (OSError, ImportError, ValueError, pa.ArrowException) as error:
            told = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else type(error).__name__
            raise ArchiveUnavailable(
                f"{name} cannot be {done} in the archive {self} ({told})",
                way_out="See whether CRYPTO_ASSETS_ARCHIVE_STORE, its permissions and its package for fsspec are right.",
            ) from None


def file_name(table: str, partition: str, row_hash: int) -> str:
    """What a partition's file is called; the same rows give the same name. Pure."""
    return f"{table}/{partition}-{sha256(str(row_hash).encode()).hexdigest()[:12]}.parquet"


def _schema(columns: Sequence[StoredColumn], about: Mapping[str, str]) -> pa.Schema:
    fields = [
        pa.field(one.name, _ARROW.get(one.kind, pa.string()), metadata={_TYPE: one.kind, _MEANING: one.comment})
        for one in columns
    ]
    return pa.schema(fields, metadata=dict(about))


def _columns(schema: pa.Schema) -> list[StoredColumn]:
    found = []
    for field in schema:
        told = field.metadata or {}
        found.append(StoredColumn(field.name, told.get(_TYPE, b"").decode(), told.get(_MEANING, b"").decode()))
    return found


def _write_parquet(system: AbstractFileSystem, path: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    with system.open(path, "wb") as stream:
        with pq.ParquetWriter(stream, schema, compression="zstd") as writer:
            for batch in batches:
                writer.write_table(pa.Table.from_batches([batch]).cast(schema), row_group_size=max(1, batch.num_rows))
        if isinstance(system, LocalFileSystem):  # soon it is the only copy
            stream.flush()
            os.fsync(stream.fileno())


def _move(system: AbstractFileSystem, part: str, path: str) -> None:
    if not isinstance(system, LocalFileSystem):
        system.mv(part, path)
        return
    Path(part).replace(path)
    folder = os.open(Path(path).parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _bytes_and_hash(system: AbstractFileSystem, path: str) -> tuple[int, str]:
    digest, size = sha256(), 0
    with system.open(path, "rb") as stream:
        while piece := stream.read(_PIECE_BYTES):
            digest.update(piece)
            size += len(piece)
    return size, digest.hexdigest()


_ARROW = {
    "double precision": pa.float64(), "real": pa.float32(), "smallint": pa.int16(), "integer": pa.int32(),
    "bigint": pa.int64(), "boolean": pa.bool_(), "timestamp with time zone": pa.timestamp("us", "UTC"), "date": pa.date32(),
}  # fmt: skip

__all__ = ["Archive", "ArchiveUnavailable", "FileDamaged", "FileMark", "file_name"]
