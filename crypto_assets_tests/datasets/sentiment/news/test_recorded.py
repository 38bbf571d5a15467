"""Recorded news go through the same path as feeds' items; counts equal an independent recount."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from crypto_assets.clients.feed_rows import NewsItem, feed_items
from crypto_assets.datasets.sentiment.news.store import store_items
from crypto_assets.datasets.sentiment.news.table import news, news_assets, news_sightings
from crypto_assets.datasets.sentiment.news.tagging import dictionary_of
from crypto_assets.universe_sources import NewsRules
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.sentiment.news.world import NewsWorld

RULES = NewsRules()
WORDS = dictionary_of(RULES.assets, RULES.ignored)
TWO_DAYS = timedelta(hours=48)


def _entry(title: str, link: str, summary: str, at: str) -> dict[str, object]:
    """A row as feedparser would give it."""
    parsed = datetime.strptime(at, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timetuple()
    return {"title": title, "link": link, "summary": summary, "published_parsed": parsed}


def _slug(headline: str) -> str:
    return headline.encode().hex()[:1_900]


def _store(warehouse: Warehouse, feed: str, items: list[NewsItem], at: datetime) -> tuple[int, int, int]:
    with warehouse.connect() as connection:
        done = store_items(connection, feed, items, at, WORDS, TWO_DAYS).items
    return len(done.new), len(done.sightings), done.repeated


def test_a_page_of_50_recorded_items_of_many_publishers(warehouse: Warehouse, recordings: Path) -> None:
    with (recordings / "news" / "cryptocompare_50_2024-09-21.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    now = datetime(2024, 9, 21, 18, 30, tzinfo=UTC)
    by_publisher = defaultdict(list)
    for row in rows:
        by_publisher[row["source"]].append(_entry(row["title"], row["url"], row["body"], row["published_on"]))
    counts = []
    for publisher, entries in by_publisher.items():
        found = feed_items(entries, now)
        assert not found.refused, found.refused
        counts.append((*_store(warehouse, publisher, list(found.items), now), found.repeated))
    # Recounted: a row is new unless its link or its headline was there; then it counts by whose that was.
    links: dict[str, str] = {}
    titles: dict[str, str] = {}
    new, elsewhere, repeated = 0, 0, 0
    for publisher, entries in by_publisher.items():
        for entry in entries:
            link, title = str(entry["link"]), str(entry["title"]).lower()
            first = links.setdefault(link, publisher)
            other = titles.setdefault(title, publisher) != publisher
            if first == publisher and link in {one["link"] for one in entries[: entries.index(entry)]}:
                repeated += 1
            elif first != publisher or other:
                elsewhere += 1
            else:
                new += 1
    assert [sum(column) for column in zip(*counts, strict=True)] == [new, elsewhere, 0, repeated]
    assert (new, elsewhere, repeated) == (46, 4, 0)
    world = NewsWorld(warehouse, "")
    stored = world.rows(news)
    assert len(stored) == new
    assert len(world.rows(news_sightings)) == elsewhere
    assert set(stored["published_at"].dt.strftime("%Y-%m-%d %H:%M:%S")) <= {row["published_on"] for row in rows}
    assert set(stored["title"]) <= {" ".join(row["title"].split()) for row in rows}
    tagged = world.rows(news_assets)
    holds = {row["title"] for row in rows if "xrp" in f"{row['title']} {row['body']}".lower().replace("ripple", "xrp")}
    named = stored[stored["news_id"].isin(tagged.loc[tagged["asset"] == "XRP", "news_id"])]["title"]
    assert set(named) == holds & set(stored["title"])
    again = [
        _store(warehouse, publisher, list(feed_items(entries, now).items), now)
        for publisher, entries in by_publisher.items()
    ]
    assert [sum(column) for column in zip(*again, strict=True)] == [0, 0, 50]


def test_a_month_of_217_recorded_headlines_pulled_twice(warehouse: Warehouse, recordings: Path) -> None:
    """They come without links: each headline stands for its own, so that equal ones are one item."""
    with gzip.open(recordings / "news" / "2024-04-05_30d_news_with_sentiment.csv.gz", "rt") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 217
    now = datetime(2024, 5, 4, tzinfo=UTC)
    entries = [
        _entry(one["headline"], f"https://recorded.example/{_slug(one['headline'])}", one["description"], one["date"])
        for one in rows
    ]  # fmt: skip
    found = feed_items(entries, now)
    distinct = len({row["headline"] for row in rows})
    print(f"\n217 recorded headlines: {distinct} distinct, {217 - distinct} repeated")
    assert (len(found.items), len(found.refused), found.repeated) == (distinct, 0, 217 - distinct)
    half = len(found.items) // 2
    first, second = list(found.items[: half + 20]), list(found.items[half:])  # two pulls that overlap by 20
    assert _store(warehouse, "recorded", first, now) == (half + 20, 0, 0)
    assert _store(warehouse, "recorded", second, now + timedelta(days=1)) == (distinct - half - 20, 0, 20)
    stored = NewsWorld(warehouse, "").rows(news)
    assert len(stored) == distinct
    assert (stored["first_seen_at"] == now).sum() == half + 20  # the second pull moved none
