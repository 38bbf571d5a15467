"""Whether somebody is at work on a run: an advisory lock in PostgreSQL, held by the process that executes it.

What belongs here: holding it, looking, and waiting for the database that it lies in. What does not: what follows when nobody
holds it (launcher.py), and when the process gives up by itself (watch.py).

The lock goes with its connection, so a killed worker is seen at once; the server closes connections of a machine that
vanished after the time of `KEEPALIVE`. A database that was away for a moment takes the lock with it, and the thread that
holds it takes it again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg2
import structlog

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.warehouse.connection import DatabaseUnreachable, Warehouse
from crypto_assets.warehouse.lease import LeaseTaken, lease

log = structlog.get_logger(__name__)

# Said to PostgreSQL by a worker's sessions: it looks after ten silent seconds, every five, and gives up after the third
# time. Without it a machine that lost its power would hold its locks for two hours, the default of most systems.
KEEPALIVE = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
LOOK_SECONDS = 5.0  # how often the holder asks whether its connection and its run are still there
_TAKE_SECONDS = 30.0  # longer than a database on a busy machine takes to answer
_AGAIN_SECONDS = 0.5
# A run whose worker gave up is not sent again before start_timeout_seconds of deploy/celery/dagster.yaml, half an hour.
AWAIT_SECONDS = 300.0
_ASK_SECONDS = 1.0
_TRY = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"


class RunTaken(CryptoAssetsError):
    """Another process is at work on the run: its message was delivered twice."""


def await_database(warehouse: Warehouse, seconds: float = AWAIT_SECONDS) -> None:
    """Come back once it answers; it is asked every second.

    Raises:
        DatabaseUnreachable: it was away for that long.
    """
    ends = time.monotonic() + seconds
    while True:
        try:
            warehouse.check()
        except DatabaseUnreachable as error:
            if time.monotonic() >= ends:
                raise
            log.warning("a run waits for the database", error=error.problem)
            time.sleep(_ASK_SECONDS)
        else:
            return


@contextmanager
def pulse(warehouse: Warehouse, run_id: str, look: Callable[[], None]) -> Iterator[None]:
    """Be seen at work on a run, for as long as the block lasts.

    Args:
        look: Called every `LOOK_SECONDS`, from another thread.

    Raises:
        DatabaseUnreachable: no connection, or none that lasted until the lock was taken.
        RunTaken: another process holds it.
    """
    warehouse.check()
    holder = _Holder(warehouse, run_id, look)
    thread = threading.Thread(target=holder.hold, name="pulse", daemon=True)
    thread.start()
    try:
        if not holder.is_held.wait(_TAKE_SECONDS):
            raise holder.hindrance()
        yield
    finally:
        holder.is_over.set()
        thread.join()


def has_pulse(warehouse: Warehouse, run_id: str) -> bool:
    """Whether some process is at work on the run.

    Raises:
        DatabaseUnreachable: no connection.
    """
    try:
        with lease(warehouse, _lock_name(run_id), wait=False):
            return False
    except LeaseTaken:
        return True


def _lock_name(run_id: str) -> str:
    return f"run {run_id}"


@dataclass
class _Holder:
    warehouse: Warehouse
    run_id: str
    look: Callable[[], None]
    is_held: threading.Event = field(default_factory=threading.Event)
    is_over: threading.Event = field(default_factory=threading.Event)
    is_refused: bool = False  # by who holds it, when the database was last asked

    def hindrance(self) -> CryptoAssetsError:
        """Why it is not held."""
        if self.is_refused:
            return RunTaken(
                f"Another process is at work on run {self.run_id}", way_out="It goes on; nothing has to be done."
            )
        return DatabaseUnreachable(
            f"{self.warehouse.place} did not answer for {_TAKE_SECONDS:g} s when run {self.run_id} was to begin",
            way_out="See whether the database runs; the run is requested again.",
        )

    def hold(self) -> None:
        """Until it is over, and again whenever the database was away."""
        while not self.is_over.is_set():
            try:
                self._hold_once()
            except (CryptoAssetsError, psycopg2.Error) as error:
                self.is_refused = False
                log.warning("the pulse of a run is taken again", run=self.run_id, error=str(error))
            self.is_over.wait(_AGAIN_SECONDS)

    def _hold_once(self) -> None:
        """Until it is over or the connection breaks; at once where somebody else holds the lock, if only to look."""
        with self.warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute(_TRY, (_lock_name(self.run_id),))
            row = cursor.fetchone()
            connection.commit()
            self.is_refused = row is None or not row[0]
            if self.is_refused:
                return
            self.is_held.set()
            while not self.is_over.wait(LOOK_SECONDS):
                cursor.execute("SELECT 1")
                connection.commit()
                self._look()

    def _look(self) -> None:
        """Whatever it fails with: this thread holds the lock, without which the run would count as lost while it goes on."""
        try:
            self.look()
        except Exception as error:  # noqa: BLE001 - see above
            log.warning("a run could not be looked at", run=self.run_id, error=type(error).__name__)
