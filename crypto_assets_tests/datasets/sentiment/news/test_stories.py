"""What is new, what is the same item, and what is the same story elsewhere."""

from __future__ import annotations

from datetime import timedelta

from crypto_assets.clients.feed_rows import NewsItem, news_item
from crypto_assets.datasets.sentiment.news.stories import Known, Sighting, Sorted, Story, sort_items
from crypto_assets_tests.datasets.sentiment.news.world import NOW

WITHIN = timedelta(hours=48)
TITLE = "Court rules on Bitcoin case"


def _item(title: str = TITLE, url: str = "https://a.example/1") -> NewsItem:
    return news_item(title, url, "", None)


def _story(item: NewsItem, publisher: str = "a", hours_ago: float = 1) -> Story:
    return Story(item.news_id, publisher, item.title, item.title_key, NOW - timedelta(hours=hours_ago))


def _sorted(known: Known, *items: NewsItem, feed: str = "b") -> Sorted:
    return sort_items(items, feed, NOW, known, WITHIN)


def test_the_same_url_is_the_same_item() -> None:
    item = _item()
    assert _sorted(Known(), item, feed="a") == Sorted(new=[(item, "a")])
    known = Known([_story(item, hours_ago=24 * 365)])
    assert _sorted(known, item, feed="a") == Sorted(repeated=1)
    changed = _item("Court rules on Bitcoin case, again")
    assert _sorted(known, changed, feed="a") == Sorted(retitled=[(changed, known.stories[0])])
    assert _sorted(known, item) == Sorted(sightings=[Sighting(item.news_id, "b", item.url)])
    seen = Known(known.stories, frozenset({(item.news_id, "b")}))
    assert _sorted(seen, item) == Sorted(repeated=1)


def test_the_same_headline_elsewhere_within_two_days_is_the_same_story() -> None:
    first, second = _item(), _item("COURT rules on “Bitcoin” case", "https://b.example/9")
    for hours, is_same in ((0, True), (48, True), (48.01, False)):
        known = Known([_story(first, hours_ago=hours)])
        done = _sorted(known, second)
        assert done.sightings == ([Sighting(first.news_id, "b", second.url)] if is_same else [])
        assert done.new == ([] if is_same else [(second, "b")])
    recent = Known([_story(first)])
    assert _sorted(recent, second, feed="a").new == [(second, "a")]  # the same publisher tells a new story
    assert _sorted(recent, _item("Court rules on Ether case", second.url)).sightings == []
    short = _item("Market update today", "https://b.example/2")
    assert _sorted(Known([_story(_item("Market update today"))]), short).new == [(short, "b")]


def test_what_was_a_sighting_once_stays_one() -> None:
    first, second = _item(), _item(url="https://b.example/9")
    later = Known([], frozenset(), frozenset({second.url}))  # days later the headline's story is out of reach
    assert _sorted(later, second) == Sorted(repeated=1)
    seen = Known([_story(first)], frozenset({(first.news_id, "b")}))
    assert _sorted(seen, _item(url="https://b.example/10")) == Sorted(repeated=1)  # told a third time


def test_stories_are_joined_within_one_answer_too() -> None:
    """CryptoPanic carries several publishers' items at once."""
    items = [
        NewsItem(one.news_id, one.title, one.title_key, "", one.url, None, publisher)
        for publisher in ("x.example", "y.example", "x.example")
        for one in [_item(url=f"https://cryptopanic.com/{publisher}")]
    ]
    done = _sorted(Known(), items[0], items[1], feed="cryptopanic")
    assert [publisher for _, publisher in done.new] == ["x.example"]
    assert done.sightings == [Sighting(items[0].news_id, "y.example", items[1].url)]
    old = Known([_story(items[0], "x.example", 40), _story(_item(url="https://z.example/1"), "z.example", 2)])
    third = _item(url="https://b.example/1")
    assert _sorted(old, third).sightings == [Sighting(items[0].news_id, "b", third.url)]  # the oldest counts
