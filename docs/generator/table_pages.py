"""The catalog: every table and column with unit and meaning, read from the declarations that the database is compared with.

What belongs here: from SQLAlchemy Tables to Markdown. What does not: meanings; they stand in the tables.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache

from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql

import crypto_assets.datasets
import crypto_assets.schema
from crypto_assets.schema.columns import METADATA

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


@cache
def tables() -> dict[str, Table]:
    """All tables by their full names, in order."""
    for shared in pkgutil.iter_modules(crypto_assets.schema.__path__, "crypto_assets.schema."):
        importlib.import_module(shared.name)
    for found in pkgutil.walk_packages(crypto_assets.datasets.__path__, "crypto_assets.datasets."):
        if found.name.endswith(".table"):
            importlib.import_module(found.name)
    return {table.fullname: table for table in sorted(METADATA.tables.values(), key=lambda one: one.fullname)}


def schemas() -> list[str]:
    """The schemas that have tables, in order."""
    return sorted({table.schema or "public" for table in tables().values()})


def render_index() -> str:
    """A table of all tables."""
    rows = ["| table | a row is | key |", "|---|---|---|"]
    for name, table in tables().items():
        key = ", ".join(f"`{column.name}`" for column in table.primary_key.columns)
        rows.append(f"| [`{name}`]({table.schema}.md#{_anchor(table)}) | {_cell(table.comment or '')} | {key} |")
    return "\n".join(rows) + "\n"


def render(schema: str) -> str:
    """One schema's page: a heading for each table, its card, key, partitions and columns."""
    parts = [f"# Schema {schema}\n"]
    for table in tables().values():
        if table.schema == schema:
            parts += _table(table)
    return "\n".join(parts)


def _table(table: Table) -> list[str]:
    key = ", ".join(f"`{column.name}`" for column in table.primary_key.columns)
    parts = [f"## {table.fullname} {{#{_anchor(table)}}}\n", f"{table.comment}\n", f"Key: {key}.\n"]
    if table.info.get("partition_by"):
        unit = table.info.get("partition_unit", "year")
        parts.append(f"Partitioned by `{table.info['partition_by']}`, a {unit} each.\n")
    card = _card(table)
    if card:
        parts.append(f'??? note "Data card"\n\n{_indented(card)}\n')
    parts.append("| column | type | unit | what |\n|---|---|---|---|")
    parts += [_column(column) for column in table.columns]
    return [*parts, ""]


def _card(table: Table) -> str:
    """The docstring of the dataset's package, which says where rows come from and what to beware of."""
    name = f"crypto_assets.datasets.{table.schema}.{table.name}"
    try:
        package = importlib.import_module(name)
    except ModuleNotFoundError as missing:
        if missing.name != name and not name.startswith(f"{missing.name}."):
            raise
        return ""  # a table beside a dataset's own, or one of operating
    return inspect.cleandoc(package.__doc__ or "")


def _column(column: Column[object]) -> str:
    unit = str(column.info.get("unit", ""))
    meaning = (column.comment or "").removesuffix(f"[{unit}]").strip()
    maybe = "" if not column.nullable else " or null"
    kind = column.type.compile(_DIALECT).lower().replace("timestamp with time zone", "timestamptz")
    return f"| `{column.name}` | {_cell(kind)}{maybe} | {_cell(unit)} | {_cell(meaning)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("[", "\\[").replace("<", "&lt;").replace("\n", " ")


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.replace("[", "\\[").replace("<", "&lt;").splitlines())


def _anchor(table: Table) -> str:
    return f"{table.schema}-{table.name}"
