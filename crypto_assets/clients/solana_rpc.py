"""Solana's priority fees from its nodes: getRecentPrioritizationFees, getSlot, getBlockTime.

What belongs here: the calls, and the rules that an answer must keep. What does not: the envelope and falling over to another
node (json_rpc.py), what a row is made of (datasets/onchain/network_fees). A node tells of its last 150 blocks alone.

Format: Solana's RPC documents. A block's prioritizationFee is the least that a transaction of it paid, in millionths of a
lamport per compute unit: without accounts the least of all, which is often zero; with accounts the least of those that locked
all of them for writing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import SecretStr

from crypto_assets.clients.failures import Rejected, Unavailable
from crypto_assets.clients.http import HttpProvider
from crypto_assets.clients.json_rpc import RpcNode, list_of, object_of

MAINNET = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d"
_MOST_ROWS = 1000  # 150 are served; a node may keep some more
_MOST_SLOTS = 2**40
_MOST_FEE = 10**18
_LATEST_SECONDS = 4_102_444_800  # 2100


@dataclass(frozen=True)
class SlotFee:
    """The least priority fee of a slot's block, in micro-lamports per compute unit."""

    slot: int
    fee: int


class SolanaNode(RpcNode):
    """A node of Solana; asks nothing until it is asked to. For one thread."""

    def __init__(self, http: HttpProvider, address: SecretStr) -> None:
        super().__init__(http, address)
        self._is_mainnet = False

    def require_mainnet(self) -> None:
        """Refuse a node of a test network.

        Raises:
            Rejected: it is one.
            ProviderError: what else went wrong.
        """
        if not self._is_mainnet:
            genesis = self.call("getGenesisHash", [], _text)
            if genesis != MAINNET:
                raise Rejected(f"{self.name} is no node of Solana's main network", way_out="Name a node of that.")
            self._is_mainnet = True

    def recent_fees(self, accounts: Sequence[str] = ()) -> Sequence[SlotFee]:
        """The last blocks' least priority fees, by slot ascending; at least one.

        Args:
            accounts: Writable accounts that transactions must have locked to count; at most 128.

        Raises:
            ProviderError: what went wrong.
        """
        return self.call("getRecentPrioritizationFees", [list(accounts)] if accounts else [], parse_fees)

    def newest_final(self) -> tuple[int, datetime]:
        """The newest slot that will not be rolled back, and its time, UTC.

        Raises:
            Unavailable: the node does not know the time.
            ProviderError: what else went wrong.
        """
        slot = self.call("getSlot", [{"commitment": "finalized"}], lambda came: _count(came, "a slot", _MOST_SLOTS))
        seconds = self.call("getBlockTime", [slot], _seconds)
        if seconds is None:
            raise Unavailable(f"{self.name} does not know the time of slot {slot}", way_out="The next node is asked.")
        return slot, datetime.fromtimestamp(seconds, UTC)


def parse_fees(came: object) -> Sequence[SlotFee]:
    """Fees by slot, ascending. Pure.

    Raises:
        TypeError, ValueError, KeyError: they are none, or a slot stands twice.
    """
    rows = list_of(came, "the fees")
    if not 1 <= len(rows) <= _MOST_ROWS:
        raise ValueError(f"{len(rows)} slots, expected 1 to {_MOST_ROWS}")
    fees = [_row(one) for one in rows]
    if len({one.slot for one in fees}) != len(fees):
        raise ValueError("a slot stands twice")
    return sorted(fees, key=lambda one: one.slot)


def _row(row: object) -> SlotFee:
    fields = object_of(row, "a slot's fee")
    return SlotFee(
        _count(fields["slot"], "a slot", _MOST_SLOTS), _count(fields["prioritizationFee"], "a fee", _MOST_FEE)
    )


def _count(value: object, name: str, most: int) -> int:
    if type(value) is not int:
        raise TypeError(f"{name} is {type(value).__name__}, no whole number")
    if not 0 <= value <= most:
        raise ValueError(f"{name} is negative or absurdly large")
    return value


def _seconds(came: object) -> int | None:
    return None if came is None else _count(came, "a time", _LATEST_SECONDS)


def _text(came: object) -> str:
    if not isinstance(came, str):
        raise TypeError(f"{type(came).__name__}, no text")
    return came
