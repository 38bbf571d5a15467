"""The made-up chains: what must be true on them whenever they are asked, and their wire formats' limits and errors."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_assets.clients.evm_rpc import parse_block, parse_history
from crypto_assets.clients.solana_rpc import parse_fees
from crypto_assets.sandbox.market import SeededMarket
from crypto_assets.sandbox.providers.ethereum_chain import (
    base_fees,
    block_time,
    gas_used_ratios,
    newest_block,
    tips,
)
from crypto_assets.sandbox.providers.etherscan import Etherscan
from crypto_assets.sandbox.providers.evm_rpc import EvmRpc
from crypto_assets.sandbox.providers.mempool_space import MempoolSpace, recommended, tip_height
from crypto_assets.sandbox.providers.solana_rpc import SolanaRpc
from crypto_assets.sandbox.venues.exchange import Asked, Reply

NOW_MS = 1_773_144_030_000  # 2026-03-10 12:00:30
HEAD = newest_block(7, NOW_MS // 1000)


def _asked(path: str, query: dict[str, str] | None = None, body: object = None) -> Asked:
    market = SeededMarket(7, lambda: NOW_MS)
    return Asked("chain", path, query or {}, market, seed=7, body=body, clock=lambda: NOW_MS)


def _payload(reply: Reply | None) -> dict[str, object]:
    assert reply is not None
    assert isinstance(reply.payload, dict)
    return reply.payload


def _evm(method: str, *parameters: object) -> dict[str, object]:
    body = {"jsonrpc": "2.0", "id": 5, "method": method, "params": list(parameters)}
    found = _payload(EvmRpc().answer(_asked("/v3/key", body=body)))
    assert (found["jsonrpc"], found["id"]) == ("2.0", 5)
    return found


def _solana(method: str, *parameters: object) -> object:
    body = {"jsonrpc": "2.0", "id": 5, "method": method, "params": list(parameters)}
    found = _payload(SolanaRpc().answer(_asked("/", body=body)))
    return found.get("result", found.get("error"))


@settings(max_examples=30)
@given(st.integers(0, 100), st.integers(15_537_394 - 2_000_000, 30_000_000))
def test_base_fees_follow_the_gas_used_by_the_eighth_rule_and_do_not_depend_on_who_asks(seed: int, first: int) -> None:
    fees = base_fees(seed, first, 60)
    assert base_fees(seed, first + 20, 5) == fees[20:25]
    ratios = gas_used_ratios(fees)
    assert all(0 < ratio < 1 for ratio in ratios)
    for before, after, ratio in zip(fees, fees[1:], ratios, strict=False):
        assert after == pytest.approx(before * (1 + (ratio - 0.5) / 4), rel=1e-9)
        assert abs(after / before - 1) <= 0.125


@settings(max_examples=100)
@given(st.integers(0, 50), st.integers(1_628_000_000, 1_900_000_000))
def test_the_newest_block_is_the_last_at_or_before_a_moment(seed: int, second: int) -> None:
    number = newest_block(seed, second)
    assert block_time(seed, number) <= second < block_time(seed, number + 1)
    assert (block_time(seed, number) - 1_663_224_179) % 12 == 0
    assert block_time(seed, number + 1) - block_time(seed, number) in {12, 24}


def test_one_slot_in_150_stays_without_a_block() -> None:
    assert block_time(7, 15_537_394) == 1_663_224_179
    times = np.array([block_time(7, number) for number in range(20_000_000, 20_001_490)])
    assert (np.diff(times) == 24).sum() in {9, 10, 11}


def test_answers_are_read_by_the_client_s_rules() -> None:
    history = _evm("eth_feeHistory", "0x14", "latest", [10, 50, 90])["result"]
    found = parse_history(history, 20, HEAD)
    assert list(found.base_fees) == base_fees(7, HEAD - 19, 21)
    assert [list(one) for one in found.tips] == tips(7, HEAD - 19, 20, [10, 50, 90])
    block = parse_block(_evm("eth_getBlockByNumber", hex(HEAD), False)["result"], HEAD)
    assert block is not None
    assert block.mined_at == datetime.fromtimestamp(block_time(7, HEAD), UTC)
    assert _evm("eth_blockNumber")["result"] == hex(HEAD)
    assert _evm("eth_chainId")["result"] == "0x1"
    fees = parse_fees(_solana("getRecentPrioritizationFees"))
    assert len(fees) == 150
    assert sum(one.fee == 0 for one in fees) > 75
    named = parse_fees(_solana("getRecentPrioritizationFees", ["A" * 32]))
    assert sum(one.fee > 0 for one in named) > 120


def test_limits_and_errors_are_json_rpc_s() -> None:
    long = _evm("eth_feeHistory", hex(2000), "latest", [50])["result"]
    assert isinstance(long, dict)
    assert (len(long["gasUsedRatio"]), len(long["baseFeePerGas"]), len(long["reward"])) == (1024, 1025, 1024)
    assert _evm("eth_getBlockByNumber", hex(HEAD + 1), False)["result"] is None
    errors = {
        -32601: _evm("eth_accounts"),
        -32000: _evm("eth_feeHistory", "0x1", hex(HEAD + 1), [50]),
        -32602: _evm("eth_feeHistory", "0x1", "latest", [90, 50]),
    }
    for code, found in errors.items():
        assert found["error"]["code"] == code  # type: ignore[index]
    for wrong in (("0x1", "latest", [101]), ("0xzz", "latest", [50]), ("0x1", "newest", [50]), ("0x1",)):
        assert _evm("eth_feeHistory", *wrong)["error"]["code"] == -32602  # type: ignore[index]
    for body in (None, [], {"method": "eth_chainId"}, {"jsonrpc": "2.0", "method": 5}):
        found = _payload(EvmRpc().answer(_asked("/", body=body)))
        assert found["error"]["code"] == -32600  # type: ignore[index]


def test_slots_have_times_and_those_without_a_block_an_error() -> None:
    final = _solana("getSlot", {"commitment": "finalized"})
    newest = _solana("getSlot", {"commitment": "processed"})
    assert isinstance(final, int)
    assert isinstance(newest, int)
    assert 20 < newest - final < 60
    seconds = _solana("getBlockTime", final)
    assert isinstance(seconds, int)
    assert 10 <= NOW_MS // 1000 - seconds <= 20
    answers = [_solana("getBlockTime", slot) for slot in range(final - 200, final)]
    codes = [one["code"] for one in answers if isinstance(one, dict)]
    assert set(codes) == {-32009}
    assert 2 <= len(codes) <= 25
    assert _solana("getBlockTime", newest + 1000)["code"] == -32004  # type: ignore[index]
    assert _solana("getRecentPrioritizationFees", ["A" * 32] * 129)["code"] == -32602  # type: ignore[index]


def test_etherscan_tells_the_next_base_fee_and_says_what_it_does_not_know_with_status_200() -> None:
    query = {"chainid": "1", "module": "gastracker", "action": "gasoracle", "apikey": "x"}
    reply = Etherscan().answer(_asked("/v2/api", query))
    result = _payload(reply)["result"]
    assert isinstance(result, dict)
    assert round(float(result["suggestBaseFee"]) * 1e9) == base_fees(7, HEAD + 1, 1)[0]
    assert result["LastBlock"] == str(HEAD)
    assert len(result["gasUsedRatio"].split(",")) == 5
    for lacking in ("apikey", "chainid", "action"):
        spoilt = Etherscan().answer(_asked("/v2/api", {key: value for key, value in query.items() if key != lacking}))
        assert spoilt is not None
        assert spoilt.status == 200
        assert _payload(spoilt)["message"] == "NOTOK"
    supply = Etherscan().answer(_asked("/v2/api", {**query, "module": "stats", "action": "ethsupply2"}))
    assert _payload(supply)["status"] == "1"


def test_mempool_space_recommends_whole_numbers_that_fall_with_patience() -> None:
    for second in range(1_700_000_000, 1_800_000_000, 1_234_567):
        fees = recommended(7, second)
        assert fees == sorted(fees, reverse=True)
        assert fees[-1] == 1
    reply = MempoolSpace().answer(_asked("/api/blocks/tip/height"))
    assert reply is not None
    assert (reply.text, reply.content_type) == (str(tip_height(NOW_MS // 1000)), "text/plain")
    assert 938_000 < tip_height(NOW_MS // 1000) < 940_000
    assert MempoolSpace().answer(_asked("/api/v1/fees")) is None
