"""sentiment.news, which assets an item names, and who else carried it: the three tables and their keys.

What belongs here: columns, keys, indices. What does not: asking (clients/feeds.py), joining stories (stories.py), judging
(checks.py).
"""

from __future__ import annotations

from sqlalchemy import PrimaryKeyConstraint, Table, Text

from crypto_assets.schema.columns import METADATA, column, moment, provenance

DATASET = "sentiment/news"

_NEWS_ID = "The item: SHA-256 of its canonical URL, in hex"

news = Table(
    "news",
    METADATA,
    column("news_id", Text(), _NEWS_ID),
    column("title", Text(), "Headline as plain text"),
    column("summary", Text(), "What the feed says of it besides, as plain text; empty where it says nothing"),
    column("url", Text(), "Canonical URL: lower-case host, no fragment, no tracking parameters, no slash at the end"),
    column("publisher", Text(), "Name of the feed in the universe; for CryptoPanic the domain that it names"),
    moment(
        "published_at", "When the publisher says that it came out; null where it says nothing believable", nullable=True
    ),
    moment("first_seen_at", "When we first saw it in any feed"),
    column("title_key", Text(), "SHA-256 of the normalised title, in hex: equal for the same headline elsewhere"),
    *provenance(),
    PrimaryKeyConstraint("news_id"),
    schema="sentiment",
    comment="One item of news, stored when first seen. Only a new headline under the same URL changes it, and known_at then.",
    info={"series": ("publisher", "news"), "time": "first_seen_at"},
)

news_assets = Table(
    "news_assets",
    METADATA,
    column("news_id", Text(), _NEWS_ID),
    column("asset", Text(), "Currency that it names, as in the universe's dictionary: BTC"),
    column("matched_text", Text(), "The words that name it, as they were written"),
    column("found_in", Text(), "Where they stand: title, summary, or source where CryptoPanic itself says so"),
    *provenance(),
    PrimaryKeyConstraint("news_id", "asset"),
    schema="sentiment",
    comment="One asset that an item of news names. An item without any is about the market as a whole.",
    info={"series": ("asset", "news"), "time": "known_at"},
)

news_sightings = Table(
    "news_sightings",
    METADATA,
    column("news_id", Text(), _NEWS_ID),
    column("publisher", Text(), "Who else carried it: name of the feed, or the domain that CryptoPanic names"),
    column("url", Text(), "Canonical URL there"),
    moment("seen_at", "When we first saw it there"),
    *provenance(),
    PrimaryKeyConstraint("news_id", "publisher"),
    schema="sentiment",
    comment="One other publisher that carried a stored item within two days under the same headline or URL.",
    info={"series": ("publisher", "news"), "time": "seen_at"},
)

__all__ = ["DATASET", "news", "news_assets", "news_sightings"]
