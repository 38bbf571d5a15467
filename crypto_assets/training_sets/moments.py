"""From when on nobody can add to what had been stored by a moment.

What belongs here: finding that moment, and waiting for one. What does not: reading as of it (warehouse/revisions.py).

A row bears the clock of the statement that wrote it, and others see it when its transaction commits. So what had been ingested
by a moment is only certain once every transaction that began before it has ended: until then a row may still turn up that says
it was there. A set frozen at such a moment would lack it, and could never be rebuilt.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from crypto_assets.training_sets.refusals import SetRefused
from crypto_assets.warehouse.connection import Warehouse

# A round of collecting writes for some seconds; a month's backfill of a venue for half a minute at most.
PATIENCE_SECONDS = 30.0
_PAUSE_SECONDS = 0.25
# The clock is looked at first, and then before the beginning of every transaction that goes on, but for our own.
_CLOCK = "SELECT clock_timestamp()"
_SETTLED = """
SELECT min(xact_start) - interval '1 microsecond'
  FROM pg_stat_activity
 WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
# Sessions of other users show their beginnings to members of pg_read_all_stats alone; that they hold a transaction, and which,
# the locks show to everybody.
_UNSEEN = """
SELECT l.virtualxid FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'virtualxid' AND l.granted
   AND a.datname = current_database() AND a.backend_type IS NULL AND a.usesysid IS NOT NULL
"""


@dataclass(frozen=True)
class _Look:
    """What the database says now.

    Args:
        now: Its clock, UTC.
        settled: Before the beginning of every transaction whose beginning is seen, UTC.
        unseen: Transactions that go on and whose beginnings are not.
    """

    now: datetime
    settled: datetime
    unseen: frozenset[str]


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
    look = first = _read(warehouse)
    unseen = first.unseen  # those of them that began before the first look
    while True:
        settled = min(look.settled, first.now)
        if not unseen and (at is None or at <= settled):
            return settled if at is None else at.astimezone(UTC)
        if at is not None and at > look.now:
            raise SetRefused(
                f"By {at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC nothing stands yet: it is {look.now:%H:%M:%S} of"
                f" {look.now:%Y-%m-%d}, by the database's clock",
                way_out="--as-of means when rows were stored, not when the market traded; leave it out for now.",
            )
        if waited >= patience:
            raise _goes_on(at or first.now, settled, bool(unseen))
        sleep(_PAUSE_SECONDS)
        waited += _PAUSE_SECONDS
        look = _read(warehouse)
        unseen &= look.unseen


def _goes_on(at: datetime, settled: datetime, is_unseen: bool) -> SetRefused:
    if is_unseen:
        return SetRefused(
            f"A transaction of another user goes on, and may still add rows of before {at.astimezone(UTC):%H:%M:%S}",
            way_out="Wait for it. Whether it matters only members of pg_read_all_stats see: have that granted to this user.",
        )
    return SetRefused(
        f"A transaction that began at {settled:%Y-%m-%d %H:%M:%S} UTC goes on and may still add rows of before"
        f" {at.astimezone(UTC):%H:%M:%S}",
        way_out=f"Wait for it, or say --as-of {settled.isoformat()} or earlier.",
    )


def _read(warehouse: Warehouse) -> _Look:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_CLOCK)
        row = cursor.fetchone()
        cursor.execute(_SETTLED)
        [before] = cursor.fetchone() or [None]
        cursor.execute(_UNSEEN)
        unseen = frozenset(str(one) for (one,) in cursor.fetchall())
    if row is None:  # a function always has a value
        raise SetRefused("The database told no time")
    [now] = row
    return _Look(now.astimezone(UTC), min(now, before or now).astimezone(UTC), unseen)


__all__ = ["PATIENCE_SECONDS", "settle"]
