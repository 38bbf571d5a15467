"""Saving everything: a dump of each database, with the hash of every row in the same moment, as one backup at its place.

What belongs here: the order of the work. What does not: the place (backup_place.py), the programs (backup_tools.py), hashes
(row_hashes.py), what the manifest says (backup_manifest.py), reading it back (backup_restore.py).

Both databases are saved one after the other: the data first, then Dagster's runs and events, a moment later. Each is one
snapshot in itself. One backup of a database works at a time, whoever starts it; it ends with its process, and so does pg_dump.
"""

from __future__ import annotations

import importlib.metadata
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import structlog

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.warehouse.backup_catalog import facts_of, origin_of, server_version
from crypto_assets.warehouse.backup_files import marks_of
from crypto_assets.warehouse.backup_log import FAILED, SUCCEEDED, BackupNote, write_note
from crypto_assets.warehouse.backup_manifest import (
    CONFIG,
    DAGSTER,
    DATA,
    FORMAT,
    MANIFEST,
    BackupError,
    DatabaseKind,
    DatabaseMark,
    FileMark,
    Manifest,
    major_of,
    manifest_bytes,
    name_of,
)
from crypto_assets.warehouse.backup_models import copy_models
from crypto_assets.warehouse.backup_place import BackupPlace, PlaceUnusable
from crypto_assets.warehouse.backup_tools import DumpDisturbed, find_tools
from crypto_assets.warehouse.connection import NotMigrated, Warehouse
from crypto_assets.warehouse.fetched_folder import remove_left
from crypto_assets.warehouse.lease import LeaseTaken, lease
from crypto_assets.warehouse.row_hashes import frozen, hashing

log = structlog.get_logger(__name__)

LEASE = "backup"
_ATTEMPTS = 3  # a day of quotes is dropped within a second; three times in a row something else goes on

type Tell = Callable[[str], None]


class BackupAtWork(BackupError):
    """Another process is making a backup of the same database."""


@dataclass(frozen=True)
class Saved:
    """What is saved.

    Args:
        profile: Whose databases they are.
        data: The data.
        dagster: Dagster's runs and events; None to leave them out.
        config: Files that are kept as they are, by the name that they get.
        models: The store of artefacts; None to leave it out.
        staging: Folder of this machine to write in where backups go elsewhere.
        binaries: CRYPTO_ASSETS_POSTGRES_BIN.
        notes: What is left out, and why.
    """

    profile: str
    data: Warehouse
    dagster: Warehouse | None
    config: dict[str, Path]
    models: str | None
    staging: Path
    binaries: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def databases(self) -> list[tuple[DatabaseKind, Warehouse]]:
        """By kind, in the order in which they are saved."""
        data: list[tuple[DatabaseKind, Warehouse]] = [(DATA, self.data)]
        return data if self.dagster is None else [*data, (DAGSTER, self.dagster)]


@dataclass(frozen=True)
class Made:
    """A backup that was made and verified.

    Args:
        notes: What is worth knowing: files left out, tables that are not logged, what cannot be removed.
        deleted: Older ones that went.
        remains: What killed runs had left, and was removed.
        seconds: From the start to the last deletion.
    """

    name: str
    place: str
    manifest: Manifest
    notes: tuple[str, ...]
    deleted: tuple[str, ...]
    remains: tuple[str, ...]
    seconds: float


@dataclass
class _Work:
    """What a run has found out so far."""

    saved: Saved
    place: BackupPlace
    jobs: int
    tell: Tell
    origin: str
    started_at: datetime
    notes: list[str] = field(default_factory=list)

    def now(self) -> datetime:
        """The time, UTC; never before the start, whoever set the clock back."""
        return max(self.started_at, datetime.now(UTC))


def back_up(saved: Saved, place: BackupPlace, *, jobs: int, keep: int, tell: Tell = lambda _: None) -> Made:
    """Make a backup, verify it, note it in ops.backups, and delete those that are more than are kept.

    What cannot be deleted is told by a note: it neither hinders a backup nor unmakes one.

    Args:
        jobs: Tables that are dumped at the same time, and as many that are hashed.
        keep: So many whole ones of this database stay.
        tell: Called with what is being done.

    Raises:
        BackupAtWork: another process is at it.
        ToolsMissing, ToolFailed: pg_dump is not there, too old, or gave up.
        PlaceUnusable: the place cannot be written.
        BackupAltered: what was written is not what is read; nothing older was deleted.
        DatabaseUnreachable: no connection, or it broke.
    """
    began = time.monotonic()
    with _alone(saved.data):
        work = _begin(saved, place, jobs, tell)
        try:
            remains = _remove_remains(work)
            name, manifest = _write(work)
            tell("verifying")
            place.verify(name)
            deleted = _rotate(work, keep)
        except Exception as error:
            _note(saved.data, _failed(work, began, error))
            raise
        seconds = time.monotonic() - began
        tables = sum(len(mark.tables) for mark in manifest.databases.values())
        _note(
            saved.data,
            BackupNote(work.started_at, work.now(), SUCCEEDED, name, str(place), manifest.bytes, tables,
                       manifest.rows, seconds),
        )  # fmt: skip
    return Made(name, str(place), manifest, tuple(work.notes), tuple(deleted), tuple(remains), seconds)


@contextmanager
def _alone(warehouse: Warehouse) -> Iterator[None]:
    try:
        with lease(warehouse, LEASE, wait=False):
            yield
    except LeaseTaken:
        raise BackupAtWork(
            f"Another process is making a backup of {warehouse.place}", way_out="Wait until it has finished."
        ) from None


def _begin(saved: Saved, place: BackupPlace, jobs: int, tell: Tell) -> _Work:
    with saved.data.connect() as connection, connection.cursor() as cursor:
        return _Work(saved, place, jobs, tell, origin_of(cursor), datetime.now(UTC), [*saved.notes])


def _remove_remains(work: _Work) -> list[str]:
    """Remove what killed backups and restores left; this machine may never restore again."""
    removed = []
    try:
        removed += remove_left(work.saved.staging)
    except OSError as error:
        told = f"{error.filename or work.saved.staging}: {error.strerror or type(error).__name__}"
        work.notes.append(f"what a killed restore left cannot be removed: {told}")
    try:
        removed += work.place.clean(work.origin, work.saved.staging)
    except PlaceUnusable as error:
        work.notes.append(error.problem)
    return removed


def _write(work: _Work) -> tuple[str, Manifest]:
    """Write all parts into a hidden folder and publish it."""
    folder = work.place.unfinished(work.origin, work.saved.staging)
    try:
        databases = {kind: _save(work, kind, warehouse, folder / kind) for kind, warehouse in work.saved.databases}
        _copy_files(work, folder)
        work.tell("hashing files")
        manifest = _manifest(work, databases, marks_of(folder))
        content = manifest_bytes(manifest)
        (folder / MANIFEST).write_bytes(content)
        name = name_of(manifest, content)
        work.tell("storing")
        work.place.publish(folder, name, work.origin)
    except OSError as error:  # a full disk, or a file that may not be read
        raise PlaceUnusable(
            f"The backup cannot be written: {error.filename or folder.parent}: {error.strerror or type(error).__name__}",
            way_out="See whether there is room, and whether that may be read and written; older backups are as they were.",
        ) from error
    finally:
        if folder.exists():
            shutil.rmtree(folder)
    return name, manifest


def _save(work: _Work, kind: DatabaseKind, warehouse: Warehouse, folder: Path) -> DatabaseMark:
    for attempt in range(_ATTEMPTS):
        try:
            return _dumped(work, kind, warehouse, folder)
        except DumpDisturbed as error:
            if attempt + 1 == _ATTEMPTS:
                raise
            log.warning("the dump is begun again", database=kind, because=error.problem)
            shutil.rmtree(folder, ignore_errors=True)
    raise AssertionError("unreachable")


def _dumped(work: _Work, kind: DatabaseKind, warehouse: Warehouse, folder: Path) -> DatabaseMark:
    """One snapshot of a database, dumped and hashed at the same time."""
    began = time.monotonic()
    with frozen(warehouse) as moment:
        facts, server = facts_of(moment.cursor), server_version(moment.cursor)
        major = major_of(server)
        tools = find_tools(major, work.saved.binaries)
        if tools.major > major:
            work.notes.append(
                f"{kind} is of PostgreSQL {server}, saved by pg_dump {tools.version}: restore it into that or newer"
            )
        work.tell(f"{kind}: {len(moment.tables)} tables")
        with hashing(warehouse, moment.tables, work.jobs, moment.snapshot) as hashes:
            tools.dump(warehouse.url, folder, snapshot=moment.snapshot, jobs=work.jobs, compression=tools.compression())
            tables = hashes.marks()
    work.notes += [f"{one.table} is unlogged: saved, and empty after a crash" for one in tables if one.is_unlogged]
    return DatabaseMark(
        database=warehouse.place.rpartition("/")[2],
        server=server,
        program=tools.version,
        snapshot_at=moment.at,
        seconds=round(time.monotonic() - began, 3),
        tables=tables,
        migrations=facts.migrations,
        extensions=facts.extensions,
        roles=facts.roles,
        grants=facts.grants,
        default_grants=facts.default_grants,
        database_grants=facts.database_grants,
        public_rights=facts.public_rights,
    )


def _copy_files(work: _Work, folder: Path) -> None:
    for name, path in work.saved.config.items():
        target = folder / CONFIG / name
        target.parent.mkdir(exist_ok=True)
        try:
            shutil.copyfile(path, target)
        except FileNotFoundError:
            work.notes.append(f"{path.name} is not in it: there is none")
    if work.saved.models is not None:
        work.notes += copy_models(work.saved.models, folder)


def _manifest(work: _Work, databases: dict[DatabaseKind, DatabaseMark], files: dict[str, FileMark]) -> Manifest:
    return Manifest(
        format=FORMAT,
        profile=work.saved.profile,
        origin=work.origin,
        code=importlib.metadata.version("crypto-assets"),
        started_at=work.started_at,
        finished_at=work.now(),
        databases=databases,
        files=files,
    )


def _rotate(work: _Work, keep: int) -> list[str]:
    """Delete what is older than `keep` whole backups of this database that hold as much; the newest was just verified.

    One without Dagster's runs, or without models, is no reason to let go one with them.
    """
    try:
        listed = work.place.listed(work.saved.profile)
    except PlaceUnusable as error:
        work.notes.append(f"no older backup is deleted: {error.problem}")
        return []
    mine = [(one, one.manifest) for one in listed if one.manifest is not None and one.manifest.origin == work.origin]
    too_many = []
    for number, (one, manifest) in enumerate(mine):
        newer = [other for other, held in mine[:number] if not other.problem and _parts(held) >= _parts(manifest)]
        if len(newer) >= keep:
            too_many.append(one.name)
    return [name for name in reversed(too_many) if _is_removed(work, name)]  # the oldest first


def _parts(manifest: Manifest) -> set[str]:
    """What a backup holds: its databases, config, models."""
    return {*manifest.databases, *(path.partition("/")[0] for path in manifest.files)}


def _is_removed(work: _Work, name: str) -> bool:
    try:
        work.place.remove(name, work.origin)
    except PlaceUnusable as error:  # of another user, or in a bucket that lets nobody delete
        work.notes.append(f"{name} is not deleted, though enough newer ones are kept: {error.problem}")
        return False
    return True


def _failed(work: _Work, began: float, error: Exception) -> BackupNote:
    return BackupNote(
        work.started_at, work.now(), FAILED, "", str(work.place), seconds=time.monotonic() - began, error=_told(error)
    )


def _told(error: Exception) -> str:
    """What can be kept of an error. Texts of others may hold addresses."""
    if isinstance(error, CryptoAssetsError):
        return error.problem
    said = error.diag.message_primary if isinstance(error, psycopg2.Error) else ""
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _note(warehouse: Warehouse, note: BackupNote) -> None:
    """Keep it; a database of an older version has no table for it, and one that is away keeps nothing."""
    try:
        write_note(warehouse, note)
    except NotMigrated as error:
        log.warning("the backup is not noted in ops.backups", because=error.problem)
    except (CryptoAssetsError, psycopg2.Error) as error:
        if note.state == SUCCEEDED:
            raise
        log.warning("the failed backup is not noted in ops.backups", because=_told(error))
