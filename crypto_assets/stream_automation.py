"""The stream of quotes under Dagster: the run that holds it, the sensor that keeps it alive, the schedule that closes hours.

What belongs here: that, and how its reports become events of assets. What does not: the process itself (stream_child.py),
what it does (stream/), and how quotes are judged (datasets/market/book_ticker_snapshots/checks.py).

A report becomes a materialization of the hour's partition. At the end of an hour its checks are evaluated inside the same
run, as events of it that name the hour: without a partition, one run would have one evaluation of a check, the last. Hours
that no stream closed, because none ran when they ended, are counted anew by a schedule, whose run brings their checks.

Each minute's report is also when champions say what comes, in a thread beside the run.
"""

import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy.exc import SQLAlchemyError

from crypto_assets.datasets.market.book_ticker_snapshots.asset import IS_FINAL, recount
from crypto_assets.datasets.market.book_ticker_snapshots.checks import RULES
from crypto_assets.datasets.market.book_ticker_snapshots.table import DATASET
from crypto_assets.datasets.market.hour_asset import HourRun
from crypto_assets.datasets.models.predictions.report_forecasts import ReportForecasts, ReportSpeaker
from crypto_assets.datasets.outcomes import Described
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.partitions import hour_key, hours
from crypto_assets.quality.checks import evaluate
from crypto_assets.resources import UniverseFile, latest_of
from crypto_assets.run_origin import origin_of
from crypto_assets.settings import Settings
from crypto_assets.stream_child import (
    ANOTHER_WRITES,
    ENDED_WELL,
    Report,
    StreamChild,
    Told,
    last_lines,
    variables_of,
)
from crypto_assets.stream_runs import (
    CODE,
    CODE_TAG,
    FOLLOWED_TAG,
    QUOTES,
    SHORT_LIFE,
    STREAM_JOB,
    active_runs,
    due,
    followed_digest,
    give_up,
    resting_until,
)
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse

SUMS = dg.AssetKey(["market", "book_ticker_hours"])
SENSOR_SECONDS = 5  # as often as Dagster's daemon asks a sensor
# A look lasts until just before the next one: each second without a stream is lost. The rest is for asking and answering.
WATCHED_SECONDS, LOOKS_EVERY_SECONDS = 4.0, 0.5
CLOSED_WITHIN = 24  # hours back to which the schedule looks for some that nobody closed
# The database away for a moment: the stream keeps its rows and goes on, and so does the run.
_AWAY = (SQLAlchemyError, DagsterPostgresException, CryptoAssetsError)


@dg.op(name="book_ticker_stream", description="Runs the stream as its child and tells Dagster what it stores.")
def follow_stream(
    context: dg.OpExecutionContext,
    warehouse: dg.ResourceParam[Warehouse],
    universe_file: dg.ResourceParam[UniverseFile],
    book_ticker_child: dg.ResourceParam[StreamChild],
    report_forecasts: dg.ResourceParam[ReportForecasts],
) -> None:
    """Until the child ends, by itself or because the run is terminated.

    Raises:
        Failure: it ended otherwise than in order, soon after it began; one that had worked for a while is started again.
    """
    log = context.log
    with report_forecasts.speaking(
        warehouse, lambda: universe_file.in_force().universe, log.info, log.warning
    ) as speaker:
        _follow(context, book_ticker_child, _Teller(context, warehouse, universe_file, speaker))


def _follow(context: dg.OpExecutionContext, book_ticker_child: StreamChild, teller: "_Teller") -> None:
    """One stream after the other, until one ends in order."""
    while True:
        began = time.monotonic()
        code = _follow_one(context, book_ticker_child, teller)
        if code == ENDED_WELL:
            context.log.info("The stream has ended: %s.", teller.why or "it was asked to")
            return
        if code == ANOTHER_WRITES:
            said = teller.why or "this one has ended"
            context.log.warning("Another stream writes already and does not hand over: %s.", said)
            return
        said = f"The stream ended with code {code}{f': {teller.why}' if teller.why else ''}"
        if time.monotonic() - began < SHORT_LIFE.total_seconds():
            lines = dg.MetadataValue.md(f"```\n{last_lines()}\n```")
            raise dg.Failure(said, metadata={"last_lines": lines}, allow_retries=False)
        context.log.error("%s. The next one starts at once.", said)


def _follow_one(context: dg.OpExecutionContext, its: StreamChild, teller: "_Teller") -> int:
    """One stream from beginning to end; its exit code."""
    with its.running(origin_of(context)) as child:
        context.log.info("The stream is process %d.", child.pid)
        try:
            for report in child.reports():
                teller.tell(report)
        except BaseException:  # the run is terminated; what the stream says last is told as well
            for report in child.last_reports():
                teller.tell(report)
            raise
        return child.exit_code()


@dg.job(
    name=STREAM_JOB,
    description="Best prices of every second, for as long as it runs. A sensor keeps one run of it alive.",
    tags={
        CODE_TAG: CODE,
        "dagster/max_retries": "0",  # the sensor starts the next one
        "dagster/priority": "10",  # a second that nobody listened to is lost; everything else can wait
    },
)
def book_ticker_stream_job() -> None:
    """The op alone."""
    follow_stream()


sum_book_tickers = dg.define_asset_job(
    "sum_book_tickers",
    selection=dg.AssetSelection.assets(QUOTES, SUMS),
    description="Count an hour of quotes anew where no stream closed it, add the hour up, then check both.",
)
JOBS = (book_ticker_stream_job, sum_book_tickers)


class _Teller:
    """Makes events of reports, within one run."""

    def __init__(
        self,
        context: dg.OpExecutionContext,
        warehouse: Warehouse,
        universe_file: UniverseFile,
        speaker: ReportSpeaker,
    ) -> None:
        self._context = context
        self._speaker = speaker
        self._warehouse = warehouse
        self._universe_file = universe_file
        self.why = ""

    def tell(self, report: Report) -> None:
        """One report; one that cannot be stored now is left out: the next minute tells more, the schedule closes the hour."""
        try:
            self._tell(report)
        except _AWAY as error:
            sys.stderr.write(f"The report of {report.hour or report.event} could not be stored: {error}\n")

    def _tell(self, report: Report) -> None:
        if report.event == "ended":
            self.why = str(report.told.get("why", ""))
        elif report.event in {"minute", "hour"} and report.hour:
            closing = self._close(report.hour) if report.event == "hour" else {}
            metadata = closing | metadata_of(report)
            self._context.log_event(dg.AssetMaterialization(QUOTES, partition=report.hour, metadata=metadata))
            if report.event == "minute":
                self._speaker.report()
        else:
            self._context.log.info("%s %s", report.event or "The stream says:", dict(report.told))

    def _close(self, hour: str) -> Described:
        """Count an hour that has ended and evaluate its checks; before its last materialization, which says that it was done.

        Returns:
            What the UI shows of the count.
        """
        universe = self._universe_file.in_force().universe
        windows = hours([hour])
        time.sleep(max(0.0, (windows[-1].end - datetime.now(UTC)).total_seconds()))  # its last second is a moment early
        counted = recount(HourRun(self._context.log, self._warehouse, universe, windows))
        run_id = f"{self._context.run_id} {hour}"  # scores of a run that lasts a day would be one otherwise
        for rule in RULES:
            result = evaluate(DATASET, rule, self._warehouse, universe, windows, run_id=run_id)
            self._context.log_event(
                dg.AssetCheckEvaluation(  # type: ignore[arg-type]  # it is taken, though not declared
                    asset_key=QUOTES,
                    check_name=rule.name,
                    passed=result.passed,
                    metadata=result.metadata,
                    severity=result.severity,
                    description=result.description,
                    blocking=rule.blocking,
                    partition=hour,
                )
            )
        return counted


def metadata_of(report: Report) -> Described:
    """What the UI shows of a report. Pure."""
    told = {"dagster/row_count" if name == "rows" else name: _shown(value) for name, value in report.told.items()}
    return told | {IS_FINAL: dg.MetadataValue.bool(report.event == "hour")}


def _shown(value: Told) -> dg.MetadataValue[Any]:
    if isinstance(value, bool):
        return dg.MetadataValue.bool(value)
    if isinstance(value, int):
        return dg.MetadataValue.int(value)
    if isinstance(value, float):
        return dg.MetadataValue.float(value)
    if isinstance(value, (list, dict)):
        return dg.MetadataValue.json(value)
    return dg.MetadataValue.text("" if value is None else value)


def stream_sensors(watched_seconds: float = WATCHED_SECONDS) -> list[dg.SensorDefinition]:
    """The sensor that keeps exactly one stream alive.

    Args:
        watched_seconds: How long one look lasts where nothing is due: Dagster's daemon asks every five seconds only.
    """

    @dg.sensor(
        name="book_ticker_stream_sensor",
        job=book_ticker_stream_job,
        minimum_interval_seconds=SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Keeps one stream of quotes alive; old age, new code or other markets bring a successor that takes over.",
    )
    def book_ticker_stream_sensor(
        context: dg.SensorEvaluationContext, universe_file: dg.ResourceParam[UniverseFile]
    ) -> dg.RunRequest | dg.SkipReason:
        until = time.monotonic() + watched_seconds
        universe = universe_file.in_force().universe
        while True:
            asked = _asked(context, universe, datetime.now(UTC))
            if isinstance(asked, dg.RunRequest) or time.monotonic() >= until:
                return asked
            time.sleep(LOOKS_EVERY_SECONDS)

    return [book_ticker_stream_sensor]


def _asked(context: dg.SensorEvaluationContext, universe: Universe, now: datetime) -> dg.RunRequest | dg.SkipReason:
    """What is due at a moment: a run, or nothing, and why."""
    if not any(venue in universe.venues and universe.venues[venue].markets for venue in universe.stream.venues):
        named = ", ".join(universe.stream.venues) or "none"
        return dg.SkipReason(f"The universe has no market of stream.venues ({named}): nothing to follow.")
    followed = followed_digest(universe)
    runs = active_runs(context.instance)
    lost = [run for run in runs if run.is_silent(now)]
    for run in lost:
        give_up(context.instance, run)
    alive = [run for run in runs if run not in lost]
    is_due, told = due(alive, followed, timedelta(hours=universe.stream.max_age_hours), now)
    if not is_due:
        return dg.SkipReason(told)
    rest = resting_until(context.instance, now)
    if rest is not None:
        return dg.SkipReason(f"The last runs failed at once; the next one starts at {rest:%H:%M:%S} UTC.")
    context.log.info(told)
    return dg.RunRequest(run_key=None, tags={CODE_TAG: CODE, FOLLOWED_TAG: followed})


def stream_schedules() -> list[dg.ScheduleDefinition]:
    """The schedule that closes hours."""

    @dg.schedule(
        job=sum_book_tickers,
        cron_schedule="2 * * * *",
        name="book_ticker_hours_every_hour",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Adds up each hour of quotes that has ended, and closes those that no stream was there to close.",
    )
    def book_ticker_hours_every_hour(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        now = context.scheduled_execution_time.astimezone(UTC)
        begun = context.instance.get_materialized_partitions(QUOTES)
        if not begun:
            return dg.SkipReason("No stream has told of an hour yet.")
        summed = context.instance.get_materialized_partitions(SUMS)
        ended = [hour_key(now - timedelta(hours=back)) for back in range(CLOSED_WITHIN, 0, -1)]
        requests = []
        for hour in ended:
            if hour < min(begun):
                continue
            is_open = not is_closed(context.instance, hour)
            if is_open or hour not in summed:
                assets = [QUOTES, SUMS] if is_open else [SUMS]
                requests.append(dg.RunRequest(run_key=f"hour {hour}", partition_key=hour, asset_selection=assets))
        return requests or dg.SkipReason("Every hour is closed and added up.")

    return [book_ticker_hours_every_hour]


def is_closed(instance: dg.DagsterInstance, hour: str) -> bool:
    """Whether the newest materialization of an hour's quotes says that no more of it is awaited."""
    asked = dg.AssetRecordsFilter(asset_key=QUOTES, asset_partitions=[hour])
    for record in instance.fetch_materializations(asked, limit=1).records:
        told = record.asset_materialization
        return told is not None and IS_FINAL in told.metadata and bool(told.metadata[IS_FINAL].value)
    return False


def stream_resources(settings: Settings) -> dict[str, object]:
    """What the stream's run asks for beside the resources of all."""
    return {
        "book_ticker_child": StreamChild(variables_of(settings)),
        "report_forecasts": ReportForecasts(settings.model_store_place, latest=latest_of(settings)),
    }
