"""What the stream counts, in the form that Prometheus reads.

What belongs here: names, meanings and units of metrics, read from the counters when somebody asks. What does not: counting
(counters.py) and serving (watch.py).

Everything is named crypto_assets_stream_…; units are suffixes: _seconds, _bytes; _total for what only rises. Ages are those of
the last snapshot and the time since, so that one that nobody renews still grows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from crypto_assets.stream.counters import Counters
from crypto_assets.stream.standing import Snapshot

PREFIX = "crypto_assets_stream_"
QUANTILES = (0.5, 0.9, 0.99, 1.0)
_SECOND = 1_000_000  # microseconds
_FEEDS = (
    ("quotes", "quotes", "Messages that brought a quote."),
    ("ignored_quotes", "ignored", "Of them, those that were older than what was known, or the same again."),
    ("malformed_messages", "malformed", "Messages that could not be read."),
    ("connections_lost", "lost", "Connections lost, or not made; each is made anew until it holds."),
    ("connections_made", "connected", "Connections made; those beyond the first of each are reconnects."),
)
_SNAPSHOTS = (
    ("snapshots", "taken", "Seconds of which a snapshot was taken."),
    ("skipped_seconds", "skipped", "Seconds that went by without a snapshot."),
    ("snapshot_rows", "rows", "Rows in all snapshots."),
    ("stale_rows", "stale_rows", "Of these, marked stale."),
)
_WRITER = (
    ("stored_rows", "rows", "Rows stored."),
    ("stored_batches", "batches", "Batches stored."),
    ("write_failures", "failures", "Attempts to store that failed."),
    ("spilled_rows", "spilled_rows", "Rows that were ever put into the spill file."),
)
_LATEST = (
    ("latest_values", "values", "Quotes that Redis was told."),
    ("latest_failures", "failures", "Attempts to tell Redis that failed."),
    (
        "latest_dropped_snapshots",
        "dropped",
        "Snapshots that Redis was not told, for it was away or too slow, or they could not be made.",
    ),
)


@dataclass(frozen=True, eq=False)  # a registry keeps it in a dictionary: by what it is, not by what it holds
class StreamCollector(Collector):
    """Reads the counters at each scrape.

    Args:
        standings: The latest snapshot; None before the first.
        clock: Microseconds since 1970, UTC.
    """

    counters: Counters
    standings: Callable[[], Snapshot | None]
    clock: Callable[[], int]

    def collect(self) -> Iterator[Metric]:
        """All metrics as they stand now."""
        yield from self._totals()
        yield from self._snapshot()
        yield from self._writer()

    def _totals(self) -> Iterator[Metric]:
        counters = self.counters
        for name, field, meaning in _FEEDS:
            yield _by("venue", name, meaning, getattr(counters.feeds, field))
        groups = ((counters.snapshots, _SNAPSHOTS), (counters.writer, _WRITER), (counters.latest, _LATEST))
        for group, fields in groups:
            for name, field, meaning in fields:
                yield CounterMetricFamily(PREFIX + name, meaning, value=getattr(group, field))
        yield _by(
            "route", "opportunities", "Opportunities of arbitrage that opened, by venues.", counters.opportunities
        )
        yield _by("alert", "alerts", "Alerts that were told, by kind.", counters.alerts)

    def _snapshot(self) -> Iterator[Metric]:
        now, counters = self.clock(), self.counters.snapshots
        if counters.last_at:
            yield _gauge(
                "snapshot_lag_seconds",
                "Time since the second of the last snapshot.",
                (now - counters.last_at) / _SECOND,
            )
        yield _summary("snapshot_late_seconds", "How long behind its second a snapshot was taken.", counters.late_ms)
        yield _summary("snapshot_work_seconds", "How long taking a snapshot took.", counters.work_ms)
        snapshot = self.standings()
        if snapshot is not None:
            yield from _venues(snapshot, now)

    def _writer(self) -> Iterator[Metric]:
        writer = self.counters.writer
        yield _summary("insert_seconds", "How long storing a batch took.", writer.insert_ms, writer.batches)
        yield _gauge("waiting_rows", "Rows that wait in memory to be stored.", writer.waiting_rows)
        yield _gauge("spill_bytes", "Size of the spill file.", writer.spill_bytes)
        if writer.last_stored_at:
            lag = (self.clock() - writer.last_stored_at) / _SECOND
            yield _gauge("stored_lag_seconds", "Time since the second of the last batch that is stored.", lag)


def _venues(snapshot: Snapshot, now: int) -> Iterator[Metric]:
    """Of each venue: how old its newest and its oldest quote are, how many markets are fresh, stale and absent."""
    newest = GaugeMetricFamily(
        f"{PREFIX}last_event_age_seconds", "Age of the venue's newest quote, of all its markets.", labels=["venue"]
    )
    oldest = GaugeMetricFamily(f"{PREFIX}oldest_quote_age_seconds", "Age of its oldest quote.", labels=["venue"])
    markets = GaugeMetricFamily(
        f"{PREFIX}markets", "Markets of the venue, by state: fresh, stale, absent.", labels=["venue", "state"]
    )
    since = max(0.0, (now - snapshot.at) / _SECOND)
    ages: dict[str, list[int]] = {}
    stale: Counter[str] = Counter()
    for one in snapshot.standings:
        ages.setdefault(one.venue, []).append(one.age_ms)
        stale[one.venue] += one.is_stale
    absent = Counter(venue for venue, _ in snapshot.absent)
    for venue, of in sorted(ages.items()):
        newest.add_metric([venue], min(of) / 1000 + since)
        oldest.add_metric([venue], max(of) / 1000 + since)
    for venue in sorted(ages.keys() | absent.keys()):
        states = {"fresh": len(ages.get(venue, ())) - stale[venue], "stale": stale[venue], "absent": absent[venue]}
        for state, count in states.items():
            markets.add_metric([venue, state], count)
    yield from (newest, oldest, markets)


def _by(label: str, name: str, meaning: str, counts: Counter[str]) -> Metric:
    family = CounterMetricFamily(PREFIX + name, meaning, labels=[label])
    for value, count in sorted(counts.items()):
        family.add_metric([value], count)
    return family


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, meaning, value=value)


def _summary(name: str, meaning: str, lasting_ms: Sequence[float], count: int | None = None) -> Metric:
    """Quantiles of the last hour's values, and how many there ever were, where that is known.

    Their sum is left out: of the last hour alone it would fall.
    """
    family = SummaryMetricFamily(PREFIX + name, f"{meaning} Of the last hour.")
    values = sorted(lasting_ms)  # copied in one step of the interpreter: the writing thread goes on adding
    for quantile in QUANTILES if values else ():
        nearest = values[math.ceil(quantile * len(values)) - 1]
        family.add_sample(PREFIX + name, {"quantile": f"{quantile:g}"}, nearest / 1000)
    if count is not None:
        family.add_sample(f"{PREFIX}{name}_count", {}, count)
    return family
