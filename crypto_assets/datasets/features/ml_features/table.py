"""features.ml_features: the table, one typed column a feature, as its declaration has it.

What belongs here: columns and key; other datasets read features through this module alone. What does not: features
(…_set.py) and the work (asset.py).
"""

from __future__ import annotations

from sqlalchemy import PrimaryKeyConstraint, Table, Text

from crypto_assets.datasets.features.ml_features.catalog import FEATURES
from crypto_assets.schema.columns import METADATA, column, feature, moment, provenance, symbol, timeframe, venue

DATASET = "features/ml_features"

ml_features = Table(
    "ml_features",
    METADATA,
    venue(),
    symbol(),
    timeframe(),
    moment("opened_at", "When the bar opens that the row belongs to; decisions are made at its close"),
    *(feature(one.name, one.comment, unit=one.unit) for one in FEATURES.values()),
    column("version", Text(), "Version of declarations, code and engines that made the row"),
    *provenance(),
    PrimaryKeyConstraint("venue", "symbol", "timeframe", "opened_at"),
    schema="features",
    comment="Features for models of each stored bar: what could be known at its close.",
    info={"partition_by": "opened_at"},
    postgresql_partition_by="RANGE (opened_at)",
)

__all__ = ["DATASET", "ml_features"]
