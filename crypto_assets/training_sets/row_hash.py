"""The hash of a training set's rows: equal for equal rows, however files are cut and compressed.

What belongs here: the hash and what it is taken over. What does not: the hashes of files (place.py).

It is a SHA-256 in the order of keys, so that anybody can compute it from the Parquet files:

- of each market over its rows in order of time; a row is the rebuilt columns but venue, symbol and timeframe, in the set's
  order, side by side: times as whole microseconds since 1970 (int64, null is the least int64), numbers as float32 or float64
  (null is the quiet NaN of numpy, minus zero is zero), all little-endian;
- of the set over the columns' names, joined by commas, and then of each market, by venue and symbol, the line
  "venue|symbol|timeframe|rows|hash".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from crypto_assets.quality.coverage import SeriesKey
from crypto_assets.training_sets.columns import HASHED, Kind, SetColumn

ORDER = "by venue, symbol and opening time"
_AT_ONCE = 65_536  # rows laid side by side at a time: 32 MB of a hundred columns


@dataclass
class _Market:
    """What has been added of one market."""

    told: hashlib._Hash = field(default_factory=hashlib.sha256)
    rows: int = 0


class RowHash:
    """Adds up pieces; a market's must come in order of time.

    Args:
        columns: Of the set.
    """

    def __init__(self, columns: Sequence[SetColumn]) -> None:
        self._columns = [one for one in columns if one.is_rebuilt and one.kind is not Kind.TEXT]
        self._row = np.dtype([(one.name, HASHED[one.kind]) for one in self._columns])
        self._markets: dict[SeriesKey, _Market] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that it is taken over."""
        return tuple(one.name for one in self._columns)

    def add(self, key: SeriesKey, values: Mapping[str, NDArray[np.generic]]) -> None:
        """Rows of a market that come after all its others."""
        market = self._markets.setdefault(key, _Market())
        count = len(values["opened_at"])
        market.rows += count
        for start in range(0, count, _AT_ONCE):
            laid = np.empty(min(_AT_ONCE, count - start), dtype=self._row)
            for one in self._columns:
                laid[one.name] = _plain(values[one.name][start : start + _AT_ONCE])
            market.told.update(laid.tobytes())

    def markets(self) -> dict[SeriesKey, str]:
        """Of each market, by venue and symbol."""
        return {key: self._markets[key].told.hexdigest() for key in sorted(self._markets, key=_order)}

    def whole(self) -> str:
        """Of the set."""
        told = hashlib.sha256(f"{','.join(self.names)}\n".encode())
        for key, digest in self.markets().items():
            rows = self._markets[key].rows
            told.update(f"{key.venue}|{key.symbol}|{key.timeframe}|{rows}|{digest}\n".encode())
        return told.hexdigest()


def _order(key: SeriesKey) -> tuple[str, str]:
    return key.venue, key.symbol


def _plain(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """One form for what is equal."""
    if values.dtype.kind == "M":
        return values.astype("datetime64[us]").view(np.int64)
    nan, zero = values.dtype.type(np.nan), values.dtype.type(0)
    cleaned: NDArray[np.generic] = np.where(np.isnan(values), nan, values + zero)  # type: ignore[operator]
    return cleaned


__all__ = ["ORDER", "RowHash"]
