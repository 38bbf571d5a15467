"""What Dagster's storage says: runs by status, daemons, and the latest result of each check.

What belongs here: the questions and their rows. What does not: Dagster itself; importing it would take seconds and a hundred
megabytes for three statements. Its tables are those of the version that pyproject.toml pins, and a test asks them for real.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class under a function's name

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
_CHECKS = """
SELECT DISTINCT ON (asset_key, check_name) asset_key, check_name, execution_status,
       (evaluation_event::jsonb #>> '{dagster_event,event_specific_data,severity,__enum__}'),
       left(evaluation_event::jsonb #>> '{dagster_event,event_specific_data,description}', 400),
       extract(epoch FROM evaluation_event_timestamp)::float8
  FROM asset_check_executions
 WHERE id > (SELECT max(id) FROM asset_check_executions) - %s AND execution_status IN ('SUCCEEDED', 'FAILED')
 ORDER BY asset_key, check_name, id DESC
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
    """The latest result of a check.

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
    """The latest result of each check, by asset and name."""
    cursor.execute(_CHECKS, (LATEST_RESULTS,))
    return [
        CheckState(
            "/".join(json.loads(key)), check, status == "SUCCEEDED", (severity or "").rpartition(".")[2], told or "", at
        )
        for key, check, status, severity, told, at in cursor.fetchall()
    ]


__all__ = ["LATEST_RESULTS", "CheckState", "Daemon", "Dagster", "Runs", "read_checks", "read_runs"]
