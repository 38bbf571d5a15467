"""Nodes of Ethereum: JSON-RPC 2.0 by POST, whatever the path, as operators put keys there.

Format: Ethereum's execution API as geth answers it: quantities as hexadecimal text; eth_feeHistory at most 1,024 blocks, more
are cut without a word; a block that is not there yet is null; errors come with status 200.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from crypto_assets.sandbox.noise import key_of
from crypto_assets.sandbox.providers.ethereum_chain import base_fees, block_time, gas_used_ratios, newest_block, tips
from crypto_assets.sandbox.venues.exchange import Asked, Reply

FEE_HISTORY_MOST = 1024
GAS_LIMIT = 36_000_000
_QUANTITY = re.compile(r"0x(?:0|[1-9a-f][0-9a-f]{0,15})")
_NEWEST = frozenset({"latest", "pending", "safe", "finalized"})


class RpcError(Exception):
    """An error in JSON-RPC's words."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class EvmRpc:
    """The nodes."""

    venue = "evm_rpc"
    hosts = ("ethereum-rpc.publicnode.com", "eth.drpc.org", "1rpc.io")
    used_weight_header = None

    def answer(self, asked: Asked) -> Reply | None:
        """The answer to one call."""
        return answer_call(asked, _METHODS)

    def error(self, status: int) -> object:
        """An error of JSON-RPC."""
        return rpc_error(status)

    def bad_parameter(self, name: str, now_ms: int) -> Reply:
        """-32602."""
        return Reply(envelope(None, {"code": -32602, "message": f"invalid {name}"}), now_ms)


type Method = Callable[[Asked, Sequence[object]], object]


def answer_call(asked: Asked, methods: Mapping[str, Method]) -> Reply:
    """One call's answer, of any chain's node; rows are a list result, or the rewards of a fee history."""
    body, now = asked.body, asked.clock()
    if not isinstance(body, dict) or body.get("jsonrpc") != "2.0" or not isinstance(body.get("method"), str):
        return Reply(envelope(None, {"code": -32600, "message": "invalid request"}), now)
    try:
        result = methods.get(body["method"], _unknown)(asked, _parameters(body))
    except RpcError as error:
        return Reply(envelope(body.get("id"), {"code": error.code, "message": str(error)}), now)
    rows = result.get("reward") if isinstance(result, dict) else result
    answer = {"jsonrpc": "2.0", "id": body.get("id"), "result": result}
    return Reply(answer, now, rows=rows if isinstance(rows, list) else None)


def _unknown(asked: Asked, _parameters: Sequence[object]) -> object:
    named = asked.body.get("method") if isinstance(asked.body, dict) else None
    raise RpcError(-32601, f"the method {named} does not exist/is not available")


def _parameters(body: Mapping[str, object]) -> Sequence[object]:
    found = body.get("params", [])
    if not isinstance(found, list):
        raise RpcError(-32602, "non-array args")
    return found


def envelope(number: object, error: Mapping[str, object]) -> object:
    """An error as it is sent."""
    return {"jsonrpc": "2.0", "id": number, "error": dict(error)}


def rpc_error(status: int) -> object:
    """The body of an HTTP error of that status."""
    if status in {418, 429}:
        return envelope(None, {"code": -32005, "message": "rate limit exceeded"})
    return envelope(None, {"code": -32603, "message": "internal error" if status >= 500 else "not found"})


def _chain_id(_asked: Asked, _parameters: Sequence[object]) -> object:
    return "0x1"


def _block_number(asked: Asked, _parameters: Sequence[object]) -> object:
    return hex(_head(asked))


def _block(asked: Asked, parameters: Sequence[object]) -> object:
    if len(parameters) != 2 or not isinstance(parameters[1], bool):
        raise RpcError(-32602, "missing value for required argument 1")
    number, head = _number(asked, parameters[0]), _head(asked)
    if not 0 <= number <= head:
        return None
    before, after = base_fees(asked.seed, number, 2)
    return {
        "number": hex(number),
        "hash": _hash(asked.seed, number),
        "parentHash": _hash(asked.seed, number - 1),
        "timestamp": hex(block_time(asked.seed, number)),
        "baseFeePerGas": hex(before),
        "gasLimit": hex(GAS_LIMIT),
        "gasUsed": hex(round(gas_used_ratios([before, after])[0] * GAS_LIMIT)),
        "transactions": [],
    }


def _fee_history(asked: Asked, parameters: Sequence[object]) -> object:
    if len(parameters) not in {2, 3}:
        raise RpcError(-32602, "missing value for required argument")
    wanted = parameters[0]
    count = min(FEE_HISTORY_MOST, wanted if type(wanted) is int else _quantity(wanted))
    newest, head = _number(asked, parameters[1]), _head(asked)
    if newest > head:
        raise RpcError(-32000, f"request beyond head block: requested {newest}, head {head}")
    count = min(count, newest + 1)
    if count < 1:
        return {"oldestBlock": "0x0", "gasUsedRatio": None}
    oldest = newest - count + 1
    fees = base_fees(asked.seed, oldest, count + 1)
    answer: dict[str, object] = {
        "oldestBlock": hex(oldest),
        "baseFeePerGas": [hex(fee) for fee in fees],
        "gasUsedRatio": gas_used_ratios(fees),
        "baseFeePerBlobGas": ["0x1"] * (count + 1),
        "blobGasUsedRatio": [0.5] * count,
    }
    if len(parameters) == 3:
        rewards = tips(asked.seed, oldest, count, _percentiles(parameters[2]))
        answer["reward"] = [[hex(tip) for tip in row] for row in rewards]
    return answer


def _percentiles(came: object) -> list[float]:
    if not isinstance(came, list) or not all(type(one) in (int, float) and 0 <= one <= 100 for one in came):
        raise RpcError(-32602, "invalid reward percentile")
    if came != sorted(came):
        raise RpcError(-32602, "invalid reward percentile: they must ascend")
    return [float(one) for one in came]


def _number(asked: Asked, came: object) -> int:
    if came in _NEWEST:
        return _head(asked)
    return 0 if came == "earliest" else _quantity(came)


def _quantity(came: object) -> int:
    if not isinstance(came, str) or not _QUANTITY.fullmatch(came):
        raise RpcError(-32602, "invalid argument: no hex number")
    return int(came, 16)


def _head(asked: Asked) -> int:
    return newest_block(asked.seed, asked.clock() // 1000)


def _hash(seed: int, number: int) -> str:
    return "0x" + "".join(f"{key_of(seed, 'block', number, part):016x}" for part in range(4))


_METHODS: Mapping[str, Method] = {
    "eth_chainId": _chain_id,
    "eth_blockNumber": _block_number,
    "eth_getBlockByNumber": _block,
    "eth_feeHistory": _fee_history,
}
