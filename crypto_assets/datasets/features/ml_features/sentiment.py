"""Headlines' scores and the Fear & Greed index as features may know them.

What belongs here: reading sentiment.scores and sentiment.fear_greed. What does not: adding up (news_totals.py), editions and
moments (vintages.py), the features (sentiment_set.py).

Scores are those of one scorer, which the universe names. A headline counts once for each asset, with the first score that any
version of it made: from when that was known until a day after the headline was. So a scorer that comes to old headlines, or to
the same ones again, makes no news of them. A day without any scored headline, whatever it is about, is one on which nothing was
collected: unknown, not quiet.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
from sqlalchemy import exists, select, tuple_

from crypto_assets.datasets.features.ml_features.as_of import KnownRows
from crypto_assets.datasets.features.ml_features.dex_pools import base_of, closes_of, moment_of
from crypto_assets.datasets.features.ml_features.editions import read_editions
from crypto_assets.datasets.features.ml_features.news_totals import WITHIN, DayOfNews, Scored, day_before
from crypto_assets.datasets.features.ml_features.pool_totals import Grid
from crypto_assets.datasets.features.ml_features.vintages import Told, Vintages, Whole, told_at_closes
from crypto_assets.datasets.features.source import Source, days, floats, times
from crypto_assets.datasets.sentiment.fear_greed.table import fear_greed
from crypto_assets.datasets.sentiment.scores.table import scores
from crypto_assets.indicators.declaration import Floats
from crypto_assets.quality.coverage import SeriesKey

WEEK_DAYS = 7
# Told at the start of each day: a day that is missing twice in a row is no mood of today.
MOOD_MAX_AGE = timedelta(days=3)
MARKET = ""  # the asset of a headline that names none: it is about the market as a whole
NEWS_COLUMNS = ("news_count", "news_mean", "news_deviation", "news_market_mean")
MOOD_COLUMNS = ("fear_greed", "fear_greed_week_before")


def news_known(source: Source, key: SeriesKey, start: datetime, end: datetime) -> list[KnownRows]:
    """What headlines of the day before say of the market's base currency at the close of each bar. Known at that close."""
    grid = closes_of(key.timeframe, start, end)
    if not grid.count or not source.may_hold(scores, source.scorer, scores.c.model_id == source.scorer):
        return []
    scored, every, market = source.shared.once(
        ("news", source.scorer, source.as_of, source.known_by, grid), lambda: _days_of_all(source, grid)
    )
    own = day_before(grid, scored.about(base_of(key.symbol)))
    told = own.count, own.mean, own.deviation, market.mean
    is_collected = every.count > 0
    values = [np.where(is_collected, one, np.nan) for one in told]
    return [KnownRows(grid.times, grid.times, dict(zip(NEWS_COLUMNS, values, strict=True)))]


def mood_known(source: Source, key: SeriesKey, start: datetime, end: datetime) -> list[KnownRows]:
    """The Fear & Greed index at the close of each bar, the same for all markets. Known at that close."""
    grid = closes_of(key.timeframe, start, end)
    if not grid.count or not source.may_hold(fear_greed, "any", fear_greed.c.observed_on.is_not(None)):
        return []
    question = ("mood", source.as_of, source.known_by, grid)
    columns = source.shared.once(question, lambda: mood_columns(_moods(source, grid), grid))
    return [KnownRows(grid.times, grid.times, columns)]


def mood_columns(moods: Vintages, grid: Grid) -> dict[str, Floats]:
    """Each of `MOOD_COLUMNS` at the closes of a grid. Pure."""

    def tell(moments: Whole) -> Told:
        newest = moods.newest(moments)
        values = moods.at(newest, moments), moods.at(newest - WEEK_DAYS, moments)
        return Told(newest, dict(zip(MOOD_COLUMNS, values, strict=True)))

    return told_at_closes(grid, moods, tell, MOOD_MAX_AGE)


def _days_of_all(source: Source, grid: Grid) -> tuple[Scored, DayOfNews, DayOfNews]:
    """Every headline; the days of all of them; and of those about the market as a whole."""
    scored = _scored(source, grid)
    return scored, day_before(grid, scored), day_before(grid, scored.about(MARKET))


def _scored(source: Source, grid: Grid) -> Scored:
    first, last = moment_of(grid.first), moment_of(grid.first + (grid.count - 1) * grid.step)
    c = scores.c
    own = c.model_id == source.scorer
    s = source.stands(scores, own & (c.news_known_at > first - WITHIN) & (c.known_at <= last)).c
    before = select(source.stands(scores, own & (c.known_at <= last))).subquery("before").c
    is_again = exists().where(
        before.news_id == s.news_id,
        before.asset == s.asset,
        tuple_(before.known_at, before.model_version) < tuple_(s.known_at, s.model_version),
    )
    rows = source.reader.arrow(select(s.asset, s.known_at, s.news_known_at, s.score).where(~is_again))
    known, news_known = (times(rows, name).astype(np.int64) for name in ("known_at", "news_known_at"))
    return Scored(known, news_known, np.asarray(rows.column("asset").to_pylist(), dtype=object), floats(rows, "score"))


def _moods(source: Source, grid: Grid) -> Vintages:
    first = moment_of(grid.first) - MOOD_MAX_AGE - timedelta(days=WEEK_DAYS + 1)
    last = moment_of(grid.first + (grid.count - 1) * grid.step)
    c = fear_greed.c
    where = (c.observed_on >= first.date()) & (c.observed_on <= last.date())
    rows = read_editions(source, fear_greed, where, ("observed_on", "value"))
    known, ingested = (times(rows, name).astype(np.int64) for name in ("known_at", "ingested_at"))
    return Vintages(days(rows, "observed_on"), known, ingested, floats(rows, "value"))
