"""Archiving a partition: its rows go to a file that is proved, then it leaves its table, then its rows are dropped.

What belongs here: the order of that work, and going on with it after a kill. What does not: rows (detach_rows.py), files
(detach_file.py), bringing back (detach_restore.py).

Nobody is locked out while rows are read, written and proved. A kill before the partition leaves its table leaves it as it
was, and maybe a file that the next run writes again under the same name. Leaving is one transaction with the entry in
ops.archived_partitions, and takes a moment's lock as dropping does. Then nobody can write there any more, and the rows, which
stand aside, are compared with the file once more: had a late row come meanwhile, the file is written anew. Only then are they
dropped. A kill in between leaves a complete file and the rows aside, and so does a backup that reads them;
`finish_detached` goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from psycopg2 import sql
from sqlalchemy import Table

from crypto_assets.spans import Span
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.detach_file import Archive, FileDamaged, FileMark, file_name
from crypto_assets.warehouse.detach_rows import RowsMark, StoredColumn, columns_of, rows_of
from crypto_assets.warehouse.detached import Entry, entries
from crypto_assets.warehouse.lease import lease
from crypto_assets.warehouse.retention import (
    Partition,
    PartitionBusy,
    PartitionNeeded,
    Verdict,
    ask_again,
    drop,
    partitions_of,
    patiently,
)

log = structlog.get_logger(__name__)

_SET_ASIDE = "SELECT ops.set_partition_aside(%s::regclass, %s, %s, %s, %s, %s, %s, %s)"
_DROP_ASIDE = "SELECT ops.drop_aside(%s::regclass, %s, %s)"
_NAME_ANEW = "SELECT ops.name_file_anew(%s::regclass, %s, %s, %s, %s, %s, %s, %s)"


@dataclass(frozen=True)
class Written:
    """A proved file: what it is, and what its rows are."""

    file: FileMark
    rows: RowsMark

    @property
    def values(self) -> tuple[str, int, str, int, str]:
        """As ops' functions take them."""
        return self.file.name, self.file.bytes, self.file.sha256, self.rows.rows, str(self.rows.row_hash)


def carry_out(
    warehouse: Warehouse,
    verdicts: Sequence[Verdict],
    archive: Archive,
    sleep: Callable[[float], None] = time.sleep,
    tell: Callable[[Verdict], None] = lambda _verdict: None,
) -> list[Verdict]:
    """Take out what may go, one partition after the other, and say what came of each.

    Args:
        verdicts: Of `plan`.
        archive: Where those go whose policy says detach.
        sleep: Waits between attempts.
        tell: Called with each when it is done.

    Raises:
        DatabaseUnreachable: the connection broke; what was done before stays done.
        ArchiveUnavailable, FileDamaged: as for `detach`.
    """
    done = []
    for one in verdicts:
        done.append(_carried_out(warehouse, one, archive, sleep) if one.goes else one)
        tell(done[-1])
    return done


def detach(
    warehouse: Warehouse, partition: Partition, archive: Archive, sleep: Callable[[float], None] = time.sleep
) -> int:
    """Archive one partition.

    Returns:
        Bytes given back; 0 where another process had taken it out, and where others read the rows that stand aside, as a
        backup does: those `finish_detached` drops.

    Raises:
        PartitionBusy: others held the table at each of twenty attempts; the partition stays, the file does no harm.
        RetentionRefused: as for `drop`; the partition stays.
        FileDamaged: the file does not hold what the partition does. Before it has left its table the partition stays; then
            its rows stand aside, and `finish_detached` goes on with them.
        ArchiveUnavailable, DatabaseUnreachable: likewise.
    """
    table = partition.table
    with lease(warehouse, f"archive {table.fullname}"):
        # Whoever held the lease until now may have taken it out.
        if (partition.name, partition.span) not in {(one.name, one.span) for one in partitions_of(warehouse, table)}:
            return 0
        named = sql.Identifier(str(table.schema), partition.name)
        written = write_rows(warehouse, archive, table, named, (partition.name, partition.span))
        call = (_SET_ASIDE, (*partition.span, *written.values))
        number = patiently(warehouse, table, partition.name, call, sleep)
        if number is None:
            return 0
        found = [one for one in entries(warehouse, table.fullname) if one.span == partition.span]
        return sum(_finished(warehouse, archive, table, one, sleep) or 0 for one in found if one.number == number)


def finish_detached(
    warehouse: Warehouse, archive: Archive, tables: Sequence[Table], sleep: Callable[[float], None] = time.sleep
) -> list[Entry]:
    """Go on with what a kill left half done: prove files whose rows still stand aside, and drop those.

    Returns:
        The entries that were finished; one whose rows others read, as a backup does, is left to the next round.

    Raises:
        ArchiveUnavailable, FileDamaged, DatabaseUnreachable: as for `detach`; the rows stay aside.
    """
    known = {one.fullname: one for one in tables}
    left = [one for one in entries(warehouse) if one.outcome == "detached" and one.table in known]
    finished = []
    for one in left:
        with lease(warehouse, f"archive {one.table}"):
            # Whoever held the lease until now may have been at work on it: then it is done.
            is_left = one in entries(warehouse, one.table)
            if is_left and _finished(warehouse, archive, known[one.table], one, sleep) is not None:
                finished.append(one)
    return finished


def write_rows(
    warehouse: Warehouse, archive: Archive, table: Table, source: sql.Identifier, about: tuple[str, Span]
) -> Written:
    """Write a table's rows to a file and prove it.

    Args:
        table: That they belong to.
        source: Where they are: a partition, or what stands aside.
        about: The partition's name and span.

    Raises:
        FileDamaged: the file's rows are not those of the table.
    """
    columns = columns_of(warehouse, source)
    partition, (start, end) = about
    with rows_of(warehouse) as rows:
        mark = rows.mark(source, columns)
        told = {
            "table": table.fullname, "partition": partition, "starts_at": start.isoformat(), "ends_at": end.isoformat(),
            "rows": str(mark.rows), "row_hash": str(mark.row_hash),
        }  # fmt: skip
        name = file_name(table.fullname, partition, mark.row_hash)
        file = archive.write(name, columns, rows.batches(source, columns), told)
    found = mark_of_file(warehouse, archive, name, columns)
    if found != mark:
        archive.remove(name)
        raise FileDamaged(
            f"{name} gives back {found.rows:,} rows with the hash {found.row_hash},"
            f" and {partition} holds {mark.rows:,} with {mark.row_hash}",
            way_out="The partition stays. A value that PostgreSQL cannot take back as it wrote it is worth a report.",
        )
    return Written(file, mark)


def mark_of_file(warehouse: Warehouse, archive: Archive, name: str, columns: Sequence[StoredColumn]) -> RowsMark:
    """Count and hash a file's rows as PostgreSQL takes them."""
    total = RowsMark(0, 0)
    with rows_of(warehouse) as rows, archive.reading(name) as (_, pieces):
        for batch in pieces:
            total += rows.stage(batch, columns)
    return total


def _finished(
    warehouse: Warehouse, archive: Archive, table: Table, entry: Entry, sleep: Callable[[float], None]
) -> int | None:
    """Bytes given back; None where others read the rows, which still stand aside."""
    try:
        return _finish(warehouse, archive, table, entry, sleep)
    except PartitionBusy:
        log.warning(
            "rows that are archived are read by others; the next round drops them", table=entry.table, aside=entry.aside
        )
        return None


def _finish(warehouse: Warehouse, archive: Archive, table: Table, entry: Entry, sleep: Callable[[float], None]) -> int:
    """Compare what stands aside with its file, write the file anew where it must be, and drop the rows."""
    aside = sql.Identifier(str(table.schema), str(entry.aside))
    columns = columns_of(warehouse, aside)
    with rows_of(warehouse) as rows:
        mark = rows.mark(aside, columns)
    if (mark.rows, str(mark.row_hash)) != (entry.rows, entry.row_hash) or not _is_sound(archive, entry):
        written = write_rows(warehouse, archive, table, aside, (entry.partition, entry.span))
        patiently(warehouse, table, entry.partition, (_NAME_ANEW, (entry.start, entry.number, *written.values)))
        if entry.file and entry.file != written.file.name:
            archive.remove(entry.file)
    return patiently(warehouse, table, entry.partition, (_DROP_ASIDE, (entry.start, entry.number)), sleep) or 0


def _is_sound(archive: Archive, entry: Entry) -> bool:
    try:
        archive.check(FileMark(str(entry.file), int(entry.file_bytes or 0), str(entry.sha256)))
    except FileDamaged:  # its rows still stand aside
        return False
    return True


def _carried_out(warehouse: Warehouse, one: Verdict, archive: Archive, sleep: Callable[[float], None]) -> Verdict:
    try:
        if one.then == "detach":
            ask_again(warehouse, one.partition, one.guard)
            freed = detach(warehouse, one.partition, archive, sleep)
        else:
            freed = drop(warehouse, one.partition, sleep, one.guard)
    except (PartitionBusy, PartitionNeeded) as error:  # one that stays is no reason to keep the others
        return Verdict(one.partition, error.problem, one.then)
    return Verdict(one.partition, "", one.then, freed)


__all__ = ["Written", "carry_out", "detach", "finish_detached", "mark_of_file", "write_rows"]
