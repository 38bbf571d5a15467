"""The checks of sentiment/fear_greed.

What belongs here: names, severities and the reasons of what blocks. What does not: how shared rules are looked at
(quality), what is known of the index (table.py), bounds (the universe).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from dagster import AssetCheckSeverity
from sqlalchemy import ColumnElement, DateTime, and_, cast, func, or_

from crypto_assets.clients.alternative_me import FIRST_DAY
from crypto_assets.datasets.sentiment.fear_greed.asset import read_days
from crypto_assets.datasets.sentiment.fear_greed.table import (
    CLASSES,
    DATASET,
    INDEX,
    NEVER_PUBLISHED,
    PUBLISHED_AFTER,
    fear_greed,
)
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import Rule, key_is_unique, make_check, newest_row_is_recent, rows_keep
from crypto_assets.quality.completeness import rows_are_accepted
from crypto_assets.quality.findings import Dimension, Finding, Grid
from crypto_assets.quality.series import TICK
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse

_C = fear_greed.c


def absent_days(stored: set[date], first: date, last: date) -> tuple[list[date], list[date]]:
    """Days without a value: those that nobody explains, and those that were never published. Pure."""
    days = {first + timedelta(days=number) for number in range((last - first).days + 1)} - stored
    return sorted(days - NEVER_PUBLISHED), sorted(days & NEVER_PUBLISHED)


def _every_day_is_there(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
    """Each day of the window has its value, once it is due."""
    due = datetime.now(UTC) - timedelta(hours=universe.sentiment.fear_greed_max_age_hours)
    first, last = max(window.start.date(), FIRST_DAY), min(window.end - timedelta(days=1), due).date()
    if first > last:
        return []
    unknown, known = absent_days(set(read_days(warehouse, first, last)), first, last)
    told = f"{len(known)} never published: {', '.join(map(str, known))}" if known else ""
    example = f"{unknown[0]}" if unknown else ""
    return [Finding("", INDEX, TICK, (last - first).days + 1, len(unknown), example, told)]


def _misfits() -> ColumnElement[bool]:
    fits = [and_(_C.classification == word, _C.value.between(*bounds)) for word, bounds in CLASSES.items()]
    return ~or_(*fits)


RULES = (
    Rule("key_is_unique", "One value a day.", Dimension.ACCURACY, key_is_unique(fear_greed), blocking=True),
    Rule(
        "value_in_range",
        "The index lies between 0 and 100, as it is defined.",
        Dimension.ACCURACY,
        rows_keep(fear_greed, ~_C.value.between(0, 100)),
        blocking=True,
    ),
    Rule(
        "classification_fits_value",
        "Each value stands under the words it stood under in 2,634 recorded days: Extreme Fear to 25, Fear to 46, Neutral to"
        " 54, Greed to 75. A change of the provider's scale would show here.",
        Dimension.ACCURACY,
        rows_keep(fear_greed, _misfits()),
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "no_value_from_the_future",
        "No value is of a later day than this one, or counts as known before it was published: an hour after midnight.",
        Dimension.ACCURACY,
        rows_keep(
            fear_greed,
            or_(
                _C.observed_on > func.current_date(),
                _C.known_at < cast(_C.observed_on, DateTime(timezone=True)) + PUBLISHED_AFTER,
            ),
        ),
        blocking=True,
    ),
    Rule(
        "every_day_is_there",
        "Every day that is due has its value; the four that the provider never published are noted.",
        Dimension.COMPLETENESS,
        _every_day_is_there,
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "newest_value_is_recent",
        "The newest value has been known no longer than the universe's fear_greed_max_age_hours: one appears a day.",
        Dimension.TIMELINESS,
        newest_row_is_recent(
            fear_greed,
            DATASET,
            wanted=lambda _warehouse, _universe, _window: (INDEX,),
            max_age_minutes=lambda universe: universe.sentiment.fear_greed_max_age_hours * 60,
        ),
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "rows_are_accepted",
        "No day had to be refused within the last day.",
        Dimension.ACCURACY,
        rows_are_accepted(fear_greed, DATASET),
        severity=AssetCheckSeverity.WARN,
    ),
)

CHECKS = [make_check(DATASET, rule, Grid.CALENDAR_DAYS) for rule in RULES]
