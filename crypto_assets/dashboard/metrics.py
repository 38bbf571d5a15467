"""The figures in the form that Prometheus reads.

What belongs here: names, meanings and units of metrics. What does not: asking (figures/) and serving (app.py).

Everything is named crypto_assets_…; units are suffixes: _seconds, _bytes, _ratio; _total for what only rises. Where a group of
figures could not be read, its metrics are absent and crypto_assets_group_up says so: a number that is old would be a lie. What
the stream counts (crypto_assets_stream_…) it answers itself: see stream/metrics.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from crypto_assets.dashboard.figures.board import Figures
from crypto_assets.dashboard.figures.collection import Collection
from crypto_assets.dashboard.figures.forecasts import Forecasts
from crypto_assets.dashboard.figures.freshness import Freshness
from crypto_assets.dashboard.figures.quality import Holes, Scores
from crypto_assets.dashboard.figures.quotes import NewestQuote, SilentVenue
from crypto_assets.dashboard.figures.runs import CheckState, Dagster
from crypto_assets.dashboard.figures.safekeeping import Safekeeping
from crypto_assets.dashboard.figures.storage import Storage
from crypto_assets.errors import CryptoAssetsError

log = structlog.get_logger(__name__)

PREFIX = "crypto_assets_"
_SEVERITIES = ("critical", "warning", "notice")
BREAKERS = ("closed", "half-open", "open")
_DIMENSIONS = ("accuracy", "completeness", "timeliness", "overall")

type Sample = tuple[Sequence[str], float]


class FigureCollector(Collector):
    """Reads the figures at each scrape."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """All metrics as they stand now."""
        up = _gauge("group_up", "Whether a group of figures could be read.", ["group"])
        took = _gauge("group_read_seconds", "How long reading it took; nearly nothing where it was kept.", ["group"])
        for name, read in _groups(self._figures):
            began = time.perf_counter()
            try:
                families = list(read())
            except CryptoAssetsError as error:
                log.warning("figures are not there", group=name, problem=error.problem)
                families = []
                up.add_metric([name], 0)
            else:
                up.add_metric([name], 1)
            took.add_metric([name], time.perf_counter() - began)
            yield from families
        yield from (up, took)


def _groups(figures: Figures) -> Iterator[tuple[str, Callable[[], Iterable[Metric]]]]:
    yield "collection", lambda: collection(figures.collection.get())
    yield "scores", lambda: scores(figures.scores.get())
    yield "ledger", lambda: ledger(figures.holes.get())
    yield "storage", lambda: storage(figures.storage.get())
    yield "quotes", lambda: quotes(figures.quotes.get(), figures.silent.get())
    yield "freshness", lambda: freshness(figures.freshness.get())
    yield "forecasts", lambda: forecasts(figures.forecasts.get())
    yield "safekeeping", lambda: safekeeping(figures.safekeeping.get())
    runs_kept, checks_kept = figures.runs, figures.checks
    if runs_kept is not None:
        yield "dagster", lambda: dagster(runs_kept.get())
    if checks_kept is not None:
        yield "checks", lambda: checks(checks_kept.get())


def collection(told: Collection) -> Iterator[Metric]:
    """Providers, polls, progress and quarantine."""
    of = told.providers
    yield _counter(
        "provider_requests", "Requests sent to the provider.", ["provider"], (([p.provider], p.requests) for p in of)
    )
    refused = (([p.provider], p.throttled) for p in of)
    yield _counter("provider_throttled_requests", "Of them, those refused as too many.", ["provider"], refused)
    states = (([p.provider, state], float(p.breaker == state)) for p in of for state in BREAKERS)
    yield _gauge(
        "provider_breaker", "1 for the state that the provider's breaker is in.", ["provider", "state"], states
    )
    in_a_row = (([p.provider], p.failures) for p in of)
    yield _gauge("provider_failures", "Failures in a row when the breaker last changed.", ["provider"], in_a_row)
    latency = (([p.provider], p.latency_seconds) for p in of if p.latency_seconds is not None)
    yield _gauge("provider_latency_seconds", "Typical time from a request to its answer.", ["provider"], latency)

    by = ["dataset", "venue"]
    polls = told.polls
    yield _gauge("polls", "Markets that are asked by turns.", by, (([p.dataset, p.venue], p.markets) for p in polls))
    overdue = (([p.dataset, p.venue], p.overdue) for p in polls)
    yield _gauge("polls_overdue", "Of them, those that are due and were not asked yet.", by, overdue)
    failing = (([p.dataset, p.venue], p.failing) for p in polls)
    yield _gauge("polls_failing", "Of them, those whose last poll failed.", by, failing)
    longest = (([p.dataset, p.venue], p.longest_overdue_seconds) for p in polls)
    yield _gauge("polls_longest_overdue_seconds", "How long the first of the due ones has waited.", by, longest)

    grown = (([p.dataset, p.venue], p.succeeded_at) for p in told.progress)
    yield _gauge("collection_last_success_timestamp_seconds", "When a series of it last grew.", by, grown)
    series = (([p.dataset, p.venue], p.series) for p in told.progress)
    yield _gauge("collection_series", "Series that are collected.", by, series)
    rows = (([r.dataset], r.rows) for r in told.refused)
    yield _gauge("quarantine_rows", "Rows that were refused, each counted once.", ["dataset"], rows)


def scores(told: Sequence[Scores]) -> Iterator[Metric]:
    """Quality by dataset."""
    values = (([s.dataset, d], getattr(s, d)) for s in told for d in _DIMENSIONS if getattr(s, d) is not None)
    yield _gauge(
        "quality_score_ratio", "Mean of the newest scores of its series, 0..1.", ["dataset", "dimension"], values
    )
    worst = (([s.dataset], s.worst) for s in told if s.worst is not None)
    yield _gauge("quality_worst_score_ratio", "Lowest overall score among its series.", ["dataset"], worst)
    at = (([s.dataset], s.scored_at) for s in told)
    yield _gauge("quality_scored_timestamp_seconds", "When one of its series was last scored.", ["dataset"], at)


def ledger(told: Sequence[Holes]) -> Iterator[Metric]:
    """The gap ledger."""
    by = ["dataset", "state"]
    yield _gauge("ledger_holes", "Rows of the gap ledger.", by, (([h.dataset, h.state], h.holes) for h in told))
    yield _gauge(
        "ledger_hole_seconds", "Their lengths added up.", by, (([h.dataset, h.state], h.seconds) for h in told)
    )
    seen = (([h.dataset, h.state], h.first_seen_at) for h in told)
    yield _gauge("ledger_oldest_hole_timestamp_seconds", "When the longest known of them was noticed.", by, seen)


def storage(told: Storage) -> Iterator[Metric]:
    """Tables and database."""
    sizes = (([t.table], t.size_bytes) for t in told.tables)
    yield _gauge("table_size_bytes", "Size of a table with partitions and indices.", ["table"], sizes)
    yield _gauge("table_rows", "About how many rows it holds.", ["table"], (([t.table], t.rows) for t in told.tables))
    parts = (([t.table], t.partitions) for t in told.tables)
    yield _gauge("table_partitions", "Partitions it has.", ["table"], parts)
    yield _gauge("database_size_bytes", "Size of the whole database.", [], [([], told.size_bytes)])
    sessions = (([state], count) for state, count in told.connections.items())
    yield _gauge("database_connections", "Sessions of the server, by state.", ["state"], sessions)
    yield _gauge("database_connections_most", "Sessions that the server takes.", [], [([], told.most_connections)])


def quotes(told: Sequence[NewestQuote], silent: Sequence[SilentVenue]) -> Iterator[Metric]:
    """The newest stored second of each market, added up by venue; the age goes on growing where nothing has come for days."""
    venues: dict[str, list[NewestQuote]] = {}
    for one in told:
        venues.setdefault(one.venue, []).append(one)
    ages = {one.venue: one.seconds_ago for one in silent}
    ages |= {venue: min(one.seconds_ago for one in of) for venue, of in venues.items()}
    age = (([venue], seconds) for venue, seconds in ages.items())
    yield _gauge("quotes_newest_age_seconds", "Time since the newest stored second of any market.", ["venue"], age)
    stale = (([venue], sum(one.is_stale for one in of) / len(of)) for venue, of in venues.items())
    yield _gauge("quotes_stale_ratio", "Share of markets whose newest second is marked stale.", ["venue"], stale)
    markets = (([venue], len(of)) for venue, of in venues.items())
    yield _gauge("quotes_markets", "Markets with a second of today or yesterday.", ["venue"], markets)


def freshness(told: Sequence[Freshness]) -> Iterator[Metric]:
    """Age of the newest row of each asset."""
    ages = (([f.asset], f.age_seconds) for f in told if f.age_seconds is not None)
    yield _gauge("asset_age_seconds", "Time since the newest row could first be known.", ["asset"], ages)


def forecasts(told: Forecasts) -> Iterator[Metric]:
    """Champions, and what came of late."""
    by = ["forecast"]
    of, live = told.champions, told.live
    yield _gauge(
        "forecast_champion_version",
        "Version that answers for the forecast.",
        by,
        (([c.forecast], c.version) for c in of),
    )
    skill = (([c.forecast], c.skill) for c in of)
    yield _gauge("forecast_skill_ratio", "Its skill in validation over the best baseline.", by, skill)
    trained = (([c.forecast], c.trained_to) for c in of)
    yield _gauge("forecast_trained_to_timestamp_seconds", "Newest truth that it learned from.", by, trained)
    yield _gauge(
        "forecast_live_outcomes",
        "Outcomes of the last week, out of sample.",
        by,
        (([o.forecast], o.outcomes) for o in live),
    )
    error = (([o.forecast], o.error) for o in live)
    yield _gauge("forecast_live_error", "Their mean absolute error, log change.", by, error)
    baseline = (([o.forecast], o.baseline_error) for o in live)
    yield _gauge("forecast_live_baseline_error", "The same of the baseline.", by, baseline)
    inside = (([o.forecast], o.coverage) for o in live)
    yield _gauge("forecast_live_coverage_ratio", "Share of truths from q10 to q90; 0.8 is nominal.", by, inside)
    expected = {c.forecast: c.error for c in of if c.error}
    drift = (([o.forecast], o.error / expected[o.forecast]) for o in live if o.forecast in expected)
    yield _gauge("forecast_error_drift_ratio", "Error of the last week over that of validation.", by, drift)


def safekeeping(told: Safekeeping) -> Iterator[Metric]:
    """Backups and alerts."""
    age: list[Sample] = [] if told.backup_age_seconds is None else [([], told.backup_age_seconds)]
    yield _gauge("backup_age_seconds", "Time since the last backup that succeeded began.", [], age)
    levels = (([severity], told.open_alerts.get(severity, 0)) for severity in _SEVERITIES)
    yield _gauge("alerts_open", "Alerts whose cause lasts.", ["severity"], levels)


def dagster(told: Dagster) -> Iterator[Metric]:
    """Runs and daemons."""
    by_status = (([r.status.lower()], r.runs) for r in told.runs)
    yield _gauge("dagster_runs", "Runs in Dagster's storage, by status.", ["status"], by_status)
    counts = {r.status: r for r in told.runs}
    waiting = counts["QUEUED"].runs if "QUEUED" in counts else 0
    yield _gauge("dagster_queued_runs", "Runs that wait for their turn.", [], [([], waiting)])
    failed = counts["FAILURE"].of_last_day if "FAILURE" in counts else 0
    yield _gauge("dagster_failed_runs_last_day", "Runs that failed within 24 hours.", [], [([], failed)])
    silent = (([d.daemon.lower()], d.silent_seconds) for d in told.daemons)
    yield _gauge("dagster_daemon_silent_seconds", "Time since the daemon last said that it lives.", ["daemon"], silent)


def checks(told: Sequence[CheckState]) -> Iterator[Metric]:
    """The latest result of each check."""
    passed = (([c.asset, c.check, c.severity.lower()], float(c.passed)) for c in told)
    yield _gauge("check_passed", "Whether its latest result held; severity is what a failure means.",
                 ["asset", "check", "severity"], passed)  # fmt: skip
    failed = {"error": 0, "warn": 0}
    for one in told:
        failed[one.severity.lower()] = failed.get(one.severity.lower(), 0) + (not one.passed)
    yield _gauge(
        "checks_failed", "Checks whose latest result failed.", ["severity"], (([s], n) for s, n in failed.items())
    )
    yield _gauge("checks", "Checks with a result.", [], [([], len(told))])


def _gauge(name: str, meaning: str, labels: Sequence[str], samples: Iterable[Sample] = ()) -> GaugeMetricFamily:
    family = GaugeMetricFamily(PREFIX + name, meaning, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _counter(name: str, meaning: str, labels: Sequence[str], samples: Iterable[Sample]) -> Metric:
    family = CounterMetricFamily(PREFIX + name, meaning, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


__all__ = ["PREFIX", "FigureCollector"]
