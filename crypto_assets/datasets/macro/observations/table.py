"""macro.observations and macro.series: the tables and their keys.

What belongs here: columns and keys. What does not: asking (collect.py, gold.py), judging (checks.py).
"""

from __future__ import annotations

from sqlalchemy import Date, PrimaryKeyConstraint, Table, Text

from crypto_assets.schema.columns import METADATA, column, moment, number, provenance

DATASET = "macro/observations"
LEDGER = "macro"  # what stands in the place of a venue in every ledger

observations = Table(
    "observations",
    METADATA,
    column("series_id", Text(), "FRED's name of the series, as UNRATE; PAXGUSD for gold"),
    column("period_on", Date(), "First day of the period that the value is of"),
    column("realtime_start", Date(), "Vintage: the day on which the value was first there"),
    column(
        "realtime_end", Date(), "The last day on which it held, before its revision; null while in force", nullable=True
    ),
    number("value", "The value; null where the provider says that there is none", unit="as in unit", nullable=True),
    column("unit", Text(), "What the value counts, in the provider's words"),
    column("frequency", Text(), "Length of the series' periods: daily weekly monthly quarterly annual"),
    *provenance(),
    PrimaryKeyConstraint("series_id", "period_on", "realtime_start"),
    schema="macro",
    comment="What an economic series' value was said to be, period by period and vintage by vintage.",
    info={"series": (LEDGER, "series_id"), "time": "known_at"},
)

series = Table(
    "series",
    METADATA,
    column("series_id", Text(), "FRED's name of the series, as UNRATE"),
    column("title", Text(), "What it is, in FRED's words"),
    column("unit", Text(), "What its values count, in FRED's words"),
    column("frequency", Text(), "Length of its periods: daily weekly monthly quarterly annual"),
    column("seasonal_adjustment", Text(), "How seasons were taken out, in FRED's words"),
    column("release_id", Text(), "FRED's number of the release that it is published with"),
    column("release_name", Text(), "Name of that release"),
    column("followed_from", Date(), "Periods from this day on are followed: all of their vintages are here"),
    moment("last_updated_at", "When FRED had last had something new of it, as far as that was collected"),
    moment("due_at", "When a vintage becomes known that was there already; null where none waits", nullable=True),
    *provenance(),
    PrimaryKeyConstraint("series_id"),
    schema="macro",
    comment="One series of FRED as FRED describes it, and how new what we have of it is.",
    info={"series": (LEDGER, "series_id"), "time": "known_at"},
)

__all__ = ["DATASET", "LEDGER", "observations", "series"]
