"""The checks of sentiment/news.

What belongs here: names, severities, the rules that are the news' own. What does not: how shared rules are looked at
(quality) and bounds (the universe).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pandas as pd
from dagster import AssetCheckSeverity
from sqlalchemy import and_, func, or_, select

from crypto_assets.clients.feed_rows import CLOCK_TOLERANCE
from crypto_assets.datasets.sentiment.news.table import DATASET, news, news_assets
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import Rule, key_is_unique, make_check, rows_keep
from crypto_assets.quality.findings import Dimension, Finding, Grid
from crypto_assets.quality.series import TICK
from crypto_assets.schema.bookkeeping import collected_ranges, quarantine
from crypto_assets.schema.operations import market_polls
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

ALIVE_WITHIN = timedelta(days=1)
SERIES = "news"
_C = news.c
# A tag, or a character that is none: what clients/feed_text.py leaves behind nowhere.
_NO_PLAIN_TEXT = r"<\s*/?\s*(script|style|iframe|img|a|svg|object)\y|[\x01-\x1f\x7f]"


def _feeds_are_alive(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
    """In the open day, each feed of the universe that was ever asked has answered within the last day."""
    now = datetime.now(UTC)
    if not window.start <= now < window.end:
        return []
    p, r = market_polls.c, collected_ranges.c
    answered = select(r.venue, func.upper(r.collected).label("until")).where(r.dataset == DATASET).subquery()
    polls = (
        select(p.venue, p.last_error, answered.c.until)
        .select_from(market_polls.outerjoin(answered, answered.c.venue == p.venue))
        .where(p.dataset == DATASET)
        .order_by(p.venue)
    )
    findings = []
    for row in read_frame(warehouse, polls).to_dict("records"):
        if row["venue"] not in universe.news.feeds:
            continue
        until = None if pd.isna(row["until"]) else row["until"].to_pydatetime()
        is_dead = until is None or now - until > ALIVE_WITHIN
        lag = (now - until).total_seconds() if until else None
        told = row["last_error"] or (f"answered {until:%Y-%m-%d %H:%M}" if until else "never answered")
        findings.append(Finding(row["venue"], SERIES, TICK, 1, int(is_dead), told, lag_seconds=lag))
    return findings


def _enough_are_alive(findings: Sequence[Finding], universe: Universe) -> bool:
    dead = sum(one.failed for one in findings)
    return not findings or 1 - dead / len(findings) >= universe.news.min_share_of_feeds_alive


def _newest_news_is_recent(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
    """In the open day, some feed brought something new within the bound: all silent at once is our fault."""
    now = datetime.now(UTC)
    if not window.start <= now < window.end:
        return []
    newest = read_frame(warehouse, select(func.max(_C.first_seen_at).label("newest")))["newest"].iloc[0]
    if pd.isna(newest):
        return [Finding("all feeds", SERIES, TICK, 1, 1, "no news at all")]
    age = now - newest.to_pydatetime()
    is_late = age > timedelta(minutes=universe.news.max_age_minutes)
    told = f"{newest:%Y-%m-%d %H:%M}"
    return [Finding("all feeds", SERIES, TICK, 1, int(is_late), told, lag_seconds=age.total_seconds())]


def _rows_are_accepted(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
    """No item of a feed had to be refused in the last day; items stored in the window stand beside them."""
    q = quarantine.c
    refused = (
        select(q.venue, func.count().label("refused"), func.max(q.reason).label("reason"))
        .where(q.dataset == DATASET, q.last_seen_at > datetime.now(UTC) - ALIVE_WITHIN)
        .group_by(q.venue)
    )
    stored = (
        select(_C.publisher.label("venue"), func.count().label("stored"))
        .where(_C.first_seen_at >= window.start, _C.first_seen_at < window.end)
        .group_by(_C.publisher)
    )
    counts = {str(row["venue"]): int(row["stored"]) for row in read_frame(warehouse, stored).to_dict("records")}
    told = {
        row["venue"]: (int(row["refused"]), str(row["reason"]))
        for row in read_frame(warehouse, refused).to_dict("records")
    }
    names = sorted({*counts, *told, *universe.news.feeds} & {*counts, *told})
    return [
        Finding(name, SERIES, TICK, counts.get(name, 0) + told.get(name, (0, ""))[0], *told.get(name, (0, "")))
        for name in names
    ]


def _assets_are_known(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> Sequence[Finding]:
    """Every asset that an item is said to name stands in the universe's dictionary."""
    look = rows_keep(news_assets, news_assets.c.asset.not_in([*universe.news.assets]))
    return look(warehouse, universe, window)


RULES = (
    Rule(
        "key_is_unique",
        "One row for each URL.",
        Dimension.ACCURACY,
        key_is_unique(news, "news_id"),
        blocking=True,
    ),
    Rule(
        "no_news_from_the_future",
        "Nothing was seen before now and known before it was seen; no publisher's time lies ahead of ours.",
        Dimension.ACCURACY,
        rows_keep(
            news,
            or_(
                _C.first_seen_at > func.now() + CLOCK_TOLERANCE,
                _C.known_at < _C.first_seen_at,
                _C.known_at > func.now() + CLOCK_TOLERANCE,
                and_(_C.published_at.is_not(None), _C.published_at > _C.known_at + CLOCK_TOLERANCE),
            ),
        ),
        blocking=True,
    ),
    Rule(
        "texts_are_plain",
        "No headline or summary holds a tag or a control character: what shows them need not fear them.",
        Dimension.ACCURACY,
        rows_keep(
            news,
            or_(
                _C.title == "", _C.title.regexp_match(_NO_PLAIN_TEXT, "i"), _C.summary.regexp_match(_NO_PLAIN_TEXT, "i")
            ),
        ),
    ),
    Rule(
        "assets_are_known",
        "Every asset that an item names stands in the universe's dictionary.",
        Dimension.ACCURACY,
        _assets_are_known,
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "rows_are_accepted",
        "No item of the last day had to be refused, and no time left out.",
        Dimension.ACCURACY,
        _rows_are_accepted,
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "feeds_are_alive",
        "The universe's share of feeds answered in the last day: one publisher moves its feed now and then, and news are "
        "told by several; where most are silent, headlines are missing that nobody can fetch later.",
        Dimension.COMPLETENESS,
        _feeds_are_alive,
        passes=_enough_are_alive,
    ),
    Rule(
        "newest_news_is_recent",
        "Some feed brought something new within news.max_age_minutes.",
        Dimension.TIMELINESS,
        _newest_news_is_recent,
        severity=AssetCheckSeverity.WARN,
    ),
)

CHECKS = [make_check(DATASET, rule, Grid.CALENDAR_DAYS) for rule in RULES]
