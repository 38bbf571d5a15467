"""Noting who wrote: a row of ops.writes beside the rows it speaks of, from which any row's xmin leads to its run.

What belongs here: the statements. What does not: who works (origin.py; the session says it, and the table's defaults take it)
and following the trace (cli/trace.py).

A savepoint gives its rows a transaction id of its own, which the server tells nobody. So the note is written inside the same
savepoint as the rows: both have the same xmin then, whatever it is.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class under a function's name
from sqlalchemy import Table

from crypto_assets.warehouse.connection import Warehouse

_COLUMNS = "(table_name, rows_ingested_at, rows_inserted, rows_changed, rows_deleted)"
NOTE = f"INSERT INTO ops.writes {_COLUMNS} VALUES (%s, coalesce(%s, now()), %s, %s, %s)"  # noqa: S608 - a constant
# How many rows changed only the triggers know, see sql/0003_revisions.sql; told to the note and to the caller in one go.
NOTE_MERGED = f"""
INSERT INTO ops.writes {_COLUMNS}
SELECT %s, %s, greatest(0, %s - kept), kept, 0
  FROM (SELECT coalesce(nullif(current_setting('crypto_assets.revisions_kept', true), ''), '0')::bigint AS kept) AS told
RETURNING rows_changed
"""  # noqa: S608 - a constant
_PRUNE = "DELETE FROM ops.writes WHERE written_at < %s"


def note_write(
    cursor: Cursor, table: Table, *, inserted: int = 0, changed: int = 0, deleted: int = 0, at: datetime | None = None
) -> None:
    """Note what the transaction, or the open savepoint, writes to a table; nothing where that is nothing.

    Args:
        cursor: Of the transaction that writes.
        table: Where the rows are.
        inserted: Rows whose key was not there.
        changed: Rows that had other values.
        deleted: Rows removed.
        at: `ingested_at` that the rows bear; None where they have the transaction's start, which is the columns' default.
    """
    if inserted or changed or deleted:
        cursor.execute(NOTE, (table.fullname, at, inserted, changed, deleted))


def note_merged(cursor: Cursor, table: Table, written: int, at: datetime) -> int:
    """Note a merge of which so many rows were inserted or changed; how many were changed, as the table's triggers say.

    Args:
        cursor: Of the transaction that merged.
        table: With audit's triggers.
        written: Rows inserted or changed; 0 notes nothing.
        at: `ingested_at` that they bear.
    """
    if not written:
        return 0
    cursor.execute(NOTE_MERGED, (table.fullname, at, written))
    row = cursor.fetchone()
    return int(row[0]) if row else 0


def in_savepoint(name: str) -> sql.Composable:
    """The statement that opens a savepoint and notes the write in it, in one message; its values are those of `NOTE`."""
    return sql.SQL("SAVEPOINT {}; " + NOTE).format(sql.Identifier(name))


def prune_writes(warehouse: Warehouse, keep_days: int, now: datetime | None = None) -> int:
    """Forget who wrote what longer ago than so many days; how many notes went. The rows themselves stay.

    Raises:
        DatabaseUnreachable, NotMigrated: as for `Warehouse.connect`.
    """
    until = (now or datetime.now(UTC)) - timedelta(days=keep_days)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_PRUNE, (until,))
        return cursor.rowcount
