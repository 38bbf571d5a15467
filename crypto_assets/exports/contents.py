"""What each partition of a dataset holds now, told by the database without its rows being read.

What belongs here: partitions, and the mark by which a change of their content is known. What does not: reading rows
(pieces.py) and what was written before (manifest.py).

The mark is the number of rows, the newest `ingested_at`, and a sum of hashes over what the key adds to folder and series
and `ingested_at`. Every writer gives a row that it changes another `ingested_at`, so a change anywhere gives another mark:
a row that came, went or was corrected, whatever the order of commits. The sum does not depend on the order of rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
from sqlalchemy import Column, Select, Text, cast, func, select
from sqlalchemy.sql.elements import ColumnElement

from crypto_assets.exports.catalog import Cut, Exported
from crypto_assets.exports.selection import Selection
from crypto_assets.partitions import day_window, month_key, month_window
from crypto_assets.warehouse.read import Reader

_ROWS, _NEWEST, _HASH, _BUCKET = "rows_", "newest_", "hash_", "bucket_"
_HASHES = 2**64  # sums of hashes are kept in as many values


@dataclass(frozen=True, order=True)
class Partition:
    """What one file holds.

    Args:
        domain: The folder's value, as a venue; empty where the dataset has no domain.
        start: First moment, UTC; None where it is not cut in time.
    """

    domain: str
    start: datetime | None = None

    def span(self, cut: Cut) -> tuple[datetime, datetime] | None:
        """[start, end), UTC; None for all times."""
        if self.start is None:
            return None
        key = f"{self.start:%Y-%m-%d}"
        return day_window(key) if cut is Cut.DAY else month_window(month_key(self.start))


@dataclass(frozen=True)
class Content:
    """What a partition holds now.

    Args:
        mark: Another one whenever the content is another.
        series: Rows of each series, by the values of the dataset's columns of series, as the database orders them.
    """

    partition: Partition
    rows: int
    mark: str
    series: Sequence[tuple[tuple[str, ...], int]]


def contents(reader: Reader, one: Exported, selection: Selection) -> list[Content]:
    """Every partition with rows that the selection chooses, in order.

    Raises:
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    frame = reader.frame(_statement(one, selection))
    frame[_BUCKET] = frame[_BUCKET].astype("datetime64[us]") if one.time else pd.NaT
    keys = [_domain(one).name, _BUCKET]
    return [
        _content(one, Partition(str(domain), _moment(bucket)), group)
        for (domain, bucket), group in frame.groupby(keys, sort=True, dropna=False)
    ]


def overlaps(partition: Partition, one: Exported, selection: Selection) -> bool:
    """Whether a selection chooses the partition. Pure."""
    if selection.domains and partition.domain not in selection.domains:
        return False
    span = partition.span(one.cut)
    if span is None:
        return True
    is_late = selection.start is None or span[1] > selection.start
    return is_late and (selection.until is None or span[0] < selection.until)


def _statement(one: Exported, selection: Selection) -> Select[*tuple[object, ...]]:
    domain, bucket = _domain(one), _bucket(one).label(_BUCKET)
    columns = [*([one.table.c[one.domain]] if one.domain else []), *one.series]
    grouped = [*columns, *([_bucket(one)] if one.time else [])]
    rest = _rest_of_key(one)
    ingested = one.table.c.ingested_at
    statement = select(
        domain,
        *one.series,
        bucket,
        func.count().label(_ROWS),
        func.max(ingested).label(_NEWEST),
        hash_of(*rest, ingested).label(_HASH),
    ).where(*chosen(one, selection), *selection.rows_of(one))
    return statement.group_by(*grouped).order_by(*columns).having(func.count() > 0)


def hash_of(*columns: ColumnElement[Any]) -> ColumnElement[str]:
    """The sum of hashes of these columns over rows, as text: it is wider than any number of ours."""
    return cast(func.sum(func.hash_record_extended(func.row(*columns), 0)), Text())


def mark_text(rows: int, newest: pd.Timestamp, hashes: Iterable[str]) -> str:
    """A mark from the number of rows, the newest `ingested_at` and sums of hashes."""
    return f"{rows} {newest.isoformat()} {sum(int(text) for text in hashes) % _HASHES:016x}"


def chosen(one: Exported, selection: Selection) -> Iterator[ColumnElement[bool]]:
    """The conditions by which a selection chooses whole partitions."""
    if selection.domains:
        yield one.table.c[one.domain].in_(sorted(set(selection.domains)))
    if selection.start:
        yield one.table.c[one.time] >= _floor(selection.start, one.cut)
    if selection.until:
        # Of the partition that holds the last moment before `until` everything is looked at.
        yield one.table.c[one.time] < _end(selection.until, one.cut)


def _floor(moment: datetime, cut: Cut) -> datetime:
    begin = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return begin if cut is Cut.DAY else begin.replace(day=1)


def _end(moment: datetime, cut: Cut) -> datetime:
    begin = _floor(moment - timedelta(microseconds=1), cut)
    span = Partition("", begin).span(cut)
    return span[1] if span else begin


def _domain(one: Exported) -> ColumnElement[str]:
    return one.table.c[one.domain] if one.domain else func.concat("").label("domain_")


def _bucket(one: Exported) -> ColumnElement[Any]:
    if not one.time:
        return func.concat("")
    return func.date_trunc(one.cut.value, func.timezone("UTC", one.table.c[one.time]))


def _rest_of_key(one: Exported) -> list[Column[object]]:
    grouped = {one.domain, *(column.name for column in one.series)}
    return [column for column in one.table.primary_key.columns if column.name not in grouped]


def _content(one: Exported, partition: Partition, group: pd.DataFrame) -> Content:
    rows = int(group[_ROWS].sum())
    names = [column.name for column in one.series]
    series = [
        (tuple(str(value) for value in values), int(count))
        for *values, count in group[[*names, _ROWS]].itertuples(index=False, name=None)
    ]
    return Content(partition, rows, mark_text(rows, group[_NEWEST].max(), group[_HASH]), series)


def _moment(bucket: object) -> datetime | None:
    return bucket.to_pydatetime().replace(tzinfo=UTC) if isinstance(bucket, pd.Timestamp) else None


__all__ = ["Content", "Partition", "chosen", "contents", "hash_of", "mark_text", "overlaps"]
