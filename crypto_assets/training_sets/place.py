"""Where training sets lie: a folder of each, written whole or not at all, and read with care.

What belongs here: bytes in and out of a folder, or of an address that fsspec knows. What does not: their meaning (manifest.py).

In a folder of this machine everything is written to a hidden folder beside, synced, and moved to its name with the manifest in
it. An object store has no moving: there the manifest is put last, and without one there is no set. Whoever is killed on the way
leaves what nothing reads and the next creation of that name removes.

Nothing is followed: a link in the place of a set or of a file is refused. Addresses may hold credentials, so no error shows
more than scheme and path, and none carries the text of the error beneath it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.store_address import without_credentials
from crypto_assets.training_sets.refusals import PlaceUnavailable, SetDamaged, SetExists

MANIFEST = "manifest.json"
MOST_MANIFEST_BYTES = 64 * 2**20
# A pipe in the place of a file would keep its reader waiting for ever.
_PLAIN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_NOT_THERE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class HashingFile:
    """A file that is written from its beginning to its end, with the hash of what was written.

    Args:
        file: Open for writing; closed with this one.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._told = hashlib.sha256()
        self.bytes = 0
        self.closed = False

    def write(self, data: bytes | memoryview) -> int:
        """Write on."""
        whole = bytes(data)
        with _told("A file of a training set cannot be written"):
            self._file.write(whole)
        self._told.update(whole)
        self.bytes += len(whole)
        return len(whole)

    def tell(self) -> int:
        """Bytes written."""
        return self.bytes

    def flush(self) -> None:
        """To whatever lies beneath."""
        self._file.flush()

    def close(self) -> None:
        """On a disk, once it has what was written."""
        if self.closed:
            return
        self.closed = True
        with _told("A file of a training set cannot be written"):
            self._file.flush()
            descriptor = self._descriptor()
            if descriptor is not None:
                os.fsync(descriptor)
            self._file.close()

    def _descriptor(self) -> int | None:
        try:
            return self._file.fileno()
        except (AttributeError, OSError):  # an object store's file
            return None

    @property
    def sha256(self) -> str:
        """Of what was written, 64 hexadecimal digits."""
        return self._told.hexdigest()

    def readable(self) -> bool:
        """It is not."""
        return False

    def writable(self) -> bool:
        """It is."""
        return not self.closed

    def seekable(self) -> bool:
        """It is not."""
        return False


class Staging:
    """A set that is being written.

    Args:
        system: Of the place.
        folder: Where its files are written.
        final: Where it will lie; the same on object stores.
    """

    def __init__(self, system: AbstractFileSystem, folder: str, final: str) -> None:
        self._system = system
        self._folder = folder
        self._final = final
        self.is_published = False

    @contextmanager
    def file(self, name: str) -> Iterator[HashingFile]:
        """A new file; its hash is right once it is closed.

        Raises:
            PlaceUnavailable: it cannot be written.
        """
        with _told(f"The file {name} of a training set cannot be written"):
            raw = self._system.open(f"{self._folder}/{name}", "wb")
        made = HashingFile(raw)
        try:
            yield made
        finally:
            made.close()

    def publish(self, manifest: bytes) -> None:
        """Make it a set: from now on it is seen.

        Raises:
            SetExists: one of its name came first.
            PlaceUnavailable: it cannot be written.
        """
        with self.file(MANIFEST) as file:
            file.write(manifest)
        if self._folder == self._final:
            self.is_published = True
            return
        with _told("A training set cannot be moved to its name"):
            if os.path.lexists(self._final):
                raise SetExists(f"{Path(self._final).name} came to be while it was written; nothing was replaced")
            os.rename(self._folder, self._final)  # noqa: PTH104 - Path.rename does the same, and both names are texts
            self.is_published = True
            _sync_folder(Path(self._final).parent)

    def withdraw(self) -> None:
        """Take back what was written, published or not, as far as the place allows."""
        with _told("What was written of a training set cannot be removed"):
            _remove(self._system, self._final if self.is_published else self._folder)


class Shelf:
    """The sets of one profile; making one opens nothing.

    Args:
        url: A folder, or an address that fsspec knows.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def __str__(self) -> str:
        return without_credentials(self._url)

    def __repr__(self) -> str:
        return f"Shelf({str(self)!r})"

    def address(self, name: str) -> str:
        """Where a set lies, for people: without credentials."""
        return f"{self}/{name}"

    def holds(self, name: str) -> bool:
        """Whether anything lies under that name, be it a set or not.

        Raises:
            PlaceUnavailable: the place cannot be read.
        """
        with self._opened() as (system, root):
            if isinstance(system, LocalFileSystem):
                return os.path.lexists(f"{root}/{name}")
            return bool(system.exists(f"{root}/{name}/{MANIFEST}"))

    @contextmanager
    def staging(self, name: str) -> Iterator[Staging]:
        """Write a set; unless it is published, nothing is left of it.

        The caller sees to it that nobody else writes one of that name.

        Raises:
            PlaceUnavailable: the place cannot be written.
        """
        with self._opened() as (system, root):
            final = f"{root}/{name}"
            _sweep(system, root, name)
            folder = f"{root}/.{name}.{uuid4().hex}.part" if isinstance(system, LocalFileSystem) else final
            system.makedirs(folder, exist_ok=not isinstance(system, LocalFileSystem))
        staged = Staging(system, folder, final)
        try:
            yield staged
        except BaseException:
            staged.withdraw()
            raise
        if not staged.is_published:
            staged.withdraw()

    def read(self, name: str, file: str, most: int) -> bytes:
        """A file of a set; of a longer one than expected a byte more, enough for its hash to be wrong.

        Args:
            name: Of the set.
            file: In its folder.
            most: Bytes that it may have.

        Raises:
            SetDamaged: it is not there, or is a link.
            PlaceUnavailable: the place cannot be read.
        """
        with self._opened() as (system, root):
            folder = f"{root}/{name}"
            if isinstance(system, LocalFileSystem) and Path(folder).is_symlink():
                raise SetDamaged(f"In the place of the training set {name} lies a link", file=file)
            try:
                is_local = isinstance(system, LocalFileSystem)
                with _opened_plain(f"{folder}/{file}") if is_local else system.open(f"{folder}/{file}", "rb") as source:
                    content: bytes = source.read(most + 1)
            except OSError as error:
                if error.errno != errno.ELOOP and not isinstance(error, _NOT_THERE):
                    raise
                what = "is a link" if error.errno == errno.ELOOP else "is missing"
                raise SetDamaged(
                    f"The file {file} of the training set {name} {what} in {self}",
                    way_out="Copy it back from a backup, or delete the set and make it again.",
                    file=file,
                ) from None
        return content

    def remove(self, name: str) -> None:
        """Take a set away, with whatever killed creations left; at once for whoever looks.

        Raises:
            PlaceUnavailable: the place cannot be written.
        """
        with self._opened() as (system, root):
            folder = f"{root}/{name}"
            if isinstance(system, LocalFileSystem) and os.path.lexists(folder):
                gone = f"{root}/.{name}.{uuid4().hex}.part"
                os.rename(folder, gone)  # noqa: PTH104 - as above
            elif not isinstance(system, LocalFileSystem) and system.exists(f"{folder}/{MANIFEST}"):
                system.rm_file(f"{folder}/{MANIFEST}")
            _sweep(system, root, name)

    @contextmanager
    def _opened(self) -> Iterator[tuple[AbstractFileSystem, str]]:
        with _told(f"The place of training sets {self} cannot be used"):
            system, root = url_to_fs(self._url)
            yield system, root.rstrip("/")


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Whatever a file system raises, in a sentence without the address's secrets."""
    try:
        yield
    except CryptoAssetsError:
        raise
    except Exception as error:  # noqa: BLE001 - each file system has its own, and their texts hold URLs: none is chained
        if isinstance(error, OSError) and error.errno:
            why = os.strerror(error.errno)
        else:
            why = str(error) if isinstance(error, ImportError) else type(error).__name__
        raise PlaceUnavailable(
            f"{what} ({why})",
            way_out="See whether CRYPTO_ASSETS_TRAINING_STORE, its permissions, its room and its package for fsspec are right.",
        ) from None


def _sweep(system: AbstractFileSystem, root: str, name: str) -> None:
    """Remove what killed creations and deletions of a name left."""
    if not isinstance(system, LocalFileSystem):
        if not system.exists(f"{root}/{name}/{MANIFEST}"):
            _remove(system, f"{root}/{name}")
        return
    for left in Path(root).glob(f".{name}.*.part") if Path(root).is_dir() else ():
        _remove(system, str(left))


def _remove(system: AbstractFileSystem, folder: str) -> None:
    if not isinstance(system, LocalFileSystem):
        if system.exists(folder):
            system.rm(folder, recursive=True)
    elif Path(folder).is_symlink() or Path(folder).is_file():
        Path(folder).unlink()
    elif Path(folder).exists():
        shutil.rmtree(folder)  # which follows no link


def _opened_plain(path: str) -> BinaryIO:
    """A file of this machine, neither a link nor anything else that is no file."""
    descriptor = os.open(path, _PLAIN)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(errno.ENOENT, "no plain file")
    return os.fdopen(descriptor, "rb")


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # where folders cannot be opened
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


__all__ = ["MANIFEST", "MOST_MANIFEST_BYTES", "HashingFile", "Shelf", "Staging"]
