"""How good the data is: the newest scores of each dataset, and the gap ledger by state.

What belongs here: the questions and their rows. What does not: results of checks, which Dagster keeps (runs.py), and cells of
the heat map (cells.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class under a function's name

# A step a series through the index: DISTINCT ON would read the scores of every run there ever was.
_SCORES = """
WITH RECURSIVE series AS (
    (SELECT dataset, venue, symbol, timeframe FROM quality.scores ORDER BY dataset, venue, symbol, timeframe LIMIT 1)
    UNION ALL
    SELECT later.* FROM series AS s
     CROSS JOIN LATERAL (SELECT t.dataset, t.venue, t.symbol, t.timeframe FROM quality.scores AS t
                          WHERE (t.dataset, t.venue, t.symbol, t.timeframe) > (s.dataset, s.venue, s.symbol, s.timeframe)
                          ORDER BY t.dataset, t.venue, t.symbol, t.timeframe LIMIT 1) AS later
)
SELECT s.dataset, count(*), avg(n.accuracy), avg(n.completeness), avg(n.timeliness), avg(n.overall), min(n.overall),
       extract(epoch FROM max(n.scored_at))::float8
  FROM series AS s
 CROSS JOIN LATERAL (SELECT t.accuracy, t.completeness, t.timeliness, t.overall, t.scored_at FROM quality.scores AS t
                      WHERE (t.dataset, t.venue, t.symbol, t.timeframe) = (s.dataset, s.venue, s.symbol, s.timeframe)
                      ORDER BY t.scored_at DESC LIMIT 1) AS n
 GROUP BY s.dataset ORDER BY s.dataset
"""
_HOLES = """
SELECT dataset, state, count(*), sum(extract(epoch FROM gap_end - gap_start))::float8,
       extract(epoch FROM min(first_seen))::float8
  FROM quality.coverage GROUP BY dataset, state ORDER BY dataset, state
"""


@dataclass(frozen=True)
class Scores:
    """The newest scores of a dataset's series: means, 0..1; None where nothing was measured.

    Args:
        worst: The lowest overall one.
        scored_at: When one was last made, seconds since 1970, UTC.
    """

    dataset: str
    series: int
    accuracy: float | None
    completeness: float | None
    timeliness: float | None
    overall: float | None
    worst: float | None
    scored_at: float


@dataclass(frozen=True)
class Holes:
    """Rows of the ledger of one dataset and state.

    Args:
        seconds: Their lengths added up.
        first_seen_at: When the longest known of them was noticed, seconds since 1970, UTC.
    """

    dataset: str
    state: str
    holes: int
    seconds: float
    first_seen_at: float


def read_scores(cursor: Cursor) -> list[Scores]:
    """A row a dataset that was ever scored."""
    cursor.execute(_SCORES)
    return [Scores(*row) for row in cursor.fetchall()]


def read_holes(cursor: Cursor) -> list[Holes]:
    """A row a dataset and state that occurs, `repaired` among them."""
    cursor.execute(_HOLES)
    return [Holes(*row) for row in cursor.fetchall()]


__all__ = ["Holes", "Scores", "read_holes", "read_scores"]
