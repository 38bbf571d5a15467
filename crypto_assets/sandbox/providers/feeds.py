"""Feeds of news: RSS 2.0 of six publishers, Atom of one, and CryptoPanic's posts.

Formats: RSS 2.0 (title in CDATA, pubDate after RFC 822, content:encoded), Atom (RFC 4287), and CryptoPanic's
GET /api/v1/posts/?auth_token=…, 403 without a token. Headlines are made up from (seed, time): each publisher writes one of its
own every few minutes, and carries part of the stories of an agency, some minutes after it, under the agency's headline. So a
feed can be asked for at any time, and one story has several publishers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from html import escape

from crypto_assets.sandbox.noise import key_of
from crypto_assets.sandbox.venues.exchange import Asked, Reply

ITEMS = 25  # a feed shows the newest
AGENCY_MINUTES = 30
_MINUTE_MS = 60_000
_CARRIED_SHARE = 0.35
_LATEST_CARRY_MINUTES = 25
_COINS = (
    ("Bitcoin", "BTC"), ("Ethereum", "ETH"), ("Solana", "SOL"), ("XRP", "XRP"), ("Cardano", "ADA"), ("Dogecoin", "DOGE"),
    ("Chainlink", "LINK"), ("Polkadot", "DOT"), ("Litecoin", "LTC"), ("Bitcoin Cash", "BCH"), ("Uniswap", "UNI"),
)  # fmt: skip
_OWN = (
    "{coin} climbs {number}% as traders return", "{coin} slips {number}% after exchange outflows",
    "Analysts see {coin} at ${number},000 & call it 'fair'", "{coin} ({ticker}) fees fall {number}% in a week",
    "Opinion: what ${number}M of liquidations tell us", "Regulators fine an exchange ${number} million",
    "Hackers drain ${number}M from a bridge", "{coin} developers ship upgrade number {number}",
)  # fmt: skip
_AGENCY = (
    "{coin} fund takes in ${number} million in its first week", "Court rules on {coin} case number {number}",
    "Bank opens {coin} custody to {number} clients", "Exchange halts {coin} withdrawals for {number} hours",
    "Lawmakers vote {number} to 40 on a stablecoin bill",
)  # fmt: skip
_AUTHORS = ("A. Writer", "B. Reporter", "C. Editor")


@dataclass(frozen=True)
class Item:
    """One made-up item.

    Args:
        number: Tells it from all others of its publisher.
    """

    title: str
    number: int
    at_ms: int
    ticker: str

    @property
    def slug(self) -> str:
        """Its title as addresses have it."""
        return "-".join("".join(sign if sign.isalnum() else " " for sign in self.title.lower()).split())


@dataclass(frozen=True)
class NewsFeed:
    """One publisher's feed.

    Args:
        venue: Its name, by which faults strike it.
        host: Where it lies.
        path: Of the feed.
        minutes: Between items of its own.
        is_atom: Whether it writes Atom.
    """

    venue: str
    host: str
    path: str
    minutes: int
    is_atom: bool = False
    used_weight_header: str | None = None

    @property
    def hosts(self) -> tuple[str, ...]:
        """The one."""
        return (self.host,)

    def answer(self, asked: Asked) -> Reply | None:
        """The feed as it stands."""
        if asked.path.rstrip("/") != self.path.rstrip("/"):
            return None
        now = asked.clock()
        items = newest_items(asked.seed, self, now)
        text = _atom(self, items, now) if self.is_atom else _rss(self, items, now)
        kind = "application/atom+xml" if self.is_atom else "application/rss+xml"
        return Reply(None, now, text=text, content_type=kind)

    def error(self, status: int) -> object:
        """What a page says."""
        return f"<html><body>Error {status}</body></html>"

    def bad_parameter(self, name: str, now_ms: int) -> Reply:
        """Feeds look at no parameters."""
        return Reply(None, now_ms, status=400, text=f"bad {name}", content_type="text/plain")


class CryptoPanicPosts:
    """CryptoPanic: the newest items of all publishers, the agency's stories once each."""

    venue = "cryptopanic"
    hosts = ("cryptopanic.com",)
    used_weight_header = None

    def answer(self, asked: Asked) -> Reply | None:
        """The newest posts."""
        if asked.path.rstrip("/") != "/api/v1/posts":
            return None
        now = asked.clock()
        if not asked.query.get("auth_token"):
            return Reply(self.error(403), now, status=403)
        found = [(item, feed) for feed in NEWS_FEEDS for item in newest_items(asked.seed, feed, now)[:5]]
        found.sort(key=lambda one: (-one[0].at_ms, one[1].venue))
        results: list[object] = [_post(item, feed) for item, feed in found[:20]]
        return Reply({"count": len(results), "next": None, "previous": None, "results": results}, now, rows=results)

    def error(self, status: int) -> object:
        """Its words."""
        return {
            "status": "api_error",
            "info": {403: "Token not found", 429: "Rate limit exceeded"}.get(status, "Error"),
        }

    def bad_parameter(self, name: str, now_ms: int) -> Reply:
        """Its words."""
        return Reply({"status": "api_error", "info": f"Invalid {name}"}, now_ms, status=400)


NEWS_FEEDS = (
    NewsFeed("coindesk", "www.coindesk.com", "/arc/outboundfeeds/rss", 17),
    NewsFeed("cointelegraph", "cointelegraph.com", "/rss", 13),
    NewsFeed("decrypt", "decrypt.co", "/feed", 29),
    NewsFeed("theblock", "www.theblock.co", "/rss.xml", 23),
    NewsFeed("bitcoinmagazine", "bitcoinmagazine.com", "/feed", 61),
    NewsFeed("thedefiant", "thedefiant.io", "/api/feed", 47, is_atom=True),
    NewsFeed("cryptoslate", "cryptoslate.com", "/feed", 19),
)


def newest_items(seed: int, feed: NewsFeed, now_ms: int) -> list[Item]:
    """A publisher's newest items, newest first: its own and what it carries of the agency."""
    own_ms = feed.minutes * _MINUTE_MS
    found = [_own_item(seed, feed, slot) for slot in range(now_ms // own_ms - ITEMS, now_ms // own_ms + 1)]
    agency_ms = AGENCY_MINUTES * _MINUTE_MS
    slots = range(now_ms // agency_ms - 2 * ITEMS, now_ms // agency_ms + 1)
    found += [item for slot in slots if (item := _carried(seed, feed, slot)) is not None]
    return sorted((item for item in found if item.at_ms <= now_ms), key=lambda item: -item.at_ms)[:ITEMS]


def _own_item(seed: int, feed: NewsFeed, slot: int) -> Item:
    key = key_of(seed, feed.venue, slot)
    title, ticker = _headline(_OWN, key)
    at = slot * feed.minutes * _MINUTE_MS + key % (feed.minutes * 60) * 1000
    return Item(title, slot * 2, at, ticker)


def _carried(seed: int, feed: NewsFeed, slot: int) -> Item | None:
    """The agency's story of a slot, where the publisher carries it."""
    key = key_of(seed, feed.venue, "agency", slot)
    if key % 1000 >= _CARRIED_SHARE * 1000:
        return None
    title, ticker = _headline(_AGENCY, key_of(seed, "agency", slot))
    at = slot * AGENCY_MINUTES * _MINUTE_MS + key // 1000 % (_LATEST_CARRY_MINUTES * 60) * 1000
    return Item(title, slot * 2 + 1, at, ticker)


def _headline(templates: Sequence[str], key: int) -> tuple[str, str]:
    coin, ticker = _COINS[key // 7 % len(_COINS)]
    template = templates[key // 101 % len(templates)]
    title = template.format(coin=coin, ticker=ticker, number=2 + key // 10_007 % 900)
    return title, ticker if coin in title else ""


def _link(feed: NewsFeed, item: Item) -> str:
    at = datetime.fromtimestamp(item.at_ms / 1000, UTC)
    return f"https://{feed.host}/news/{at:%Y/%m/%d}/{item.slug}-{item.number}?utm_source=rss&utm_medium=feed"


def _rss(feed: NewsFeed, items: Sequence[Item], now_ms: int) -> str:
    rows = "".join(_rss_item(feed, item) for item in items)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:atom="http://www.w3.org/2005/Atom">\n<channel>'
        f"<title>{feed.venue}</title><link>https://{feed.host}/</link><description>Made up</description>"
        f'<atom:link rel="self" type="application/rss+xml" href="https://{feed.host}{feed.path}"/>'
        f"<lastBuildDate>{_rfc822(now_ms)}</lastBuildDate><ttl>5</ttl>{rows}</channel></rss>\n"
    )


def _rss_item(feed: NewsFeed, item: Item) -> str:
    link = escape(_link(feed, item))
    return (
        f"<item><title><![CDATA[{item.title}]]></title><link>{link}</link>"
        f'<guid isPermaLink="false">{feed.venue}-{item.number}</guid><pubDate>{_rfc822(item.at_ms)}</pubDate>'
        f"<dc:creator>{_AUTHORS[item.number % 3]}</dc:creator>"
        f"<description><![CDATA[<p>{_summary(item)}</p>]]></description>"
        f"<content:encoded><![CDATA[<p>{_summary(item)}</p><p>It was made up.</p>]]></content:encoded>"
        "<category>News</category></item>\n"
    )


def _atom(feed: NewsFeed, items: Sequence[Item], now_ms: int) -> str:
    rows = "".join(
        f"<entry><title>{escape(item.title)}</title><id>tag:{feed.host},{item.number}</id>"
        f'<link rel="alternate" type="text/html" href="{escape(_link(feed, item))}"/>'
        f"<published>{_iso(item.at_ms)}</published><updated>{_iso(item.at_ms)}</updated>"
        f'<summary type="html">{escape(f"<p>{_summary(item)}</p>")}</summary></entry>\n'
        for item in items
    )
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom"><title>{feed.venue}</title>'
        f"<id>https://{feed.host}/</id><updated>{_iso(now_ms)}</updated>{rows}</feed>\n"
    )


def _post(item: Item, feed: NewsFeed) -> dict[str, object]:
    number = key_of(feed.venue, item.number) % 10**8
    return {
        "kind": "news", "domain": feed.host, "id": number, "title": item.title, "slug": item.slug,
        "source": {"title": feed.venue, "region": "en", "domain": feed.host, "path": None},
        "url": f"https://cryptopanic.com/news/{number}/{item.slug}",
        "published_at": _iso(item.at_ms), "created_at": _iso(item.at_ms),
        "currencies": [{"code": item.ticker, "slug": item.ticker.lower()}] if item.ticker else [],
    }  # fmt: skip


def _summary(item: Item) -> str:
    return f"Desk number {item.number % 97} reports &amp; explains why it happened."


def _rfc822(at_ms: int) -> str:
    return format_datetime(datetime.fromtimestamp(at_ms // 1000, UTC))


def _iso(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
