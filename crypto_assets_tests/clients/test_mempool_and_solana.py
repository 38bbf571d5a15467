"""mempool.space and Solana's nodes: sound answers, and that nothing else passes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from crypto_assets.clients.failures import Malformed, Rejected, Unavailable
from crypto_assets.clients.mempool_space import MempoolSpace, RecommendedFees, parse_fees
from crypto_assets.clients.pool_values import UNREADABLE
from crypto_assets.clients.solana_rpc import SlotFee, SolanaNode
from crypto_assets.clients.solana_rpc import parse_fees as parse_slots
from crypto_assets_tests.clients.rpc_stub import RpcStub, rpc_stub

FEES: dict[str, object] = {"fastestFee": 12, "halfHourFee": 9.5, "hourFee": 7, "economyFee": 2, "minimumFee": 1}
NODE = SecretStr("https://node.example.com")


@pytest.fixture(scope="module")
def stub() -> Iterator[RpcStub]:
    with rpc_stub() as stub:
        yield stub


def test_recommended_fees_may_have_fractions(stub: RpcStub) -> None:
    stub.raw(FEES)
    found = MempoolSpace(stub.http("mempool.space"), "https://mempool.space").recommended()
    assert found == RecommendedFees(12, 9.5, 7, 2, 1)
    assert stub.calls[-1][0] == "/mempool.space/api/v1/fees/recommended"


@pytest.mark.parametrize("value", ["12", None, -1, math.nan, math.inf, True, 10**12, [12], 10**400])
def test_a_hostile_fee_is_refused(stub: RpcStub, value: object) -> None:
    with pytest.raises(UNREADABLE):
        parse_fees({**FEES, "hourFee": value})
    stub.raw({**FEES, "hourFee": value})
    with pytest.raises(Malformed):
        MempoolSpace(stub.http(), "https://mempool.space").recommended()


def test_a_fee_that_is_absent_is_refused() -> None:
    for name in FEES:
        with pytest.raises(UNREADABLE):
            parse_fees({key: value for key, value in FEES.items() if key != name})


def test_the_height_is_plain_digits(stub: RpcStub) -> None:
    mempool = MempoolSpace(stub.http(), "https://mempool.space")
    stub.raw(b"938412\n")
    assert mempool.tip_height() == 938412
    for text in (b"", b"-1", b"1e5", b"<html>", b"9999999999", "٣".encode(), b"12 13", b"\xff"):
        stub.raw(text)
        with pytest.raises(Malformed):
            mempool.tip_height()


def test_slots_come_in_order_whatever_the_answers_order() -> None:
    rows = [{"slot": 9, "prioritizationFee": 0}, {"slot": 7, "prioritizationFee": 10**12}]
    assert parse_slots(rows) == [SlotFee(7, 10**12), SlotFee(9, 0)]


@pytest.mark.parametrize(
    "rows",
    [
        [], None, {}, "text", [None], [[1, 2]], [{"slot": 1}], [{"prioritizationFee": 1}],
        [{"slot": "1", "prioritizationFee": 1}], [{"slot": 1, "prioritizationFee": 1.0}],
        [{"slot": 1, "prioritizationFee": True}], [{"slot": 1, "prioritizationFee": -1}],
        [{"slot": -1, "prioritizationFee": 1}], [{"slot": 1, "prioritizationFee": 10**20}],
        [{"slot": 2**50, "prioritizationFee": 1}],
        [{"slot": 1, "prioritizationFee": 1}, {"slot": 1, "prioritizationFee": 2}],
        [{"slot": number, "prioritizationFee": 1} for number in range(1001)],
    ],
)  # fmt: skip
def test_hostile_slots_are_refused(rows: object) -> None:
    with pytest.raises(UNREADABLE):
        parse_slots(rows)


@given(st.recursive(st.none() | st.integers() | st.floats() | st.text(max_size=3), st.lists, max_leaves=6))
def test_whatever_comes_it_is_read_or_refused(came: object) -> None:
    for parse in (parse_slots, parse_fees):
        with pytest.raises(UNREADABLE):
            parse(came)


def test_a_node_of_a_test_network_is_refused_and_asked_once_whether_it_is_none(stub: RpcStub) -> None:
    stub.result("EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG")
    with pytest.raises(Rejected, match="no node of Solana's main network"):
        SolanaNode(stub.http(), NODE).require_mainnet()
    stub.result("5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d")
    node = SolanaNode(stub.http(), NODE)
    node.require_mainnet()
    asked = len(stub.calls)
    node.require_mainnet()
    assert len(stub.calls) == asked


def test_accounts_are_named_and_the_newest_final_slot_has_its_time(stub: RpcStub) -> None:
    node = SolanaNode(stub.http(), NODE)
    stub.result([{"slot": 5, "prioritizationFee": 3}])
    node.recent_fees(["A" * 32])
    node.recent_fees()
    assert [call["params"] for _, call in stub.calls[-2:]] == [[["A" * 32]], []]
    answers = {"getSlot": 400, "getBlockTime": 1_700_000_000}
    stub.answer = lambda _path, call: {"id": call["id"], "result": answers[str(call["method"])]}
    assert node.newest_final() == (400, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC))
    assert stub.calls[-1][1]["params"] == [400]
    for seconds, kind in ((None, Unavailable), (-5, Malformed), ("1", Malformed), (10**12, Malformed)):
        stub.answer = lambda _path, call, told=seconds: {  # type: ignore[misc]
            "id": call["id"], "result": 400 if call["method"] == "getSlot" else told,
        }  # fmt: skip
        with pytest.raises(kind):
            node.newest_final()
