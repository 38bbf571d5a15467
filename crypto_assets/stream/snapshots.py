"""The grid of seconds, and rows from quotes.

What belongs here: when a snapshot is due, and the text of COPY that its rows become. What does not: which quote a market has
(quotes.py) and storing (writer.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol

from crypto_assets.datasets.market.book_ticker_snapshots.table import book_ticker_snapshots
from crypto_assets.stream.standing import Lines, Snapshot, Standing

SECOND = 1_000_000  # microseconds
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_SLEEP = 1.0  # seconds: whoever sets the clock is noticed by then
_SHORTEST_SLEEP = 0.0005  # a timer may fire a moment early; asking again at once would burn the core
# PostgreSQL, "COPY", text format: these four end or alter a field; the backslash names them.
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_NULL = "\\N"


class Seconds(Protocol):
    """Who is called by the clock."""

    def take(self, at: int) -> None:
        """Take the snapshot of this second now."""

    def skipped(self, start: int, end: int) -> None:
        """The seconds from `start` to before `end` went by without a snapshot."""

    def expect(self, at: int) -> None:
        """This second is the next one."""


class GridClock:
    """Calls at every multiple of a step since 1970, by the wall clock.

    Each tick is reckoned from the wall clock anew, so that errors do not add up. A second is never taken twice: set back, the
    clock has to pass the last one again first. Seconds that it was set over, or that went by while the loop was held up, are
    told as skipped.

    Args:
        step: Microseconds; a divisor of a minute.
        now: Microseconds since 1970, UTC.
        sleep: For so many seconds, or a little more or less.
    """

    def __init__(
        self, step: int, now: Callable[[], int], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._step = step
        self._now = now
        self._sleep = sleep
        self._last = 0

    async def run(self, seconds: Seconds) -> None:
        """Until cancelled. The second that is under way at the start is not taken."""
        self._last = floor(self._now(), self._step)
        while True:
            seconds.expect(self._last + self._step)
            await self._pass(self._last + self._step)
            skipped, at = reached(self._last, self._now(), self._step)
            if skipped is not None:
                seconds.skipped(*skipped)
            self._last = at
            seconds.take(at)

    async def _pass(self, due: int) -> None:
        while (rest := due - self._now()) > 0:
            await self._sleep(min(_LONGEST_SLEEP, max(_SHORTEST_SLEEP, rest / SECOND)))


def floor(moment: int, step: int) -> int:
    """The last multiple of the step that does not lie behind the moment."""
    return moment - moment % step


def reached(last: int, now: int, step: int) -> tuple[tuple[int, int] | None, int]:
    """The second to take, once the one after `last` is due, and the span [start, end) of those that went by before it."""
    at = max(last + step, floor(now, step))
    return ((last + step, at) if at > last + step else None), at


def snapshot_lines(snapshot: Snapshot, sources: dict[str, str]) -> Lines:
    """The rows of a snapshot for market.book_ticker_snapshots, columns as COPY_COLUMNS there.

    Prices and quantities go through as the venue wrote them. The row is known from its second on: nothing in it came later.

    Args:
        sources: What the column source says, by venue.
    """
    at = moment_text(snapshot.at)
    text = "".join([_line(standing, at, sources[standing.venue]) for standing in snapshot.standings])
    return Lines(snapshot.at, book_ticker_snapshots.fullname, len(snapshot.standings), text.encode())


def moment_text(moment: int) -> str:
    """Microseconds since 1970 as PostgreSQL reads them, whatever the session's zone."""
    second, rest = divmod(moment, SECOND)
    return f"{_second_text(second)}.{rest:06d}+00"


@lru_cache(maxsize=1024)  # the times of a snapshot lie in few seconds
def _second_text(second: int) -> str:
    return (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%d %H:%M:%S")


def _line(standing: Standing, at: str, source: str) -> str:
    quote = standing.quote
    text = (standing.venue, quote.symbol)
    numbers = (quote.bid_price, quote.bid_quantity, quote.ask_price, quote.ask_quantity)
    event = _NULL if quote.event_at is None else moment_text(quote.event_at)
    stale = "t" if standing.is_stale else "f"
    told = "".join((*text, *numbers, source))
    if "\\" in told or not told.isprintable():  # of what is escaped, nothing else can be printed
        text, numbers = _escaped(text), _escaped(numbers)
        source = source.translate(_ESCAPES)
    ours = f"{event}\t{moment_text(quote.received_at)}\t{standing.age_ms}\t{stale}\t{source}\t{at}\n"
    return "\t".join((*text, at, *numbers, ours))


def _escaped[T: tuple[str, ...]](fields: T) -> T:
    return type(fields)(field.translate(_ESCAPES) for field in fields)
