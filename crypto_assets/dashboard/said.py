"""What forecasts said of one series, beside the baseline and what came.

What belongs here: the questions and their columns. What does not: who is champion, and errors added up (figures/forecasts.py).
"""

from __future__ import annotations

import msgspec

from crypto_assets.dashboard.read_only import asking
from crypto_assets.warehouse.connection import Warehouse

MOST_DECISIONS = 500
_MOST_SUBJECTS = 2000
_LATELY_DAYS = 45
_SUBJECTS = """
SELECT model, domain, series, count(*), (extract(epoch FROM max(decided_at)) * 1000)::bigint
  FROM models.predictions WHERE decided_at > now() - make_interval(days => %s)
 GROUP BY model, domain, series ORDER BY model, domain, series LIMIT %s
"""
_SAID = """
SELECT (extract(epoch FROM p.decided_at) * 1000)::bigint, (extract(epoch FROM p.horizon_end_at) * 1000)::bigint, p.level_now,
       p.yhat, p.q10, p.q90, p.baseline, o.truth, p.version, p.baseline_name
  FROM models.predictions AS p
  LEFT JOIN models.outcomes AS o
    ON (o.model, o.domain, o.series, o.decided_at) = (p.model, p.domain, p.series, p.decided_at)
 WHERE p.model = %s AND p.domain = %s AND p.series = %s AND p.decided_at > now() - make_interval(days => %s)
 ORDER BY p.decided_at DESC LIMIT %s
"""


class Subject(msgspec.Struct, frozen=True):
    """What a forecast speaks of.

    Args:
        decisions: Predictions of the last weeks.
        newest: The last of them, milliseconds since 1970, UTC.
    """

    forecast: str
    domain: str
    series: str
    decisions: int
    newest: int


class Said(msgspec.Struct, frozen=True):
    """Columns of equal length, in the order of time. Times are milliseconds since 1970, UTC; the others log changes.

    Args:
        level_now: The quantity at the decision, in its own unit.
        truth: Null where it is not known yet.
        baseline_name: Which baseline spoke last.
    """

    forecast: str
    domain: str
    series: str
    baseline_name: str
    decided_at: list[int]
    horizon_end_at: list[int]
    level_now: list[float]
    yhat: list[float]
    q10: list[float]
    q90: list[float]
    baseline: list[float]
    truth: list[float | None]
    version: list[int]


def read_subjects(warehouse: Warehouse) -> list[Subject]:
    """What was spoken of in the last weeks.

    Raises:
        Unanswered, DatabaseUnreachable, NotMigrated: as for `asking`.
    """
    with asking(warehouse) as cursor:
        cursor.execute(_SUBJECTS, (_LATELY_DAYS, _MOST_SUBJECTS))
        return [Subject(*row) for row in cursor.fetchall()]


def read_said(warehouse: Warehouse, subject: Subject) -> Said:
    """The last predictions of a subject, `MOST_DECISIONS` at most.

    Raises:
        Unanswered, DatabaseUnreachable, NotMigrated: as for `asking`.
    """
    named = (subject.forecast, subject.domain, subject.series)
    with asking(warehouse) as cursor:
        cursor.execute(_SAID, (*named, _LATELY_DAYS, MOST_DECISIONS))
        rows = cursor.fetchall()[::-1]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(10)]
    names = columns.pop()
    return Said(*named, str(names[-1]) if names else "", *columns)


__all__ = ["MOST_DECISIONS", "Said", "Subject", "read_said", "read_subjects"]
