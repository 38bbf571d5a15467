"""features.labels: the table, its key and its horizons.

What belongs here: columns, key and horizons; other datasets read labels through this module alone, and ml_features not at
all. What does not: the work (asset.py).
"""

from __future__ import annotations

from sqlalchemy import Integer, PrimaryKeyConstraint, Table

from crypto_assets.schema.columns import METADATA, column, moment, number, provenance, symbol, timeframe, venue

DATASET = "features/labels"
HORIZONS = (1, 4, 24, 168)  # the next bar, and for hours: a session's part, a day, a week

labels = Table(
    "labels",
    METADATA,
    venue(),
    symbol(),
    timeframe(),
    moment("opened_at", "When the bar opens that the label belongs to; the decision is made at its close"),
    column("horizon_bars", Integer(), "How many bars after the decision the label looks ahead", unit="bars"),
    moment("label_end_at", "Close of the last bar that the label looks at; before it, nobody could know the label"),
    number("forward_return", "Close at the end of the horizon over the close at the decision, less 1", unit="fraction"),
    number(
        "forward_volatility",
        "Square root of the sum of the squared log returns within the horizon",
        unit="fraction over the horizon",
    ),
    *provenance(),
    PrimaryKeyConstraint("venue", "symbol", "timeframe", "opened_at", "horizon_bars"),
    schema="features",
    comment="Forward return and volatility of each stored bar by horizon; apart from features, which never read it.",
    info={"partition_by": "opened_at"},
    postgresql_partition_by="RANGE (opened_at)",
)

__all__ = ["DATASET", "HORIZONS", "labels"]
