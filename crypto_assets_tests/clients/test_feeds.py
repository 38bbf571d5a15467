"""Feeds become items: recorded ones as an independent reading has them, hostile ones not at all."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pydantic import SecretStr

from crypto_assets.clients.failures import Malformed, ProviderError, Rejected
from crypto_assets.clients.feed_rows import MOST_ITEMS, cryptopanic_items, feed_items
from crypto_assets.clients.feeds import CryptoPanic, Feeds, HostileFeed, parse_feed, payload_of
from crypto_assets.clients.http import HttpProvider
from crypto_assets.clients.safe_fetch import Fetched, Limits, SafeFetch, TooLarge
from crypto_assets.clients.transport import RetryPolicy, Transport
from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets_tests.clients.hostile import BOMB, FILE_ENTITY, ITEM, LOOSE_ENTITY, OUTSIDE_ENTITY, rss

NOW = datetime(2026, 9, 26, 12, tzinfo=UTC)
HASTE = RetryPolicy(attempts=2, first_pause_seconds=0.001, max_pause_seconds=0.002)


def _came(body: str | bytes, kind: str = "application/rss+xml") -> Fetched:
    return Fetched("https://feeds.example/feed", body.encode() if isinstance(body, str) else body, kind)


def _transport(name: str) -> Transport:
    return Transport(name, requests_per_second=10_000, policy=HASTE)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess(SandboxConfig(now=NOW.isoformat())) as running:
        yield running


@pytest.fixture(autouse=True)
def _nothing_is_opened_by_parsers(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "sandbox" not in request.fixturenames:
        monkeypatch.setattr(socket, "create_connection", lambda *_args, **_more: pytest.fail("a parser went out"))


def test_the_recorded_feed_equals_an_independent_reading(recordings: Path) -> None:
    body = (recordings / "news" / "rss_coindesk_2026-09-25.xml").read_bytes()
    found = parse_feed("coindesk", _came(body), NOW)
    items = ElementTree.fromstring(body).findall("channel/item")  # noqa: S314 - a recording of ours
    assert len(found.items) == len(items) == 3
    assert (list(found.refused), found.repeated) == ([], 0)
    for item, element in zip(found.items, items, strict=True):
        assert (item.title, item.url) == (element.findtext("title"), element.findtext("link"))
        assert item.summary == element.findtext("description")  # an empty dc:description follows it
        said = datetime.strptime(element.findtext("pubDate") or "", "%a, %d %b %Y %H:%M:%S %z")
        assert item.published_at == said


@pytest.mark.parametrize(
    "body",
    [
        BOMB, FILE_ENTITY, OUTSIDE_ENTITY, LOOSE_ENTITY,
        BOMB.encode("utf-16"), BOMB.encode("utf-16-le"), BOMB.encode("utf-32"),
        '<?xml version="1.0" encoding="utf-7"?>' + BOMB, '<?xml version="1.0" encoding="cp037"?>' + BOMB,
        "\ufeff  \n" + BOMB, "<!-- x -->" + BOMB.partition("?>")[2], BOMB.lower(),
        '<!DOCTYPE rss PUBLIC "-//Netscape//DTD RSS 0.91//EN" "http://my.netscape.com/rss.dtd">' + rss(("a", "https://e.com/")),
        rss(("a\0b", "https://evil.example/nul")),
        '<?xml version="1.0"?><rss version="2.0"><channel><!ENTITY x "y">' + ITEM.format(title="x", link="https://e.com/"),
    ],
)  # fmt: skip
def test_a_feed_that_declares_or_hides_something_is_not_parsed(body: str | bytes) -> None:
    with pytest.raises(HostileFeed) as refused:
        parse_feed("evil", _came(body), NOW)
    assert payload_of(refused.value)
    assert len(str(refused.value)) < 300


def test_the_encoding_that_http_names_cannot_hide_a_declaration() -> None:
    hidden = BOMB.partition("?>")[2].encode("utf-7")
    with pytest.raises(HostileFeed):
        parse_feed("evil", _came(hidden, "text/xml; charset=utf-7"), NOW)
    with pytest.raises((HostileFeed, Malformed)):  # read as what it says it is not
        parse_feed("evil", _came(hidden), NOW)


def test_harmless_feeds_in_other_encodings_and_broken_ones_are_read() -> None:
    sound = rss(("Käufe & mehr".replace("&", "&amp;"), "https://a.example/1"))
    for body, kind in (
        (sound, "text/xml"), (sound.encode("utf-16"), "text/xml"), ("\ufeff" + sound, "text/xml"),
        (sound.encode("iso-8859-1"), "text/xml; charset=ISO-8859-1"),
        (sound.replace('"1.0"', '"1.0" encoding="windows-1252"').encode("cp1252"), "text/xml"),
        ("\n " + sound, ""),
    ):  # fmt: skip
        assert [item.title for item in parse_feed("a", _came(body, kind), NOW).items] == ["Käufe & mehr"]
    loose = rss(("Up & <b>away</b>", "https://a.example/2")).replace("</channel>", "<oops></channel>")
    assert [item.title for item in parse_feed("a", _came(loose), NOW).items] == ["Up & away"]
    commented = rss(("Up", "https://a.example/3")).replace(
        "</item>", "<description><![CDATA[<!--[if IE]>x<![endif]--><!DOCTYPE html><p>Why</p>]]></description></item>"
    )
    assert [item.summary for item in parse_feed("a", _came(commented), NOW).items] == ["Why"]


def test_what_is_no_feed_is_malformed() -> None:
    for body in ("", "<html><body>Just a moment</body></html>", '{"items": []}', "plain", "<rss" * 200_000):
        with pytest.raises(Malformed):
            parse_feed("a", _came(body), NOW)
    assert parse_feed("a", _came(rss()), NOW).items == ()  # an empty feed is one


def test_bad_items_are_refused_one_by_one_and_good_neighbours_stay() -> None:
    bad = [
        ("", "https://a.example/x"), ("No link", ""), ("Script", "javascript:alert(1)"), ("Data", "data:text/html,x"),
        ("&lt;script&gt;alert(1)&lt;/script&gt;", "https://a.example/y"), ("User", "https://a@b.example/"),
        ("Far", "https://a.example/" + "a" * 3_000), ("?!", "https://a.example/z"), ("Local", "http://localhost/x"),
        ("File", "file:///etc/passwd"),
    ]  # fmt: skip
    good = [(f"Good {number}", f"https://a.example/{number}") for number in range(5)]
    found = parse_feed("a", _came(rss(*(bad * 10), *good, ("Good again", "https://a.example/1/?utm_source=x"))), NOW)
    assert [item.title for item in found.items] == [title for title, _ in good]
    assert (len(found.refused), found.repeated) == (100, 1)
    assert all(one.reason.startswith("no item") and isinstance(one.payload, dict) for one in found.refused)


def test_titles_lose_their_scripts_and_texts_their_length() -> None:
    title = "&lt;b&gt;Bitcoin&lt;/b&gt; &lt;script&gt;alert(1)&lt;/script&gt;up " + "x" * 1_000
    body = rss((title, "https://a.example/1")).replace("</item>", f"<description>{'y ' * 9_000}</description></item>")
    [item] = parse_feed("a", _came(body), NOW).items
    assert item.title.startswith("Bitcoin up xxx")
    assert (len(item.title), len(item.summary)) == (500, 4_000)


def test_times_that_nobody_can_believe_are_left_out_and_told() -> None:
    cases = {
        "Sat, 26 Sep 2026 12:04:59 GMT": (NOW + timedelta(minutes=4, seconds=59), ""),
        "Sat, 26 Sep 2026 12:05:01 GMT": (None, "published in the future: kept without the time"),
        "Sat, 26 Sep 2026 08:00:00 -0400": (NOW, ""),
        "2026-09-26T12:00:00Z": (NOW, ""),
        "Thu, 01 Jan 1970 00:00:00 GMT": (None, "published before there was news of this: kept without the time"),
        "yesterday, I think": (None, "the time cannot be read: kept without it"),
    }
    for said, (at, note) in cases.items():
        body = rss(("Bitcoin", "https://a.example/1")).replace("Fri, 06 Mar 2026 10:00:00 GMT", said)
        found = parse_feed("a", _came(body), NOW)
        assert [item.published_at for item in found.items] == [at], said
        assert [one.reason for one in found.refused] == ([note] if note else [])


def test_items_are_read_up_to_a_number() -> None:
    entries = [{"title": f"Title {number}", "link": f"https://a.example/{number}"} for number in range(MOST_ITEMS + 5)]
    found = feed_items(entries, NOW)
    assert (len(found.items), len(found.refused), found.repeated) == (MOST_ITEMS, 1, 0)
    assert feed_items([None, "text", 5, {}, {"title": 5, "link": []}], NOW).items == ()


def test_a_post_of_cryptopanic_is_read_and_a_bad_one_refused() -> None:
    post = {
        "title": "Solana &amp; friends", "url": "https://cryptopanic.com/news/1/solana/?utm_x=1",
        "published_at": "2026-09-26T10:00:00Z",
        "source": {"domain": "Decrypt.co", "title": "Decrypt"}, "currencies": [{"code": "SOL"}, {"code": 5}, None],
    }  # fmt: skip
    bad: list[object] = [
        None,
        5,
        {},
        {**post, "url": "javascript:x"},
        {**post, "title": None},
        {**post, "published_at": 5},
    ]
    later = {
        **post,
        "url": "https://cryptopanic.com/news/2",
        "published_at": "soon",
        "source": None,
        "currencies": "SOL",
    }
    found = cryptopanic_items({"results": [post, *bad, later, post]}, NOW)
    [first, second] = found.items
    assert (first.title, first.publisher, first.codes) == ("Solana & friends", "decrypt.co", ("SOL",))
    assert first.published_at == NOW - timedelta(hours=2)
    assert (second.publisher, second.codes, second.published_at) == ("cryptopanic", (), None)
    assert (len(found.refused), found.repeated) == (len(bad) + 1, 1)
    for answer in (None, [], {"results": None}, {"status": "api_error"}, "text"):
        with pytest.raises(Malformed):
            cryptopanic_items(answer, NOW)


def test_every_feed_of_the_sandbox_is_read(sandbox: SandboxProcess) -> None:
    from crypto_assets.universe_sources import NewsRules  # noqa: PLC0415

    sandbox.clear_faults()
    feeds = Feeds(SafeFetch(sandbox_url=sandbox.url), _transport, lambda: NOW)
    for name, url in NewsRules().feeds.items():
        found = feeds.read(name, url)
        assert (len(found.items), list(found.refused), found.repeated) == (25, [], 0), name
        assert all(item.published_at and NOW - timedelta(days=3) < item.published_at <= NOW for item in found.items)
        assert all("utm_" not in item.url and "&amp;" not in item.summary for item in found.items)
        assert all("explains" in item.summary for item in found.items)


def test_a_feeds_failures_keep_their_class(sandbox: SandboxProcess) -> None:
    feeds = Feeds(SafeFetch(sandbox_url=sandbox.url), _transport, lambda: NOW)
    for kind, raised in (("html_200", ProviderError), ("unavailable", ProviderError), ("throttled", ProviderError)):
        sandbox.set_faults([Fault(kind=kind, venue="decrypt")])
        with pytest.raises(raised, match="decrypt"):
            feeds.read("decrypt", "https://decrypt.co/feed")
    sandbox.set_faults([Fault(kind="truncated_json", venue="decrypt")])
    assert 0 < len(feeds.read("decrypt", "https://decrypt.co/feed").items) < 25  # cut short, and so read loosely
    sandbox.clear_faults()
    small = Feeds(SafeFetch(Limits(most_bytes=2_000), sandbox_url=sandbox.url), _transport, lambda: NOW)
    with pytest.raises(TooLarge):
        small.read("decrypt", "https://decrypt.co/feed")
    with pytest.raises(Rejected):
        feeds.read("decrypt", "https://decrypt.co/elsewhere")


def test_the_key_of_cryptopanic_stands_in_no_message(sandbox: SandboxProcess) -> None:
    sandbox.clear_faults()
    key = SecretStr("canary-5f3a9c")

    def client(secret: SecretStr) -> CryptoPanic:
        http = HttpProvider(_transport("cryptopanic"), sandbox_url=sandbox.url, secrets=[secret])
        return CryptoPanic(http, secret, lambda: NOW)

    found = client(key).posts()
    assert len(found.items) == 20
    assert {"coindesk" in item.publisher for item in found.items} == {True, False}
    assert any(item.codes for item in found.items)
    for kind in ("html_200", "truncated_json", "unavailable", "throttled", "dropped"):
        sandbox.set_faults([Fault(kind=kind, venue="cryptopanic")])
        with pytest.raises(ProviderError) as failed:
            client(key).posts()
        assert "canary" not in f"{failed.value} {payload_of(failed.value)} {failed.value.__cause__!r}"
    sandbox.clear_faults()
    with pytest.raises(Rejected, match="Token not found"):
        client(SecretStr("")).posts()
