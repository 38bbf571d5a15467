"""Which series the tables hold, and what to say to somebody who asks for one that is not there.

What belongs here: finding a series, listing them, counting them quickly. What does not: their rows (show_*.py) and how
collecting goes (status.py).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class under a function's name
from sqlalchemy import Table

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.quality.series import venue_of
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse

SHOWN_NAMES = 8
COUNTED = 100_000  # up to here rows are counted, which takes 20 ms; beyond, the planner's estimate is told
SERIES = ("venue", "symbol", "network", "pool_address", "timeframe")

# A step a series through the primary key: `SELECT DISTINCT` would read every row.
_ALL = """
WITH RECURSIVE series AS (
    (SELECT {keys} FROM {table} ORDER BY {keys} LIMIT 1)
    UNION ALL
    SELECT later.* FROM series AS s
     CROSS JOIN LATERAL (SELECT {of_t} FROM {table} AS t WHERE ({of_t}) > ({of_s}) ORDER BY {of_t} LIMIT 1) AS later
)
SELECT {of_s}, span.first_at, span.newest_at FROM series AS s
 CROSS JOIN LATERAL (SELECT min(t.{time}) AS first_at, max(t.{time}) AS newest_at FROM {table} AS t
                      WHERE ({of_t}) = ({of_s})) AS span
 ORDER BY {of_s}
"""
_ONE = "SELECT min({time}), max({time}) FROM {table} WHERE ({keys}) = ({values})"
_COUNT = "SELECT count(*) FROM (SELECT FROM {table} WHERE {venue} = %s LIMIT %s) AS few"
_ESTIMATE = "EXPLAIN (FORMAT JSON) SELECT FROM {table} WHERE {venue} = %s"


class UnknownMarket(CryptoAssetsError):
    """A venue or symbol that neither the universe nor the table has."""


class NothingStored(CryptoAssetsError):
    """The table holds nothing of a market that is known."""


@dataclass(frozen=True)
class StoredSeries:
    """One series of a table.

    Args:
        key: Venue, symbol and, of bars, timeframe.
        first: Time of its oldest row, UTC.
        newest: Time of its newest row, UTC.
    """

    key: tuple[str, ...]
    first: datetime
    newest: datetime


def stored_series(warehouse: Warehouse, table: Table) -> list[StoredSeries]:
    """Every series of a table in the order of its key; a few index probes a series, however many rows it has.

    Args:
        table: Keyed by venue and symbol, or network and pool, maybe timeframe, and then a time.

    Raises:
        DatabaseUnreachable, NotMigrated: as for `Warehouse.connect`.
    """
    names = _series_key(table)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_composed(_ALL, table, names))
        return [
            StoredSeries(tuple(row[:-2]), row[-2].astimezone(UTC), row[-1].astimezone(UTC)) for row in cursor.fetchall()
        ]


def find_series(warehouse: Warehouse, table: Table, universe: Universe, key: Sequence[str], what: str) -> StoredSeries:
    """The series that was asked for.

    Args:
        key: Venue, symbol and, of bars, timeframe, as typed.
        what: The rows in words, as "trades".

    Raises:
        UnknownMarket: nobody knows that venue or symbol; with the names that are near.
        NothingStored: nothing is stored of it, and what is.
    """
    names = _series_key(table)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_composed(_ONE, table, names), tuple(key))
        first, newest = cursor.fetchone() or (None, None)
    if newest is not None:
        return StoredSeries(tuple(key), first.astimezone(UTC), newest.astimezone(UTC))
    raise not_there([one.key for one in stored_series(warehouse, table)], universe, key, what)


def not_there(
    stored: Sequence[tuple[str, ...]], universe: Universe, key: Sequence[str], what: str
) -> UnknownMarket | NothingStored:
    """What to say of a series that is not stored: expected, there, to do. Pure.

    Args:
        stored: Keys of the series there are.
        key: Of the one that was asked for, as typed.
    """
    venue, symbol = key[:2]
    venues = {*universe.venues, *(one[0] for one in stored)}
    if venue not in venues:
        return UnknownMarket(
            f"Unknown venue '{venue[:40]}'", way_out=f"{near_names(venue, venues)}There are {_named(sorted(venues))}."
        )
    listed = {market.symbol for market in universe.venues[venue].markets} if venue in universe.venues else set()
    symbols = {*listed, *(one[1] for one in stored if one[0] == venue)}
    if symbol not in symbols:
        return UnknownMarket(
            f"Unknown symbol '{symbol[:60]}' on {venue}",
            way_out=f"{near_names(symbol, symbols)}There are {_named(sorted(symbols))}.",
        )
    beside = [one[2] for one in stored if one[:2] == (venue, symbol) and len(one) > 2]
    if beside:
        return NothingStored(
            f"No {key[2]} bars of {venue} {symbol} are stored",
            way_out=f"Choose from {', '.join(beside)}, or collect them: `crypto-assets backfill --from …`.",
        )
    there = list(dict.fromkeys(" ".join(one[:2]) for one in stored))
    command = f"{'collect' if len(key) == 2 else 'backfill --from …'} --venue {venue} --market {symbol}"
    stored_are = f"Stored are those of {_named(there)}" if there else "Of no market are any"
    others = f"{stored_are}; `crypto-assets {command}` collects these."
    return NothingStored(f"No {what} of {venue} {symbol} are stored", way_out=others)


def rows_by_venue(warehouse: Warehouse, table: Table, venues: Iterable[str]) -> dict[str, tuple[int, bool]]:
    """Rows of each venue, or network, and whether that is an estimate: counted where there are few, else as the planner thinks.

    Raises:
        DatabaseUnreachable, NotMigrated: as for `Warehouse.connect`.
    """
    with warehouse.connect() as connection, connection.cursor() as cursor:
        return {venue: _rows(cursor, table, venue) for venue in venues}


def _rows(cursor: Cursor, table: Table, venue: str) -> tuple[int, bool]:
    cursor.execute(_composed(_COUNT, table, ()), (venue, COUNTED + 1))
    row = cursor.fetchone()
    counted = int(row[0]) if row else 0
    if counted <= COUNTED:
        return counted, False
    cursor.execute(_composed(_ESTIMATE, table, ()), (venue,))
    told = cursor.fetchone()
    # A table that was never analyzed may be thought empty; what was counted is there in any case.
    return max(counted, int(told[0][0]["Plan"]["Plan Rows"]) if told else 0), True


def _series_key(table: Table) -> list[str]:
    return [column.name for column in table.primary_key.columns if column.name in SERIES]


def _composed(statement: str, table: Table, names: Sequence[str]) -> sql.Composed:
    def listed(*of: str) -> sql.Composed:
        return sql.SQL(", ").join(sql.Identifier(*of, name) for name in names)

    return sql.SQL(statement).format(
        table=sql.Identifier(str(table.schema), table.name),
        time=sql.Identifier(str(table.info["partition_by"])),
        venue=sql.Identifier(venue_of(table).name),
        keys=listed(),
        of_s=listed("s"),
        of_t=listed("t"),
        values=sql.SQL(", ").join(sql.Placeholder() * len(names)),
    )


def near_names(name: str, choices: Iterable[str]) -> str:
    """A question that names up to two of the choices that look like the name; empty where none does. Pure."""
    known = {choice.lower(): choice for choice in sorted(choices)}
    found = difflib.get_close_matches(name.lower(), known, n=2, cutoff=0.7)
    return f"Did you mean {' or '.join(known[one] for one in found)}? " if found else ""


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return ", ".join(names[:SHOWN_NAMES]) + more


__all__ = [
    "COUNTED", "NothingStored", "StoredSeries", "UnknownMarket", "find_series", "near_names", "not_there",
    "rows_by_venue", "stored_series",
]  # fmt: skip
