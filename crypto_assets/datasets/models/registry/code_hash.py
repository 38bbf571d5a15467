"""The hash of the code that reads, learns and judges: which versions were trained by the same.

What belongs here: which sources count, and adding them up. What does not: who keeps the hash (train.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from pathlib import Path

import crypto_assets

PARTS = ("datasets/models", "forecasting")  # folders of the package


@cache
def code_hash() -> str:
    """SHA-256 over the sources of forecasting and of datasets/models, the same on every machine with the same code."""
    root = Path(crypto_assets.__file__).parent
    return hash_of(root, (path for part in PARTS for path in (root / part).rglob("*.py")))


def hash_of(root: Path, paths: Iterable[Path]) -> str:
    """SHA-256 over files: names below `root` in their order, and contents. Ends of lines are a matter of the checkout."""
    told = sha256()
    for name, path in sorted((path.relative_to(root).as_posix(), path) for path in paths):
        content = path.read_bytes().replace(b"\r\n", b"\n")
        told.update(f"{name}\n{len(content)}\n".encode())
        told.update(content)
    return told.hexdigest()
