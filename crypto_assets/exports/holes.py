"""Absent bars of each partition by state of the gap ledger, so that files of bars say how complete they are.

What belongs here: counting. What does not: the ledger itself (quality/coverage.py), which is exported beside the bars.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import case, column, extract, func, select, values
from sqlalchemy.dialects.postgresql import TIMESTAMP

from crypto_assets.exports.catalog import Exported
from crypto_assets.exports.contents import Partition
from crypto_assets.exports.selection import Selection
from crypto_assets.quality.gaps import State
from crypto_assets.schema.bookkeeping import coverage
from crypto_assets.universe import TIMEFRAME_LENGTH
from crypto_assets.warehouse.read import Reader


def holes(
    reader: Reader, one: Exported, selection: Selection, partitions: Iterable[Partition]
) -> Mapping[Partition, dict[str, int]]:
    """How many bars are absent from each partition, by state; a partition without a hole is left out.

    Raises:
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    spans = sorted({span for partition in partitions if (span := partition.span(one.cut)) is not None})
    if not spans:
        return {}
    months = values(
        column("start", TIMESTAMP(timezone=True)), column("until", TIMESTAMP(timezone=True)), name="months"
    ).data(spans)
    c, m = coverage.c, months.c
    seconds = case(*((c.timeframe == name, length.total_seconds()) for name, length in TIMEFRAME_LENGTH.items()))
    absent = extract("epoch", func.least(c.gap_end, m.until) - func.greatest(c.gap_start, m.start)) / seconds
    statement = (
        select(c.venue, m.start.label("start"), c.state, func.coalesce(func.sum(absent), 0).label("bars"))
        .join_from(coverage, months, (c.gap_end > m.start) & (c.gap_start < m.until))
        .where(c.dataset == one.asset, c.state != State.REPAIRED.value)
        .group_by(c.venue, m.start, c.state)
        .order_by(c.venue, m.start, c.state)
    )
    if selection.markets:
        statement = statement.where(c.symbol.in_(selection.markets))
    if selection.timeframes:
        statement = statement.where(c.timeframe.in_(selection.timeframes))
    found: dict[Partition, dict[str, int]] = {}
    for row in reader.frame(statement).to_dict("records"):
        start: datetime = row["start"].to_pydatetime()
        found.setdefault(Partition(row["venue"], start), {})[row["state"]] = round(row["bars"])
    return found


__all__ = ["holes"]
