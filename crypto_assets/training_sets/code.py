"""By which code rows are made: equal versions compute equal rows.

What belongs here: which sources count. What does not: hashing them (datasets/models/registry/code_hash.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

import crypto_assets
from crypto_assets.datasets.features.ml_features.catalog import feature_version
from crypto_assets.datasets.models.registry.code_hash import hash_of
from crypto_assets.training_sets.manifest import CodeSaid

# Besides the features' own version: labels, gaps, how a table is read as it stood, and what lays rows out.
_PARTS = (
    "indicators", "datasets/features", "datasets/models/arbitrage.py", "datasets/models/hours.py", "warehouse/revisions.py",
    "training_sets/columns.py", "training_sets/rebuild.py", "training_sets/row_hash.py", "training_sets/sources.py",
)  # fmt: skip


@cache
def code_said() -> CodeSaid:
    """The package's version, the features' version, and a SHA-256 over the sources that decide on rows."""
    root = Path(crypto_assets.__file__).parent
    return CodeSaid(
        package=version("crypto-assets"), feature_version=feature_version(), sha256=hash_of(root, _sources(root))
    )


def _sources(root: Path) -> Iterator[Path]:
    for part in _PARTS:
        path = root / part
        yield from path.rglob("*.py") if path.is_dir() else (path,)


__all__ = ["code_said"]
