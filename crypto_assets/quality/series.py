"""What a series is, and which columns of a dataset's table say which series a row belongs to.

What belongs here: the name of a series in every ledger, and the way from a table to its columns of venue, symbol, timeframe
and time. What does not: rules over rows (checks.py) and statements over ledgers (coverage.py, scan.py).

Ledgers call the two parts of a series venue and symbol, whatever it is: for pools they hold the network's name and the
pool's address. A dataset's own table may name them otherwise and says so in `Table.info`:
`info["series"] = ("network", "pool_address")`; the default is `("venue", "symbol")`. A name that is no column stands for
itself, where a table holds one series alone. `info["time"]` names the column by which
rows lie in time; the default is `opened_at`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg2 import sql
from sqlalchemy import Column, ColumnElement, Label, Table, func

TICK = "tick"  # in the place of a bar's length where rows are events


@dataclass(frozen=True)
class SeriesKey:
    """One market at one length of bar, as every ledger names it."""

    dataset: str
    venue: str
    symbol: str
    timeframe: str

    def values(self) -> tuple[str, str, str, str]:
        """The four, in the order of the key."""
        return self.dataset, self.venue, self.symbol, self.timeframe


def venue_of(table: Table) -> ColumnElement[str]:
    """The column of the venue, or of what stands in its place, as the network of a pool."""
    return _named(table, 0)


def symbol_of(table: Table) -> ColumnElement[str]:
    """The column of the market, or of what stands in its place, as the address of a pool."""
    return _named(table, 1)


def timeframe_of(table: Table) -> ColumnElement[str]:
    """The length of a row's bar, or that its rows are events."""
    return table.c.timeframe if "timeframe" in table.c else func.concat(TICK)


def time_of(table: Table) -> Column[datetime]:
    """The column by which a table's rows lie in time: when a bar opens, an event happened, a snapshot was taken."""
    named: Column[datetime] = table.c[table.info.get("time", "opened_at")]
    return named


def series_of(table: Table) -> tuple[ColumnElement[str], ...]:
    """Venue, symbol and timeframe, to group and to order by."""
    return venue_of(table), symbol_of(table), timeframe_of(table)


def labelled_series(table: Table) -> tuple[Label[str], ...]:
    """The same to select: called venue, symbol and timeframe, whatever the table calls them."""
    return venue_of(table).label("venue"), symbol_of(table).label("symbol"), timeframe_of(table).label("timeframe")


def bar_identifiers(table: Table) -> dict[str, sql.Composable]:
    """The names of a table of bars for a statement with {table}, {venue}, {symbol} and {time}."""
    return {
        "table": sql.Identifier(str(table.schema), table.name),
        "venue": sql.Identifier(str(venue_of(table).key)),
        "symbol": sql.Identifier(str(symbol_of(table).key)),
        "time": sql.Identifier(time_of(table).name),
    }


def _named(table: Table, place: int) -> ColumnElement[str]:
    name: str = table.info.get("series", ("venue", "symbol"))[place]
    return table.c[name] if name in table.c else func.concat(name)
