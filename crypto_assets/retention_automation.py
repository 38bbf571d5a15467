"""When old days of quotes are dropped, and what goes before it: adding up the hours of theirs that were not.

What belongs here: the job, its schedule, and the order of its work, which the command line follows too. What does not: dropping
(warehouse/retention.py) and adding up (datasets/market/book_ticker_hours/build.py).

An hour that is stored anew after it was added up, as from a spill file, counts as not added up: it is added up again first.
"""

import importlib
import pkgutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import Field
from sqlalchemy import Table

import crypto_assets.datasets.market
from crypto_assets.datasets.market.book_ticker_hours.build import HOUR, SummedHour, sum_up, unsummed_hours
from crypto_assets.datasets.market.book_ticker_snapshots.table import book_ticker_snapshots
from crypto_assets.datasets.outcomes import SHOWN, Described, told_to_dagster
from crypto_assets.resources import UniverseFile
from crypto_assets.runs_at_work import is_at_work
from crypto_assets.schema.columns import METADATA
from crypto_assets.spans import Span
from crypto_assets.universe_stream import StreamRules
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.retention import (
    DayPartition,
    Guards,
    Verdict,
    carry_out,
    day_partitions,
    due_before,
    plan,
    tables_by_day,
)

_DAY = timedelta(days=1)
# Quotes that waited in a file are stored within a day or so: their hours are added up anew while somebody may still look.
_LATE = 2 * _DAY


def short_lived_tables() -> list[Table]:
    """The tables of market data whose partitions are days."""
    for found in pkgutil.iter_modules(crypto_assets.datasets.market.__path__):
        if found.ispkg:
            importlib.import_module(f"{crypto_assets.datasets.market.__name__}.{found.name}.table")
    return tables_by_day(METADATA.tables.values())


def plan_retention(warehouse: Warehouse, keep_days: int, now: datetime) -> list[Verdict]:
    """What would be dropped and what would stay, and why; changes nothing.

    Raises:
        RetentionRefused: less than a day is to be kept.
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `plan` and `unsummed_hours`.
    """
    return plan(warehouse, short_lived_tables(), keep_days, now, GUARDS)


def sum_up_missing(warehouse: Warehouse, rules: StreamRules, keep_days: int, now: datetime) -> list[SummedHour]:
    """Add up the hours that are not added up as they stand: of days that are due, or ended within two days.

    Raises:
        RetentionRefused: less than a day is to be kept.
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `sum_up`.
    """
    until = due_before(keep_days, now)
    spans = [one.span for one in day_partitions(warehouse, book_ticker_snapshots)]
    chosen = [span for span in spans if span[1] <= until or span[1] > now - _LATE]
    closed = [(start, min(end, _open_hour(now))) for start, end in chosen]
    due = [hour for span in closed if span[0] < span[1] for hour in _unsummed(warehouse, span)]
    return [sum_up(warehouse, hour, rules.snapshot_seconds) for hour in due]


def retain(
    warehouse: Warehouse, rules: StreamRules, keep_days: int, now: datetime
) -> tuple[list[SummedHour], list[Verdict]]:
    """Add up what is missing, then drop what may go.

    Returns:
        The hours added up, and what came of each day.

    Raises:
        RetentionRefused: less than a day is to be kept.
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `sum_up`; what was dropped before stays dropped.
    """
    summed = sum_up_missing(warehouse, rules, keep_days, now)
    return summed, carry_out(warehouse, plan_retention(warehouse, keep_days, now))


def hours_not_summed(warehouse: Warehouse, partition: DayPartition) -> str:
    """Why a day of quotes has to stay: hours of it are not added up as they stand."""
    count = len(_unsummed(warehouse, partition.span))
    if not count:
        return ""
    return f"{count} {'hour is' if count == 1 else 'hours are'} not summed up"


GUARDS: Guards = {book_ticker_snapshots.fullname: hours_not_summed}


class RetentionConfig(dg.Config):
    """What a run drops."""

    dry_run: bool = Field(default=False, description="Only tell what would be dropped; add up and drop nothing.")


@dg.op(name="drop_old_days", description="Adds up what is not added up yet, then drops the days that are due.")
def drop_old_days(
    context: dg.OpExecutionContext,
    config: RetentionConfig,
    warehouse: dg.ResourceParam[Warehouse],
    universe_file: dg.ResourceParam[UniverseFile],
) -> None:
    """One round over all tables.

    Raises:
        Failure: what went wrong; a later try goes on.
    """
    with told_to_dagster():
        rules, now = universe_file.in_force().universe.stream, datetime.now(UTC)
        summed: Sequence[SummedHour] = []
        if config.dry_run:
            verdicts = plan_retention(warehouse, rules.keep_days, now)
        else:
            summed, verdicts = retain(warehouse, rules, rules.keep_days, now)
    for one in verdicts:
        context.log.info("%s: %s", one.partition.name, told_of(one, is_done=not config.dry_run))
    context.add_output_metadata(describe(summed, verdicts, is_done=not config.dry_run))


@dg.job(
    name="drop_old_snapshots",
    description="Drop the days of quotes that ended more than stream.keep_days ago and whose hours are added up.",
)
def drop_old_snapshots() -> None:
    """The op alone."""
    drop_old_days()


JOBS = (drop_old_snapshots,)


def told_of(one: Verdict, *, is_done: bool) -> str:
    """A verdict in words."""
    if not one.goes:
        return f"kept: {one.kept}"
    return f"dropped, {one.freed:,} bytes freed" if is_done else f"would be dropped, {one.partition.size:,} bytes"


def describe(summed: Sequence[SummedHour], verdicts: Sequence[Verdict], *, is_done: bool) -> Described:
    """What the UI shows: counts and a row a day. Pure."""
    going = [one for one in verdicts if one.goes]
    metadata: Described = {
        "hours_summed_up": dg.MetadataValue.int(len(summed)),
        "days_dropped" if is_done else "days_to_drop": dg.MetadataValue.int(len(going)),
        "bytes_freed" if is_done else "bytes_to_free": dg.MetadataValue.int(
            sum(one.freed if is_done else one.partition.size for one in going)
        ),
    }
    records = [
        dg.TableRecord(
            {
                "table": one.partition.table.fullname,
                "day": f"{one.partition.day:%Y-%m-%d}",
                "bytes": one.partition.size,
                "outcome": told_of(one, is_done=is_done),
            }
        )
        for one in verdicts[:SHOWN]
    ]
    metadata["days"] = dg.MetadataValue.table(records or [dg.TableRecord({"day": "none is stored"})])
    return metadata


def retention_schedules() -> list[dg.ScheduleDefinition]:
    """The schedule that drops old days."""

    @dg.schedule(
        job=drop_old_snapshots,
        cron_schedule="30 3 * * *",
        execution_timezone="UTC",
        name="retention_every_day",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Drops the days of quotes that are older than stream.keep_days, once their hours are added up.",
    )
    def retention_every_day(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if is_at_work(context.instance, drop_old_snapshots.name):
            return dg.SkipReason("The last run is still at work.")
        return dg.RunRequest(run_key=f"{context.scheduled_execution_time.astimezone(UTC):%Y-%m-%d}")

    return [retention_every_day]


def _unsummed(warehouse: Warehouse, span: Span) -> list[Span]:
    return [(one.start, one.start + HOUR) for one in unsummed_hours(warehouse, span)]


def _open_hour(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0)
