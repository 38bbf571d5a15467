"""Reading news as they could be known: by known_at, for people, features and the scorer.

What belongs here: selecting. What does not: scores (sentiment/scores), joining stories (stories.py).

`known_at` is when the headline as it stands was first seen; a row whose headline changed later is in no earlier span. What
it said before stands in audit.revisions.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd
from sqlalchemy import Select, func, select

from crypto_assets.datasets.sentiment.news.table import news as news_table
from crypto_assets.datasets.sentiment.news.table import news_assets
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

MARKET = ""  # the asset of an item that names none: it is about the market as a whole


def news(warehouse: Warehouse, start: datetime, end: datetime, assets: Sequence[str] | None = None) -> pd.DataFrame:
    """Items that became known in [start, end), oldest first.

    Args:
        start: First moment, with its zone.
        end: Behind the last moment.
        assets: Only items that name one of these; None for all items.

    Returns:
        news_id, title, summary, url, publisher, published_at, first_seen_at, known_at; a row an item. Times are UTC.
    """
    c = news_table.c
    chosen = select(
        c.news_id, c.title, c.summary, c.url, c.publisher, c.published_at, c.first_seen_at, c.known_at
    ).where(c.known_at >= start, c.known_at < end)
    if assets is not None:
        named = select(news_assets.c.news_id).where(news_assets.c.asset.in_([*assets]), news_assets.c.known_at < end)
        chosen = chosen.where(c.news_id.in_(named))
    return read_frame(warehouse, chosen.order_by(c.known_at, c.news_id))


def headlines(start: datetime, end: datetime) -> Select[tuple[str, str, str, str, datetime]]:
    """The statement of `headlines_of`, for whoever joins it with what it has already."""
    c, a = news_table.c, news_assets.c
    known = func.greatest(c.known_at, func.coalesce(a.known_at, c.known_at)).label("known_at")
    return (
        select(c.news_id, func.coalesce(a.asset, MARKET).label("asset"), c.title, c.summary, known)
        .select_from(news_table.outerjoin(news_assets, a.news_id == c.news_id))
        .where(known >= start, known < end)
        .order_by(known, c.news_id, a.asset)
    )


def headlines_of(warehouse: Warehouse, start: datetime, end: datetime) -> pd.DataFrame:
    """What there is to score: each item that became known in [start, end), once for each asset that it names.

    Returns:
        news_id, asset (MARKET, the empty text, for an item that names none), title, summary, known_at (UTC); in the order of
        known_at.
    """
    return read_frame(warehouse, headlines(start, end))
