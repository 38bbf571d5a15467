"""Playback of recorded bars: a folder's recordings.yaml and the files that it names.

What belongs here: reading and checking the folder, and serving exactly what the files hold. What does not: a venue's format.

recordings.yaml holds `bars:`, a list of {venue, symbol, timeframe, file, columns}. Files are Parquet, Feather or CSV (also
.csv.gz); times are UTC; `columns.opened_at` names the column of opening times, and open, high, low, close, volume,
volume_quote and trade_count may be mapped likewise. The clock of a series stands in the middle of its last bar, so that
one is the bar still open. What a file does not hold, quote volume or trade count, is written as 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import yaml
from numpy.typing import NDArray
from pyarrow import csv, feather, parquet
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.sandbox.bars import COLUMNS, NO_BARS, BarColumns, aggregate
from crypto_assets.universe import Symbol, Timeframe, VenueName, timeframe_ms

FILE = "recordings.yaml"
# Names under which recordings keep what we call otherwise, tried in this order.
ALIASES: Mapping[str, tuple[str, ...]] = {
    "volume_base": ("volume_base", "volume"),
    "volume_quote": ("volume_quote", "quote_volume"),
    "trade_count": ("trade_count", "trades"),
}


class RecordingError(CryptoAssetsError):
    """A folder of recordings that cannot be played."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    venue: VenueName
    symbol: Symbol
    timeframe: Timeframe
    file: str
    columns: dict[str, str] = Field(default_factory=dict)


class _Listing(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    bars: list[_Entry] = Field(min_length=1)


@dataclass(frozen=True)
class RecordedSeries:
    """What a recording holds: one market at one length of bar. Times are UTC."""

    venue: str
    symbol: str
    timeframe: str
    first_opened_at: datetime
    last_opened_at: datetime
    rows: int


class Recordings:
    """All series of a folder, read on first use.

    Raises:
        RecordingError: from the constructor's caller on: the folder or a file in it cannot be played.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._entries = _by_series(_read_listing(folder))
        self._read: dict[tuple[str, str, str], BarColumns] = {}

    def series(self) -> list[RecordedSeries]:
        """What the folder holds, in the order of recordings.yaml."""
        listed = []
        for key in self._entries:
            times = self._columns(key).opened_at_ms
            first, last = (datetime.fromtimestamp(int(at) / 1000, UTC) for at in (times[0], times[-1]))
            listed.append(RecordedSeries(*key, first, last, len(times)))
        return listed

    def symbols(self, venue: str) -> Sequence[str]:
        """Unified symbols recorded of the venue."""
        return sorted({symbol for there, symbol, _ in self._entries if there == venue})

    def now_ms(self, venue: str, symbol: str | None) -> int:
        """The middle of the market's last bar; without a market, the latest of the venue."""
        moments = [
            int(self._columns(key).opened_at_ms[-1]) + timeframe_ms(key[2]) // 2
            for key in self._entries
            if key[0] == venue and symbol in {None, key[1]}
        ]
        return max(moments) if moments else int(datetime.now(UTC).timestamp() * 1000)

    def listed_ms(self, venue: str, symbol: str) -> int:
        """When the market's first recorded bar opens."""
        return min(int(self._columns(key).opened_at_ms[0]) for key in self._entries if key[:2] == (venue, symbol))

    def bars(self, venue: str, symbol: str, length_ms: int, start_ms: int, end_ms: int) -> BarColumns:
        """The recorded bars that open in [start, end); a coarser length is made from the finest that fits into it."""
        lengths = sorted((timeframe_ms(key[2]), key) for key in self._entries if key[:2] == (venue, symbol))
        exact = [key for length, key in lengths if length == length_ms]
        finer = [key for length, key in lengths if length < length_ms and length_ms % length == 0]
        if not exact and not finer:
            return NO_BARS
        columns = self._columns((exact or finer)[0])
        first = start_ms if exact else start_ms - start_ms % length_ms
        last = end_ms if exact else end_ms - end_ms % length_ms + length_ms
        low, high = np.searchsorted(columns.opened_at_ms, (first, last))
        found = columns.take(slice(int(low), int(high)))
        if exact:
            return found
        coarse = aggregate(found, length_ms)
        return coarse.take((coarse.opened_at_ms >= start_ms) & (coarse.opened_at_ms < end_ms))

    def _columns(self, key: tuple[str, str, str]) -> BarColumns:
        if key not in self._read:
            self._read[key] = _read_bars(self._folder, self._entries[key])
        return self._read[key]


def list_series(folder: Path) -> list[RecordedSeries]:
    """What a folder of recordings holds.

    Raises:
        RecordingError: naming the file and the key that cannot be used.
    """
    return Recordings(folder).series()


def _by_series(entries: Sequence[_Entry]) -> dict[tuple[str, str, str], _Entry]:
    found: dict[tuple[str, str, str], _Entry] = {}
    for number, one in enumerate(entries):
        key = (one.venue, one.symbol, one.timeframe)
        if key in found:
            raise RecordingError(
                f"{FILE}: bars.{number}: {' '.join(key)} stands twice: {found[key].file} and {one.file}",
                way_out="Remove one of the two.",
            )
        found[key] = one
    return found


def _read_listing(folder: Path) -> list[_Entry]:
    path = folder / FILE
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return _Listing.model_validate(content if isinstance(content, dict) else {}).bars
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(
            f"Cannot read {path.name} in {folder.name}: {error}", way_out="Name a folder that holds one."
        ) from None
    except yaml.YAMLError as error:
        raise RecordingError(f"{FILE} is no YAML: {_one_line(error)}", way_out="Correct it.") from None
    except ValidationError as error:
        issue = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in issue["loc"]) or FILE
        raise RecordingError(f"{FILE}: {key}: {issue['msg']}", way_out="Correct that entry.") from None


def _read_bars(folder: Path, entry: _Entry) -> BarColumns:
    table = _read_file(folder, entry.file)
    names = {name: _column_name(table, name, entry) for name in ("opened_at", *COLUMNS)}
    missing = [name for name in ("opened_at", *COLUMNS[:5]) if names[name] is None]
    if missing:
        raise RecordingError(
            f"{entry.file} has no column for {', '.join(missing)}; it has {', '.join(table.column_names)}",
            way_out=f"Map it in {FILE} under columns.",
        )
    if not table.num_rows:
        raise RecordingError(f"{entry.file} holds no row", way_out="Replace or remove it.")
    times = _milliseconds(table, str(names["opened_at"]), entry)
    if (np.diff(times) <= 0).any():
        raise RecordingError(
            f"{entry.file}: opening times do not ascend", way_out="Sort it and remove what stands twice."
        )
    return BarColumns(times, {name: _numbers(table, names[name], entry) for name in COLUMNS})


def _read_file(folder: Path, name: str) -> pa.Table:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise RecordingError(f"{name} leads out of the folder", way_out="Name files below the folder.")
    try:
        if path.suffix == ".parquet":
            return parquet.read_table(path)
        if path.suffix == ".feather":
            return feather.read_table(path)
        if path.name.endswith((".csv", ".csv.gz")):
            return csv.read_csv(path)
    except (OSError, ValueError) as error:  # Arrow's own errors are both
        raise RecordingError(f"Cannot read {name}: {_one_line(error)}", way_out="Replace or remove it.") from None
    raise RecordingError(f"{name} is neither Parquet, Feather nor CSV", way_out="Convert it.")


def _column_name(table: pa.Table, name: str, entry: _Entry) -> str | None:
    mapped = entry.columns.get(name) or entry.columns.get(name.removesuffix("_base"))
    if mapped is not None:
        if mapped not in table.column_names:
            raise RecordingError(f"{entry.file} has no column '{mapped}' for {name}", way_out=f"Correct it in {FILE}.")
        return mapped
    return next((alias for alias in ALIASES.get(name, (name,)) if alias in table.column_names), None)


def _numbers(table: pa.Table, column: str | None, entry: _Entry) -> NDArray[np.float64]:
    if column is None:
        return np.zeros(table.num_rows)
    try:
        numbers: NDArray[np.float64] = table[column].cast(pa.float64()).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise RecordingError(
            f"{entry.file}: column {column}: {_one_line(error)}", way_out="Make it all numbers."
        ) from None
    if not np.isfinite(numbers).all():
        row = int(np.flatnonzero(~np.isfinite(numbers))[0])
        raise RecordingError(
            f"{entry.file}: column {column}: row {row} holds no finite number", way_out="Remove that row."
        )
    return numbers


def _milliseconds(table: pa.Table, column: str, entry: _Entry) -> NDArray[np.int64]:
    try:
        times: NDArray[np.int64] = _epoch(table[column]).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise RecordingError(
            f"{entry.file}: column {column}: {_one_line(error)}",
            way_out="Write each time as ISO 8601, or as epoch seconds or milliseconds.",
        ) from None
    return times if times[-1] > 10**11 else times * 1000  # seconds, where that would be 1973


def _epoch(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times as whole numbers: milliseconds, or what stood there if those were numbers."""
    if column.null_count:
        raise pa.ArrowInvalid("a row has no time")
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        has_zone = str(column[0]).endswith("Z") or "+" in str(column[0])
        column = column.cast(pa.timestamp("ms", "UTC" if has_zone else None))
    if pa.types.is_temporal(column.type):
        column = column.cast(pa.timestamp("ms", getattr(column.type, "tz", None)))
    return column.cast(pa.int64())


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
