"""Reading a table as it stood at a time, from its rows and from the old ones in audit.revisions.

What belongs here: choosing the version of each row. What does not: keeping old rows (triggers, sql/0003_revisions.sql).
"""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
from sqlalchemy import (
    Column,
    ColumnElement,
    DateTime,
    FromClause,
    Select,
    Table,
    Text,
    column,
    exists,
    func,
    literal,
    make_url,
    select,
    text,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.sql.visitors import replacement_traverse

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.schema.bookkeeping import revisions
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame


class MomentRefused(CryptoAssetsError):
    """A moment without its time zone says nothing."""


def read_as_of(
    warehouse: Warehouse, table: Table, at: datetime, where: ColumnElement[bool] | None = None
) -> pd.DataFrame:
    """The table's rows as they stood at a moment, in the order of their keys.

    A row's version holds from its `ingested_at` until it is superseded. Both times are the clock of the statement that
    wrote, so rows show from then on, even though others see them only after the commit.

    Args:
        warehouse: Where to read.
        table: With a primary key, `ingested_at` and audit's triggers.
        at: The moment, with its zone.
        where: A condition on the table's columns; it is applied to each version by itself.

    Raises:
        MomentRefused: `at` has no zone.
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    return read_frame(warehouse, as_of(table, at, where))


def as_of(table: Table, at: datetime, where: ColumnElement[bool] | None = None) -> Select[*tuple[object, ...]]:
    """The statement behind `read_as_of`. Pure.

    Of a row's versions, the one that counts is the first that was superseded after `at`, or else the row as it is now;
    and that one only if it was there by then.
    """
    if at.tzinfo is None:
        raise MomentRefused(
            f"Expected a moment with its time zone, and got {at.isoformat()}", way_out="Say 2024-01-01T00:00Z."
        )
    moment = literal(at.astimezone(UTC), DateTime(timezone=True))
    since = (revisions.c.table_name == f"{table.schema}.{table.name}", revisions.c.superseded_at > moment)
    current = select(*table.columns).where(table.c.ingested_at <= moment, ~exists().where(*since, _has_key_of(table)))
    first = (
        select(revisions.c.old_row)
        .where(*since)
        .ext(distinct_on(revisions.c.key))
        .order_by(revisions.c.key, revisions.c.superseded_at)
        .subquery("first_superseded")
    )
    typed = func.jsonb_populate_record(text(f"NULL::{_quoted(table)}"), first.c.old_row)
    old = typed.table_valued(*(column(own.name, own.type) for own in table.columns), name="old_version")
    superseded = select(*old.c).select_from(first).join(old, true()).where(old.c.ingested_at <= moment)
    if where is not None:
        current = current.where(where)
        superseded = superseded.where(_moved(where, table, old))
    both = union_all(current, superseded).subquery("versions")
    return select(*both.c).order_by(*(both.c[key.name] for key in table.primary_key.columns))


def _has_key_of(table: Table) -> ColumnElement[bool]:
    parts = [part for own in table.primary_key.columns for part in (literal(own.name, Text()), own)]
    return revisions.c.key == func.jsonb_build_object(*parts)


def _moved(where: ColumnElement[bool], table: Table, other: FromClause) -> ColumnElement[bool]:
    """The condition on the columns of the same names of another source."""

    def replace(element: object, **_: object) -> ColumnElement[object] | None:
        return other.c[element.name] if isinstance(element, Column) and element.table is table else None

    moved: ColumnElement[bool] = replacement_traverse(where, {}, replace)
    return moved


def _quoted(table: Table) -> str:
    return make_url("postgresql+psycopg2://").get_dialect()().identifier_preparer.format_table(table)
