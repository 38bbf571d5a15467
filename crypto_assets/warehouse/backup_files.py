"""Files of a backup in a folder of this machine: found, marked, copied, synced.

What belongs here: that, with links and devices kept out. What does not: files elsewhere (backup_place.py).
"""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import IO

from crypto_assets.warehouse.backup_manifest import FileMark

HASHERS = 4  # SHA-256 leaves Python's lock, and reading waits
_PIECE = 1 << 20


def marks_of(folder: Path) -> dict[str, FileMark]:
    """Size and SHA-256 of every file below a folder, by path."""

    def mark(path: str) -> FileMark:
        with (folder / path).open("rb") as file:
            return copied(file, None, (folder / path).stat().st_size)

    paths = files_below(folder)
    with ThreadPoolExecutor(HASHERS) as pool:
        return dict(zip(paths, pool.map(mark, paths), strict=True))


def copied(source: IO[bytes], target: IO[bytes] | None, expected: int) -> FileMark:
    """The mark of a file while it is copied, or only read; of one that is too long no more than shows it."""
    digest, size = sha256(), 0
    while size <= expected and (piece := source.read(_PIECE)):
        digest.update(piece)
        size += len(piece)
        if target is not None:
            target.write(piece)
    return FileMark(bytes=size, sha256=digest.hexdigest())


def files_below(folder: Path) -> list[str]:
    """Paths of everything below that is no folder, links among them, as a manifest names them; links are not followed."""
    return sorted(
        str((Path(parent) / name).relative_to(folder))
        for parent, folders, names in os.walk(folder)
        for name in [*names, *(one for one in folders if (Path(parent) / one).is_symlink())]
    )


def size_of(path: Path) -> int:
    """Of a regular file; -1 of anything else, which no file of a backup is."""
    told = path.lstat()
    return told.st_size if stat.S_ISREG(told.st_mode) else -1


def sync_below(folder: Path) -> None:
    """pg_dump synced its own files; this is for the others, and for all names."""
    for parent, _, names in os.walk(folder):
        for path in [Path(parent) / name for name in names] + [Path(parent)]:
            sync(path)


def sync(path: Path) -> None:
    """Have the system write a file or the names of a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_regular(path: Path) -> IO[bytes]:
    """A file for reading; never one that a link leads to, nor a device.

    Raises:
        FileNotFoundError: there is no regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(path)
    return os.fdopen(descriptor, "rb")
