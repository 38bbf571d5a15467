"""The artefacts of trained forecasts as a part of a backup: copied out of their store, and back into one.

What belongs here: that. What does not: what artefacts are (forecasting/artefacts.py): here they are folders that are named by
the SHA-256 of the manifest within, and a folder without one is no artefact yet.
"""

from __future__ import annotations

import filecmp
import re
import shutil
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from crypto_assets.store_address import without_credentials
from crypto_assets.warehouse.backup_files import sync
from crypto_assets.warehouse.backup_manifest import MANIFEST, BackupError

MODELS = "models"
_FILE = re.compile(r"([0-9a-f]{64})/([a-z0-9][a-z0-9_.-]{0,80})", re.ASCII)
# Nobody writes a file of a model for so long: its writer was killed.
_LEFT_SECONDS = 3600


class ModelsUnavailable(BackupError):
    """The store of artefacts cannot be read or written."""


def copy_models(store: str, folder: Path) -> list[str]:
    """Copy every artefact below `folder`/models; one whose manifest is not the one that its name stands for is none.

    Args:
        store: A folder, or an address that fsspec knows; one that is not there holds none.

    Returns:
        Why files of the store were left out, a line each.

    Raises:
        ModelsUnavailable: it cannot be read.
    """
    try:
        system, root = url_to_fs(store)
        found = [str(path) for path in system.find(root)]
        files = {path[len(str(root).rstrip("/")) + 1 :]: path for path in found}
        begun = {hit[1] for name in files if (hit := _FILE.fullmatch(name)) and hit[2] == MANIFEST}
        whole = {name for name in begun if sha256(system.cat_file(files[f"{name}/{MANIFEST}"])).hexdigest() == name}
        mine = {name for name in files if (hit := _FILE.fullmatch(name)) and hit[1] in whole}
        for name in sorted(mine):
            _copy(system, files[name], folder / MODELS / name)
    except Exception as error:  # noqa: BLE001 - each file system has its own, and their texts hold addresses: none is chained
        raise _unavailable(store, "read", error) from None
    damaged = begun - whole
    left = [name for name in sorted(files.keys() - mine) if name.partition("/")[0] not in damaged]
    return [
        *(f"the model {name[:12]}… is not in it: its manifest was altered" for name in sorted(damaged)),
        *(f"{name} is not in it: no artefact's file" for name in left),
    ]


def check_models(folder: Path) -> None:
    """See that the artefacts of a backup are what their names say.

    Args:
        folder: Of the backup, verified.

    Raises:
        BackupError: one is not.
    """
    for artefact in _artefacts(folder):
        path = artefact / MANIFEST
        if not path.is_file() or sha256(path.read_bytes()).hexdigest() != artefact.name:
            raise BackupError(
                f"The model {artefact.name[:12]}… of the backup has no manifest, or another one than its name says",
                way_out="Leave models out with --without-models, or take another backup.",
            )


def restore_models(folder: Path, store: str) -> int:
    """Put the artefacts of a backup into a store.

    A file that is there already stays as it is; in a folder only where it is the same: a kill may have left a part of one.

    Args:
        folder: Of the backup, verified.

    Returns:
        Files written.

    Raises:
        BackupError: as for `check_models`; nothing was written.
        ModelsUnavailable: the store cannot be written.
    """
    written = 0
    check_models(folder)
    for artefact in _artefacts(folder):
        try:
            written += sum(1 for _ in _put(artefact, store))
        except Exception as error:  # noqa: BLE001 - as above
            raise _unavailable(store, "written", error) from None
    return written


def _artefacts(folder: Path) -> list[Path]:
    return sorted((folder / MODELS).glob("*"))


def _put(artefact: Path, store: str) -> Iterator[str]:
    system, root = url_to_fs(store)
    # The manifest makes it an artefact: last
    for path in sorted(artefact.iterdir(), key=lambda one: (one.name == MANIFEST, one.name)):
        target = f"{str(root).rstrip('/')}/{artefact.name}/{path.name}"
        if isinstance(system, LocalFileSystem):
            is_new = _put_here(path, Path(target))
        elif is_new := not system.exists(target):  # an object is there when it is whole
            system.makedirs(target.rpartition("/")[0], exist_ok=True)
            system.put_file(str(path), target)
        if is_new:
            yield target


def _put_here(source: Path, target: Path) -> bool:
    """Put a file into a folder, whole or not at all; whether it was not there so."""
    if target.is_file() and filecmp.cmp(source, target, shallow=False):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f".{target.name}.*.part"):
        if left.stat().st_mtime < time.time() - _LEFT_SECONDS:
            left.unlink(missing_ok=True)
    part = target.parent / f".{target.name}.{uuid4().hex}.part"
    try:
        shutil.copyfile(source, part)
        sync(part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return True


def _copy(system: AbstractFileSystem, source: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with system.open(source, "rb") as read, target.open("xb") as kept:
        shutil.copyfileobj(read, kept)


def _unavailable(store: str, done: str, error: Exception) -> ModelsUnavailable:
    return ModelsUnavailable(
        f"The store of models {without_credentials(store)} cannot be {done} ({type(error).__name__})",
        way_out="See CRYPTO_ASSETS_MODEL_STORE, or leave models out with --without-models.",
    )
