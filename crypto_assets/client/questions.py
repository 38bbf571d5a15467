"""From what somebody wants to know to one SELECT: tables by their datasets, columns, moments, and how things stood at a time.

What belongs here: choosing, checking and composing; nothing here connects. What does not: names of markets (names.py), running
(rendering.py).
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import TypedDict

from sqlalchemy import Column, ColumnElement, Date, Select, Table, and_, cast, literal, select, true, tuple_

import crypto_assets.datasets
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.schema import bookkeeping
from crypto_assets.schema.columns import METADATA
from crypto_assets.warehouse.revisions import as_of as as_it_stood

type Moment = datetime | date | str
type Wanted = str | Sequence[str] | None

# Tables that no folder is named after.
_BESIDE: Mapping[str, Table] = {"quality/coverage": bookkeeping.coverage, "quality/scores": bookkeeping.scores}
# What `start` and `end` bound where it is not what the table is cut by.
_TIMES = {
    "macro.observations": "period_on",
    "market.instruments": "valid_from",
    "quality.coverage": "gap_start",
    "quality.scores": "scored_at",
}
_SURROGATE = re.compile("[\ud800-\udfff]")
# Only ever inserted: how it stood is what was there by then.
_INSERTED_ONLY = frozenset({"market.book_ticker_snapshots"})


class QuestionRefused(CryptoAssetsError):
    """What is asked for makes no sense; nothing was asked."""


class DatasetUnknown(QuestionRefused):
    """No dataset has that name."""


class ColumnUnknown(QuestionRefused):
    """The dataset has no such column."""


class MomentUnclear(QuestionRefused):
    """A moment that is none, or that says nothing without its time zone."""


class PastUnknown(QuestionRefused):
    """The table does not keep what its rows were before."""


class Choice(TypedDict, total=False):
    """What every question may say besides; nothing of it has to be said.

    Keys:
        start: First moment; a datetime with its zone, a date, or ISO 8601 text, which is UTC where it names no zone. Rows of
            whole days are of their midnight.
        end: Behind the last moment.
        columns: These, and always those of the key; None for all.
        as_of: As the table stood at that moment, with late corrections undone.
    """

    start: Moment | None
    end: Moment | None
    columns: Sequence[str] | None
    as_of: Moment | None


@dataclass(frozen=True)
class Question:
    """Rows of one table, in the order of its key.

    Args:
        table: Which.
        filters: Column name → one of these values.
        conditions: Others, on the table's columns.
        choice: As Choice says.
    """

    table: Table
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    conditions: Sequence[ColumnElement[bool]] = ()
    choice: Choice = field(default_factory=Choice)

    @property
    def key(self) -> tuple[str, ...]:
        """Columns of the table's key."""
        return tuple(column.name for column in self.table.primary_key.columns)

    @property
    def columns(self) -> list[str]:
        """The columns that are wanted, in the table's order.

        Raises:
            ColumnUnknown: naming what comes near.
        """
        wanted = self.choice.get("columns")
        names = [column.name for column in self.table.columns]
        if wanted is None:
            return names
        for name in wanted:
            if name not in names:
                raise ColumnUnknown(
                    f"{self.table.fullname} has no column '{str(name)[:60]}'",
                    way_out=_near(
                        str(name), names, f"It has {', '.join(names[:12])}{' …' if len(names) > 12 else ''}."
                    ),
                )
        return [name for name in names if name in {*wanted, *self.key}]

    def statement(self, after: Sequence[object] | None = None) -> Select[*tuple[object, ...]]:
        """The SELECT.

        Args:
            after: Values of a key; only rows behind it.

        Raises:
            ColumnUnknown, MomentUnclear: see there.
        """
        where = and_(true(), *self._conditions())
        moment = self.choice.get("as_of")
        if moment is None or self.table.fullname in _INSERTED_ONLY:
            source, stood = (
                self.table,
                true() if moment is None else self.table.c.ingested_at <= moment_of(moment, "as_of"),
            )
            chosen = select(*(source.c[name] for name in self.columns)).where(where, stood)
            place = source.c
        else:
            rows = as_it_stood(self.table, moment_of(moment, "as_of"), where).order_by(None).subquery("rows")
            chosen = select(*(rows.c[name] for name in self.columns))
            place = rows.c  # type: ignore[assignment]
        keys = [place[name] for name in self.key]
        if after is not None:
            bound = [literal(value, key.type) for value, key in zip(after, keys, strict=True)]
            chosen = chosen.where(tuple_(*keys) > tuple_(*bound))
        return chosen.order_by(*keys)

    def _conditions(self) -> Iterable[ColumnElement[bool]]:
        for name, values in self.filters.items():
            yield self.table.c[name].in_(list(values))
        yield from self.conditions
        column = time_column(self.table)
        start, end = self.choice.get("start"), self.choice.get("end")
        if start is not None:
            yield _not_before(column, moment_of(start, "start"))
        if end is not None:
            yield ~_not_before(column, moment_of(end, "end"))


def table_of(dataset: str) -> Table:
    """The table of a dataset, as market/ohlcv.

    Raises:
        DatasetUnknown: naming what comes near.
    """
    if dataset in _BESIDE:
        return _BESIDE[dataset]
    names = dataset_names()
    if dataset not in names:
        raise DatasetUnknown(
            f"Unknown dataset '{str(dataset)[:60]}'",
            way_out=_near(str(dataset), names, f"There are {', '.join(names)}."),
        )
    area, _, name = dataset.partition("/")
    importlib.import_module(f"crypto_assets.datasets.{area}.{name}.table")
    return METADATA.tables[f"{area}.{name}"]


def dataset_names() -> list[str]:
    """All datasets that can be asked for."""
    areas = [area for area in pkgutil.iter_modules(crypto_assets.datasets.__path__) if area.ispkg]
    names = [
        f"{area.name}/{found.name}"
        for area in areas
        for found in pkgutil.iter_modules([f"{crypto_assets.datasets.__path__[0]}/{area.name}"])
        if found.ispkg
    ]
    return sorted([*names, *_BESIDE])


def time_column(table: Table) -> Column[datetime] | Column[date]:
    """The column that `start` and `end` bound."""
    name = _TIMES.get(table.fullname) or str(table.info.get("time") or table.info["partition_by"])
    found: Column[datetime] = table.c[name]
    return found


def listed(wanted: Wanted) -> list[str]:
    """One name or several as a list; None is none.

    Raises:
        QuestionRefused: an empty list, which would say nothing, or what is no name.
    """
    if wanted is None:
        return []
    names = [wanted] if isinstance(wanted, str) else [*dict.fromkeys(wanted)]
    if not names:
        raise QuestionRefused("An empty list of names asks for nothing", way_out="Leave it out to ask for all.")
    for name in names:
        if not isinstance(name, str) or "\0" in name or _SURROGATE.search(name):  # PostgreSQL's text holds neither
            raise QuestionRefused(f"{name!r:.60} is no name", way_out="Names are text, as BTC/USDT.")
    return names


def moment_of(told: Moment, name: str) -> datetime:
    """A moment with its zone.

    Raises:
        MomentUnclear: a text that is no time, or a datetime without its zone.
    """
    try:
        parsed = datetime.fromisoformat(told) if isinstance(told, str) else told
    except ValueError:
        raise MomentUnclear(
            f"{name} is '{str(told)[:40]}', no ISO 8601 time", way_out="Write it as 2026-01-31 or 2026-01-31T12:00."
        ) from None
    if not isinstance(parsed, datetime):
        return datetime.combine(parsed, time(), UTC)
    if parsed.tzinfo is None and not isinstance(told, str):
        raise MomentUnclear(
            f"{name} is {parsed.isoformat()}, without a time zone",
            way_out="Give it one, as datetime(2026, 1, 31, tzinfo=UTC); a text without one is UTC.",
        )
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def has_a_past(table: Table) -> bool:
    """Whether it needs no triggers for anybody to know how it stood."""
    return table.fullname in _INSERTED_ONLY


def near(name: str, names: Iterable[str], otherwise: str) -> str:
    """What somebody may have meant, or else the other text."""
    return _near(name, [*names], otherwise)


def _near(name: str, names: Sequence[str], otherwise: str) -> str:
    folded = [one for one in names if one.casefold() == name.casefold()]
    found = folded or difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"Did you mean {' or '.join(found)}?" if found else otherwise


def _not_before(column: Column[datetime] | Column[date], moment: datetime) -> ColumnElement[bool]:
    """Whether a row's time is at the moment or later; a date stands for its midnight, UTC."""
    if not isinstance(column.type, Date):
        return column >= literal(moment, column.type)
    day = cast(literal(moment.date()), Date())
    return column >= day if moment.time() == time() else column > day


__all__ = [
    "Choice", "ColumnUnknown", "DatasetUnknown", "Moment", "MomentUnclear", "PastUnknown", "Question", "QuestionRefused",
    "Wanted", "dataset_names", "has_a_past", "listed", "moment_of", "near", "table_of", "time_column",
]  # fmt: skip
