"""What retention took out of tables, and what tables take: the Tables of schema ops that keep book of storage.

What belongs here: the Tables. What does not: filling and reading them (warehouse/detached.py, warehouse/storage.py).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Date, Integer, PrimaryKeyConstraint, Table, Text

from crypto_assets.schema.columns import METADATA, column, moment

archived_partitions = Table(
    "archived_partitions",
    METADATA,
    column("table_name", Text(), "Schema and table that the partition was a part of"),
    moment("starts_at", "First moment of the partition's span"),
    column(
        "number",
        Integer(),
        "Counted from 1 within the span: rows that came later are taken out by themselves",
        unit="number",
    ),
    moment("ends_at", "Behind its last moment"),
    column("partition_name", Text(), "Name of the partition, in the schema of its table"),
    column(
        "outcome",
        Text(),
        "dropped, detached (the file is complete, the rows stand aside), archived (in the file alone) or restored",
    ),
    column(
        "aside",
        Text(),
        "Table that holds the rows of a detached partition until they are compared with the file once more",
        nullable=True,
    ),
    column(
        "row_count",
        BigInteger(),
        "Rows of the file; of a dropped partition about, as statistics had it",
        unit="rows",
        nullable=True,
    ),
    column("table_bytes", BigInteger(), "What the partition took with its indices", unit="bytes"),
    column("file", Text(), "File below the archive's place; null where the rows were dropped", nullable=True),
    column("file_bytes", BigInteger(), "Size of the file", unit="bytes", nullable=True),
    column("sha256", Text(), "SHA-256 of the file", nullable=True),
    column("row_hash", Text(), "Sum of the rows' hashes, the same in any order", nullable=True),
    moment("removed_at", "When the rows left their table", server_default="clock_timestamp()"),
    moment("restored_at", "When they came back; null while they are away", nullable=True),
    PrimaryKeyConstraint("table_name", "starts_at", "number"),
    schema="ops",
    comment="Partitions that retention took out of their tables. Written in the transaction that takes one out, by functions"
    " alone.",
)

storage_samples = Table(
    "storage_samples",
    METADATA,
    column("table_name", Text(), "Schema and table, with all of its partitions"),
    column("sampled_on", Date(), "Day of the sample", unit="UTC"),
    column("row_estimate", BigInteger(), "Rows as PostgreSQL's statistics have them", unit="rows"),
    column("table_bytes", BigInteger(), "Rows themselves", unit="bytes"),
    column("index_bytes", BigInteger(), "Indices", unit="bytes"),
    column("toast_bytes", BigInteger(), "Values too long for a row's page", unit="bytes"),
    column("dead_rows", BigInteger(), "Rows that vacuum has not cleared yet", unit="rows"),
    moment("sampled_at", "When it was taken", server_default="clock_timestamp()"),
    PrimaryKeyConstraint("table_name", "sampled_on"),
    schema="ops",
    comment="What each table takes, once a day, for its growth. Old samples are deleted.",
)

__all__ = ["archived_partitions", "storage_samples"]
