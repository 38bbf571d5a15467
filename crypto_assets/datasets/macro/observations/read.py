"""Economic series as they were known at a moment, and their vintages in bulk for features.

What belongs here: reading macro.observations for use. What does not: collecting.

A row holds from `known_at` on, until a later vintage of its period is known. One that ended, while what came after it is not
stored, holds no longer: no value is better than an old one that is known to be wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from crypto_assets.datasets.macro.observations.known import release_moments
from crypto_assets.datasets.macro.observations.table import observations
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import Reader, read_frame, reading

_C = observations.c


@dataclass(frozen=True)
class VintageArrays:
    """Vintages in the order in which they became known; arrays of equal length.

    Args:
        series_ids: The names that were asked for.
        series: int32; place of a vintage's series in `series_ids`.
        period_on: datetime64[D], the period's first day.
        known_at: datetime64[us], UTC.
        value: float64; NaN where the provider says that there is none.
    """

    series_ids: Sequence[str]
    series: NDArray[np.int32]
    period_on: NDArray[np.datetime64]
    known_at: NDArray[np.datetime64]
    value: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.known_at)

    def of(self, series_id: str) -> VintageArrays:
        """Those of one series."""
        mask = self.series == list(self.series_ids).index(series_id)
        return VintageArrays(
            self.series_ids, self.series[mask], self.period_on[mask], self.known_at[mask], self.value[mask]
        )


def macro_as_of(warehouse: Warehouse, series: Sequence[str], at: datetime) -> pd.DataFrame:
    """The value of each period as it was known at a moment.

    Args:
        series: Names of series.
        at: With its zone; what became known at this very moment is known.

    Returns:
        A row a period, in the order of series and period: series_id, period_on (datetime64[ms]), value (NaN for none),
        realtime_start (datetime64[ms]), known_at (UTC), unit, frequency.

    Raises:
        ValueError: a moment without its zone.
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    newest = (
        select(
            _C.series_id, _C.period_on, _C.value, _C.realtime_start, _C.realtime_end, _C.known_at, _C.unit, _C.frequency
        )
        .where(_C.series_id.in_(list(series)), _C.known_at <= _aware(at))
        .ext(distinct_on(_C.series_id, _C.period_on))
        .order_by(_C.series_id, _C.period_on, _C.realtime_start.desc())
    )
    rows = read_frame(warehouse, newest)
    ended = rows["realtime_end"].to_numpy().astype("datetime64[D]")
    # Whatever came after the last day was known by the end of the next one.
    replaced = np.full(len(rows), np.datetime64("NaT"), dtype="datetime64[us]")
    has_ended = ~np.isnat(ended)
    replaced[has_ended] = release_moments(ended[has_ended] + np.timedelta64(1, "D"))
    holds = ~(has_ended & (replaced <= _wall(at)))
    held: pd.DataFrame = rows.loc[holds].drop(columns="realtime_end")
    return held.reset_index(drop=True)


def latest_as_of(warehouse: Warehouse, series: Sequence[str], at: datetime) -> pd.DataFrame:
    """For each series the newest period that had a value at a moment, as it was known then.

    Returns:
        A row a series of which anything was known, in the order of their names; columns as of `macro_as_of`.

    Raises:
        ValueError, DatabaseUnreachable, NotMigrated, ReadFailed: as for `macro_as_of`.
    """
    rows = macro_as_of(warehouse, series, at)
    newest: pd.DataFrame = rows[rows["value"].notna()].groupby("series_id", sort=True).tail(1)
    return newest.reset_index(drop=True)


def read_vintages(
    source: Warehouse | Reader, series_ids: Sequence[str], start: datetime, end: datetime
) -> VintageArrays:
    """The vintages of series that became known from `start` to `end`, both included; none that was known later.

    Args:
        source: Open connections, or the warehouse.
        series_ids: Names, each once.

    Returns:
        In the order of known_at, then of series, period and vintage: of one moment's vintages of a period the last one holds.

    Raises:
        ValueError: a moment without its zone.
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    if isinstance(source, Warehouse):
        with reading(source) as reader:
            return read_vintages(reader, series_ids, start, end)
    chosen = (
        select(_C.series_id, _C.period_on, _C.known_at, _C.value)
        .where(_C.series_id.in_(list(series_ids)), _C.known_at >= _aware(start), _C.known_at <= _aware(end))
        .order_by(_C.known_at, _C.series_id, _C.period_on, _C.realtime_start)
    )
    rows = source.arrow(chosen)
    places = pa.compute.index_in(rows["series_id"].cast(pa.string()), value_set=pa.array(list(series_ids), pa.string()))
    return VintageArrays(
        tuple(series_ids),
        places.to_numpy().astype(np.int32),
        rows["period_on"].cast(pa.date32()).to_numpy().astype("datetime64[D]"),
        rows["known_at"].cast(pa.timestamp("us")).to_numpy().astype("datetime64[us]"),
        rows["value"].to_numpy().astype(np.float64),
    )


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError(f"expected a moment with its zone, and got {at.isoformat()}")
    return at


def _wall(at: datetime) -> np.datetime64:
    return np.datetime64(_aware(at).astimezone(UTC).replace(tzinfo=None), "us")


__all__ = ["VintageArrays", "latest_as_of", "macro_as_of", "read_vintages"]
