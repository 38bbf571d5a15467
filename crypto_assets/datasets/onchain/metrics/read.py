"""Reading chains' metrics as they were known: one value at a moment, or all steps of what was known for features.

What belongs here: choosing the version and the day that counted. What does not: collecting, and what features make of it.

A value that was corrected was not known before its correction came: until then the former one counts, from audit.revisions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import CompoundSelect, Date, DateTime, Double, cast, select, union_all

from crypto_assets.datasets.onchain.metrics.table import metrics
from crypto_assets.schema.bookkeeping import revisions
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import Reader, reading

LOOK_BACK = timedelta(days=14)  # so much older than the first moment a step may be that still counts there


@dataclass(frozen=True)
class Known:
    """What was known of a metric at a moment: the newest day's value."""

    value: float
    unit: str
    observed_on: date
    known_at: datetime
    source: str


@dataclass(frozen=True)
class Steps:
    """What was known of one metric, and since when: each value counts until the next one is known.

    Args:
        known_at: datetime64[us], UTC, ascending.
        value: float64.
        observed_on: datetime64[D]; it never falls, since a correction of an old day is no news of the newest.
    """

    known_at: NDArray[np.datetime64]
    value: NDArray[np.float64]
    observed_on: NDArray[np.datetime64]


def metrics_as_of(warehouse: Warehouse, asset: str, metric: str, at: datetime) -> Known | None:
    """The newest day's value that was known at a moment, as it was known then; None where nothing was.

    Args:
        at: A moment with its zone.

    Raises:
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    there = _versions([asset], [metric]).subquery("versions")
    c = there.c
    chosen = select(c.value, c.unit, c.observed_on, c.known_at, c.source).where(c.known_at <= at)
    with reading(warehouse) as reader:
        rows = reader.frame(chosen.order_by(c.observed_on.desc(), c.known_at.desc()).limit(1)).to_dict("records")
    if not rows:
        return None
    row = rows[0]
    moment, day = row["known_at"].to_pydatetime(), row["observed_on"].date()
    return Known(float(row["value"]), row["unit"], day, moment, row["source"])


def read_metrics(
    reader: Reader, assets: Sequence[str], names: Sequence[str], start: datetime, end: datetime
) -> Mapping[tuple[str, str], Steps]:
    """What was known in [start, end) of each asset and metric, with the step that counted at its beginning.

    A step reaches no further than two weeks back: what is older counts for nothing.

    Args:
        names: Metrics, as active_addresses.

    Raises:
        ReadFailed: as for `read_frame`.
    """
    there = _versions(assets, names).subquery("versions")
    c = there.c
    chosen = select(c.asset, c.metric, c.known_at, c.value, c.observed_on)
    chosen = chosen.where(c.known_at < end, c.known_at >= start - LOOK_BACK)
    rows = reader.arrow(chosen.order_by(c.asset, c.metric, c.known_at, c.observed_on))
    keys = np.array(list(zip(rows["asset"].to_pylist(), rows["metric"].to_pylist(), strict=True)), dtype=object)
    known_at = rows["known_at"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy().view("datetime64[us]")
    value, observed = rows["value"].to_numpy(), rows["observed_on"].to_numpy().astype("datetime64[D]")
    series = sorted({tuple(key) for key in keys.tolist()})
    found = {}
    for asset, metric in series:
        is_own = (keys[:, 0] == asset) & (keys[:, 1] == metric)
        found[asset, metric] = newest_steps(known_at[is_own], value[is_own], observed[is_own])
    return found


def newest_steps(
    known_at: NDArray[np.datetime64], value: NDArray[np.float64], observed_on: NDArray[np.datetime64]
) -> Steps:
    """Without the versions of days that were not the newest any more when they became known. Pure.

    Args:
        known_at: Ascending; of several at once the days ascend.
    """
    days = observed_on.astype(np.int64)
    is_newest = days >= np.maximum.accumulate(days) if len(days) else np.zeros(0, dtype=bool)
    return Steps(known_at[is_newest], value[is_newest], observed_on[is_newest])


def _versions(assets: Sequence[str], names: Sequence[str]) -> CompoundSelect[*tuple[object, ...]]:
    """All versions of the series' rows: those that stand, and those that were superseded."""
    c, old = metrics.c, revisions.c.old_row
    current = select(c.asset, c.metric, c.observed_on, c.value, c.unit, c.known_at, c.source).where(
        c.asset.in_(assets), c.metric.in_(names)
    )
    superseded = select(
        old["asset"].astext,
        old["metric"].astext,
        cast(old["observed_on"].astext, Date()),
        cast(old["value"].astext, Double()),
        old["unit"].astext,
        cast(old["known_at"].astext, DateTime(timezone=True)),
        old["source"].astext,
    ).where(
        revisions.c.table_name == metrics.fullname,
        old["asset"].astext.in_(assets),
        old["metric"].astext.in_(names),
    )
    return union_all(current, superseded)


__all__ = ["Known", "Steps", "metrics_as_of", "newest_steps", "read_metrics"]
