"""Tables that every dataset writes to beside its own: what was collected, what was refused, what was replaced.

What belongs here: the Tables of schemas quality, audit and ops. What does not: a dataset's own table (its table.py) and
the code that reads or writes any of these.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Computed, Double, Identity, Integer, PrimaryKeyConstraint, Table, Text
from sqlalchemy.dialects.postgresql import JSONB, TSTZMULTIRANGE

from crypto_assets.schema.columns import METADATA, column, moment, number, symbol, timeframe, venue


def _dataset() -> Column[str]:
    return column("dataset", Text(), "Asset key of the dataset, as market/ohlcv")


def _score(name: str, meaning: str, expression: str) -> Column[float]:
    """A share that the database computes from `checks`, so that no writer can get it wrong."""
    computed = Computed(expression, persisted=True)
    return Column(name, Double(), computed, nullable=True, comment=f"{meaning} [0..1]", info={"unit": "0..1"})


collected_ranges = Table(
    "collected_ranges",
    METADATA,
    _dataset(),
    venue(),
    symbol(),
    timeframe(),
    column(
        "collected",
        TSTZMULTIRANGE(),
        "Spans of opening times asked for and answered; grows with each commit",
        unit="UTC",
    ),
    moment("updated_at", "When the spans last grew", server_default="now()"),
    PrimaryKeyConstraint("dataset", "venue", "symbol", "timeframe"),
    schema="ops",
    comment="How far each series has been collected. Written in the transaction that writes the rows, never before it.",
)

universe_versions = Table(
    "universe_versions",
    METADATA,
    column("content_hash", Text(), "SHA-256 of the file's bytes"),
    column("content", Text(), "The file as it was read"),
    moment("first_used_at", "When a run first used this version", server_default="now()"),
    moment("last_used_at", "When a run last used this version", server_default="now()"),
    PrimaryKeyConstraint("content_hash"),
    schema="ops",
    comment="Every valid universe.yaml a run has used; the newest stays in force while the file is invalid.",
)

revisions = Table(
    "revisions",
    METADATA,
    column("table_name", Text(), "Schema and table of the row"),
    column("key", JSONB(), "The row's primary key"),
    moment("superseded_at", "When the row was changed or deleted"),
    column("old_row", JSONB(), "The row as it stood before"),
    column(
        "transaction_id",
        BigInteger(),
        "Transaction that changed it",
        server_default="(pg_current_xact_id()::text::bigint)",
    ),
    PrimaryKeyConstraint("table_name", "key", "superseded_at"),
    schema="audit",
    comment="Old values of changed rows, so that a table can be read as it stood at any time. Filled by triggers.",
)

quarantine = Table(
    "quarantine",
    METADATA,
    Column(
        "quarantine_id",
        BigInteger(),
        Identity(always=True),
        comment="Sequence number, given by the database",
        info={"unit": ""},
    ),
    _dataset(),
    venue(),
    symbol(),
    timeframe(),
    column("reason", Text(), "Which rule the row broke"),
    column("payload", JSONB(), "The row or body as the provider sent it"),
    column("payload_hash", Text(), "SHA-256 of reason and payload, so that the same row is kept once"),
    column("occurrences", Integer(), "How many times it was received", unit="times", server_default="1"),
    moment("first_seen_at", "When it was first received", server_default="now()"),
    moment("last_seen_at", "When it was last received", server_default="now()"),
    PrimaryKeyConstraint("quarantine_id"),
    schema="quality",
    comment="Rows that failed validation, with what came and why it was refused.",
)

scores = Table(
    "scores",
    METADATA,
    _dataset(),
    venue(),
    symbol(),
    timeframe(),
    column("run_id", Text(), "Dagster run that checked"),
    moment("scored_at", "When the run last added a check", server_default="now()"),
    moment("window_start", "Start of the opening times that were checked"),
    moment("window_end", "End of the opening times that were checked, exclusive"),
    column("checks", JSONB(), "Per check: dimension, rows checked, rows failed"),
    _score("accuracy", "Worst share of sound rows over the accuracy checks", "quality.share_sound(checks, 'accuracy')"),
    _score(
        "completeness",
        "Worst share of present rows over the completeness checks",
        "quality.share_sound(checks, 'completeness')",
    ),
    _score("timeliness", "Worst share over the timeliness checks", "quality.share_sound(checks, 'timeliness')"),
    column("weights", JSONB(), "Weight of each dimension in the overall score, as the universe had them"),
    number("lag_seconds", "Age of the newest row when it was checked", unit="seconds", nullable=True),
    _score("overall", "Weighted mean of the dimensions that were measured", "quality.overall_score(checks, weights)"),
    PrimaryKeyConstraint("dataset", "venue", "symbol", "timeframe", "run_id"),
    schema="quality",
    comment="How good each series was found to be, one row a run and series.",
)

coverage = Table(
    "coverage",
    METADATA,
    _dataset(),
    venue(),
    symbol(),
    timeframe(),
    moment("gap_start", "Opening time of the first absent bar"),
    moment("gap_end", "End of the last absent bar, exclusive"),
    column("state", Text(), "missing, venue_quiet, venue_outage, not_listed, repaired or unrecoverable"),
    column(
        "evidence",
        JSONB(),
        "Why the state holds: what was asked and when, what came back, how many times, who traded meanwhile",
    ),
    moment("first_seen", "When the gap was first noticed", server_default="now()"),
    moment("resolved_at", "When its bars came; null while they are absent", nullable=True),
    moment("ingested_at", "When we stored the row as it stands", server_default="clock_timestamp()"),
    PrimaryKeyConstraint("dataset", "venue", "symbol", "timeframe", "gap_start", "gap_end"),
    schema="quality",
    comment="The gap ledger: why a bar is not there.",
)

__all__ = ["collected_ranges", "coverage", "quarantine", "revisions", "scores", "universe_versions"]
