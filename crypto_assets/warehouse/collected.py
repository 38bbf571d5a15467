"""How far each series has been collected: ops.collected_ranges, as half-open spans of opening times.

What belongs here: reading and widening spans. What does not: rows (write.py), and why a bar is not there
(quality/coverage.py).
"""

from __future__ import annotations

from datetime import UTC, datetime

from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name

from crypto_assets.spans import Span
from crypto_assets.warehouse.connection import Warehouse


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


def collected_until(warehouse: Warehouse, dataset: str) -> dict[str, datetime]:
    """For each venue the end of what was collected last of the dataset, of the series that is furthest behind; UTC."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT venue, min(upper(collected)) FROM ops.collected_ranges WHERE dataset = %s GROUP BY venue",
            (dataset,),
        )
        return {venue: until.astimezone(UTC) for venue, until in cursor.fetchall() if until is not None}
