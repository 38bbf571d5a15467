"""The pace that all processes keep together towards one provider: ops.provider_limits.

What belongs here: taking slots, rest, and the breaker's state, each one statement. What does not: when to ask
(clients/transport.py), and showing the state (warehouse/limits.py).

Every process that asks a provider takes its next slot from the same row, so the provider's budget holds whoever runs: a
backfill, a schedule and a person at the command line get every other slot, and none of them waits for the others to end.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from typing import cast

from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name

from crypto_assets.clients.breaker import BreakerState, BreakerStatus
from crypto_assets.clients.failures import BreakerOpen
from crypto_assets.clients.pacing import Usage
from crypto_assets.warehouse.connection import Warehouse

# Slots are taken for so long at once: a statement takes a third of a millisecond, so it costs one part in sixty of a fast
# budget's time; what is not used of it is lost, never exceeded.
_TAKEN_SECONDS = 0.02
_SHOWN_ERROR = 500  # characters of a failure that are kept

_RESERVE = """
WITH taken AS (
    INSERT INTO ops.provider_limits AS p (provider, next_slot_at)
    VALUES (%(provider)s, clock_timestamp() + make_interval(secs => %(seconds)s))
    ON CONFLICT (provider) DO UPDATE
       SET next_slot_at = CASE WHEN p.open_until > clock_timestamp() THEN p.next_slot_at -- none is taken while it rests
                          ELSE greatest(p.next_slot_at, clock_timestamp()) + make_interval(secs => %(seconds)s) END,
           updated_at = clock_timestamp()
    RETURNING next_slot_at, open_until, last_error
)
SELECT extract(epoch FROM next_slot_at - clock_timestamp())::float8 - %(seconds)s,
       extract(epoch FROM open_until - clock_timestamp())::float8, last_error FROM taken
"""
_REST = """
INSERT INTO ops.provider_limits AS p (provider, next_slot_at)
VALUES (%(provider)s, clock_timestamp() + make_interval(secs => %(seconds)s))
ON CONFLICT (provider) DO UPDATE
   SET next_slot_at = greatest(p.next_slot_at, excluded.next_slot_at), updated_at = clock_timestamp()
"""
_TELL = """
INSERT INTO ops.provider_limits AS p
       (provider, next_slot_at, breaker, breaker_changed_at, open_until, failures, last_error)
VALUES (%(provider)s, clock_timestamp(), %(breaker)s, clock_timestamp(),
        CASE WHEN %(rest)s > 0 THEN clock_timestamp() + make_interval(secs => %(rest)s) END, %(failures)s, %(error)s)
ON CONFLICT (provider) DO UPDATE
   SET breaker = excluded.breaker, open_until = excluded.open_until,
       breaker_changed_at = CASE WHEN p.breaker = excluded.breaker THEN p.breaker_changed_at
                            ELSE excluded.breaker_changed_at END,
       failures = excluded.failures, last_error = excluded.last_error, updated_at = clock_timestamp()
 -- A failure of a request that was on its way does not end the rest that another process asked for.
 WHERE (excluded.breaker = 'closed' AND excluded.failures > 0 AND p.open_until > clock_timestamp()) IS NOT TRUE
"""
_FAILURES = "SELECT failures FROM ops.provider_limits WHERE provider = %(provider)s"
_USED = """
UPDATE ops.provider_limits
   SET requests = requests + %(requests)s, throttled = throttled + %(throttled)s,
       latency_ms = coalesce(%(latency)s, latency_ms), updated_at = clock_timestamp()
 WHERE provider = %(provider)s
"""


class SharedPace:
    """One process' part in a provider's pace; threads may share it.

    Args:
        provider: Whose.
        requests_per_second: Of plain requests, over all processes.
    """

    def __init__(self, warehouse: Warehouse, provider: str, requests_per_second: float) -> None:
        self._warehouse = warehouse
        self._provider = provider
        self._interval = 1 / requests_per_second
        self._lock = threading.Lock()
        self._held = ExitStack()
        self._connection: Connection | None = None
        self._slot, self._taken_until = 0.0, 0.0  # what this process has taken and not used, by the monotonic clock

    def reserve(self, cost: float) -> float:
        """Take the next slot; seconds to wait until it comes.

        Raises:
            BreakerOpen: the provider is left alone, as this or another process found.
            DatabaseUnreachable: no connection.
        """
        seconds = self._interval * cost
        with self._lock:
            now = time.monotonic()
            start = max(self._slot, now)
            if start + seconds > self._taken_until:
                start = self._take(max(seconds, _TAKEN_SECONDS))
            self._slot = start + seconds
            return max(0.0, start - time.monotonic())

    def rest(self, seconds: float) -> None:
        """Hand out no slot for so long, to nobody."""
        with self._lock:
            self._taken_until = 0.0
            self._run(_REST, {"seconds": seconds})

    def failures(self) -> int:
        """How many failures in a row this or another process has seen last."""
        with self._lock:
            row = self._run(_FAILURES, {})
        return cast("int", row[0]) if row else 0

    def tell(self, status: BreakerStatus) -> None:
        """Let everybody know the breaker's new state."""
        rest = status.rest_seconds if status.state is BreakerState.OPEN else 0.0
        told = {"breaker": status.state.value, "rest": rest, "failures": status.failures}
        with self._lock:
            self._run(_TELL, {**told, "error": _storable(status.why)})

    def used(self, usage: Usage) -> None:
        """Add up what was asked, and let the connection go."""
        latency = None if usage.latency_seconds is None else usage.latency_seconds * 1000
        with self._lock:
            self._run(_USED, {"requests": usage.requests, "throttled": usage.throttled, "latency": latency})
            self._held.close()
            self._connection = None

    def _take(self, seconds: float) -> float:
        """Take so much time from the provider's row; when it begins, by the monotonic clock."""
        row = self._run(_RESERVE, {"seconds": seconds})
        wait, open_for, error = (cast("tuple[float, float | None, str]", row)) if row else (0.0, None, "")
        if open_for is not None and open_for > 0:
            raise BreakerOpen(
                f"{self._provider} is not asked: it is left alone for another {open_for:.0f} s; the last failure: {error}",
                way_out="The next run asks again; `crypto-assets status` shows it.",
            )
        # Counted from the answer: time that the statement took is not handed out as slots.
        start = time.monotonic() + max(0.0, wait)
        self._taken_until = start + seconds
        return start

    def _run(self, statement: str, values: dict[str, object]) -> tuple[object, ...] | None:
        if self._connection is None:
            self._connection = self._held.enter_context(self._warehouse.connect())
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(statement, {"provider": self._provider, **values})
                row: tuple[object, ...] | None = cursor.fetchone() if cursor.description else None
            self._connection.commit()
        except BaseException:
            # A broken connection must not stay: the next slot opens another.
            self._held, held = ExitStack(), self._held
            self._connection = None
            held.close()
            raise
        return row


def _storable(why: str) -> str:
    """Without NUL and half characters, which PostgreSQL does not take."""
    return why.replace("\0", "")[:_SHOWN_ERROR].encode(errors="replace").decode()
