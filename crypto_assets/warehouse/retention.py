"""Dropping old days of tables whose partitions are days: what may go, what has to stay and why, and how it goes.

What belongs here: partitions and their dropping. What does not: whether a day's contents are kept elsewhere, which its dataset
knows (`Guards`), how long days are kept (the universe) and when (retention_automation.py).

A table says that its partitions are days by `Table.info["partition_unit"] = "day"`. `ops.drop_day_partition` drops one, as
its owner; the writer role may call it. It locks partition and whole table against everybody (ACCESS EXCLUSIVE) for the moment
in which the partition leaves it; files are removed after the locks are gone. While it waits for the lock others wait behind it,
so it waits a quarter of a second and gives up; it is tried again after a pause in which they go on.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import psycopg2
from sqlalchemy import Table

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.copy_in import table_name

ATTEMPTS = 20
PAUSE_SECONDS = 1.0
_DAY = timedelta(days=1)
_BOUNDS = re.compile(r"FOR VALUES FROM \('(.+)'\) TO \('(.+)'\)")
# The session is UTC, and so are the bounds that it shows.
_PARTITIONS = """
SELECT c.relname, pg_get_expr(c.relpartbound, c.oid), coalesce(pg_total_relation_size(c.oid), 0)
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
 WHERE i.inhparent = %s::regclass AND c.relkind = 'r'
"""

# Why a day has to stay, by table's name as schema.table; "" where nothing speaks against its going.
type Guard = Callable[[Warehouse, DayPartition], str]
type Guards = Mapping[str, Guard]


class RetentionRefused(CryptoAssetsError):
    """What is asked for would drop too much, or is no day of ours."""


class PartitionBusy(CryptoAssetsError):
    """Others held the table whenever it was tried; the partition stays."""


@dataclass(frozen=True)
class DayPartition:
    """A UTC day of a table.

    Args:
        table: That it is a part of.
        name: Of the partition, in the same schema.
        size: Bytes, with its indices.
    """

    table: Table
    name: str
    day: date
    size: int

    @property
    def span(self) -> tuple[datetime, datetime]:
        """[start, end) of the day, UTC."""
        start = datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC)
        return start, start + _DAY


@dataclass(frozen=True)
class Verdict:
    """What is to become, or has become, of a partition.

    Args:
        kept: Why it stays; empty where it goes.
        freed: Bytes that its dropping gave back; 0 where it was not dropped.
    """

    partition: DayPartition
    kept: str
    freed: int = 0

    @property
    def goes(self) -> bool:
        """Whether nothing speaks against its going."""
        return not self.kept


def tables_by_day(tables: Collection[Table]) -> list[Table]:
    """Those of some tables whose partitions are days, by name. Pure."""
    return sorted((one for one in tables if one.info.get("partition_unit") == "day"), key=lambda one: one.fullname)


def day_partitions(warehouse: Warehouse, table: Table) -> list[DayPartition]:
    """The partitions of a table that are exactly a UTC day, oldest first.

    Raises:
        DatabaseUnreachable: no connection.
        NotMigrated: the table is missing.
    """
    found = []
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_PARTITIONS, (table_name(table).as_string(connection),))
        for name, bounds, size in cursor.fetchall():
            day = _day_of(bounds)
            if day is not None:
                found.append(DayPartition(table, name, day, size))
    return sorted(found, key=lambda one: one.day)


def due_before(keep_days: int, now: datetime) -> datetime:
    """Days that ended by this moment are due. Pure.

    Raises:
        RetentionRefused: less than a day is to be kept.
    """
    if keep_days < 1:
        raise RetentionRefused(
            f"Expected at least 1 day to keep, and got {keep_days}", way_out="Say --days 1 or more; today always stays."
        )
    return now - keep_days * _DAY


def plan(
    warehouse: Warehouse, tables: Sequence[Table], keep_days: int, now: datetime, guards: Guards | None = None
) -> list[Verdict]:
    """What would become of each day of each table; changes nothing.

    Args:
        tables: Whose partitions are days.
        keep_days: A day stays until it ended so many days ago.
        guards: Asked of the days that are due.

    Raises:
        RetentionRefused: see `due_before`; a table whose partitions are no days.
        DatabaseUnreachable, NotMigrated: as for `day_partitions`.
    """
    until = due_before(keep_days, now)
    for table in tables:
        if table not in tables_by_day([table]):
            raise RetentionRefused(f"The partitions of {table.fullname} are not days")
    verdicts = []
    for table in tables:
        guard = (guards or {}).get(table.fullname, _nothing_against)
        for one in day_partitions(warehouse, table):
            is_young = one.span[1] > until
            verdicts.append(Verdict(one, _young(keep_days) if is_young else guard(warehouse, one)))
    return verdicts


def carry_out(
    warehouse: Warehouse, verdicts: Sequence[Verdict], sleep: Callable[[float], None] = time.sleep
) -> list[Verdict]:
    """Drop what may go, one transaction a partition, and say what came of each.

    Args:
        verdicts: Of `plan`.
        sleep: Waits between attempts.

    Raises:
        DatabaseUnreachable: the connection broke; what was dropped before stays dropped.
    """
    return [_carried_out(warehouse, one, sleep) if one.goes else one for one in verdicts]


def drop(warehouse: Warehouse, partition: DayPartition, sleep: Callable[[float], None] = time.sleep) -> int:
    """Drop one partition.

    Returns:
        Bytes given back; 0 where another process had dropped it.

    Raises:
        PartitionBusy: others held the table at each of twenty attempts.
        RetentionRefused: PostgreSQL's own guard says that this is no day of ours that is over.
    """
    for attempt in range(ATTEMPTS):
        if attempt:
            sleep(PAUSE_SECONDS)
        try:
            with warehouse.connect() as connection, connection.cursor() as cursor:
                named = table_name(partition.table).as_string(connection)
                cursor.execute("SELECT ops.drop_day_partition(%s::regclass, %s)", (named, partition.day))
                row = cursor.fetchone()
        except psycopg2.errors.LockNotAvailable:
            continue
        except psycopg2.errors.InvalidParameterValue as error:
            raise RetentionRefused(str(error.diag.message_primary)) from error
        return int(row[0]) if row and row[0] is not None else 0
    raise PartitionBusy(
        f"{partition.name} stays: others held {partition.table.fullname} each of {ATTEMPTS} times",
        way_out="See in pg_stat_activity who reads it for minutes; the next round tries again.",
    )


def _carried_out(warehouse: Warehouse, one: Verdict, sleep: Callable[[float], None]) -> Verdict:
    try:
        return Verdict(one.partition, "", drop(warehouse, one.partition, sleep))
    except PartitionBusy as busy:  # one that is read for long is no reason to keep the others
        return Verdict(one.partition, busy.problem)


def _nothing_against(_warehouse: Warehouse, _partition: DayPartition) -> str:
    return ""


def _young(keep_days: int) -> str:
    return f"ended less than {keep_days} {'day' if keep_days == 1 else 'days'} ago"


def _day_of(bounds: str) -> date | None:
    """The day that a partition's bounds are, where they are one."""
    found = _BOUNDS.fullmatch(bounds)
    if found is None:
        return None
    start, end = (datetime.fromisoformat(text) for text in found.groups())
    return start.date() if end - start == _DAY and start == start.astimezone(UTC).replace(hour=0, minute=0) else None
