"""A folder for Qlib as a whole: making it anew beside its place, exchanging the two, and what was left of one that was not
finished.

What belongs here: moves of files and folders. What does not: what they hold (qlib_files.py).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from uuid import uuid4

from crypto_assets.exports.qlib_files import moved_field, put
from crypto_assets.exports.qlib_series import fields_of

_BESIDE, _OLD = ".part", ".old"


def beside(folder: Path) -> Path:
    """Where a new one is made."""
    return folder.with_name(f".{folder.name}.{uuid4().hex}{_BESIDE}")


def carry_over(folder: Path, new: Path, keys: Iterable[str], moves: Mapping[str, int]) -> None:
    """Fill the new folder with these series as they are, the places of each moved by so many moments."""
    for key in keys:
        by = moves.get(key, 0)
        for path in fields_of(folder, key):
            target = new / path.relative_to(folder)
            if by:
                put(new, target, moved_field(path.read_bytes(), by))
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target)


def exchange(new: Path, folder: Path) -> None:
    """Put the new folder in the place of the old one. Between the two renames there is none: `recover` knows."""
    old = folder.with_name(f".{folder.name}.{uuid4().hex}{_OLD}")
    folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old)


def recover(folder: Path) -> None:
    """Undo what an export left that was ended in the middle: its new folder, or an old one that nobody took the place of."""
    if not folder.parent.is_dir():
        return
    for path in sorted(folder.parent.glob(f".{folder.name}.*")):
        if path.suffix == _OLD and not folder.exists():
            path.rename(folder)
        elif path.suffix in {_BESIDE, _OLD} and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
    for path in folder.rglob(f".*{_BESIDE}"):
        path.unlink()


__all__ = ["beside", "carry_over", "exchange", "recover"]
