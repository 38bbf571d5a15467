"""What a check found, series by series, and the window it looked at.

What belongs here: the types that checks, scores and the report share, and reading a run's window. What does not: the
rules themselves (checks.py) and storing (scores.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from enum import StrEnum

import dagster as dg

from crypto_assets.partitions import (
    VenueWindow,
    calendar_days,
    calendar_months,
    day_key,
    forecast_domains,
    hour_key,
    hours,
    join_day_key,
    join_key,
    join_network_key,
    month_key,
    venue_days,
    venue_windows,
)
from crypto_assets.universe import Universe


class Dimension(StrEnum):
    """What a check says something about."""

    ACCURACY = "accuracy"
    COMPLETENESS = "completeness"
    TIMELINESS = "timeliness"


@dataclass(frozen=True)
class Finding:
    """One series under one rule: rows looked at, rows that break it, and the first of them in words.

    Args:
        venue: Name of the venue, or of the network.
        symbol: The market's, or the pool's address.
        note: What is worth saying of rows that keep the rule, as why they are absent.
        waiting: Of the failed rows, those that are being looked after and so are no reason for alarm yet.
        lag_seconds: Age of the newest row, where the rule looks at it.
    """

    venue: str
    symbol: str
    timeframe: str
    checked: int
    failed: int
    example: str = ""
    note: str = ""
    lag_seconds: float | None = None
    waiting: int = 0

    @property
    def series(self) -> str:
        """Venue, market and length of bar, where there is one."""
        return " ".join(part for part in (self.venue, self.symbol, self.timeframe) if part)

    @property
    def share_sound(self) -> float:
        """Share of rows that keep the rule; 1 where there was nothing to look at."""
        return 1 - self.failed / self.checked if self.checked else 1.0


class Grid(StrEnum):
    """How a dataset's time is cut."""

    MONTHS = "months"
    DAYS = "days"
    NETWORK_DAYS = "network_days"
    CALENDAR_MONTHS = "calendar_months"
    CALENDAR_DAYS = "calendar_days"
    HOURS = "hours"
    FORECASTS = "forecasts"


_WITHOUT_VENUE: Mapping[Grid, tuple[Callable[[Iterable[str]], list[VenueWindow]], Callable[[datetime], str]]] = {
    Grid.CALENDAR_MONTHS: (calendar_months, month_key),
    Grid.CALENDAR_DAYS: (calendar_days, day_key),
    Grid.HOURS: (hours, hour_key),
}


def run_windows(
    context: dg.AssetCheckExecutionContext, universe: Universe, grid: Grid = Grid.MONTHS
) -> list[VenueWindow]:
    """The windows a check looks at: the run's partitions, or the open month, day or hour where a check runs by itself.

    Partitions of a venue alone stand for its whole history. On Grid.NETWORK_DAYS the windows' venues are networks, on
    Grid.FORECASTS networks and chains, too; on the calendar grids they are empty.
    """
    tags = context.run.tags
    is_partitioned = "dagster/partition" in tags or "dagster/asset_partition_range_start" in tags
    keys = list(context.partition_keys) if is_partitioned else []
    by_venue = [key for key in keys if key in universe.venues]
    if by_venue:
        start, end = datetime.combine(universe.history_from, time(), tzinfo=UTC), datetime.now(UTC)
        return [VenueWindow(venue, start, end) for venue in sorted(by_venue)]
    now = datetime.now(UTC)
    if grid in _WITHOUT_VENUE:
        windows_of, key_of = _WITHOUT_VENUE[grid]
        return windows_of(keys or [key_of(now)])
    if grid is Grid.NETWORK_DAYS:
        return venue_days(keys or [join_network_key(day_key(now), network) for network in universe.dex.networks])
    if grid is Grid.DAYS:
        return venue_days(keys or [join_day_key(day_key(now), venue) for venue in universe.venues])
    domains = forecast_domains(universe.venues, universe.dex.networks) if grid is Grid.FORECASTS else universe.venues
    return venue_windows(keys or [join_key(month_key(now), domain) for domain in domains])


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """The findings that broke their rule, most broken first."""
    broken = [finding for finding in findings if finding.failed]
    return sorted(broken, key=lambda finding: (finding.share_sound, finding.venue, finding.symbol, finding.timeframe))
