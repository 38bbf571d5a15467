"""Which run wrote what: the Table that leads from a stored row to the run, and to what asked for it.

What belongs here: the Table. What does not: filling it (warehouse/writes.py) and following it (trace, in cli/).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, PrimaryKeyConstraint, Table, Text

from crypto_assets.schema.columns import METADATA, column, moment


def _rows(name: str, meaning: str) -> Column[int]:
    return column(name, BigInteger(), meaning, unit="rows")


def _told(name: str, meaning: str) -> Column[str]:
    """What the session says of itself: connections carry it, see Origin."""
    return column(name, Text(), meaning, server_default=f"COALESCE(current_setting('crypto_assets.{name}', true), '')")


writes = Table(
    "writes",
    METADATA,
    Column(
        "write_id",
        BigInteger(),
        Identity(always=True),
        comment="Sequence number, given by the database",
        info={"unit": ""},
    ),
    column("table_name", Text(), "Schema and table of the rows"),
    moment(
        "rows_ingested_at", "ingested_at of the rows, which leads to this one where xmin cannot, as after a restore"
    ),
    column(
        "transaction_id",
        BigInteger(),
        "Transaction that wrote; audit.revisions has it too",
        server_default="(pg_current_xact_id()::text::bigint)",
    ),
    _rows("rows_inserted", "Rows whose key was not there"),
    _rows("rows_changed", "Rows that were there with other values"),
    _rows("rows_deleted", "Rows removed to make place"),
    _told("run_id", "Dagster run, or the id of a command's own; empty where nobody said"),
    _told("triggered_by", "What asked for the run: schedule, sensor, backfill, command line, with its name"),
    _told("request", "Run key, partition or tick of what asked"),
    moment("written_at", "When it was written, by the clock", server_default="clock_timestamp()"),
    PrimaryKeyConstraint("table_name", "rows_ingested_at", "write_id"),
    schema="ops",
    comment="Which run wrote what: a row is stored by the very transaction, or savepoint, that stores the rows it speaks"
    " of, so both have the same xmin.",
)

__all__ = ["writes"]
