"""The stream put together: feeds, latest quotes, the clock, the writer, analytics and the watch server, and how all of it ends.

What belongs here: what starts what, what passes from whom to whom, and the end. What does not: the parts themselves, signals
and words for people at a terminal (cli/stream.py).

It ends when it is asked to, when a successor asks, or when a part fails that it cannot do without. In each case the clock stops
first, then what was taken is stored, then the lock is given back and the sockets are closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from crypto_assets.clients.book_tickers.feeds import feed_of
from crypto_assets.clients.book_tickers.quote import BookTickerFeed
from crypto_assets.datasets.market.book_ticker_snapshots.table import book_ticker_snapshots
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.stream.address import remove_address, write_address
from crypto_assets.stream.analytics import Analytics
from crypto_assets.stream.counters import Counters
from crypto_assets.stream.outages import Outages
from crypto_assets.stream.ownership import Claim
from crypto_assets.stream.quotes import LatestQuotes
from crypto_assets.stream.report import Ended, HourBook, HourReport, Ready, iso
from crypto_assets.stream.snapshots import SECOND, GridClock, snapshot_lines
from crypto_assets.stream.spill import MEGABYTE
from crypto_assets.stream.standing import Lines, MarketName, Snapshot
from crypto_assets.stream.storing import absence_lines, unreadable_lines
from crypto_assets.stream.watch import WatchServer
from crypto_assets.stream.writer import Writer, WriterRules
from crypto_assets.universe_stream import StreamRules
from crypto_assets.warehouse.connection import Warehouse

log = structlog.get_logger(__name__)

WARM_UP_SECONDS = 10.0
REPORT_SECONDS = 60.0
GOODBYE_SECONDS = 30.0  # that the writer may take for its last rows; longer than the time-out of a statement
FEED_GOODBYE_SECONDS = 3.0
SPANS = 25  # of the ledger that are stored in one go, a tenth of a second: rows wait no longer
_WAITING_SECONDS = 5  # a database that is well stores within one
TOLD_SNAPSHOTS = 60  # each so many a snapshot is told of at the level that people see
HANDED_OVER = "handed over to a successor"


class StreamFailed(CryptoAssetsError):
    """A part of the stream ended that should go on."""


class Audience(Protocol):
    """Who hears of the stream while it works. Called from the event loop: each call returns at once."""

    def report(self, line: Ready | HourReport | Ended) -> None:
        """A report for whoever started it."""

    def looked(self, snapshot: Snapshot, counters: Counters) -> None:
        """A snapshot was taken."""


@dataclass(frozen=True)
class Plan:
    """What to stream.

    Args:
        markets: Venue and symbol of each.
        folder: Where spill files and the address of the watch server go.
        warehouse: None writes nothing.
        claim: What to do where another stream writes.
        watch_port: On 127.0.0.1; 0 picks a free one, None serves nobody.
    """

    markets: tuple[MarketName, ...]
    rules: StreamRules
    folder: Path
    warehouse: Warehouse | None
    sandbox_url: str | None = None
    claim: Claim = Claim.REFUSE
    watch_port: int | None = None


def feeds_of(plan: Plan) -> list[BookTickerFeed]:
    """A feed for each venue of the plan.

    Raises:
        CryptoAssetsError: nobody knows how to follow a venue.
    """
    venues = dict.fromkeys(venue for venue, _ in plan.markets)
    return [
        feed_of(venue, [symbol for there, symbol in plan.markets if there == venue], plan.rules, plan.sandbox_url)
        for venue in venues
    ]


class Sidecar:
    """One stream, to be run once. Making it starts nothing.

    Args:
        now: Microseconds since 1970, UTC.
        sleep: For so many seconds of that clock.
    """

    def __init__(
        self,
        plan: Plan,
        feeds: Sequence[BookTickerFeed],
        audience: Audience,
        now: Callable[[], int] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._plan = plan
        self._feeds = feeds
        self._audience = audience
        self._now = now or _now
        self._sleep = sleep
        self._step = plan.rules.snapshot_seconds * SECOND
        self._started_at = self._now()
        self.counters = Counters()
        self._outages = Outages(plan.markets, self._started_at)
        self._quotes = LatestQuotes(plan.markets, plan.rules.stale_seconds, self.counters, self._outages, self._now)
        self._analytics = Analytics(plan.rules.analytics, self.counters, plan.rules.snapshot_seconds)
        self._book = HourBook(
            book_ticker_snapshots.fullname, len(plan.markets), self._step, self._started_at, self.counters
        )
        self._sources = {venue: f"{venue} bookTicker stream" for venue, _ in plan.markets}
        self._snapshot: Snapshot | None = None
        self._is_owner = False
        self._is_warm = False
        self._is_ending = False
        self._writer: Writer | None = None
        self._watch: WatchServer | None = None
        self._failure: BaseException | None = None

    async def run(self) -> str:
        """Stream until asked to end; returns why it ended.

        Raises:
            AnotherStream: another one writes, and the plan says not to wait.
            CannotStore, SpillFull, NotMigrated: rows cannot be kept any more.
            StreamFailed: a feed or the clock ended.
            WatchPortTaken: somebody else listens there.
        """
        self._loop = asyncio.get_running_loop()
        self._ending: asyncio.Future[str] = self._loop.create_future()
        self._owned, self._written = asyncio.Event(), asyncio.Event()
        self._ending.add_done_callback(lambda _: self._owned.set())  # nobody waits for the lock any more
        self._begun = self._loop.time()
        tasks: list[asyncio.Task[None]] = []
        try:
            await self._claim_lock()
            if not self._ending.done():
                tasks = self._start_parts()
            why = await self._ending
        finally:
            self._is_ending = True
            await self._end(tasks)
        if self._failure is not None:
            raise self._failure
        return why

    def end(self, why: str) -> None:
        """Ask for the end; the first one's reason counts. Called from the event loop."""
        if not self._ending.done():
            self._ending.set_result(why)

    # What the clock calls.

    def expect(self, at: int) -> None:
        """The next snapshot is of this second; see Seconds."""
        self._quotes.expect(at)

    def skipped(self, start: int, end: int) -> None:
        """These seconds went by; see Seconds."""
        count = (end - start) // self._step
        self.counters.snapshots.skipped += count
        self._outages.skipped(start, end)
        log.warning("seconds went by without a snapshot", first=iso(start), seconds=count)

    def take(self, at: int) -> None:
        """Take the snapshot of this second; see Seconds."""
        began = time.perf_counter()
        snapshot = self._quotes.snapshot(at)
        rows = snapshot_lines(snapshot, self._sources)
        self._outages.look(snapshot)
        batch = [rows, *self._beside(at)]
        try:
            batch += self._analytics.look(snapshot)
        except Exception:  # rows are worth more than what is seen in them
            log.exception("analytics failed on a snapshot", at=iso(at))
        self._snapshot = snapshot
        self._count(snapshot, (time.perf_counter() - began) * 1000)
        if self._writer is not None:
            self._writer.put(batch)
            self._warm_up(snapshot)
        self._audience.looked(snapshot, self.counters)

    # What the writer calls, from its thread.

    def owned(self, seconds: Sequence[tuple[int, int, int]]) -> None:
        """The lock is ours; see Told."""
        self._loop.call_soon_threadsafe(self._on_owned, seconds)

    def stored(self, batch: Sequence[Lines], milliseconds: float) -> None:
        """Rows are committed; see Told."""
        self._loop.call_soon_threadsafe(self._on_stored, batch, milliseconds)

    def asked_to_leave(self, who: str) -> None:
        """A successor waits; see Told."""
        self._loop.call_soon_threadsafe(self.end, f"{HANDED_OVER} ({who})")

    def ended(self, why: str, error: BaseException | None) -> None:
        """The writer is done; see Told."""
        self._loop.call_soon_threadsafe(self._on_ended, why, error)

    def _on_owned(self, seconds: Sequence[tuple[int, int, int]]) -> None:
        self._book.known(seconds)
        self._is_owner = True
        self._owned.set()

    def _on_stored(self, batch: Sequence[Lines], milliseconds: float) -> None:
        for lines in batch:
            if lines.table == book_ticker_snapshots.fullname and lines.rows:
                self._tell_snapshot(lines, milliseconds)
        for report in self._book.stored(batch):
            self._audience.report(report)

    def _on_ended(self, why: str, error: BaseException | None) -> None:
        self._is_owner = False
        self._written.set()
        if error is not None and not self._ending.done():
            self._ending.set_exception(error)
        elif error is not None:
            self._failure = error
        self.end(why)

    # The rest.

    async def _start_watch(self) -> int | None:
        """Serve those who watch; a port that was named is a predecessor's until the lock is ours."""
        if self._plan.watch_port is None:
            return None
        self._watch = WatchServer(
            self.counters,
            lambda: self._snapshot,
            self._why_not_ready,
            self._plan.watch_port,
            opportunities=self._analytics.opportunities,
            snapshot_seconds=self._plan.rules.snapshot_seconds,
            clock=self._now,
        )
        port = await self._watch.start()
        write_address(self._plan.folder / "stream.json", port)
        log.info(f"Watch it on http://127.0.0.1:{port}/metrics", port=port)
        return port

    async def _stop_watch(self) -> None:
        if self._watch is not None:
            await self._watch.stop()
            remove_address(self._plan.folder / "stream.json")

    async def _claim_lock(self) -> None:
        """Start the writer; who does not take over begins once the lock is its own."""
        plan = self._plan
        if plan.warehouse is None:
            self._written.set()
            return
        spill = int(plan.rules.max_spill_mb * MEGABYTE)
        rules = WriterRules(self._step, plan.rules.memory_seconds, spill, plan.folder / "stream", plan.claim)
        self._writer = Writer(plan.warehouse, rules, self._started_at, self.counters.writer, self)
        self._writer.start()
        if plan.claim is not Claim.TAKE_OVER:
            await self._owned.wait()

    def _start_parts(self) -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(feed.run(self._quotes), name=f"feed of {feed.venue}") for feed in self._feeds]
        tasks.append(asyncio.create_task(GridClock(self._step, self._now, self._sleep).run(self), name="clock"))
        tasks.append(asyncio.create_task(self._report(), name="reports"))
        for task in tasks:
            task.add_done_callback(self._on_part_ended)
        log.info(
            f"Loaded {len({symbol for _, symbol in self._plan.markets})} trading pairs; "
            f"following {len(self._plan.markets)} book tickers of {', '.join(feed.venue for feed in self._feeds)}"
        )
        return tasks

    def _on_part_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self._is_ending or self._ending.done():
            return
        error = task.exception()
        log.error(f"the {task.get_name()} ended", exc_info=error)
        known = error if isinstance(error, CryptoAssetsError) else None
        what = f"{type(error).__name__}: {error}" if error else "without an error"
        self._ending.set_exception(known or StreamFailed(f"The {task.get_name()} ended, {what}"))

    async def _report(self) -> None:
        if self._writer is not None:
            await self._owned.wait()
            if not self._is_owner:
                return  # it is ending
        ready = Ready(os.getpid(), await self._start_watch(), len(self._plan.markets), iso(self._started_at))
        self._audience.report(ready)
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            self._audience.report(self._book.minute())

    def _beside(self, at: int) -> list[Lines]:
        """What goes to the ledger and to the quarantine with the rows of a second."""
        absences, unreadable = self._outages.take(), self._quotes.take_unreadable()
        return [
            *(absence_lines(at, absences[first : first + SPANS]) for first in range(0, len(absences), SPANS)),
            *([unreadable_lines(at, unreadable)] if unreadable else []),
        ]

    def _count(self, snapshot: Snapshot, work_ms: float) -> None:
        counters = self.counters.snapshots
        stale = sum(standing.is_stale for standing in snapshot.standings)
        counters.taken += 1
        counters.rows += len(snapshot.standings)
        counters.stale_rows += stale
        counters.late_ms.append((snapshot.taken_at - snapshot.at) / 1000)
        counters.work_ms.append(work_ms)
        counters.last_at = snapshot.at
        self._book.taken(snapshot.at, stale)

    def _warm_up(self, snapshot: Snapshot) -> None:
        """A predecessor may go once all markets have a connection, or have had the time for one."""
        if self._is_warm or self._writer is None:
            return
        is_late = self._loop.time() - self._begun >= WARM_UP_SECONDS
        if is_late or (not snapshot.absent and all(self._quotes.connections().values())):
            self._is_warm = True
            self._writer.warmed()

    def _tell_snapshot(self, lines: Lines, milliseconds: float) -> None:
        number = self.counters.snapshots.taken
        if lines.at != self.counters.snapshots.last_at:
            return  # of a time when the database was away
        tell = log.info if number % TOLD_SNAPSHOTS == 1 else log.debug
        pairs = len({symbol for _, symbol in self._plan.markets})
        tell(
            f"[SNAPSHOT #{number:03d}] Captured {pairs} pairs, inserted {lines.rows} records in {milliseconds:.0f}ms",
            at=iso(lines.at),
            rows=lines.rows,
            insert_ms=round(milliseconds, 1),
        )

    def _why_not_ready(self) -> str | None:
        if self._is_ending:
            return "it is ending"
        if self._writer is not None and not self._is_owner:
            return "another stream writes still"
        writer = self.counters.writer
        if writer.spill_bytes or writer.waiting_rows > len(self._plan.markets) * _WAITING_SECONDS:
            return "rows wait for the database"
        if not any(self._quotes.connections().values()):
            return "no venue is connected"
        return None

    async def _end(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        """Stop the clock, store what was taken, close the ledger and the sockets."""
        clock = [task for task in tasks if task.get_name() in {"clock", "reports"}]
        await _cancelled(clock)
        await self._stop_watch()  # before the lock goes: a successor may want the same port
        if self._writer is not None:
            at = self._now()
            if tasks:
                self._outages.close(at)
            self._writer.put(self._beside(at))
            self._writer.leave()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._written.wait(), GOODBYE_SECONDS)
            if not self._written.is_set():
                self._failure = StreamFailed(f"The writer did not end within {GOODBYE_SECONDS:g} seconds")
        await _cancelled([task for task in tasks if task not in clock])


async def _cancelled(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=FEED_GOODBYE_SECONDS)


def to_json(line: Ready | HourReport | Ended) -> bytes:
    """A report as a line of JSON."""
    return msgspec.json.encode(line) + b"\n"


def _now() -> int:
    return time.time_ns() // 1000
