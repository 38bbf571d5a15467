"""What tables take, how fast they grow, and when the disk is full.

What belongs here: sizes from PostgreSQL's catalog and statistics, a sample a day of them in ops.storage_samples, and what
follows from these. What does not: making room (retention.py, detach.py) and printing (cli/storage.py).

Rows are PostgreSQL's estimates: counting ten million would take longer than anybody waits. Growth is a straight line from the
oldest sample of the last month to now; without a sample a day old it is judged by the newest whole partition: a day's size,
or that of the year that goes on over the days that have gone of it. What a table lost meanwhile (retention, deletes) counts
as growth below zero, so it is the growth of what is kept.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg2
from sqlalchemy import make_url

from crypto_assets.warehouse.connection import Warehouse

# A year and a month: growth from one season to the next can be seen. 40 tables are 16,000 small rows.
KEPT_DAYS = 400
# Long enough to level out weekdays, short enough to follow a new market.
GROWTH_DAYS = 30
_DAY = timedelta(days=1)
_LOCAL = frozenset({None, "", "localhost", "127.0.0.1", "::1"})
# Partitions count with the table at the top; a hypertable's chunks inherit likewise. What stands aside is named by itself.
# What was dropped since the statement began has no size any more: it takes nothing.
_SIZES = """
WITH RECURSIVE tree AS (
    SELECT c.oid, c.oid AS top FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND n.nspname = ANY (%(schemas)s)
       AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)
    UNION ALL
    SELECT i.inhrelid, tree.top FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid
)
SELECT n.nspname || '.' || t.relname,
       coalesce(sum(greatest(c.reltuples, coalesce(s.n_live_tup, 0), 0)) FILTER (WHERE c.relkind = 'r'), 0)::bigint,
       coalesce(sum(pg_table_size(c.oid) - coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0)), 0)::bigint,
       coalesce(sum(pg_indexes_size(c.oid)), 0)::bigint,
       coalesce(sum(pg_total_relation_size(nullif(c.reltoastrelid, 0))), 0)::bigint,
       coalesce(sum(s.n_dead_tup), 0)::bigint,
       count(*) FILTER (WHERE c.oid <> t.oid)
  FROM tree JOIN pg_class t ON t.oid = tree.top JOIN pg_namespace n ON n.oid = t.relnamespace
  JOIN pg_class c ON c.oid = tree.oid LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
 WHERE c.relkind = 'r' OR t.oid = c.oid
 GROUP BY 1 ORDER BY 1
"""
_SCHEMAS = ("market", "dex", "macro", "onchain", "sentiment", "features", "models", "quality", "audit", "ops")
_SAMPLE = """
INSERT INTO ops.storage_samples AS s
       (table_name, sampled_on, row_estimate, table_bytes, index_bytes, toast_bytes, dead_rows, sampled_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (table_name, sampled_on) DO UPDATE
   SET row_estimate = excluded.row_estimate, table_bytes = excluded.table_bytes, index_bytes = excluded.index_bytes,
       toast_bytes = excluded.toast_bytes, dead_rows = excluded.dead_rows, sampled_at = excluded.sampled_at
"""
_OLDEST = """
SELECT DISTINCT ON (table_name) table_name, sampled_at, table_bytes + index_bytes + toast_bytes FROM ops.storage_samples
 WHERE sampled_at > %s AND sampled_at <= %s ORDER BY table_name, sampled_at
"""
_NEWEST_PART = """
SELECT pn.nspname || '.' || p.relname, coalesce(pg_get_expr(c.relpartbound, c.oid), ''),
       coalesce(pg_total_relation_size(c.oid), 0)
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition JOIN pg_class p ON p.oid = i.inhparent
  JOIN pg_namespace pn ON pn.oid = p.relnamespace
 WHERE c.relkind = 'r' AND pn.nspname = ANY (%s)
"""


@dataclass(frozen=True)
class TableStorage:
    """What a table takes, with its partitions.

    Args:
        rows: About.
        partitions: How many; 0 where it has none.
        growth_bytes: A day; None where nothing tells it yet.
        growth_from: "samples" or "partitions"; "" where it is not known.
    """

    table: str
    rows: int
    table_bytes: int
    index_bytes: int
    toast_bytes: int
    dead_rows: int
    partitions: int
    growth_bytes: float | None = None
    growth_from: str = ""

    @property
    def total_bytes(self) -> int:
        """Rows, indices and long values."""
        return self.table_bytes + self.index_bytes + self.toast_bytes


@dataclass(frozen=True)
class Disk:
    """The file system that the server's data lies on."""

    free_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class Storage:
    """What all tables take.

    Args:
        disk: None where the server is on another machine, or does not say where its data lies.
    """

    tables: tuple[TableStorage, ...]
    disk: Disk | None

    @property
    def total_bytes(self) -> int:
        """Of all tables."""
        return sum(one.total_bytes for one in self.tables)

    @property
    def growth_bytes(self) -> float:
        """A day, of the tables whose growth is known."""
        return sum(one.growth_bytes or 0.0 for one in self.tables)

    @property
    def days_until_full(self) -> float | None:
        """At this growth; None where the disk is not known or nothing grows."""
        if self.disk is None or self.growth_bytes <= 0:
            return None
        return self.disk.free_bytes / self.growth_bytes


def storage_of(warehouse: Warehouse, now: datetime) -> Storage:
    """What tables take now, largest first.

    Raises:
        DatabaseUnreachable, NotMigrated: as for `Warehouse.connect`.
    """
    tables = _sizes(warehouse)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_OLDEST, (now - GROWTH_DAYS * _DAY, now - _DAY))
        samples = {table: (at.astimezone(UTC), int(size)) for table, at, size in cursor.fetchall()}
        cursor.execute(_NEWEST_PART, (list(_SCHEMAS),))
        parts: dict[str, list[tuple[str, int]]] = {}
        for table, bounds, size in cursor.fetchall():
            parts.setdefault(table, []).append((bounds, int(size)))
    grown = [_grown(one, samples, parts.get(one.table, ()), now) for one in tables]
    return Storage(tuple(sorted(grown, key=lambda one: -one.total_bytes)), disk_of(warehouse))


def take_sample(warehouse: Warehouse, now: datetime) -> int:
    """Keep what tables take, once a day: a second time the same day replaces the first. Old samples are deleted.

    Returns:
        How many tables.

    Raises:
        DatabaseUnreachable, NotMigrated: as for `Warehouse.connect`.
    """
    tables = _sizes(warehouse)
    today: date = now.astimezone(UTC).date()
    rows = [
        (one.table, today, one.rows, one.table_bytes, one.index_bytes, one.toast_bytes, one.dead_rows, now)
        for one in tables
    ]
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.executemany(_SAMPLE, rows)
        cursor.execute("DELETE FROM ops.storage_samples WHERE sampled_on <= %s", (today - KEPT_DAYS * _DAY,))
    return len(rows)


def disk_of(warehouse: Warehouse) -> Disk | None:
    """The disk under the server's data, where it is on this machine and the user may know; None otherwise.

    Raises:
        DatabaseUnreachable: no connection.
    """
    if make_url(warehouse.url.get_secret_value()).host not in _LOCAL:
        return None
    try:
        with warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SHOW data_directory")
            row = cursor.fetchone()
    except psycopg2.errors.InsufficientPrivilege:
        return None
    try:
        usage = shutil.disk_usage(Path(row[0])) if row else None
    except OSError:  # a container's own path, or a folder that only the server may enter
        return None
    return Disk(usage.free, usage.total) if usage else None


def _sizes(warehouse: Warehouse) -> list[TableStorage]:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_SIZES, {"schemas": list(_SCHEMAS)})
        return [TableStorage(*row) for row in cursor.fetchall()]


def _grown(
    one: TableStorage,
    samples: Mapping[str, tuple[datetime, int]],
    parts: Sequence[tuple[str, int]],
    now: datetime,
) -> TableStorage:
    growth, source = _growth(one, samples.get(one.table), parts, now)
    return TableStorage(
        one.table, one.rows, one.table_bytes, one.index_bytes, one.toast_bytes, one.dead_rows, one.partitions, growth, source
    )  # fmt: skip


def _growth(
    one: TableStorage, sample: tuple[datetime, int] | None, parts: Sequence[tuple[str, int]], now: datetime
) -> tuple[float | None, str]:
    if sample is not None:
        at, size = sample
        return (one.total_bytes - size) / ((now - at) / _DAY), "samples"
    newest = _newest(parts, now)
    if newest is None:
        return None, ""
    (start, end), size = newest
    return size / max(1.0, (min(now, end) - start) / _DAY), "partitions"


def _newest(parts: Sequence[tuple[str, int]], now: datetime) -> tuple[tuple[datetime, datetime], int] | None:
    """The newest day that is over, or the newest year that has begun."""
    known = []
    for bounds, size in parts:
        quoted = bounds.split("'")
        if len(quoted) == 5:
            span = (
                datetime.fromisoformat(quoted[1]).astimezone(UTC),
                datetime.fromisoformat(quoted[3]).astimezone(UTC),
            )
            is_day = span[1] - span[0] == _DAY
            if (span[1] if is_day else span[0]) <= now:
                known.append((span, size))
    return max(known, default=None)


__all__ = ["Disk", "Storage", "TableStorage", "disk_of", "storage_of", "take_sample"]
