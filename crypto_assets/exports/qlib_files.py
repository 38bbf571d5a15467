"""Qlib's files: calendars, lists of instruments, and a field of an instrument as numbers.

What belongs here: the formats, and whole files of them. What does not: which rows (qlib_export.py) and names (qlib_names.py).

Source of the formats: pyqlib 0.9.7, data/storage/file_storage.py. A calendar is a text of moments, one a line. A list has
an instrument, its first and its last moment in a line, separated by tabs. A field is little-endian float32: the place of
its first value in the calendar, then a value for each moment from there on, NaN where nothing is known. All moments are UTC
without saying so, which is how Qlib has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crypto_assets.exports.place import FileMark, PlaceUnusable
from crypto_assets.exports.qlib_names import NotForQlib, frequency_of
from crypto_assets.spans import Span
from crypto_assets.universe import TIMEFRAME_LENGTH

type Floats = NDArray[np.float32]

_LAST_PLACE = 2**24  # a place is kept as float32, which counts exactly up to here: 31 years of minutes


@dataclass(frozen=True)
class Grid:
    """A calendar: every moment from the first bar of any market to the last, one a length.

    Args:
        timeframe: Length of its bars.
        first: Opening time of the first, UTC.
        last: Opening time of the last.
    """

    timeframe: str
    first: datetime
    last: datetime

    @property
    def length(self) -> timedelta:
        """Of a bar."""
        return TIMEFRAME_LENGTH[self.timeframe]

    @property
    def size(self) -> int:
        """How many moments."""
        return (self.last - self.first) // self.length + 1

    def place(self, moment: datetime) -> int:
        """Of a bar that opens then.

        Raises:
            NotForQlib: no bar of the grid opens then, or it lies further than a place can say.
        """
        place, rest = divmod(moment - self.first, self.length)
        if rest or not 0 <= place <= _LAST_PLACE:
            raise NotForQlib(
                f"A bar of {self.timeframe} at {moment:%Y-%m-%d %H:%M:%S} has no place in the calendar from"
                f" {self.first:%Y-%m-%d %H:%M}",
                way_out="`crypto-assets quality` tells of bars off their grid; leave that market or timeframe out.",
            )
        return place

    def text(self) -> bytes:
        """The calendar's file."""
        moments = _wall(self.first) + np.arange(self.size) * np.timedelta64(self.length // timedelta(seconds=1), "s")
        is_days = frequency_of(self.timeframe) == "day"
        told = np.datetime_as_string(moments, unit="D" if is_days else "s")
        return ("\n".join(told.tolist()).replace("T", " ") + "\n").encode()


def on_grid(grid: Grid, opened_at: NDArray[np.datetime64], values: NDArray[np.float64]) -> tuple[int, Floats]:
    """The values of a series as a field has them: from its first bar to its last, NaN where there is no bar. Pure.

    Args:
        opened_at: Of each value, ascending, at least one.

    Returns:
        The place of the first, and the values.

    Raises:
        NotForQlib: a bar is off the grid.
    """
    places = _places(grid, opened_at)
    grid.place(opened_at[-1].item().replace(tzinfo=grid.first.tzinfo))
    field = np.full(int(places[-1] - places[0]) + 1, np.nan, dtype="<f4")
    field[places - places[0]] = values
    return int(places[0]), field


def field_bytes(place: int, values: Floats) -> bytes:
    """A field's file."""
    return np.hstack([[np.float32(place)], values]).astype("<f4").tobytes()


def moved_field(content: bytes, by: int) -> bytes:
    """The same field in a calendar that begins so many moments earlier."""
    values = np.frombuffer(content, dtype="<f4").copy()
    values[0] += by
    return values.tobytes()


def list_text(periods: Mapping[str, Sequence[Span]]) -> bytes:
    """The list of instruments: a line a period in which it was traded, first and last moment included."""
    lines = [
        f"{instrument}\t{first:%Y-%m-%d %H:%M:%S}\t{last:%Y-%m-%d %H:%M:%S}\n"
        for instrument, spans in sorted(periods.items())
        for first, last in spans
    ]
    return "".join(lines).encode()


def field_path(root: Path, instrument: str, name: str, frequency: str) -> Path:
    """Where Qlib looks for a field."""
    return root / "features" / instrument.lower() / f"{name.lower()}.{frequency}.bin"


def fields_mark(paths: Iterable[Path]) -> FileMark | None:
    """One hash over fields, in the order of their names, and their size together; None where there is none."""
    digest, size = sha256(), 0
    for path in sorted(paths):
        content = path.read_bytes()
        digest.update(path.name.encode() + b"\0" + content)
        size += len(content)
    return FileMark(digest.hexdigest(), size) if size else None


def put(root: Path, path: Path, content: bytes) -> None:
    """A whole file in its place below a folder, or the older one.

    Raises:
        PlaceUnusable: a symbolic link leads out of the folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.parent.resolve().is_relative_to(root.resolve()):
        raise PlaceUnusable(f"{path.parent} leads out of the folder {root}", way_out="Remove the symbolic link.")
    part = path.with_name(f".{path.name}.part")  # nobody else writes: the export holds a lease
    try:
        with part.open("wb") as file:
            file.write(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _places(grid: Grid, opened_at: NDArray[np.datetime64]) -> NDArray[np.int64]:
    step = np.timedelta64(grid.length // timedelta(microseconds=1), "us")
    places, rest = np.divmod(opened_at.astype("datetime64[us]") - _wall(grid.first), step)
    wrong = np.flatnonzero(rest.astype("int64"))
    if len(wrong):
        grid.place(opened_at[wrong[0]].item().replace(tzinfo=grid.first.tzinfo))
    return places.astype("int64")


def _wall(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.replace(tzinfo=None), "us")


__all__ = [
    "Floats", "Grid", "field_bytes", "field_path", "fields_mark", "list_text", "moved_field", "on_grid", "put",
]  # fmt: skip
