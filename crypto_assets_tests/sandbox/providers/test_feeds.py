"""The sandbox's feeds: well-formed, the same whenever they are asked, shared stories, no item from ahead."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from xml.etree import ElementTree

from crypto_assets.sandbox.providers import FORMATS
from crypto_assets.sandbox.providers.feeds import ITEMS, NEWS_FEEDS, CryptoPanicPosts, newest_items
from crypto_assets.sandbox.venues.exchange import Asked, Reply
from crypto_assets.universe_sources import NewsRules

NOW = int(datetime(2026, 3, 10, 12, 0, 30, tzinfo=UTC).timestamp() * 1000)
MINUTE = 60_000
ATOM = "{http://www.w3.org/2005/Atom}"


def _asked(form: object, path: str, now: int = NOW, **query: str) -> Reply | None:
    asked = Asked(form.venue, path, query, None, seed=7, clock=lambda: now)  # type: ignore[arg-type, attr-defined]
    return form.answer(asked)  # type: ignore[attr-defined, no-any-return]


def test_every_default_feed_is_served_at_its_address() -> None:
    served = {f"https://{feed.host}{feed.path}" for feed in NEWS_FEEDS}
    assert served == {url.rstrip("/") for url in NewsRules().feeds.values()}
    assert all(feed in FORMATS for feed in NEWS_FEEDS)


def test_feeds_are_well_formed_newest_first_and_never_from_ahead() -> None:
    for feed in NEWS_FEEDS:
        reply = _asked(feed, feed.path)
        assert reply is not None
        root = ElementTree.fromstring(reply.text or "")  # noqa: S314 - our own
        if feed.is_atom:
            times = [
                datetime.fromisoformat(one.findtext(f"{ATOM}published") or "") for one in root.findall(f"{ATOM}entry")
            ]
        else:
            assert reply.content_type == "application/rss+xml"
            times = [parsedate_to_datetime(one.findtext("pubDate") or "") for one in root.findall("channel/item")]
            assert all("<p>" in (one.findtext("description") or "") for one in root.findall("channel/item"))
        assert len(times) == ITEMS
        assert times == sorted(times, reverse=True)
        assert times[0].timestamp() * 1000 <= NOW
        assert _asked(feed, "/elsewhere") is None
        assert _asked(feed, feed.path + "/") is not None


def test_an_item_is_the_same_whenever_it_is_shown() -> None:
    for feed in NEWS_FEEDS:
        earlier, later = newest_items(7, feed, NOW), newest_items(7, feed, NOW + 60 * MINUTE)
        assert newest_items(7, feed, NOW) == earlier
        fresh = [item for item in later if item not in earlier]
        assert later == [*fresh, *earlier][:ITEMS]
        assert all(NOW < item.at_ms <= NOW + 60 * MINUTE for item in fresh)
        assert newest_items(8, feed, NOW) != earlier


def test_some_stories_are_carried_by_several_publishers() -> None:
    carriers = defaultdict(set)
    for feed in NEWS_FEEDS:
        for item in newest_items(7, feed, NOW):
            carriers[item.title].add(feed.venue)
    assert sum(len(venues) > 1 for venues in carriers.values()) >= 5
    assert sum(len(venues) == 1 for venues in carriers.values()) >= 50


def test_cryptopanic_wants_a_token() -> None:
    form = CryptoPanicPosts()
    refused, told = _asked(form, "/api/v1/posts/"), _asked(form, "/api/v1/posts/", auth_token="x", public="true")  # noqa: S106
    assert refused is not None
    assert told is not None
    assert (refused.status, refused.payload) == (403, {"status": "api_error", "info": "Token not found"})
    posts = told.payload["results"]  # type: ignore[index]
    assert len(posts) == 20
    assert {"title", "url", "source", "published_at", "currencies"} <= set(posts[0])
    assert [post["published_at"] for post in posts] == sorted((post["published_at"] for post in posts), reverse=True)
