"""What the stream counts while it works; read by /metrics, the log and the reports to Dagster.

What belongs here: the numbers. What does not: what is made of them (watch.py, sidecar.py). Counters only rise.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from crypto_assets.latest.telling import ToldCounters

KEPT = 3600  # an hour of snapshots


def _recent() -> deque[float]:
    return deque(maxlen=KEPT)


@dataclass
class FeedCounters:
    """By venue.

    Args:
        quotes: Messages that brought a quote.
        ignored: Of them, those that were older than what is known, or the same again.
        malformed: Messages that could not be read.
        lost: Connections lost.
        connected: Connections made.
    """

    quotes: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    malformed: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    connected: Counter[str] = field(default_factory=Counter)


@dataclass
class SnapshotCounters:
    """Of the clock.

    Args:
        taken: Seconds of which a snapshot was taken.
        skipped: Seconds that went by without one.
        rows: In all of them.
        stale_rows: Of these, marked stale.
        late_ms: How long behind its second each of the last ones was taken.
        work_ms: How long taking it took.
        last_at: Second of the last one, microseconds since 1970, UTC; 0 before the first.
    """

    taken: int = 0
    skipped: int = 0
    rows: int = 0
    stale_rows: int = 0
    late_ms: deque[float] = field(default_factory=_recent)
    work_ms: deque[float] = field(default_factory=_recent)
    last_at: int = 0


@dataclass
class WriterCounters:
    """Of the writing thread.

    Args:
        rows: Stored.
        batches: Stored.
        insert_ms: How long each of the last batches took.
        failures: Attempts that failed.
        waiting_rows: In memory now.
        spilled_rows: Ever put into the spill file.
        spill_bytes: In it now.
        last_stored_at: Second of the last batch stored; 0 before the first.
    """

    rows: int = 0
    batches: int = 0
    insert_ms: deque[float] = field(default_factory=_recent)
    failures: int = 0
    waiting_rows: int = 0
    spilled_rows: int = 0
    spill_bytes: int = 0
    last_stored_at: int = 0


@dataclass
class Counters:
    """All of them. One object for one stream; each part writes its own only, so that no lock is needed.

    Args:
        opportunities: Of arbitrage, by pair of venues `buy>sell`.
        alerts: Told, by kind.
        latest: What Redis was told; all zero where none is named.
    """

    feeds: FeedCounters = field(default_factory=FeedCounters)
    snapshots: SnapshotCounters = field(default_factory=SnapshotCounters)
    writer: WriterCounters = field(default_factory=WriterCounters)
    opportunities: Counter[str] = field(default_factory=Counter)
    alerts: Counter[str] = field(default_factory=Counter)
    latest: ToldCounters = field(default_factory=ToldCounters)
