"""What the stream tells whoever started it: a line of JSON a minute, one when an hour is closed, and its beginning and end.

What belongs here: adding up an hour from what was stored, and the lines' shape. What does not: what counts them
(counters.py) and what becomes of them (the job that reads them).

An hour is added up by its seconds, so that a second stored twice, by a predecessor and by us, counts once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from crypto_assets.stream.counters import Counters
from crypto_assets.stream.standing import Lines

_HOUR = 3_600_000_000  # microseconds, as all times here
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class HourReport(msgspec.Struct, frozen=True):
    """One hour, as far as it is stored.

    Args:
        event: minute while the hour is open, hour once its last second is stored.
        hour: Key of its partition, as 2026-11-21-23:00.
        rows: Stored, of all markets.
        seconds: Of which rows are stored.
        expected_seconds: That the hour has had so far, or has in all.
        completeness: Rows over expected seconds times markets, 0..1; a market that never had a quote has none.
        stale_share: Of the rows, 0..1.
        jitter_ms_p50: How late behind their second snapshots were taken; null where none was. insert_ms_p99 likewise: how long
            a batch took.
        lost: Connections lost since the hour began, or since the stream did; so are the four below.
        started_at: When the stream began, ISO 8601, UTC.
    """

    event: Literal["minute", "hour"]
    hour: str
    rows: int
    seconds: int
    expected_seconds: int
    completeness: float
    stale_share: float
    jitter_ms_p50: float | None
    jitter_ms_p99: float | None
    insert_ms_p99: float | None
    lost: int
    malformed: int
    spilled_rows: int
    skipped_seconds: int
    opportunities: int
    started_at: str


class Ready(msgspec.Struct, frozen=True, tag="ready", tag_field="event"):
    """The stream writes from now on, or shows, where it is tried only."""

    pid: int
    port: int | None
    markets: int
    started_at: str


class Ended(msgspec.Struct, frozen=True, tag="ended", tag_field="event"):
    """The last line."""

    why: str
    exit_code: int


@dataclass(frozen=True)
class _Totals:
    lost: int = 0
    malformed: int = 0
    spilled_rows: int = 0
    skipped: int = 0
    opportunities: int = 0
    taken: int = 0
    batches: int = 0


class HourBook:
    """Adds up the open hour.

    Args:
        table: Full name of the table whose rows count.
        markets: How many are followed.
        step: Of the grid, microseconds.
        started_at: When the stream began, microseconds since 1970, UTC.
    """

    def __init__(self, table: str, markets: int, step: int, started_at: int, counters: Counters) -> None:
        self._table = table
        self._markets = markets
        self._step = step
        self._started_at = started_at
        self._counters = counters
        self._hour = started_at - started_at % _HOUR
        self._seconds: dict[int, tuple[int, int]] = {}
        self._stale: dict[int, int] = {}
        self._before = _Totals()

    def known(self, seconds: Sequence[tuple[int, int, int]]) -> None:
        """These were stored before us: when, rows, stale rows."""
        for at, rows, stale in seconds:
            self._count(at, rows, stale)

    def taken(self, at: int, stale: int) -> None:
        """A snapshot with so many stale rows is on its way to be stored."""
        self._stale[at] = stale

    def stored(self, batch: Sequence[Lines]) -> list[HourReport]:
        """These are stored; returns a report of each hour that they close, in order."""
        closed = []
        for lines in batch:
            if lines.table != self._table:
                continue
            if lines.at >= self._hour + _HOUR:
                closed += self._close(lines.at)
            self._count(lines.at, lines.rows, self._stale.pop(lines.at, 0))
            if lines.at + self._step >= self._hour + _HOUR:
                closed += self._close(lines.at + self._step)
        return closed

    def minute(self) -> HourReport:
        """The open hour so far."""
        newest = max(self._seconds, default=self._hour - self._step)
        return self._report("minute", (newest - self._hour) // self._step + 1)

    def _count(self, at: int, rows: int, stale: int) -> None:
        if self._hour <= at < self._hour + _HOUR:
            before = self._seconds.get(at, (0, 0))
            self._seconds[at] = max(before, (rows, stale))

    def _close(self, at: int) -> list[HourReport]:
        """Close the open hour, and go to the one in which `at` lies."""
        closed = [self._report("hour", _HOUR // self._step)] if self._seconds else []
        self._hour = at - at % _HOUR
        self._seconds.clear()
        self._stale = {second: stale for second, stale in self._stale.items() if second >= self._hour}
        self._before = self._totals()
        return closed

    def _report(self, event: Literal["minute", "hour"], expected: int) -> HourReport:
        rows = sum(rows for rows, _ in self._seconds.values())
        stale = sum(stale for _, stale in self._seconds.values())
        now, before = self._totals(), self._before
        late = list(self._counters.snapshots.late_ms)[-max(1, now.taken - before.taken) :]
        inserts = list(self._counters.writer.insert_ms)[-max(1, now.batches - before.batches) :]
        due = expected * self._markets
        return HourReport(
            event=event,
            hour=(_EPOCH + timedelta(microseconds=self._hour)).strftime("%Y-%m-%d-%H:00"),
            rows=rows,
            seconds=len(self._seconds),
            expected_seconds=expected,
            completeness=round(rows / due, 6) if due else 0.0,
            stale_share=round(stale / rows, 6) if rows else 0.0,
            jitter_ms_p50=quantile(late, 0.5),
            jitter_ms_p99=quantile(late, 0.99),
            insert_ms_p99=quantile(inserts, 0.99),
            lost=now.lost - before.lost,
            malformed=now.malformed - before.malformed,
            spilled_rows=now.spilled_rows - before.spilled_rows,
            skipped_seconds=now.skipped - before.skipped,
            opportunities=now.opportunities - before.opportunities,
            started_at=iso(self._started_at),
        )

    def _totals(self) -> _Totals:
        counters = self._counters
        return _Totals(
            lost=counters.feeds.lost.total(),
            malformed=counters.feeds.malformed.total(),
            spilled_rows=counters.writer.spilled_rows,
            skipped=counters.snapshots.skipped,
            opportunities=counters.opportunities.total(),
            taken=counters.snapshots.taken,
            batches=counters.writer.batches,
        )


def quantile(values: Sequence[float], share: float) -> float | None:
    """The value that so large a share does not lie above, of those there are; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)


def iso(moment: int) -> str:
    """Microseconds since 1970 as ISO 8601, UTC."""
    return (_EPOCH + timedelta(microseconds=moment)).isoformat()
