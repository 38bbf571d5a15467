"""Whether a name that somebody asks for is one that is stored, and what they may have meant.

What belongs here: that. What does not: columns and datasets, which need no database (questions.py).

An empty answer to a misspelt market looks like a market that was never traded. So each name of a question is looked for once:
markets where anything was ever listed or collected, other names in the table that is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, Select, Table, exists, func, select

from crypto_assets.client.questions import QuestionRefused, near
from crypto_assets.datasets.market.instruments.table import instruments
from crypto_assets.quality.series import TICK
from crypto_assets.schema.bookkeeping import collected_ranges
from crypto_assets.universe import TIMEFRAME_LENGTH
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import Reader, reading

_MARKET = ("venue", "symbol")
_TIMEFRAMES = (*TIMEFRAME_LENGTH, TICK)
_SHOWN = 12


class NameUnknown(QuestionRefused):
    """Nothing is stored under that name."""


class Names:
    """Names that were found; a name that is not is looked for each time, for it may come. Making it asks nothing."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._found: set[tuple[str, ...]] = set()

    def require(self, table: Table, filters: Mapping[str, Sequence[str]]) -> None:
        """Let pass what is stored.

        Raises:
            NameUnknown: naming what comes near.
            DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
        """
        asked = [
            (name, value, venue)
            for name, values in filters.items()
            for value in values
            for venue in _venues(name, filters)
        ]
        unknown = [one for one in asked if self._place(table, *one) not in self._found]
        if not unknown:
            return
        with reading(self._warehouse) as reader:
            for name, value, venue in unknown:
                if not _is_stored(reader, table, name, value, venue):
                    raise _refusal(reader, table, name, value, venue)
                self._found.add(self._place(table, name, value, venue))

    @staticmethod
    def _place(table: Table, name: str, value: str, venue: str) -> tuple[str, ...]:
        return (name, value, venue) if name in _MARKET else (table.fullname, name, value)


def _venues(name: str, filters: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """A symbol is looked for on each venue that is asked for."""
    return filters.get("venue") or ("",) if name == "symbol" else ("",)


def _is_stored(reader: Reader, table: Table, name: str, value: str, venue: str) -> bool:
    if name == "timeframe":
        return value in _TIMEFRAMES
    looks = [
        select(exists().where(*_conditions(place, name, value, venue)).label("is_there"))
        for place in _places(table, name)
    ]
    return any(bool(reader.arrow(look).column(0)[0].as_py()) for look in looks)


def _places(table: Table, name: str) -> list[Table]:
    """Where a name may stand that makes it a known one."""
    is_market = name in _MARKET and {*_MARKET} <= {*table.c.keys()}
    return [table, instruments, collected_ranges] if is_market else [table]


def _conditions(place: Table, name: str, value: str, venue: str) -> list[ColumnElement[bool]]:
    return [place.c[name] == value, *([place.c.venue == venue] if venue else [])]


def _refusal(reader: Reader, table: Table, name: str, value: str, venue: str) -> NameUnknown:
    stored = _stored_names(reader, table, name, venue)
    where = f" of {venue}" if venue else ""
    there = f"There are {', '.join(stored[:_SHOWN])}{' …' if len(stored) > _SHOWN else ''}." if stored else ""
    return NameUnknown(
        f"Nothing is stored of {name} '{value[:60]}'{where} in {table.fullname}",
        way_out=near(value, stored, there or "`crypto-assets status` shows what is stored."),
    )


def _stored_names(reader: Reader, table: Table, name: str, venue: str) -> list[str]:
    if name == "timeframe":
        return [*_TIMEFRAMES]
    found: set[str] = set()
    for place in _places(table, name):
        found.update(str(value) for value in reader.arrow(_distinct(place, name, venue)).column(0).to_pylist())
    return sorted(found)


def _distinct(place: Table, name: str, venue: str) -> Select[*tuple[object, ...]]:
    """The values of a column; where an index leads to them, from one to the next, for the table may have a billion rows."""
    named, where = place.c[name], [place.c.venue == venue] if venue else []
    leading = ["venue", name] if venue else [name]
    if [column.name for column in place.primary_key.columns][: len(leading)] != leading:
        return select(named).where(*where).distinct()
    first = select(func.min(named).label("name")).where(*where).cte("names", recursive=True)
    following = select(func.min(named)).where(*where, named > first.c.name).scalar_subquery()
    names = first.union_all(select(following).where(first.c.name.is_not(None)))
    return select(names.c.name).where(names.c.name.is_not(None))


__all__ = ["NameUnknown", "Names"]
