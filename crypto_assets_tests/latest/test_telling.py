"""Telling a real Redis, one that dies, one that wants a password, and none at all."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from urllib.parse import quote as quoted_but_slashes

import pytest
import structlog
from pydantic import SecretStr

from crypto_assets.latest import telling
from crypto_assets.latest.asking import LatestReader
from crypto_assets.latest.connecting import RedisAway, RedisRefused, without_password
from crypto_assets.latest.telling import LatestValues, Teller
from crypto_assets.latest.values import LatestBar, LatestQuote, LatestScore, ValueMalformed, key
from crypto_assets.warehouse.server_address import free_port
from crypto_assets_tests.latest.making import SECOND, now, one_of_each, quote
from crypto_assets_tests.latest.redis_server import PASSWORD, PATIENCE, RedisServer

quoted = partial(quoted_but_slashes, safe="")
CHANNEL_QUOTE = "crypto_assets:live:quote"


def eventually(condition: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.01)


def test_all_kinds_are_told_and_found_and_vanish_when_their_life_is_over(redis: RedisServer) -> None:
    values = one_of_each()
    with LatestValues(redis.url, "live").telling() as tell:
        tell.put(values)
    with LatestReader(redis.url, "live") as reader, closing(redis.direct()) as client:
        for value in values:
            assert reader.get(type(value), *value.name) == value
            left = client.pttl(key("live", type(value), value.name))
            assert 0 < left <= (value.until_us - value.at_us) / 1000
        assert reader.get(LatestQuote, "mexc", "DOGE/USDT") is None
        with LatestReader(redis.url, "sandbox") as other:
            assert other.get(LatestQuote, "mexc", "BTC/USDT") is None
        with LatestReader(redis.url, "live", now=lambda: now() + 60 * SECOND) as later:
            assert later.get(LatestQuote, "mexc", "BTC/USDT") is None  # whatever the server's clock says
    assert redis.keys() == sorted(key("live", type(value), value.name) for value in values)


def test_a_value_is_gone_after_its_life(redis: RedisServer) -> None:
    with LatestValues(redis.url, "live").telling() as tell:
        tell.put([quote(life=0.4)])
    eventually(lambda: not redis.keys())


def test_the_newest_wins_whoever_tells_it_and_whenever(redis: RedisServer) -> None:
    at = now()
    first, second = Teller(redis.url, "live"), Teller(redis.url, "live")
    first.put([quote(bid="2", at=at), quote(bid="1", at=at - SECOND)])
    assert first.close()
    second.put([quote(bid="0.5", at=at - 2 * SECOND)])
    assert second.close()
    with LatestReader(redis.url, "live") as reader:
        held = reader.get(LatestQuote, "mexc", "BTC/USDT")
    assert held is not None
    assert held.bid_price == "2"
    assert (first.counters.values, first.counters.passed_over) == (1, 1)
    assert (second.counters.values, second.counters.passed_over) == (0, 1)


def test_what_is_told_is_heard_and_what_is_passed_over_is_not(redis: RedisServer) -> None:
    at = now()
    with LatestReader(redis.url, "live") as reader, reader.listening(LatestQuote) as heard:
        assert heard.next(0.2) == []
        with LatestValues(redis.url, "live").telling() as tell:
            tell.put([quote(at=at), quote("ETH/USDT", at=at)])
        assert sorted(value.symbol for value in heard.next(PATIENCE)) == ["BTC/USDT", "ETH/USDT"]
        with LatestValues(redis.url, "live").telling() as tell:
            tell.put([quote(at=at - 1), one_of_each()[3]])
        assert heard.next(0.2) == []


def test_a_snapshot_of_many_markets_is_one_call(redis: RedisServer) -> None:
    at = now()
    teller = Teller(redis.url, "live")
    teller.put(quote(f"C{number}/USDT", at=at) for number in range(1000))
    assert teller.close()
    assert (teller.counters.calls, teller.counters.values) == (1, 1000)
    assert len(redis.keys()) == 1000


def test_what_is_over_already_is_not_told(redis: RedisServer) -> None:
    teller = Teller(redis.url, "live")
    teller.put([quote(at=now() - 11 * SECOND)])
    assert teller.close()
    assert redis.keys() == []
    assert (teller.counters.values, teller.counters.passed_over) == (0, 1)


def test_what_stands_there_of_others_is_replaced_and_never_believed(redis: RedisServer) -> None:
    place, bar = key("live", LatestQuote, ("mexc", "BTC/USDT")), one_of_each()[3]
    with closing(redis.direct()) as client, LatestReader(redis.url, "live") as reader:
        client.set(place, "<html>")
        with pytest.raises(ValueMalformed, match="Redis holds something else than a quote"):
            reader.get(LatestQuote, "mexc", "BTC/USDT")
        with LatestValues(redis.url, "live").telling() as tell:
            tell.put([bar])
        moved = client.get(key("live", LatestBar, bar.name))
        assert isinstance(moved, bytes)
        client.set(key("live", LatestBar, ("okx", "BTC/USDT", "1h")), moved)
        with pytest.raises(ValueMalformed, match="Under the key of bar okx BTC/USDT 1h stands that of binance"):
            reader.get(LatestBar, "okx", "BTC/USDT", "1h")
        client.delete(place)
        client.lpush(place, "a list")
        with LatestValues(redis.url, "live").telling() as tell:
            tell.put([quote()])
        assert reader.get(LatestQuote, "mexc", "BTC/USDT") is not None


def test_a_redis_that_dies_costs_a_counter_and_a_line_and_is_told_again_when_it_is_back(
    mortal_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "LONGEST_PAUSE", 0.3)
    # A command that was tried before in this process may have left a logger that is silent below warnings.
    monkeypatch.setattr(telling, "log", structlog.wrap_logger(None, wrapper_class=structlog.stdlib.BoundLogger))
    teller = Teller(mortal_redis.url, "live", most_batches=4)
    with structlog.testing.capture_logs() as lines:
        teller.put([quote()])
        eventually(lambda: teller.counters.values == 1)
        mortal_redis.kill()
        began = time.monotonic()
        for _ in range(200):
            teller.put([quote()])
        assert time.monotonic() - began < 1  # nobody waited: a connection alone would take a second to give up
        eventually(lambda: teller.counters.failures >= 3)
        assert teller.counters.dropped >= 190
        mortal_redis.start()
        last = quote(bid="7")
        teller.put([last])
        eventually(mortal_redis.keys)
        eventually(lambda: len(lines) == 2)
        assert teller.close()
    with LatestReader(mortal_redis.url, "live") as reader:
        assert reader.get(LatestQuote, "mexc", "BTC/USDT") == last
    assert [(line["log_level"], line["event"]) for line in lines] == [
        ("warning", "latest values are not told; everything else goes on"),
        ("info", "latest values are told again"),
    ]
    assert f"127.0.0.1:{mortal_redis.port} is away" in lines[0]["error"]


def test_a_redis_that_is_not_there_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "LONGEST_PAUSE", 60.0)
    monkeypatch.setattr(telling, "FIRST_PAUSE", 60.0)
    teller = Teller(SecretStr(f"redis://127.0.0.1:{free_port()}/0"), "live")
    teller.put([quote()])
    eventually(lambda: teller.counters.failures == 1)
    assert teller.close()


def test_a_redis_that_accepts_and_says_nothing_is_away_after_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as mute:
        url = SecretStr(f"redis://127.0.0.1:{mute.getsockname()[1]}/0")
        teller = Teller(url, "live")
        teller.put([quote()])
        eventually(lambda: teller.counters.failures == 1)
        assert teller.close()
        with LatestReader(url, "live") as reader:
            with pytest.raises(RedisAway, match="is away"):
                reader.get(LatestQuote, "mexc", "BTC/USDT")
            began = time.monotonic()
            with pytest.raises(RedisAway, match="is away"):
                reader.get(LatestQuote, "mexc", "BTC/USDT")
            assert time.monotonic() - began < 0.3  # it is not asked again at once


def test_a_wrong_password_is_told_once_and_shown_nowhere(locked_redis: RedisServer) -> None:
    wrong = SecretStr(f"redis://:canary-wrong@127.0.0.1:{locked_redis.port}/0")
    none = SecretStr(f"redis://127.0.0.1:{locked_redis.port}/0")
    with structlog.testing.capture_logs() as lines:
        for url in (wrong, none):
            teller = Teller(url, "live")
            for _ in range(3):
                teller.put([quote()])
            eventually(lambda teller=teller: teller.counters.failures == 1)
            teller.close()
            with LatestReader(url, "live") as reader, pytest.raises(RedisRefused, match="refuses us") as refusal:
                reader.get(LatestQuote, "mexc", "BTC/USDT")
            assert "canary" not in f"{refusal.value!r} {refusal.value.__context__!r}"
            assert "canary" not in repr(LatestValues(url))
    assert len(lines) == 2
    assert all("CRYPTO_ASSETS_REDIS_URL" in line["error"] for line in lines)
    assert "canary" not in repr(lines)
    with LatestValues(locked_redis.url, "live").telling() as tell:
        tell.put([quote()])
    assert locked_redis.keys() == [f"{CHANNEL_QUOTE}:mexc:BTC/USDT"]


@pytest.mark.parametrize(
    "address",
    [f"redis://me:{quoted(PASSWORD)}@h/0", "redis://:canary@h", "unix:///s?password=canary"],
    ids=["user", "none", "query"],
)
def test_no_part_of_an_address_that_is_secret_stands_in_a_text(address: str) -> None:
    secret = PASSWORD if "me:" in address else "canary"
    said = without_password(f"bad {address} with {secret} or {quoted(secret)}", SecretStr(address))
    assert said == "bad *** with *** or ***"


def test_an_address_that_cannot_be_read_is_named_without_it() -> None:
    reader = LatestReader(SecretStr("redis://:canary@127.0.0.1:1/0?db=x"), "live")
    with pytest.raises(RedisAway) as failure:
        reader.get(LatestScore, "lexicon", "BTC")
    assert "canary" not in f"{failure.value} {failure.value.__cause__!r}"
    assert "cannot be read" in str(failure.value)


def test_a_value_that_cannot_be_made_ends_nothing(redis: RedisServer) -> None:
    def broken() -> LatestQuote:
        raise ZeroDivisionError("of a test")

    teller = Teller(redis.url, "live")
    with structlog.testing.capture_logs() as lines:
        teller.put(broken() for _ in range(1))
        eventually(lambda: lines)
        teller.put([quote()])
        assert teller.close()
    assert [line["event"] for line in lines] == ["latest values could not be told"]
    assert len(redis.keys()) == 1
    assert teller.counters.dropped == 1


def test_a_batch_that_cannot_be_made_takes_no_other_of_its_round_with_it(redis: RedisServer) -> None:
    is_waiting, may_go_on = threading.Event(), threading.Event()

    def held() -> Iterator[LatestQuote]:
        is_waiting.set()
        may_go_on.wait(PATIENCE)
        yield quote("A/USDT")

    def broken() -> Iterator[LatestQuote]:
        yield quote("B/USDT")
        raise ZeroDivisionError("of a test")

    teller = Teller(redis.url, "live")
    with structlog.testing.capture_logs() as lines:
        teller.put(held())
        assert is_waiting.wait(PATIENCE)
        for batch in (broken(), [quote("C/USDT")], [quote("D/USDT")]):  # the next round has all of them
            teller.put(batch)
        may_go_on.set()
        assert teller.close(PATIENCE)
    assert redis.keys() == [f"{CHANNEL_QUOTE}:mexc:{one}/USDT" for one in "ABCD"]
    assert [(line["event"], line["log_level"]) for line in lines] == [("latest values could not be told", "error")]
    assert (teller.counters.values, teller.counters.dropped) == (4, 1)


def test_a_value_that_cannot_be_written_is_dropped_alone(redis: RedisServer) -> None:
    """Its text cannot be made, or its key: a lone half of a character, which no encoding of text has."""
    odd = [quote("X/USDT", bid=object()), quote("\ud800/USDT")]  # type: ignore[arg-type]
    teller = Teller(redis.url, "live")
    with structlog.testing.capture_logs() as lines:
        teller.put([odd[0], quote("A/USDT"), odd[1]])
        eventually(lambda: teller.counters.values == 1)
        teller.put([quote("B/USDT")])
        assert teller.close(PATIENCE)
        alone = Teller(redis.url, "live")
        alone.put([odd[0]])  # where nothing is left, nothing is called
        assert alone.close(PATIENCE)
    assert redis.keys() == [f"{CHANNEL_QUOTE}:mexc:{one}/USDT" for one in "AB"]
    assert len(lines) == 3
    assert (teller.counters.values, teller.counters.dropped, teller.counters.calls) == (2, 2, 2)
    assert (alone.counters.dropped, alone.counters.calls) == (1, 0)


def test_without_a_redis_nothing_happens_and_no_driver_is_loaded() -> None:
    before = threading.active_count()
    with LatestValues(None, "live").telling() as tell:
        tell.put(1 / 0 for _ in range(1))  # type: ignore[misc]  # nobody goes through it
    assert threading.active_count() == before
    script = (
        "import sys; from crypto_assets.latest import asking, telling; telling.LatestValues().teller();"
        " assert 'redis' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
