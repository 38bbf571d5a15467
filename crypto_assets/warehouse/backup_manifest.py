"""What a backup says of itself: its manifest, the marks of its tables and files, and its name.

What belongs here: the shape of manifest.json, reading one that anybody may have written, names. What does not: where backups
lie (backup_place.py), making them (backup.py) and reading them back (backup_restore.py).

A backup's name ends with sixteen digits of the SHA-256 of its manifest, and the manifest holds the SHA-256 of every other file.
So whoever asks for a backup by its name gets what was written under that name, or an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from crypto_assets.errors import CryptoAssetsError

FORMAT: Final = 1
MANIFEST = "manifest.json"
# A table takes some 150 bytes and a dozen grants: ten thousand partitions are 10 MB.
MOST_MANIFEST_BYTES = 64 * 2**20
DATA: Final = "data"
DAGSTER: Final = "dagster"
CONFIG = "config"

# No part begins with a dot, so that none is "." or "..", and none is hidden.
FilePath = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,127}){1,5}$")
]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
# A name as PostgreSQL has it; quoted wherever it is used.
PgName = Annotated[str, StringConstraints(min_length=1, max_length=63)]
Text = Annotated[str, StringConstraints(max_length=1000)]
# Of PostgreSQL or its programs, as 18.6, 18beta1, 19devel.
Version = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}([A-Za-z.+~_-][A-Za-z0-9.+~_-]{0,60})?$")]
DatabaseKind = Literal["data", "dagster"]
DatabaseRight = Literal["CONNECT", "CREATE", "TEMPORARY"]

_NAME = re.compile(r"([a-z][a-z0-9_]{0,40})-(\d{8}T\d{6}Z)-([0-9a-f]{16})", re.ASCII)
_TAKE_ANOTHER = "Take another backup: `crypto-assets backup list` shows them."


class BackupError(CryptoAssetsError):
    """A backup cannot be made, read or restored; the subclasses say why."""


class BackupMissing(BackupError):
    """There is no backup of that name."""


class BackupAltered(BackupError):
    """A file of the backup is not what was written: missing, cut off, changed, or one too many.

    Args:
        findings: A line each, with the file's name.
    """

    def __init__(self, problem: str, *, way_out: str = _TAKE_ANOTHER, findings: tuple[str, ...] = ()) -> None:
        super().__init__(problem, way_out=way_out)
        self.findings = findings


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TableMark(_Part):
    """A table's rows as the snapshot had them; of a partitioned table each partition has its own.

    Args:
        schema_name: Of its schema.
        name: Within the schema.
        rows: How many.
        row_hash: Sum of the 64-bit hashes of all rows (row_hashes.py).
        is_unlogged: Not written ahead by the server: it is empty after a crash, and is in the backup all the same.
    """

    schema_name: PgName
    name: PgName
    rows: int = Field(ge=0)
    row_hash: int
    is_unlogged: bool = False

    @property
    def table(self) -> str:
        """Schema and name, for people."""
        return f"{self.schema_name}.{self.name}"


class DefaultGrant(_Part):
    """What tables (r), sequences (S), functions (f), types (T) or schemas (n) that are made later grant by themselves."""

    schema_name: Annotated[str, StringConstraints(max_length=63)]
    kind: Literal["r", "S", "f", "T", "n"]
    role: PgName
    privilege: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3,12}$")]


class DatabaseGrant(_Part):
    """What a role may do with the database itself; no dump of one database holds it."""

    role: PgName
    privilege: DatabaseRight


class DatabaseMark(_Part):
    """One of the databases.

    Args:
        database: Its name when it was saved.
        server: Version of PostgreSQL, as 18.6.
        program: Version of pg_dump.
        snapshot_at: The moment that dump, counts and hashes all show, UTC.
        seconds: That dump and hashes took.
        migrations: Names of the files that were applied.
        extensions: Installed ones, by name.
        roles: Whom something was granted; roles themselves are the server's, and in no dump.
        grants: A line each: kind, object, role, privilege.
        default_grants: What later objects grant by themselves.
        database_grants: What is granted on the database itself.
        public_rights: What everybody may do with the database; None in backups that do not tell it.
    """

    database: PgName
    server: Version
    program: Version
    snapshot_at: AwareDatetime
    seconds: float
    tables: tuple[TableMark, ...]
    migrations: tuple[Text, ...]
    extensions: tuple[PgName, ...]
    roles: tuple[PgName, ...]
    grants: tuple[Text, ...]
    default_grants: tuple[DefaultGrant, ...]
    database_grants: tuple[DatabaseGrant, ...]
    public_rights: tuple[DatabaseRight, ...] | None = None

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(one.rows for one in self.tables)


class FileMark(_Part):
    """What a file must be."""

    bytes: int = Field(ge=0)
    sha256: Sha256


class Manifest(_Part):
    """A whole backup.

    Args:
        origin: Which database it is of: eight digits of a hash of the server's identifier and the database's.
        code: Version of this package.
        started_at: UTC.
        finished_at: When the last file was hashed, UTC.
        databases: By kind: data, and Dagster's where it was wanted.
        files: Marks of all files but the manifest, by path within the backup.
    """

    format: Literal[1]
    profile: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,40}$")]
    origin: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}$")]
    code: Text
    started_at: AwareDatetime
    finished_at: AwareDatetime
    databases: dict[DatabaseKind, DatabaseMark]
    files: dict[FilePath, FileMark]

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(mark.bytes for mark in self.files.values())

    @property
    def rows(self) -> int:
        """Of all tables of all databases."""
        return sum(one.rows for one in self.databases.values())


def major_of(version: str) -> int:
    """18 of 18.6, of 18beta1 and of 18devel. Pure.

    Raises:
        BackupError: it does not begin with a number.
    """
    found = re.match(r"[0-9]{1,9}", version)
    if found is None:
        raise BackupError(f"Expected a version of PostgreSQL as 18.6, and got {version[:60]!r}")
    return int(found[0])


def manifest_bytes(manifest: Manifest) -> bytes:
    """The manifest as it is written. Pure."""
    return (manifest.model_dump_json(indent=1) + "\n").encode()


def name_of(manifest: Manifest, content: bytes) -> str:
    """The name of the backup with that manifest, as live-20261122T054100Z-0123456789abcdef. Pure."""
    at = manifest.started_at.astimezone(UTC)
    return f"{manifest.profile}-{at:%Y%m%dT%H%M%SZ}-{sha256(content).hexdigest()[:16]}"


def is_name(text: str) -> bool:
    """Whether a backup can be called so. Pure."""
    return _NAME.fullmatch(text) is not None


def started_at(name: str) -> datetime:
    """When the backup of that name was begun, UTC. Pure.

    Raises:
        BackupMissing: no backup can be called so.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise BackupMissing(
            f"No backup is called {name[:80]!r}", way_out="`crypto-assets backup list` shows their names."
        )
    return datetime.strptime(found[2], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def profile_of(name: str) -> str:
    """The profile of the backup of that name. Pure."""
    return name.partition("-")[0]


def parse_manifest(name: str, content: bytes) -> Manifest:
    """The manifest of a backup of that name, from bytes that may be anything. Pure.

    Raises:
        BackupAltered: other bytes than the name stands for.
        BackupError: bytes that are no manifest of ours.
    """
    digest = sha256(content).hexdigest()
    if digest[:16] != name.rpartition("-")[2]:
        raise BackupAltered(
            f"The manifest of {name} was altered: its SHA-256 begins with {digest[:16]}",
            findings=(f"{MANIFEST}: other bytes than were written",),
        )
    try:
        manifest = Manifest.model_validate_json(content)
    except (ValidationError, RecursionError) as error:
        told = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": "nested too deeply"}
        where = ".".join(str(part)[:80] for part in told["loc"])
        raise BackupError(
            f"The manifest of {name} is none that this version reads: {where or MANIFEST}: {told['msg']}",
            way_out="Use the version of this package that wrote it, or take another backup.",
        ) from None
    if name_of(manifest, content) != name:
        raise BackupAltered(f"The manifest of {name} is that of {name_of(manifest, content)}")
    return manifest


def differences(expected: Mapping[str, FileMark], found: Mapping[str, FileMark]) -> tuple[str, ...]:
    """How files differ from their marks, a line each; none where all are as they were written. Pure."""
    lines = [f"{path}: missing" for path in sorted(expected.keys() - found.keys())]
    lines += [f"{path}: does not belong to it" for path in sorted(found.keys() - expected.keys())]
    for path in sorted(expected.keys() & found.keys()):
        wanted, here = expected[path], found[path]
        if wanted.bytes != here.bytes:
            lines.append(f"{path}: {here.bytes:,} bytes in place of {wanted.bytes:,}")
        elif wanted.sha256 != here.sha256:
            lines.append(f"{path}: other bytes than were written")
    return tuple(lines)
