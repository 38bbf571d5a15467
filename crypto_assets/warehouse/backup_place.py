"""Where backups lie: a folder, or an address that fsspec knows; what is there, whether it is whole, and what may go.

What belongs here: listing, verifying, publishing, fetching and removing whole backups. What does not: making them (backup.py).

A backup is a folder with a manifest, named by it. In a folder of this machine it is written under a hidden name, synced and
renamed; on an object store, which renames nothing, its files are sent first and the manifest last, beside a mark that says
whose they are. So a backup is there as a whole or not at all, and what a killed run left can be told from it. Remains are
removed by the next run of the same database, which holds its lease: nobody else is at work on them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO
from uuid import uuid4

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.store_address import without_credentials
from crypto_assets.warehouse.backup_files import HASHERS, copied, files_below, open_regular, size_of, sync, sync_below
from crypto_assets.warehouse.backup_manifest import (
    MANIFEST,
    MOST_MANIFEST_BYTES,
    BackupAltered,
    BackupError,
    BackupMissing,
    FileMark,
    Manifest,
    differences,
    is_name,
    parse_manifest,
    profile_of,
    started_at,
)

LATEST = "latest"
_UNFINISHED = ".unfinished-"
_MARK = "unfinished-"  # object stores hide nothing, and some drop names that begin with a dot


class PlaceUnusable(BackupError):
    """The place itself cannot be read or written: no such protocol, no permission, no connection."""


@dataclass(frozen=True)
class Listed:
    """A backup as a listing shows it.

    Args:
        manifest: None where it cannot be read.
        problem: Why it is not to be relied on; empty where its files are all there in their sizes.
    """

    name: str
    manifest: Manifest | None
    problem: str


class BackupPlace:
    """A folder or an address with backups. Making one opens nothing.

    Args:
        address: A folder, or as s3://bucket/folder. Credentials are best left to fsspec's own configuration.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    def __str__(self) -> str:
        return without_credentials(self._address)

    def __repr__(self) -> str:
        return f"BackupPlace({str(self)!r})"

    @property
    def folder(self) -> Path | None:
        """The folder of this machine; None where it is somewhere else."""
        return None if "://" in self._address else Path(self._address).absolute()

    def names(self, profile: str = "") -> list[str]:
        """What lies there under a backup's name, whole or not, newest first; without the folder there is none.

        Args:
            profile: Only its own; empty for all.

        Raises:
            PlaceUnusable: it cannot be read.
        """
        with self._opened("listed") as (system, root):
            try:
                paths = [str(one) for one in system.ls(root, detail=False)]
            except FileNotFoundError:
                return []
        found = {path.rstrip("/").rpartition("/")[2] for path in paths}
        mine = [one for one in found if is_name(one) and profile_of(one) == (profile or profile_of(one))]
        return sorted(mine, key=lambda one: (started_at(one), one), reverse=True)

    def resolve(self, asked: str, profile: str) -> str:
        """The one backup that is meant by a name, by the beginning of one, or by "latest", the newest that is whole.

        Raises:
            BackupMissing: none is, or several are.
            PlaceUnusable: it cannot be read.
        """
        if asked == LATEST:
            whole = [one.name for one in self.listed(profile) if not one.problem]
            meant = whole[:1]
        else:
            meant = [one for one in self.names() if one == asked or (len(asked) > 8 and one.startswith(asked))]
        if len(meant) == 1:
            return meant[0]
        what = f"{len(meant)} backups begin with" if meant else "No backup is called"
        raise BackupMissing(
            f"{what} {asked[:80]!r} in {self}", way_out="`crypto-assets backup list` shows their names."
        )

    def listed(self, profile: str = "") -> list[Listed]:
        """All backups, newest first, each with what a look at names and sizes finds; no contents are read.

        Raises:
            PlaceUnusable: the place cannot be read.
        """
        found = [one for name in self.names(profile) if (one := self._look(name)) is not None]
        return sorted(found, key=_begun, reverse=True)  # names tell the second alone

    def _look(self, name: str) -> Listed | None:
        try:
            manifest = self.manifest(name)
        except BackupMissing:
            return None  # it is being written, or was left behind: no backup yet
        except PlaceUnusable as error:
            if self.folder is None:
                raise
            return Listed(name, None, error.problem)  # the folder was listed: this one alone is another user's
        except BackupError as error:
            return Listed(name, None, error.problem)
        sizes = self._sizes(name)
        expected = {path: mark.bytes for path, mark in manifest.files.items()}
        wrong = sorted(path for path in expected.keys() | sizes.keys() if expected.get(path) != sizes.get(path))
        return Listed(name, manifest, f"{len(wrong)} files are not as written: {wrong[0]}" if wrong else "")

    def manifest(self, name: str) -> Manifest:
        """The manifest, if it is the one that the name stands for.

        Raises:
            BackupMissing: there is none.
            BackupAltered, BackupError: as for `parse_manifest`.
            PlaceUnusable: it cannot be read.
        """
        started_at(name)
        with self._opened("read") as (system, root):
            if self.folder is not None and (self.folder / name).is_symlink():
                raise BackupMissing(f"{name} in {self} is a link, and no backup", way_out="Name the place it leads to.")
            try:
                with _open(system, f"{root}/{name}/{MANIFEST}", self.folder) as file:
                    content = file.read(MOST_MANIFEST_BYTES + 1)
            except (FileNotFoundError, NotADirectoryError):
                raise BackupMissing(
                    f"There is no backup {name} in {self}", way_out="`crypto-assets backup list` shows their names."
                ) from None
        return parse_manifest(name, content)

    def verify(self, name: str) -> Manifest:
        """Read every byte of a backup and compare it with its manifest.

        Raises:
            BackupMissing, BackupAltered, BackupError: with a line a file.
            PlaceUnusable: it cannot be read.
        """
        manifest = self.manifest(name)
        with self._opened("verified") as (system, root):
            paths = sorted(self._sizes(name).keys() & manifest.files.keys())
            with ThreadPoolExecutor(HASHERS) as pool:
                marks = pool.map(lambda path: self._mark(system, f"{root}/{name}/{path}", manifest.files[path]), paths)
                found = dict(zip(paths, marks, strict=True))
        found |= {path: FileMark(bytes=0, sha256="0" * 64) for path in self._sizes(name).keys() - manifest.files.keys()}
        _refuse(name, differences(manifest.files, found))
        return manifest

    def fetch(self, name: str, folder: Path) -> Manifest:
        """Bring a backup into a new folder of this machine, checking each file on its way.

        Raises:
            BackupMissing, BackupAltered, BackupError, PlaceUnusable: as for `verify`.
        """
        manifest = self.manifest(name)
        found = {}
        with self._opened("fetched") as (system, root):
            for path, mark in manifest.files.items():
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                try:
                    with _open(system, f"{root}/{name}/{path}", self.folder) as source, target.open("xb") as kept:
                        found[path] = copied(source, kept, mark.bytes)
                except FileNotFoundError:
                    continue  # the comparison names it
        _refuse(name, differences(manifest.files, found))
        return manifest

    def _mark(self, system: AbstractFileSystem, path: str, expected: FileMark) -> FileMark:
        with _open(system, path, self.folder) as file:
            return copied(file, None, expected.bytes)

    def _sizes(self, name: str) -> dict[str, int]:
        """Bytes by path of all files of a backup but the manifest and marks."""
        folder = self.folder
        if folder is not None:
            sizes = {path: size_of(folder / name / path) for path in files_below(folder / name)}
        else:
            with self._opened("listed") as (system, root):
                found = system.find(f"{root}/{name}", detail=True)
                start = len(f"{root}/{name}/")
                sizes = {str(path)[start:]: int(told["size"]) for path, told in found.items()}
        return {path: size for path, size in sizes.items() if path != MANIFEST and not path.startswith(_MARK)}

    def unfinished(self, origin: str, staging: Path) -> Path:
        """A new folder to write a backup into: at the place itself, or at `staging` where that is elsewhere.

        Raises:
            PlaceUnusable: it cannot be made.
        """
        parent = self.folder or staging
        made = parent / f"{_UNFINISHED}{origin}-{uuid4().hex[:12]}"
        try:
            parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            made.mkdir(mode=0o700)  # it will hold everything that the database holds
        except OSError as error:
            raise PlaceUnusable(
                f"No backup can be written to {parent}: {error.strerror}", way_out="Name another place with --to."
            ) from None
        return made

    def publish(self, unfinished: Path, name: str, origin: str) -> None:
        """Make a backup of a folder that is whole: renamed, or sent with its manifest last.

        Raises:
            PlaceUnusable: it cannot be written; no backup came of it.
        """
        with self._opened("written") as (system, root):
            if self.folder is not None:
                sync_below(unfinished)
                unfinished.rename(self.folder / name)
                sync(self.folder)
                return
            mark = f"{root}/{name}/{_MARK}{origin}"
            _write(system, mark, b"")
            for path in sorted(files_below(unfinished), key=lambda one: (one == MANIFEST, one)):
                system.put_file(str(unfinished / path), f"{root}/{name}/{path}")
            system.rm_file(mark)
        shutil.rmtree(unfinished)

    def remove(self, name: str, origin: str) -> None:
        """Delete a backup; ended in between it is none any more, and the next run removes the rest.

        Raises:
            PlaceUnusable: it cannot be deleted.
        """
        started_at(name)
        with self._opened("deleted") as (system, root):
            if self.folder is not None:
                gone = self.folder / f"{_UNFINISHED}{origin}-{uuid4().hex[:12]}"
                (self.folder / name).rename(gone)
                shutil.rmtree(gone)
                return
            _write(system, f"{root}/{name}/{_MARK}{origin}", b"")
            system.rm_file(f"{root}/{name}/{MANIFEST}")
            system.rm(f"{root}/{name}", recursive=True)

    def clean(self, origin: str, staging: Path) -> list[str]:
        """Remove what runs of that database left unfinished; the caller holds its lease.

        Returns:
            What was removed.

        Raises:
            PlaceUnusable: some of it cannot be removed, and stays; all else was.
        """
        removed, stays = [], list[str]()
        for parent in sorted({self.folder or staging, staging}):
            for left in sorted(parent.glob(f"{_UNFINISHED}{origin}-*")):
                try:
                    shutil.rmtree(left)
                except OSError as error:  # of another user, as one made by root
                    stays.append(f"{left}: {_told(error)}")
                else:
                    removed.append(left.name)
        for name in self.names() if self.folder is None else ():
            try:
                removed += [name] if self._clean_sent(name, origin) else []
            except PlaceUnusable as error:
                stays.append(f"{name}: {error.problem}")
        if stays:
            more = f", and {len(stays) - 1} more" if len(stays) > 1 else ""
            raise PlaceUnusable(
                f"What a killed run left cannot be removed: {stays[0]}{more}",
                way_out="Remove it by hand, or let the user of the backups do so.",
            )
        return removed

    def _clean_sent(self, name: str, origin: str) -> bool:
        """Whether the rest of a backup was removed; one that was sent whole loses its mark alone."""
        with self._opened("cleaned") as (system, root):
            mark = f"{root}/{name}/{_MARK}{origin}"
            if not system.exists(mark):
                return False
            is_whole = bool(system.exists(f"{root}/{name}/{MANIFEST}"))
            if is_whole:
                system.rm_file(mark)  # only the last step was missing
            else:
                system.rm(f"{root}/{name}", recursive=True)
        return not is_whole

    @contextmanager
    def _opened(self, done: str) -> Iterator[tuple[AbstractFileSystem, str]]:
        """The file system and the place on it; whatever fails there is said without the address's secrets."""
        try:
            system, root = url_to_fs(str(self.folder or self._address))
            system.invalidate_cache()  # others write there, too
            yield system, str(root).rstrip("/")
        except CryptoAssetsError:
            raise
        except Exception as error:  # noqa: BLE001 - each file system has its own, and their texts hold addresses: none is chained
            raise PlaceUnusable(
                f"Backups in {self} cannot be {done} ({_told(error)})",
                way_out="See whether the place's address, its permissions and its package for fsspec are right.",
            ) from None


def _begun(one: Listed) -> datetime:
    return started_at(one.name) if one.manifest is None else one.manifest.started_at


def _refuse(name: str, findings: tuple[str, ...]) -> None:
    if findings:
        more = f" and {len(findings) - 1} more" if len(findings) > 1 else ""
        raise BackupAltered(f"The backup {name} is not as it was written: {findings[0]}{more}", findings=findings)


def _open(system: AbstractFileSystem, path: str, folder: Path | None) -> IO[bytes]:
    """A file for reading; in a folder of this machine never one that a link leads to, nor a device."""
    if folder is None:
        opened: IO[bytes] = system.open(path, "rb")
        return opened
    return open_regular(Path(path))


def _write(system: AbstractFileSystem, path: str, content: bytes) -> None:
    system.makedirs(path.rpartition("/")[0], exist_ok=True)
    system.pipe_file(path, content)


def _told(error: Exception) -> str:
    """What can be shown of an error that may hold an address: its kind, and what the system says to its number."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    if isinstance(error, ValueError) and str(error).startswith("Protocol not known"):
        return "no protocol that fsspec knows"
    if isinstance(error, ImportError):
        return str(error)  # "Install s3fs to access S3"
    return type(error).__name__
