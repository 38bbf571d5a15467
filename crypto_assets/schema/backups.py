"""What became of backups: the Table of schema ops that status, alerts and the dashboard read.

What belongs here: that Table. What does not: writing and reading it (warehouse/backup_log.py), and the backups themselves.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, PrimaryKeyConstraint, Table, Text

from crypto_assets.schema.columns import METADATA, column, moment, number

backups = Table(
    "backups",
    METADATA,
    moment("started_at", "When it was begun"),
    moment("finished_at", "When it was verified, or given up"),
    column("state", Text(), "succeeded or failed"),
    column("name", Text(), "By which it is verified and restored; empty where it failed"),
    column("place", Text(), "Folder or address it went to, without credentials"),
    column("bytes", BigInteger(), "Size of all its files", unit="bytes"),
    column("table_count", Integer(), "Tables in it, each partition one", unit="tables"),
    column("row_count", BigInteger(), "Rows in it", unit="rows"),
    number("seconds", "How long it took, with verifying and deleting older ones", unit="seconds"),
    column("error", Text(), "What went wrong; empty where nothing did"),
    PrimaryKeyConstraint("started_at"),
    schema="ops",
    comment="Every backup that was tried, and what became of it. One of a database works at a time.",
)

__all__ = ["backups"]
