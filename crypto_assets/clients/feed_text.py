"""What strangers write, made harmless: plain text of HTML, one spelling of a link, one of a headline.

What belongs here: pure functions on texts. What does not: which text of a feed is what (feed_rows.py).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from html.parser import HTMLParser
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from crypto_assets.clients.addresses import host_name

MOST_URL_CHARACTERS = 2_000
_RAW_PER_CHARACTER = 10  # of HTML a character of text: what is longer is cut before it is parsed
_PASSES = 3  # text that was escaped twice or thrice becomes tags when it is read
_SILENT = frozenset({"script", "style", "template", "noscript", "iframe", "object", "svg", "math", "title", "head"})
_APART = frozenset(
    {"address", "article", "blockquote", "br", "dd", "div", "dt", "figcaption", "figure", "footer", "h1", "h2", "h3",
     "h4", "h5", "h6", "header", "hr", "img", "li", "ol", "p", "pre", "section", "table", "td", "th", "tr", "ul"}
)  # fmt: skip
_TAG_LIKE = re.compile(r"<[A-Za-z/!?][^<>]*>?")
_PORTS = {"http": 80, "https": 443}
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\<>\"^`{|}]")
# What campaigns and social networks append; the page is the same without.
_TRACKING = frozenset(
    {"fbclid", "gclid", "dclid", "gbraid", "wbraid", "msclkid", "yclid", "twclid", "ttclid", "igshid", "mc_cid", "mc_eid",
     "mkt_tok", "ref", "ref_src", "ref_url", "referrer", "cmpid", "ncid", "_ga", "_gl", "_hsenc", "_hsmi", "s_cid",
     "vero_id", "oly_enc_id", "oly_anon_id", "spm", "rss", "feed"}
)  # fmt: skip


def plain_text(value: str, most: int) -> str:
    """The text of a piece of HTML: entities read, tags and scripts gone, control characters gone, spaces single. Pure.

    Args:
        value: As it stands in a feed; plain text comes out as it is.
        most: Longest text that is returned; a longer one is cut and ends in an ellipsis.
    """
    text = value[: most * _RAW_PER_CHARACTER]
    for _ in range(_PASSES):
        before, text = text, _without_tags(text) if "<" in text or "&" in text else text
        if text == before:
            break
    text = _TAG_LIKE.sub(" ", text)
    text = " ".join(_visible(text).split())
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def canonical_url(value: str) -> str:
    """One spelling of a link. Pure.

    Lower-case scheme and host, no default port, no fragment, no tracking parameters (utm_*, fbclid, gclid, ref, …), the
    others in their order. A path's slashes at the end go, except where it is nothing else: /a/ is /a, and an empty path is /.

    Raises:
        ValueError: it is no http(s) link, names a user, has a number for a host, or is longer than 2,000 characters.
    """
    text = value.strip()
    if not text or len(text) > MOST_URL_CHARACTERS or _UNSAFE.search(text):
        raise ValueError("the link is empty, too long or holds characters that no link has")
    parts = urlsplit(text)
    if parts.scheme not in _PORTS:
        raise ValueError("the link is no http(s) link")
    if "@" in parts.netloc:
        raise ValueError("the link names a user")
    try:
        host, port = host_name(parts.hostname or ""), parts.port
    except ValueError as error:
        raise ValueError(f"the link {error}") from None
    where = host if port in (None, _PORTS[parts.scheme]) else f"{host}:{port}"
    path = quote(parts.path.rstrip("/") or "/", safe="/%:@!$&'()*+,;=~-._")
    kept = [(name, held) for name, held in parse_qsl(parts.query, keep_blank_values=True) if not _is_tracking(name)]
    return f"{parts.scheme}://{where}{path}" + (f"?{urlencode(kept)}" if kept else "")


def url_id(url: str) -> str:
    """SHA-256 of a canonical URL, in hex. Pure."""
    return hashlib.sha256(url.encode()).hexdigest()


def normal_title(title: str) -> str:
    """The words of a headline: no case, accents composed, nothing but letters and digits between single spaces. Pure."""
    folded = unicodedata.normalize("NFKC", title).casefold().replace("’", "").replace("'", "")
    return " ".join("".join(sign if sign.isalnum() else " " for sign in folded).split())


def title_key(title: str) -> str:
    """SHA-256 of the normalised headline, in hex. Pure."""
    return hashlib.sha256(normal_title(title).encode()).hexdigest()


def _is_tracking(name: str) -> bool:
    low = name.lower()
    return low.startswith("utm_") or low in _TRACKING


def _visible(text: str) -> str:
    """Without control characters, marks of direction, halves of characters and private ones; composed.

    A zero-width joiner would hide that two headlines are the same, a mark of direction can turn a text around.
    """
    kept = "".join(" " if unicodedata.category(sign)[0] == "C" and sign.isspace() else sign for sign in text)
    kept = "".join("" if unicodedata.category(sign)[0] == "C" else sign for sign in kept)
    return unicodedata.normalize("NFC", kept)


def _without_tags(text: str) -> str:
    reader = _Text()
    reader.feed(text)
    reader.close()
    return "".join(reader.parts)


class _Text(HTMLParser):
    """Collects the text between tags, and none of what scripts and pictures hold."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._silent: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - html.parser's
        """A paragraph begins behind a space; what a script holds is no text."""
        if tag in _SILENT:
            self._silent.append(tag)
        elif tag in _APART:
            self.parts.append(" ")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - as above
        """One that holds nothing."""
        if tag in _APART:
            self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        """The end of a paragraph or a script."""
        if tag in self._silent:
            while self._silent and self._silent.pop() != tag:
                pass
        elif tag in _APART:
            self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        """Text, where it is some."""
        if not self._silent:
            self.parts.append(data)
