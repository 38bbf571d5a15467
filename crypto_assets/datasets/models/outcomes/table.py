"""models.outcomes: the table and its key.

What belongs here: columns and key. What does not: comparing (score.py) and judging (checks.py).
"""

from __future__ import annotations

from sqlalchemy import Boolean, Integer, PrimaryKeyConstraint, Table, Text

from crypto_assets.schema.columns import METADATA, column, moment, number, provenance

DATASET = "models/outcomes"
_CHANGE = "log change"

outcomes = Table(
    "outcomes",
    METADATA,
    column("model", Text(), "Forecast, as gas_4h"),
    column("domain", Text(), "Exchange by its ccxt id, or chain by its name"),
    column("series", Text(), "Unified symbol, address of a pool, or the name of a chain's one series"),
    moment("decided_at", "The decision of the prediction"),
    column("version", Integer(), "Which version of the forecast was judged", unit="number"),
    moment("horizon_end_at", "The moment that was spoken of"),
    number("truth", "What came", unit=_CHANGE),
    number("error", "Distance of the forecast's middle from the truth", unit=_CHANGE),
    number("baseline_error", "Distance of the baseline from the truth", unit=_CHANGE),
    column("is_inside", Boolean(), "Whether the truth lay from q10 to q90"),
    column(
        "is_direction_right",
        Boolean(),
        "Whether up or down was right; null where nothing changed or none was said",
        nullable=True,
    ),
    column("is_out_of_sample", Boolean(), "As the prediction says"),
    *provenance(),
    PrimaryKeyConstraint("model", "domain", "series", "decided_at"),
    schema="models",
    comment="The truth about each prediction, with the errors of forecast and baseline beside each other.",
    info={"partition_by": "decided_at", "time": "decided_at", "series": ("domain", "series")},
    postgresql_partition_by="RANGE (decided_at)",
)

__all__ = ["DATASET", "outcomes"]
