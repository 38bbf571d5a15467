"""What a database's catalog says about its tables, and what the project's Tables say they should be.

What belongs here: reading the catalog into plain values that can be compared. What does not: assertions. Tables of every
dataset are found by walking crypto_assets.datasets, so a new dataset is compared without a line here.
"""

from __future__ import annotations

import importlib
import pkgutil

from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name

import crypto_assets.datasets
import crypto_assets.schema
from crypto_assets.schema.columns import METADATA

SCHEMAS = ("market", "dex", "macro", "onchain", "sentiment", "features", "models", "quality", "audit", "ops")

_TABLES = """
SELECT n.nspname || '.' || c.relname, c.relkind::text, coalesce(pg_get_partkeydef(c.oid), ''),
       coalesce(obj_description(c.oid, 'pg_class'), ''),
       coalesce((SELECT pg_get_constraintdef(k.oid) FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'p'), '')
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname = ANY(%s) AND c.relname !~ 'yoyo'
"""
_COLUMNS = """
SELECT n.nspname || '.' || c.relname, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       coalesce(pg_get_expr(d.adbin, d.adrelid), ''), a.attgenerated::text, a.attidentity::text,
       coalesce(col_description(c.oid, a.attnum), '')
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname = ANY(%s) AND c.relname !~ 'yoyo'
   AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY n.nspname, c.relname, a.attname
"""

type Catalog = dict[str, dict[str, object]]


def load_tables() -> None:
    """Import every dataset's table.py and those that datasets share, so that METADATA holds all Tables."""
    for shared in pkgutil.iter_modules(crypto_assets.schema.__path__, "crypto_assets.schema."):
        importlib.import_module(shared.name)
    for found in pkgutil.walk_packages(crypto_assets.datasets.__path__, "crypto_assets.datasets."):
        if found.name.endswith(".table"):
            importlib.import_module(found.name)


def catalog_of(connection: Connection) -> Catalog:
    """Table → kind, partitioning, comment, primary key and, by name, the columns with all that defines them."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLES, (list(SCHEMAS),))
        catalog: Catalog = {
            name: {"kind": kind, "partitioned by": partition, "comment": comment, "key": key, "columns": []}
            for name, kind, partition, comment, key in cursor.fetchall()
        }
        cursor.execute(_COLUMNS, (list(SCHEMAS),))
        for name, *column in cursor.fetchall():
            columns = catalog[name]["columns"]
            assert isinstance(columns, list)
            columns.append(tuple(column))
    return catalog


def drop_tables(connection: Connection) -> None:
    """Drop every table of ours, so that the Tables can be created in their place, beside the functions they use."""
    names = ", ".join(catalog_of(connection))
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {names} CASCADE")


__all__ = ["METADATA", "catalog_of", "drop_tables", "load_tables"]
