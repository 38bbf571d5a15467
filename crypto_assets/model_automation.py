"""When forecasts are trained, said and scored: jobs, schedules, and the sensor that looks for drift.

What belongs here: the triggers of datasets/models. What does not: what a training or a prediction does (datasets/models), how
drift is measured (forecasting/drift.py), and the live path, which follows the stream's reports.

Every forecast is trained once a week. Between two trainings the sensor compares what champions see and how wrong they are with
what was so when they were trained, and asks for a training where that has moved beyond the declaration's bounds.
"""

import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from crypto_assets.datasets.models.catalog import FORECASTS, forecast
from crypto_assets.datasets.models.predictions.subjects import domains_of
from crypto_assets.datasets.models.registry.champion_drift import drift_of
from crypto_assets.datasets.models.registry.registered import Registered, champions, versions
from crypto_assets.forecasting.frame import FrameRefused
from crypto_assets.forecasting.validation_report import ReportUnreadable
from crypto_assets.partitions import VENUE, join_key, month_key
from crypto_assets.resources import UniverseFile
from crypto_assets.runs_at_work import is_at_work
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse

REGISTRY, PREDICTIONS, OUTCOMES = (dg.AssetKey(["models", name]) for name in ("registry", "predictions", "outcomes"))
TRAINING_TAG = {"crypto_assets/training": "yes"}  # dagster.yaml lets one such run work at a time: each takes every core
# Truths of a month's last decisions come in the next month's first days.
_MONTH_CLOSES = timedelta(days=2)
WATCH_SECONDS = 1800
LOOK_SECONDS = 20.0  # a tick looks no longer, for the daemon waits for it; the next one goes on with the others
# The schedule's day may pass while the machine is off: so long after it was due, the sensor asks.
_OVERDUE = timedelta(days=1)

train_models = dg.define_asset_job(
    "train_models",
    selection=dg.AssetSelection.assets(REGISTRY),
    tags={**TRAINING_TAG, "dagster/priority": "-5"},  # collecting goes first: what is not asked for in time may be gone
    description="Train one forecast, walk it forward beside the baselines, register it, and promote it where it is better.",
)
predict_models = dg.define_asset_job(
    "predict_models",
    selection=dg.AssetSelection.assets(PREDICTIONS, OUTCOMES),
    description="Let the champions say what they can of one month and domain, then score what has come true.",
)
JOBS = (train_models, predict_models)


def champions_and_trainings(warehouse: Warehouse) -> list[tuple[Registered, datetime]]:
    """The champion of each declared forecast that has one, in the order of their names, and when it was last trained.

    Returns:
        The champion, and when the newest version of its forecast was registered, UTC: champion or not.

    Raises:
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    declared = {one.name for one in FORECASTS}  # one that was taken out of the catalog keeps its rows
    held = champions(warehouse, declared)
    newest = versions(warehouse).groupby("model")["known_at"].max()
    return [(held[name], newest[name].to_pydatetime().astimezone(UTC)) for name in sorted(held)]


def training_request(held: Registered, last_training: datetime, why: str, now: datetime) -> dg.RunRequest:
    """A training of the champion's forecast. Pure.

    The run key holds the last training and how many cool-downs have passed since: one request for each, also where the run
    is still in the queue; where it fails, one more after the next cool-down.
    """
    passed = int((now - last_training) / forecast(held.model).retrain.cool_down)
    return dg.RunRequest(
        run_key=f"retrain {held.model} {last_training:%Y-%m-%dT%H:%M:%S.%f} {passed}",
        partition_key=held.model,
        tags={**TRAINING_TAG, "crypto_assets/because": why[:200]},
    )


def model_schedules(domains_loaded: Collection[str]) -> list[dg.ScheduleDefinition]:
    """The schedules that train and score.

    Args:
        domains_loaded: Venues, networks and chains that the loaded definitions were built with.
    """

    @dg.schedule(
        job=train_models,
        cron_schedule="0 5 * * 0",
        execution_timezone="UTC",
        name="models_every_week",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Trains every forecast on all that is stored, one after the other in one run; those of which too little is"
        " stored are left out, with a warning.",
    )
    def models_every_week(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if is_at_work(context.instance, train_models.name):
            return dg.SkipReason("A training is still at work.")
        every = {"start": FORECASTS[0].name, "end": FORECASTS[-1].name}
        return dg.RunRequest(
            run_key=f"{context.scheduled_execution_time.astimezone(UTC):%Y-%m-%d}",
            tags={**TRAINING_TAG, **{f"dagster/asset_partition_range_{end}": name for end, name in every.items()}},
        )

    @dg.schedule(
        job=predict_models,
        cron_schedule="20 * * * *",
        execution_timezone="UTC",
        name="models_every_hour",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Lets champions say what the live path did not, and scores predictions whose truth has come.",
    )
    def models_every_hour(
        context: dg.ScheduleEvaluationContext,
        universe_file: dg.ResourceParam[UniverseFile],
        warehouse: dg.ResourceParam[Warehouse],
    ) -> list[dg.RunRequest] | dg.SkipReason:
        now = context.scheduled_execution_time.astimezone(UTC)
        held = champions_and_trainings(warehouse)
        if not held:
            return dg.SkipReason("No forecast has a champion yet; `crypto-assets models train` makes one.")
        universe = universe_file.in_force().universe
        asked = {domain for one, _ in held for domain in domains_of(universe, forecast(one.model))}
        free = [
            one
            for one in sorted(asked & set(domains_loaded))
            if not is_at_work(context.instance, predict_models.name, VENUE, one)
        ]
        if not free:
            return dg.SkipReason("The last runs of all domains are still at work.")
        return [
            dg.RunRequest(run_key=f"{now:%Y-%m-%dT%H} {key}", partition_key=key)
            for domain in free
            for key in (join_key(month, domain) for month in open_months(now))
        ]

    return [models_every_week, models_every_hour]


def open_months(now: datetime) -> list[str]:
    """The open month, and the one before while truths of its decisions may still come. Pure."""
    return sorted({month_key(now - _MONTH_CLOSES), month_key(now)})


def model_sensors() -> list[dg.SensorDefinition]:
    """The sensor that asks for trainings between those of the schedule."""

    @dg.sensor(
        name="models_drift_watch",
        job=train_models,
        minimum_interval_seconds=WATCH_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Compares the last window of each champion with its training: inputs that drift, errors that grow and"
        " trainings that are overdue bring a new one.",
    )
    def models_drift_watch(
        context: dg.SensorEvaluationContext,
        universe_file: dg.ResourceParam[UniverseFile],
        warehouse: dg.ResourceParam[Warehouse],
    ) -> dg.SensorResult:
        now, began = datetime.now(UTC), time.monotonic()
        universe, requests, lines, cursor = universe_file.in_force().universe, [], list[str](), context.cursor
        for held, last_training in _from(champions_and_trainings(warehouse), context.cursor):
            if lines and time.monotonic() - began > LOOK_SECONDS:
                lines.append("the others are looked at by the next tick")
                break
            is_due, told = look(warehouse, universe, held, last_training, now)
            lines.append(f"{held.model} version {held.version}: {told}")
            cursor = held.model
            if is_due:
                context.log.info("%s is to be trained anew: %s", held.model, told)
                requests.append(training_request(held, last_training, told, now))
        told = ". ".join(lines) or "No forecast has a champion yet; `crypto-assets models train` makes one"
        return dg.SensorResult(run_requests=requests, skip_reason=None if requests else f"{told}.", cursor=cursor)

    return [models_drift_watch]


def look(
    warehouse: Warehouse, universe: Universe, held: Registered, last_training: datetime, now: datetime
) -> tuple[bool, str]:
    """Whether a champion's forecast is to be trained anew, and the figures in words.

    Raises:
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    rules = forecast(held.model).retrain
    rests_until = last_training + rules.cool_down
    if now < rests_until:
        return False, f"trained {last_training:%Y-%m-%d %H:%M}, looked at from {rests_until:%Y-%m-%d %H:%M} UTC on"
    if now >= last_training + rules.every + _OVERDUE:
        return True, f"the last training was {last_training:%Y-%m-%d %H:%M} UTC, longer ago than the schedule's week"
    try:
        drift = drift_of(warehouse, universe, held, now)
    except (
        FrameRefused,
        ReportUnreadable,
    ) as error:  # what it was trained on is not what there is: only a training helps
        return True, error.problem
    return drift.is_over, drift.told()


def _from(held: Sequence[tuple[Registered, datetime]], last: str | None) -> list[tuple[Registered, datetime]]:
    """All of them, those first that come after the one that was looked at last."""
    return sorted(held, key=lambda one: (one[0].model <= (last or ""), one[0].model))
