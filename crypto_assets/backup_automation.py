"""When everything is saved by itself, and the check that says when it was not.

What belongs here: the job, its schedule and its check. What does not: how a backup is made (warehouse/backup.py) and the rules
(universe_operations.py).

The schedule looks once an hour, so that an edit of the universe holds at once, a backup that failed is tried again an hour
later, and one that was missed while the machine was off is made when it is back.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import dagster as dg

from crypto_assets.datasets.outcomes import SHOWN, Described, told_to_dagster
from crypto_assets.resources import Backups, UniverseFile
from crypto_assets.runs_at_work import is_at_work
from crypto_assets.warehouse.backup import Made, Saved, back_up
from crypto_assets.warehouse.backup_catalog import origin_of
from crypto_assets.warehouse.backup_log import FAILED, newest_notes, verified_names
from crypto_assets.warehouse.backup_manifest import Manifest
from crypto_assets.warehouse.backup_place import Listed
from crypto_assets.warehouse.connection import Warehouse

# A backup is due an hour's tick after the last one, not an hour and the seconds that it took.
_SLACK = timedelta(minutes=30)


@dg.op(
    name="save_everything",
    description="Dumps both databases with the hash of every row, verifies the backup, and deletes the oldest.",
    retry_policy=dg.RetryPolicy(max_retries=1, delay=60),
)
def save_everything(
    context: dg.OpExecutionContext,
    universe_file: dg.ResourceParam[UniverseFile],
    backups: dg.ResourceParam[Backups],
) -> None:
    """One backup.

    Raises:
        Failure: what went wrong; older backups are as they were, and a later try begins anew.
    """
    with told_to_dagster():
        rules = universe_file.in_force().universe.backups
        made = back_up(backups.saved, backups.place, jobs=rules.jobs, keep=rules.keep, tell=context.log.info)
    for note in made.notes:
        context.log.warning(note)
    context.add_output_metadata(describe(made))


@dg.job(
    name="back_up",
    description="Save databases, universe, watchlist and models to CRYPTO_ASSETS_BACKUP_STORE, and verify what was saved.",
    tags={"dagster/priority": "-3"},  # collecting goes first: what is not asked for in time may be gone
)
def back_up_everything() -> None:
    """The op alone."""
    save_everything()


JOBS = (back_up_everything,)


@dg.asset_check(
    asset=dg.AssetKey(["market", "ohlcv"]),
    name="backup_is_recent",
    description="The newest whole backup at its place is no older than backups.max_age_hours; 0 asks for none.",
)
def backup_is_recent(
    universe_file: dg.ResourceParam[UniverseFile], backups: dg.ResourceParam[Backups]
) -> dg.AssetCheckResult:
    """Fails where the newest backup is too old, or where there is none."""
    max_age_hours = universe_file.in_force().universe.backups.max_age_hours
    if not max_age_hours:
        return dg.AssetCheckResult(passed=True, description="No backup is asked for: backups.max_age_hours is 0.")
    with told_to_dagster():
        listed = backups.place.listed(backups.saved.profile)
        held = whole(listed, backups.saved)
    passed, told = judge(held, max_age_hours, datetime.now(UTC))
    return dg.AssetCheckResult(
        passed=passed,
        severity=dg.AssetCheckSeverity.ERROR,
        description=told,
        metadata={"backups": len(listed), "place": str(backups.place)},
    )


CHECKS = (backup_is_recent,)


class Held(NamedTuple):
    """A backup at its place."""

    name: str
    manifest: Manifest


def whole(listed: Sequence[Listed], saved: Saved) -> list[Held]:
    """Backups of this database that hold all that is to be saved, with every file: one without Dagster's runs replaces none
    with them, and one of another machine with the same profile replaces none of ours. Models are not asked for: a store of
    artefacts that is empty leaves no trace in a backup.

    Raises:
        DatabaseUnreachable: no connection.
    """
    with saved.data.connect() as connection, connection.cursor() as cursor:
        origin = origin_of(cursor)
    wanted = {kind for kind, _ in saved.databases}
    found = [Held(one.name, one.manifest) for one in listed if one.manifest is not None and not one.problem]
    return [one for one in found if one.manifest.origin == origin and one.manifest.databases.keys() >= wanted]


def judge(held: Sequence[Held], max_age_hours: int, now: datetime) -> tuple[bool, str]:
    """Whether the newest backup is young enough, in words. Pure.

    Args:
        held: Newest first.
    """
    if not held:
        return False, f"There is no whole backup, and one of the last {max_age_hours} hours is asked for."
    age = (now - held[0].manifest.started_at).total_seconds() / 3600
    return age <= max_age_hours, f"The newest, {held[0].name}, is {age:.1f} hours old; {max_age_hours} are allowed."


def describe(made: Made) -> Described:
    """What the UI shows: size, time, and a row a table, the largest first. Pure."""
    marks = [(kind, mark) for kind, one in made.manifest.databases.items() for mark in one.tables]
    records = [
        dg.TableRecord({"database": kind, "table": mark.table, "rows": mark.rows, "row_hash": str(mark.row_hash)})
        for kind, mark in sorted(marks, key=lambda one: (-one[1].rows, one[0], one[1].table))[:SHOWN]
    ]
    return {
        "name": dg.MetadataValue.text(made.name),
        "place": dg.MetadataValue.text(made.place),
        "bytes": dg.MetadataValue.int(made.manifest.bytes),
        "seconds": dg.MetadataValue.float(round(made.seconds, 2)),
        "rows": dg.MetadataValue.int(made.manifest.rows),
        "table_count": dg.MetadataValue.int(len(marks)),
        "deleted": dg.MetadataValue.int(len(made.deleted)),
        "tables": dg.MetadataValue.table(records or [dg.TableRecord({"table": "none is stored"})]),
    }


def backup_schedules() -> list[dg.ScheduleDefinition]:
    """The schedule that asks for backups."""

    @dg.schedule(
        job=back_up_everything,
        cron_schedule="40 * * * *",
        execution_timezone="UTC",
        name="backups_when_due",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Looks once an hour whether backups.every_hours have passed since the last backup; 0 asks for none.",
    )
    def backups_when_due(
        context: dg.ScheduleEvaluationContext,
        universe_file: dg.ResourceParam[UniverseFile],
        warehouse: dg.ResourceParam[Warehouse],
        backups: dg.ResourceParam[Backups],
    ) -> dg.RunRequest | dg.SkipReason:
        every_hours = universe_file.in_force().universe.backups.every_hours
        if not every_hours:
            return dg.SkipReason("No backups are asked for: backups.every_hours is 0.")
        if is_at_work(context.instance, back_up_everything.name):
            return dg.SkipReason("The last backup is still at work.")
        now = context.scheduled_execution_time.astimezone(UTC)
        with told_to_dagster():
            held = whole(backups.place.listed(backups.saved.profile), backups.saved)
        verified = verified_names(warehouse)  # one that was written and not read back is none
        last = next((one.manifest.started_at for one in held if one.name in verified), None)
        if last is not None and now < (due := last + timedelta(hours=every_hours)) - _SLACK:
            return dg.SkipReason(f"The next backup is due at {due:%Y-%m-%d %H:%M} UTC.")
        why = "there is none yet" if last is None else f"the last was begun at {last:%Y-%m-%d %H:%M} UTC"
        failed = newest_notes(warehouse, str(backups.place)).get(FAILED)
        if failed is not None and (last is None or failed.started_at > last):
            why += f"; the try of {failed.started_at:%Y-%m-%d %H:%M} UTC failed"
        return dg.RunRequest(run_key=f"{now:%Y-%m-%dT%H}", tags={"crypto_assets/because": why[:200]})

    return [backups_when_due]
