"""The checks of sentiment/scores.

What belongs here: names, severities and the reasons of what blocks. What does not: how shared rules are looked at
(quality), bounds (the universe).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dagster import AssetCheckSeverity
from sqlalchemy import and_, func, or_, select

from crypto_assets.datasets.sentiment.news.read import headlines
from crypto_assets.datasets.sentiment.news.table import news
from crypto_assets.datasets.sentiment.scores.table import DATASET, scores
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import Rule, inside, key_is_unique, make_check, read_findings, rows_keep
from crypto_assets.quality.findings import Dimension, Finding, Grid
from crypto_assets.quality.series import TICK, labelled_series, series_of, time_of
from crypto_assets.scoring.scorer import NEGATIVE, NEUTRAL, POSITIVE
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

_C = scores.c
_P = (_C.p_negative, _C.p_neutral, _C.p_positive)
_ROUNDING = 1e-3  # single precision of a transformer leaves less


def _no_score_before_its_news(warehouse: Warehouse, _universe: Universe, window: VenueWindow) -> list[Finding]:
    """Every score has its item, and neither it nor its scoring was known before the item was first seen."""
    n = news.c
    broken = or_(
        n.news_id.is_(None), _C.scored_at < n.first_seen_at, _C.known_at < n.first_seen_at,
        _C.known_at < _C.news_known_at, _C.known_at < _C.scored_at,
    )  # fmt: skip
    statement = (
        select()
        .add_columns(
            *labelled_series(scores),
            func.count().label("checked"),
            func.count().filter(broken).label("failed"),
            func.min(time_of(scores)).filter(broken).label("first_at"),
        )
        .select_from(scores.outerjoin(news, n.news_id == _C.news_id))
        .where(*inside(scores, window))
        .group_by(*series_of(scores))
    )
    return read_findings(warehouse, statement)


def _every_news_is_scored(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
    """Each headline that became known in the window, and long enough ago, has a score of the scorer of features."""
    rules = universe.sentiment
    due = min(window.end, datetime.now(UTC) - timedelta(hours=rules.score_within_hours))
    if due <= window.start:
        return []
    told = headlines(window.start, due).order_by(None).subquery()
    is_scored = (
        select(_C.news_id)
        .where(
            and_(_C.news_id == told.c.news_id, _C.asset == told.c.asset, _C.model_id == rules.features_scorer),
        )
        .correlate(told)
        .exists()
    )
    lacking = func.count().filter(~is_scored)
    statement = select().add_columns(
        func.count().label("due"),
        lacking.label("lacking"),
        func.min(told.c.known_at).filter(~is_scored).label("first_at"),
    )
    [row] = read_frame(warehouse, statement.select_from(told)).to_dict("records")
    if not row["due"]:
        return []
    example = f"{row['first_at']:%Y-%m-%d %H:%M}" if row["lacking"] else ""
    return [Finding(rules.features_scorer, "", TICK, int(row["due"]), int(row["lacking"]), example)]


RULES = (
    Rule(
        "key_is_unique",
        "One row for each headline, asset, scorer and version.",
        Dimension.ACCURACY,
        key_is_unique(scores, "news_id", "model_version"),
        blocking=True,
    ),
    Rule(
        "scores_in_range",
        "Scores lie between -1 and 1, probabilities between 0 and 1, and the three add up to 1 within a thousandth.",
        Dimension.ACCURACY,
        rows_keep(
            scores,
            or_(
                ~_C.score.between(-1, 1),
                *(~p.between(0, 1) for p in _P),
                ~func.abs(_P[0] + _P[1] + _P[2] - 1).between(0, _ROUNDING),
            ),
        ),
        blocking=True,
    ),
    Rule(
        "labels_are_known",
        "Every label is negative, neutral or positive, and none contradicts the sign of its score.",
        Dimension.ACCURACY,
        rows_keep(
            scores,
            or_(
                _C.label.not_in((NEGATIVE, NEUTRAL, POSITIVE)),
                and_(_C.label == POSITIVE, _C.score < 0),
                and_(_C.label == NEGATIVE, _C.score > 0),
            ),
        ),
    ),
    Rule(
        "no_score_before_its_news",
        "Every score has its item of news and was not known before it: features would look ahead.",
        Dimension.ACCURACY,
        _no_score_before_its_news,
        blocking=True,
    ),
    Rule(
        "every_news_is_scored",
        "Each headline has a score of the scorer that features are made of, once score_within_hours of the universe are over.",
        Dimension.COMPLETENESS,
        _every_news_is_scored,
        severity=AssetCheckSeverity.WARN,
    ),
)

CHECKS = [make_check(DATASET, rule, Grid.CALENDAR_DAYS) for rule in RULES]
