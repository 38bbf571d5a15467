"""ops.training_sets: the table of all sets, and the names of their states.

What belongs here: columns and states. What does not: writing and reading rows (training_sets/catalog.py).
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import BigInteger, PrimaryKeyConstraint, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from crypto_assets.schema.columns import METADATA, column, moment, timeframe


class SetState(StrEnum):
    """What the last look at a set found."""

    CREATED = "created"
    VERIFIED = "verified"
    DIFFERS = "differs"
    DAMAGED = "damaged"


training_sets = Table(
    "training_sets",
    METADATA,
    column("name", Text(), "Name of the set, and of its folder"),
    moment("created_at", "When it was finished"),
    moment("as_of", "Its rows are as they stood then"),
    moment("starts_at", "Its bars open from here on"),
    moment("ends_at", "Its bars open before"),
    timeframe(),
    column("markets", JSONB(), "Rows of each market, as venue:symbol", unit="rows"),
    column("columns", JSONB(), "Names of its columns, in their order"),
    column("row_count", BigInteger(), "Bars of all markets, a row each", unit="rows"),
    column("bytes", BigInteger(), "Size of its files", unit="bytes"),
    column("row_hash", Text(), "SHA-256 over its rows in the order of their keys"),
    column("feature_version", Text(), "Version of the features that it was made by"),
    column("place", Text(), "Where it lies: a folder, or an address without credentials"),
    column("manifest_sha256", Text(), "SHA-256 of its manifest, which holds those of its files"),
    column("state", Text(), "created, verified, differs or damaged: what the last look at it found"),
    moment("verified_at", "When it was last rebuilt and compared, or its files looked at", nullable=True),
    PrimaryKeyConstraint("name"),
    schema="ops",
    comment="Frozen training sets: which features and labels, as they stood at which moment, and where they lie.",
)

__all__ = ["SetState", "training_sets"]
