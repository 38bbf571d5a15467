"""The grids that every dataset shares, and why they are cut as they are.

What belongs here: partition definitions and the way from a run's keys to windows of time. What does not: what a dataset
does with a window.

Bars are cut month × venue. A venue is the domain of rate limits, outages and parallel work, so it is a dimension; a
market is data inside a partition. The grid holds the current, still open window (`end_offset=1`). What a venue can only
tell as of now, its list of markets, is cut by venue alone: no run could fill an older window.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise

import dagster as dg

MONTH = "month"
VENUE = "venue"


@dataclass(frozen=True)
class VenueWindow:
    """A span of opening times on one venue: [start, end), UTC."""

    venue: str
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Grids:
    """The partition definitions that a universe gives rise to.

    Args:
        bars: Month × venue, for bars and what derives from them.
        venues: Venue alone, for what has no past that could be asked for.
    """

    bars: dg.MultiPartitionsDefinition
    venues: dg.StaticPartitionsDefinition


def grids_of(history_from: date, venues: Sequence[str]) -> Grids:
    """All grids of a universe."""
    return Grids(bars=bars_grid(history_from, venues), venues=dg.StaticPartitionsDefinition(sorted(venues)))


def bars_grid(history_from: date, venues: Sequence[str]) -> dg.MultiPartitionsDefinition:
    """Month × venue, from the month of `history_from` to the month that is still open."""
    months = dg.MonthlyPartitionsDefinition(start_date=history_from.strftime("%Y-%m-01"), end_offset=1)
    return dg.MultiPartitionsDefinition({MONTH: months, VENUE: dg.StaticPartitionsDefinition(sorted(venues))})


def month_key(moment: datetime) -> str:
    """The month partition in which a moment lies."""
    return moment.astimezone(UTC).strftime("%Y-%m-01")


def month_window(key: str) -> tuple[datetime, datetime]:
    """The span of a month partition: [start, end), UTC."""
    start = datetime.strptime(key, "%Y-%m-%d").replace(tzinfo=UTC)
    return start, _next_month(start)


def venue_windows(keys: Iterable[str]) -> list[VenueWindow]:
    """The fewest windows that cover the keys: adjacent months of a venue become one.

    Args:
        keys: Partition keys of the bars grid, as `context.partition_keys` gives them.
    """
    months: dict[str, set[datetime]] = {}
    for key in keys:
        month, venue = split_key(key)
        months.setdefault(venue, set()).add(month_window(month)[0])
    windows = []
    for venue, starts in sorted(months.items()):
        ordered = sorted(starts)
        cuts = [0, *(i for i, (a, b) in enumerate(pairwise(ordered), 1) if _next_month(a) != b), len(ordered)]
        windows += [VenueWindow(venue, ordered[a], _next_month(ordered[b - 1])) for a, b in pairwise(cuts)]
    return windows


def split_key(key: str) -> tuple[str, str]:
    """Month and venue of a key: Dagster joins dimensions in the alphabetical order of their names."""
    if isinstance(key, dg.MultiPartitionKey):
        return key.keys_by_dimension[MONTH], key.keys_by_dimension[VENUE]
    month, venue = key.split("|", 1)
    return month, venue


def join_key(month: str, venue: str) -> dg.MultiPartitionKey:
    """The key of one month on one venue."""
    return dg.MultiPartitionKey({MONTH: month, VENUE: venue})


def _next_month(start: datetime) -> datetime:
    return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
