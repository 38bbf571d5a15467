"""Etherscan's gas oracle: a recorded answer, hostile ones, and a key that is never told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr

from crypto_assets.clients.etherscan_gas import EtherscanGas, failure_of, parse_oracle
from crypto_assets.clients.failures import Malformed, ProviderError, Rejected, Throttled, Unavailable
from crypto_assets.clients.http import Blocked
from crypto_assets.clients.pool_values import UNREADABLE
from crypto_assets_tests.clients.rpc_stub import RpcStub, rpc_stub

KEY = SecretStr("CANARYETHERSCANKEY1234567890")
RESULT: dict[str, object] = {
    "LastBlock": "23467872", "SafeGasPrice": "0.496839934", "ProposeGasPrice": "0.496840168",
    "FastGasPrice": "0.55411917", "suggestBaseFee": "0.496839934", "gasUsedRatio": "0.4,0.5,0.6",
}  # fmt: skip


@pytest.fixture(scope="module")
def stub() -> Iterator[RpcStub]:
    with rpc_stub() as stub:
        yield stub


def _answer(**changed: object) -> dict[str, object]:
    return {"status": "1", "message": "OK", "result": {**RESULT, **changed}}


def test_the_recorded_answer_reads_as_it_stands(recordings: Path) -> None:
    [recorded] = json.loads((recordings / "onchain" / "etherscan_gasoracle.json").read_text())
    told = recorded["result"]
    found = parse_oracle(recorded)
    base = Decimal(told["suggestBaseFee"])
    assert found.last_block == int(told["LastBlock"]) == 16134573
    assert found.next_base_fee == float(told["suggestBaseFee"]) == 33.952097068
    prices = [told[name] for name in ("SafeGasPrice", "ProposeGasPrice", "FastGasPrice")]
    assert found.tips == tuple(float(Decimal(price) - base) for price in prices)
    assert found.tips == (0.047902932, 1.047902932, 1.047902932)
    assert list(found.gas_used_ratios) == [float(one) for one in told["gasUsedRatio"].split(",")]
    assert len(found.gas_used_ratios) == 5


def test_tips_are_what_remains_beyond_the_base_fee_to_the_last_digit() -> None:
    assert parse_oracle(_answer()).tips == (0.0, 2.34e-7, 0.057279236)


@pytest.mark.parametrize(
    "answer",
    [
        _answer(SafeGasPrice="0.4"),  # below the base fee
        _answer(FastGasPrice="0.4968401"),
        _answer(suggestBaseFee="-1"), _answer(suggestBaseFee="NaN"), _answer(suggestBaseFee=None),
        _answer(suggestBaseFee="1e400"), _answer(FastGasPrice="9" * 60), _answer(FastGasPrice="1,5"),
        _answer(gasUsedRatio=""), _answer(gasUsedRatio="0.4,,0.5"), _answer(gasUsedRatio="1.5"), _answer(gasUsedRatio=[0.4]),
        _answer(gasUsedRatio="0.1," * 5000 + "0.1"),
        _answer(LastBlock="-5"), _answer(LastBlock="ten"), _answer(LastBlock=1.5), _answer(LastBlock=str(2**70)),
        {"status": "1", "result": None}, {"status": "1", "result": [RESULT]}, {"status": "2", "result": RESULT},
        {"status": "0", "message": "NOTOK", "result": None}, [], None, "text",
    ],
)  # fmt: skip
def test_a_hostile_answer_is_refused(stub: RpcStub, answer: object) -> None:
    with pytest.raises(UNREADABLE):
        parse_oracle(answer)
    stub.raw(answer)
    with pytest.raises(Malformed):
        EtherscanGas(stub.http("etherscan"), KEY).oracle()


def test_failures_come_with_status_200_and_are_told_by_their_words() -> None:
    kinds = {
        "Max calls per sec rate limit reached (3/sec)": Throttled,
        "Max rate limit reached": Throttled,
        "Invalid API Key (#err2)|EXAMPLE": Blocked,
        "Missing/Invalid API Key": Blocked,
        "Unexpected error, timeout or server too busy. Please try again later": Unavailable,
        "Error! Missing Or invalid Action name": Rejected,
    }
    for words, kind in kinds.items():
        assert type(failure_of(words)) is kind, words


@pytest.mark.parametrize("words", ["Invalid API Key {}", "rate limit of {}", "{} is busy", "no {}", None, "LastBlock"])
def test_the_key_is_sent_and_never_told(stub: RpcStub, words: str | None) -> None:
    key = KEY.get_secret_value()
    if words is None:
        stub.raw(f"<html>{key}".encode())
    elif words == "LastBlock":
        stub.raw(_answer(LastBlock=key))
    else:
        stub.raw({"status": "0", "message": "NOTOK", "result": words.format(key)})
    with pytest.raises(ProviderError) as found:
        EtherscanGas(stub.http("etherscan", [KEY]), KEY).oracle()
    assert f"apikey={key}" in stub.calls[-1][0]
    error: BaseException | None = found.value
    while error is not None:
        assert key not in f"{error} {error!r} {getattr(error, 'payload', '')}"
        error = error.__cause__ or error.__context__
