"""When things run: jobs, schedules, sensors, automation conditions.

What belongs here: the triggers of every dataset. What does not: what a run does (datasets) and how many run at once
(dagster.yaml).

The open month is collected every half hour by a schedule; months without any data, as far back as the universe's
automatic_history_days, by an automation condition; everything else by a backfill. All of them run the same asset.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from crypto_assets.partitions import VENUE, join_key, month_key
from crypto_assets.resources import UniverseFile
from crypto_assets.universe import Universe, UniverseError

type Condition = dg.AutomationCondition[dg.AssetKey | dg.AssetCheckKey]

OHLCV = dg.AssetKey(["market", "ohlcv"])
VENUE_TAG = f"dagster/partition/{VENUE}"  # Dagster sets it on a run of one partition; dagster.yaml limits by it
# Bars of a month's last half hour are collected after it has ended: the day after, the month before is visited too.
ROLLOVER = timedelta(days=1)
_ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]

collect_ohlcv = dg.define_asset_job(
    "collect_ohlcv",
    selection=dg.AssetSelection.assets(OHLCV),
    description="Collect bars of one month and venue, then check them.",
)


def open_months(now: datetime) -> list[str]:
    """The month partitions that may still gain bars: the present one, and on its first day the one before."""
    return sorted({month_key(now - ROLLOVER), month_key(now)})


def missing_history(universe: Universe) -> Condition:
    """Requests each month of the universe's automatic history that holds nothing, once."""
    condition = dg.AutomationCondition
    recent = condition.in_latest_time_window(timedelta(days=max(1, universe.automatic_history_days)))
    handled = condition.newly_requested() | condition.newly_updated()
    # Not on_missing(): that one leaves out what was missing when it was first evaluated, which here is everything.
    unhandled = condition.missing().newly_true().since(handled)
    return (recent & condition.missing() & unhandled & ~condition.in_progress()).with_label("missing_history")


def with_automation(assets: Sequence[dg.AssetsDefinition], universe: Universe) -> list[dg.AssetsDefinition]:
    """The assets, each with the condition under which it runs by itself."""
    conditions = {OHLCV: missing_history(universe)}

    def add(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec.replace_attributes(automation_condition=conditions[spec.key]) if spec.key in conditions else spec

    return [asset.map_asset_specs(add) for asset in assets]


def schedules_of(universe: Universe) -> list[dg.ScheduleDefinition]:
    """Every schedule."""
    venues = sorted(universe.venues)

    @dg.schedule(
        job=collect_ohlcv,
        cron_schedule="*/30 * * * *",
        name="open_month_every_30_minutes",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Collects the open month of every venue; a venue whose last run is still at work is left out.",
    )
    def open_month(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        now = context.scheduled_execution_time.astimezone(UTC)
        busy = [venue for venue in venues if _is_busy(context.instance, venue)]
        if len(busy) == len(venues):
            return dg.SkipReason("The last runs of all venues are still at work.")
        if busy:
            context.log.info("Left out, the last run is still at work: %s", ", ".join(busy))
        keys = [join_key(month, venue) for venue in venues if venue not in busy for month in open_months(now)]
        return [dg.RunRequest(run_key=f"{now:%Y-%m-%dT%H:%M} {key}", partition_key=key) for key in keys]

    return [open_month]


def sensors_of(venues_loaded: Sequence[str]) -> list[dg.SensorDefinition]:
    """Every sensor.

    Args:
        venues_loaded: The venues that the loaded definitions were built with.
    """

    @dg.sensor(
        name="universe_watch",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Says when universe.yaml is refused, and when its venues need a reload of the definitions.",
    )
    def universe_watch(universe_file: dg.ResourceParam[UniverseFile]) -> dg.SkipReason:
        return dg.SkipReason(universe_notice(universe_file, venues_loaded))

    every_minute = dg.AutomationConditionSensorDefinition(
        "collect_missing_history",
        target=dg.AssetSelection.all(),
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    return [universe_watch, every_minute]


def universe_notice(universe_file: UniverseFile, venues_loaded: Sequence[str]) -> str:
    """One sentence on the state of the universe file against the definitions that are loaded."""
    try:
        in_force = universe_file.in_force()
    except UniverseError as error:
        return f"The universe file is refused and no valid version is known: {error}"
    if in_force.problem:
        return f"The universe file is refused, the last valid version holds: {in_force.problem}"
    added = sorted(set(in_force.universe.venues) - set(venues_loaded))
    gone = sorted(set(venues_loaded) - set(in_force.universe.venues))
    if added or gone:
        changes = "; ".join(part for part in (_listed("new", added), _listed("removed", gone)) if part)
        return f"Venues changed ({changes}): reload the definitions (Deployment, Reload) to give them partitions."
    return "The universe file is valid and all its venues are loaded."


def _listed(word: str, names: Sequence[str]) -> str:
    return f"{word}: {', '.join(names)}" if names else ""


def _is_busy(instance: dg.DagsterInstance, venue: str) -> bool:
    busy = dg.RunsFilter(job_name=collect_ohlcv.name, statuses=_ACTIVE, tags={VENUE_TAG: venue})
    return bool(instance.get_run_records(busy, limit=1))
