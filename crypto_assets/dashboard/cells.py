"""The gap ledger as cells: time × series, each with the worst state that falls into it.

What belongs here: reading ledger and progress already cut into cells, and joining cells to runs. What does not: the ledger's
rules (quality/gaps.py), the same map as a picture (quality/heat_map.py), and drawing (page/coverage.js).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

import msgspec
import numpy as np
from numpy.typing import NDArray

from crypto_assets.dashboard.read_only import asking
from crypto_assets.quality.heat_map import COLORS
from crypto_assets.spans import Span
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.detached import Away, away

CELLS = 96  # an hour's quarters of a day, a day's of three months; on a phone four pixels each
MOST_ROWS = 60
STATES = tuple(COLORS)  # the worst comes last
WINDOW_DAYS = (1, 7, 30, 90, 365, 3650)
_PRESENT = STATES.index("present")

_DATASETS = "SELECT DISTINCT dataset FROM ops.collected_ranges ORDER BY dataset"
# Which series are shown is found out first: those with the worst state in the window.
_CHOSEN = """
WITH holes AS (
    SELECT venue, symbol, timeframe, max(array_position(%(states)s::text[], state)) AS worst FROM quality.coverage
     WHERE dataset = %(dataset)s AND state <> 'repaired' AND gap_end > %(start)s AND gap_start < %(end)s
     GROUP BY venue, symbol, timeframe
)
SELECT venue, symbol, timeframe, count(*) OVER ()
  FROM (SELECT r.venue, r.symbol, r.timeframe FROM ops.collected_ranges AS r WHERE r.dataset = %(dataset)s) AS asked
  FULL JOIN holes USING (venue, symbol, timeframe)
 ORDER BY coalesce(worst, 0) DESC, venue, symbol, timeframe LIMIT %(most)s
"""
_AMONG = "unnest(%(venues)s::text[], %(symbols)s::text[], %(timeframes)s::text[])"
# Cut into cells by the server, so that a ledger of a million rows comes as a few thousand.
_COLLECTED = f"""
SELECT r.venue, r.symbol, r.timeframe,
       floor(extract(epoch FROM lower(span) - %(start)s) / %(step)s)::integer,
       ceil(extract(epoch FROM upper(span) - %(start)s) / %(step)s)::integer
  FROM ops.collected_ranges AS r
 CROSS JOIN LATERAL unnest(r.collected * tstzmultirange(tstzrange(%(start)s, %(end)s))) AS span
 WHERE r.dataset = %(dataset)s AND (r.venue, r.symbol, r.timeframe) IN (SELECT * FROM {_AMONG})
"""  # noqa: S608 - constants
_HOLES = f"""
SELECT venue, symbol, timeframe, greatest(0, floor(extract(epoch FROM gap_start - %(start)s) / %(step)s))::integer AS first,
       least(%(cells)s, ceil(extract(epoch FROM gap_end - %(start)s) / %(step)s))::integer AS until,
       state, count(*), min(gap_start), max(gap_end), left(min(evidence ->> 'why'), 300)
  FROM quality.coverage
 WHERE dataset = %(dataset)s AND state <> 'repaired' AND gap_end > %(start)s AND gap_start < %(end)s
   AND (venue, symbol, timeframe) IN (SELECT * FROM {_AMONG})
 GROUP BY venue, symbol, timeframe, first, until, state
"""  # noqa: S608 - constants


class CellRun(msgspec.Struct, frozen=True):
    """Cells side by side that share a state.

    Args:
        first: Of the cells, from 0.
        cells: How many.
        holes: Rows of the ledger in them that have the state; 0 for present and not_collected.
        start: Of the first of these holes, else of the cells; milliseconds since 1970, UTC. `end` likewise of the last.
        why: The ledger's reason for one of them.
    """

    first: int
    cells: int
    state: str
    holes: int
    start: int
    end: int
    why: str


class SeriesRow(msgspec.Struct, frozen=True):
    """A series and its runs, which fill the window."""

    venue: str
    symbol: str
    timeframe: str
    runs: list[CellRun]


class CoverageMap(msgspec.Struct, frozen=True):
    """All of it.

    Args:
        start: Of the window, milliseconds since 1970, UTC; `end` likewise.
        rows: By venue, symbol and timeframe; where there are more than `MOST_ROWS`, those with most to see.
        left_out: How many were not sent.
    """

    dataset: str
    start: int
    end: int
    cells: int
    rows: list[SeriesRow]
    left_out: int


@dataclass(frozen=True)
class _Hole:
    first: int
    until: int
    state: str
    holes: int
    start: datetime
    end: datetime
    why: str


type _Key = tuple[str, str, str]


def read_datasets(warehouse: Warehouse) -> list[str]:
    """Datasets whose progress is kept, as asset keys."""
    with asking(warehouse) as cursor:
        cursor.execute(_DATASETS)
        return [dataset for (dataset,) in cursor.fetchall()]


def read_map(warehouse: Warehouse, dataset: str, days: int, now: datetime | None = None) -> CoverageMap:
    """The map of a dataset's last days.

    Raises:
        Unanswered, DatabaseUnreachable, NotMigrated: as for `asking`.
    """
    end = now or datetime.now(UTC)
    start = end - timedelta(days=days)
    step = days * 86_400 / CELLS
    asked: dict[str, object] = {"dataset": dataset, "start": start, "end": end, "cells": CELLS, "step": step}
    spans: dict[_Key, list[tuple[int, int]]] = {}
    holes: dict[_Key, list[_Hole]] = {}
    with asking(warehouse) as cursor:
        cursor.execute(_CHOSEN, {**asked, "states": list(STATES), "most": MOST_ROWS})
        chosen = cursor.fetchall()
        names = {name: [row[place] for row in chosen] for place, name in enumerate(("venues", "symbols", "timeframes"))}
        cursor.execute(_COLLECTED, {**asked, **names})
        for venue, symbol, timeframe, first, until in cursor.fetchall():
            spans.setdefault((venue, symbol, timeframe), []).append((first, until))
        cursor.execute(_HOLES, {**asked, **names})
        for venue, symbol, timeframe, *hole in cursor.fetchall():
            holes.setdefault((venue, symbol, timeframe), []).append(_Hole(*hole))
        gone = away(cursor.connection, [dataset.replace("/", ".")], (start, end))
    keys = sorted((venue, symbol, timeframe) for venue, symbol, timeframe, _ in chosen)
    rows = [SeriesRow(*key, _runs(spans.get(key, ()), holes.get(key, ()), gone, (start, end))) for key in keys]
    return CoverageMap(dataset, _ms(start), _ms(end), CELLS, rows, chosen[0][3] - len(rows) if chosen else 0)


def _runs(
    spans: Iterable[tuple[int, int]], holes: Iterable[_Hole], gone: Sequence[Away], window: Span
) -> list[CellRun]:
    cells: NDArray[np.int64] = np.zeros(CELLS, dtype=np.int64)
    for first, until in spans:
        cells[max(0, first) : max(0, until)] = _PRESENT
    start, step = window[0], (window[1] - window[0]) / CELLS
    for away_ in gone:
        part = cells[max(0, (away_.span[0] - start) // step) : max(0, -((start - away_.span[1]) // step))]
        part[part == _PRESENT] = STATES.index(away_.state)  # what nobody had collected could not be taken out
    held = sorted(holes, key=lambda one: one.start)
    for one in held:
        hole = slice(one.first, max(one.first + 1, one.until))
        cells[hole] = np.maximum(cells[hole], STATES.index(one.state))
    runs, first = [], 0
    for kind, group in groupby(cells.tolist()):
        length = len(list(group))
        runs.append(_run(first, length, STATES[kind], held, (start, step)))
        first += length
    return runs


def _run(first: int, length: int, state: str, holes: list[_Hole], grid: tuple[datetime, timedelta]) -> CellRun:
    here = [one for one in holes if one.state == state and one.first < first + length and one.until > first]
    if not here:
        start, step = grid
        return CellRun(first, length, state, 0, _ms(start + first * step), _ms(start + (first + length) * step), "")
    count = sum(one.holes for one in here)
    return CellRun(
        first, length, state, count, _ms(here[0].start), _ms(max(one.end for one in here)), here[0].why or ""
    )


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


__all__ = [
    "CELLS",
    "MOST_ROWS",
    "STATES",
    "WINDOW_DAYS",
    "CellRun",
    "CoverageMap",
    "SeriesRow",
    "read_datasets",
    "read_map",
]
