"""How scores moved: means by dataset and time.

What belongs here: the question and its columns. What does not: the newest scores (figures/quality.py).
"""

from __future__ import annotations

import msgspec

from crypto_assets.dashboard.read_only import asking
from crypto_assets.warehouse.connection import Warehouse

POINTS = 60
TREND_DAYS = (1, 7, 30, 90)
_TREND = """
SELECT dataset, (floor(extract(epoch FROM scored_at) / %(step)s) * %(step)s * 1000)::bigint AS at, avg(overall), min(overall),
       avg(accuracy), avg(completeness), avg(timeliness), count(*)
  FROM quality.scores WHERE scored_at > now() - make_interval(days => %(days)s)
 GROUP BY dataset, at ORDER BY dataset, at
"""


class TrendPoint(msgspec.Struct, frozen=True):
    """Scores made within a step of time: means and the lowest, 0..1, null where nothing was measured.

    Args:
        at: Start of the step, milliseconds since 1970, UTC.
        scores: How many.
    """

    at: int
    overall: float | None
    worst: float | None
    accuracy: float | None
    completeness: float | None
    timeliness: float | None
    scores: int


class Trends(msgspec.Struct, frozen=True):
    """Points by dataset, and the length of a step in seconds."""

    days: int
    step_seconds: int
    datasets: dict[str, list[TrendPoint]]


def read_trends(warehouse: Warehouse, days: int) -> Trends:
    """The scores of the last days.

    Raises:
        Unanswered, DatabaseUnreachable, NotMigrated: as for `asking`.
    """
    step = days * 86_400 // POINTS
    datasets: dict[str, list[TrendPoint]] = {}
    with asking(warehouse) as cursor:
        cursor.execute(_TREND, {"days": days, "step": step})
        for dataset, *point in cursor.fetchall():
            datasets.setdefault(dataset, []).append(TrendPoint(*point))
    return Trends(days, step, datasets)


__all__ = ["POINTS", "TREND_DAYS", "TrendPoint", "Trends", "read_trends"]
