"""The asset sentiment/scores: each scorer's number for each headline that has none from it yet.

What belongs here: which headlines lack a score, scoring them in batches, when a score counts as known. What does not: how a
text is scored (crypto_assets.scoring), collecting headlines (sentiment/news), when it runs (automation).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import numpy as np
import pandas as pd
from pydantic import Field
from sqlalchemy import Select, and_, select

from crypto_assets.datasets.calendar_asset import CalendarRun, Rhythm, calendar_asset
from crypto_assets.datasets.outcomes import Collected, EventOutcome
from crypto_assets.datasets.sentiment.news.read import headlines
from crypto_assets.datasets.sentiment.news.table import DATASET as NEWS
from crypto_assets.datasets.sentiment.news.table import news
from crypto_assets.datasets.sentiment.scores.table import DATASET, scores
from crypto_assets.latest.lives import SCORE
from crypto_assets.latest.values import LatestScore, microseconds
from crypto_assets.partitions import Grids, VenueWindow
from crypto_assets.scoring.choose import open_scorer
from crypto_assets.scoring.scorer import Scorer, ScorerUnavailable, Scores
from crypto_assets.universe_sources import ScorerRule
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame
from crypto_assets.warehouse.write import Batch, upsert

BATCH = 5_000  # headlines a transaction: a moment of the lexicon, minutes of a transformer, which are not lost


class ScoresConfig(dg.Config):
    """What a run may be told."""

    scorers: list[str] = Field(default=[], description="Names of scorers. Empty: all of the universe.")


def build_asset(grids: Grids) -> dg.AssetsDefinition:
    """The asset over the grids of the universe in force; the automation adds when it runs."""
    return calendar_asset(
        DATASET,
        scores,
        grids,
        ScoresConfig,
        collect_scores,
        Rhythm(by_month=False, expected_every=timedelta(hours=1)),
        description="How good or bad each headline sounds, by each scorer of the universe.",
        after=(NEWS,),
    )


def collect_scores(run: CalendarRun[ScoresConfig]) -> Collected:
    """Score what became known in the window and has no score; a scorer that cannot work is named, and not replaced."""
    rules = run.universe.sentiment.scorers
    unknown = sorted(set(run.config.scorers) - {rule.name for rule in rules})
    outcomes = [
        EventOutcome("", name, warning="no scorer of the universe is named so", failed=True) for name in unknown
    ]
    wanted = [rule for rule in rules if not run.config.scorers or rule.name in run.config.scorers]
    return Collected(outcomes + [_scored(run, rule) for rule in wanted], {})


def _scored(run: CalendarRun[ScoresConfig], rule: ScorerRule) -> EventOutcome:
    began = time.monotonic()
    done = EventOutcome("", rule.name)
    try:
        scorer = open_scorer(rule, run.providers.models)
        waiting = read_waiting(run.warehouse, scorer, run.window)
        for first in range(0, len(waiting), BATCH):
            done = done + _score_batch(run, scorer, waiting.iloc[first : first + BATCH])
    except ScorerUnavailable as error:
        # Features starve without the scorer they are made of; any other is an extra.
        is_needed = rule.name == run.universe.sentiment.features_scorer
        done = replace(done, warning=f"unavailable: {error}", failed=is_needed)
    return replace(done, seconds=time.monotonic() - began)


def read_waiting(warehouse: Warehouse, scorer: Scorer, window: VenueWindow) -> pd.DataFrame:
    """What became known in the window without a score of this version: news_id, asset, title, title_key, known_at."""
    return read_frame(warehouse, _waiting(scorer.model_id, scorer.model_version, window))


def score_rows(waiting: pd.DataFrame, scorer: Scorer) -> Scores:
    """The scores of the rows, each headline scored once, however many assets it names. Pure.

    The headline alone is scored: the labels that thresholds and words were tried on are of headlines. With the summary
    behind it 98 of 217 recorded items get another label, and hardly any stays neutral.
    """
    titles, place = np.unique(waiting["title"].to_numpy(dtype=object).astype(str), return_inverse=True)
    found = scorer.score(titles.tolist())
    return Scores(
        found.label[place], found.score[place], found.p_negative[place], found.p_neutral[place], found.p_positive[place]
    )


def build_rows(waiting: pd.DataFrame, found: Scores, scorer: Scorer, scored_at: datetime) -> Batch:
    """The table's columns. Pure."""
    at = np.datetime64(scored_at.astimezone(UTC).replace(tzinfo=None), "us")
    news_known = waiting["known_at"].dt.tz_convert(None).to_numpy(dtype="datetime64[us]")
    return {
        "news_id": waiting["news_id"].to_numpy(dtype=object),
        "asset": waiting["asset"].to_numpy(dtype=object),
        "model_id": scorer.model_id,
        "model_version": scorer.model_version,
        "label": found.label,
        "score": found.score,
        "p_negative": found.p_negative,
        "p_neutral": found.p_neutral,
        "p_positive": found.p_positive,
        "title_key": waiting["title_key"].to_numpy(dtype=object),
        "news_known_at": news_known,
        "scored_at": np.full(len(waiting), at),
        "source": f"scored by {scorer.model_id}",
        "known_at": np.maximum(news_known, at),
    }


def latest_scores(waiting: pd.DataFrame, found: Scores, scorer: Scorer, scored_at: datetime) -> list[LatestScore]:
    """The score of the newest headline about each asset, as Redis is told. Pure.

    Args:
        waiting: In the order of `known_at`.
    """
    scored = microseconds(scored_at)
    news_known = waiting["known_at"].dt.tz_convert(None).to_numpy(dtype="datetime64[us]").astype(np.int64).tolist()
    last = {asset: place for place, asset in enumerate(waiting["asset"].to_numpy(dtype=object))}
    return [
        LatestScore(
            at_us=news_known[place], known_us=max(news_known[place], scored), stored_us=scored,
            until_us=news_known[place] + SCORE, scorer=scorer.model_id, asset=asset,
            model_version=scorer.model_version, news_id=str(waiting["news_id"].iloc[place]),
            label=str(found.label[place]), score=float(found.score[place]), p_negative=float(found.p_negative[place]),
            p_neutral=float(found.p_neutral[place]), p_positive=float(found.p_positive[place]),
        )
        for asset, place in last.items()
    ]  # fmt: skip


def _score_batch(run: CalendarRun[ScoresConfig], scorer: Scorer, waiting: pd.DataFrame) -> EventOutcome:
    found = score_rows(waiting, scorer)
    scored_at = run.clock()  # when the numbers are there, not when they were asked for
    with run.warehouse.connect() as connection:
        counts = upsert(connection, scores, build_rows(waiting, found, scorer, scored_at))
    run.tell.put(latest_scores(waiting, found, scorer, scored_at))
    moments: Sequence[pd.Timestamp] = (waiting["known_at"].min(), waiting["known_at"].max())
    return EventOutcome(
        "", scorer.model_id, received=len(waiting), inserted=counts.inserted, changed=counts.changed, turns=1,
        first=moments[0].to_pydatetime(), last=moments[1].to_pydatetime(),
    )  # fmt: skip


def _waiting(model_id: str, version: str, window: VenueWindow) -> Select[tuple[object, ...]]:
    told = headlines(window.start, window.end).order_by(None).subquery()
    s = scores.c
    same = and_(
        s.news_id == told.c.news_id, s.asset == told.c.asset, s.model_id == model_id, s.model_version == version
    )
    joined = told.join(news, news.c.news_id == told.c.news_id).outerjoin(scores, same)
    chosen = select().add_columns(told.c.news_id, told.c.asset, told.c.title, news.c.title_key, told.c.known_at)
    return chosen.select_from(joined).where(s.news_id.is_(None)).order_by(told.c.known_at, told.c.news_id, told.c.asset)
