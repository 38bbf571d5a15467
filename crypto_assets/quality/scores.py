"""Storing what checks found as scores: quality.scores, one row a run and series.

What belongs here: writing findings and reading the latest scores. What does not: the arithmetic of a score, which is a
generated column of the table, so that no writer can get it wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

import pandas as pd
from psycopg2.extras import execute_values
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on

from crypto_assets.quality.findings import Dimension, Finding
from crypto_assets.schema.bookkeeping import scores
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

DIMENSIONS = tuple(dimension.value for dimension in Dimension)
TREND_RUNS = 30  # scores of a series that its trend shows

_RECORD = """
INSERT INTO quality.scores
    (dataset, venue, symbol, timeframe, run_id, window_start, window_end, checks, weights, lag_seconds)
VALUES %s
ON CONFLICT (dataset, venue, symbol, timeframe, run_id) DO UPDATE SET
    checks = quality.scores.checks || excluded.checks,
    weights = excluded.weights,
    lag_seconds = coalesce(excluded.lag_seconds, quality.scores.lag_seconds),
    window_start = least(quality.scores.window_start, excluded.window_start),
    window_end = greatest(quality.scores.window_end, excluded.window_end),
    scored_at = now()
"""


def record_findings(
    warehouse: Warehouse,
    *,
    dataset: str,
    run_id: str,
    check: str,
    dimension: Dimension,
    window: tuple[datetime, datetime],
    findings: Sequence[Finding],
    weights: Mapping[str, float],
) -> None:
    """Add one check's findings to the scores of its run.

    Args:
        weights: Of each dimension in the overall score, as the universe has them.
    """
    merged = _merge(findings)
    rows = [
        (
            dataset,
            finding.venue,
            finding.symbol,
            finding.timeframe,
            run_id,
            *window,
            json.dumps({check: {"dimension": dimension, "checked": finding.checked, "failed": finding.failed}}),
            json.dumps(weights),
            finding.lag_seconds,
        )
        for finding in merged
    ]
    if not rows:
        return
    with warehouse.connect() as connection, connection.cursor() as cursor:
        execute_values(cursor, _RECORD, rows)


def latest_scores(warehouse: Warehouse) -> pd.DataFrame:
    """The newest score of each series: dataset, venue, symbol, timeframe, scored_at, window, lag, the four scores."""
    series = (scores.c.dataset, scores.c.venue, scores.c.symbol, scores.c.timeframe)
    newest = (
        select(
            *series,
            scores.c.scored_at,
            scores.c.window_start,
            scores.c.window_end,
            scores.c.lag_seconds,
            scores.c.accuracy,
            scores.c.completeness,
            scores.c.timeliness,
            scores.c.overall,
        )
        .ext(distinct_on(*series))
        .order_by(*series, scores.c.scored_at.desc())
    )
    return read_frame(warehouse, newest)


def score_history(warehouse: Warehouse, dataset: str | None = None, venue: str | None = None) -> pd.DataFrame:
    """The last TREND_RUNS scores of each series: dataset, venue, symbol, timeframe, scored_at, overall; in that order."""
    series = (scores.c.dataset, scores.c.venue, scores.c.symbol, scores.c.timeframe)
    place = func.row_number().over(partition_by=series, order_by=scores.c.scored_at.desc()).label("place")
    chosen = select(*series, scores.c.scored_at, scores.c.overall, place)
    if dataset is not None:
        chosen = chosen.where(scores.c.dataset == dataset)
    if venue is not None:
        chosen = chosen.where(scores.c.venue == venue)
    ranked = chosen.subquery()
    columns = [column for column in ranked.c if column.name != "place"]
    return read_frame(warehouse, select(*columns).where(ranked.c.place <= TREND_RUNS).order_by(*columns[:5]))


def _merge(findings: Sequence[Finding]) -> list[Finding]:
    """One finding a series: a run may have looked at several windows of it."""
    merged: dict[tuple[str, str, str], Finding] = {}
    for one in findings:
        key = (one.venue, one.symbol, one.timeframe)
        before = merged.get(key)
        checked = one.checked + (before.checked if before else 0)
        failed = one.failed + (before.failed if before else 0)
        example = (before.example if before else "") or one.example
        lag = one.lag_seconds if before is None or before.lag_seconds is None else before.lag_seconds
        merged[key] = Finding(*key, checked, failed, example, lag_seconds=lag)
    return list(merged.values())
