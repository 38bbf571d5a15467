"""Bringing archived partitions back: from their files into a table aside, and from there into their own.

What belongs here: the order of that work. What does not: rows (detach_rows.py) and files (detach_file.py).

Each file's SHA-256 is compared before anything of it is read, and the rows' hash before anything is kept. The rows are put
into a table of their own, which then becomes the partition; where late rows have made the partition anew, those are newer and
stay, and the others join them. That last step is one transaction with the entry. A kill before it leaves a table that the
next run makes anew, and the archive as it was. Files stay where they are.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg2
from psycopg2 import sql
from sqlalchemy import Table

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.copy_in import table_name
from crypto_assets.warehouse.detach import finish_detached
from crypto_assets.warehouse.detach_file import Archive, FileDamaged, FileMark
from crypto_assets.warehouse.detach_rows import Rows, RowsMark, StoredColumn, columns_of, rows_of
from crypto_assets.warehouse.detached import Entry, entries
from crypto_assets.warehouse.lease import lease
from crypto_assets.warehouse.retention import PartitionBusy, patiently

_BEGIN = "SELECT ops.begin_restore(%s::regclass, %s)"
_END = "SELECT ops.end_restore(%s::regclass, %s)"
_SPAN = re.compile(r"\d{4}(-\d{2}-\d{2})?", re.ASCII)


class NothingArchived(CryptoAssetsError):
    """No file holds what is to be restored."""


@dataclass(frozen=True)
class Restored:
    """What came back.

    Args:
        entries: Whose rows; none where all had come back before.
        rows: That are in the table again; 0 where all were there.
    """

    entries: tuple[Entry, ...]
    rows: int


def restore(
    warehouse: Warehouse,
    table: Table,
    partition: str,
    archive: Archive,
    sleep: Callable[[float], None] = time.sleep,
) -> Restored:
    """Put an archived day or year back into its table; again, nothing changes.

    Args:
        partition: 2024 or 2024-05-01, or the partition's name, as trades_2024.

    Raises:
        NothingArchived: it was never archived, or was dropped, maybe after it had been restored; says what there is.
        FileDamaged: a file is missing, or is not what was written; nothing was restored.
        PartitionBusy: another changed the table's partitions at each of twenty attempts, or reads its rows, which stand
            aside until they are in the file alone.
        ArchiveUnavailable, DatabaseUnreachable: the place or the database does not answer.
    """
    with lease(warehouse, f"archive {table.fullname}"):
        known = entries(warehouse, table.fullname)
        wanted = start_of(partition, known)
    here = [one for one in known if one.start == wanted]
    if any(one.outcome == "detached" for one in here):
        finish_detached(warehouse, archive, [table], sleep)
    with lease(warehouse, f"archive {table.fullname}"):
        here = [one for one in entries(warehouse, table.fullname) if one.start == wanted]
        _refuse_aside(here)
        away = [one for one in here if one.outcome == "archived"]
        if away:
            _load(warehouse, table, away, archive)
            count = patiently(warehouse, table, away[0].partition, (_END, (wanted,)), sleep)
            return Restored(tuple(away), count or 0)
        if here and here[-1].outcome == "restored":  # the newest: what was restored may have been dropped since
            return Restored((), 0)
    raise _nothing(table.fullname, partition, known, here)


def _refuse_aside(here: Sequence[Entry]) -> None:
    for one in here:
        if one.outcome == "detached":
            raise PartitionBusy(
                f"The rows of {one.partition} of {one.table} still stand aside, for others read them",
                way_out="Wait until the backup, or whoever reads them, has finished, and restore it then.",
            )


def _load(warehouse: Warehouse, table: Table, away: Sequence[Entry], archive: Archive) -> None:
    """Check the files and put their rows into a table aside; the newest first, whose rows count."""
    for one in away:
        archive.check(FileMark(str(one.file), int(one.file_bytes or 0), str(one.sha256)))
    try:
        with warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute(_BEGIN, (table_name(table).as_string(connection), away[0].start))
            row = cursor.fetchone()
    except psycopg2.errors.LockNotAvailable as error:
        raise PartitionBusy(
            f"Others hold {table.fullname}, or read what a killed restore of {away[0].partition} left",
            way_out="Wait until the backup, or whoever reads it, has finished, and restore it then.",
        ) from error
    if row is None or row[0] is None:
        raise NothingArchived(f"{away[0].partition} of {table.fullname} was restored by another process meanwhile")
    target = sql.SQL(row[0])  # quoted by PostgreSQL
    kinds = {one.name: one.kind for one in columns_of(warehouse, table_name(table))}
    with rows_of(warehouse) as rows:
        for one in sorted(away, key=lambda entry: -entry.number):
            _load_file(rows, archive, one, target, kinds)
        rows.commit()


def _load_file(rows: Rows, archive: Archive, entry: Entry, target: sql.Composable, kinds: dict[str, str]) -> None:
    found = RowsMark(0, 0)
    with archive.reading(str(entry.file)) as (columns, pieces):
        _refuse_other_columns(entry, columns, kinds)
        for batch in pieces:
            found += rows.stage(batch, columns)
            rows.take(target, columns)
    if (found.rows, str(found.row_hash)) != (entry.rows, entry.row_hash):
        raise FileDamaged(
            f"{entry.file} gives back {found.rows:,} rows with the hash {found.row_hash}, and {entry.rows:,} with"
            f" {entry.row_hash} were archived",
            way_out="Nothing was restored. PostgreSQL reads a value otherwise than the version that archived it.",
        )


def _refuse_other_columns(entry: Entry, columns: Sequence[StoredColumn], kinds: dict[str, str]) -> None:
    """Types go into statements as they are: only those that the table has now."""
    other = [one.name for one in columns if kinds.get(one.name) != one.kind]
    if other:
        raise FileDamaged(
            f"{entry.file} has columns that {entry.table} does not have so: {', '.join(other)[:200]}",
            way_out="Nothing was restored. Read the file with a tool for Parquet.",
        )


def start_of(partition: str, known: Sequence[Entry]) -> datetime | None:
    """Where the span begins that people call so, among those that are known; None where it is none of them. Pure."""
    for one in known:
        if one.partition == partition:
            return one.start
    if not _SPAN.fullmatch(partition):
        return None
    try:
        start = datetime.fromisoformat(f"{partition}-01-01" if len(partition) == 4 else partition).replace(tzinfo=UTC)
    except ValueError:
        return None
    is_year = len(partition) == 4
    fits = [one.start for one in known if one.start == start and ((one.end - one.start).days > 1) == is_year]
    return fits[0] if fits else None


def _nothing(table: str, partition: str, known: Sequence[Entry], here: Sequence[Entry]) -> NothingArchived:
    files = [one.file for one in here if one.file]
    if files:
        return NothingArchived(
            f"{partition[:60]} of {table} was dropped after it had been restored",
            way_out=f"Its file {files[-1]} still lies in the archive: read it with a tool for Parquet.",
        )
    there = sorted({one.partition for one in known if one.outcome == "archived"})
    dropped = any(one.outcome == "dropped" and partition in {one.partition, *_labels(one)} for one in known)
    told = "was dropped, and no file holds its rows" if dropped else "is not in the archive"
    return NothingArchived(
        f"{partition[:60]} of {table} {told}",
        way_out=f"Archived are {', '.join(there[:10])}." if there else "Nothing of this table is archived.",
    )


def _labels(one: Entry) -> tuple[str, str]:
    return f"{one.start:%Y}", f"{one.start:%Y-%m-%d}"


__all__ = ["NothingArchived", "Restored", "restore", "start_of"]
