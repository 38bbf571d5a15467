"""From when on nobody can add to what had been stored by a moment.

What belongs here: finding that moment, and waiting for one. What does not: reading as of it (warehouse/revisions.py).

A row bears the clock of the statement that wrote it, and others see it when its transaction commits. So what had been ingested
by a moment is only certain once every transaction that began before it has ended: until then a row may still turn up that says
it was there. A set frozen at such a moment would lack it, and could never be rebuilt.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from crypto_assets.training_sets.refusals import SetRefused
from crypto_assets.warehouse.connection import Warehouse

# A round of collecting writes for some seconds; a month's backfill of a venue for half a minute at most.
PATIENCE_SECONDS = 30.0
_PAUSE_SECONDS = 0.25
# The clock stands before the beginning of every transaction that goes on, but for our own. Sessions of other users show their
# beginnings to members of pg_read_all_stats alone.
_SETTLED = """
SELECT clock_timestamp(), min(xact_start) - interval '1 microsecond'
  FROM pg_stat_activity
 WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


def settle(
    warehouse: Warehouse,
    at: datetime | None = None,
    *,
    patience: float = PATIENCE_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> datetime:
    """The moment, once what had been stored by it is certain; without one the last such moment, which needs no waiting.

    Args:
        at: With its zone.
        patience: Seconds to wait for transactions that began before it.
        sleep: Waits.

    Returns:
        UTC.

    Raises:
        SetRefused: the moment lies ahead, or a transaction that began before it goes on for too long.
        DatabaseUnreachable: no connection.
    """
    waited = 0.0
    while True:
        now, settled = _read(warehouse)
        if at is None or at <= settled:
            return settled if at is None else at.astimezone(UTC)
        if at > now:
            raise SetRefused(
                f"By {at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC nothing stands yet: it is {now:%H:%M:%S} of"
                f" {now:%Y-%m-%d}, by the database's clock",
                way_out="--as-of means when rows were stored, not when the market traded; leave it out for now.",
            )
        if waited >= patience:
            raise SetRefused(
                f"A transaction that began at {settled:%Y-%m-%d %H:%M:%S} UTC goes on and may still add rows of before"
                f" {at.astimezone(UTC):%H:%M:%S}",
                way_out=f"Wait for it, or say --as-of {settled.isoformat()} or earlier.",
            )
        sleep(_PAUSE_SECONDS)
        waited += _PAUSE_SECONDS


def _read(warehouse: Warehouse) -> tuple[datetime, datetime]:
    """The database's clock, and the last moment that is settled; UTC."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_SETTLED)
        row = cursor.fetchone()
    if row is None:  # an aggregate always has a row
        raise SetRefused("The database told no time")
    now, before = row
    return now.astimezone(UTC), min(now, before or now).astimezone(UTC)


__all__ = ["PATIENCE_SECONDS", "settle"]
