"""models.predictions: the table and its key.

What belongs here: columns and key; other datasets read predictions through this module alone. What does not: predicting
(batch.py, live.py) and judging (checks.py).
"""

from __future__ import annotations

from sqlalchemy import Boolean, Integer, PrimaryKeyConstraint, Table, Text

from crypto_assets.schema.columns import METADATA, column, moment, number, provenance

DATASET = "models/predictions"
_CHANGE = "log change"

predictions = Table(
    "predictions",
    METADATA,
    column("model", Text(), "Forecast, as gas_4h"),
    column("domain", Text(), "Exchange by its ccxt id, or chain by its name"),
    column("series", Text(), "Unified symbol, address of a pool, or the name of a chain's one series"),
    moment("decided_at", "The decision: nothing known later was looked at"),
    column("version", Integer(), "Which version of the forecast said so", unit="number"),
    moment("horizon_end_at", "The moment that is spoken of"),
    number("level_now", "The quantity as it was known at the decision", unit="unit of the quantity"),
    number("yhat", "The middle of what is expected", unit=_CHANGE),
    number("q10", "One in ten truths should lie below", unit=_CHANGE),
    number("q90", "One in ten truths should lie above", unit=_CHANGE),
    number("baseline", "What the best baseline of validation said", unit=_CHANGE),
    column("baseline_name", Text(), "Which baseline"),
    column(
        "is_out_of_sample", Boolean(), "Whether every truth that the version learned from was known by the decision"
    ),
    number("latency_ms", "From the start of reading inputs to the forecast", unit="milliseconds", nullable=True),
    *provenance(),
    PrimaryKeyConstraint("model", "domain", "series", "decided_at"),
    schema="models",
    comment="What the champion of each forecast said at each decision, beside the best baseline.",
    info={"partition_by": "decided_at", "time": "decided_at", "series": ("domain", "series")},
    postgresql_partition_by="RANGE (decided_at)",
)

__all__ = ["DATASET", "predictions"]
