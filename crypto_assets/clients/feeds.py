"""Feeds of news: RSS and Atom of strangers, and CryptoPanic by key.

What belongs here: asking within each feed's pace, refusing what is built to harm before any parser of feeds sees it. What
does not: connecting (safe_fetch.py), what an item must be (feed_rows.py), storing.

Formats: RSS 0.9x to 2.0 and Atom, in all dialects that feedparser knows. It is asked to parse bytes only, neither to fetch
nor to sanitise: its own network code is never reached. Before it the bytes are read as text of one known encoding (so that
nobody can hide anything in another one), searched for declarations, parsed by defusedxml, and handed on as UTF-8. A feed
that is not well-formed and declares nothing is read loosely, as feedparser does, up to a smaller size. Feeds with a
<!DOCTYPE, as of RSS 0.91, are refused: nothing since 2002 needs one.
"""

from __future__ import annotations

import codecs
import io
import json
import re
import xml.sax
import xml.sax.handler
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import structlog
from pydantic import SecretStr

from crypto_assets.clients.failures import Malformed, Rejected
from crypto_assets.clients.feed_rows import FeedItems, cryptopanic_items, feed_items
from crypto_assets.clients.http import HttpProvider
from crypto_assets.clients.safe_fetch import Fetched, SafeFetch
from crypto_assets.clients.transport import Transport

log = structlog.get_logger(__name__)

CRYPTOPANIC = "cryptopanic"
_CRYPTOPANIC_URL = "https://cryptopanic.com/api/v1/posts/"
# Reading loosely backtracks: a million characters of nothing but "<a " take 9 s, half of them 2 s.
_MOST_LOOSE_CHARACTERS = 500_000
_DECLARATION = re.compile(r"<!\s*(?:DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)", re.IGNORECASE)
# CoinDesk ends each item with an empty <dc:description/>, for which feedparser would forget the <description> before it.
_EMPTY = re.compile(r"<(dc:description|itunes:summary|media:description)\s*(?:/>|>\s*</\1\s*>)")
_XML_DECLARATION = re.compile(r"^\s*<\?xml\b[^>]{0,300}\?>")
_NAMED_ENCODING = re.compile(rb"<\?xml[^>]{0,200}encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9._-]{1,40})", re.IGNORECASE)
# Those in which < ! and letters are what they are in ASCII, so that a search finds them.
_ENCODINGS = frozenset(
    {"utf-8", "ascii", "iso8859-1", "iso8859-2", "iso8859-15", "cp1250", "cp1251", "cp1252", "koi8-r"}
)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip


class HostileFeed(Rejected):
    """The feed is built to harm whoever parses it; no part of it was.

    Args:
        payload: Its beginning, for the quarantine.
    """

    def __init__(self, problem: str, *, way_out: str = "", payload: object = None) -> None:
        super().__init__(problem, way_out=way_out)
        self.payload = payload


class Feeds:
    """Reads feeds, each within a pace of its own; opens nothing until it is asked to.

    Args:
        fetch: Reads addresses of strangers.
        transport_of: Pace, retries and breaker of a feed, by its name.
        clock: The present, UTC.
    """

    def __init__(
        self,
        fetch: SafeFetch,
        transport_of: Callable[[str], Transport],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._fetch = fetch
        self._transport_of = transport_of
        self._clock = clock

    def read(self, name: str, url: str) -> FeedItems:
        """The items of a feed.

        Raises:
            UnsafeAddress, TooLarge, HostileFeed: it was not read.
            ProviderError: what else went wrong.
        """
        transport = self._transport_of(name)
        try:
            return transport.call(lambda: parse_feed(name, self._fetch.fetch(url), self._clock()))
        finally:
            transport.tell_usage()


def parse_feed(name: str, came: Fetched, now: datetime) -> FeedItems:
    """The items of a feed's bytes. Pure.

    Args:
        name: The feed's, for messages.
        now: The present, UTC.

    Raises:
        HostileFeed: it declares a document type or entities, or hides what it is.
        Malformed: it is no feed.
    """
    import feedparser  # type: ignore[import-untyped, unused-ignore]  # noqa: PLC0415 - 0.2 s only readers of feeds pay

    text = _text_of(name, came)
    if "\0" in text:
        raise _hostile(name, "holds NUL bytes, which no XML has", text)
    whole = '<?xml version="1.0" encoding="utf-8"?>' + _EMPTY.sub("", _XML_DECLARATION.sub("", text, count=1))
    body = whole.encode(errors="replace")
    if not _is_well_formed(name, body, text):
        found = _DECLARATION.search(text)
        if found is not None:
            raise _hostile(name, f"declares {found[0][:20]!r}", text)
        if len(text) > _MOST_LOOSE_CHARACTERS:
            raise _no(name, f"a well-formed feed, or one of at most {_MOST_LOOSE_CHARACTERS:,} characters", text)
    parsed = feedparser.parse(
        io.BytesIO(body),
        response_headers={"content-type": "application/xml; charset=utf-8", "content-location": came.url},
        resolve_relative_uris=False,
        sanitize_html=False,  # texts become plain ones here, which is stricter
    )
    if not parsed.get("version") and not parsed.entries:
        raise _no(name, "a feed", text)
    # As plain dicts: feedparser's own answer for keys that are not there with others, and warn of it.
    return feed_items([dict(entry) for entry in parsed.entries], now)


class CryptoPanic:
    """Reads the newest posts of CryptoPanic.

    Format: GET /api/v1/posts/?auth_token=…&public=true → {"results": [{"title", "url", "source": {"domain", "title"},
    "published_at", "currencies": [{"code"}]}]}.

    Args:
        http: With the key among its secrets: it travels in the address.
    """

    def __init__(
        self, http: HttpProvider, key: SecretStr, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._http = http
        self._key = key
        self._clock = clock

    def posts(self) -> FeedItems:
        """The newest posts.

        Raises:
            ProviderError: what went wrong; the key stands in no message.
        """
        params = {"auth_token": self._key.get_secret_value(), "public": "true"}
        try:
            return self._http.get_json(
                _CRYPTOPANIC_URL, params, lambda answer: cryptopanic_items(answer, self._clock())
            )
        except Malformed as error:
            if error.payload is None:
                raise
            shown = self._http.mask(json.dumps(error.payload, default=str))
            raise Malformed(error.problem, way_out=error.way_out, payload=shown) from None
        finally:
            self._http.close()


def _text_of(name: str, came: Fetched) -> str:
    """The body as text of one known encoding: by its mark, then as HTTP or the XML itself says, else UTF-8."""
    for mark, encoding in _MARKS:
        if came.body.startswith(mark):
            return came.body[len(mark) :].decode(encoding, "replace")
    said = _CHARSET.search(came.content_type)
    inside = _NAMED_ENCODING.search(came.body[:400])
    wanted = said[1] if said else inside[1].decode("ascii") if inside else "utf-8"
    try:
        encoding = codecs.lookup(wanted).name
    except LookupError:
        encoding = wanted
    if encoding not in _ENCODINGS:
        raise _hostile(name, f"is written in {wanted[:40]!r}, which is not read", came.body[:400].decode("latin-1"))
    return came.body.decode(encoding, "replace")


def _is_well_formed(name: str, body: bytes, text: str) -> bool:
    """Whether defusedxml reads it; it forbids document types, entities and what lies outside.

    Raises:
        HostileFeed: it met one of these.
    """
    import defusedxml.sax  # type: ignore[import-untyped, unused-ignore]  # noqa: PLC0415
    from defusedxml.common import DefusedXmlException  # type: ignore[import-untyped, unused-ignore]  # noqa: PLC0415

    try:
        defusedxml.sax.parseString(body, xml.sax.handler.ContentHandler(), forbid_dtd=True)
    except DefusedXmlException as error:
        raise _hostile(name, f"was refused by defusedxml ({type(error).__name__})", text) from None
    except xml.sax.SAXException as error:
        log.info("not well-formed, read loosely", feed=name, error=str(error)[:200])
        return False
    return True


def _hostile(name: str, why: str, text: str) -> HostileFeed:
    return HostileFeed(
        f"The feed {name} {why}; no part of it was parsed",
        way_out="Its beginning is kept in quality.quarantine; take the feed out of the universe if it stays so.",
        payload=text[:2_000],
    )


def _no(name: str, expected: str, text: str) -> Malformed:
    return Malformed(
        f"{name}: expected {expected}, came {' '.join(text[:200].split())[:120]!r}",
        way_out="The answer is kept in quality.quarantine.",
        payload=text[:10_000],
    )


def payload_of(error: Exception) -> Mapping[str, object] | None:
    """What a failure kept of the answer, for the quarantine; None where there was none. Pure."""
    held = getattr(error, "payload", None)
    return None if held is None else {"body": held}
