"""How collecting goes: providers, polls, progress and refused rows.

What belongs here: the questions and their rows. What does not: how they are shown (overview.py) and exported (metrics.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class under a function's name

from crypto_assets.warehouse.followed import read_followed

_PROVIDERS = """
SELECT provider, breaker, failures, requests, throttled, latency_ms / 1000 FROM ops.provider_limits ORDER BY provider
"""
_POLLS = """
SELECT dataset, venue, symbol, failures > 0, greatest(extract(epoch FROM now() - due_at), 0)::float8
  FROM ops.market_polls ORDER BY dataset, venue
"""
_PROGRESS = """
SELECT dataset, venue, count(*), extract(epoch FROM max(updated_at))::float8
  FROM ops.collected_ranges GROUP BY dataset, venue ORDER BY dataset, venue
"""
_QUARANTINE = (
    "SELECT dataset, count(*), sum(occurrences)::float8 FROM quality.quarantine GROUP BY dataset ORDER BY dataset"
)


@dataclass(frozen=True)
class Provider:
    """A provider and its breaker.

    Args:
        breaker: closed, open or half-open.
        failures: In a row, when the breaker last changed.
        requests: Sent since the first one.
        throttled: Of them refused as too many.
        latency_seconds: Typical time to an answer; None before the first.
    """

    provider: str
    breaker: str
    failures: int
    requests: int
    throttled: int
    latency_seconds: float | None


@dataclass(frozen=True)
class Polls:
    """Markets of a dataset and venue that are asked by turns.

    Args:
        markets: How many.
        overdue: Of them due and not asked yet.
        failing: Of them with a failure last.
        longest_overdue_seconds: How long the first of the due ones has waited.
    """

    dataset: str
    venue: str
    markets: int
    overdue: int
    failing: int
    longest_overdue_seconds: float


@dataclass(frozen=True)
class Progress:
    """How far a dataset has been collected of a venue.

    Args:
        series: How many.
        succeeded_at: When one of them last grew, seconds since 1970, UTC.
    """

    dataset: str
    venue: str
    series: int
    succeeded_at: float


@dataclass(frozen=True)
class Refused:
    """Rows of a dataset in quarantine, and how often they came."""

    dataset: str
    rows: int
    occurrences: float


@dataclass(frozen=True)
class Collection:
    """All of it."""

    providers: list[Provider]
    polls: list[Polls]
    progress: list[Progress]
    refused: list[Refused]


def read_collection(cursor: Cursor) -> Collection:
    """How collecting goes now."""
    cursor.execute(_PROVIDERS)
    providers = [Provider(*row) for row in cursor.fetchall()]
    polls = _polls(cursor)
    cursor.execute(_PROGRESS)
    progress = [Progress(*row) for row in cursor.fetchall()]
    cursor.execute(_QUARANTINE)
    return Collection(providers, polls, progress, [Refused(*row) for row in cursor.fetchall()])


__all__ = ["Collection", "Polls", "Progress", "Provider", "Refused", "read_collection"]


def _polls(cursor: Cursor) -> list[Polls]:
    """Of what is collected now: what was taken out would be overdue for ever."""
    followed = read_followed(cursor)
    cursor.execute(_POLLS)
    grouped: dict[tuple[str, str], list[tuple[bool, float]]] = {}
    for dataset, venue, symbol, is_failing, overdue_seconds in cursor.fetchall():
        if followed.holds(dataset, venue, symbol):
            grouped.setdefault((dataset, venue), []).append((is_failing, overdue_seconds))
    return [
        Polls(
            dataset,
            venue,
            markets=len(of),
            overdue=sum(seconds > 0 for _, seconds in of),
            failing=sum(is_failing for is_failing, _ in of),
            longest_overdue_seconds=max(seconds for _, seconds in of),
        )
        for (dataset, venue), of in grouped.items()
    ]
