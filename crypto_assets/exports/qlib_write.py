"""Writing a series for Qlib: all its fields, or none.

What belongs here: from rows to the files of a series. What does not: which series (qlib_export.py), and formats
(qlib_files.py).

Fields are made under other names and take their places together once all are there, so a series that Qlib cannot hold keeps
the files that it had. What retention took out of a table since stays in a field as it was: an export may be all that is left
of it, and a bar that was traded is no hole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Table, select

from crypto_assets.exports.place import FileMark
from crypto_assets.exports.qlib_files import Floats, Grid, field_bytes, field_path, fields_mark, on_grid, put
from crypto_assets.exports.qlib_names import NotForQlib, frequency_of, instrument_of
from crypto_assets.exports.qlib_series import SeriesContent, SeriesName, Source, fields_of
from crypto_assets.spans import Span
from crypto_assets.warehouse.read import Reader

_MOST_VALUES = 16_000_000  # read at once: 128 MB of numbers; a series of more is read some columns after the other

type SpansAway = Callable[[Table], Sequence[Span]]


@dataclass(frozen=True)
class Written:
    """What was written of a series.

    Args:
        file: Hash and size of all fields together.
        first: Opening time of the first bar that they hold, UTC.
        last: Of the last.
        absent: Bars in between that they do not hold.
    """

    file: FileMark
    first: datetime
    last: datetime
    absent: int


@dataclass(frozen=True)
class _Field:
    """Values of a field from a place of the calendar on.

    Args:
        kept: How many of them only the older file had.
    """

    place: int
    values: Floats
    kept: int = 0


def write_series(
    reader: Reader,
    sources: Sequence[Source],
    name: SeriesName,
    content: SeriesContent,
    grid: Grid,
    root: Path,
    away: SpansAway | None,
) -> Written:
    """All fields of a series; a file of it that is none of these goes.

    Args:
        sources: Bars first.
        root: The folder; fields that are there lie in this grid.
        away: What retention has taken out of a table. Asked after its rows were read, so that it knows of all that were no
            longer among them. None where older files do not count.

    Raises:
        NotForQlib: a bar is off the grid, or none is left. The files are what they were.
    """
    parts: dict[Path, Path] = {}
    bars: list[_Field] = []
    try:
        for source in sources:
            for path, field in _fields(reader, source, name, content, grid, root, away):
                part = path.with_name(f".{path.name}.part")
                put(root, part, field_bytes(field.place, field.values))
                parts[path] = part
                bars += [field] if source is sources[0] else []
        if not bars:
            raise NotForQlib(
                f"{name.venue} {name.symbol} {name.timeframe} has no bars any more", way_out="Export again."
            )
        for path, part in parts.items():
            part.replace(path)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
    for path in set(fields_of(root, name.key)) - parts.keys():
        path.unlink()
    mark = fields_mark(parts)
    if mark is None:
        raise FileNotFoundError(root / "features" / name.key)
    first, last = min(one.place for one in bars), max(one.place + len(one.values) - 1 for one in bars)
    held = content.rows + max(one.kept for one in bars)
    moments = grid.first + first * grid.length, grid.first + last * grid.length
    return Written(mark, *moments, absent=max(0, last - first + 1 - held))


def _fields(
    reader: Reader,
    source: Source,
    name: SeriesName,
    content: SeriesContent,
    grid: Grid,
    root: Path,
    away: SpansAway | None,
) -> Iterator[tuple[Path, _Field]]:
    """Each field of a table that has a value or a row, with its file."""
    instrument, frequency = instrument_of(name.venue, name.symbol), frequency_of(name.timeframe)
    columns = list(source.fields)
    at_once = max(1, _MOST_VALUES // content.rows)
    for begin in range(0, len(columns), at_once):
        spans = cache(lambda: away(source.table) if away is not None else ())
        for column, stored in _read(reader, source, name, grid, columns[begin : begin + at_once]):
            path = field_path(root, instrument, source.fields[column], frequency)
            older = _older(path) if away is not None else None
            field = _with_older(stored, older, grid, spans) if older else stored
            if field is not None:
                yield path, field


def _read(
    reader: Reader, source: Source, name: SeriesName, grid: Grid, columns: Sequence[str]
) -> Iterator[tuple[str, _Field | None]]:
    """Values of some columns; None where the table has no row of the series."""
    c = source.table.c
    statement = (
        select(c.opened_at, *(c[column] for column in columns))
        .where(c.venue == name.venue, c.symbol == name.symbol, c.timeframe == name.timeframe)
        .order_by(c.opened_at)
    )
    frame = reader.frame(statement)
    # A bar that came after the calendar was drawn up is the next export's: its mark differs.
    frame = frame[(frame["opened_at"] >= grid.first) & (frame["opened_at"] <= grid.last)]
    opened_at = frame["opened_at"].dt.tz_localize(None).to_numpy("datetime64[us]")
    for column in columns:
        values = frame[column].to_numpy("float64", na_value=np.nan)
        yield column, _Field(*on_grid(grid, opened_at, values)) if len(opened_at) else None


def _older(path: Path) -> _Field | None:
    """The field that is there."""
    if not path.exists():
        return None
    whole = np.fromfile(path, dtype="<f4")
    is_field = len(whole) > 1 and np.isfinite(whole[0])
    return _Field(int(whole[0]), whole[1:]) if is_field else None


def _with_older(stored: _Field | None, older: _Field, grid: Grid, away: Callable[[], Sequence[Span]]) -> _Field | None:
    """What is stored, and of an older field the values that retention has taken out of the table since."""
    lost = np.isfinite(older.values)
    places = older.place + np.arange(len(older.values))
    if stored is not None:
        is_within = (places >= stored.place) & (places < stored.place + len(stored.values))
        lost[is_within] &= np.isnan(stored.values[places[is_within] - stored.place])
    if not lost.any():
        return stored
    lost &= _within(places, grid, away())
    if not lost.any():
        return stored
    kept, values = places[lost], older.values[lost]
    first, last = int(kept[0]), int(kept[-1])
    if stored is not None:
        first, last = min(first, stored.place), max(last, stored.place + len(stored.values) - 1)
    joined = np.full(last - first + 1, np.nan, dtype="<f4")
    if stored is not None:
        joined[stored.place - first : stored.place - first + len(stored.values)] = stored.values
    joined[kept - first] = values
    return _Field(first, joined, len(kept))


def _within(places: NDArray[np.int64], grid: Grid, spans: Sequence[Span]) -> NDArray[np.bool_]:
    """Which places open in one of the spans."""
    found = np.zeros(len(places), dtype=bool)
    for start, end in spans:
        # The first place at or after a moment, whether or not a bar opens then.
        begin, stop = (-((grid.first - moment) // grid.length) for moment in (start, end))
        found |= (places >= begin) & (places < stop)
    return found


__all__ = ["SpansAway", "Written", "write_series"]
