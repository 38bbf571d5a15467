"""The artefacts of trained forecasts as a part of a backup: copied out of their store, and back into one.

What belongs here: that. What does not: what artefacts are (forecasting/artefacts.py): here they are folders that are named by
the SHA-256 of the manifest within, and a folder without one is no artefact yet.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs

from crypto_assets.warehouse.backup_manifest import MANIFEST, BackupError
from crypto_assets.warehouse.backup_place import without_credentials

MODELS = "models"
_FILE = re.compile(r"([0-9a-f]{64})/([a-z0-9][a-z0-9_.-]{0,80})", re.ASCII)


class ModelsUnavailable(BackupError):
    """The store of artefacts cannot be read or written."""


def copy_models(store: str, folder: Path) -> list[str]:
    """Copy every artefact below `folder`/models.

    Args:
        store: A folder, or an address that fsspec knows; one that is not there holds none.

    Returns:
        Files of the store that are no artefact's, and were left out.

    Raises:
        ModelsUnavailable: it cannot be read.
    """
    try:
        system, root = url_to_fs(store)
        found = [str(path) for path in system.find(root)]
        files = {path[len(str(root).rstrip("/")) + 1 :]: path for path in found}
        whole = {name.partition("/")[0] for name in files if name.endswith(f"/{MANIFEST}")}
        mine = {name for name in files if (hit := _FILE.fullmatch(name)) and hit[1] in whole}
        for name in sorted(mine):
            _copy(system, files[name], folder / MODELS / name)
    except Exception as error:  # noqa: BLE001 - each file system has its own, and their texts hold addresses: none is chained
        raise _unavailable(store, "read", error) from None
    return sorted(files.keys() - mine)


def restore_models(folder: Path, store: str) -> int:
    """Put the artefacts of a backup into a store; what is there already stays as it is.

    Args:
        folder: Of the backup, verified.

    Returns:
        Files written.

    Raises:
        BackupError: an artefact of the backup is not what its name says.
        ModelsUnavailable: the store cannot be written.
    """
    written = 0
    for artefact in sorted((folder / MODELS).glob("*")):
        content = (artefact / MANIFEST).read_bytes()
        if sha256(content).hexdigest() != artefact.name:
            raise BackupError(
                f"The artefact {artefact.name[:12]}… of the backup has another manifest than its name says"
            )
        try:
            written += sum(1 for _ in _put(artefact, store))
        except Exception as error:  # noqa: BLE001 - as above
            raise _unavailable(store, "written", error) from None
    return written


def _put(artefact: Path, store: str) -> Iterator[str]:
    system, root = url_to_fs(store)
    # The manifest makes it an artefact: last
    for path in sorted(artefact.iterdir(), key=lambda one: (one.name == MANIFEST, one.name)):
        target = f"{str(root).rstrip('/')}/{artefact.name}/{path.name}"
        if not system.exists(target):
            system.makedirs(target.rpartition("/")[0], exist_ok=True)
            system.put_file(str(path), target)
            yield target


def _copy(system: AbstractFileSystem, source: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with system.open(source, "rb") as read, target.open("xb") as kept:
        shutil.copyfileobj(read, kept)


def _unavailable(store: str, done: str, error: Exception) -> ModelsUnavailable:
    return ModelsUnavailable(
        f"The store of models {without_credentials(store)} cannot be {done} ({type(error).__name__})",
        way_out="See CRYPTO_ASSETS_MODEL_STORE, or leave models out with --without-models.",
    )
