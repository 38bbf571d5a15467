"""From a poll to the next one: what is kept of it in ops.market_polls, and what is left to the next run.

What belongs here: rules that markets and pools share. What does not: whose turn it is (crypto_assets.collection), what a poll
does (the datasets), and rounds over a venue (market/polling.py) or a network (dex/pool_polling.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from crypto_assets.clients.failures import BreakerOpen, ProviderError, Throttled, Unavailable
from crypto_assets.collection.interval import retry_interval
from crypto_assets.collection.rounds import Polled
from crypto_assets.datasets.outcomes import EventOutcome
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.limits import Poll, write_poll

_LEAST = 0.001  # seconds; an interval of nothing would make urgency endless


@dataclass(frozen=True)
class Visit:
    """What one poll of a market or pool came to.

    Args:
        interval: Seconds until the next poll.
        activity: What happened between polls, per second; None where nothing tells.
        has_more: Whether there is more to fetch at once.
        error: What the provider failed with; None where it answered.
    """

    outcome: EventOutcome
    interval: float
    activity: float | None = None
    has_more: bool = False
    error: ProviderError | None = None


@dataclass(frozen=True)
class Kept:
    """A poll that was kept, with what it means for the round; `poll` is None where nobody was asked."""

    polled: Polled[EventOutcome]
    poll: Poll | None


def keep_poll(
    warehouse: Warehouse,
    dataset: str,
    before: Poll | None,
    visit: Visit,
    *,
    waited: float,
    longest: float,
    now: datetime,
) -> Kept:
    """Keep a poll, and say when its market or pool is due again.

    Args:
        before: The poll before; None for the first.
        waited: Seconds that it was due before its turn came.
        longest: Largest interval, also after failures.
        now: When it ended, UTC.
    """
    outcome = replace(visit.outcome, turns=1, postponed=_passes(visit.error))
    if isinstance(visit.error, BreakerOpen):  # it was not asked: its poll stays due
        return Kept(Polled(outcome, longest, is_over=True), None)
    failures = (before.failures if before else 0) + 1 if visit.error is not None else 0
    interval = retry_interval(visit.interval, failures, longest) if failures else visit.interval
    due_at = now if visit.has_more else datetime.fromtimestamp(now.timestamp() + interval, UTC)
    told = str(visit.error) if visit.error else ""
    poll = Poll(outcome.symbol, now, due_at, interval, visit.activity, failures, told, waited)
    with warehouse.connect() as connection:
        write_poll(connection, dataset, outcome.venue, poll)
    return Kept(Polled(outcome, 0 if visit.has_more else interval), poll)


def place_of(poll: Poll | None, interval: float) -> tuple[float, float]:
    """When a market or pool counts as last asked, epoch seconds, and its interval; `interval` before its first poll. Pure.

    One that has more to fetch is due at once, but behind those that have waited a whole interval.
    """
    if poll is None:
        return 0.0, interval
    rhythm = max(_LEAST, poll.interval_seconds)
    return poll.due_at.timestamp() - rhythm, rhythm


def usual_interval(poll: Poll | None, interval: float) -> float:
    """Seconds between polls without what failures in a row have added; `interval` before the first poll. Pure."""
    return poll.interval_seconds / 2.0 ** min(max(0, poll.failures - 1), 30) if poll else interval


def postponed(venue: str, symbol: str, outcomes: Sequence[tuple[str, EventOutcome]]) -> EventOutcome:
    """What is said of one that had no turn any more. Pure.

    Args:
        outcomes: Of the round's turns: the reason is that of those that were postponed themselves.
    """
    over = [outcome.warning for _, outcome in outcomes if outcome.postponed]
    told = over[0] if over else "The run's time was up."
    return EventOutcome(venue, symbol, warning=f"Left to the next run: {told}", postponed=True)


def _passes(error: ProviderError | None) -> bool:
    """Whether the provider only cannot answer now: the next run asks again, and the check of recency tells if it lasts."""
    return isinstance(error, Throttled | Unavailable)
