"""What retention has taken out of the tables that are exported: rows that nobody may take for rows that never were.

What belongs here: asking for it, and the sentences that report and manifest have. What does not: what files do about it.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Table

from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.detached import Away, away, span_name


def away_of(warehouse: Warehouse, tables: Iterable[Table]) -> list[Away]:
    """The spans of these tables whose rows are not there, in order of time."""
    with warehouse.connect() as connection:
        return away(connection, [table.fullname for table in tables])


def told_away(gone: Iterable[Away]) -> tuple[str, ...]:
    """A sentence each. Pure."""
    return tuple(f"{one.table} of {span_name(one.span)}: {one.why}" for one in gone)


__all__ = ["away_of", "told_away"]
