"""Where rows wait while the database is away for longer: a file that only grows, read back in order.

What belongs here: the file's format, its durability and its bound. What does not: when rows go there (writer.py).

A record is its length and CRC-32, four bytes each, little-endian, and then a Lines in MessagePack. Each append is one write and
one fsync: what `append` returned from survives a loss of power. A record cut short by a kill is the end of the file; one whose
sum is wrong is passed over, and a file that had such keeps its damaged rest under another name.

Each process has a file of its own and holds a lock on it; files that nobody holds are what a killed process left, and its
successor reads them first.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec
import structlog

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.stream.standing import Lines

log = structlog.get_logger(__name__)

MEGABYTE = 1_000_000
_HEAD = struct.Struct("<II")
_SUFFIX = ".spill"


class SpillFull(CryptoAssetsError):
    """The file has reached its bound, or the disk is full: rows cannot be kept any more."""


class SpillFile:
    """One file. Making it opens nothing.

    Args:
        path: In a folder that exists or can be made.
        max_bytes: It never grows larger.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._file: BinaryIO | None = None
        self._size = 0
        self._read = 0
        self._damaged = False

    @property
    def size(self) -> int:
        """Bytes that are not read back yet."""
        return self._size - self._read

    def adopt(self) -> bool:
        """Take over a file that is there; false where another process holds it.

        Raises:
            SpillFull: it cannot be opened.
        """
        return self._opened() is not None

    def append(self, batch: Sequence[Lines]) -> None:
        """Keep these; they are on the disk when this returns.

        Raises:
            SpillFull: there is no room; nothing of the batch was kept.
        """
        file = self._opened()
        records = b"".join(_record(lines) for lines in batch)
        if self._size + len(records) > self._max_bytes:
            raise SpillFull(
                f"The spill file holds {self._size / MEGABYTE:.0f} MB and may hold {self._max_bytes / MEGABYTE:.0f}",
                way_out="See why the database is away; stream.max_spill_mb is the bound.",
            )
        if file is None:
            raise SpillFull(f"{self._path.name} belongs to another process", way_out="End it first.")
        try:
            file.seek(self._size)
            file.write(records)
            file.flush()
            os.fsync(file.fileno())
        except OSError as error:
            file.truncate(self._size)
            raise _unwritable(self._path, error) from error
        self._size += len(records)

    def peek(self, rows: int) -> tuple[list[Lines], int]:
        """The oldest that are not done yet, at least one and up to about so many rows, and where they end."""
        batch: list[Lines] = []
        end = self._read
        for lines, after in self._records(self._read):
            batch.append(lines)
            end = after
            rows -= lines.rows
            if rows <= 0:
                break
        else:
            end = self._size  # what follows the last whole record is a torn one
        return batch, end

    def done(self, end: int) -> None:
        """All before `end` is stored. A file that is done to its end is removed."""
        self._read = end
        if self._read >= self._size:
            self._remove()

    def close(self) -> None:
        """Let go of the file; what is in it stays for a successor."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _opened(self) -> BinaryIO | None:
        if self._file is None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                file = self._path.open("r+b" if self._path.exists() else "x+b")
            except OSError as error:
                raise _unwritable(self._path, error) from error
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                return None
            self._file = file
            self._size = file.seek(0, os.SEEK_END)
        return self._file

    def _records(self, start: int) -> Iterator[tuple[Lines, int]]:
        """Each whole record from `start` on, and where it ends."""
        file = self._opened()
        at = start
        while file is not None and at < self._size:
            file.seek(at)
            head = file.read(_HEAD.size)
            length, crc = _HEAD.unpack(head) if len(head) == _HEAD.size else (self._max_bytes + 1, 0)
            content = file.read(length) if length <= self._max_bytes else b""
            if len(content) < length:
                log.warning("the spill file ends within a record, as after a kill", file=self._path.name, at=at)
                return
            at += _HEAD.size + length
            lines = _lines(content) if zlib.crc32(content) == crc else None
            if lines is None:
                self._damaged = True
                log.error("a record of the spill file is damaged and was passed over", file=self._path.name, at=at)
                continue
            yield lines, at

    def _remove(self) -> None:
        if self._file is None:
            return
        if self._damaged:
            self._path.rename(self._path.with_suffix(".damaged"))
        else:
            self._path.unlink()
        self.close()
        self._size = self._read = 0
        self._damaged = False


def orphans(folder: Path, max_bytes: int) -> list[SpillFile]:
    """Files that ended processes left, opened and locked, the oldest first."""
    found = [SpillFile(path, max_bytes) for path in sorted(folder.glob(f"*{_SUFFIX}"))]
    return [file for file in found if file.adopt()]


def new_spill(folder: Path, started_at: int, max_bytes: int) -> SpillFile:
    """The file of this process; its name sorts by time.

    Args:
        started_at: Microseconds since 1970, UTC.
    """
    return SpillFile(folder / f"{started_at:020d}-{os.getpid()}{_SUFFIX}", max_bytes)


def _record(lines: Lines) -> bytes:
    content = msgspec.msgpack.encode(lines)
    return _HEAD.pack(len(content), zlib.crc32(content)) + content


def _lines(content: bytes) -> Lines | None:
    try:
        return msgspec.msgpack.decode(content, type=Lines)
    except msgspec.DecodeError:
        return None


def _unwritable(path: Path, error: OSError) -> SpillFull:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    return SpillFull(
        f"Cannot write {path.name}: {'the disk is full' if full else error.strerror}",
        way_out="Make room, or let CRYPTO_ASSETS_HOME name a folder on another disk.",
    )
