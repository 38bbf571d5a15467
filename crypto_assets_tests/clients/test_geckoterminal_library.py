"""One request: every failure by its class over real HTTP; and the library's own faults that ours go around.

Where one of the tests at the end fails after an upgrade, the library has learned something, and geckoterminal.py may shrink.
"""

# ruff: noqa: S105, S106 - tokens are coins here

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import version

import glom
import httpx
import pytest
from geckoterminal_py import GeckoTerminalAsyncClient, GeckoTerminalSyncClient

from crypto_assets.clients import geckoterminal_library
from crypto_assets.clients.failures import Malformed, NotListed, ProviderError, Rejected, Throttled, Unavailable
from crypto_assets.clients.geckoterminal import GeckoTerminal
from crypto_assets.clients.geckoterminal_library import make_library
from crypto_assets.clients.http import Blocked
from crypto_assets.clients.pool_rows import parse_pool, parse_pools
from crypto_assets.clients.pool_trade_rows import parse_pool_bars
from crypto_assets.clients.transport import RetryPolicy, Transport
from crypto_assets.universe_rules import DexRules
from crypto_assets_tests.clients.gecko_answers import NOW, Asked, Json, Reply, Stub, bars, pool, stub_server, trade

MINUTE = 60_000
RULES = DexRules(requests_per_minute=10_000)
ONE_TRY = RetryPolicy(attempts=1, breaker_failures=99)
HTML = b"<!DOCTYPE html><title>Just a moment</title>"


@pytest.fixture
def stub() -> Iterator[Stub]:
    with stub_server() as stub:
        yield stub


@pytest.fixture
def gecko(stub: Stub) -> Iterator[GeckoTerminal]:
    client = GeckoTerminal(RULES, sandbox_url=stub.url, sleep=lambda _: None)
    yield client
    client.close()


def _one_try(url: str) -> GeckoTerminal:
    return GeckoTerminal(RULES, sandbox_url=url, policy=ONE_TRY, sleep=lambda _: None)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (301, Rejected), (400, Rejected), (401, Blocked), (403, Blocked), (404, NotListed), (408, Unavailable),
        (418, Throttled), (422, Rejected), (429, Throttled), (451, Blocked), (500, Unavailable), (503, Unavailable),
        (520, Unavailable),
    ],
)  # fmt: skip
def test_a_status_decides_the_class(stub: Stub, status: int, expected: type[ProviderError]) -> None:
    stub.say(Reply(HTML, status))
    with pytest.raises(expected) as caught:
        _one_try(stub.url).trades("ethereum", "0x1")
    assert type(caught.value) is expected
    assert str(status) in str(caught.value)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(HTML),
        Reply(b""),
        Reply(b'{"data": [{"id": "eth_0'),
        Reply(b"\xff\xfe\xfa{}"),
        Reply(b"1" * 5000),
        Reply(b"[" * 200_000),
        Reply(b"no gzip", headers={"Content-Encoding": "gzip"}),
        Reply(None),
        Reply([]),
        Reply("data"),
        Reply({}),
        Reply({"errors": [{"status": "500"}]}),
        Reply({"data": None}),
        Reply({"data": "x"}),
    ],
    ids=lambda reply: str(reply.body)[:20],
)
def test_what_is_no_answer_is_malformed_whatever_was_asked(stub: Stub, reply: Reply) -> None:
    stub.say(reply)
    client = _one_try(stub.url)
    asks: list[Callable[[], object]] = [
        lambda: client.dexes("ethereum"),
        lambda: client.top_pools("ethereum", "uniswap_v3"),
        lambda: client.new_pools("ethereum"),
        lambda: client.pools("ethereum", ["0x1"]),
        lambda: client.token_pools("ethereum", ["0x1"]),
        lambda: client.bars("ethereum", "0x1", "1m"),
        lambda: client.trades("ethereum", "0x1"),
    ]
    for ask in asks:
        with pytest.raises(Malformed):
            ask()


@pytest.mark.parametrize("data", [{}, [], {"attributes": None}, {"attributes": {"ohlcv_list": {}}}])
def test_bars_of_another_shape_are_malformed_and_kept(stub: Stub, data: object) -> None:
    stub.say(Reply({"data": data}))
    with pytest.raises(Malformed) as caught:
        _one_try(stub.url).bars("ethereum", "0x1", "1m")
    assert caught.value.payload == {"data": data}


def test_a_page_of_html_is_kept_for_the_quarantine(stub: Stub) -> None:
    stub.say(Reply(HTML))
    with pytest.raises(Malformed) as caught:
        _one_try(stub.url).trades("ethereum", "0x1")
    assert caught.value.payload == HTML.decode()


def test_half_an_answer_is_unavailable(stub: Stub) -> None:
    stub.say(Reply({"data": []}, headers={"Content-Length": "500", "Connection": "close"}))
    with pytest.raises(Unavailable):
        _one_try(stub.url).trades("ethereum", "0x1")


def test_a_connection_that_is_cut_is_unavailable(stub: Stub) -> None:
    stub.say(Reply(cut=True))
    with pytest.raises(Unavailable):
        _one_try(stub.url).trades("ethereum", "0x1")


def test_nobody_there_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Unavailable):
        _one_try(f"http://127.0.0.1:{port}").trades("ethereum", "0x1")


def test_an_answer_that_does_not_come_is_unavailable(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geckoterminal_library, "_TIMEOUT_SECONDS", 0.05)
    done = threading.Event()

    def answer(_: Asked) -> Reply:
        done.wait(30)
        return Reply({"data": []})

    stub.answer = answer
    try:
        with pytest.raises(Unavailable, match="ReadTimeout"):
            _one_try(stub.url).trades("ethereum", "0x1")
    finally:
        done.set()


@pytest.mark.parametrize(
    "reply",
    [Reply(HTML, 503), Reply(HTML), Reply({"data": {}}), Reply(cut=True), Reply(b"{}", 429, {"Retry-After": "7"})],
    ids=["503", "html", "shape", "cut", "429"],
)
def test_what_passes_is_asked_again(stub: Stub, gecko: GeckoTerminal, reply: Reply) -> None:
    stub.say(reply, Reply({"data": [trade()]}))
    assert len(gecko.trades("ethereum", "0x1")) == 1
    assert len(stub.asked) == gecko.transport.requests == 2
    assert gecko.transport.retried == 1


def test_a_refusal_is_final(stub: Stub, gecko: GeckoTerminal) -> None:
    stub.say(Reply({}, 404))
    with pytest.raises(NotListed):
        gecko.bars("ethereum", "0x1", "1m")
    assert len(stub.asked) == 1


def test_retry_after_is_handed_on(stub: Stub) -> None:
    stub.say(Reply({}, 429, {"Retry-After": "17"}))
    with pytest.raises(Throttled) as caught:
        _one_try(stub.url).trades("ethereum", "0x1")
    assert caught.value.retry_after_seconds == 17


# --- the library


def _library_told(answer: object) -> GeckoTerminalSyncClient:
    """The library as it comes, each of whose requests gets that answer."""
    body = json.dumps(answer)
    return GeckoTerminalSyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(200, text=body)))


def test_its_own_methods_run_within_our_pace_and_with_our_retries() -> None:
    network: Json = {"id": "eth", "type": "network", "attributes": {"name": "E", "coingecko_asset_platform_id": "e"}}
    replies = [Reply({}, 503), Reply({"data": [network]})]
    transport = Transport("test", requests_per_second=1e6, sleep=lambda _: None)
    with stub_server() as stub:
        stub.answer = lambda _: replies.pop(0)
        frame = make_library(transport, stub.url).get_networks()  # type: ignore[attr-defined]
    assert frame["id"].tolist() == ["eth"]
    assert (transport.requests, transport.retried, stub.paths()) == (2, 1, ["networks"] * 2)


def test_its_time_out_is_ours_and_its_address_the_real_one() -> None:
    library = make_library(Transport("test", requests_per_second=1))
    assert library.base_url == "https://api.geckoterminal.com/api/v2"
    assert library.client.timeout == httpx.Timeout(10.0)  # type: ignore[attr-defined]
    assert GeckoTerminalSyncClient().client.timeout == httpx.Timeout(5.0)
    library.close()


def test_the_pinned_version() -> None:
    assert version("geckoterminal-py") == "0.3.1"


def test_it_splits_networks_at_the_first_underscore() -> None:
    told = {"data": [pool("0x1", network="polygon_pos")]}
    frame = _library_told(told).get_new_pools_by_network("polygon_pos")
    assert frame["network_id"].tolist() == ["polygon"]
    assert frame["base_token_id"].tolist() == ["pos"]
    assert parse_pools(told, "polygon_pos", NOW).rows[0].base_token == "0xaa"


def test_it_fails_for_an_empty_list_of_pools() -> None:
    with pytest.raises(KeyError, match="id"):
        _library_told({"data": []}).get_new_pools_by_network("eth")
    assert parse_pools({"data": []}, "eth", NOW).rows == ()


def test_it_cannot_read_a_single_pool() -> None:
    told = {"data": pool("0x1")}
    with pytest.raises(glom.PathAccessError):
        _library_told(told).get_pool_by_network_address("eth", "0x1")
    assert parse_pool(told, "eth", NOW).rows[0].address == "0x1"


def test_one_field_that_did_not_come_costs_it_the_page() -> None:
    told = {"data": [pool("0x1"), pool("0x2", price_change_percentage={"h24": "1"})]}
    with pytest.raises(glom.PathAccessError):
        _library_told(told).get_new_pools_by_network("eth")
    assert len(parse_pools(told, "eth", NOW).rows) == 2


def test_it_asks_for_trades_and_several_pools_only_where_asyncio_runs() -> None:
    for name in ("get_trades", "get_multiple_pools_by_network", "get_specific_token_on_network"):
        assert hasattr(GeckoTerminalAsyncClient, name)
        assert not hasattr(GeckoTerminalSyncClient, name)


def test_it_asks_for_the_first_page_only() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        links = {"next": "https://api.geckoterminal.com/api/v2/networks/eth/dexes?page=2"}
        return httpx.Response(200, json={"data": [], "links": links})

    GeckoTerminalSyncClient(transport=httpx.MockTransport(answer)).get_dexes_by_network("eth")
    assert asked == ["https://api.geckoterminal.com/api/v2/networks/eth/dexes"]


def test_it_hands_on_nan_as_text_and_leaves_windows_out() -> None:
    told = {"data": [pool("0x1", base_token_price_usd="NaN")]}
    frame = _library_told(told).get_new_pools_by_network("eth")
    assert frame["base_token_price_usd"].tolist() == ["NaN"]
    assert not [column for column in frame.columns if "m5" in column or "h6" in column]
    assert "volume_usd_h1" not in frame.columns
    (row,) = parse_pools(told, "eth", NOW).rows
    assert row.price_usd is None
    assert list(row.volume_usd) == list(row.buys) == ["5m", "1h", "6h", "24h"]


def test_it_drops_rows_of_bars_and_keeps_nonsense_unseen() -> None:
    start = 1_756_300_020
    sound, other, nonsense = [start, 1, 3, 0.5, 2, 10], [start, 1, 3, 0.5, 2, 11], [start + 60, 1, -3, 0.5, 2, 10]
    told = bars([sound, sound, other, nonsense])
    frame = _library_told(told).get_ohlcv("eth", "0x1", "1m")
    assert len(frame) == 2
    assert frame["high"].tolist() == [3, -3]
    ours = parse_pool_bars(told, MINUTE, int(NOW.timestamp() * 1000))
    assert (len(ours), ours.received, ours.repeated) == (1, 4, 1)
    assert [row.payload for row in ours.refused] == [other, nonsense]


def test_it_neither_asks_again_nor_tells_html_from_a_fault_of_its_own() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, text="<html>")

    with pytest.raises(json.JSONDecodeError):
        GeckoTerminalSyncClient(transport=httpx.MockTransport(answer)).get_networks()
    assert len(asked) == 1
    policy = RetryPolicy(attempts=2)
    transport = Transport("test", requests_per_second=1e6, policy=policy, sleep=lambda _: None)
    with stub_server() as stub:
        stub.answer = lambda _: Reply(b"<html>")
        with pytest.raises(Malformed):
            make_library(transport, stub.url).get_networks()  # type: ignore[attr-defined]
    assert len(stub.asked) == 2
