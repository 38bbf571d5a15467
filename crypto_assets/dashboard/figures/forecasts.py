"""How forecasts do: champions, and their errors beside the baseline's in the last week.

What belongs here: the questions and their rows. What does not: what was forecast (dashboard/forecasts.py), and drift of inputs,
which is a check (models/registry/checks.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class under a function's name

LIVE_DAYS = 7
_CHAMPIONS = """
SELECT r.model, r.version, r.learner, r.skill, r.skill_low, r.skill_high, (r.metrics ->> 'error')::float8,
       extract(epoch FROM r.trained_to)::float8
  FROM models.registry AS r WHERE r.state = 'champion' ORDER BY r.model
"""
# Decisions lie before the horizon's end by less than a month: older years stay unread.
_LIVE = """
SELECT o.model, count(*), avg(o.error), avg(o.baseline_error), avg(o.is_inside::integer)::float8
  FROM models.outcomes AS o
 WHERE o.is_out_of_sample AND o.decided_at > now() - make_interval(days => %(days)s + 31)
   AND o.horizon_end_at > now() - make_interval(days => %(days)s)
 GROUP BY o.model ORDER BY o.model
"""


@dataclass(frozen=True)
class Champion:
    """The version that answers for a forecast.

    Args:
        skill: 1 less its error over the best baseline's, walked forward; with the ends of its 90 % interval.
        error: Mean absolute error of validation, log change; None where its report is of another form.
        trained_to: Seconds since 1970, UTC.
    """

    forecast: str
    version: int
    learner: str
    skill: float
    skill_low: float
    skill_high: float
    error: float | None
    trained_to: float


@dataclass(frozen=True)
class Live:
    """What came of a forecast's predictions of the last week, out of sample.

    Args:
        outcomes: How many.
        error: Mean absolute error, log change; `baseline_error` the same of the baseline.
        coverage: Share of truths from q10 to q90; 0.8 is nominal.
    """

    forecast: str
    outcomes: int
    error: float
    baseline_error: float
    coverage: float

    @property
    def skill(self) -> float:
        """1 less the error over the baseline's; NaN where the baseline made none."""
        return 1 - self.error / self.baseline_error if self.baseline_error > 0 else math.nan


@dataclass(frozen=True)
class Forecasts:
    """Champions, and what came of late."""

    champions: list[Champion]
    live: list[Live]


def read_forecasts(cursor: Cursor) -> Forecasts:
    """How forecasts do now."""
    cursor.execute(_CHAMPIONS)
    champions = [Champion(*row) for row in cursor.fetchall()]
    cursor.execute(_LIVE, {"days": LIVE_DAYS})
    return Forecasts(champions, [Live(*row) for row in cursor.fetchall()])


__all__ = ["LIVE_DAYS", "Champion", "Forecasts", "Live", "read_forecasts"]
