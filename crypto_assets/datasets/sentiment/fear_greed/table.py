"""sentiment.fear_greed: the table, its key, and what is known of the index.

What belongs here: columns, key, bounds with their reasons. What does not: asking and storing (asset.py), judging
(checks.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from sqlalchemy import Date, Integer, PrimaryKeyConstraint, Table, Text

from crypto_assets.schema.columns import METADATA, column, provenance

DATASET = "sentiment/fear_greed"
INDEX = "fear_greed"  # the name of the only series, in ledgers and findings

# The countdown in recorded answers ends at midnight UTC, when the next day's value appears. An hour later even one that
# came late, through a cache, had come; nobody states when a value of the past really appeared.
PUBLISHED_AFTER = timedelta(hours=1)
# A value that we store within two days of its day may have been late: it counts as known from when we saw it. Of older days
# we know only the rule.
LIVE_FOR = timedelta(days=2)
# The provider has no value for these days, in any answer on record.
NEVER_PUBLISHED = frozenset({date(2018, 4, 14), date(2018, 4, 15), date(2018, 4, 16), date(2024, 10, 26)})
# Lowest and highest value under each word, in 2,634 recorded days from 2018-02-01 to 2025-04-22; no value stood under two.
CLASSES: Mapping[str, tuple[int, int]] = {
    "Extreme Fear": (0, 25),
    "Fear": (26, 46),
    "Neutral": (47, 54),
    "Greed": (55, 75),
    "Extreme Greed": (76, 100),
}

fear_greed = Table(
    "fear_greed",
    METADATA,
    column("observed_on", Date(), "The day at whose first midnight it was published; it tells of the days before", unit="UTC"),
    column("value", Integer(), "0 is extreme fear, 100 extreme greed", unit="index points"),
    column("classification", Text(), "alternative.me's words for the value, as Extreme Fear"),
    *provenance(),
    PrimaryKeyConstraint("observed_on"),
    schema="sentiment",
    comment="The Crypto Fear & Greed index of alternative.me on one day.",
    info={"series": ("", INDEX), "time": "observed_on"},
)  # fmt: skip

__all__ = [
    "CLASSES", "DATASET", "INDEX", "LIVE_FOR", "NEVER_PUBLISHED", "PUBLISHED_AFTER", "fear_greed",
]  # fmt: skip
