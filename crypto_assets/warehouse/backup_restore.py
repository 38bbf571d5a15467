"""Reading a backup back: into databases that hold nothing, and compared with what was saved, table by table.

What belongs here: the order of the work, and what is refused before anything is touched. What does not: the programs
(backup_tools.py), what a dump leaves out (backup_catalog.py).

Nothing is begun before every byte of the backup was found to be as it was written, all targets were found to be empty and fit,
and all roles are there. A dump is SQL that runs with the rights of whoever restores it: restore what you trust.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg2 import sql
from pydantic import SecretStr
from sqlalchemy import make_url

from crypto_assets.warehouse.backup_catalog import (
    facts_of,
    grant_the_rest,
    held_by,
    make_roles,
    missing_grants,
    server_version,
)
from crypto_assets.warehouse.backup_manifest import CONFIG, BackupError, DatabaseKind, DatabaseMark, Manifest, major_of
from crypto_assets.warehouse.backup_models import check_models, restore_models
from crypto_assets.warehouse.backup_place import BackupPlace
from crypto_assets.warehouse.backup_tools import Tools, find_tools
from crypto_assets.warehouse.connection import DatabaseMissing, Warehouse, ensure_database
from crypto_assets.warehouse.fetched_folder import folder_for_fetched
from crypto_assets.warehouse.row_hashes import Comparison, compare, hash_tables, tables_of

_DEFAULT_GRANT = re.compile(r"\d+; \d+ \d+ DEFAULT ACL ")

type Tell = Callable[[str], None]


class TargetNotEmpty(BackupError):
    """The database to restore into holds something."""


class TargetUnfit(BackupError):
    """The backup cannot be restored there, or not by this version."""


@dataclass(frozen=True)
class Restoring:
    """What is to be restored, and how.

    Args:
        targets: The database for each kind; those of a backup that are not named are left out.
        migrations: Names of all migrations that this version has; a backup with others is refused.
        models: The store that artefacts are put into; None to leave them out.
        config: Folder that universe and watchlist of the backup are put into; those in use are never touched.
        staging: Folder of this machine for what is fetched from elsewhere.
        jobs: Tables at the same time.
        binaries: CRYPTO_ASSETS_POSTGRES_BIN.
    """

    targets: Mapping[DatabaseKind, SecretStr]
    migrations: frozenset[str]
    models: str | None
    config: Path
    staging: Path
    jobs: int
    binaries: Path | None = None


@dataclass(frozen=True)
class RestoredDatabase:
    """A database as it is after the restore, beside what was saved.

    Args:
        findings: What is wrong beside tables: migrations, grants.
    """

    kind: DatabaseKind
    place: str
    tables: tuple[Comparison, ...]
    findings: tuple[str, ...]
    restore_seconds: float
    verify_seconds: float

    @property
    def is_equal(self) -> bool:
        """Whether everything is as it was saved."""
        return not self.findings and not any(one.finding for one in self.tables)


@dataclass(frozen=True)
class Restored:
    """What a restore came to.

    Args:
        roles: Created on the server.
        models: Files put into the store of artefacts.
    """

    name: str
    manifest: Manifest
    databases: tuple[RestoredDatabase, ...]
    roles: tuple[str, ...]
    models: int

    @property
    def is_equal(self) -> bool:
        """Whether all databases are as they were saved."""
        return all(one.is_equal for one in self.databases)


def restore(place: BackupPlace, name: str, wanted: Restoring, tell: Tell = lambda _: None) -> Restored:
    """Restore a backup and compare every table with what was saved.

    Args:
        name: Whole, as `BackupPlace.resolve` gives it.
        tell: Called with what is being done.

    Returns:
        What is there now; whoever calls decides what a difference means.

    Raises:
        BackupMissing, BackupAltered, BackupError, PlaceUnusable: as for `BackupPlace.verify`; nothing was touched.
        TargetNotEmpty, TargetUnfit, RolesMissing, ToolsMissing: nothing was touched.
        ToolFailed: pg_restore gave up; a database that this call created is gone again, another one holds a part.
        DatabaseUnreachable: no connection, or it broke.
    """
    tell("verifying the backup")
    with _at_hand(place, name, wanted.staging) as (manifest, folder):
        _refuse_unfit(manifest, wanted)
        if wanted.models is not None:
            check_models(folder)
        databases = [(kind, manifest.databases[kind], url) for kind, url in wanted.targets.items()]
        for _, _, url in databases:
            _refuse_target(url)
        created = {kind: ensure_database(url) for kind, _, url in databases}
        roles: list[str] = []
        try:
            programs = {kind: _tools(mark, Warehouse(url), wanted.binaries) for kind, mark, url in databases}
            for _, mark, url in databases:
                roles += make_roles(Warehouse(url), mark.roles)
            done = []
            for kind, mark, url in databases:
                tell(f"{kind}: {len(mark.tables)} tables")
                done.append(_restored(kind, mark, url, programs[kind], folder / kind, wanted.jobs, tell))
        except BaseException:
            _drop_created([url for kind, _, url in databases if created[kind]])
            raise
        models = restore_models(folder, wanted.models) if wanted.models is not None else 0
        if (folder / CONFIG).is_dir():
            shutil.copytree(folder / CONFIG, wanted.config, dirs_exist_ok=True)
    return Restored(name, manifest, tuple(done), tuple(roles), models)


@contextmanager
def _at_hand(place: BackupPlace, name: str, staging: Path) -> Iterator[tuple[Manifest, Path]]:
    """The backup as a folder of this machine, every byte of it compared."""
    if place.folder is not None:
        yield place.verify(name), place.folder / name
        return
    with folder_for_fetched(staging) as folder:
        yield place.fetch(name, folder), folder


def _refuse_unfit(manifest: Manifest, wanted: Restoring) -> None:
    absent = sorted(wanted.targets.keys() - manifest.databases.keys())
    if absent:
        raise TargetUnfit(
            f"The backup does not hold {absent[0]}: it was made without", way_out="Leave it out with --without-dagster."
        )
    for mark in manifest.databases.values():
        newer = sorted(set(mark.migrations) - wanted.migrations)
        if newer:
            raise TargetUnfit(
                f"The backup holds migrations that this version does not have: {', '.join(newer)}",
                way_out="Use the version of the code that wrote it, or a newer one.",
            )
        if "timescaledb" in mark.extensions:
            raise TargetUnfit(
                "The backup is of a database with TimescaleDB, whose restore needs steps of its own",
                way_out="Run pg_restore on the backup's folder between TimescaleDB's own pre- and post-restore.",
            )


def _refuse_target(url: SecretStr) -> None:
    warehouse = Warehouse(url)
    try:
        held = held_by(warehouse)
    except DatabaseMissing:
        return  # it is made
    if held:
        raise TargetNotEmpty(
            f"The database {warehouse.place} is not empty: it holds {held}",
            way_out="Restore into another one with --database NAME, or drop this one first.",
        )


def _tools(mark: DatabaseMark, warehouse: Warehouse, binaries: Path | None) -> Tools:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        server = server_version(cursor)
    target, source, program = (major_of(one) for one in (server, mark.server, mark.program))
    # A dump speaks the language of the program that wrote it: older servers do not know all of its settings.
    if target < max(source, program):
        raise TargetUnfit(
            f"The backup is of PostgreSQL {source}, saved by pg_dump {program}, and {warehouse.place} is {target}",
            way_out=f"Restore into a server of version {max(source, program)}, or of a newer one.",
        )
    return find_tools(target, binaries)


def _restored(
    kind: DatabaseKind, mark: DatabaseMark, url: SecretStr, tools: Tools, folder: Path, jobs: int, tell: Tell
) -> RestoredDatabase:
    warehouse, began = Warehouse(url), time.monotonic()
    with tempfile.NamedTemporaryFile("w", prefix="contents-", suffix=".txt") as contents:
        # Default grants are those of whoever owned the tables; the new owner gets them below.
        contents.writelines(f"{line}\n" for line in tools.contents_of(folder) if not _DEFAULT_GRANT.match(line))
        contents.flush()
        tools.restore(url, folder, jobs=jobs, contents=Path(contents.name))
    grant_the_rest(warehouse, mark)
    _analyze(warehouse)
    restored = time.monotonic()
    tell(f"{kind}: comparing {mark.rows:,} rows")
    return compared(kind, mark, warehouse, jobs, restored - began)


def compared(
    kind: DatabaseKind, mark: DatabaseMark, warehouse: Warehouse, jobs: int, restore_seconds: float = 0.0
) -> RestoredDatabase:
    """A database as it is beside what was saved: rows and hashes of each table, migrations, grants.

    Raises:
        DatabaseUnreachable: no connection.
    """
    began = time.monotonic()
    tables = compare(mark.tables, hash_tables(warehouse, tables_of(warehouse), jobs))
    with warehouse.connect() as connection, connection.cursor() as cursor:
        facts = facts_of(cursor)
        owner = connection.info.user
    findings = [f"not granted: {line}" for line in missing_grants(mark, facts, owner)]
    if facts.migrations != mark.migrations:
        findings.append(f"{len(facts.migrations)} migrations in place of {len(mark.migrations)}")
    seconds = time.monotonic() - began
    return RestoredDatabase(kind, warehouse.place, tuple(tables), tuple(findings), restore_seconds, seconds)


def _analyze(warehouse: Warehouse) -> None:
    """Dumps hold no statistics, and without them the first queries are planned blindly."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("ANALYZE")


def _drop_created(urls: list[SecretStr]) -> None:
    """Drop databases that were made a moment ago and hold a part of a backup, so that the same command can be run again."""
    for url in urls:
        warehouse = Warehouse(url)
        name = warehouse.place.rpartition("/")[2]
        with Warehouse(_beside(url)).connect() as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _beside(url: SecretStr) -> SecretStr:
    return SecretStr(make_url(url.get_secret_value()).set(database="postgres").render_as_string(hide_password=False))
