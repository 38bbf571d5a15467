"""How old the newest row of each dataset's tables is.

What belongs here: the question for each table, composed from its declaration. What does not: how old it may be
(quality/recency.py).

The age is counted from `known_at`, when a careful consumer could first have known the row: a daily bar that closed a second ago
is a second old. In a table of series that is partitioned by time, the newest row of each series is one probe of its key; in the
others, which are small, all rows are looked at.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class under a function's name
from sqlalchemy import Table

import crypto_assets.datasets

_BY_SERIES = """
WITH RECURSIVE series AS (
    (SELECT {keys} FROM {table} ORDER BY {keys} LIMIT 1)
    UNION ALL
    SELECT later.* FROM series AS s
     CROSS JOIN LATERAL (SELECT {of_t} FROM {table} AS t WHERE ({of_t}) > ({of_s}) ORDER BY {of_t} LIMIT 1) AS later
)
SELECT extract(epoch FROM max(newest.known_at))::float8 FROM series AS s
 CROSS JOIN LATERAL (SELECT t.known_at FROM {table} AS t WHERE ({of_t}) = ({of_s}) ORDER BY t.{time} DESC LIMIT 1) AS newest
"""
_OF_ALL = "SELECT extract(epoch FROM max(known_at))::float8 FROM {table}"
_NOW = "SELECT extract(epoch FROM clock_timestamp())::float8"


@dataclass(frozen=True)
class Freshness:
    """The newest row of a table.

    Args:
        asset: Asset key of its dataset, as market/ohlcv.
        table: As market.ohlcv.
        newest_at: When it could first be known, seconds since 1970, UTC; None where the table is empty.
        age_seconds: Time since, by the server's clock; None likewise.
    """

    asset: str
    table: str
    newest_at: float | None
    age_seconds: float | None


@cache
def dataset_tables() -> tuple[tuple[str, Table], ...]:
    """Every table of every dataset, with the dataset's asset key, by table."""
    found: dict[str, tuple[str, Table]] = {}
    for module in pkgutil.walk_packages(crypto_assets.datasets.__path__, "crypto_assets.datasets."):
        if module.name.endswith(".table"):
            declared = importlib.import_module(module.name)
            for one in vars(declared).values():
                # A dataset may import its neighbour's table: that one is its neighbour's.
                if isinstance(one, Table) and (one.fullname not in found or is_own(declared.DATASET, one)):
                    found[one.fullname] = (declared.DATASET, one)
    return tuple(found[name] for name in sorted(found))


def is_own(asset: str, table: Table) -> bool:
    """Whether the table is the one that bears the dataset's name."""
    return table.fullname == asset.replace("/", ".")


def read_freshness(cursor: Cursor) -> list[Freshness]:
    """The newest row of each dataset's own table, by asset: the one that bears its name."""
    cursor.execute(_NOW)
    now = float((cursor.fetchone() or (0.0,))[0])
    rows = []
    for asset, table in dataset_tables():
        if is_own(asset, table):
            cursor.execute(_question(table))
            newest = (cursor.fetchone() or (None,))[0]
            rows.append(Freshness(asset, table.fullname, newest, None if newest is None else max(0.0, now - newest)))
    return rows


def _question(table: Table) -> sql.Composed:
    time = str(table.info.get("partition_by", ""))
    key = [column.name for column in table.primary_key.columns]
    named = {"table": sql.Identifier(str(table.schema), table.name)}
    if time not in key:
        return sql.SQL(_OF_ALL).format(**named)
    keys = key[: key.index(time)]
    return sql.SQL(_BY_SERIES).format(
        **named, time=sql.Identifier(time), keys=_listed(keys), of_s=_listed(keys, "s"), of_t=_listed(keys, "t")
    )


def _listed(names: Sequence[str], *of: str) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(*of, name) for name in names)


__all__ = ["Freshness", "dataset_tables", "is_own", "read_freshness"]
