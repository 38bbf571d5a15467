"""Every column of every table, with unit and meaning: the catalog, from the declarations themselves.

What belongs here: putting declarations into rows. What does not: the declarations (table.py of each dataset, schema/).
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

import msgspec
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

import crypto_assets.schema
from crypto_assets.dashboard.figures.freshness import dataset_tables
from crypto_assets.schema.columns import METADATA

_WITHOUT_TABLES = "crypto_assets.schema.dagster_schema"  # it would bring all of Dagster


class CatalogColumn(msgspec.Struct, frozen=True):
    """A column.

    Args:
        kind: Type as PostgreSQL writes it.
        unit: Empty for names and labels.
        is_key: Whether it is part of the primary key.
    """

    name: str
    kind: str
    unit: str
    meaning: str
    is_key: bool
    is_nullable: bool


class CatalogTable(msgspec.Struct, frozen=True):
    """A table; `asset` is empty for those that datasets share."""

    table: str
    asset: str
    meaning: str
    columns: list[CatalogColumn]


@cache
def catalog() -> tuple[CatalogTable, ...]:
    """All tables by name: those of datasets, then those that all of them share."""
    assets = {str(table.fullname): asset for asset, table in dataset_tables()}
    for module in pkgutil.iter_modules(crypto_assets.schema.__path__, "crypto_assets.schema."):
        if module.name != _WITHOUT_TABLES:
            importlib.import_module(module.name)
    names = [*sorted(assets), *sorted({str(name) for name in METADATA.tables} - assets.keys())]
    return tuple(_told(METADATA.tables[name], assets.get(name, "")) for name in names)


def _told(table: Table, asset: str) -> CatalogTable:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
    keys = {column.name for column in table.primary_key.columns}
    columns = []
    for column in table.columns:
        unit = str(column.info.get("unit", ""))
        meaning = str(column.comment or "").removesuffix(f" [{unit}]")
        kind = column.type.compile(dialect=dialect).lower()
        columns.append(CatalogColumn(str(column.name), kind, unit, meaning, column.name in keys, bool(column.nullable)))
    return CatalogTable(str(table.fullname), asset, str(table.comment or ""), columns)


__all__ = ["CatalogColumn", "CatalogTable", "catalog"]
