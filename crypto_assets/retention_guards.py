"""Why a partition that is old enough has to stay all the same: what still needs it.

What belongs here: the reasons, table by table, and which tables they are asked of. What does not: age (warehouse/retention.py),
names that may never go (universe_operations.py) and when anybody asks (retention_automation.py).

Each reason names what would be lost, so that whoever reads it can settle that. None holds for ever: hours are added up, holes
are repaired or given up, a year ends, another champion is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime

from crypto_assets.datasets.features.blocks import HISTORY_BARS
from crypto_assets.datasets.features.derive import RESTS_ON
from crypto_assets.datasets.features.labels.table import labels
from crypto_assets.datasets.features.ml_features.table import ml_features
from crypto_assets.datasets.features.technical_indicators.table import technical_indicators
from crypto_assets.datasets.market.book_ticker_hours.build import HOUR, unsummed_hours
from crypto_assets.datasets.market.book_ticker_snapshots.table import book_ticker_snapshots
from crypto_assets.spans import Span
from crypto_assets.universe import TIMEFRAME_LENGTH, Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.retention import Guard, Guards, Partition

_DERIVED = frozenset(one.fullname for one in (labels, ml_features, technical_indicators))
_ASKED_FOR = """
SELECT count(*), min(gap_start) FROM quality.coverage
 WHERE dataset = %s AND state = 'missing' AND gap_end > %s AND gap_start < %s
"""
_LEARNED_FROM = """
SELECT model, version FROM models.registry
 WHERE state = 'champion' AND trained_from < %s AND trained_to > %s ORDER BY model LIMIT 1
"""


def guards_of(universe: Universe, tables: Collection[str], dropped: Collection[str], now: datetime) -> Guards:
    """What is asked of each table's due partitions.

    Args:
        tables: Those that have a policy.
        dropped: Those of them whose policy says drop.
        now: From which features look back.
    """
    until = features_look_back_to(universe, now)
    chosen: dict[str, Guard] = {}
    for name in tables:
        asked: list[Guard] = []
        if name == book_ticker_snapshots.fullname:
            asked.append(hours_not_summed)
        else:
            asked.append(bars_asked_for)
        if name in RESTS_ON:
            asked.append(_needed_by_features(until))
        if name in _DERIVED and name in dropped:
            asked.append(learned_from)
        chosen[name] = _first_of(asked)
    return chosen


def features_look_back_to(universe: Universe, now: datetime) -> datetime:
    """The first moment that features of the year that goes on rest on. Pure."""
    longest = max(TIMEFRAME_LENGTH[name] for name in universe.features.timeframes)
    return datetime(now.astimezone(UTC).year, 1, 1, tzinfo=UTC) - HISTORY_BARS * longest


def hours_not_summed(warehouse: Warehouse, partition: Partition) -> str:
    """Hours of a day of quotes are not added up as they stand."""
    count = len(unsummed_spans(warehouse, partition.span))
    return f"{count} {'hour is' if count == 1 else 'hours are'} not summed up" if count else ""


def unsummed_spans(warehouse: Warehouse, span: Span) -> list[Span]:
    """The hours of a span whose sums are not what its snapshots add up to."""
    return [(one.start, one.start + HOUR) for one in unsummed_hours(warehouse, span)]


def bars_asked_for(warehouse: Warehouse, partition: Partition) -> str:
    """The ledger holds gaps of it that are still asked for: their rows would come to a table that they left."""
    dataset = partition.table.fullname.replace(".", "/")
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_ASKED_FOR, (dataset, *partition.span))
        count, first = cursor.fetchone() or (0, None)
    if not count:
        return ""
    return f"{count} {'gap is' if count == 1 else 'gaps are'} still asked for, first {first:%Y-%m-%d %H:%M}"


def learned_from(warehouse: Warehouse, partition: Partition) -> str:
    """A champion was made of it, and could not be made again; training sets are rebuilt from bars and their like."""
    start, end = partition.span
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_LEARNED_FROM, (end, start))
        row = cursor.fetchone()
    return f"the champion {row[0]} {row[1]} learned from it: detach keeps that repeatable" if row else ""


def _needed_by_features(until: datetime) -> Guard:
    def needed(_warehouse: Warehouse, partition: Partition) -> str:
        if partition.span[1] <= until:
            return ""
        return f"features of this year look back to {until:%Y-%m-%d}"

    return needed


def _first_of(asked: Collection[Callable[[Warehouse, Partition], str]]) -> Guard:
    def first(warehouse: Warehouse, partition: Partition) -> str:
        return next((told for guard in asked if (told := guard(warehouse, partition))), "")

    return first
