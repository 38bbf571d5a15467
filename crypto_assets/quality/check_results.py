"""Results of checks as Dagster stores them, and which of their failures stand.

What belongs here: reading them. What does not: the rule (alerts/standing.py) and what is told of them (alert_automation.py).

Dagster's own calls give whole results of one check alone. So the short columns of a day's results are read from its table, of
the few checks that failed at all, and only failures that stand are read as a whole.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import cast

import dagster as dg
from dagster._core.storage.asset_check_execution_record import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES,
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
)
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.runs.schema import RunTagsTable
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
from sqlalchemy import and_, func, select

from crypto_assets.alerts.standing import MOST_FAILURES, STANDS_WITHIN, Judged, standing
from crypto_assets.origin import partition_of

# Which partitions a run works on.
PARTITION_TAGS = ("dagster/partition", "dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
_MOST_RESULTS = 100_000  # newest results that are read; some ten thousand come a day
_FAILED = AssetCheckExecutionRecordStatus.FAILED
_DONE = COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES
_RESULTS = AssetCheckExecutionsTable.c

type Failure = tuple[AssetCheckExecutionRecord, dg.AssetCheckEvaluation]


def check_failures(
    instance: dg.DagsterInstance, checks: Collection[dg.AssetCheckKey], now: datetime
) -> Iterator[tuple[dg.AssetCheckKey, Sequence[Failure]]]:
    """The checks with failures that stand: those of severity error first, then the newest.

    The newest result counts however old it is; older ones for a day, see `standing`.
    """
    numbers = {
        key: [one.record for one in standing(results, now)][:MOST_FAILURES]
        for key, results in _results_by_check(instance, now).items()
    }
    records = _records(instance, [number for of in numbers.values() for number in of])
    for key, newest in _newest(instance, checks):
        found = {number: records[number] for number in numbers.get(key, ()) if number in records}
        if newest.status is _FAILED:
            found[newest.id] = newest
        failures = [(one, one.evaluation) for one in found.values() if one.evaluation is not None]
        if failures:
            yield (
                key,
                sorted(failures, key=lambda one: (one[1].severity is not dg.AssetCheckSeverity.ERROR, -one[0].id)),
            )


def _results_by_check(instance: dg.DagsterInstance, now: datetime) -> dict[dg.AssetCheckKey, list[Judged]]:
    """Results of a day, newest first, of each check that failed in it."""
    since = (now.astimezone(UTC) - STANDS_WITHIN).replace(tzinfo=None)  # Dagster stores UTC without a zone
    recent = and_(
        _RESULTS.id > select(func.max(_RESULTS.id)).scalar_subquery() - _MOST_RESULTS,
        _RESULTS.evaluation_event_timestamp > since,
        _RESULTS.execution_status.in_([status.value for status in _DONE]),
    )
    failing = (
        select(_RESULTS.asset_key, _RESULTS.check_name)
        .where(recent, _RESULTS.execution_status == _FAILED.value)
        .distinct()
        .subquery()
    )
    is_failing = and_(_RESULTS.asset_key == failing.c.asset_key, _RESULTS.check_name == failing.c.check_name)
    short = (
        select(
            _RESULTS.id, _RESULTS.asset_key, _RESULTS.check_name, _RESULTS.partition, _RESULTS.run_id,
            _RESULTS.execution_status, _RESULTS.evaluation_event_timestamp,
        )
        .join(failing, is_failing)
        .where(recent)
        .order_by(_RESULTS.id.desc())
    )  # fmt: skip
    with _event_log(instance).index_connection() as connection:
        rows = connection.execute(short).all()
    partitions = _partitions(instance, {row.run_id for row in rows})
    found: dict[dg.AssetCheckKey, list[Judged]] = {}
    for row in rows:
        key = dg.AssetCheckKey(cast("dg.AssetKey", dg.AssetKey.from_db_string(row.asset_key)), row.check_name)
        what = row.partition or partitions.get(row.run_id, "")
        at = row.evaluation_event_timestamp.replace(tzinfo=UTC)
        found.setdefault(key, []).append(Judged(row.id, row.execution_status != _FAILED.value, at, what))
    return found


def _partitions(instance: dg.DagsterInstance, runs: Collection[str]) -> dict[str, str]:
    """What these runs work on; those that have no partition are left out."""
    c = RunTagsTable.c
    statement = select(c.run_id, c.key, c.value).where(c.run_id.in_(runs), c.key.in_(PARTITION_TAGS))
    with cast("SqlRunStorage", instance.run_storage).connect() as connection:
        rows = connection.execute(statement).all()
    tags: dict[str, dict[str, str]] = {}
    for row in rows:
        tags.setdefault(row.run_id, {})[row.key] = row.value
    return {run_id: partition_of(of) for run_id, of in tags.items()}


def _records(instance: dg.DagsterInstance, numbers: Sequence[int]) -> dict[int, AssetCheckExecutionRecord]:
    """Whole results by number."""
    if not numbers:
        return {}
    with _event_log(instance).index_connection() as connection:
        rows = connection.execute(select(AssetCheckExecutionsTable).where(_RESULTS.id.in_(numbers))).mappings().all()
    found = {}
    for row in rows:
        key = dg.AssetCheckKey(cast("dg.AssetKey", dg.AssetKey.from_db_string(row["asset_key"])), row["check_name"])
        found[row["id"]] = AssetCheckExecutionRecord.from_db_row(row, key)
    return found


def _newest(
    instance: dg.DagsterInstance, checks: Collection[dg.AssetCheckKey]
) -> Iterator[tuple[dg.AssetCheckKey, AssetCheckExecutionRecord]]:
    """The newest finished result of each check; one that is planned or was given up says nothing."""
    storage = instance.event_log_storage
    latest = storage.get_latest_asset_check_execution_by_key(list(checks))
    for key, record in sorted(latest.items(), key=lambda one: (one[0].asset_key.path, one[0].name)):
        if record.status in _DONE:
            yield key, record
            continue
        for older in storage.get_asset_check_execution_history(key, limit=1, status=_DONE):
            yield key, older


def _event_log(instance: dg.DagsterInstance) -> SqlEventLogStorage:
    return cast("SqlEventLogStorage", instance.event_log_storage)  # as each one is that Dagster brings


__all__ = ["PARTITION_TAGS", "Failure", "check_failures"]
