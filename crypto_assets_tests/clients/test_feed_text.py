"""Strangers' texts become plain, links and headlines get one spelling."""

from __future__ import annotations

import html
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.clients.feed_text import canonical_url, normal_title, plain_text, title_key, url_id


@pytest.mark.parametrize(
    ("came", "plain"),
    [
        ("Bitcoin climbs", "Bitcoin climbs"),
        ("AT&amp;T &#8217;s <b>b</b>old", "AT&T ’s bold"),
        ("5 < 6 & we <3 ETH > BTC", "5 < 6 & we <3 ETH > BTC"),
        ("<p>One</p><p>Two<br>Three</p>", "One Two Three"),
        ("<script>alert(1)</script>Bit<b>coin</b><style>p{}</style>", "Bitcoin"),
        ("&lt;script&gt;alert(1)&lt;/script&gt;Sol", "Sol"),
        ("&amp;lt;img src=x onerror=alert(1)&amp;gt;Sol", "Sol"),
        ("<scr<script>ipt>alert(1)</script>Sol", "ipt>alert(1)Sol"),
        ("<img src=x onerror=alert(1)>Hi <a href='javascript:x'>there</a>", "Hi there"),
        ("Hi <script>alert(1)", "Hi"),
        ("Hi <!-- not this --> there<!", "Hi there"),
        ("a\0b\x07c\u202ed\u200be\ufefff\ud800g", "abcdefg"),
        ("  a \t\r\n b\u00a0c\u2028d ", "a b c d"),
        ("e\u0301", "é"),
        ("x" * 30, "x" * 19 + "…"),
    ],
)
def test_html_becomes_plain_text(came: str, plain: str) -> None:
    assert plain_text(came, 20 if came.startswith("xxx") else 100) == plain


@given(st.text(max_size=80))
def test_plain_text_is_bounded_holds_no_control_characters_and_stays_as_it_is(text: str) -> None:
    for came in (text, html.escape(text), f"<p>{text}</p>", f"<script>{text}"):
        plain = plain_text(came, 40)
        assert len(plain) <= 40
        assert not any(unicodedata.category(sign)[0] == "C" for sign in plain)
        assert "<script" not in plain.lower()
        assert plain == " ".join(plain.split())


@pytest.mark.parametrize(
    ("came", "canonical"),
    [
        (
            "HTTPS://WWW.Example.COM:443/A/b/?utm_source=x&id=5&fbclid=1&UTM_Medium=y#part",
            "https://www.example.com/A/b?id=5",
        ),
        ("http://example.com", "http://example.com/"),
        ("http://example.com:80//", "http://example.com/"),
        ("http://example.com:8080/a/", "http://example.com:8080/a"),
        ("https://example.com/a%20b?q=a+b&z=&ref=tw", "https://example.com/a%20b?q=a+b&z="),
        (" https://example.com/a?b=2&a=1 ", "https://example.com/a?b=2&a=1"),
        ("https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"),
        ("https://example.com./a?gclid=1", "https://example.com/a"),
    ],
)
def test_a_link_has_one_spelling(came: str, canonical: str) -> None:
    assert canonical_url(came) == canonical
    assert canonical_url(canonical) == canonical
    assert len(url_id(canonical)) == 64


@pytest.mark.parametrize(
    "came",
    [
        "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "ftp://example.com/a", "//example.com/a", "/a", "",
        "https://user@example.com/a", "https://exam ple.com/", "https://example.com/a\0b", "https://example.com/<script>",
        "https://localhost/a", "https://", "https://127.0.0.1/a", "https://2130706433/", "https://[::1]/a", "http://x.´/",
        "https://example.com:x/", "https://example.com/" + "a" * 2_000,
    ],
)  # fmt: skip
def test_what_is_no_link_is_refused(came: str) -> None:
    with pytest.raises(ValueError, match="the link"):
        canonical_url(came)


@given(st.text(max_size=60))
def test_a_canonical_link_is_its_own_spelling(text: str) -> None:
    for came in (text, f"https://a.example/{text}", f"https://a.example/?{text}", f"http://x.{text}"):
        try:
            canonical = canonical_url(came)
        except ValueError:
            continue
        assert canonical_url(canonical) == canonical


def test_headlines_are_the_same_whatever_their_dress() -> None:
    one = title_key("Bitcoin’s rally: $100K — what’s next?")
    assert normal_title("Bitcoin’s rally: $100K — what’s next?") == "bitcoins rally 100k what s next".replace(
        "what s", "whats"
    )
    assert one == title_key("BITCOIN'S  RALLY $100k - What's Next")
    assert one != title_key("Bitcoin's rally: $100K - what next?")
