"""What became of each backup, kept in the database that it is of: ops.backups.

What belongs here: writing and reading that. What does not: which backups there are, which their place knows (backup_place.py):
they may have been deleted by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from crypto_assets.warehouse.connection import Warehouse

SUCCEEDED, FAILED = "succeeded", "failed"
_WRITE = """
INSERT INTO ops.backups (started_at, finished_at, state, name, place, bytes, table_count, row_count, seconds, error)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_NEWEST = """
SELECT DISTINCT ON (state) started_at, finished_at, state, name, place, bytes, table_count, row_count, seconds, error
  FROM ops.backups WHERE %(place)s::text IS NULL OR place = %(place)s ORDER BY state, started_at DESC
"""


@dataclass(frozen=True)
class BackupNote:
    """One backup that was tried. Times are UTC.

    Args:
        state: SUCCEEDED or FAILED.
        name: Empty where it failed.
        place: Folder or address, without credentials.
        bytes: Of all its files.
        error: What went wrong; empty where nothing did.
    """

    started_at: datetime
    finished_at: datetime
    state: str
    name: str
    place: str
    bytes: int = 0
    tables: int = 0
    rows: int = 0
    seconds: float = 0.0
    error: str = ""


def write_note(warehouse: Warehouse, note: BackupNote) -> None:
    """Keep what became of a backup.

    Raises:
        DatabaseUnreachable: no connection.
        NotMigrated: the table is missing.
    """
    values = (
        note.started_at, note.finished_at, note.state, note.name, note.place, note.bytes, note.tables, note.rows,
        note.seconds, note.error[:1000],
    )  # fmt: skip
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_WRITE, values)


def newest_notes(warehouse: Warehouse, place: str | None = None) -> dict[str, BackupNote]:
    """The last that succeeded and the last that failed, by state.

    Args:
        place: Only of those that went there, as notes name it; None for all.

    Raises:
        DatabaseUnreachable: no connection.
        NotMigrated: the table is missing.
    """
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_NEWEST, {"place": place})
        rows = cursor.fetchall()
    notes = [BackupNote(row[0].astimezone(UTC), row[1].astimezone(UTC), *row[2:]) for row in rows]
    return {note.state: note for note in notes}


def verified_names(warehouse: Warehouse) -> frozenset[str]:
    """Of all backups that were read back after they had been written, wherever they went.

    Raises:
        DatabaseUnreachable: no connection.
        NotMigrated: the table is missing.
    """
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT name FROM ops.backups WHERE state = %s", (SUCCEEDED,))
        return frozenset(name for (name,) in cursor.fetchall())
