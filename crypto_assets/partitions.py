"""The grids that every dataset shares, and why they are cut as they are.

What belongs here: partition definitions and the way from a run's keys to windows of time. What does not: what a dataset
does with a window.

Bars are cut month × venue. A venue is the domain of rate limits, outages and parallel work, so it is a dimension; a
market is data inside a partition. The grid holds the current, still open window (`end_offset=1`). Events and
snapshots are cut day × venue, because a day of a busy market is a million trades. What a venue can only
tell as of now, its list of markets, is cut by venue alone: no run could fill an older window.

What happens outside exchanges has no venue: economies and chains are cut by month, news, moods and fees by day.

Quotes of every second are cut by the hour: an hour of them is as much as a day of trades, and a stream that runs for months
reports each hour while it goes on.

What happens on decentralised exchanges is cut day × network: a chain stands in the place of the venue, for one
source answers for all of its pools.

What is forecast is of exchanges, of pools and of a chain's fees alike, so its grid is month × domain: venues, networks and
chains are keys of one dimension, which keeps the name of the venue's, for months of features are mapped onto it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from crypto_assets.spans import Span, union

MONTH = "month"
DAY = "day"
VENUE = "venue"
NETWORK = "network"
# Nobody had this stream before; each day of the grid is 24 keys that every page of the UI would carry.
FIRST_HOUR = date(2026, 1, 1)
# Chains whose fees are forecast: of those that are followed, Ethereum alone has a base fee.
FORECAST_CHAINS = ("ethereum",)


@dataclass(frozen=True)
class VenueWindow:
    """A span of opening times on one venue: [start, end), UTC.

    Args:
        venue: Name of the venue; of the network, where the window comes from the grid day × network; empty where it comes from
            a grid of time alone.
    """

    venue: str
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Grids:
    """The partition definitions that a universe gives rise to.

    Args:
        bars: Month × venue, for bars and what derives from them.
        days: Day × venue, for events and snapshots.
        venues: Venue alone, for what has no past that could be asked for.
        network_days: Day × network, for all that is known of pools.
        calendar_months: Month alone, for what happens once for all: economies, chains.
        calendar_days: Day alone, for news, moods and fees.
        hours: Hour alone, for quotes of every second.
        forecasts: Month × domain: venues, networks, and chains whose fees are forecast.
    """

    bars: dg.MultiPartitionsDefinition
    days: dg.MultiPartitionsDefinition
    venues: dg.StaticPartitionsDefinition
    network_days: dg.MultiPartitionsDefinition
    calendar_months: dg.MonthlyPartitionsDefinition
    calendar_days: dg.DailyPartitionsDefinition
    hours: dg.HourlyPartitionsDefinition
    forecasts: dg.MultiPartitionsDefinition


def grids_of(
    history_from: date, venues: Sequence[str], networks: Sequence[str], chains: Sequence[str] = FORECAST_CHAINS
) -> Grids:
    """All grids of a universe.

    Args:
        chains: Those whose fees are forecast; one that is a network, too, is one key.
    """
    return Grids(
        bars=bars_grid(history_from, venues),
        days=days_grid(history_from, venues),
        venues=dg.StaticPartitionsDefinition(sorted(venues)),
        network_days=network_days_grid(history_from, networks),
        calendar_months=_months(history_from),
        calendar_days=_days(history_from),
        hours=hours_grid(history_from),
        forecasts=bars_grid(history_from, forecast_domains(venues, networks, chains)),
    )


def forecast_domains(
    venues: Iterable[str], networks: Iterable[str], chains: Iterable[str] = FORECAST_CHAINS
) -> list[str]:
    """Of one of these is whatever is forecast: venues, networks and chains, each once, for a chain may be a network, too."""
    return sorted({*venues, *networks, *chains})


def bars_grid(history_from: date, venues: Sequence[str]) -> dg.MultiPartitionsDefinition:
    """Month × venue, from the month of `history_from` to the month that is still open."""
    return dg.MultiPartitionsDefinition(
        {MONTH: _months(history_from), VENUE: dg.StaticPartitionsDefinition(sorted(venues))}
    )


def days_grid(history_from: date, venues: Sequence[str]) -> dg.MultiPartitionsDefinition:
    """Day × venue, from `history_from` to the day that is still open."""
    return dg.MultiPartitionsDefinition(
        {DAY: _days(history_from), VENUE: dg.StaticPartitionsDefinition(sorted(venues))}
    )


def network_days_grid(history_from: date, networks: Sequence[str]) -> dg.MultiPartitionsDefinition:
    """Day × network, from `history_from` to the day that is still open."""
    return dg.MultiPartitionsDefinition(
        {DAY: _days(history_from), NETWORK: dg.StaticPartitionsDefinition(sorted(networks))}
    )


def hours_grid(history_from: date) -> dg.HourlyPartitionsDefinition:
    """Hour alone, to the hour that is still open. Nobody can ask for quotes of the past, so the grid begins with our first."""
    start = max(history_from, FIRST_HOUR)
    return dg.HourlyPartitionsDefinition(start_date=f"{start.isoformat()}-00:00", end_offset=1)


def month_key(moment: datetime) -> str:
    """The month partition in which a moment lies."""
    return moment.astimezone(UTC).strftime("%Y-%m-01")


def month_window(key: str) -> tuple[datetime, datetime]:
    """The span of a month partition: [start, end), UTC."""
    start = datetime.strptime(key, "%Y-%m-%d").replace(tzinfo=UTC)
    return start, _next_month(start)


def day_key(moment: datetime) -> str:
    """The day partition in which a moment lies."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d")


def day_window(key: str) -> tuple[datetime, datetime]:
    """The span of a day partition: [start, end), UTC."""
    start = datetime.strptime(key, "%Y-%m-%d").replace(tzinfo=UTC)
    return start, start + timedelta(days=1)


def hour_key(moment: datetime) -> str:
    """The hour partition in which a moment lies."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d-%H:00")


def hour_window(key: str) -> tuple[datetime, datetime]:
    """The span of an hour partition: [start, end), UTC."""
    start = datetime.strptime(key, "%Y-%m-%d-%H:%M").replace(tzinfo=UTC)
    return start, start + timedelta(hours=1)


def venue_windows(keys: Iterable[str]) -> list[VenueWindow]:
    """The fewest windows that cover the keys of the bars grid: adjacent months of a venue become one.

    Args:
        keys: Partition keys, as `context.partition_keys` gives them.
    """
    return _windows(keys, month_window)


def venue_days(keys: Iterable[str]) -> list[VenueWindow]:
    """The fewest windows that cover the keys of a days grid: adjacent days of a venue, or of a network, become one.

    Args:
        keys: Of day × venue, or of day × network: VenueWindow.venue is the network then.
    """
    return _windows(keys, day_window)


def calendar_months(keys: Iterable[str]) -> list[VenueWindow]:
    """The fewest windows that cover keys of the grid of months alone; their venue is empty."""
    return [VenueWindow("", *span) for span in union(month_window(key) for key in keys)]


def calendar_days(keys: Iterable[str]) -> list[VenueWindow]:
    """The fewest windows that cover keys of the grid of days alone; their venue is empty."""
    return [VenueWindow("", *span) for span in union(day_window(key) for key in keys)]


def hours(keys: Iterable[str]) -> list[VenueWindow]:
    """The fewest windows that cover keys of the grid of hours; their venue is empty."""
    return [VenueWindow("", *span) for span in union(hour_window(key) for key in keys)]


def split_key(key: str) -> tuple[str, str]:
    """Time and venue, or network, of a key: Dagster joins dimensions in the alphabetical order of their names."""
    if isinstance(key, dg.MultiPartitionKey):
        parts = key.keys_by_dimension
        return parts[MONTH if MONTH in parts else DAY], parts[VENUE if VENUE in parts else NETWORK]
    moment, venue = key.split("|", 1)
    return moment, venue


def join_key(month: str, venue: str) -> dg.MultiPartitionKey:
    """The key of one month on one venue."""
    return dg.MultiPartitionKey({MONTH: month, VENUE: venue})


def join_day_key(day: str, venue: str) -> dg.MultiPartitionKey:
    """The key of one day on one venue."""
    return dg.MultiPartitionKey({DAY: day, VENUE: venue})


def join_network_key(day: str, network: str) -> dg.MultiPartitionKey:
    """The key of one day on one network."""
    return dg.MultiPartitionKey({DAY: day, NETWORK: network})


def _months(history_from: date) -> dg.MonthlyPartitionsDefinition:
    return dg.MonthlyPartitionsDefinition(start_date=history_from.strftime("%Y-%m-01"), end_offset=1)


def _days(history_from: date) -> dg.DailyPartitionsDefinition:
    return dg.DailyPartitionsDefinition(start_date=history_from.isoformat(), end_offset=1)


def _windows(keys: Iterable[str], window: Callable[[str], tuple[datetime, datetime]]) -> list[VenueWindow]:
    spans: dict[str, list[Span]] = {}
    for key in keys:
        moment, venue = split_key(key)
        spans.setdefault(venue, []).append(window(moment))
    return [VenueWindow(venue, *span) for venue, of in sorted(spans.items()) for span in union(of)]


def _next_month(start: datetime) -> datetime:
    return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
