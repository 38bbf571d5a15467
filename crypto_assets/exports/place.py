"""Where exports go: a folder, or an address that fsspec knows (s3://…, gs://…, memory://…).

What belongs here: writing whole files, reading, hashing and removing them by relative names. What does not: what the files
are called and hold (export.py, manifest.py).

A file is made under another name and moved once it is whole, in a folder beside its place, for an address in a temporary
folder from which it is sent. So a reader finds the older file or the newer one, whenever the writer was ended. Names come
from data: they are relative, of plain parts, and a symbolic link that leads out of the folder is refused. Addresses may
hold credentials: no error shows more than scheme and path, and none carries the text of the error beneath it.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import quote
from uuid import uuid4

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.store_address import without_credentials

_CHUNK = 2**20
_MOST_NAME = 200  # bytes; file systems end at 255
_PART = ".part"
_PARTS = re.compile(r"\..+\.[0-9a-f]{32}\.part")


class PlaceUnusable(CryptoAssetsError):
    """Exports cannot be written there, or read from there."""


@dataclass(frozen=True)
class FileMark:
    """What a file is.

    Args:
        sha256: 64 hexadecimal digits.
        bytes: Its size.
    """

    sha256: str
    bytes: int


class Place:
    """A folder, or what stands for one at an address. Making one connects nowhere.

    Args:
        address: An absolute path, or scheme://….
    """

    def __init__(self, address: str) -> None:
        self._address = address.removeprefix("file://").rstrip("/") or "/"

    @classmethod
    def named(cls, address: str) -> Place:
        """The place that somebody typed: an address, or a folder from the working one on."""
        return cls(address if "://" in address else str(Path(address).absolute()))

    def __str__(self) -> str:
        return without_credentials(self._address)

    def __repr__(self) -> str:
        return f"Place({str(self)!r})"

    def below(self, *names: str) -> Place:
        """A folder of this one."""
        return Place("/".join([self._address, *names]))

    @property
    def folder(self) -> Path | None:
        """The folder; None for an address elsewhere."""
        return None if "://" in self._address else Path(self._address)

    def read(self, name: str, most: int) -> bytes | None:
        """A whole file of at most so many bytes; None where there is none.

        Raises:
            PlaceUnusable: it is larger, or cannot be read.
        """
        with self._system("read") as (system, root):
            try:
                with system.open(_joined(root, name), "rb") as file:
                    content = cast(bytes, file.read(most + 1))
            except FileNotFoundError:
                return None
        if len(content) > most:
            raise PlaceUnusable(f"{self}/{name} is larger than {most:,} bytes", way_out="See what wrote it.")
        return content

    def size(self, name: str) -> int | None:
        """Bytes of a file; None where there is none."""
        with self._system("read") as (system, root):
            try:
                return int(system.info(_joined(root, name))["size"])
            except FileNotFoundError:
                return None

    def mark(self, name: str) -> FileMark | None:
        """Hash and size of a file as it is there; None where there is none.

        Raises:
            PlaceUnusable: it cannot be read.
        """
        with self._system("read") as (system, root):
            try:
                with system.open(_joined(root, name), "rb") as file:
                    return _mark(file)
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes) -> FileMark:
        """Put a whole file there."""
        with self.new_file(name) as path:
            path.write_bytes(content)
        return FileMark(sha256(content).hexdigest(), len(content))

    @contextmanager
    def new_file(self, name: str) -> Iterator[Path]:
        """A path to write to; once the block has ended without an error the file takes its place.

        Raises:
            PlaceUnusable: it cannot be written.
        """
        with self._system("written") as (system, root):
            target = _joined(root, name)
        try:
            if isinstance(system, LocalFileSystem):
                with _moved(Path(root), Path(target)) as path:
                    yield path
                return
            with tempfile.TemporaryDirectory(prefix="crypto_assets_export_") as folder:
                path = Path(folder) / "part"
                yield path
                with self._system("written"):
                    system.makedirs(target.rpartition("/")[0], exist_ok=True)
                    system.put_file(str(path), target)
        except OSError as error:  # of this machine's disk; any other error of the block is its own
            raise self._unusable("written", error) from None

    def remove(self, name: str) -> None:
        """Take a file away; one that is not there is no error."""
        with self._system("removed") as (system, root):
            try:
                system.rm_file(_joined(root, name))
            except FileNotFoundError:
                return

    def sweep(self) -> int:
        """Remove what writers that were ended in the middle left in the folder; nobody else may write meanwhile.

        Returns:
            How many files.
        """
        folder, swept = self.folder, 0
        if folder is None or not folder.is_dir():
            return 0
        for path in folder.rglob(f".*{_PART}"):
            if _PARTS.fullmatch(path.name) and not path.is_symlink():
                path.unlink(missing_ok=True)
                swept += 1
        return swept

    @contextmanager
    def _system(self, done: str) -> Iterator[tuple[AbstractFileSystem, str]]:
        """The file system and the folder on it; what fails there is told without the address's secrets."""
        try:
            system, root = url_to_fs(self._address)
            yield system, root.rstrip("/")
        except CryptoAssetsError:
            raise
        except Exception as error:  # noqa: BLE001 - each file system has its own, and their texts hold addresses: none is chained
            raise self._unusable(done, error) from None

    def _unusable(self, done: str, error: Exception) -> PlaceUnusable:
        return PlaceUnusable(
            f"Exports in {self} cannot be {done} ({_told(error)})",
            way_out="See whether the address, its permissions, the disk's space and fsspec's package for it are right.",
        )


def default_place(exports: str, profile: str) -> Place:
    """A profile's folder in the place of all exports: sandbox and live never mix."""
    return Place(exports).below(profile)


def plain(value: str) -> str:
    """A value as part of a file's name: what is not a letter, a digit or one of _ . - ~ is percent-encoded, as readers expect.

    Raises:
        PlaceUnusable: it is too long for a file's name.
    """
    made = quote(value, safe="")
    if len(made) > _MOST_NAME:
        raise PlaceUnusable(f"'{value[:40]}…' is too long for the name of a folder", way_out="Leave it out.")
    return made


@contextmanager
def _moved(root: Path, target: Path) -> Iterator[Path]:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.parent.resolve().is_relative_to(root.resolve()):
        raise PlaceUnusable(
            f"{target.parent} leads out of the folder {root}", way_out="Remove the symbolic link on the way to it."
        )
    part = target.with_name(f".{target.name}.{uuid4().hex}{_PART}")
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _joined(root: str, name: str) -> str:
    parts = name.split("/")
    if any(part in {"", ".", ".."} or "\\" in part or "\0" in part for part in parts):
        raise PlaceUnusable(
            f"'{name[:80]}' is no name of an exported file", way_out="Remove the manifest that holds it."
        )
    return "/".join([root, *parts])


def _mark(file: BinaryIO) -> FileMark:
    digest, size = sha256(), 0
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return FileMark(digest.hexdigest(), size)


def _told(error: Exception) -> str:
    """What can be shown of an error that may hold an address: its kind, and what the system says to its number."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error) if isinstance(error, ImportError) else type(error).__name__


__all__ = ["FileMark", "Place", "PlaceUnusable", "default_place", "plain"]
