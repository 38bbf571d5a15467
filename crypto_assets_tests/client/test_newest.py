"""What is newest: from Redis, from PostgreSQL where Redis has nothing, and following both."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from pydantic import SecretStr

from crypto_assets import connect
from crypto_assets.client import (
    Client,
    Found,
    LatestBar,
    LatestBook,
    LatestPrediction,
    LatestQuote,
    LatestScore,
    LatestTicker,
    LatestValue,
    NameUnknown,
    watching,
)
from crypto_assets.client.rendering import Source
from crypto_assets.latest import asking
from crypto_assets.latest.asking import LatestReader
from crypto_assets.latest.telling import LatestValues
from crypto_assets.latest.values import key, microseconds
from crypto_assets.stream.snapshots import SECOND
from crypto_assets.stream.storing import Store
from crypto_assets.warehouse.connection import DatabaseUnreachable, Warehouse
from crypto_assets.warehouse.server_address import free_port
from crypto_assets_tests.client.world import BOOK, HOUR, JANUARY, SEEN, fill
from crypto_assets_tests.latest.making import now, one_of_each, quote
from crypto_assets_tests.latest.redis_server import PATIENCE, RedisServer
from crypto_assets_tests.markets import walk
from crypto_assets_tests.stream.quoting import BTC, ETH, second_of

NOWHERE = f"redis://127.0.0.1:{free_port()}/0"
ASKED: dict[str, Callable[[Client], Found[LatestValue] | None]] = {
    "quote": lambda client: client.latest_quote("mexc", "BTC/USDT"),  # type: ignore[dict-item, return-value]
    "book": lambda client: client.latest_book("okx", "BTC/USDT:USDT"),  # type: ignore[dict-item, return-value]
    "ticker": lambda client: client.latest_ticker("gate", "ETH/USDT"),  # type: ignore[dict-item, return-value]
    "bar": lambda client: client.latest_bar("binance", "BTC/USDT", "1h"),  # type: ignore[dict-item, return-value]
    "prediction": lambda client: client.latest_prediction("gas_4h", "ethereum", "base_fee"),  # type: ignore[dict-item, return-value]
    "score": lambda client: client.latest_score("crypto-lexicon", "BTC"),  # type: ignore[dict-item, return-value]
}


@pytest.fixture(scope="module")
def filled(shared_warehouse: Warehouse) -> Warehouse:
    fill(shared_warehouse)
    return shared_warehouse


def tell(redis: RedisServer, *values: LatestValue) -> None:
    with LatestValues(redis.url, "live").telling() as teller:
        teller.put(values)


@pytest.mark.parametrize("kind", ASKED)
def test_what_redis_holds_comes_from_there_with_its_age(filled: Warehouse, redis: RedisServer, kind: str) -> None:
    [value] = [one for one in one_of_each() if one.kind == kind]
    tell(redis, value)
    with connect(filled.url, redis=redis.url) as client:
        found = ASKED[kind](client)
    assert found is not None
    assert (found.value, found.origin, found.why) == (value, "redis", "")
    assert timedelta(0) < found.age < timedelta(seconds=PATIENCE)
    assert not found.is_due_anew


def test_what_postgresql_holds_is_the_same_kind_of_value(filled: Warehouse) -> None:
    with connect(filled.url) as client:
        best = client.latest_quote("mexc", "ETH/USDT")
        book, ticker = client.latest_book("okx", "BTC/USDT"), client.latest_ticker("okx", "BTC/USDT")
        bar, said = (
            client.latest_bar("binance", "BTC/USDT", "1h"),
            client.latest_prediction("gas_4h", "ethereum", "base_fee"),
        )
        score = client.latest_score("crypto-lexicon", "BTC")
    assert best is not None
    assert (best.value.bid_price, best.value.ask_quantity, best.value.snapshot_at) == (
        "100.10",
        "2.0",
        SEEN + 2 * HOUR / 3600,
    )
    assert best.value.was_so_at == best.value.snapshot_at - timedelta(milliseconds=250)
    assert book is not None
    assert (book.value.bids, book.value.asks) == (BOOK.levels.bids, BOOK.levels.asks)
    assert (book.value.mid, book.value.sequence, book.value.was_so_at) == (100.55, 5, SEEN - timedelta(seconds=2))
    assert ticker is not None
    assert (ticker.value.last, ticker.value.volume_quote_24h, ticker.value.snapshot_at) == (100.5, None, SEEN)
    assert bar is not None
    assert (bar.value.opened_at, bar.value.close) == (JANUARY + 45 * HOUR, walk(46, seed=1).close[-1])
    assert bar.value.known_at == JANUARY + 46 * HOUR
    assert said is not None
    assert (said.value.level_now, said.value.decided_at) == (22.0, JANUARY + 2 * HOUR)
    assert said.value.horizon_end_at == JANUARY + 6 * HOUR
    assert score is not None
    assert (score.value.score, score.value.label, score.value.news_id) == (0.5, "positive", "2" * 64)
    for found in (best, book, ticker, bar, said, score):
        assert (found.origin, found.why) == ("postgres", "no Redis is named")
        assert found.is_due_anew
        assert abs(datetime.now(UTC) - found.value.was_so_at - found.age) < timedelta(seconds=PATIENCE)


def test_where_redis_has_nothing_postgresql_answers_and_says_why(filled: Warehouse, redis: RedisServer) -> None:
    with connect(filled.url, redis=redis.url) as client:
        found = client.latest_quote("mexc", "BTC/USDT")
        assert client.latest_quote("binance", "BTC/USDT") is None  # a market that is known, and that nobody streams
    assert found is not None
    assert (found.origin, found.why) == ("postgres", "Redis has none that anybody should go by")


def test_where_redis_is_away_or_wrong_postgresql_answers(filled: Warehouse, redis: RedisServer) -> None:
    with connect(filled.url, redis=NOWHERE) as client:
        began = time.monotonic()
        answers = [client.latest_quote("mexc", "BTC/USDT") for _ in range(5)]
        assert time.monotonic() - began < PATIENCE
    assert {found.origin for found in answers if found} == {"postgres"}
    assert all(found is not None and "is away" in found.why for found in answers)
    with closing(redis.direct()) as direct, connect(filled.url, redis=redis.url) as client:
        direct.set(key("live", LatestQuote, ("mexc", "BTC/USDT")), b'{"at_us":1}')
        found = client.latest_quote("mexc", "BTC/USDT")
    assert found is not None
    assert found.origin == "postgres"
    assert "Redis holds something else than a quote" in found.why


def test_a_wrong_password_is_a_reason_and_not_shown(filled: Warehouse, locked_redis: RedisServer) -> None:
    with connect(filled.url, redis=f"redis://:canary@127.0.0.1:{locked_redis.port}/0") as client:
        found = client.latest_quote("mexc", "BTC/USDT")
        assert "canary" not in repr(client)
    assert found is not None
    assert "refuses us" in found.why
    assert "canary" not in repr(found)
    tell(locked_redis, quote(bid="7"))
    with connect(filled.url, redis=locked_redis.url) as client:
        found = client.latest_quote("mexc", "BTC/USDT")
    assert found is not None
    assert (found.origin, found.value.bid_price) == ("redis", "7")


def test_redis_belongs_to_the_database_that_is_named_with_it(
    filled: Warehouse, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(redis, quote(bid="7"))
    monkeypatch.setenv("REDIS_URL", redis.url.get_secret_value())
    monkeypatch.setenv("CRYPTO_ASSETS_WAREHOUSE_URL", filled.url.get_secret_value())
    origins = {}
    for name, asked in (("environment", {}), ("address", {"url": filled.url}), ("none", {"redis": ""})):
        with connect(**asked) as client:  # type: ignore[arg-type]
            found = client.latest_quote("mexc", "BTC/USDT")
            assert found is not None
            origins[name] = found.origin
    assert origins == {"environment": "redis", "address": "postgres", "none": "postgres"}


def insert(warehouse: Warehouse, at: int, bid: str = "100.10") -> None:
    with warehouse.connect() as connection:
        Store(connection, SECOND).store([second_of(at, (BTC, ETH), bid=bid)], careful=True)


def this_second() -> int:
    return now() // SECOND * SECOND


def test_values_are_followed_as_redis_tells_them(filled: Warehouse, redis: RedisServer) -> None:
    at = now()
    with connect(filled.url, redis=redis.url) as client:
        following = client.watch(LatestQuote, "mexc", within=timedelta(seconds=PATIENCE))
        heard: list[Found[LatestQuote]] = []
        thread = threading.Thread(target=lambda: heard.extend(next(following) for _ in range(3)))
        thread.start()
        with closing(redis.direct()) as direct:
            while not direct.pubsub_numsub("crypto_assets:live:quote")[0][1]:
                time.sleep(0.01)
        tell(redis, quote(at=at), quote("ETH/USDT", at=at), one_of_each()[3])
        with closing(redis.direct()) as direct:
            direct.publish("crypto_assets:live:quote", "<html>")
        tell(redis, quote(bid="7", at=at + 5))
        thread.join(PATIENCE)
    assert sorted((found.value.symbol, found.value.bid_price) for found in heard) == [
        ("BTC/USDT", "100.10"), ("BTC/USDT", "7"), ("ETH/USDT", "100.10"),
    ]  # fmt: skip
    assert {found.origin for found in heard} == {"redis"}


def test_without_redis_postgresql_is_asked_again_and_again(warehouse: Warehouse) -> None:
    second = this_second()
    insert(warehouse, second - 200 * SECOND)
    with connect(warehouse.url) as client:
        following = client.watch(LatestQuote, "mexc", "BTC/USDT", within=timedelta(seconds=PATIENCE), poll_seconds=0.05)
        heard: list[tuple[int, str]] = []
        for at in (second, second + SECOND):
            insert(warehouse, at)
            found = next(following)
            while found.value.at_us < at:  # what was stored a moment before it began may come first
                found = next(following)
            heard.append((found.value.at_us - second, found.origin))
    assert heard == [(0, "postgres"), (SECOND, "postgres")]


def test_where_more_is_stored_than_is_taken_at_once_the_newest_come(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_MOST_ROWS", 2)
    second = this_second()
    for ago in (3, 2, 1, 0):
        insert(warehouse, second - ago * SECOND)
    with connect(warehouse.url) as client:
        found = [*client.watch(LatestQuote, "mexc", "BTC/USDT", within=timedelta(seconds=0.01))]
    assert [(one.value.at_us - second) // SECOND for one in found] == [-1, 0]


def test_following_ends_after_its_time(filled: Warehouse) -> None:
    with connect(filled.url) as client:
        assert [*client.watch(LatestBar, within=timedelta(seconds=0.2), poll_seconds=0.05)] == []
        for kind in (LatestBook, LatestTicker, LatestPrediction, LatestScore):
            assert [*client.watch(kind, within=timedelta(seconds=0.01))] == []


def test_a_redis_that_dies_is_followed_by_postgresql_and_by_itself_again(
    warehouse: Warehouse, mortal_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "LONGEST_PAUSE", 0.1)
    monkeypatch.setattr(asking, "FIRST_PAUSE", 0.05)
    second = this_second()
    insert(warehouse, second - 600 * SECOND)
    with connect(warehouse.url, redis=mortal_redis.url) as client:
        heard: list[Found[LatestQuote]] = []
        is_over = threading.Event()

        def follow() -> None:
            for found in client.watch(LatestQuote, "mexc", "BTC/USDT", within=timedelta(seconds=60), poll_seconds=0.05):
                heard.append(found)
                if is_over.is_set():
                    return

        thread = threading.Thread(target=follow)
        thread.start()
        _until(lambda: tell(mortal_redis, quote(at=now())) or any(found.origin == "redis" for found in heard))
        mortal_redis.kill()
        insert(warehouse, second + 60 * SECOND)
        _until(lambda: any(found.value.at_us == second + 60 * SECOND for found in heard))
        mortal_redis.start()
        bids = iter(range(1, 10_000))

        def told_again() -> bool:
            number = next(bids)
            tell(mortal_redis, quote(bid=f"{number}", at=second + 60 * SECOND + number))
            return heard[-1].origin == "redis"

        _until(told_again)
        is_over.set()
        tell(mortal_redis, quote(bid="1", at=second + 120 * SECOND))
        thread.join(PATIENCE)
        assert not thread.is_alive()
    moments = [found.value.at_us for found in heard]
    assert moments == sorted(set(moments))  # nothing twice, nothing backwards
    [fallen_back] = [found for found in heard if found.value.at_us == second + 60 * SECOND]
    assert fallen_back.origin == "postgres"
    assert "is away" in fallen_back.why


def test_redis_is_followed_while_postgresql_is_away(redis: RedisServer) -> None:
    away = Source(Warehouse(SecretStr(f"postgresql://nobody@127.0.0.1:{free_port()}/none")))
    value = quote(at=now())
    with structlog.testing.capture_logs() as lines, LatestReader(redis.url, "live") as reader:
        following = watching.Follower(away, reader, LatestQuote, ()).values(PATIENCE)
        heard: list[Found[LatestQuote]] = []
        thread = threading.Thread(target=lambda: heard.append(next(following)))
        thread.start()
        with closing(redis.direct()) as direct:
            _until(lambda: direct.pubsub_numsub("crypto_assets:live:quote")[0][1])
        tell(redis, value)
        thread.join(PATIENCE)
        # When the time is over nobody is asked any more, and where both are away it is said.
        assert [*watching.Follower(away, reader, LatestQuote, ()).values(0.05)] == []
    assert [(found.value, found.origin) for found in heard] == [(value, "redis")]
    assert {line["log_level"] for line in lines} == {"warning"}
    assert "stored before Redis was listened to" in lines[0]["event"]
    with pytest.raises(DatabaseUnreachable):
        next(watching.Follower(away, LatestReader(SecretStr(NOWHERE), "live"), LatestQuote, ()).values(PATIENCE))


def test_a_name_may_have_the_same_part_twice(filled: Warehouse) -> None:
    with connect(filled.url) as client, pytest.raises(NameUnknown, match="of domain 'gas_4h'"):
        client.watch(LatestPrediction, "gas_4h", "gas_4h")


def _until(holds: Callable[[], object]) -> None:
    ends = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < ends, "it never held"
        time.sleep(0.02)


def test_addresses_may_be_secrets_or_text(filled: Warehouse, redis: RedisServer) -> None:
    tell(redis, quote())
    text = filled.url.get_secret_value()
    for address in (filled.url, text):
        with connect(address, redis=SecretStr(redis.url.get_secret_value())) as client:
            found = client.latest_quote("mexc", "BTC/USDT")
            assert found is not None
            assert found.origin == "redis"
    assert microseconds(JANUARY) == 1_704_067_200 * SECOND
