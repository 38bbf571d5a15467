"""When old partitions are taken out of their tables, and what goes before it: adding up the hours of quotes that were not.

What belongs here: the job, its schedule, its check, and the order of its work, which the command line follows too. What does
not: taking out (warehouse/retention.py, warehouse/detach.py), what speaks against it (retention_guards.py) and adding up
(datasets/market/book_ticker_hours/build.py).

An hour that is stored anew after it was added up, as from a spill file, counts as not added up: it is added up again first.
"""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import Field
from sqlalchemy import Table

import crypto_assets.datasets
from crypto_assets.datasets.market.book_ticker_hours.build import SummedHour, sum_up
from crypto_assets.datasets.market.book_ticker_snapshots.table import book_ticker_snapshots
from crypto_assets.datasets.outcomes import SHOWN, Described, told_to_dagster
from crypto_assets.resources import UniverseFile
from crypto_assets.retention_guards import guards_of, unsummed_spans
from crypto_assets.runs_at_work import is_at_work
from crypto_assets.schema.columns import METADATA
from crypto_assets.universe import Universe
from crypto_assets.universe_operations import DETACHABLE, DROPPABLE, TableRetention
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.detach import carry_out, finish_detached
from crypto_assets.warehouse.detach_file import Archive
from crypto_assets.warehouse.detached import Entry
from crypto_assets.warehouse.retention import (
    Policies,
    Verdict,
    due_before,
    partitioned,
    partitions_of,
    plan,
    tables_by_day,
)
from crypto_assets.warehouse.storage import take_sample

_DAY = timedelta(days=1)
_QUOTES = dg.AssetKey(["market", "book_ticker_snapshots"])
# Quotes that waited in a file are stored within a day or so: their hours are added up anew while somebody may still look.
_LATE = 2 * _DAY
# The schedule comes once a day; what is still there two days after it was due was passed over twice.
_OVERDUE = 2 * _DAY


@dataclass(frozen=True)
class Round:
    """What a round came to.

    Args:
        finished: Entries of partitions that an earlier round left half done.
        summed: Hours of quotes that were added up first.
        verdicts: What came, or would come, of each partition of each table with a policy.
    """

    verdicts: Sequence[Verdict]
    summed: Sequence[SummedHour] = ()
    finished: Sequence[Entry] = ()


def retainable_tables() -> list[Table]:
    """The tables that may have a policy, by name."""
    for found in pkgutil.walk_packages(crypto_assets.datasets.__path__, "crypto_assets.datasets."):
        if found.name.endswith(".table"):
            importlib.import_module(found.name)
    return [one for one in partitioned(METADATA.tables.values()) if one.fullname in DROPPABLE | DETACHABLE]


def policies_of(universe: Universe, tables: Sequence[Table], days: int | None = None) -> Policies:
    """How long each table is kept: as the universe names it, tables of the stream else by stream.keep_days. Pure.

    Args:
        tables: Those that may have a policy.
        days: In the place of stream.keep_days.

    Raises:
        RetentionRefused: less than a day is to be kept.
    """
    keep_days = universe.stream.keep_days if days is None else days
    due_before(keep_days, datetime.now(UTC))
    by_stream = {one.fullname: TableRetention(keep_days=keep_days, then="drop") for one in tables_by_day(tables)}
    named = universe.retention.tables
    if days is not None:  # said by hand, it holds for them whatever the file says
        named = {
            name: policy.model_copy(update={"keep_days": days}) if name in by_stream else policy
            for name, policy in named.items()
        }
    return {**by_stream, **named}


def plan_retention(warehouse: Warehouse, universe: Universe, now: datetime, days: int | None = None) -> list[Verdict]:
    """What would go and what would stay, and why; changes nothing.

    Raises:
        RetentionRefused: less than a day is to be kept.
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `plan` and the guards.
    """
    tables = retainable_tables()
    policies = policies_of(universe, tables, days)
    dropped = [name for name, policy in policies.items() if policy.then == "drop"]
    guards = guards_of(universe, policies.keys(), dropped, now)
    return plan(warehouse, tables, policies, now, guards, universe.retention.restored_days)


def sum_up_missing(
    warehouse: Warehouse, universe: Universe, now: datetime, days: int | None = None
) -> list[SummedHour]:
    """Add up the hours that are not added up as they stand: of days that are due, or ended within two days.

    Raises:
        RetentionRefused: less than a day is to be kept.
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `sum_up`.
    """
    policy = policies_of(universe, [book_ticker_snapshots], days)[book_ticker_snapshots.fullname]
    until = due_before(policy.keep_days, now)
    spans = [one.span for one in partitions_of(warehouse, book_ticker_snapshots)]
    chosen = [span for span in spans if span[1] <= until or span[1] > now - _LATE]
    closed = [(start, min(end, _open_hour(now))) for start, end in chosen]
    due = [hour for span in closed if span[0] < span[1] for hour in unsummed_spans(warehouse, span)]
    return [sum_up(warehouse, hour, universe.stream.snapshot_seconds) for hour in due]


def retain(
    warehouse: Warehouse,
    universe: Universe,
    archive: Archive,
    now: datetime,
    days: int | None = None,
    tell: Callable[[Verdict], None] = lambda _verdict: None,
) -> Round:
    """Add up what is missing, drop what may go, then finish what an earlier round left and archive.

    Drops come first: the days of quotes fill the disk, whether the archive's place can be written or not.

    Args:
        days: In the place of stream.keep_days.
        tell: Called with what came of each partition, when it did.

    Raises:
        RetentionRefused: less than a day is to be kept.
        ArchiveUnavailable, FileDamaged: as for `carry_out`; what was done before stays done.
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `sum_up`; what was done before stays done.
    """
    summed = sum_up_missing(warehouse, universe, now, days)
    verdicts = plan_retention(warehouse, universe, now, days)
    dropped = carry_out(warehouse, [one for one in verdicts if one.then == "drop"], archive, tell=tell)
    finished = finish_detached(warehouse, archive, retainable_tables())
    archived = carry_out(warehouse, [one for one in verdicts if one.then == "detach"], archive, tell=tell)
    done = sorted([*dropped, *archived], key=lambda one: (one.partition.table.fullname, one.partition.span))
    return Round(done, summed, finished)


class RetentionConfig(dg.Config):
    """What a run does."""

    dry_run: bool = Field(default=False, description="Only tell what would go; add up and change nothing.")


@dg.op(
    name="drop_old_days",
    description="Adds up what is not added up yet, then drops or archives the partitions that are due, and samples storage.",
)
def drop_old_days(
    context: dg.OpExecutionContext,
    config: RetentionConfig,
    warehouse: dg.ResourceParam[Warehouse],
    universe_file: dg.ResourceParam[UniverseFile],
    archive: dg.ResourceParam[Archive],
) -> None:
    """One round over all tables.

    Raises:
        Failure: what went wrong; a later try goes on.
    """
    with told_to_dagster():
        universe, now = universe_file.in_force().universe, datetime.now(UTC)

        def tell(one: Verdict) -> None:
            context.log.info("%s: %s", one.partition.name, told_of(one, is_done=True))

        if config.dry_run:
            done = Round(plan_retention(warehouse, universe, now))
        else:
            # First, so that a table is sampled although one of the others cannot be archived.
            take_sample(warehouse, now)
            done = retain(warehouse, universe, archive, now, tell=tell)
            _tell_of_policies(context, judge_policies(warehouse, universe, now))
    context.add_output_metadata(describe(done, is_done=not config.dry_run))


@dg.job(
    name="drop_old_snapshots",
    description="Take out the days of quotes older than stream.keep_days whose hours are added up, and what else the"
    " universe's section retention names; sample what tables take.",
)
def drop_old_snapshots() -> None:
    """The op alone."""
    drop_old_days()


JOBS = (drop_old_snapshots,)


@dg.asset_check(
    asset=_QUOTES,
    name="tables_keep_to_their_policy",
    description="No table holds a partition two days after retention should have taken it out.",
)
def tables_keep_to_their_policy(
    warehouse: dg.ResourceParam[Warehouse], universe_file: dg.ResourceParam[UniverseFile]
) -> dg.AssetCheckResult:
    """Warns, naming the partitions, and why they stay where something speaks for that."""
    return judge_policies(warehouse, universe_file.in_force().universe, datetime.now(UTC))


def judge_policies(warehouse: Warehouse, universe: Universe, now: datetime) -> dg.AssetCheckResult:
    """Which partitions are two days older than their table's policy says.

    Raises:
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `plan_retention`.
    """
    verdicts = plan_retention(warehouse, universe, now)
    policies = policies_of(universe, retainable_tables())
    over = [
        one
        for one in verdicts
        if one.partition.span[1] <= due_before(policies[one.partition.table.fullname].keep_days, now) - _OVERDUE
    ]
    told = "; ".join(f"{one.partition.name} ({one.kept or 'nothing speaks against its going'})" for one in over[:10])
    return dg.AssetCheckResult(
        passed=not over,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"Older than the policy says: {told}" if over else "Every table holds what its policy says.",
        metadata={"overdue": len(over), "overdue_bytes": sum(one.partition.size for one in over)},
    )


def _tell_of_policies(context: dg.OpExecutionContext, result: dg.AssetCheckResult) -> None:
    """The check's result at the end of each round, without a run of its own."""
    context.log_event(
        dg.AssetCheckEvaluation(  # type: ignore[arg-type]  # it is taken, though not declared
            asset_key=_QUOTES,
            check_name="tables_keep_to_their_policy",
            passed=result.passed,
            metadata=result.metadata,
            severity=result.severity,
            description=result.description,
            blocking=False,
        )
    )


def told_of(one: Verdict, *, is_done: bool) -> str:
    """A verdict in words."""
    if not one.goes:
        return f"kept: {one.kept}"
    done = "archived" if one.then == "detach" else "dropped"
    return f"{done}, {one.freed:,} bytes freed" if is_done else f"would be {done}, {one.partition.size:,} bytes"


def describe(done: Round, *, is_done: bool) -> Described:
    """What the UI shows: counts and a row a partition. Pure."""
    going = [one for one in done.verdicts if one.goes]
    metadata: Described = {
        "hours_summed_up": dg.MetadataValue.int(len(done.summed)),
        "finished_from_before": dg.MetadataValue.int(len(done.finished)),
        "bytes_freed" if is_done else "bytes_to_free": dg.MetadataValue.int(
            sum(one.freed if is_done else one.partition.size for one in going)
        ),
    }
    for then, past, future in (("drop", "dropped", "to_drop"), ("detach", "archived", "to_archive")):
        count = sum(1 for one in going if one.then == then)
        metadata[f"partitions_{past if is_done else future}"] = dg.MetadataValue.int(count)
    records = [
        dg.TableRecord(
            {
                "table": one.partition.table.fullname,
                "partition": one.partition.label,
                "bytes": one.partition.size,
                "outcome": told_of(one, is_done=is_done),
            }
        )
        for one in done.verdicts[:SHOWN]
    ]
    metadata["partitions"] = dg.MetadataValue.table(records or [dg.TableRecord({"partition": "none is stored"})])
    return metadata


def retention_schedules() -> list[dg.ScheduleDefinition]:
    """The schedule that takes out old partitions."""

    @dg.schedule(
        job=drop_old_snapshots,
        cron_schedule="30 3 * * *",
        execution_timezone="UTC",
        name="retention_every_day",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Takes out what is older than stream.keep_days and the section retention say, once nothing needs it.",
    )
    def retention_every_day(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if is_at_work(context.instance, drop_old_snapshots.name):
            return dg.SkipReason("The last run is still at work.")
        return dg.RunRequest(run_key=f"{context.scheduled_execution_time.astimezone(UTC):%Y-%m-%d}")

    return [retention_every_day]


def _open_hour(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0)
