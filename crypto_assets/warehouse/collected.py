"""How far each series has been collected: ops.collected_ranges, as half-open spans of opening times.

What belongs here: reading, widening and subtracting spans. What does not: rows (write.py), and why a bar is not there
(quality.coverage).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name

type Span = tuple[datetime, datetime]


def read_collected(connection: Connection, dataset: str, venue: str, symbol: str, timeframe: str) -> list[Span]:
    """The spans [start, end) that were asked for and answered: UTC, in order, apart from each other."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT lower(span), upper(span) FROM ops.collected_ranges, unnest(collected) AS span"
            " WHERE dataset = %s AND venue = %s AND symbol = %s AND timeframe = %s ORDER BY span",
            (dataset, venue, symbol, timeframe),
        )
        return [(start.astimezone(UTC), end.astimezone(UTC)) for start, end in cursor.fetchall()]


def mark_collected(
    connection: Connection, dataset: str, venue: str, symbol: str, timeframe: str, start: datetime, end: datetime
) -> None:
    """Add the span [start, end) to what has been collected; in the transaction that writes its rows, never before it.

    Raises:
        ValueError: a moment without its zone, or an empty span.
    """
    if start.tzinfo is None or end.tzinfo is None or start >= end:
        raise ValueError(f"expected a span of moments with their zones, and got {start!r} to {end!r}")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ops.collected_ranges AS c (dataset, venue, symbol, timeframe, collected)"
            " VALUES (%s, %s, %s, %s, tstzmultirange(tstzrange(%s, %s)))"
            " ON CONFLICT (dataset, venue, symbol, timeframe)"
            " DO UPDATE SET collected = c.collected + excluded.collected, updated_at = now()",
            (dataset, venue, symbol, timeframe, start, end),
        )


def missing_spans(wanted_start: datetime, wanted_end: datetime, collected: Sequence[Span]) -> list[Span]:
    """What of [wanted_start, wanted_end) lies in none of the collected spans; in order. Pure."""
    missing = []
    reached = wanted_start
    for start, end in sorted(collected):
        if start > reached:
            missing.append((reached, min(start, wanted_end)))
        reached = max(reached, end)
        if reached >= wanted_end:
            break
    if reached < wanted_end:
        missing.append((reached, wanted_end))
    return [(start, end) for start, end in missing if start < end]
