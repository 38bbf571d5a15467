"""Exporting rows as files, one a partition: what has changed is written, what has not is left alone, and what is gone is named.

What belongs here: the order of the work. What does not: reading (contents.py, pieces.py), formats (writers.py), files
(place.py) and their manifest (manifest.py).

Reading and writing overlap: while one piece is packed, the database sends the next. The mark of a partition's content is
read before its rows, so rows that come in between are at worst written twice, never missed.

A partition that the database no longer holds, as days that retention has dropped, stays among the files, for an export may
be all that is left of it; it is named, and marked in the manifest. Whoever wants it gone says so.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from sqlalchemy import Column

from crypto_assets.exports.arrow_columns import ValueDoesNotFit, arrow_schema, described
from crypto_assets.exports.catalog import BARS, Cut, Exported
from crypto_assets.exports.chosen import refuse_unknown
from crypto_assets.exports.contents import Content, Partition, contents, overlaps
from crypto_assets.exports.holes import holes
from crypto_assets.exports.manifest import Entry, Head, Manifest, read_manifest, refuse_another
from crypto_assets.exports.pieces import pieces
from crypto_assets.exports.place import FileMark, Place, plain
from crypto_assets.exports.selection import Selection
from crypto_assets.exports.taken_away import away_of, told_away
from crypto_assets.exports.work import Done, Kept, Outcome, Report, Target, Tell
from crypto_assets.exports.writers import FileFormat, csv_schema, writing
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.lease import lease
from crypto_assets.warehouse.read import Reader, reading


def file_name(one: Exported, partition: Partition, kind: FileFormat) -> str:
    """A partition's file below its dataset's folder, with folders as Hive has them. Pure."""
    parts = [f"{one.domain}={plain(partition.domain)}"] if one.domain else []
    if partition.start is not None:
        parts.append(f"month={partition.start:%Y-%m}")
        parts += [f"day={partition.start:%Y-%m-%d}"] if one.cut is Cut.DAY else []
    return "/".join([*parts, f"part.{kind.value}"])


def head_of(one: Exported, selection: Selection, target: Target) -> Head:
    """What the manifest says of all files. Pure."""
    columns = selection.columns_of(one)
    schema = csv_schema(one, columns) if target.kind is FileFormat.CSV else arrow_schema(one, columns)
    told = [(column, described(column)) for column in columns]
    return Head(
        one.name,
        target.kind.value,
        target.profile,
        tuple(sorted(set(selection.markets))),
        tuple(sorted(set(selection.timeframes))),
        tuple(sorted(set(selection.columns))),
        tuple(
            (column.name, str(schema.field(column.name).type), said["unit"], said["meaning"]) for column, said in told
        ),
    )


def export_rows(warehouse: Warehouse, one: Exported, selection: Selection, target: Target, tell: Tell) -> Report:
    """Bring a dataset's files up to date.

    Raises:
        NothingChosen: as for `export`.
        LeaseTaken: another process exports it to the same place.
        ManifestUnusable: the folder holds something else.
        PlaceUnusable: the place cannot be written.
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    began, folder = time.monotonic(), target.folder(one)
    head = head_of(one, selection, target)
    with lease(warehouse, f"export {folder}", wait=target.wait), reading(warehouse) as reader:
        folder.sweep()
        manifest = read_manifest(folder)
        if manifest is not None:
            refuse_another(manifest, head, folder)
        if target.named_by_hand:
            refuse_unknown(reader, one, selection, manifest)
        files = dict(manifest.files) if manifest else {}
        gone = told_away(away_of(warehouse, [one.table]))
        with Kept(folder, head, files, manifest, away=gone) as kept:
            tell(f"{one.name}: looking for changes", 0, 0)
            work = _Work(reader, one, selection, target, folder, head.layout)
            found = contents(reader, one, selection)
            done = [*_bring_up_to_date(work, found, kept, tell), *_gone(work, found, kept)]
    totals = Manifest(head, kept.files).totals()
    return Report(one.name, target.kind.value, str(folder), done, time.monotonic() - began, totals, away=gone)


@dataclass(frozen=True)
class _Work:
    """What an export works with."""

    reader: Reader
    one: Exported
    selection: Selection
    target: Target
    folder: Place
    layout: str

    def name(self, partition: Partition) -> str:
        return file_name(self.one, partition, self.target.kind)

    def mark(self, content: Content) -> str:
        """The content's mark and that of the layout: another one where a column came."""
        return f"{self.layout} {content.mark}"


def _bring_up_to_date(work: _Work, found: Sequence[Content], kept: Kept, tell: Tell) -> Iterator[Done]:
    """Write what has changed, in the order of partitions."""
    has_holes = work.one.name == BARS
    absent = holes(work.reader, work.one, work.selection, [one.partition for one in found]) if has_holes else {}
    due: list[_Due] = []
    for content in found:
        name, holes_here = work.name(content.partition), absent.get(content.partition, {})
        entry = kept.files.get(name)
        if entry is None or work.target.anew or not _is_current(work, name, entry, content):
            due.append((name, content, holes_here))
            continue
        current = replace(entry, holes=holes_here, gone="")
        if current != entry:
            kept.put(name, current)
        yield Done(name, Outcome.UNCHANGED, entry.rows, entry.file.bytes)
    for number, (name, content, holes_here, rows) in enumerate(_read_ahead(work, due)):
        tell(f"{work.one.name} {name}", number, len(due))
        try:
            written, mark = _write(work, name, content, rows)
        except ValueDoesNotFit as error:
            yield Done(name, Outcome.FAILED, content.rows, 0, error.problem)
            continue
        kept.put(name, Entry(content.partition, written, work.mark(content), mark, holes_here))
        yield Done(name, Outcome.WRITTEN, written, mark.bytes)
    tell(f"{work.one.name}: done", len(due), len(due))


def _is_current(work: _Work, name: str, entry: Entry, content: Content) -> bool:
    """Whether a file is of the content that there is, and is there."""
    return entry.content == work.mark(content) and work.folder.size(name) == entry.file.bytes


def _write(work: _Work, name: str, content: Content, pieces_read: Iterable[pa.Table]) -> tuple[int, FileMark]:
    """A partition's file from its pieces; its rows, and what it is."""
    columns: list[Column[object]] = work.selection.columns_of(work.one)
    with work.folder.new_file(name) as path:
        rows = 0
        with writing(work.target.kind, path, work.one, columns, content.partition.domain) as writer:
            for piece in pieces_read:
                writer.write(piece)
                rows += piece.num_rows
        mark = mark_of(path)
    return rows, mark


def mark_of(path: Path) -> FileMark:
    """Hash and size of a file on this machine."""
    mark = Place(str(path.parent)).mark(path.name)
    if mark is None:
        raise FileNotFoundError(path)
    return mark


type _Due = tuple[str, Content, dict[str, int]]


def _read_ahead(work: _Work, due: Sequence[_Due]) -> Iterator[tuple[str, Content, dict[str, int], Iterator[pa.Table]]]:
    """Each partition with its pieces; the next piece, of whichever partition, is read while one is worked on.

    Pieces that a partition's reader leaves are passed over.
    """
    statements = (
        (number, piece)
        for number, (_, content, _) in enumerate(due)
        for piece in pieces(work.one, content, work.selection)
    )
    with ThreadPoolExecutor(1, thread_name_prefix="export") as thread:
        waiting: list[tuple[int, Future[pa.Table]]] = []

        def ask() -> None:
            following = next(statements, None)
            if following is not None:
                waiting.append((following[0], thread.submit(work.reader.arrow, following[1])))

        def of(number: int) -> Iterator[pa.Table]:
            while waiting and waiting[0][0] == number:
                _, read = waiting.pop(0)
                rows = read.result()
                ask()
                yield rows

        ask()
        for number, (name, content, absent) in enumerate(due):
            rows = of(number)
            yield name, content, absent, rows
            for _ in rows:
                pass


def _gone(work: _Work, found: Sequence[Content], kept: Kept) -> Iterator[Done]:
    """Files whose partitions the selection chooses and the database no longer holds."""
    there = {work.name(one.partition) for one in found}
    for name, entry in sorted(kept.files.items()):
        if name in there or not overlaps(entry.partition, work.one, work.selection):
            continue
        if work.target.prune:
            work.folder.remove(name)
            del kept.files[name]
            yield Done(name, Outcome.REMOVED, entry.rows, entry.file.bytes)
            continue
        if not entry.gone:
            kept.put(name, replace(entry, gone=datetime.now(UTC).isoformat(timespec="seconds")))
        yield Done(name, Outcome.GONE, entry.rows, entry.file.bytes)


__all__ = ["export_rows", "file_name", "head_of", "mark_of"]
