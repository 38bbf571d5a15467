"""Runs over the sandbox's feeds: first sights stay, stories join, failures are warnings, nothing comes twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pandas as pd
import pytest

from crypto_assets.datasets.sentiment.news.asset import build_asset
from crypto_assets.datasets.sentiment.news.read import headlines_of
from crypto_assets.datasets.sentiment.news.read import news as read_news
from crypto_assets.datasets.sentiment.news.table import DATASET, news, news_assets, news_sightings
from crypto_assets.partitions import grids_of
from crypto_assets.sandbox.config import DEFAULT_SEED, SandboxConfig
from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.sandbox.providers.feeds import NEWS_FEEDS, newest_items
from crypto_assets.universe import UniverseError
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.clients.hostile import LocalServer, rss, serving, text
from crypto_assets_tests.datasets.dex.world import KeptOpen
from crypto_assets_tests.datasets.sentiment.news.world import DAY, NOW, NewsWorld, shown

FEEDS = {name: f"https://{name}.example/feed" for name in ("alpha", "beta")}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess(SandboxConfig(now=NOW.isoformat())) as running:
        yield running


@pytest.fixture
def world(warehouse: Warehouse, sandbox: SandboxProcess) -> Iterator[NewsWorld]:
    sandbox.clear_faults()
    sandbox.set_now(NOW)
    kept = KeptOpen(warehouse)
    yield NewsWorld(kept, sandbox.url)
    kept.close()


@pytest.fixture(scope="module")
def publishers() -> Iterator[LocalServer]:
    with serving({}) as running:
        yield running


@pytest.fixture
def two(warehouse: Warehouse, publishers: LocalServer) -> Iterator[NewsWorld]:
    """Two publishers whose feeds a test writes."""
    publishers.answers.clear()
    kept = KeptOpen(warehouse)
    yield NewsWorld(kept, publishers.url, FEEDS)
    kept.close()


def _publish(publishers: LocalServer, **feeds: list[tuple[str, str]]) -> None:
    for name, items in feeds.items():
        publishers.answers[f"/{name}.example/feed"] = text(rss(*items))


def test_the_first_run_stores_all_feeds_and_the_next_only_what_is_new(
    world: NewsWorld, sandbox: SandboxProcess
) -> None:
    done = world.run()
    assert [one.warning for one in done.outcomes if one.warning] == []
    stored, sightings = world.rows(news), world.rows(news_sightings)
    # What the feeds hold, counted from the generator itself: each headline of several publishers is one story.
    now_ms = int(NOW.timestamp() * 1000)
    titles = [(item.title, feed.venue) for feed in NEWS_FEEDS for item in newest_items(DEFAULT_SEED, feed, now_ms)]
    assert len(titles) == 25 * 7
    assert len(stored) + len(sightings) == 25 * 7
    assert len(sightings) >= 10
    assert len(stored) == len(stored["url"].unique())
    assert (stored["first_seen_at"] == NOW).all()
    assert (stored["known_at"] == NOW).all()
    assert (stored["published_at"] <= NOW).all()
    world.now = NOW + timedelta(minutes=1)
    again = world.run()
    assert sum(one.inserted + one.changed for one in again.outcomes) == 0
    assert world.rows(news).equals(stored)
    assert world.rows(news_sightings).equals(sightings)
    assert world.scalar("SELECT count(*) FROM audit.revisions") == 0
    world.now = NOW + timedelta(hours=2)
    sandbox.set_now(world.now)
    later = world.run()
    fresh = world.rows(news)
    assert 0 < sum(one.inserted for one in later.outcomes) == len(fresh) - len(stored)
    assert set(fresh.loc[~fresh["news_id"].isin(stored["news_id"]), "first_seen_at"]) == {pd.Timestamp(world.now)}


def test_a_headline_elsewhere_is_a_sighting_and_its_assets_are_the_first_items(
    two: NewsWorld, publishers: LocalServer
) -> None:
    story = "Bank opens Bitcoin Cash custody"
    _publish(
        publishers,
        alpha=[
            (story, "https://alpha.example/1?utm_source=rss"),
            ("Markets are calm today", "https://alpha.example/2"),
        ],
        beta=[
            ("BANK opens Bitcoin Cash custody!", "https://beta.example/x/"),
            ("$near and XRP", "https://beta.example/y"),
        ],
    )
    done = two.run()
    assert [row["url"] for row in two.rows(news_sightings).to_dict("records")] == ["https://beta.example/x"]
    stored = two.rows(news).set_index("url")
    assert sorted(stored.index) == ["https://alpha.example/1", "https://alpha.example/2", "https://beta.example/y"]
    named = two.rows(news_assets)
    assert sorted(zip(named["asset"], named["matched_text"], named["found_in"], strict=True)) == [
        ("BCH", "Bitcoin Cash", "title"), ("NEAR", "$near", "title"), ("XRP", "XRP", "title"),
    ]  # fmt: skip
    assert [(row["feed"], row["new"], row["seen_elsewhere"]) for row in shown(done, "feeds")] == [
        ("alpha", 2, 0),
        ("beta", 1, 1),
    ]
    assert {row["title"]: row["assets"] for row in shown(done, "newest_headlines")}[story] == "BCH"
    two.now = NOW + timedelta(days=3)  # the other publisher's feed still holds it
    two.run()
    assert len(two.rows(news)) == 3


def test_a_new_headline_of_the_same_url_keeps_its_first_sight_and_what_it_was(
    two: NewsWorld, publishers: LocalServer
) -> None:
    url = "https://alpha.example/1"
    _publish(publishers, alpha=[("Exchange halts Solana withdrawals", url)], beta=[])
    two.run()
    two.now = NOW + timedelta(minutes=30)
    _publish(publishers, alpha=[("Exchange resumes Solana and XRP withdrawals", url)])
    assert two.outcome("alpha", two.run()).changed == 1
    [row] = two.rows(news).to_dict("records")
    assert (row["title"], row["first_seen_at"], row["known_at"]) == (
        "Exchange resumes Solana and XRP withdrawals",
        NOW,
        two.now,
    )
    named = two.rows(news_assets).set_index("asset")["known_at"]
    assert named.to_dict() == {"SOL": pd.Timestamp(NOW), "XRP": pd.Timestamp(two.now)}
    was = two.scalar("SELECT old_row->>'title' FROM audit.revisions WHERE table_name = 'sentiment.news'")
    assert was == "Exchange halts Solana withdrawals"
    before, after = ((NOW, two.now), (two.now, two.now + DAY))
    assert read_news(two.warehouse, *before).empty  # nobody could know this headline then
    assert len(read_news(two.warehouse, *after)) == 1
    two.now += timedelta(minutes=10)
    assert two.outcome("alpha", two.run()).changed == 0


def test_readers_go_by_when_it_was_known(two: NewsWorld, publishers: LocalServer) -> None:
    _publish(
        publishers,
        alpha=[
            ("Bitcoin and Ether fall", "https://alpha.example/1"),
            ("Calm day for traders", "https://alpha.example/2"),
        ],
        beta=[],
    )
    two.run()
    whole = (NOW, NOW + timedelta(seconds=1))
    frame = headlines_of(two.warehouse, *whole)
    assert list(frame.columns) == ["news_id", "asset", "title", "summary", "known_at"]
    assert sorted(zip(frame["title"], frame["asset"], strict=True)) == [
        ("Bitcoin and Ether fall", "BTC"), ("Bitcoin and Ether fall", "ETH"), ("Calm day for traders", ""),
    ]  # fmt: skip
    assert (frame["known_at"] == NOW).all()
    assert headlines_of(two.warehouse, NOW - DAY, NOW).empty
    assert list(read_news(two.warehouse, *whole, assets=["ETH"])["title"]) == ["Bitcoin and Ether fall"]
    assert read_news(two.warehouse, *whole, assets=["SOL"]).empty
    assert len(read_news(two.warehouse, *whole)) == 2


def test_one_feeds_failure_is_a_warning_with_its_name(world: NewsWorld, sandbox: SandboxProcess) -> None:
    sandbox.set_faults([Fault(kind="unavailable", venue="decrypt"), Fault(kind="html_200", venue="theblock")])
    done = world.run()
    failed = {one.venue: one for one in done.outcomes if one.failed}
    assert sorted(failed) == ["decrypt", "theblock"]
    assert all(one.venue in one.warning or "theblock" in one.warning for one in failed.values())
    polls = "SELECT failures FROM ops.market_polls WHERE dataset = %s AND venue = %s"
    assert world.scalar(polls, DATASET, "decrypt") == 1
    assert world.scalar("SELECT count(*) FROM quality.quarantine WHERE venue = 'theblock' AND symbol = 'news'") == 1
    problems = {row["feed"]: row["problem"] for row in shown(done, "feeds")}
    assert problems["coindesk"] == ""
    assert "503" in str(problems["decrypt"])
    world.now += timedelta(minutes=10)
    world.run()
    assert world.scalar(polls, DATASET, "decrypt") == 2
    sandbox.clear_faults()
    world.now += timedelta(minutes=10)
    assert [one for one in world.run().outcomes if one.failed] == []
    assert world.scalar(polls, DATASET, "decrypt") == 0
    spans = "SELECT cardinality(array(SELECT unnest(collected))) FROM ops.collected_ranges WHERE dataset = %s AND venue = %s"
    assert world.scalar(spans, DATASET, "coindesk") == 1  # rounds in a row are one span
    assert world.scalar("SELECT count(*) FROM sentiment.news WHERE publisher = 'decrypt'") != 0


def test_a_day_that_is_over_stores_nothing_and_says_so(
    world: NewsWorld, sandbox: SandboxProcess, caplog: object
) -> None:
    before = sandbox.requests()
    done = world.run(day=NOW - DAY)
    assert (list(done.outcomes), done.metadata) == ([], {})
    assert sandbox.requests() == before
    assert world.rows(news).empty
    assert "feeds tell only of now" in caplog.text  # type: ignore[attr-defined]


def test_cryptopanic_is_asked_with_a_key_alone(world: NewsWorld, sandbox: SandboxProcess, caplog: object) -> None:
    world.run("coindesk")
    assert not any("cryptopanic" in path for path in sandbox.requests())
    world.run()
    assert "cryptopanic is not asked" in caplog.text  # type: ignore[attr-defined]
    with_key = NewsWorld(world.warehouse, sandbox.url, key="canary-77aa")
    done = with_key.run()
    assert with_key.outcome("cryptopanic", done).received == 20
    assert with_key.outcome("cryptopanic", done).inserted == 0  # all are items of feeds under another URL
    elsewhere = "SELECT count(*) FROM sentiment.news_sightings WHERE source = 'feed cryptopanic'"
    assert with_key.scalar(elsewhere) == 20
    sandbox.set_faults([Fault(kind="html_200", venue="cryptopanic")])
    failed = with_key.outcome("cryptopanic", with_key.run("cryptopanic"))
    kept = with_key.scalar("SELECT string_agg(payload::text || reason, '') FROM quality.quarantine")
    polled = with_key.scalar("SELECT string_agg(last_error, '') FROM ops.market_polls")
    assert failed.failed
    assert "canary" not in f"{failed.warning}{kept}{polled}{caplog.text}"  # type: ignore[attr-defined]


def test_a_feed_that_is_none_is_named(world: NewsWorld) -> None:
    with pytest.raises(UniverseError, match="'coindusk'"):
        world.run("coindusk")


def test_a_time_ahead_is_left_out_and_seen(two: NewsWorld, publishers: LocalServer) -> None:
    ahead = rss(("Bitcoin tomorrow already", "https://alpha.example/1")).replace("06 Mar 2026", "13 Mar 2026")
    publishers.answers |= {"/alpha.example/feed": text(ahead), "/beta.example/feed": text(rss())}
    assert two.outcome("alpha", two.run()).quarantined == 1
    [row] = two.rows(news).to_dict("records")
    assert pd.isna(row["published_at"])
    reason = two.scalar("SELECT reason FROM quality.quarantine WHERE dataset = %s AND venue = 'alpha'", DATASET)
    assert reason == "published in the future: kept without the time"


def test_the_asset_has_its_key_grid_and_group() -> None:
    asset = build_asset(grids_of(NOW.date(), ["binance"], ["solana"]))
    assert asset.key.path == ["sentiment", "news"]
    assert asset.group_names_by_key[asset.key] == "sentiment"
    assert asset.partitions_def == grids_of(NOW.date(), ["binance"], ["solana"]).calendar_days
