"""Ethereum's fees of days that are over: a point every few hours, from blocks of the past.

What belongs here: which points are due, finding their blocks, asking. What does not: the fees of now (sources.py), storing
(asset.py). Bitcoin and Solana cannot be asked for the past.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from crypto_assets.clients.evm_rpc import Block, EvmNode, FeeHistory
from crypto_assets.clients.failures import ProviderError
from crypto_assets.clients.json_rpc import first_answer
from crypto_assets.datasets.onchain.network_fees.blocks import first_block_at
from crypto_assets.datasets.onchain.network_fees.samples import FeeSample, ethereum_values
from crypto_assets.datasets.onchain.network_fees.table import ETHEREUM
from crypto_assets.spans import Span
from crypto_assets.universe_sources import FeeRules

# EIP-1559 began with block 12,965,000; blocks before have no base fee, and those sampled with a point reach back a little.
BASE_FEES_SINCE = datetime(2021, 8, 5, 13, 0, tzinfo=UTC)
SETTLED_AFTER = timedelta(minutes=30)  # a block that old is final, so that a point never changes


@dataclass
class PastFees:
    """Asks Ethereum's nodes for points of the past; remembers which blocks it has seen, to find the next ones near them.

    Args:
        nodes: In the order in which they are asked.
    """

    nodes: Sequence[EvmNode]
    rules: FeeRules
    _seen: list[Block] = field(default_factory=list)

    def sample(self, at: datetime) -> tuple[FeeSample, Sequence[ProviderError]]:
        """The point at a moment: the first block then or later, and those before it that make the sample.

        Returns:
            The sample, and how nodes failed before one answered.

        Raises:
            NoNodeAnswered: none did.
        """

        def ask(node: EvmNode) -> tuple[FeeHistory, Block, list[Block]]:
            node.require_mainnet()
            seen = list(self._seen) or [node.block()]
            block = first_block_at(at, seen, node.block)
            return node.fee_history(self.rules.blocks_a_sample, block.number), block, seen

        (history, block, seen), node, failures = first_answer(ETHEREUM, self.nodes, ask)
        self._seen = _ends(seen, block)
        known_at = block.mined_at + timedelta(seconds=self.rules.known_lag_seconds)
        source = f"{node.name} eth_feeHistory of the past"
        return FeeSample(ETHEREUM, block.mined_at, known_at, source, ethereum_values(history)), failures


def points_due(span: Span, now: datetime, step: timedelta, collected: Sequence[Span]) -> Iterator[datetime]:
    """The points of a span that are over, final and not collected; multiples of the step since midnight, ascending. Pure.

    Args:
        span: [start, end), UTC; begins at midnight.
        collected: What is there already.
    """
    start, end = span
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)  # of today, samples are taken as it goes
    at = start
    while at < min(end, today, now - SETTLED_AFTER):
        if at >= BASE_FEES_SINCE and not any(first <= at < last for first, last in collected):
            yield at
        at += step


def _ends(seen: Sequence[Block], found: Block) -> list[Block]:
    """Of the blocks seen those that the next search begins with: the newest of all, and the one just found."""
    return [found, max(seen, key=lambda one: one.number)]
