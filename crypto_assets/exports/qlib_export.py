"""Exporting bars, features and indicators for Qlib: a folder that its reader takes as it is.

What belongs here: which series are written anew, and the order of the work. What does not: writing one (qlib_write.py),
places in calendars (qlib_places.py), formats (qlib_files.py) and names (qlib_names.py).

A folder is complete by itself: features and indicators have the bars' prices beside them. Calendars are grids without
holes, from the first bar of any market to the last, so a hole is NaN where it is. A series, which is a market at one length
of bar, is written again when its content has changed. Fields come first and calendars and lists after them, so that at each
moment every field holds what the calendar speaks of. Where older bars come, every place in the calendar moves: then the
whole folder is made beside its place, and the two are exchanged.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Table

from crypto_assets.exports.arrow_columns import described
from crypto_assets.exports.catalog import Exported
from crypto_assets.exports.chosen import refuse_unknown
from crypto_assets.exports.contents import Partition
from crypto_assets.exports.manifest import Entry, Head, Manifest, read_manifest, refuse_another
from crypto_assets.exports.place import Place
from crypto_assets.exports.qlib_files import Grid, fields_mark, list_text, put
from crypto_assets.exports.qlib_folder import beside, carry_over, exchange, recover
from crypto_assets.exports.qlib_listing import listed_periods
from crypto_assets.exports.qlib_names import NotForQlib, frequency_of
from crypto_assets.exports.qlib_places import grids_of, moves_of, spans_of
from crypto_assets.exports.qlib_series import (
    SeriesContent,
    SeriesName,
    Source,
    fields_of,
    series_contents,
    sources_of,
)
from crypto_assets.exports.qlib_write import SpansAway, write_series
from crypto_assets.exports.selection import Selection
from crypto_assets.exports.taken_away import away_of, told_away
from crypto_assets.exports.work import Done, Kept, Outcome, Report, Target, Tell
from crypto_assets.spans import Span
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.detached import Away
from crypto_assets.warehouse.lease import lease
from crypto_assets.warehouse.read import Reader, reading


def export_qlib(warehouse: Warehouse, one: Exported, selection: Selection, target: Target, tell: Tell) -> Report:
    """Bring a folder for Qlib up to date.

    Raises:
        NotForQlib: the dataset, the place or a market is none that Qlib can read.
        NothingChosen: as for `export`.
        LeaseTaken: another process exports it to the same place.
        ManifestUnusable: the folder holds something else.
        PlaceUnusable: the place cannot be written.
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    began, place = time.monotonic(), target.folder(one)
    sources = sources_of(one, selection)
    _refuse_times(selection)
    head = qlib_head(one, selection, target)
    if place.folder is None:
        raise NotForQlib("Qlib reads folders of this machine alone", way_out="Name a folder with --to.")
    with lease(warehouse, f"export {place}", wait=target.wait), reading(warehouse) as reader:
        recover(place.folder)
        manifest = read_manifest(place)
        if manifest is not None:
            refuse_another(manifest, head, place)
        if target.named_by_hand:
            refuse_unknown(reader, one, selection, manifest)
        tell(f"{one.name}: looking for changes", 0, 0)
        found = series_contents(reader, sources, selection)
        gone = away_of(warehouse, [source.table for source in sources])
        files = dict(manifest.files) if manifest else {}
        work = _Work(warehouse, reader, sources, selection, target, place.folder, head, manifest, files, gone)
        done = list(_bring_up_to_date(work, found, tell))
    totals = Manifest(head, work.files).totals()
    seconds = time.monotonic() - began
    return Report(one.name, target.kind.value, str(place), done, seconds, totals, away=told_away(gone))


@dataclass(frozen=True)
class _Work:
    """What an export works with: where it writes, and what is there.

    Args:
        manifest: As it is in the folder.
        files: As the export leaves them.
        away: What retention has taken out of the tables.
    """

    warehouse: Warehouse
    reader: Reader
    sources: Sequence[Source]
    selection: Selection
    target: Target
    folder: Path
    head: Head
    manifest: Manifest | None
    files: dict[str, Entry]
    away: Sequence[Away]

    def chooses(self, venue: str) -> bool:
        return not self.selection.domains or venue in self.selection.domains

    def is_current(self, name: SeriesName, content: SeriesContent) -> bool:
        entry = self.files.get(name.key)
        if entry is None or self.target.anew or entry.content != self.mark(content):
            return False
        if self.target.prune and self._may_hold_more(entry):
            return False
        return sum(path.stat().st_size for path in fields_of(self.folder, name.key)) == entry.file.bytes

    def mark(self, content: SeriesContent) -> str:
        return f"{self.head.layout} {content.mark}"

    def spans_away(self, table: Table) -> list[Span]:
        """What retention has taken out of a table by now."""
        return [one.span for one in away_of(self.warehouse, [table])]

    def _may_hold_more(self, entry: Entry) -> bool:
        """Whether a series has bars of a time that retention has taken out."""
        first, last = entry.first, entry.last
        return any(first and last and one.span[0] <= last and first < one.span[1] for one in self.away)


def _bring_up_to_date(work: _Work, found: Mapping[SeriesName, SeriesContent], tell: Tell) -> Iterator[Done]:
    chosen = {name: content for name, content in found.items() if work.chooses(name.venue)}
    gone = _gone(work, found)
    spans = [*((name, (one.first, one.last)) for name, one in chosen.items()), *spans_of(work.files).items()]
    grids = grids_of(work.folder, spans)
    moves = moves_of(work.folder, work.files, grids)
    due = {
        name: content
        for name, content in chosen.items()
        if name.key in moves.astray or not work.is_current(name, content)
    }
    root = work.folder
    if moves.is_anew:
        root = beside(work.folder)
        _carry_over(work, root, moves.by)
    told = told_away(work.away)
    with Kept(Place(str(root)), work.head, work.files, work.manifest, always=moves.is_anew, away=told) as ledger:
        _remove(root, gone)
        yield from gone
        for number, (name, content) in enumerate(sorted(due.items())):
            tell(f"qlib {name.venue} {name.symbol} {name.timeframe}", number, len(due))
            is_known = name.key in work.files and name.key not in moves.unknown
            away = work.spans_away if is_known and not work.target.prune else None
            try:
                entry = _write(work, root, name, content, grids[name.timeframe], away)
            except NotForQlib as error:
                yield Done(name.key, Outcome.FAILED, content.rows, 0, error.problem)
                continue
            ledger.put(name.key, entry)
            yield Done(name.key, Outcome.WRITTEN, content.rows, entry.file.bytes)
        yield from _unchanged(ledger, chosen.keys() - due.keys())
        _write_lists(work.warehouse, root, grids, work.files)
    if root != work.folder:
        exchange(root, work.folder)


def _unchanged(ledger: Kept, names: Iterable[SeriesName]) -> Iterator[Done]:
    for name in sorted(names):
        entry = ledger.files[name.key]
        if entry.gone:  # and has come back as it was
            ledger.put(name.key, replace(entry, gone=""))
        yield Done(name.key, Outcome.UNCHANGED, entry.rows, entry.file.bytes)


def _write_lists(warehouse: Warehouse, root: Path, grids: Mapping[str, Grid], files: Mapping[str, Entry]) -> None:
    """Calendars and the list of instruments: last, for they speak of fields that are there."""
    spans = spans_of(files)
    for timeframe in {name.timeframe for name in spans}:
        put(root, root / "calendars" / f"{frequency_of(timeframe)}.txt", grids[timeframe].text())
    if spans or (root / "instruments").exists():
        put(root, root / "instruments" / "all.txt", list_text(listed_periods(warehouse, spans)))


def _gone(work: _Work, found: Mapping[SeriesName, SeriesContent]) -> list[Done]:
    """Series of chosen venues that the database no longer holds: marked in the manifest, or taken out of it."""
    there, done = {name.key for name in found}, []
    for key, entry in sorted(work.files.items()):
        if key in there or not work.chooses(entry.partition.domain):
            continue
        if work.target.prune:
            del work.files[key]
        else:
            work.files[key] = replace(entry, gone=entry.gone or datetime.now(UTC).isoformat(timespec="seconds"))
        outcome = Outcome.REMOVED if work.target.prune else Outcome.GONE
        done.append(Done(key, outcome, entry.rows, entry.file.bytes))
    return done


def _remove(root: Path, gone: Iterable[Done]) -> None:
    for one in gone:
        if one.outcome is Outcome.REMOVED:
            for path in fields_of(root, one.name):
                path.unlink()


def _write(
    work: _Work, root: Path, name: SeriesName, content: SeriesContent, grid: Grid, away: SpansAway | None
) -> Entry:
    """All fields of a series, and what the manifest says of them.

    Raises:
        NotForQlib: a bar is off the grid, or none is left.
    """
    written = write_series(work.reader, work.sources, name, content, grid, root, away)
    return Entry(
        Partition(name.venue),
        content.rows,
        work.mark(content),
        written.file,
        {"absent": written.absent} if written.absent else {},
        first=written.first,
        last=written.last,
    )


def _carry_over(work: _Work, new: Path, moves: Mapping[str, int]) -> None:
    """Fill the new folder with all series, those that are written anew, too: one that fails keeps what it had.

    Places moved are other bytes.
    """
    carry_over(work.folder, new, sorted(work.files), moves)
    for key in [key for key in work.files if moves.get(key)]:
        mark = fields_mark(fields_of(new, key))
        if mark is not None:
            work.files[key] = replace(work.files[key], file=mark)


def qlib_head(one: Exported, selection: Selection, target: Target) -> Head:
    """What the manifest says of all fields. Pure.

    Raises:
        NotForQlib: the dataset is none of bars, or two tables have a field of the same name.
    """
    sources = sources_of(one, selection)
    columns = [(field, described(source.table.c[c])) for source in sources for c, field in source.fields.items()]
    names = [name for name, _ in columns]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise NotForQlib(
            f"{', '.join(sorted(twice))} would be fields of two tables", way_out="Leave them out with --column."
        )
    return Head(
        one.name,
        target.kind.value,
        target.profile,
        tuple(sorted(set(selection.markets))),
        tuple(sorted(set(selection.timeframes))),
        tuple(sorted(set(selection.columns))),
        tuple((name, "float32", told["unit"], told["meaning"]) for name, told in columns),
    )


def _refuse_times(selection: Selection) -> None:
    if selection.start or selection.until:
        raise NotForQlib("A field of Qlib holds the whole history of a market", way_out="Leave out --from and --until.")


__all__ = ["export_qlib", "qlib_head"]
