"""Exporting bars, features and indicators for Qlib: a folder that its reader takes as it is.

What belongs here: which columns become which fields, what is written anew, and the order of the work. What does not: formats
(qlib_files.py) and names (qlib_names.py).

A folder is complete by itself: features and indicators have the bars' prices beside them. Calendars are grids without
holes, from the first bar of any market to the last, so a hole is NaN where it is. A series, which is a market at one length
of bar, is written again when its content has changed. Fields come first and calendars and lists after them, so that at each
moment every field holds what the calendar speaks of. Where older bars come, every place in the calendar moves: then the
whole folder is made beside its place, and the two are exchanged.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from sqlalchemy import select

from crypto_assets.exports.arrow_columns import described
from crypto_assets.exports.catalog import Exported
from crypto_assets.exports.contents import Partition
from crypto_assets.exports.manifest import Entry, Head, Manifest, read_manifest, refuse_another
from crypto_assets.exports.place import Place
from crypto_assets.exports.qlib_files import Floats, Grid, field_bytes, field_path, fields_mark, list_text, on_grid, put
from crypto_assets.exports.qlib_folder import beside, carry_over, exchange, recover
from crypto_assets.exports.qlib_listing import listed_periods
from crypto_assets.exports.qlib_names import NotForQlib, frequency_of, instrument_of
from crypto_assets.exports.qlib_series import (
    SeriesContent,
    SeriesName,
    Source,
    fields_of,
    series_contents,
    sources_of,
)
from crypto_assets.exports.selection import Selection
from crypto_assets.exports.work import Done, Kept, Outcome, Report, Target, Tell
from crypto_assets.spans import Span
from crypto_assets.universe import TIMEFRAME_LENGTH
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.lease import lease
from crypto_assets.warehouse.read import Reader, reading

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_VALUES = 16_000_000  # read at once: 128 MB of numbers; a series of more is read some columns after the other


def export_qlib(warehouse: Warehouse, one: Exported, selection: Selection, target: Target, tell: Tell) -> Report:
    """Bring a folder for Qlib up to date.

    Raises:
        NotForQlib: the dataset, the place or a market is none that Qlib can read.
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
        tell(f"{one.name}: looking for changes", 0, 0)
        found = series_contents(reader, sources, selection)
        work = _Work(reader, sources, selection, target, place.folder, head, dict(manifest.files) if manifest else {})
        done = list(_bring_up_to_date(work, warehouse, found, tell))
    totals = Manifest(head, work.files).totals()
    return Report(one.name, target.kind.value, str(place), done, time.monotonic() - began, totals)


class _Work:
    """What an export works with: where it writes, and what is there."""

    def __init__(
        self,
        reader: Reader,
        sources: Sequence[Source],
        selection: Selection,
        target: Target,
        folder: Path,
        head: Head,
        files: dict[str, Entry],
    ) -> None:
        self.reader, self.sources, self.selection, self.target = reader, sources, selection, target
        self.folder, self.head, self.files = folder, head, files

    def chooses(self, venue: str) -> bool:
        return not self.selection.domains or venue in self.selection.domains

    def is_current(self, name: SeriesName, content: SeriesContent) -> bool:
        entry = self.files.get(name.key)
        if entry is None or self.target.anew or entry.content != self.mark(content):
            return False
        return sum(path.stat().st_size for path in fields_of(self.folder, name.key)) == entry.file.bytes

    def mark(self, content: SeriesContent) -> str:
        return f"{self.head.layout} {content.mark}"


def _bring_up_to_date(
    work: _Work, warehouse: Warehouse, found: Mapping[SeriesName, SeriesContent], tell: Tell
) -> Iterator[Done]:
    chosen = {name: content for name, content in found.items() if work.chooses(name.venue)}
    due = {name: content for name, content in chosen.items() if not work.is_current(name, content)}
    yield from _gone(work, found)
    spans = [*((name, (one.first, one.last)) for name, one in chosen.items()), *spans_of(work.files).items()]
    grids = _grids(work.folder, spans)
    moves = {frame: _places_moved(work.folder, grid) for frame, grid in grids.items()}
    root = work.folder
    if any(moves.values()):
        root = beside(work.folder)
        _carry_over(work, root, due, moves)
    with Kept(Place(str(root)), work.head, work.files, always=root != work.folder) as ledger:
        for number, (name, content) in enumerate(sorted(due.items())):
            tell(f"qlib {name.venue} {name.symbol} {name.timeframe}", number, len(due))
            try:
                entry = _write_series(work, root, name, grids[name.timeframe], content)
            except NotForQlib as error:
                yield Done(name.key, Outcome.FAILED, content.rows, 0, error.problem)
                continue
            ledger.put(name.key, entry)
            yield Done(name.key, Outcome.WRITTEN, content.rows, entry.file.bytes)
        _write_lists(warehouse, root, grids, work.files)
    if root != work.folder:
        exchange(root, work.folder)
    for name in chosen.keys() - due.keys():
        entry = work.files[name.key]
        yield Done(name.key, Outcome.UNCHANGED, entry.rows, entry.file.bytes)


def _write_lists(warehouse: Warehouse, root: Path, grids: Mapping[str, Grid], files: Mapping[str, Entry]) -> None:
    """Calendars and the list of instruments: last, for they speak of fields that are there."""
    spans = spans_of(files)
    for timeframe in {name.timeframe for name in spans}:
        put(root, root / "calendars" / f"{frequency_of(timeframe)}.txt", grids[timeframe].text())
    if spans or (root / "instruments").exists():
        put(root, root / "instruments" / "all.txt", list_text(listed_periods(warehouse, spans)))


def _gone(work: _Work, found: Mapping[SeriesName, SeriesContent]) -> Iterator[Done]:
    """Series of chosen venues that the database no longer holds."""
    there = {name.key for name in found}
    for key, entry in sorted(work.files.items()):
        if key in there or not work.chooses(entry.partition.domain):
            continue
        if not work.target.prune:
            work.files[key] = replace(entry, gone=entry.gone or datetime.now(UTC).isoformat(timespec="seconds"))
            yield Done(key, Outcome.GONE, entry.rows, entry.file.bytes)
            continue
        for path in fields_of(work.folder, key):
            path.unlink()
        del work.files[key]
        yield Done(key, Outcome.REMOVED, entry.rows, entry.file.bytes)


def _write_series(work: _Work, root: Path, name: SeriesName, grid: Grid, content: SeriesContent) -> Entry:
    """All fields of a series, and what the manifest says of them.

    Raises:
        NotForQlib: a bar is off the grid.
    """
    absent = grid.place(content.last) - grid.place(content.first) + 1 - content.rows
    instrument, frequency = instrument_of(name.venue, name.symbol), frequency_of(name.timeframe)
    for source in work.sources:
        columns = list(source.fields)
        at_once = max(1, _MOST_VALUES // content.rows)
        for begin in range(0, len(columns), at_once):
            for column, place, values in _read(work.reader, source, name, grid, columns[begin : begin + at_once]):
                put(root, field_path(root, instrument, source.fields[column], frequency), field_bytes(place, values))
    mark = fields_mark(fields_of(root, name.key))
    if mark is None:
        raise NotForQlib(f"{name.venue} {name.symbol} {name.timeframe} has no bars any more", way_out="Export again.")
    return Entry(
        Partition(name.venue),
        content.rows,
        work.mark(content),
        mark,
        {"absent": absent} if absent else {},
        first=content.first,
        last=content.last,
    )


def _read(
    reader: Reader, source: Source, name: SeriesName, grid: Grid, columns: Sequence[str]
) -> Iterator[tuple[str, int, Floats]]:
    """Values of some columns with the place of the first; nothing where the table has no row of the series."""
    c = source.table.c
    statement = (
        select(c.opened_at, *(c[column] for column in columns))
        .where(c.venue == name.venue, c.symbol == name.symbol, c.timeframe == name.timeframe)
        .order_by(c.opened_at)
    )
    frame = reader.frame(statement)
    # A bar that came after the calendar was drawn up is the next export's: its mark differs.
    frame = frame[(frame["opened_at"] >= grid.first) & (frame["opened_at"] <= grid.last)]
    if frame.empty:
        return
    opened_at = frame["opened_at"].dt.tz_localize(None).to_numpy("datetime64[us]")
    for column in columns:
        values = frame[column].to_numpy("float64", na_value=np.nan)
        yield column, *on_grid(grid, opened_at, values)


def _grids(folder: Path, spans: Sequence[tuple[SeriesName, Span]]) -> dict[str, Grid]:
    """The calendar of each length of bar: none begins later or ends earlier than before, for what is gone stays."""
    grids: dict[str, Grid] = {}
    for timeframe in sorted({name.timeframe for name, _ in spans}):
        here = [span for name, span in spans if name.timeframe == timeframe]
        first, last = min(span[0] for span in here), max(span[1] for span in here)
        first -= (first - _EPOCH) % TIMEFRAME_LENGTH[
            timeframe
        ]  # a bar off the grid is refused, and takes no other along
        before = _first_of_calendar(folder, timeframe)
        grids[timeframe] = Grid(timeframe, min(first, before or first), last)
    return grids


def _places_moved(folder: Path, grid: Grid) -> int:
    """By how many moments the calendar begins earlier than the one that is there; 0 where there is none."""
    before = _first_of_calendar(folder, grid.timeframe)
    return grid.place(before) if before else 0


def _first_of_calendar(folder: Path, timeframe: str) -> datetime | None:
    path = folder / "calendars" / f"{frequency_of(timeframe)}.txt"
    if not path.exists():
        return None
    with path.open(encoding="ascii") as file:
        line = file.readline().strip()
    return datetime.fromisoformat(line).replace(tzinfo=UTC) if line else None


def spans_of(files: Mapping[str, Entry]) -> dict[SeriesName, Span]:
    """Opening times of the first and the last bar of each series of a manifest."""
    return {SeriesName.of(key): (one.first, one.last) for key, one in files.items() if one.first and one.last}


def _carry_over(work: _Work, new: Path, due: Mapping[SeriesName, SeriesContent], moves: Mapping[str, int]) -> None:
    """Fill the new folder with all series that are not written anew; places moved are other bytes."""
    kept = sorted(work.files.keys() - {name.key for name in due})
    carry_over(work.folder, new, kept, moves)
    for key in kept:
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


__all__ = ["export_qlib", "qlib_head", "spans_of"]
