"""Playback of recorded trades.

What belongs here: reading and checking a file of trades. What does not: the folder's listing and the clock (recordings.py).

A file holds one market's trades in the order in which they happened: traded_at (UTC), price, amount, side (buy or sell, of
the taker) and, where the venue has one, id, a whole number that ascends. Where there is none, trades are numbered from 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from crypto_assets.sandbox.recording_files import (
    RecordingError,
    find_columns,
    milliseconds,
    numbers,
    one_line,
    read_file,
    require_columns,
)
from crypto_assets.sandbox.trades import TradeColumns
from crypto_assets.universe import Symbol, VenueName

NAMES: Mapping[str, Sequence[str]] = {
    "traded_at": ("traded_at", "timestamp"),
    "id": ("id", "trade_id"),
    "price": ("price",),
    "amount": ("amount", "qty"),
    "side": ("side",),
}


class TradeEntry(BaseModel):
    """One file of trades in recordings.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    venue: VenueName
    symbol: Symbol
    file: str
    columns: dict[str, str] = Field(default_factory=dict)


def read_trades(folder: Path, entry: TradeEntry) -> TradeColumns:
    """All trades of a file.

    Raises:
        RecordingError: naming the file and the column.
    """
    table, file = read_file(folder, entry.file), entry.file
    names = find_columns(table, NAMES, entry.columns, file)
    require_columns(table, names, ("traded_at", "price", "amount", "side"), file)
    ids, times = _ids(table, names["id"], file), milliseconds(table, str(names["traded_at"]), file)
    if (np.diff(ids) <= 0).any() or (np.diff(times) < 0).any():
        raise RecordingError(
            f"{file}: trades do not ascend", way_out="Sort it by time and id and remove what stands twice."
        )
    price, amount = (numbers(table, names[name], file) for name in ("price", "amount"))
    return TradeColumns(ids, times, price, amount, _is_buy(table, str(names["side"]), file))


def _ids(table: pa.Table, column: str | None, file: str) -> NDArray[np.int64]:
    if column is None:
        return np.arange(1, table.num_rows + 1, dtype=np.int64)
    if table[column].null_count:
        raise RecordingError(f"{file}: column {column}: a row has no id", way_out="Remove that row.")
    try:
        ids: NDArray[np.int64] = table[column].cast(pa.int64()).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise RecordingError(
            f"{file}: column {column}: {one_line(error)}",
            way_out="Make each id a whole number, or leave the column out.",
        ) from None
    return ids


def _is_buy(table: pa.Table, column: str, file: str) -> NDArray[np.bool_]:
    try:
        sides: NDArray[np.object_] = pc.utf8_lower(table[column].cast(pa.string())).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise RecordingError(f"{file}: column {column}: {one_line(error)}", way_out="Write buy or sell.") from None
    bought = np.asarray(sides == "buy", dtype=np.bool_)
    unknown = np.flatnonzero(~bought & (sides != "sell"))
    if len(unknown):
        raise RecordingError(
            f"{file}: column {column}: row {int(unknown[0])} is neither buy nor sell", way_out="Write buy or sell."
        )
    return bought
