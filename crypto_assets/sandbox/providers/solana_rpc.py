"""A node of Solana: JSON-RPC 2.0 by POST.

Format: Solana's RPC documents: numbers as JSON numbers; the last 150 blocks' least priority fees by slot; the time of a slot
that has none is an error. Slots of 400 ms are counted from a fixed moment; one in twenty stays without a block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from crypto_assets.sandbox.noise import key_of, noise, uniform
from crypto_assets.sandbox.providers.evm_rpc import Method, RpcError, answer_call, envelope, rpc_error
from crypto_assets.sandbox.venues.exchange import Asked, Reply

SLOT, SLOT_AT_MS, SLOT_MS = 240_000_000, 1_704_758_400_000, 400
CACHE = 150
FINAL_AFTER = 32  # slots
_GENESIS = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d"
_MOST_ACCOUNTS = 128


class SolanaRpc:
    """The node."""

    venue = "solana_rpc"
    hosts = ("api.mainnet-beta.solana.com",)
    used_weight_header = None

    def answer(self, asked: Asked) -> Reply | None:
        """The answer to one call."""
        return answer_call(asked, _METHODS)

    def error(self, status: int) -> object:
        """An error of JSON-RPC."""
        return rpc_error(status)

    def bad_parameter(self, name: str, now_ms: int) -> Reply:
        """-32602."""
        return Reply(envelope(None, {"code": -32602, "message": f"Invalid params: {name}"}), now_ms)


def newest_slot(now_ms: int) -> int:
    """The slot of a moment in epoch milliseconds."""
    return SLOT + (now_ms - SLOT_AT_MS) // SLOT_MS


def fees(seed: int, slots: NDArray[np.int64], accounts: int) -> NDArray[np.int64]:
    """The least priority fee of each slot's block, micro-lamports per compute unit; where no account is named mostly zero."""
    level = np.exp(1.5 * noise(key_of(seed, "solana fees"), slots, 20_000)) * 20_000
    dice = uniform(key_of(seed, "solana fee", accounts), slots)
    share = 0.2 if accounts == 0 else 0.95
    found: NDArray[np.int64] = np.where(dice < share, level * dice / share, 0).astype(np.int64)
    return found


def has_block(seed: int, slots: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a leader made a block in each slot."""
    return uniform(key_of(seed, "solana skipped"), slots) >= 0.05


def _recent_fees(asked: Asked, parameters: Sequence[object]) -> object:
    accounts = parameters[0] if parameters else []
    if not isinstance(accounts, list) or not all(isinstance(one, str) for one in accounts):
        raise RpcError(-32602, "Invalid params: invalid type, expected a sequence of addresses")
    if len(accounts) > _MOST_ACCOUNTS:
        raise RpcError(-32602, f"Too many inputs provided; max {_MOST_ACCOUNTS}")
    head = newest_slot(asked.clock())
    slots = np.arange(head - 2 * CACHE, head + 1, dtype=np.int64)
    made = slots[has_block(asked.seed, slots)][-CACHE:]
    found = fees(asked.seed, made, len(accounts))
    return [{"slot": slot, "prioritizationFee": fee} for slot, fee in zip(made.tolist(), found.tolist(), strict=True)]


def _slot(asked: Asked, parameters: Sequence[object]) -> object:
    """The newest slot with a block at the commitment asked for; final where none is named."""
    options = parameters[0] if parameters else {}
    commitment = options.get("commitment", "finalized") if isinstance(options, dict) else "finalized"
    head = newest_slot(asked.clock()) - (FINAL_AFTER if commitment == "finalized" else 0)
    slots = np.arange(head - CACHE, head + 1, dtype=np.int64)
    return int(slots[has_block(asked.seed, slots)][-1])


def _block_time(asked: Asked, parameters: Sequence[object]) -> object:
    slot = parameters[0] if parameters else None
    if type(slot) is not int or slot < 0:
        raise RpcError(-32602, "Invalid params: invalid type, expected u64")
    if slot > newest_slot(asked.clock()):
        raise RpcError(-32004, f"Block not available for slot {slot}")
    if not has_block(asked.seed, np.array([slot], dtype=np.int64))[0]:
        raise RpcError(-32009, f"Slot {slot} was skipped, or missing in long-term storage")
    return (SLOT_AT_MS + (slot - SLOT) * SLOT_MS) // 1000


def _genesis(_asked: Asked, _parameters: Sequence[object]) -> object:
    return _GENESIS


_METHODS: Mapping[str, Method] = {
    "getRecentPrioritizationFees": _recent_fees,
    "getSlot": _slot,
    "getBlockTime": _block_time,
    "getGenesisHash": _genesis,
}
