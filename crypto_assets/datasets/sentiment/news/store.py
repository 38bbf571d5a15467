"""Storing a feed's items: what is new, retitled or seen elsewhere, and the assets that it names; one transaction a feed.

What belongs here: reading what is known, the columns of the three tables. What does not: the rules of sameness (stories.py)
and of naming (tagging.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name

from crypto_assets.clients.feed_rows import NewsItem
from crypto_assets.datasets.sentiment.news.stories import Known, Sighting, Sorted, Story, sort_items
from crypto_assets.datasets.sentiment.news.table import DATASET, news, news_assets, news_sightings
from crypto_assets.datasets.sentiment.news.tagging import Dictionary, tags_of
from crypto_assets.warehouse.write import Batch, upsert

# Two runs that meet the same item at once would both call it new, and the later one would move its first_seen_at.
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
_STORIES = """
SELECT news_id, publisher, title, title_key, first_seen_at FROM sentiment.news
 WHERE news_id = ANY(%(ids)s) OR (title_key = ANY(%(titles)s) AND first_seen_at >= %(since)s)
"""
_SIGHTINGS = "SELECT news_id, publisher FROM sentiment.news_sightings WHERE news_id = ANY(%s)"
_SIGHTED = "SELECT url FROM sentiment.news_sightings WHERE url = ANY(%s)"
_TAGGED = "SELECT news_id, asset FROM sentiment.news_assets WHERE news_id = ANY(%s)"

type Texts = NDArray[np.object_]


@dataclass(frozen=True)
class NamedAsset:
    """An asset that an item names, the words, and where they stand: title, summary or source."""

    news_id: str
    asset: str
    matched_text: str
    found_in: str


@dataclass(frozen=True)
class Stored:
    """What came of a feed's items: what was sorted, and the assets that new and retitled items name."""

    items: Sorted
    named: Sequence[NamedAsset]


def store_items(
    connection: Connection, feed: str, items: Sequence[NewsItem], at: datetime, words: Dictionary, within: timedelta
) -> Stored:
    """Store a feed's items.

    Args:
        connection: In a transaction, which the caller commits.
        feed: Its name.
        items: Each URL once.
        at: When they came, UTC: their first_seen_at.
        words: By which assets are named.
        within: How long a headline stands for one story.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ONE_AT_A_TIME, (DATASET,))
    done = sort_items(items, feed, at, read_known(connection, items, at - within), within)
    written = [(item, publisher, at) for item, publisher in done.new]
    written += [(item, story.publisher, story.first_seen_at) for item, story in done.retitled]
    if written:
        upsert(connection, news, news_rows(written, f"feed {feed}", at))
    tagged = _tagged(connection, [story.news_id for _, story in done.retitled])
    named = [one for item, *_ in written for one in named_assets(item, words)]
    fresh = [one for one in named if (one.news_id, one.asset) not in tagged]
    if fresh:
        upsert(connection, news_assets, asset_rows(fresh, f"feed {feed}", at))
    if done.sightings:
        upsert(connection, news_sightings, sighting_rows(done.sightings, f"feed {feed}", at))
    return Stored(done, named)


def read_known(connection: Connection, items: Sequence[NewsItem], since: datetime) -> Known:
    """What is stored of the items' URLs, and of their headlines since a moment."""
    ids, titles = [item.news_id for item in items], [item.title_key for item in items]
    with connection.cursor() as cursor:
        cursor.execute(_STORIES, {"ids": ids, "titles": titles, "since": since})
        stories = [Story(row[0], row[1], row[2], row[3], row[4].astimezone(UTC)) for row in cursor.fetchall()]
        cursor.execute(_SIGHTINGS, ([story.news_id for story in stories],))
        sightings = frozenset((str(row[0]), str(row[1])) for row in cursor.fetchall())
        cursor.execute(_SIGHTED, ([item.url for item in items],))
        return Known(stories, sightings, frozenset(str(row[0]) for row in cursor.fetchall()))


def named_assets(item: NewsItem, words: Dictionary) -> list[NamedAsset]:
    """The assets that an item names: in its headline, else in its summary, else by the source's own word. Pure."""
    found: dict[str, NamedAsset] = {}
    for place, text in (("title", item.title), ("summary", item.summary)):
        for tag in tags_of(text, words):
            found.setdefault(tag.asset, NamedAsset(item.news_id, tag.asset, tag.matched_text, place))
    for code in item.codes:
        asset = words.tickers.get(code.upper())
        if asset is not None:
            found.setdefault(asset, NamedAsset(item.news_id, asset, code, "source"))
    return list(found.values())


def news_rows(written: Sequence[tuple[NewsItem, str, datetime]], source: str, at: datetime) -> Batch:
    """sentiment.news from items, their publishers and when they were first seen. Pure.

    Args:
        at: When the headlines as they stand came: known_at.
    """
    items = [item for item, *_ in written]
    texts = {
        name: _texts([getattr(item, name) for item in items])
        for name in ("news_id", "title", "title_key", "summary", "url")
    }
    return {
        **texts,
        "publisher": _texts([publisher for _, publisher, _ in written]),
        "published_at": _walls([item.published_at for item in items]),
        "first_seen_at": _walls([seen for *_, seen in written]),
        "source": source,
        "known_at": _walls([at] * len(items)),
    }


def asset_rows(named: Sequence[NamedAsset], source: str, at: datetime) -> Batch:
    """sentiment.news_assets from what items name. Pure."""
    names = ("news_id", "asset", "matched_text", "found_in")
    texts = {name: _texts([getattr(one, name) for one in named]) for name in names}
    return {**texts, "source": source, "known_at": _walls([at] * len(named))}


def sighting_rows(sightings: Sequence[Sighting], source: str, at: datetime) -> Batch:
    """sentiment.news_sightings from stories that were seen elsewhere. Pure."""
    texts = {name: _texts([getattr(one, name) for one in sightings]) for name in ("news_id", "publisher", "url")}
    seen = _walls([at] * len(sightings))
    return {**texts, "seen_at": seen, "source": source, "known_at": seen}


def _tagged(connection: Connection, ids: Sequence[str]) -> frozenset[tuple[str, str]]:
    """What the items are known to name: it stays as it was known first."""
    if not ids:
        return frozenset()
    with connection.cursor() as cursor:
        cursor.execute(_TAGGED, (list(ids),))
        return frozenset((str(row[0]), str(row[1])) for row in cursor.fetchall())


def _texts(values: Sequence[str]) -> Texts:
    return np.array([*values], dtype=object)


def _walls(moments: Sequence[datetime | None]) -> NDArray[np.datetime64]:
    return np.array([None if at is None else at.replace(tzinfo=None) for at in moments], dtype="datetime64[us]")
