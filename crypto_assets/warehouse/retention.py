"""Taking old days and years out of tables: what may go, what has to stay and why, and how it is dropped.

What belongs here: partitions, the plan, and dropping. What does not: writing them to files first (detach.py), whether a
partition's contents are needed, which its dataset knows (`Guards`), how long they are kept (the universe) and when
(retention_automation.py).

A table says that its partitions are days by `Table.info["partition_unit"] = "day"`; all others that are partitioned have
years. `ops.drop_partition` drops one, as its owner, and notes it in ops.archived_partitions; the writer role may call it. It
locks partition and whole table against everybody (ACCESS EXCLUSIVE) for the moment in which the partition leaves it; files
are removed after the locks are gone. While it waits for the lock others wait behind it, so it waits a quarter of a second and
gives up; it is tried again after a pause in which they go on.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import psycopg2
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class under a function's name
from sqlalchemy import Table

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.spans import Span
from crypto_assets.universe_operations import TableRetention
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.copy_in import table_name
from crypto_assets.warehouse.detached import entries, span_name
from crypto_assets.warehouse.timescale import DROP_CHUNKS, chunks_of, is_hypertable

ATTEMPTS = 20
PAUSE_SECONDS = 1.0
_DAY = timedelta(days=1)
_BOUNDS = re.compile(r"FOR VALUES FROM \('(.+)'\) TO \('(.+)'\)")
# The session is UTC, and so are the bounds that it shows.
_PARTITIONS = """
SELECT c.relname, coalesce(pg_get_expr(c.relpartbound, c.oid), ''), coalesce(pg_total_relation_size(c.oid), 0)
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
 WHERE i.inhparent = %s::regclass AND c.relkind = 'r'
"""
_DROP = "SELECT ops.drop_partition(%s::regclass, %s, %s)"

# Why a partition has to stay; "" where nothing speaks against its going. By table's name as schema.table.
type Guard = Callable[[Warehouse, Partition], str]
type Guards = Mapping[str, Guard]
type Policies = Mapping[str, TableRetention]


class RetentionRefused(CryptoAssetsError):
    """What is asked for would take out too much, or is no partition of ours."""


class PartitionBusy(CryptoAssetsError):
    """Others held the table whenever it was tried."""


class PartitionNeeded(CryptoAssetsError):
    """Since it was planned something came that speaks against a partition's going; it stays."""


@dataclass(frozen=True)
class Partition:
    """A UTC day or year of a table.

    Args:
        table: That it is a part of.
        name: Of the partition, in the same schema.
        size: Bytes, with its indices.
        is_chunk: Whether TimescaleDB made it.
    """

    table: Table
    name: str
    span: Span
    size: int
    is_chunk: bool = False

    @property
    def label(self) -> str:
        """2024 for a year, 2024-05-01 for a day."""
        return span_name(self.span)


@dataclass(frozen=True)
class Verdict:
    """What is to become, or has become, of a partition.

    Args:
        kept: Why it stays; empty where it goes.
        then: "drop" or "detach", as the policy says.
        freed: Bytes that its going gave back; 0 where it did not go.
        guard: Asked once more when it is about to go: others were taken out first, and rows may have come meanwhile.
    """

    partition: Partition
    kept: str
    then: str = "drop"
    freed: int = 0
    guard: Guard | None = field(default=None, compare=False, repr=False)

    @property
    def goes(self) -> bool:
        """Whether nothing speaks against its going."""
        return not self.kept


def tables_by_day(tables: Collection[Table]) -> list[Table]:
    """Those of some tables whose partitions are days, by name. Pure."""
    return sorted((one for one in tables if one.info.get("partition_unit") == "day"), key=lambda one: one.fullname)


def partitioned(tables: Collection[Table]) -> list[Table]:
    """Those of some tables that are partitioned, by name. Pure."""
    return sorted((one for one in tables if "partition_by" in one.info), key=lambda one: one.fullname)


def partitions_of(warehouse: Warehouse, table: Table) -> list[Partition]:
    """The partitions of a table that are exactly a UTC day or year, whichever the table has, oldest first.

    Raises:
        DatabaseUnreachable: no connection.
        NotMigrated: the table is missing.
    """
    with warehouse.connect() as connection, connection.cursor() as cursor:
        named = table_name(table).as_string(connection)
        if is_hypertable(cursor, named):
            found = [Partition(table, name, span, size, is_chunk=True) for name, span, size in chunks_of(cursor, named)]
        else:
            found = _native(cursor, table, named)
    return sorted(found, key=lambda one: one.span)


def due_before(keep_days: int, now: datetime) -> datetime:
    """Partitions that ended by this moment are due. Pure.

    Raises:
        RetentionRefused: less than a day is to be kept.
    """
    if keep_days < 1:
        raise RetentionRefused(
            f"Expected at least 1 day to keep, and got {keep_days}", way_out="Say --days 1 or more; today always stays."
        )
    return now - keep_days * _DAY


def plan(
    warehouse: Warehouse,
    tables: Sequence[Table],
    policies: Policies,
    now: datetime,
    guards: Guards | None = None,
    restored_days: int = 0,
) -> list[Verdict]:
    """What would become of each partition of each table; changes nothing.

    Args:
        tables: Those that may have a policy.
        policies: By table's name; a table without one is kept for ever and not told of.
        guards: Asked of the partitions that are due.
        restored_days: A partition that was restored stays so long.

    Raises:
        RetentionRefused: see `due_before`; a policy for a table that is none of these.
        DatabaseUnreachable, NotMigrated: as for `partitions_of`.
    """
    known = {one.fullname: one for one in tables}
    strange = sorted(policies.keys() - known.keys())
    if strange:
        raise RetentionRefused(
            f"No table of ours with partitions is called {', '.join(strange)}",
            way_out=f"Correct retention.tables of the universe: {', '.join(sorted(known))} may stand there.",
        )
    until = {name: due_before(policy.keep_days, now) for name, policy in policies.items()}
    stays = _lately_restored(warehouse, restored_days, now)
    verdicts = []
    for name, policy in sorted(policies.items()):
        guard = (guards or {}).get(name, _nothing_against)
        for one in partitions_of(warehouse, known[name]):
            if one.span[1] > until[name]:
                kept = _young(policy.keep_days)
            elif one.is_chunk and policy.then == "detach":
                kept = "is a chunk of TimescaleDB, which is compressed where it lies: only drop takes it out"
            else:
                kept = stays.get((name, one.span), "") or guard(warehouse, one)
            verdicts.append(Verdict(one, kept, policy.then, guard=guard))
    return verdicts


def drop(
    warehouse: Warehouse,
    partition: Partition,
    sleep: Callable[[float], None] = time.sleep,
    guard: Guard | None = None,
) -> int:
    """Drop one partition.

    Args:
        guard: Asked immediately before each attempt.

    Returns:
        Bytes given back; 0 where another process had taken it out.

    Raises:
        PartitionBusy: others held the table at each of twenty attempts.
        PartitionNeeded: the guard speaks against it; the partition stays.
        RetentionRefused: PostgreSQL's own guard says that this is no day or year of ours that is over.
    """

    def ask() -> None:
        ask_again(warehouse, partition, guard)

    call = (DROP_CHUNKS if partition.is_chunk else _DROP, partition.span)
    found = patiently(warehouse, partition.table, partition.name, call, sleep, ask)
    if partition.is_chunk:
        return partition.size if found else 0
    return found or 0


def ask_again(warehouse: Warehouse, partition: Partition, guard: Guard | None) -> None:
    """Ask a guard once more.

    Raises:
        PartitionNeeded: it speaks against the partition's going.
    """
    told = guard(warehouse, partition) if guard is not None else ""
    if told:
        raise PartitionNeeded(told, way_out="The next round asks again.")


def patiently(
    warehouse: Warehouse,
    table: Table,
    name: str,
    call: tuple[str, Sequence[object]],
    sleep: Callable[[float], None] = time.sleep,
    before: Callable[[], None] = lambda: None,
) -> int | None:
    """Call a function that locks a table for a moment, in a transaction of its own, until it gets the lock.

    Args:
        name: Of the partition, for messages.
        call: The statement, whose first value is the table, and its other values.
        before: Called before each attempt; what it raises ends them.

    Returns:
        What the function gave.

    Raises:
        PartitionBusy, RetentionRefused: as for `drop`.
    """
    statement, values = call
    for attempt in range(ATTEMPTS):
        if attempt:
            sleep(PAUSE_SECONDS)
        before()
        try:
            with warehouse.connect() as connection, connection.cursor() as cursor:
                cursor.execute(statement, (table_name(table).as_string(connection), *values))
                row = cursor.fetchone()
        except psycopg2.errors.LockNotAvailable:
            continue
        except psycopg2.errors.InvalidParameterValue as error:
            raise RetentionRefused(str(error.diag.message_primary)) from error
        return int(row[0]) if row and row[0] is not None else None
    raise PartitionBusy(
        f"{name} stays: others held {table.fullname} each of {ATTEMPTS} times",
        way_out="See in pg_stat_activity who reads it for minutes; the next round tries again.",
    )


def _native(cursor: Cursor, table: Table, named: str) -> list[Partition]:
    is_daily = table.info.get("partition_unit") == "day"
    cursor.execute(_PARTITIONS, (named,))
    found = []
    for name, bounds, size in cursor.fetchall():
        span = _span_of(bounds)
        if span is not None and is_daily == (span[1] - span[0] == _DAY):
            found.append(Partition(table, name, span, size))
    return found


def _lately_restored(warehouse: Warehouse, days: int, now: datetime) -> dict[tuple[str, Span], str]:
    told = {}
    for one in entries(warehouse):
        if one.restored_at is not None and one.restored_at > now - days * _DAY:
            told[one.table, one.span] = f"restored {one.restored_at:%Y-%m-%d}, stays {days} days from then on"
    return told


def _nothing_against(_warehouse: Warehouse, _partition: Partition) -> str:
    return ""


def _young(keep_days: int) -> str:
    return f"ended less than {keep_days} {'day' if keep_days == 1 else 'days'} ago"


def _span_of(bounds: str) -> Span | None:
    """The UTC day or year that a partition's bounds are, where they are one."""
    found = _BOUNDS.fullmatch(bounds)
    if found is None:
        return None
    start, end = (datetime.fromisoformat(text).astimezone(UTC) for text in found.groups())
    if start != start.replace(hour=0, minute=0, second=0, microsecond=0):
        return None
    is_year = (start.month, start.day) == (1, 1) and end == start.replace(year=start.year + 1)
    return (start, end) if end - start == _DAY or is_year else None
