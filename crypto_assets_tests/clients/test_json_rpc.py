"""Nodes over HTTP on a loopback server: envelopes, errors, falling over, and addresses that hold a key."""

from __future__ import annotations

import traceback
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from crypto_assets.clients.failures import (
    Malformed,
    NotServed,
    ProviderError,
    Rejected,
    Throttled,
    Unavailable,
)
from crypto_assets.clients.json_rpc import NoNodeAnswered, RpcNode, first_answer, name_of, secret_parts
from crypto_assets_tests.clients.rpc_stub import RpcStub, rpc_stub

PUBLIC = "https://node.example.com/eth"
KEY = "canary0123456789abcdef"


@pytest.fixture(scope="module")
def server() -> Iterator[RpcStub]:
    with rpc_stub() as stub:
        yield stub


@pytest.fixture
def stub(server: RpcStub) -> RpcStub:
    server.calls.clear()
    server.status = 200
    return server


def _node(stub: RpcStub, address: str = PUBLIC) -> RpcNode:
    return RpcNode(stub.http(), SecretStr(address))


def _call(node: RpcNode) -> object:
    return node.call("eth_thing", ["0x1", True], lambda came: came)


def test_a_call_is_numbered_and_its_result_is_read(stub: RpcStub) -> None:
    stub.result({"a": 1})
    node = _node(stub)
    assert [_call(node), _call(node)] == [{"a": 1}, {"a": 1}]
    path, call = stub.calls[1]
    assert path == "/node.example.com/eth"
    assert call == {"jsonrpc": "2.0", "id": 2, "method": "eth_thing", "params": ["0x1", True]}


@pytest.mark.parametrize(
    "answer",
    [
        {"jsonrpc": "2.0", "id": 7, "result": 1},  # another call's
        {"jsonrpc": "2.0", "id": "1", "result": 1},
        {"jsonrpc": "2.0", "id": True, "result": 1},
        {"jsonrpc": "2.0", "result": 1},
        {"jsonrpc": "2.0", "id": 1},
        [{"jsonrpc": "2.0", "id": 1, "result": 1}],  # a batch
        [{"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "batch"}}],
        {"jsonrpc": "2.0", "id": 1, "error": "broken"},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": "-32000", "message": "text"}},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": 5}},
        "text", 5, None, b"", b"<html>", b'{"jsonrpc":"2.0","id":1,"resu', b'{"id":1,"result":' + b"[" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_answer_to_the_call_is_malformed(stub: RpcStub, answer: object) -> None:
    stub.raw(answer)
    with pytest.raises(Malformed, match=r"^node\.example\.com: expected "):
        _call(_node(stub))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (-32005, Throttled), (429, Throttled), (-32601, NotServed), (-32602, Rejected), (-32603, Unavailable),
        (-32000, Unavailable), (-32001, Unavailable), (3, Rejected), (10**30, Rejected),
    ],
)  # fmt: skip
def test_errors_come_with_status_200_and_are_told_by_their_code(
    stub: RpcStub, code: int, kind: type[ProviderError]
) -> None:
    stub.raw({"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": "no\x00 thanks,\n come   again"}})
    with pytest.raises(kind, match=f"error {code}: no thanks, come again") as found:
        _call(_node(stub))
    assert type(found.value) is kind


def test_a_result_that_cannot_be_read_is_kept_for_the_quarantine(stub: RpcStub) -> None:
    stub.result({"a": "x" * 50_000})
    with pytest.raises(Malformed, match="'b'") as found:
        _node(stub).call("eth_thing", [], lambda came: came["b"])  # type: ignore[index]
    assert str(found.value.payload).startswith('{"a": "xxx')
    assert len(str(found.value.payload)) == 10_000


def test_the_first_node_that_answers_is_believed_and_the_others_failures_are_told(stub: RpcStub) -> None:
    def answer(path: str, call: dict[str, object]) -> object:
        if path.startswith("/one"):
            return {"jsonrpc": "2.0", "id": call["id"], "error": {"code": -32000, "message": "out of order"}}
        if path.startswith("/two"):
            return [1]
        return {"jsonrpc": "2.0", "id": call["id"], "result": path}

    stub.answer = answer
    names = [f"https://{name}.example.com" for name in ("one", "two", "three", "four")]
    nodes = [RpcNode(stub.http(name_of(name)), SecretStr(name)) for name in names]
    found, node, failures = first_answer("ethereum", nodes, _call)
    assert (found, node.name) == ("/three.example.com/", "three.example.com")
    assert [type(one) for one in failures] == [Unavailable, Malformed]
    assert not any(path.startswith("/four") for path, _ in stub.calls)
    with pytest.raises(NoNodeAnswered, match=r"one\.example\.com answered.*; two\.example\.com: expected") as caught:
        first_answer("ethereum", nodes[:2], _call)
    assert [type(one) for one in caught.value.failures] == [Unavailable, Malformed]
    with pytest.raises(NoNodeAnswered, match="ethereum has no node to ask"):
        first_answer("ethereum", [], _call)


HALVES = KEY[:11], KEY[11:]
ADDRESSES = [
    (f"https://mainnet.example.com/v3/{KEY}", [KEY]),
    (f"https://{KEY}.quick.example.com/", [KEY]),
    (f"https://user:{KEY}@eth.example.com/rpc", [KEY]),
    (f"https://{KEY}:x@eth.example.com/rpc", [KEY]),
    (f"https://eth.example.com/?dkey={KEY}&network=ethereum", [KEY]),
    (f"https://eth.example.com/rpc/{HALVES[0]}%2F{HALVES[1]}/", [f"{HALVES[0]}%2F{HALVES[1]}", "/".join(HALVES)]),
]


FAULTS = ["echo", "error", "result", "status", "html", "refused"]


@pytest.mark.parametrize(
    ("address", "keys", "fault"),
    [*((*one, "echo") for one in ADDRESSES), *((*ADDRESSES[number], fault) for number, fault in enumerate(FAULTS))],
)
def test_no_part_of_an_address_with_a_key_is_ever_told(
    stub: RpcStub, address: str, keys: list[str], fault: str
) -> None:
    said = f"no access for {address} with {' or '.join(keys)} at {address.split('//')[1]}"
    stub.answer = {
        "echo": lambda _path, call: {"jsonrpc": "2.0", "id": 99, "result": [call, said]},
        "error": lambda _path, _call: {"id": None, "error": {"code": -32005, "message": said}},
        "result": lambda _path, call: {"jsonrpc": "2.0", "id": call["id"], "result": {said: said}},
        "status": lambda _path, _call: {"error": said},
        "html": lambda _path, _call: f"<html>{said}</html>".encode(),
        "refused": lambda _path, _call: None,
    }[fault]
    stub.status = 401 if fault == "status" else 200
    http = stub.own(address)
    if fault == "refused":
        http._sandbox_url = "http://127.0.0.1:1"
    node = RpcNode(http, SecretStr(address))
    with pytest.raises(ProviderError) as found:
        node.call("eth_thing", [], lambda came: came[keys[0]])  # type: ignore[index]
    told = [repr(node), repr(vars(node)), repr(vars(found.value)), *_chain(found.value)]
    assert any("own node" in one for one in told)
    assert [one for one in told if any(half in one for half in HALVES)] == []


def _chain(error: BaseException) -> list[str]:
    """An error and all that it came from: in words, in full, its payload, and as a traceback shows it."""
    told = ["".join(traceback.format_exception(error))]
    seen: BaseException | None = error
    while seen is not None:
        told += [str(seen), repr(seen), repr(getattr(seen, "payload", None))]
        seen = seen.__cause__ or seen.__context__
    return told


def test_words_of_an_address_are_no_secrets() -> None:
    parts = {one.get_secret_value() for one in secret_parts(SecretStr(f"https://eth.example.com/v3/{KEY}"))}
    assert {KEY, f"/v3/{KEY}", "eth.example.com", f"https://eth.example.com/v3/{KEY}"} <= parts
    assert not {"v3", "eth", "https", "example", "com", ""} & parts
