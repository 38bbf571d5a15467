"""How a Table shows itself in Dagster: columns with type, meaning and unit.

What belongs here: the translation of a SQLAlchemy Table. What does not: the Tables.
"""

from __future__ import annotations

import dagster as dg
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql


def table_schema(table: Table) -> dg.TableSchema:
    """The table's columns as Dagster's column schema: type, comment with unit, nullability, key."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
    keys = [column.name for column in table.primary_key.columns]
    columns = [
        dg.TableColumn(
            name=column.name,
            type=column.type.compile(dialect=dialect).lower(),
            description=column.comment,
            constraints=dg.TableColumnConstraints(nullable=bool(column.nullable)),
            tags={"unit": _tag(unit)} if (unit := str(column.info.get("unit", ""))) else {},
        )
        for column in table.columns
    ]
    return dg.TableSchema(columns=columns, constraints=dg.TableConstraints(other=[f"key: {', '.join(keys)}"]))


def _tag(unit: str) -> str:
    # Dagster allows letters, digits, dot, dash and underscore in a tag's value.
    return "".join(sign if sign.isalnum() or sign in "._-" else "_" for sign in unit)[:63]
