"""A folder of this machine for what is fetched from elsewhere: gone behind its use, or when the next one or a backup begins.

What belongs here: making, locking and removing such folders. What does not: what is fetched into them (backup_place.py).

Who fetches holds a lock on its folder, which goes with its process, however that ends: a folder that can be locked was left.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

_PREFIX = "fetched-"


@contextmanager
def folder_for_fetched(staging: Path) -> Iterator[Path]:
    """A new folder below `staging`, which is made where it is missing; what killed processes left there is removed.

    Raises:
        OSError: nothing can be written there.
    """
    staging.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ExitStack() as held:
        with _locked(staging):  # nobody takes a folder for left between its making and its lock
            _remove(staging)
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=staging))
            held.enter_context(_locked(folder))
        held.callback(shutil.rmtree, folder)
        yield folder


def remove_left(staging: Path) -> list[str]:
    """Remove what killed processes left below `staging`, which need not be there.

    Returns:
        Names of the folders.

    Raises:
        OSError: one cannot be removed.
    """
    if not staging.is_dir():
        return []
    with _locked(staging):
        return _remove(staging)


def _remove(staging: Path) -> list[str]:
    removed = []
    for folder in sorted(staging.glob(f"{_PREFIX}*")):
        with suppress(BlockingIOError), _locked(folder, fcntl.LOCK_NB):  # somebody is at work there
            shutil.rmtree(folder)
            removed.append(folder.name)
    return removed


@contextmanager
def _locked(folder: Path, how: int = 0) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | how)
        yield
    finally:
        os.close(descriptor)
