"""onchain.metrics: the table and its key.

What belongs here: columns and key. What does not: which metrics there are (declaration.py), collecting (asset.py), judging
(checks.py).
"""

from __future__ import annotations

from sqlalchemy import Date, PrimaryKeyConstraint, Table, Text

from crypto_assets.schema.columns import METADATA, column, number, provenance

DATASET = "onchain/metrics"

metrics = Table(
    "metrics",
    METADATA,
    column("asset", Text(), "Currency of the chain, as BTC"),
    column("metric", Text(), "What was measured, as active_addresses"),
    column("observed_on", Date(), "The day that the value is of, from midnight to midnight UTC"),
    number("value", "What was measured", unit="as the column unit says"),
    column("unit", Text(), "Unit of the value: USD, TH/s, addresses, or the currency"),
    *provenance(),
    PrimaryKeyConstraint("asset", "metric", "observed_on"),
    schema="onchain",
    comment="One metric of one chain on one day. A value that was corrected keeps its former one in audit.revisions.",
    info={"series": ("asset", "metric"), "time": "observed_on"},
)

__all__ = ["DATASET", "metrics"]
