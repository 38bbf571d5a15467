"""The live ticker over a real connection: what comes, how many may listen, and that it ends."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

import httpx

from crypto_assets.dashboard.answers import Place
from crypto_assets.dashboard.live import MOST_LISTENERS, event
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.dashboard import world
from crypto_assets_tests.dashboard.conftest import served


@contextmanager
def listening(url: str) -> Iterator[Iterator[tuple[str, object]]]:
    """Events as they come."""
    with httpx.stream("GET", f"{url}/api/live", trust_env=False, timeout=20) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")

        def events() -> Iterator[tuple[str, object]]:
            name = ""
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    yield name, json.loads(line.removeprefix("data: "))

        yield events()


def test_a_new_quote_is_told_within_seconds(url: str, filled: Warehouse) -> None:
    with listening(url) as events:
        name, first = next(events)
        assert name == "quotes"
        assert isinstance(first, list)
        assert [(one["venue"], one["symbol"]) for one in first] == sorted(world.SERIES)
        [stale] = [one for one in first if one["is_stale"]]
        assert (stale["symbol"], stale["bid"], stale["ask_quantity"]) == ("ETH/USDT", "100.10", "2")
        world.put_quote(filled, "mexc", "BTC/USDT", datetime.now(UTC), bid="100.17", age_ms=400)
        told = time.monotonic() + 15
        for _, quotes in events:
            assert isinstance(quotes, list)
            [bitcoin] = [one for one in quotes if (one["venue"], one["symbol"]) == ("mexc", "BTC/USDT")]
            if bitcoin["bid"] == "100.17":
                assert 400 <= bitcoin["age_ms"] < 15_000
                return
            assert time.monotonic() < told


def test_no_more_listen_than_may_and_a_place_is_free_again(url: str) -> None:
    with ExitStack() as stack:
        heard = [stack.enter_context(listening(url)) for _ in range(MOST_LISTENERS)]
        assert {next(events)[0] for events in heard} == {"quotes"}
        assert asked(url) == 503
    deadline = time.monotonic() + 15
    while asked(url) != 200:
        assert time.monotonic() < deadline
    assert httpx.head(f"{url}/api/live", trust_env=False).content == b""


def asked(url: str) -> int:
    """The status, without waiting for an end that there is not."""
    with httpx.stream("GET", f"{url}/api/live", trust_env=False, timeout=20) as answer:
        assert answer.status_code == 200 or answer.headers["retry-after"] == "30"
        return answer.status_code


def test_listeners_do_not_keep_the_server_from_ending(place: Place) -> None:
    with ExitStack() as stack:
        with served(place) as url:  # waits for its end, and fails after twenty seconds
            events = stack.enter_context(listening(url))
            next(events)
        assert len(list(events)) <= 2  # what was under way; then the stream was closed in order


def test_a_database_that_is_away_is_told_and_the_connection_stays(place: Place, warehouse: Warehouse) -> None:
    lost = world.place_of(Warehouse(warehouse.url), place.stream_file.parent)
    with served(lost) as url, listening(url) as events:
        assert next(events) == ("quotes", [])
        with warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute("DROP TABLE market.book_ticker_snapshots")
        while (told := next(events))[0] == "quotes":
            pass
    assert told[0] == "trouble"
    assert "lacks something" in str(told[1])


def test_no_symbol_ends_an_event() -> None:
    told = event("quotes", [{"symbol": "A\n\nevent: trouble\ndata: {}\r\n"}])
    assert told.count(b"\n") == 3
    assert b"\r" not in told
