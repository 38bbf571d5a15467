"""What Dagster's storage says: runs by status, daemons, and the result of each check that counts.

What belongs here: the questions and their rows. What does not: Dagster itself; importing it would take seconds and a hundred
megabytes for three statements. Its tables are those of the version that pyproject.toml pins, and a test asks them for real.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class under a function's name

from crypto_assets.alerts.standing import MOST_FAILURES, STANDS_WITHIN, Judged, standing
from crypto_assets.origin import partition_of

# Checks run some ten thousand times a day; one whose last result is older than these has not been run for days.
LATEST_RESULTS = 200_000
_RUNS = """
SELECT status, count(*), count(*) FILTER (WHERE update_timestamp > (now() AT TIME ZONE 'UTC') - interval '1 day')
  FROM runs GROUP BY status ORDER BY status
"""
_DAEMONS = """
SELECT daemon_type, extract(epoch FROM (now() AT TIME ZONE 'UTC') - timestamp)::float8
  FROM daemon_heartbeats ORDER BY daemon_type
"""
# Texts of results are long: the newest one of each check is found without them, and so are a day's of the checks that failed.
_NEWEST = """
SELECT max(id) FROM asset_check_executions
 WHERE id > (SELECT max(id) FROM asset_check_executions) - %s AND execution_status IN ('SUCCEEDED', 'FAILED')
 GROUP BY asset_key, check_name
"""
_FAILING = """
WITH results AS MATERIALIZED (
    SELECT id, asset_key, check_name, run_id, partition, execution_status = 'FAILED' AS fails, evaluation_event_timestamp AS at
      FROM asset_check_executions
     WHERE id > (SELECT max(id) FROM asset_check_executions) - %(most)s AND execution_status IN ('SUCCEEDED', 'FAILED')
       AND evaluation_event_timestamp > %(since)s
)
SELECT id, asset_key, check_name, run_id, partition, fails, at FROM results
 WHERE (asset_key, check_name) IN (SELECT asset_key, check_name FROM results WHERE fails) ORDER BY id DESC
"""
# By the run's index alone: nearly every run has such a tag, so that an index of tags helps nobody.
_TAGS = "SELECT run_id, jsonb_object_agg(key, value) FROM run_tags WHERE run_id = ANY(%s) GROUP BY run_id"
_WHOLE = """
SELECT asset_key, check_name, execution_status, data #>> '{severity,__enum__}', left(data ->> 'description', 400), at
  FROM (SELECT *, evaluation_event::jsonb #> '{dagster_event,event_specific_data}' AS data,
               extract(epoch FROM evaluation_event_timestamp)::float8 AS at
          FROM asset_check_executions WHERE id = ANY(%s)) AS e
 ORDER BY asset_key, check_name, execution_status <> 'FAILED', data #>> '{severity,__enum__}' <> 'AssetCheckSeverity.ERROR',
          id DESC
"""


@dataclass(frozen=True)
class Runs:
    """Runs of one status, and those of them that changed within a day."""

    status: str
    runs: int
    of_last_day: int


@dataclass(frozen=True)
class Daemon:
    """A daemon, and how long ago it last said that it lives, in seconds."""

    daemon: str
    silent_seconds: float


@dataclass(frozen=True)
class CheckState:
    """The latest result of a check; where failures stand, the latest of them, one of severity error first.

    Args:
        asset: As market/ohlcv.
        severity: ERROR or WARN: what a failure would mean.
        told: What it said, shortened.
        checked_at: Seconds since 1970, UTC.
    """

    asset: str
    check: str
    passed: bool
    severity: str
    told: str
    checked_at: float


@dataclass(frozen=True)
class Dagster:
    """All of it."""

    runs: list[Runs]
    daemons: list[Daemon]


def read_runs(cursor: Cursor) -> Dagster:
    """Runs and daemons now."""
    cursor.execute(_RUNS)
    runs = [Runs(*row) for row in cursor.fetchall()]
    cursor.execute(_DAEMONS)
    return Dagster(runs, [Daemon(*row) for row in cursor.fetchall()])


def read_checks(cursor: Cursor) -> list[CheckState]:
    """The result of each check that counts, by asset and name."""
    cursor.execute(_NEWEST, (LATEST_RESULTS,))
    counting = {number for (number,) in cursor.fetchall()} | _standing(cursor)
    cursor.execute(_WHOLE, (list(counting),))
    found: dict[tuple[str, str], CheckState] = {}
    for key, check, status, severity, told, at in cursor.fetchall():
        asset = "/".join(json.loads(key))
        state = CheckState(asset, check, status == "SUCCEEDED", (severity or "").rpartition(".")[2], told or "", at)
        found.setdefault((asset, check), state)
    return list(found.values())


def _standing(cursor: Cursor) -> set[int]:
    """Numbers of the failures that stand."""
    now = datetime.now(UTC)
    since = (now - STANDS_WITHIN).replace(tzinfo=None)  # Dagster stores UTC without a zone
    cursor.execute(_FAILING, {"most": LATEST_RESULTS, "since": since})
    rows = cursor.fetchall()
    cursor.execute(_TAGS, (list({run_id for _, _, _, run_id, *_ in rows}),))
    partitions = {run_id: partition_of(tags) for run_id, tags in cursor.fetchall()}
    results: dict[tuple[str, str], list[Judged]] = {}
    for number, asset, check, run_id, partition, fails, at in rows:
        one = Judged(number, not fails, at.replace(tzinfo=UTC), partition or partitions.get(run_id, ""))
        results.setdefault((asset, check), []).append(one)
    return {one.record for of in results.values() for one in standing(of, now)[:MOST_FAILURES]}


__all__ = ["LATEST_RESULTS", "CheckState", "Daemon", "Dagster", "Runs", "read_checks", "read_runs"]
