"""The thread that stores: one connection, a transaction a second, and what happens while the database is away.

What belongs here: the order of things, memory, the spill file's use, back-off, which failures end the stream. What does not:
statements (storing.py, ownership.py) and the file itself (spill.py).

Rows go before what is beside them, spans of the ledger and refused messages, so that a thousand spans hold no second up. Rows
wait in memory while the database is away; once they are older than told, they all go to the spill file, and from then on each
second at once. When the database is back, the file comes first and then the memory: rows are stored in their order. A commit
that may have happened, and everything after a new connection, is merged, so that nothing is doubled.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psycopg2
import structlog
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.stream import ownership
from crypto_assets.stream.counters import WriterCounters
from crypto_assets.stream.ownership import AnotherStream, Claim, Session
from crypto_assets.stream.spill import SpillFile, SpillFull, new_spill, orphans
from crypto_assets.stream.standing import Lines
from crypto_assets.stream.storing import TARGETS, Store
from crypto_assets.warehouse.connection import DatabaseMissing, DatabaseUnreachable, Warehouse

log = structlog.get_logger(__name__)

BATCH_ROWS = 20_000  # a transaction of a tenth of a second
STATEMENT_SECONDS = 15  # a server that does not answer for so long is away
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds between attempts
LOCK_PAUSE, WAIT_PAUSE = 0.05, 0.5  # seconds between tries for the lock, once asked for and else
ASK_AGAIN_SECONDS = 5.0
_DAY = 86_400_000_000  # microseconds, as all times of Lines
_FATAL = (psycopg2.ProgrammingError, psycopg2.errors.DiskFull, psycopg2.errors.IoError, psycopg2.NotSupportedError)


class CannotStore(CryptoAssetsError):
    """The database refuses what no waiting will mend: its disk is full, or its tables are not ours."""


class Told(Protocol):
    """Who hears of the writer; called from its thread."""

    def owned(self, seconds: Sequence[tuple[int, int, int]]) -> None:
        """The lock is ours, and these seconds of the open hour are stored: when, rows, stale rows."""

    def stored(self, batch: Sequence[Lines], milliseconds: float) -> None:
        """These are committed."""

    def asked_to_leave(self, who: str) -> None:
        """A successor is warm and wants the lock."""

    def ended(self, why: str, error: BaseException | None) -> None:
        """The thread is done; nothing is called any more."""


@dataclass(frozen=True)
class WriterRules:
    """How the writer goes about it.

    Args:
        step: Of the grid of seconds, microseconds.
        memory_seconds: Rows of so long wait in memory while the database is away.
        max_spill_bytes: The spill file never grows larger.
        folder: Where spill files lie.
        claim: What to do at the start where another stream writes.
    """

    step: int
    memory_seconds: int
    max_spill_bytes: int
    folder: Path
    claim: Claim = Claim.REFUSE


class Writer:
    """Stores what it is given, in order. Making it starts nothing.

    Args:
        started_at: When the stream began, microseconds since 1970, UTC.
        counters: Written here alone.
    """

    def __init__(
        self, warehouse: Warehouse, rules: WriterRules, started_at: int, counters: WriterCounters, told: Told
    ) -> None:
        self._warehouse = warehouse
        self._rules = rules
        self._started_at = started_at
        self._counters = counters
        self._told = told
        self._changed = threading.Condition()
        self._waiting: deque[Lines] = deque()
        self._beside: deque[Lines] = deque()
        self._is_leaving = False
        self._is_warm = False
        self._spill = new_spill(rules.folder, started_at, rules.max_spill_bytes)
        self._left_by_others: deque[SpillFile] = deque()
        self._former: Session | None = None
        self._why = "asked to end"
        self._prepared_day = 0
        self._thread = threading.Thread(target=self._run, name="stream writer", daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def put(self, batch: Sequence[Lines]) -> None:
        """Store these after what was given before; returns at once."""
        with self._changed:
            self._waiting.extend(lines for lines in batch if lines.table in TARGETS)
            self._beside.extend(lines for lines in batch if lines.table not in TARGETS)
            self._counters.waiting_rows += sum(lines.rows for lines in batch)
            self._changed.notify()

    def warmed(self) -> None:
        """Its feeds are connected: from now on a predecessor may be asked to leave."""
        with self._changed:
            self._is_warm = True
            self._changed.notify()

    def leave(self) -> None:
        """Store what was given, give the lock back and end."""
        with self._changed:
            self._is_leaving = True
            self._changed.notify()

    def join(self, seconds: float) -> bool:
        """Wait for its end; whether it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            self._left_by_others.extend(orphans(self._rules.folder, self._rules.max_spill_bytes))
            self._serve()
        except BaseException as raised:  # noqa: BLE001 - handed to the event loop, which ends the stream with it
            error = raised
        try:
            self._keep_rest()
        except SpillFull as raised:
            error = error or raised
        self._told.ended(self._why, error)

    def _serve(self) -> None:
        pause = FIRST_PAUSE
        while True:
            began = time.monotonic()
            try:
                with self._warehouse.connect() as connection:
                    self._work(connection)
            except DatabaseMissing:
                raise
            except (DatabaseUnreachable, psycopg2.Error) as error:
                failure = error
            else:
                return
            self._counters.failures += 1
            if self._former is None and isinstance(failure, DatabaseUnreachable):
                raise failure
            if self._former is None or isinstance(failure, _FATAL):
                raise _cannot_store(self._warehouse.place, failure) from failure
            pause = FIRST_PAUSE if time.monotonic() - began > LONGEST_PAUSE else min(2 * pause, LONGEST_PAUSE)
            log.warning("the database is away; rows wait", error=_first_line(failure), seconds=round(pause, 1))
            if self._is_leaving:
                self._why = "asked to end while the database was away; rows are kept in a file"
                return
            self._wait_out(pause)

    def _work(self, connection: Connection) -> None:
        """Everything that one connection lives to see; returns when the thread is to end."""
        _guard(connection)
        store = Store(connection, self._rules.step)
        is_ours = self._own(connection)
        if is_ours:
            if self._former is None:
                hour = self._started_at - self._started_at % 3_600_000_000
                store.prepare_day(self._started_at)
                self._told.owned(store.seconds_since(hour))
            self._former = ownership.session_of(connection)
            ownership.listen(connection)
        elif self._former is None:
            return
        is_careful = True
        while True:
            if self._store_next(store, careful=is_careful):
                is_careful = is_careful and bool(self._spilled())
                continue
            if self._is_leaving or not is_ours:
                break
            who = ownership.asked_to_leave(connection)
            if who:
                self._told.asked_to_leave(who)
            self._prepare_tomorrow(store)
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._beside or self._is_leaving, timeout=0.5)
        if is_ours:
            ownership.release(connection)

    def _own(self, connection: Connection) -> bool:
        """Take the lock as the rules say; false where this stream is to end without it.

        Raises:
            AnotherStream: another one writes, and this one does not wait.
        """
        if ownership.try_lock(connection):
            return True
        if self._former is not None:
            return self._own_again(connection, self._former)
        if self._rules.claim is Claim.REFUSE:
            raise AnotherStream("Another stream is writing", way_out="End it, or use --wait or --take-over.")
        log.info("another stream writes; waiting for it to end", claim=self._rules.claim.value)
        asked = 0.0
        while not self._is_leaving:
            if ownership.try_lock(connection):
                return True
            is_due = time.monotonic() - asked > ASK_AGAIN_SECONDS
            if self._rules.claim is Claim.TAKE_OVER and self._is_warm and is_due:
                ownership.ask_to_leave(connection)
                asked = time.monotonic()
            self._relieve()
            time.sleep(LOCK_PAUSE if asked else WAIT_PAUSE)
        self._why = "asked to end while another stream wrote"
        return False

    def _own_again(self, connection: Connection, former: Session) -> bool:
        """After a new connection: the server may believe in the one before for a while."""
        if ownership.holder(connection) == former:
            ownership.end_session(connection, former)
        if ownership.try_lock(connection):
            return True
        self._why = "another stream took the lock while the connection was lost"
        return False

    def _store_next(self, store: Store, *, careful: bool) -> bool:
        """Store the oldest that waits; false where nothing does."""
        spill = self._spilled()
        if spill is not None:
            batch, end = spill.peek(BATCH_ROWS)
            self._relieve()
            if batch:
                self._stored(store, batch, careful=True)
            spill.done(end)
            if self._left_by_others and spill is self._left_by_others[0] and not spill.size:
                self._left_by_others.popleft()
            self._counters.spill_bytes = self._spill.size + sum(file.size for file in self._left_by_others)
            return True
        with self._changed:
            queue = self._waiting or self._beside
            batch = _first(queue, BATCH_ROWS)
        if not batch:
            return False
        self._stored(store, batch, careful=careful)
        with self._changed:
            for lines in batch:
                queue.popleft()
                self._counters.waiting_rows -= lines.rows
        return True

    def _stored(self, store: Store, batch: Sequence[Lines], *, careful: bool) -> None:
        began = time.perf_counter()
        store.store(batch, careful=careful)
        milliseconds = (time.perf_counter() - began) * 1000
        counters, rows = self._counters, [lines for lines in batch if lines.table in TARGETS]
        if rows:
            counters.rows += sum(lines.rows for lines in rows)
            counters.batches += 1
            counters.insert_ms.append(milliseconds)
            counters.last_stored_at = max(counters.last_stored_at, *(lines.at for lines in rows))
        self._told.stored(batch, milliseconds)

    def _prepare_tomorrow(self, store: Store) -> None:
        """Once a day has begun, the next one's partitions: at midnight nothing has to be made."""
        tomorrow = self._counters.last_stored_at // _DAY + 1
        if self._counters.last_stored_at and self._prepared_day < tomorrow:
            store.prepare_day(tomorrow * _DAY)
            self._prepared_day = tomorrow

    def _spilled(self) -> SpillFile | None:
        """The file that is to be read next."""
        if self._left_by_others:
            return self._left_by_others[0]
        return self._spill if self._spill.size else None

    def _wait_out(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (rest := end - time.monotonic()) > 0 and not self._is_leaving:
            self._relieve(is_away=True)
            with self._changed:
                self._changed.wait(rest)

    def _relieve(self, *, is_away: bool = False) -> None:
        """Put what waits into the file, where it is more than memory is to hold."""
        with self._changed:
            batch = [*self._waiting, *self._beside]
        if not batch:
            return
        moments = [lines.at for lines in batch]
        held = max(moments) - min(moments) >= self._rules.memory_seconds * 1_000_000
        if held or (is_away and self._spill.size):
            self._to_file(batch)

    def _to_file(self, batch: Sequence[Lines]) -> None:
        rows = sum(lines.rows for lines in batch)
        if not self._spill.size:
            log.warning("rows go to a file until the database is back", rows=rows)
        self._spill.append(batch)
        with self._changed:
            for lines in batch:
                (self._waiting if lines.table in TARGETS else self._beside).popleft()
            self._counters.waiting_rows -= rows
        self._counters.spilled_rows += rows
        self._counters.spill_bytes = self._spill.size + sum(file.size for file in self._left_by_others)

    def _keep_rest(self) -> None:
        """What is not stored at the end goes to the file: the next stream stores it."""
        with self._changed:
            batch = [*self._waiting, *self._beside]
        if batch:
            self._to_file(batch)
        for file in (self._spill, *self._left_by_others):
            file.close()


def _first(waiting: deque[Lines], rows: int) -> list[Lines]:
    """Lines of so many rows at least, where there are as many; of those that hold none, one."""
    batch: list[Lines] = []
    for lines in waiting:
        batch.append(lines)
        rows -= lines.rows
        if rows <= 0 or not lines.rows:
            break
    return batch


def _guard(connection: Connection) -> None:
    """A server or a wire that is dead without saying so must not hold the thread up for ever."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, false)", (f"{STATEMENT_SECONDS}s",))
    connection.commit()
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STATEMENT_SECONDS * 1000)


def _cannot_store(place: str, error: Exception) -> CannotStore:
    return CannotStore(
        f"{place} cannot store: {_first_line(error)}",
        way_out="Make room on its disk, or see `crypto-assets migrate` and the role's rights.",
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
