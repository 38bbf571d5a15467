"""Ethereum's fees and blocks from its nodes: eth_feeHistory, eth_getBlockByNumber, eth_chainId.

What belongs here: the calls, and the rules that an answer must keep. What does not: the envelope and falling over to another
node (json_rpc.py), what a row is made of (datasets/onchain/network_fees).

Format: Ethereum's execution API. Quantities are hexadecimal text; fees are in wei per gas; eth_feeHistory answers for N blocks
with N + 1 base fees, the last of which is the block's that comes next.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import SecretStr

from crypto_assets.clients.failures import Rejected, Unavailable
from crypto_assets.clients.http import HttpProvider
from crypto_assets.clients.json_rpc import RpcNode, list_of, object_of

PERCENTILES = (10, 50, 90)
MAINNET = 1
_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")
# A million ether for one unit of gas, and blocks of 30,000 years: beyond lies an error, not a busy day.
_MOST_WEI = 10**24
_MOST_BLOCKS = 2**36
_LATEST_SECONDS = 4_102_444_800  # 2100

type Wei = tuple[int, ...]


@dataclass(frozen=True)
class FeeHistory:
    """Fees of adjacent blocks, the oldest first.

    Args:
        oldest_block: Number of the first.
        base_fees: Wei per gas, one more than there are blocks: the last is the next block's.
        gas_used_ratios: Gas used over the gas limit, 0..1.
        tips: Of each block the priority fees that 10, 50 and 90 % of its gas paid at most, wei per gas; ascending. Zeros
            where the block is empty.
    """

    oldest_block: int
    base_fees: Wei
    gas_used_ratios: Sequence[float]
    tips: Sequence[Wei]

    @property
    def newest_block(self) -> int:
        """Number of the last."""
        return self.oldest_block + len(self.gas_used_ratios) - 1


@dataclass(frozen=True)
class Block:
    """A block's number and the time that it bears, UTC."""

    number: int
    mined_at: datetime


class EvmNode(RpcNode):
    """A node of Ethereum; asks nothing until it is asked to. For one thread."""

    def __init__(self, http: HttpProvider, address: SecretStr) -> None:
        super().__init__(http, address)
        self._is_mainnet = False

    def require_mainnet(self) -> None:
        """Refuse a node of another chain: a test network's fees would look like any others.

        Raises:
            Rejected: it is one.
            ProviderError: what else went wrong.
        """
        if not self._is_mainnet:
            chain = self.call("eth_chainId", [], lambda came: quantity(came, "the chain's number", 2**63))
            if chain != MAINNET:
                raise Rejected(
                    f"{self.name} is a node of chain {chain}, not of Ethereum", way_out="Name a node of Ethereum."
                )
            self._is_mainnet = True

    def fee_history(self, blocks: int, newest: int | None = None) -> FeeHistory:
        """Fees of so many blocks.

        Args:
            blocks: 1..1024.
            newest: Number of the last one; None for the newest that the node has.

        Raises:
            ProviderError: what went wrong.
        """
        last = "latest" if newest is None else hex(newest)
        return self.call(
            "eth_feeHistory", [hex(blocks), last, list(PERCENTILES)], lambda came: parse_history(came, blocks, newest)
        )

    def block(self, number: int | None = None) -> Block:
        """A block by its number; the newest that the node has where none is given.

        Raises:
            Unavailable: the node has no such block.
            ProviderError: what else went wrong.
        """
        asked = "latest" if number is None else hex(number)
        found = self.call("eth_getBlockByNumber", [asked, False], lambda came: parse_block(came, number))
        if found is None:
            raise Unavailable(f"{self.name} has no block {asked}", way_out="The next node is asked.")
        return found


def parse_history(came: object, blocks: int, newest: int | None) -> FeeHistory:
    """A fee history of exactly the blocks that were asked for. Pure.

    Raises:
        TypeError, ValueError, KeyError: it is none.
    """
    answer = object_of(came, "the fee history")
    oldest = quantity(answer["oldestBlock"], "oldestBlock", _MOST_BLOCKS)
    if newest is not None and oldest + blocks - 1 != newest:
        raise ValueError(f"it begins at block {oldest}, expected {newest - blocks + 1}")
    base = [
        quantity(one, "a base fee", _MOST_WEI) for one in list_of(answer["baseFeePerGas"], "baseFeePerGas", blocks + 1)
    ]
    ratios = [ratio_of(one) for one in list_of(answer["gasUsedRatio"], "gasUsedRatio", blocks)]
    tips = [_tips(one) for one in list_of(answer["reward"], "reward", blocks)]
    return FeeHistory(oldest, tuple(base), tuple(ratios), tuple(tips))


def parse_block(came: object, number: int | None) -> Block | None:
    """A block's number and time; None where the node has no such block. Pure.

    Raises:
        TypeError, ValueError, KeyError: it is no block, or another one.
    """
    if came is None:
        return None
    answer = object_of(came, "the block")
    found = quantity(answer["number"], "a block's number", _MOST_BLOCKS)
    if number is not None and found != number:
        raise ValueError(f"it is block {found}, expected {number}")
    return Block(found, datetime.fromtimestamp(quantity(answer["timestamp"], "a block's time", _LATEST_SECONDS), UTC))


def quantity(value: object, name: str, most: int) -> int:
    """A quantity: 0x and hexadecimal digits. Pure.

    Raises:
        TypeError, ValueError: it is none, or more than `most`.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} is {type(value).__name__}, no hexadecimal text")
    if not _QUANTITY.fullmatch(value):
        raise ValueError(f"{name} is {value[:40]!r}, no hexadecimal number")
    number = int(value, 16)
    if number > most:
        raise ValueError(f"{name} is absurdly large")
    return number


def ratio_of(value: object) -> float:
    """A share of the gas limit, 0..1. Pure.

    Raises:
        TypeError, ValueError: it is none.
    """
    if type(value) not in (int, float):
        raise TypeError(f"a gasUsedRatio is {type(value).__name__}, no number")
    ratio = float(value)  # type: ignore[arg-type]
    if not math.isfinite(ratio) or not 0 <= ratio <= 1:
        raise ValueError(f"a gasUsedRatio is {ratio!r:.40}, not between 0 and 1")
    return ratio


def _tips(came: object) -> Wei:
    tips = tuple(quantity(one, "a reward", _MOST_WEI) for one in list_of(came, "a reward", len(PERCENTILES)))
    if list(tips) != sorted(tips):
        raise ValueError("a block's rewards do not ascend")
    return tips
