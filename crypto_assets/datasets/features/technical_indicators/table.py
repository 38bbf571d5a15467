"""features.technical_indicators: the table, one typed column an indicator, as its declaration has it.

What belongs here: columns and key; other datasets read indicators through this module alone. What does not: formulas
(crypto_assets/indicators) and the work (asset.py).
"""

from __future__ import annotations

from sqlalchemy import PrimaryKeyConstraint, Table

from crypto_assets.indicators.catalog import INDICATORS
from crypto_assets.schema.columns import METADATA, moment, number, provenance, symbol, timeframe, venue

DATASET = "features/technical_indicators"

technical_indicators = Table(
    "technical_indicators",
    METADATA,
    venue(),
    symbol(),
    timeframe(),
    moment("opened_at", "When the bar opens that the row belongs to; decisions are made at its close"),
    *(number(one.name, one.comment, unit=one.unit, nullable=True) for one in INDICATORS.values()),
    *provenance(),
    PrimaryKeyConstraint("venue", "symbol", "timeframe", "opened_at"),
    schema="features",
    comment="Technical indicators of each stored bar, from that bar and those before it.",
    info={"partition_by": "opened_at"},
    postgresql_partition_by="RANGE (opened_at)",
)

__all__ = ["DATASET", "technical_indicators"]
