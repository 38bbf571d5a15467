"""How collecting goes, read from ops: polls of markets, providers and their breakers.

What belongs here: reading and writing polls, reading providers. What does not: taking slots (shared_pace.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from sqlalchemy import select

from crypto_assets.schema.operations import market_polls, provider_limits
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.followed import read_followed
from crypto_assets.warehouse.read import read_frame

_READ = """
SELECT symbol, polled_at, due_at, interval_seconds, activity, failures, last_error, longest_wait_seconds
  FROM ops.market_polls WHERE dataset = %s AND venue = %s
"""
_WRITE = """
INSERT INTO ops.market_polls AS p (dataset, venue, symbol, polled_at, due_at, interval_seconds, activity, failures,
                                   last_error, longest_wait_seconds)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (dataset, venue, symbol) DO UPDATE
   SET polled_at = excluded.polled_at, due_at = excluded.due_at, interval_seconds = excluded.interval_seconds,
       activity = excluded.activity, failures = excluded.failures, last_error = excluded.last_error,
       longest_wait_seconds = greatest(p.longest_wait_seconds, excluded.longest_wait_seconds), updated_at = now()
"""
_OPEN = "SELECT provider, open_until FROM ops.provider_limits WHERE open_until > %s"
_LATENCY = "SELECT latency_ms FROM ops.provider_limits WHERE provider = %s"


@dataclass(frozen=True)
class Poll:
    """When a market was asked for a dataset, and is to be asked next. Times are UTC.

    Args:
        activity: What happened between polls, per second, in the dataset's measure; None where nothing tells.
        failures: Polls in a row that failed.
        longest_wait_seconds: How long a due poll has had to wait for its turn at most.
    """

    symbol: str
    polled_at: datetime
    due_at: datetime
    interval_seconds: float
    activity: float | None = None
    failures: int = 0
    last_error: str = ""
    longest_wait_seconds: float = 0.0


def read_polls(connection: Connection, dataset: str, venue: str) -> dict[str, Poll]:
    """The polls of a venue's markets, by symbol."""
    with connection.cursor() as cursor:
        cursor.execute(_READ, (dataset, venue))
        rows = cursor.fetchall()
    return {row[0]: Poll(row[0], row[1].astimezone(UTC), row[2].astimezone(UTC), *row[3:]) for row in rows}


def write_poll(connection: Connection, dataset: str, venue: str, poll: Poll) -> None:
    """Keep a poll."""
    values = (
        poll.polled_at, poll.due_at, poll.interval_seconds, poll.activity, poll.failures, _storable(poll.last_error),
        poll.longest_wait_seconds,
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, (dataset, venue, poll.symbol, *values))


def resting_providers(warehouse: Warehouse, now: datetime) -> dict[str, datetime]:
    """Providers that are left alone now, and until when."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_OPEN, (now,))
        return {provider: until.astimezone(UTC) for provider, until in cursor.fetchall()}


def typical_latency(warehouse: Warehouse, provider: str) -> float | None:
    """Seconds from a request to its answer, as last measured; None before the first."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_LATENCY, (provider,))
        row = cursor.fetchone()
    return row[0] / 1000 if row and row[0] is not None else None


def read_providers(warehouse: Warehouse) -> pd.DataFrame:
    """ops.provider_limits, by provider."""
    return read_frame(warehouse, select(provider_limits).order_by(provider_limits.c.provider))


def read_all_polls(warehouse: Warehouse) -> pd.DataFrame:
    """ops.market_polls, by its key, without those of markets, pools and feeds that are collected no more."""
    keys = market_polls.primary_key.columns
    frame = read_frame(warehouse, select(market_polls).order_by(*keys))
    with warehouse.connect() as connection, connection.cursor() as cursor:
        followed = read_followed(cursor)
    kept = [followed.holds(*key) for key in zip(*(frame[column.name] for column in keys), strict=True)]
    return frame.loc[kept].reset_index(drop=True)


def _storable(text: str) -> str:
    """A failure's text as PostgreSQL takes it: no NUL, no lone surrogate, not long."""
    return text.replace("\0", "")[:500].encode(errors="replace").decode()
