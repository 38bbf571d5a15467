"""Whether somebody is at work on a run: an advisory lock in PostgreSQL, held by the process that executes it.

What belongs here: holding it, and looking. What does not: what follows when nobody does (launcher.py), and when the process
gives up by itself (watch.py).

The lock goes with its connection, so a killed worker is seen at once; the server closes connections of a machine that
vanished after the time of `KEEPALIVE`. A database that was away for a moment takes the lock with it, and the thread that
holds it takes it again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg2
import structlog

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.lease import LeaseTaken, lease

log = structlog.get_logger(__name__)

# Said to PostgreSQL by a worker's sessions: it looks after ten silent seconds, every five, and gives up after the third
# time. Without it a machine that lost its power would hold its locks for two hours, the default of most systems.
KEEPALIVE = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
LOOK_SECONDS = 5.0  # how often the holder asks whether its connection and its run are still there
_TAKE_SECONDS = 30.0  # longer than a database on a busy machine takes to answer
_AGAIN_SECONDS = 0.5
_TRY = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"


class RunTaken(CryptoAssetsError):
    """Another process is at work on the run: its message was delivered twice."""


@contextmanager
def pulse(warehouse: Warehouse, run_id: str, look: Callable[[], None]) -> Iterator[None]:
    """Be seen at work on a run, for as long as the block lasts.

    Args:
        look: Called every `LOOK_SECONDS`, from another thread.

    Raises:
        DatabaseUnreachable: no connection at the start.
        RunTaken: another process holds it.
    """
    warehouse.check()
    holder = _Holder(warehouse, run_id, look)
    thread = threading.Thread(target=holder.hold, name="pulse", daemon=True)
    thread.start()
    try:
        if not holder.is_held.wait(_TAKE_SECONDS):
            raise RunTaken(f"Another process is at work on run {run_id}", way_out="It goes on; nothing has to be done.")
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

    def hold(self) -> None:
        """Until it is over, and again whenever the database was away."""
        while not self.is_over.is_set():
            try:
                self._hold_once()
            except (CryptoAssetsError, psycopg2.Error) as error:
                log.warning("the pulse of a run is taken again", run=self.run_id, error=str(error))
            self.is_over.wait(_AGAIN_SECONDS)

    def _hold_once(self) -> None:
        """Until it is over or the connection breaks; at once where somebody else holds the lock, if only to look."""
        with self.warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute(_TRY, (_lock_name(self.run_id),))
            row = cursor.fetchone()
            connection.commit()
            if row is None or not row[0]:
                return
            self.is_held.set()
            while not self.is_over.wait(LOOK_SECONDS):
                cursor.execute("SELECT 1")
                connection.commit()
                self.look()
