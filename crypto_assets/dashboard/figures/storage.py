"""How much is stored: bytes and rows by table, size of the database, connections of the server.

What belongs here: the questions and their rows. What does not: how long anything is kept (warehouse/retention.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class under a function's name

# Partitions count for their table. Rows are what the server has counted since, or thought when it last looked.
_TABLES = """
SELECT n.nspname || '.' || root.relname, sum(pg_total_relation_size(c.oid))::float8,
       sum(greatest(c.reltuples, pg_stat_get_live_tuples(c.oid), 0))::float8, count(*) FILTER (WHERE c.relispartition)
  FROM pg_class AS c
  JOIN pg_class AS root ON root.oid = coalesce(pg_partition_root(c.oid), c.oid)
  JOIN pg_namespace AS n ON n.oid = root.relnamespace
 WHERE c.relkind = 'r' AND n.nspname = ANY(%s)
 GROUP BY 1 ORDER BY 1
"""
_DATABASE = """
SELECT pg_database_size(current_database())::float8, current_setting('max_connections')::integer,
       current_setting('server_version')
"""
# Of all databases, for the server takes so many of all together. Of other users' sessions a plain user, as the reader is, is
# told the database alone: they are 'other', and a worker of the server that is at work in a database counts with them.
_CONNECTIONS = """
SELECT coalesce(state, 'other'), count(*) FROM pg_stat_activity
 WHERE backend_type = 'client backend' OR (backend_type IS NULL AND datid IS NOT NULL)
 GROUP BY 1 ORDER BY 1
"""
SCHEMAS = ("audit", "dex", "features", "macro", "market", "models", "onchain", "ops", "quality", "sentiment")


@dataclass(frozen=True)
class Stored:
    """A table with its partitions and indices; rows are about."""

    table: str
    size_bytes: float
    rows: float
    partitions: int


@dataclass(frozen=True)
class Storage:
    """The database.

    Args:
        tables: Those of our schemas, by name.
        connections: Sessions of the server, of all its databases, by state: active, idle and so on; other where it is not told.
        most_connections: That the server takes, of all its databases.
    """

    tables: list[Stored]
    size_bytes: float
    most_connections: int
    connections: dict[str, int]
    server_version: str


def read_storage(cursor: Cursor) -> Storage:
    """How much is stored now."""
    cursor.execute(_TABLES, (list(SCHEMAS),))
    tables = [Stored(*row) for row in cursor.fetchall()]
    cursor.execute(_CONNECTIONS)
    connections = dict(cursor.fetchall())
    cursor.execute(_DATABASE)
    size, most, version = cursor.fetchone() or (0.0, 0, "")
    return Storage(tables, size, most, connections, version)


__all__ = ["SCHEMAS", "Storage", "Stored", "read_storage"]
