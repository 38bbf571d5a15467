"""Columns out of a recorded file: Parquet, Feather or CSV.

What belongs here: reading a file below the folder, numbers and times of its columns, and saying what is wrong with it. What
does not: which columns a bar or a trade has (recordings.py, recorded_trades.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv, feather, parquet

from crypto_assets.errors import CryptoAssetsError

FILE = "recordings.yaml"


class RecordingError(CryptoAssetsError):
    """A folder of recordings that cannot be played."""


def read_file(folder: Path, name: str) -> pa.Table:
    """The table in a file below the folder.

    Raises:
        RecordingError: naming the file.
    """
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
        raise RecordingError(f"Cannot read {name}: {one_line(error)}", way_out="Replace or remove it.") from None
    raise RecordingError(f"{name} is neither Parquet, Feather nor CSV", way_out="Convert it.")


def find_columns(
    table: pa.Table, wanted: Mapping[str, Sequence[str]], mapped: Mapping[str, str], file: str
) -> dict[str, str | None]:
    """The table's column for each one wanted, or None.

    Args:
        wanted: Names that a column may have, by ours, tried in this order.
        mapped: What the listing says instead, by any of those names.

    Raises:
        RecordingError: there is no such column as the listing says, or no row.
    """
    found: dict[str, str | None] = {}
    for name, aliases in wanted.items():
        told = next((mapped[alias] for alias in aliases if alias in mapped), None)
        if told is not None and told not in table.column_names:
            raise RecordingError(f"{file} has no column '{told}' for {name}", way_out=f"Correct it in {FILE}.")
        found[name] = told or next((alias for alias in aliases if alias in table.column_names), None)
    return found


def require_columns(table: pa.Table, found: Mapping[str, str | None], required: Sequence[str], file: str) -> None:
    """Make sure that these columns are there, and a row.

    Raises:
        RecordingError: naming what is missing.
    """
    missing = [name for name in required if found[name] is None]
    if missing:
        raise RecordingError(
            f"{file} has no column for {', '.join(missing)}; it has {', '.join(table.column_names)}",
            way_out=f"Map it in {FILE} under columns.",
        )
    if not table.num_rows:
        raise RecordingError(f"{file} holds no row", way_out="Replace or remove it.")


def numbers(table: pa.Table, column: str | None, file: str) -> NDArray[np.float64]:
    """A column as finite numbers; zeros where there is none.

    Raises:
        RecordingError: naming the column.
    """
    if column is None:
        return np.zeros(table.num_rows)
    try:
        values: NDArray[np.float64] = table[column].cast(pa.float64()).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise RecordingError(f"{file}: column {column}: {one_line(error)}", way_out="Make it all numbers.") from None
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise RecordingError(f"{file}: column {column}: row {row} holds no finite number", way_out="Remove that row.")
    return values


def milliseconds(table: pa.Table, column: str, file: str) -> NDArray[np.int64]:
    """A column of times as epoch milliseconds.

    Raises:
        RecordingError: naming the column.
    """
    try:
        times: NDArray[np.int64] = _epoch(table[column]).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise RecordingError(
            f"{file}: column {column}: {one_line(error)}",
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


def one_line(error: Exception) -> str:
    """What an error says, short."""
    return " ".join(str(error).split())[:200]
