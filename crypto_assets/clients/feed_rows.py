"""From a feed's items to news, item by item checked.

What belongs here: which field of an item is what, and what an item must be. What does not: asking (feeds.py), making texts
harmless (feed_text.py), joining stories (datasets/sentiment/news).

An item needs a headline and an http(s) link. A time is as the publisher says, or none: one that cannot be read, lies before
2009 or ahead of the clock is left out, and the item is kept with the fact in the quarantine, as its text is news either way.
"""

from __future__ import annotations

import calendar
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from crypto_assets.clients.exchange_bars import RefusedRow
from crypto_assets.clients.failures import Malformed
from crypto_assets.clients.feed_text import canonical_url, plain_text, title_key, url_id

MOST_TITLE, MOST_SUMMARY = 500, 4_000  # characters; the longest recorded headline has 157, the longest summary 1,013
MOST_ITEMS = 1_000  # feeds hold 10 to 100; more is an archive or an attack
CLOCK_TOLERANCE = timedelta(minutes=5)  # a publisher's clock may be ahead
_EARLIEST = datetime(2009, 1, 1, tzinfo=UTC)
_UNREADABLE = (TypeError, ValueError, KeyError, IndexError, OverflowError, AttributeError)

type Fields = Mapping[str, object]


@dataclass(frozen=True)
class NewsItem:
    """One item, harmless and checked.

    Args:
        news_id: SHA-256 of the canonical URL, in hex.
        title_key: SHA-256 of the normalised headline, in hex.
        published_at: As the publisher says, UTC; None where it says nothing believable.
        publisher: Who wrote it, where the feed carries others' items; empty for the feed itself.
        codes: Currencies that the source itself says it is about.
    """

    news_id: str
    title: str
    title_key: str
    summary: str
    url: str
    published_at: datetime | None
    publisher: str = ""
    codes: tuple[str, ...] = ()


@dataclass(frozen=True)
class FeedItems:
    """What a feed held, in its order.

    Args:
        items: Each URL once.
        refused: Items that are none, and times that were left out, as they came.
        repeated: How often a URL stood there again.
    """

    items: Sequence[NewsItem]
    refused: Sequence[RefusedRow] = field(default_factory=tuple)
    repeated: int = 0


def feed_items(entries: Sequence[object], now: datetime) -> FeedItems:
    """The items of a feed that feedparser has read. Pure.

    Args:
        entries: Its entries: mappings of title, link, summary, published_parsed, updated_parsed.
        now: The present, UTC.
    """
    return _each_once(entries, lambda entry, noted: _entry(entry, now, noted))


def cryptopanic_items(answer: object, now: datetime) -> FeedItems:
    """The items of an answer of CryptoPanic's posts. Pure.

    Raises:
        Malformed: it is no such answer.
    """
    results = answer.get("results") if isinstance(answer, Mapping) else None
    if not isinstance(results, list):
        raise Malformed(
            f"cryptopanic: expected results, came {type(answer).__name__}",
            way_out="The answer is kept in quality.quarantine.",
            payload=answer,
        )
    return _each_once(results, lambda post, noted: _post(post, now, noted))


def news_item(title: str, url: str, summary: str, published_at: datetime | None) -> NewsItem:
    """An item from its raw texts. Pure.

    Raises:
        ValueError: it has no headline, or no http(s) link.
    """
    text = plain_text(title, MOST_TITLE)
    if not any(sign.isalnum() for sign in text):
        raise ValueError("the item has no headline")
    canonical = canonical_url(url)
    said = plain_text(summary, MOST_SUMMARY)
    return NewsItem(url_id(canonical), text, title_key(text), said, canonical, published_at)


type _Note = Callable[[str], None]


def _each_once(payloads: Sequence[object], read: Callable[[object, _Note], NewsItem]) -> FeedItems:
    """Read each item; of those under one URL the first is kept."""
    kept: dict[str, NewsItem] = {}
    refused: list[RefusedRow] = []
    for payload in payloads[:MOST_ITEMS]:
        notes: list[str] = []
        try:
            item = read(payload, notes.append)
        except _UNREADABLE as error:
            told = str(error)[:120] if type(error) is ValueError else f"{type(error).__name__}: {str(error)[:120]}"
            refused.append(RefusedRow(f"no item: {told}", _shown(payload)))
            continue
        kept.setdefault(item.news_id, item)
        refused += [RefusedRow(note, _shown(payload)) for note in notes]
    over = len(payloads) - MOST_ITEMS
    if over > 0:
        refused.append(RefusedRow(f"more than {MOST_ITEMS:,} items", {"items left out": over}))
    read_well = min(len(payloads), MOST_ITEMS) - sum(one.reason.startswith("no item") for one in refused)
    return FeedItems(tuple(kept.values()), tuple(refused), read_well - len(kept))


def _entry(payload: object, now: datetime, noted: _Note) -> NewsItem:
    row = _fields(payload)
    summary = _text(row, "summary") if row.get("summary") else ""
    title, link = _text(row, "title"), _text(row, "link")
    said = row.get("published_parsed") or row.get("updated_parsed")
    if said is None and (row.get("published") or row.get("updated")):
        noted("the time cannot be read: kept without it")
    at = datetime.fromtimestamp(calendar.timegm(said), UTC) if isinstance(said, time.struct_time) else None
    return news_item(title, link, summary, _believable(at, now, noted))


def _post(payload: object, now: datetime, noted: _Note) -> NewsItem:
    row = _fields(payload)
    said = _text(row, "published_at")
    try:
        at = datetime.fromisoformat(said)
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        at = None
        noted("the time cannot be read: kept without it")
    item = news_item(_text(row, "title"), _text(row, "url"), "", _believable(at, now, noted))
    source = row.get("source")
    domain = source.get("domain") if isinstance(source, Mapping) else None
    publisher = plain_text(domain, 80).lower() if isinstance(domain, str) and domain else "cryptopanic"
    return NewsItem(
        item.news_id, item.title, item.title_key, item.summary, item.url, item.published_at, publisher,
        _codes(row.get("currencies")),
    )  # fmt: skip


def _codes(value: object) -> tuple[str, ...]:
    """Currencies in their order; what is none is passed over, for the words of the headline name them, too."""
    listed = value if isinstance(value, list) else []
    found = [one.get("code") for one in listed[:50] if isinstance(one, Mapping)]
    return tuple(dict.fromkeys(code for code in found if isinstance(code, str) and 0 < len(code) <= 20))


def _believable(at: datetime | None, now: datetime, noted: _Note) -> datetime | None:
    if at is None:
        return None
    if at > now + CLOCK_TOLERANCE:
        noted("published in the future: kept without the time")
        return None
    if at < _EARLIEST:
        noted("published before there was news of this: kept without the time")
        return None
    return at


def _fields(payload: object) -> Fields:
    if not isinstance(payload, Mapping):
        raise TypeError(f"expected an item, came {type(payload).__name__}")
    return payload


def _text(row: Fields, name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"the item has no {name}")
    return value


def _shown(payload: object) -> object:
    """What of an item is kept in the quarantine: its own texts, cut; feedparser adds objects of its own."""
    if not isinstance(payload, Mapping):
        return payload
    names = ("id", "title", "link", "url", "summary", "published", "updated", "published_at", "source", "currencies")
    kept = {name: payload[name] for name in names if name in payload}
    return {
        name: value[:2_000] if isinstance(value, str) else json.dumps(value, default=str)[:2_000]
        for name, value in kept.items()
    }
