"""Ethereum's answers: what is read of sound ones, and that nothing else passes."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from crypto_assets.clients.evm_rpc import Block, EvmNode, FeeHistory, parse_block, parse_history, quantity
from crypto_assets.clients.failures import Rejected, Unavailable
from crypto_assets.clients.pool_values import UNREADABLE
from crypto_assets_tests.clients.rpc_stub import rpc_stub

SOUND: dict[str, object] = {
    "oldestBlock": "0x64",
    "baseFeePerGas": ["0x3b9aca00", "0x3b9aca00", "0x77359400"],
    "gasUsedRatio": [0.5, 1],
    "reward": [["0x0", "0x1", "0x1"], ["0x5", "0x6", "0x3B9ACA00"]],
    "baseFeePerBlobGas": ["0x1"],
}


def test_a_fee_history_has_one_base_fee_more_than_blocks() -> None:
    found = parse_history(SOUND, 2, 101)
    assert found == FeeHistory(100, (10**9, 10**9, 2 * 10**9), (0.5, 1.0), ((0, 1, 1), (5, 6, 10**9)))
    assert found.newest_block == 101
    assert parse_history(SOUND, 2, None) == found


def _with(**changed: object) -> dict[str, object]:
    return {**copy.deepcopy(SOUND), **changed}


HOSTILE: dict[str, object] = {
    "short base fees": _with(baseFeePerGas=["0x1", "0x1"]),
    "long base fees": _with(baseFeePerGas=["0x1"] * 4),
    "short ratios": _with(gasUsedRatio=[0.5]),
    "short rewards": _with(reward=[["0x0", "0x1", "0x1"]]),
    "a short reward": _with(reward=[["0x0", "0x1"], ["0x5", "0x6", "0x7"]]),
    "a long reward": _with(reward=[["0x0", "0x1", "0x1", "0x1"], ["0x5", "0x6", "0x7"]]),
    "rewards that fall": _with(reward=[["0x2", "0x1", "0x3"], ["0x5", "0x6", "0x7"]]),
    "no rewards": {name: value for name, value in SOUND.items() if name != "reward"},
    "null rewards": _with(reward=None),
    "a null among rewards": _with(reward=[None, ["0x5", "0x6", "0x7"]]),
    "no hex": _with(baseFeePerGas=["0x1", "0xzz", "0x1"]),
    "a number for hex": _with(baseFeePerGas=[1, 1, 1]),
    "negative hex": _with(baseFeePerGas=["0x1", "-0x1", "0x1"]),
    "hex with an underscore": _with(baseFeePerGas=["0x1", "0x1_0", "0x1"]),
    "hex without digits": _with(baseFeePerGas=["0x1", "0x", "0x1"]),
    "an absurd fee": _with(baseFeePerGas=["0x1", "0x" + "f" * 30, "0x1"]),
    "endless hex": _with(baseFeePerGas=["0x1", "0x" + "f" * 10_000, "0x1"]),
    "a ratio above 1": _with(gasUsedRatio=[0.5, 1.01]),
    "a negative ratio": _with(gasUsedRatio=[0.5, -0.1]),
    "NaN": _with(gasUsedRatio=[0.5, math.nan]),
    "infinity": _with(gasUsedRatio=[0.5, math.inf]),
    "a ratio as text": _with(gasUsedRatio=[0.5, "0.5"]),
    "a ratio as truth": _with(gasUsedRatio=[0.5, True]),
    "an absurd block": _with(oldestBlock="0x" + "f" * 12),
    "another block": _with(oldestBlock="0x63"),
    "no block": _with(oldestBlock=None),
    "a list": [SOUND],
    "null": None,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_fee_history_is_refused(name: str) -> None:
    with pytest.raises(UNREADABLE):
        parse_history(HOSTILE[name], 2, 101)


@pytest.mark.parametrize("blocks", [1, 3])
def test_fewer_or_more_blocks_than_were_asked_for_are_refused(blocks: int) -> None:
    with pytest.raises(ValueError, match="entries, expected"):
        parse_history(SOUND, blocks, None)


def test_a_block_has_its_number_and_time() -> None:
    block = {"number": "0xed14f2", "timestamp": "0x6322c973", "hash": "0x1"}
    assert parse_block(block, 15537394) == Block(15537394, datetime(2022, 9, 15, 6, 42, 59, tzinfo=UTC))
    assert parse_block(None, 5) is None
    spoilt: list[dict[str, object]] = [
        {**block, "number": "0xed14f3"}, {**block, "number": None}, {**block, "timestamp": "0x" + "f" * 11},
        {**block, "timestamp": 1663224179}, {"number": "0xed14f2"},
    ]  # fmt: skip
    for one in spoilt:
        with pytest.raises(UNREADABLE):
            parse_block(one, 15537394)


def test_a_quantity_is_hexadecimal_text_within_its_bound() -> None:
    assert [quantity(text, "n", 300) for text in ("0x0", "0x12c", "0x012C")] == [0, 300, 300]
    for text in ("0x12d", "12c", "0X12c", " 0x1", "0x1\n", "0x١", b"0x1", 1, None, True):
        with pytest.raises((TypeError, ValueError)):
            quantity(text, "n", 300)


def test_a_node_of_another_chain_is_refused_and_asked_once_whether_it_is_one() -> None:
    with rpc_stub() as stub:
        address = SecretStr("https://node.example.com")
        stub.result("0x89")
        with pytest.raises(Rejected, match="is a node of chain 137, not of Ethereum"):
            EvmNode(stub.http(), address).require_mainnet()
        stub.result("0x1")
        node = EvmNode(stub.http(), address)
        node.require_mainnet()
        node.require_mainnet()
        assert [call["method"] for _, call in stub.calls] == ["eth_chainId"] * 2
        stub.result(None)
        with pytest.raises(Unavailable, match="has no block 0x5"):
            node.block(5)
        stub.result(SOUND)
        assert node.fee_history(2, 101).newest_block == 101
        assert stub.calls[-1][1]["params"] == ["0x2", "0x65", [10, 50, 90]]
        node.fee_history(2)
        assert stub.calls[-1][1]["params"] == ["0x2", "latest", [10, 50, 90]]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["0x1", "0xff"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*SOUND, "number", "timestamp", "x"]), inner, max_size=6)
    ),
    max_leaves=20,
)


@given(_JSON)
def test_whatever_comes_it_is_read_or_refused(came: object) -> None:
    parsers: list[Callable[[], object]] = [lambda: parse_history(came, 1, None), lambda: parse_block(came, None)]
    for parse in parsers:
        try:
            parse()
        except UNREADABLE:
            continue
