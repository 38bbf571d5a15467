"""Hostile feeds and good ones in one run: nothing of the former gets in, all of the latter does."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from functools import partial

import pytest

from crypto_assets.clients.safe_fetch import SafeFetch
from crypto_assets.datasets.sentiment.news import asset
from crypto_assets.datasets.sentiment.news.table import DATASET, news, news_assets, news_sightings
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.clients.hostile import (
    BOMB,
    FILE_ENTITY,
    GZIP_BOMB,
    LOOSE_ENTITY,
    OUTSIDE_ENTITY,
    Answer,
    LocalServer,
    moved,
    rss,
    serving,
    text,
)
from crypto_assets_tests.datasets.sentiment.news.world import NewsWorld

PUBLIC = "93.184.216.34"
GOOD = {
    f"good{one}": [(f"Good news number {one} of Bitcoin part {part}", f"https://good{one}.example/{part}") for part in (1, 2)]
    for one in (1, 2, 3)
}  # fmt: skip
MALFORMED = [
    ("", "https://evil.example/no-title"), ("No link", ""), ("Evil user", "https://a@evil.example/"),
    ("Evil host", "http://localhost/x"), ("...", "https://evil.example/dots"),
]  # fmt: skip
SCRIPTS = [
    ("&lt;script&gt;alert(1)&lt;/script&gt;", "https://evil.example/only-script"),
    ("Sol &lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(2)&gt;climbs", "https://fine.example/1"),
]
LINKS = [("Evil script", "javascript:alert(1)"), ("Evil data", "data:text/html,x"), ("Evil file", "file:///etc/passwd")]
# Address, and why nothing of it may get in.
HOSTILE = {
    "bomb": ("http://evil.example/bomb", "DTDForbidden"),
    "file_entity": ("http://evil.example/file", "DTDForbidden"),
    "outside_entity": ("http://evil.example/outside", "DTDForbidden"),
    "loose_entity": ("http://evil.example/loose", "declares '<!ENTITY'"),
    "utf16_bomb": ("http://evil.example/utf16", "DTDForbidden"),
    "six_megabytes": ("http://evil.example/six", "more than 5,000,000 bytes"),
    "gzip_bomb": ("http://evil.example/gzip", "more than 5,000,000 bytes"),
    "to_loopback": ("http://evil.example/inside", "no public address"),
    "to_number": ("http://evil.example/number", "writes its host as a number"),
    "loop": ("http://evil.example/loop", "redirects more than 5 times"),
    "decimal": ("http://2130706433/good1", "writes its host as a number"),
    "hexadecimal": ("http://0x7f000001/good1", "writes its host as a number"),
    "octal": ("http://0177.0.0.1/good1", "writes its host as a number"),
    "short": ("http://127.1/good1", "writes its host as a number"),
    "localhost": ("http://localhost/good1", "leads to this machine"),
    "carrier": ("http://100.64.0.1/good1", "no public address"),
    "mapped": ("http://[::ffff:127.0.0.1]/good1", "no public address"),
    "inside": ("http://inside.example/good1", "no public address"),
    "rebound": ("http://rebound.example/good1", "no public address"),
    "nul": ("http://evil.example/nul", "holds NUL bytes"),
    "html": ("http://evil.example/html", "expected a feed"),
}


def _answers(port: int) -> dict[str, Answer]:
    outside = OUTSIDE_ENTITY.replace("{server}", f"127.0.0.1:{port}")
    return {
        **{f"/{name}": text(rss(*items)) for name, items in GOOD.items()},
        "/rebinding": text(rss(("Rebinding tells Ether news today", "https://fine.example/rebinding"))),
        "/bomb": text(BOMB), "/file": text(FILE_ENTITY), "/outside": text(outside), "/loose": text(LOOSE_ENTITY),
        "/utf16": Answer(BOMB.encode("utf-16"), headers={"Content-Type": "text/xml"}),
        "/six": text(rss(("Six", "https://evil.example/six")) + " " * 6_000_000),
        "/gzip": Answer(GZIP_BOMB, headers={"Content-Encoding": "gzip"}),
        "/inside": moved(f"http://127.0.0.1:{port}/good1"), "/number": moved("http://2130706433/good1"),
        "/loop": moved("/loop"),
        "/malformed": text(rss(*MALFORMED * 20)), "/tags": text(rss(*SCRIPTS)), "/links": text(rss(*LINKS)),
        "/nul": text(rss(("Evil\0 nul", "https://evil.example/nul"))), "/html": text("<html><body>Just a moment</body></html>"),
        "/fetched-by-a-parser": text("secret"),
    }  # fmt: skip


class _Net:
    """Every public address leads to the one server; names resolve as their owners please."""

    def __init__(self, server: LocalServer) -> None:
        self.port = server.port
        self.dialled: set[str] = set()
        self.lookups = {"rebinding.example": iter([[PUBLIC]] + [["127.0.0.1"]] * 9)}

    def resolve(self, host: str, _port: int) -> Sequence[str]:
        private = {"inside.example": ["10.0.0.7"], "rebound.example": [PUBLIC, "127.0.0.1"], "localhost": ["127.0.0.1"]}
        return next(self.lookups[host]) if host in self.lookups else private.get(host, [PUBLIC])

    def connect(self, address: str, _port: int, seconds: float) -> socket.socket:
        self.dialled.add(address)
        return socket.create_connection(("127.0.0.1", self.port), seconds)


def test_hostile_feeds_bring_nothing_and_good_ones_everything(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving({}) as server:
        server.answers |= _answers(server.port)
        net = _Net(server)
        feeds = {name: url for name, (url, _) in HOSTILE.items()} | {
            name: f"http://evil.example/{name}" for name in ("malformed", "tags", "links")
        }
        mixed = dict(sorted((feeds | {name: f"http://{name}.example/{name}" for name in (*GOOD, "rebinding")}).items()))
        world = NewsWorld(warehouse, "", mixed)
        world.with_rules(requests_per_minute=10_000)
        monkeypatch.setattr(asset, "SafeFetch", partial(SafeFetch, resolve=net.resolve, connect=net.connect))
        done = world.run()
        paths = [path for _, path in server.asked]
    outcomes = {one.venue: one for one in done.outcomes}
    for name, (_, why) in HOSTILE.items():
        assert outcomes[name].failed, name
        assert why in outcomes[name].warning, name
    stored = world.rows(news)
    fine = {"https://fine.example/1", "https://fine.example/rebinding"}
    assert set(stored["url"]) == {url for items in GOOD.values() for _, url in items} | fine
    everything = stored.to_csv() + world.rows(news_assets).to_csv() + world.rows(news_sightings).to_csv()
    for trace in ("evil.example", "script", "alert", "onerror", "root:", "secret", "haha", "\0"):
        assert trace not in everything.lower(), trace
    assert list(stored.loc[stored["url"] == "https://fine.example/1", "title"]) == ["Sol climbs"]
    assert [outcomes[name].inserted for name in GOOD] == [2, 2, 2]
    # 100 malformed items: none in, all in the quarantine, each kind once and counted.
    assert (outcomes["malformed"].received, outcomes["malformed"].quarantined) == (0, 100)
    kept = "SELECT {} FROM quality.quarantine WHERE dataset = %s AND venue = 'malformed'"
    assert world.scalar(kept.format("count(*)"), DATASET) == len(MALFORMED)
    assert world.scalar(kept.format("sum(occurrences)"), DATASET) == 100
    assert (outcomes["tags"].quarantined, outcomes["links"].quarantined) == (1, 3)
    # Only addresses that were judged were dialled, and no parser went anywhere.
    assert net.dialled == {PUBLIC}
    assert "/fetched-by-a-parser" not in paths
    assert next(net.lookups["rebinding.example"]) == ["127.0.0.1"]  # the name was looked up once
    assert world.scalar("SELECT count(*) FROM ops.market_polls WHERE failures > 0") == len(HOSTILE)
