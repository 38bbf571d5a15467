"""What a table told of a key before it was corrected: rows in all the versions that we ever stored of them.

What belongs here: reading versions of rows that are corrected in place. What does not: which of them was known at a moment
(vintages.py), and tables that keep their vintages as rows (macro.observations).

A correction is known from when it came; until then what it replaced was known, and audit.revisions still has that. A row that
was taken away altogether counts with none of its versions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
from sqlalchemy import ColumnElement, Table, cast, exists, select, union_all

from crypto_assets.datasets.features.source import Source
from crypto_assets.schema.bookkeeping import revisions


def read_editions(source: Source, table: Table, where: ColumnElement[bool], names: Sequence[str]) -> pa.Table:
    """Some columns, known_at and ingested_at of the rows that stand at the source's moment, and of their former versions.

    Args:
        where: On key columns alone, so that it holds for all versions of a row.
        names: Columns, those of the key among them as wanted.
    """
    standing = replace(source, known_by=None).stands(table, where)
    wanted = list(dict.fromkeys([*names, "known_at", "ingested_at"]))
    old = revisions.c.old_row
    typed = {one.name: cast(old[one.name].astext, one.type).label(one.name) for one in table.columns}
    same = [standing.c[key.name] == typed[key.name].element for key in table.primary_key.columns]
    former = select(*(typed[name] for name in wanted)).where(
        revisions.c.table_name == table.fullname, exists().where(*same)
    )
    both = union_all(select(*(standing.c[name] for name in wanted)), former).subquery("editions")
    conditions = [both.c.known_at <= source.known_by] if source.known_by is not None else []
    conditions += [both.c.ingested_at <= source.as_of] if source.as_of is not None else []
    return source.reader.arrow(select(*(both.c[name] for name in wanted)).where(*conditions))
