"""When somebody looks for what is wrong, and what only Dagster can tell of it: runs, checks, freshness.

What belongs here: the sensor, the list of finders, and those that ask Dagster's instance. What does not: what the database
tells (alerts/findings.py), and how people are told (alerts/).

A new kind of alert is a line of KINDS in alerts/alert.py, a function here or in findings.py, and a line of FINDERS.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

import dagster as dg
import structlog
from dagster._core.definitions.freshness import FreshnessState

from crypto_assets.alerts import memory
from crypto_assets.alerts.alert import (
    ARBITRAGE,
    BLIND,
    FAILED_CHECK,
    FAILED_RUN,
    LEDGER_GROWTH,
    LOW_SCORE,
    STALE_ASSET,
    STREAM_OUTAGE,
    Alert,
    Kind,
    Severity,
)
from crypto_assets.alerts.findings import Look, arbitrage, asset_path, ledger_growth, low_scores, stream_outage
from crypto_assets.alerts.post import AlertPost
from crypto_assets.alerts.rounds import Round, tell
from crypto_assets.datasets.market.arbitrage_opportunities.table import arbitrage_opportunities
from crypto_assets.datasets.market.book_ticker_snapshots.table import book_ticker_snapshots
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.origin import partition_of
from crypto_assets.quality.check_results import PARTITION_TAGS, check_failures
from crypto_assets.resources import UniverseFile
from crypto_assets.stream_runs import STREAM_JOB
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.writes import prune_writes

log = structlog.get_logger(__name__)

LOOK_SECONDS = 60
SENSOR = "alerts"
_FAILED_WITHIN = timedelta(days=7)  # who has not run it again for a week does not mean to
_MOST_RUNS = 5_000  # failed runs that a look reads, and later ones among which it looks for a success
_PAGE = 500  # runs read at once
_WILL_RETRY = "dagster/will_retry"  # Dagster says so on a failed run that its retries will run again
_NAMED = 5  # of many, in a message


class TooManyFailures(CryptoAssetsError):
    """More runs failed than a look can read."""


@dataclass(frozen=True)
class DagsterLook(Look):
    """What a finder is given.

    Args:
        instance: Dagster's.
        checks: Every check there is.
        assets: Every asset that has a freshness policy.
    """

    instance: dg.DagsterInstance
    checks: Sequence[dg.AssetCheckKey]
    assets: Sequence[dg.AssetKey]


type Finder = Callable[[DagsterLook], Sequence[Alert]]


def failed_runs(look: DagsterLook) -> list[Alert]:
    """Jobs and partitions whose newest run failed for good: none is alerted that is retried, or succeeded later.

    The stream is left out: it is started again at once, and its outage is an alert of its own.

    Raises:
        TooManyFailures: more failed than a look can read; then none of them is known to be over.
    """
    newest: dict[str, dg.RunRecord] = {}
    for record in _failures(look):
        newest.setdefault(run_subject(record.dagster_run), record)
    found = []
    for subject, record in newest.items():
        run = record.dagster_run
        if _made_good(look, subject, record):
            continue
        ended = datetime.fromtimestamp(record.end_time or record.update_timestamp.timestamp(), UTC)
        found.append(
            Alert(
                FAILED_RUN,
                subject,
                Severity.CRITICAL,
                f"{subject} failed",
                _why(look.instance, run.run_id),
                "What it had stored stays; what it was to bring is not there.",
                f"`crypto-assets trace --run {run.run_id[:8]}` says what it stored; run it again in the web UI, it resumes.",
                f"/runs/{run.run_id}",
                ended,
            )
        )
    return found


def failed_checks(look: DagsterLook) -> list[Alert]:
    """Checks with a failure that stands (alerts/standing.py): one alert each of severity error, one for all that warn."""
    found, warnings = list[Alert](), list[tuple[str, datetime]]()
    for key, failures in check_failures(look.instance, look.checks, look.now):
        record, told = failures[0]
        when = datetime.fromtimestamp(record.create_timestamp, UTC)
        dataset = key.asset_key.to_user_string()
        if told.severity is not dg.AssetCheckSeverity.ERROR:
            warnings.append((f"{dataset} {key.name}", when))
            continue
        found.append(
            Alert(
                FAILED_CHECK,
                f"{dataset} {key.name}",
                Severity.CRITICAL,
                f"{dataset}: {key.name} does not hold",
                told.description or "The check says no more.",
                "Rows that are stored are not what they should be; what derives from them may be wrong as well.",
                "The check's page names the rows; `crypto-assets quality` lists all that fails.",
                asset_path(dataset, "checks", checkDetail=key.name),
                when,
            )
        )
    return [*found, *_warnings(warnings)]


def stale_assets(look: DagsterLook) -> list[Alert]:
    """Assets that Dagster's freshness daemon calls failed by their policy."""
    found = []
    for key, record in look.instance.get_freshness_state_records(list(look.assets)).items():
        if record.freshness_state is not FreshnessState.FAIL:
            continue
        dataset = key.to_user_string()
        found.append(
            Alert(
                STALE_ASSET,
                dataset,
                Severity.CRITICAL,
                f"{dataset} is stale",
                "It was not materialized for longer than its freshness policy allows.",
                "Nothing new comes in: its schedule stands still, its runs fail, or they wait in the queue.",
                "`crypto-assets status` says what runs; then its schedule and its last runs in the web UI.",
                asset_path(dataset, "events"),
                record.updated_at.astimezone(UTC),
            )
        )
    return found


FINDERS: Sequence[tuple[Kind, Finder]] = (
    (FAILED_RUN, failed_runs),
    (FAILED_CHECK, failed_checks),
    (STALE_ASSET, stale_assets),
    (LOW_SCORE, low_scores),
    (LEDGER_GROWTH, ledger_growth),
    (STREAM_OUTAGE, lambda look: stream_outage(look, book_ticker_snapshots)),
    (ARBITRAGE, lambda look: arbitrage(look, arbitrage_opportunities)),
)


def look_around(look: DagsterLook, ui: str, finders: Sequence[tuple[Kind, Finder]] = FINDERS) -> dict[str, int]:
    """Look for every kind and remember what was found; a kind that cannot be looked for is an alert itself.

    Args:
        ui: Where people reach the web UI.

    Returns:
        Open alerts by kind.

    Raises:
        DatabaseUnreachable, NotMigrated: nothing can be remembered.
    """
    blind = []
    with look.warehouse.connect() as connection:
        for kind, finder in finders:
            try:
                found = finder(look)
            except Exception as error:  # told as an alert: the other kinds are to be looked for all the same
                log.exception("a kind of alert could not be looked for", kind=kind.name)
                blind.append(_blind(kind, error, look.now))
                continue
            memory.observe(connection, kind, found, ui, look.now)
        memory.observe(connection, BLIND, blind, ui, look.now)
        return memory.counts(connection)


def alert_sensors() -> list[dg.SensorDefinition]:
    """The sensor that looks around every minute, and tells."""

    @dg.sensor(
        name=SENSOR,
        minimum_interval_seconds=LOOK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Looks for failed runs and checks, stale assets, low scores, gaps, outages and opportunities, and tells"
        " whoever CRYPTO_ASSETS_ALERT_URLS names. It requests no run.",
    )
    def alerts(
        context: dg.SensorEvaluationContext,
        warehouse: dg.ResourceParam[Warehouse],
        universe_file: dg.ResourceParam[UniverseFile],
        alert_post: dg.ResourceParam[AlertPost],
    ) -> dg.SkipReason:
        now, universe = datetime.now(UTC), universe_file.in_force().universe
        checks, assets = _declared(context)
        look = DagsterLook(warehouse, universe, now, context.instance, checks, assets)
        is_open = look_around(look, alert_post.ui)
        done = tell(warehouse, universe.alerts, alert_post, now)
        hour = f"{now:%Y-%m-%dT%H}"
        if context.cursor != hour:
            _forget(warehouse, universe.retention.writes_keep_days, now)
            context.update_cursor(hour)
        return dg.SkipReason(told_of(is_open, done, has_addresses=bool(alert_post.addresses())))

    return [alerts]


def told_of(is_open: dict[str, int], done: Round, *, has_addresses: bool) -> str:
    """What a look came to, in words. Pure."""
    listed = ", ".join(f"{count} {kind}" for kind, count in is_open.items()) or "nothing"
    if not has_addresses:
        return f"Open: {listed}. No address is set (CRYPTO_ASSETS_ALERT_URLS): `crypto-assets alerts list` shows them."
    if done.is_elsewhere:
        return f"Open: {listed}. Another process is telling them."
    failed = "; ".join(sorted({f"{one.address} did not take it: {one.why}" for one in done.failed}))
    waiting = f", {done.waiting} wait" if done.waiting else ""
    return f"Open: {listed}. Told: {done.told} in {done.messages} messages{waiting}.{f' {failed}.' if failed else ''}"


def run_subject(run: dg.DagsterRun) -> str:
    """What a run was to do: its job, or the assets of a run without one, and its partition. Pure."""
    name = run.job_name
    if name.startswith("__"):  # Dagster's own job, for whatever somebody chose
        chosen = sorted(key.to_user_string() for key in run.asset_selection or ())
        name = ", ".join(chosen[:_NAMED]) + (" and more" if len(chosen) > _NAMED else "") or "a run of everything"
    return f"{name} {partition_of(run.tags)}".strip()


def _failures(look: DagsterLook) -> Iterator[dg.RunRecord]:
    """Runs of the last week that failed for good, newest first, without the stream's."""
    asked = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=look.now - _FAILED_WITHIN)
    read = 0
    for record in _paged(look.instance, asked):
        run = record.dagster_run
        if run.job_name == STREAM_JOB or run.tags.get(_WILL_RETRY) == "true":
            continue
        read += 1
        if read > _MOST_RUNS:
            raise TooManyFailures(
                f"More than {_MOST_RUNS:,} runs failed within a week",
                way_out="Delete failed runs in the web UI, once their cause is mended.",
            )
        yield record


def _made_good(look: DagsterLook, subject: str, failed: dg.RunRecord) -> bool:
    """Whether the same was run again later, and succeeded.

    The first later runs are read first: a success that was found once is found each time, whatever else succeeds after it.
    """
    run = failed.dagster_run
    later = dg.RunsFilter(
        job_name=run.job_name,
        statuses=[dg.DagsterRunStatus.SUCCESS],
        tags={name: run.tags[name] for name in PARTITION_TAGS if name in run.tags},
        created_after=failed.create_timestamp,
    )
    records = islice(_paged(look.instance, later, ascending=True), _MOST_RUNS)
    return any(run_subject(record.dagster_run) == subject for record in records)


def _paged(instance: dg.DagsterInstance, asked: dg.RunsFilter, *, ascending: bool = False) -> Iterator[dg.RunRecord]:
    """Every run that a filter lets through, newest first where nothing else is said."""
    cursor = None
    while page := instance.get_run_records(asked, limit=_PAGE, cursor=cursor, ascending=ascending):
        yield from page
        if len(page) < _PAGE:
            return
        cursor = page[-1].dagster_run.run_id


def _why(instance: dg.DagsterInstance, run_id: str) -> str:
    """What ended a run: the failure of its first failed step, else its own."""
    wanted = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
    for record in instance.get_records_for_run(run_id, of_type=wanted, limit=_NAMED).records:
        event = record.event_log_entry.dagster_event
        if event is None:
            continue
        if event.is_step_failure:
            data = event.step_failure_data
            said = data.user_failure_data.description if data.user_failure_data else None
            error = data.error
            while error is not None and error.cause is not None:  # Dagster's own words stand around it
                error = error.cause
            return said or (error.message.strip() if error else "A step failed.")
        return event.message or "The run failed; its log says more."
    return "The run failed; its log says more."


def _warnings(warnings: Sequence[tuple[str, datetime]]) -> list[Alert]:
    if not warnings:
        return []
    names = ", ".join(name for name, _ in warnings[:_NAMED])
    more = f" and {len(warnings) - _NAMED} more" if len(warnings) > _NAMED else ""
    return [
        Alert(
            FAILED_CHECK,
            "warnings",
            Severity.NOTICE,
            f"{len(warnings)} checks warn" if len(warnings) > 1 else "A check warns",
            f"{names}{more}.",
            "Nothing is wrong enough to stop anybody.",
            "`crypto-assets quality` lists them with what they found.",
            "/asset-groups",
            min(when for _, when in warnings),
        )
    ]


def _blind(kind: Kind, error: Exception, now: datetime) -> Alert:
    return Alert(
        BLIND,
        kind.name,
        Severity.WARNING,
        f"Nobody can see whether {kind.tells}",
        f"Looking for it failed with {type(error).__name__}.",
        f"Alerts of {kind.name} are neither found nor ended until this is mended.",
        "The code server's log holds the whole error; please report it.",
        f"/locations/crypto_assets/sensors/{SENSOR}",
        now,
    )


def _declared(context: dg.SensorEvaluationContext) -> tuple[list[dg.AssetCheckKey], list[dg.AssetKey]]:
    """Every check, and every asset that has a freshness policy."""
    if context.repository_def is None:
        return [], []
    graph = context.repository_def.asset_graph
    assets = [node.key for node in graph.asset_nodes if node.freshness_policy is not None]
    return list(graph.asset_check_keys), sorted(assets, key=lambda key: key.to_user_string())


def _forget(warehouse: Warehouse, writes_keep_days: int, now: datetime) -> None:
    """Once an hour: what was written so long ago, and what was told a month ago."""
    gone = prune_writes(warehouse, writes_keep_days, now)
    log.info("forgot who wrote what long ago", notes=gone)
    with warehouse.connect() as connection:
        memory.forget_old(connection, now)
