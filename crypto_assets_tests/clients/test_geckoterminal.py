"""The real client over HTTP on a loopback server: what is asked, in how many pieces, and what comes of it."""

# ruff: noqa: S105 - tokens are coins here

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from crypto_assets.clients.failures import NotServed
from crypto_assets.clients.geckoterminal import GeckoTerminal
from crypto_assets.clients.http import Blocked
from crypto_assets.universe_rules import POOL_TIMEFRAMES, TIMEFRAME_LENGTH, DexRules
from crypto_assets_tests.clients.gecko_answers import (
    Asked,
    Json,
    Reply,
    Stub,
    bars,
    dex,
    pool,
    stub_server,
    token,
    trade,
)

RULES = DexRules(requests_per_minute=10_000)
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


def test_the_budget_is_kept_between_requests(stub: Stub) -> None:
    pauses: list[float] = []
    client = GeckoTerminal(DexRules(requests_per_minute=30), sandbox_url=stub.url, sleep=pauses.append)
    for _ in range(3):
        client.trades("ethereum", "0x1")
    assert [round(pause / 2) for pause in pauses] == [1, 2]  # a clock that no sleep moves: slots 2 s apart


def test_the_library_s_headers_are_sent(stub: Stub, gecko: GeckoTerminal) -> None:
    gecko.trades("ethereum", "0x1")
    assert stub.asked[0].headers["Accept"] == "application/json;version=20230302"


# --- DEXes


def test_dexes_come_from_all_pages_that_are_linked(stub: Stub, gecko: GeckoTerminal) -> None:
    def answer(asked: Asked) -> Reply:
        page = int(asked.query["page"])
        more = f"https://api.geckoterminal.com/api/v2/networks/eth/dexes?page={page + 1}" if page < 3 else None
        return Reply({"data": [dex("shared"), dex(f"d{page}")], "links": {"next": more}})

    stub.answer = answer
    found = gecko.dexes("ethereum")
    assert [row.dex for row in found.rows] == ["shared", "d1", "d2", "d3"]
    assert found.repeated == 2
    assert stub.paths() == ["networks/eth/dexes"] * 3


def test_dexes_without_links_end_with_an_empty_page(stub: Stub, gecko: GeckoTerminal) -> None:
    stub.say(Reply({"data": [dex("a")]}), Reply({"data": [dex("b"), {"id": None}]}), Reply({"data": []}))
    answer = gecko.dexes("solana")
    assert [(row.dex, row.name) for row in answer.rows] == [("a", "A"), ("b", "B")]
    assert len(answer.refused) == 1
    assert [asked.query["page"] for asked in stub.asked] == ["1", "2", "3"]
    assert set(stub.paths()) == {"networks/solana/dexes"}


def test_a_page_that_comes_again_ends_the_dexes(stub: Stub, gecko: GeckoTerminal) -> None:
    stub.say(Reply({"data": [dex("a")], "links": {"next": "https://elsewhere?page=2"}}))
    assert gecko.dexes("solana").rows == gecko.dexes("solana").rows
    assert len(stub.asked) == 4


def test_dexes_end_after_a_hundred_pages(stub: Stub, gecko: GeckoTerminal) -> None:
    stub.answer = lambda asked: Reply({"data": [dex(f"d{asked.query['page']}")], "links": {"next": "yes"}})
    assert len(gecko.dexes("solana").rows) == len(stub.asked) == 100


# --- pools


def test_a_dex_s_pools_are_asked_for_by_page_with_their_tokens(stub: Stub, gecko: GeckoTerminal) -> None:
    stub.say(Reply({"data": [pool("0x1")], "included": [token("0xaa", "WETH")]}))
    (row,) = gecko.top_pools("ethereum", "uniswap_v3", page=3).rows
    assert (row.address, row.base_symbol, row.quote_symbol) == ("0x1", "WETH", "BBB")
    assert stub.asked[0].path == "networks/eth/dexes/uniswap_v3/pools"
    assert stub.asked[0].query == {"page": "3", "include": "base_token,quote_token,dex"}


def test_new_pools_are_asked_for_by_page(stub: Stub, gecko: GeckoTerminal) -> None:
    assert gecko.new_pools("solana", page=2).rows == ()
    assert (stub.asked[0].path, stub.asked[0].query["page"]) == ("networks/solana/new_pools", "2")


def _serve_pools(known: set[str], rejected: frozenset[str] = frozenset()) -> Callable[[Asked], Reply]:
    """A server that rejects a request for several pools whole where it holds one that it rejects."""

    def answer(asked: Asked) -> Reply:
        addresses = asked.path.rpartition("/")[2].split(",")
        assert len(addresses) <= 30
        if rejected & set(addresses):
            return Reply({"errors": ["invalid address"]}, 400)
        found = [pool(address) for address in addresses if address in known]
        if "/multi/" in asked.path:
            return Reply({"data": found})
        return Reply({"data": found[0]}) if found else Reply({}, 404)

    return answer


def test_any_number_of_pools_is_asked_for_thirty_at_a_time(stub: Stub, gecko: GeckoTerminal) -> None:
    addresses = [f"0x{i:040x}" for i in range(65)]
    stub.answer = _serve_pools(set(addresses[:-1]))
    answer = gecko.pools("ethereum", [*addresses, *addresses[:3]])
    assert [row.address for row in answer.rows] == addresses[:-1]
    assert [path.count(",") + 1 for path in stub.paths()] == [30, 30, 5]
    assert not answer.refused


def test_no_pools_cost_no_request(stub: Stub, gecko: GeckoTerminal) -> None:
    assert gecko.pools("ethereum", []).rows == ()
    assert gecko.token_pools("ethereum", []) == {}
    assert not stub.asked


def test_one_bad_address_costs_no_other_pool(stub: Stub, gecko: GeckoTerminal) -> None:
    stub.answer = _serve_pools({"0x1", "0x2"}, frozenset({"bad"}))
    answer = gecko.pools("ethereum", ["0x1", "bad", "0x2", "0x3"])
    assert [row.address for row in answer.rows] == ["0x1", "0x2"]
    assert [row.payload for row in answer.refused] == ["bad"]
    assert len(stub.asked) == 5


def test_a_client_that_is_blocked_is_not_asked_thirty_times(stub: Stub, gecko: GeckoTerminal) -> None:
    stub.say(Reply(HTML, 403))
    for ask in (gecko.pools, gecko.token_pools):
        with pytest.raises(Blocked):
            ask("ethereum", [f"0x{i}" for i in range(30)])
    assert len(stub.asked) == 2


def test_hexadecimal_addresses_are_compared_in_lower_case_others_as_they_are(stub: Stub, gecko: GeckoTerminal) -> None:
    stub.answer = lambda _: Reply({"data": [pool("0xAbC1", base="0xDEF"), pool("aB", base="Xy"), pool("Ab")]})
    answer = gecko.pools("ethereum", ["0xABc1", "aB"])
    assert [(row.address, row.base_token) for row in answer.rows] == [("0xabc1", "0xdef"), ("aB", "Xy")]
    assert [(row.reason, row.payload) for row in answer.refused] == [("a pool that was not asked for", "Ab")]


def test_an_address_cannot_leave_its_place_in_the_path(stub: Stub, gecko: GeckoTerminal) -> None:
    gecko.trades("ethereum", "../../x?y=1#z")
    assert stub.paths() == ["networks/eth/pools/../../x?y=1#z/trades"]
    assert stub.asked[0].query == {}


# --- pools of tokens


def test_pools_of_tokens_are_told_with_the_tokens(stub: Stub, gecko: GeckoTerminal) -> None:
    pools = [pool("0x1", base="0xa1", quote="0xb1"), pool("0x2", base="0xb1", quote="0xA2"), pool("0x3")]
    tokens = [token("0xa1", "ONE"), token("0xa2", "TWO"), token("0xc", "NONE")]
    stub.say(Reply({"data": tokens, "included": [*pools, dex("uniswap_v3")]}))
    found = gecko.token_pools("ethereum", ["0xa1", "0xA2", "0xc", "0xb1"])
    assert {name: [row.address for row in rows] for name, rows in found.items()} == {
        "0xa1": ["0x1"], "0xA2": ["0x2"], "0xc": [], "0xb1": ["0x1", "0x2"],
    }  # fmt: skip
    assert found["0xa1"][0].base_symbol == "ONE"
    assert stub.paths() == ["networks/eth/tokens/multi/0xa1,0xa2,0xc,0xb1"]
    assert stub.asked[0].query == {"include": "top_pools"}


def test_tokens_are_asked_for_one_by_one_where_several_are_rejected(stub: Stub, gecko: GeckoTerminal) -> None:
    def answer(asked: Asked) -> Reply:
        if "/multi/" in asked.path:
            return Reply({}, 400)
        if "0xa2" in asked.path:
            return Reply({}, 404)
        return Reply({"data": [pool("0x1", base="0xa1"), pool("0x2", quote="0xa1"), pool("0x9")]})

    stub.answer = answer
    found = gecko.token_pools("ethereum", ["0xa1", "0xa2"])
    assert {name: [row.address for row in rows] for name, rows in found.items()} == {"0xa1": ["0x1", "0x2"], "0xa2": []}
    assert stub.paths()[1:] == ["networks/eth/tokens/0xa1/pools", "networks/eth/tokens/0xa2/pools"]


# --- bars and trades


@pytest.mark.parametrize(
    ("timeframe", "unit", "count"),
    [("1m", "minute", "1"), ("15m", "minute", "15"), ("1h", "hour", "1"), ("12h", "hour", "12"), ("1d", "day", "1")],
)
def test_bars_are_asked_for_in_usd_of_the_base_token(
    stub: Stub, gecko: GeckoTerminal, timeframe: str, unit: str, count: str
) -> None:
    stub.say(Reply(bars([])))
    found = gecko.bars("ethereum", "0x1", timeframe)
    assert (len(found), found.received, found.oldest_ms) == (0, 0, None)
    assert stub.asked[0].path == f"networks/eth/pools/0x1/ohlcv/{unit}"
    assert stub.asked[0].query == {"aggregate": count, "limit": "1000", "currency": "usd", "token": "base"}


def test_all_timeframes_of_ours_are_the_library_s(stub: Stub, gecko: GeckoTerminal) -> None:
    stub.say(Reply(bars([])))
    for timeframe in POOL_TIMEFRAMES:
        gecko.bars("ethereum", "0x1", timeframe)
    assert len(stub.asked) == len(POOL_TIMEFRAMES)
    with pytest.raises(NotServed):
        gecko.bars("ethereum", "0x1", "30m")


def test_only_finished_bars_that_open_before_are_given(stub: Stub, gecko: GeckoTerminal) -> None:
    start = 1_756_300_020
    stub.say(Reply(bars([[start + 60 * i, 1, 3, 0.5, 2, 10] for i in range(5, -1, -1)])))
    before = datetime.fromtimestamp(start + 180.5, UTC)
    found = gecko.bars("ethereum", "0x1", "1m", before=before, limit=5000)
    assert found.opened_at_ms.tolist() == [(start + 60 * i) * 1000 for i in range(4)]
    assert stub.asked[0].query["before_timestamp"] == str(start + 181)
    assert stub.asked[0].query["limit"] == "1000"
    now = datetime.fromtimestamp(start + 300, UTC)  # the fifth bar has just closed, the sixth opens
    assert len(gecko.bars("ethereum", "0x1", "1m", now=now)) == 5
    assert len(gecko.bars("ethereum", "0x1", "1m", now=now, limit=7)) == 5
    assert stub.asked[-1].query["limit"] == "7"


def test_the_bar_that_is_open_by_the_real_clock_is_left_out(stub: Stub, gecko: GeckoTerminal) -> None:
    day = int(TIMEFRAME_LENGTH["1d"].total_seconds())
    today = int(datetime.now(UTC).timestamp()) // day * day
    stub.say(Reply(bars([[today - day * i, 1, 1, 1, 1, 0] for i in range(3)])))
    found = gecko.bars("solana", "x", "1d")
    assert found.received == 3
    if int(datetime.now(UTC).timestamp()) < today + day:  # unless midnight has passed meanwhile
        assert found.opened_at_ms.tolist() == [(today - day * i) * 1000 for i in (2, 1)]


def test_trades_are_asked_for_from_a_volume_on(stub: Stub, gecko: GeckoTerminal) -> None:
    gecko.trades("ethereum", "0x1")
    gecko.trades("ethereum", "0x1", 12.5)
    assert stub.paths() == ["networks/eth/pools/0x1/trades"] * 2
    assert [asked.query for asked in stub.asked] == [{}, {"trade_volume_in_usd_greater_than": "12.5"}]


def test_networks_with_an_underscore_keep_their_name(stub: Stub) -> None:
    rules = DexRules.model_validate(
        {"networks": {"polygon_pos": {"dexes": ["quickswap"]}}, "requests_per_minute": 10_000}
    )
    client = GeckoTerminal(rules, sandbox_url=stub.url)
    told: Json = pool("0x1", network="polygon_pos", base="0xaa")
    stub.say(Reply({"data": [told]}), Reply({"data": [trade(network="polygon_pos", ordinal=7)]}))
    assert client.new_pools("polygon_pos").rows[0].base_token == "0xaa"
    assert client.trades("polygon_pos", "0x1").ordinal.tolist() == [7]


# --- threads and connections


def test_a_twin_shares_pace_and_breaker_and_has_its_own_connection(stub: Stub, gecko: GeckoTerminal) -> None:
    twin = gecko.twin()
    assert twin.transport is gecko.transport
    gecko.trades("ethereum", "0x1")
    twin.trades("ethereum", "0x1")
    assert gecko.transport.requests == len(stub.asked) == 2
    twin.close()
    gecko.trades("ethereum", "0x1")
    twin.trades("ethereum", "0x1")
    assert len(stub.asked) == 4
    twin.close()


def test_nothing_heavy_is_loaded_before_the_first_request() -> None:
    code = (
        "import sys; from crypto_assets.clients.geckoterminal import GeckoTerminal as G;"
        "from crypto_assets.universe_rules import DexRules; G(DexRules()).close();"
        "assert not {'geckoterminal_py', 'pandas', 'httpx'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
