"""What is kept beside the data, and who was told: training sets, backups, open alerts.

What belongs here: the questions and their rows. What does not: making any of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class under a function's name

MOST_ROWS = 20  # of each list; the newest
_SETS = """
SELECT name, state, row_count, bytes, extract(epoch FROM as_of)::float8, extract(epoch FROM created_at)::float8
  FROM ops.training_sets ORDER BY created_at DESC LIMIT %s
"""
_BACKUPS = """
SELECT name, state, bytes, row_count, seconds, left(error, 300), extract(epoch FROM started_at)::float8
  FROM ops.backups ORDER BY started_at DESC LIMIT %s
"""
_LAST_BACKUP = """
SELECT extract(epoch FROM clock_timestamp() - max(started_at))::float8 FROM ops.backups WHERE state = 'succeeded'
"""
_ALERTS = """
SELECT kind, subject, severity, left(title, 300), extract(epoch FROM first_at)::float8
  FROM ops.alerts WHERE state = 'open' ORDER BY first_at DESC LIMIT %s
"""
_OPEN_ALERTS = "SELECT severity, count(*) FROM ops.alerts WHERE state = 'open' GROUP BY severity ORDER BY severity"


@dataclass(frozen=True)
class TrainingSet:
    """A frozen training set.

    Args:
        state: created, verified, differs or damaged.
        as_of: Nothing ingested later is in it; seconds since 1970, UTC, as `created_at`.
    """

    name: str
    state: str
    rows: int
    size_bytes: int
    as_of: float
    created_at: float


@dataclass(frozen=True)
class Backup:
    """A backup, or an attempt.

    Args:
        name: Empty where it failed.
        state: succeeded or failed.
        seconds: That it took.
        started_at: Seconds since 1970, UTC.
    """

    name: str
    state: str
    size_bytes: int
    rows: int
    seconds: float
    error: str
    started_at: float


@dataclass(frozen=True)
class OpenAlert:
    """An alert whose cause lasts; since when, in seconds since 1970, UTC."""

    kind: str
    subject: str
    severity: str
    title: str
    since: float


@dataclass(frozen=True)
class Safekeeping:
    """All of it, the newest first.

    Args:
        backup_age_seconds: Since the last backup that succeeded began; None where there is none.
        open_alerts: How many by severity.
    """

    training_sets: list[TrainingSet]
    backups: list[Backup]
    alerts: list[OpenAlert]
    backup_age_seconds: float | None
    open_alerts: dict[str, int]


def read_safekeeping(cursor: Cursor) -> Safekeeping:
    """What is kept and told now."""
    cursor.execute(_SETS, (MOST_ROWS,))
    sets = [TrainingSet(*row) for row in cursor.fetchall()]
    cursor.execute(_BACKUPS, (MOST_ROWS,))
    backups = [Backup(*row) for row in cursor.fetchall()]
    cursor.execute(_ALERTS, (MOST_ROWS,))
    alerts = [OpenAlert(*row) for row in cursor.fetchall()]
    cursor.execute(_LAST_BACKUP)
    age = (cursor.fetchone() or (None,))[0]
    cursor.execute(_OPEN_ALERTS)
    return Safekeeping(sets, backups, alerts, age, dict(cursor.fetchall()))


__all__ = ["MOST_ROWS", "Backup", "OpenAlert", "Safekeeping", "TrainingSet", "read_safekeeping"]
