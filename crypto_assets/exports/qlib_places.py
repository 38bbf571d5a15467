"""Where in its calendar each series of a Qlib folder lies, and by how much it has to move.

What belongs here: calendars of what is stored and what is there, and places of fields. What does not: moving files
(qlib_folder.py) and writing them (qlib_write.py).

A field says at which place of the calendar it begins, and the manifest at which moment; so a field of another calendar
than the one that is there is known. One comes about where an export is ended before it has written the first calendar.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from crypto_assets.exports.manifest import Entry
from crypto_assets.exports.qlib_files import Grid, fields_mark
from crypto_assets.exports.qlib_names import frequency_of
from crypto_assets.exports.qlib_series import BAR_FIELDS, SeriesName, fields_of
from crypto_assets.spans import Span
from crypto_assets.universe import TIMEFRAME_LENGTH

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Moves:
    """What has to move so that the fields that are there lie in calendars to come.

    Args:
        by: Places by which a series' fields move, by its key; 0 for one that stays.
        astray: Series that lie elsewhere than their calendar and the manifest say.
        unknown: Of those the ones that are in no calendar and are not what the manifest says: nobody knows their moments.
        is_anew: Whether the folder has to be made anew, for something moves or a calendar begins earlier.
    """

    by: Mapping[str, int]
    astray: AbstractSet[str]
    unknown: AbstractSet[str]
    is_anew: bool


def grids_of(folder: Path, spans: Sequence[tuple[SeriesName, Span]]) -> dict[str, Grid]:
    """The calendar of each length of bar: none begins later or ends earlier than before, for what is gone stays.

    Args:
        spans: Of all series: opening times of the first and the last bar, stored now or in the folder.
    """
    grids: dict[str, Grid] = {}
    for timeframe in sorted({name.timeframe for name, _ in spans}):
        here = [span for name, span in spans if name.timeframe == timeframe]
        first, last = min(span[0] for span in here), max(span[1] for span in here)
        # A bar off the grid is refused, and takes no other along.
        first -= (first - _EPOCH) % TIMEFRAME_LENGTH[timeframe]
        before = first_of_calendar(folder, timeframe)
        grids[timeframe] = Grid(timeframe, min(first, before or first), last)
    return grids


def moves_of(folder: Path, files: Mapping[str, Entry], grids: Mapping[str, Grid]) -> Moves:
    """By how much each series of a manifest has to move.

    A series moves as its calendar does. One that is astray moves to its first moment where its fields are still what the
    manifest says, so that the moment is theirs.
    """
    before = {timeframe: first_of_calendar(folder, timeframe) for timeframe in grids}
    by: dict[str, int] = {}
    astray, unknown = set(), set()
    for key, entry in files.items():
        timeframe = SeriesName.of(key).timeframe
        if timeframe not in grids:
            continue
        grid, first = grids[timeframe], before[timeframe]
        by[key] = grid.place(first) if first else 0
        begins = _first_place(folder, key)
        if begins is None or entry.first is None or grid.place(entry.first) - begins == by[key]:
            continue
        astray.add(key)
        if fields_mark(fields_of(folder, key)) == entry.file:
            by[key] = grid.place(entry.first) - begins
        elif first is None:
            unknown.add(key)
    is_earlier = any(first is not None and grids[timeframe].first < first for timeframe, first in before.items())
    return Moves(by, astray, unknown, is_earlier or any(by.values()))


def first_of_calendar(folder: Path, timeframe: str) -> datetime | None:
    """The first moment of the calendar that is there, UTC; None where there is none."""
    path = folder / "calendars" / f"{frequency_of(timeframe)}.txt"
    if not path.exists():
        return None
    with path.open(encoding="ascii") as file:
        line = file.readline().strip()
    return datetime.fromisoformat(line).replace(tzinfo=UTC) if line else None


def spans_of(files: Mapping[str, Entry]) -> dict[SeriesName, Span]:
    """Opening times of the first and the last bar of each series of a manifest."""
    return {SeriesName.of(key): (one.first, one.last) for key, one in files.items() if one.first and one.last}


def _first_place(folder: Path, key: str) -> int | None:
    """The place at which a series' bars begin; None where no file says so."""
    bars, found = frozenset(BAR_FIELDS.values()), []
    for path in fields_of(folder, key):
        if path.name.partition(".")[0] in bars:
            first = np.fromfile(path, dtype="<f4", count=1)
            found += [int(place) for place in first if np.isfinite(place)]
    return min(found, default=None)


__all__ = ["Moves", "first_of_calendar", "grids_of", "moves_of", "spans_of"]
