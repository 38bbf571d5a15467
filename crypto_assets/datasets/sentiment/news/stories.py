"""What of a feed's items is new, what is a story that we have, and what is the same item again. Pure.

What belongs here: the rules of sameness. What does not: reading what is known and storing (store.py), one spelling of links
and headlines (clients/feed_text.py).

- The same canonical URL is the same item. If its headline has changed, the item is rewritten; the summary alone rewrites
  nothing, for publishers render it anew with every view.
- The same normalised headline by another publisher within the universe's hours is the same story: a sighting of the item
  that was first. Headlines of fewer than four words ("Market update") are nobody's alone and join nothing.
- What was a sighting once stays one, however long the other publisher's feed repeats it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from crypto_assets.clients.feed_rows import NewsItem
from crypto_assets.clients.feed_text import normal_title

FEWEST_WORDS = 4


@dataclass(frozen=True)
class Story:
    """A stored item, as far as sameness is concerned; the time is UTC."""

    news_id: str
    publisher: str
    title: str
    title_key: str
    first_seen_at: datetime


@dataclass(frozen=True)
class Known:
    """What is stored of the items at hand.

    Args:
        stories: Those with one of their URLs, or of their headlines in the last hours.
        sightings: news_id and publisher of what else is known of these.
        sighted_urls: Their URLs that are sightings already.
    """

    stories: Sequence[Story] = ()
    sightings: AbstractSet[tuple[str, str]] = frozenset()
    sighted_urls: AbstractSet[str] = frozenset()


@dataclass(frozen=True)
class Sighting:
    """A story that another publisher carries, too."""

    news_id: str
    publisher: str
    url: str


@dataclass
class Sorted:
    """What is to be stored of a feed's items.

    Args:
        new: Items with their publishers.
        retitled: Items whose headline has changed, with what is stored.
        sightings: Stories of others.
        repeated: Items that are stored just so.
    """

    new: list[tuple[NewsItem, str]] = field(default_factory=list)
    retitled: list[tuple[NewsItem, Story]] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)
    repeated: int = 0


def sort_items(items: Sequence[NewsItem], feed: str, at: datetime, known: Known, within: timedelta) -> Sorted:
    """Tell new items from known ones.

    Args:
        items: Of one feed; each URL once.
        feed: Its name, which is the publisher of items that name no other.
        at: When they came, UTC.
        within: How long a headline stands for one story.
    """
    by_id = {story.news_id: story for story in known.stories}
    by_title = _oldest_by_title(known.stories)
    sighted = set(known.sightings)
    done = Sorted()
    for item in items:
        publisher = item.publisher or feed
        same = by_id.get(item.news_id)
        if same is not None and same.publisher == publisher:
            if same.title == item.title:
                done.repeated += 1
            else:
                done.retitled.append((item, same))
            continue
        if same is None and item.url not in known.sighted_urls:
            same = _same_story(item, publisher, at - within, by_title)
            if same is None:
                story = Story(item.news_id, publisher, item.title, item.title_key, at)
                by_id[item.news_id] = story
                by_title.setdefault(item.title_key, []).append(story)
                done.new.append((item, publisher))
                continue
        if same is None or (same.news_id, publisher) in sighted:
            done.repeated += 1
            continue
        sighted.add((same.news_id, publisher))
        done.sightings.append(Sighting(same.news_id, publisher, item.url))
    return done


def _oldest_by_title(stories: Sequence[Story]) -> dict[str, list[Story]]:
    found: dict[str, list[Story]] = {}
    for story in sorted(stories, key=lambda one: (one.first_seen_at, one.news_id)):
        found.setdefault(story.title_key, []).append(story)
    return found


def _same_story(item: NewsItem, publisher: str, since: datetime, by_title: Mapping[str, list[Story]]) -> Story | None:
    """The oldest recent story of that headline, if it is another publisher's.

    A publisher that has a story of that headline itself tells a new one: "Bitcoin price analysis" comes every week.
    """
    if len(normal_title(item.title).split()) < FEWEST_WORDS:
        return None
    recent = [one for one in by_title.get(item.title_key, ()) if one.first_seen_at >= since]
    if not recent or any(one.publisher == publisher for one in recent):
        return None
    return recent[0]
