"""Who is asked for the fees of a chain, in which order, and what one answer comes to.

What belongs here: nodes of the user and of the universe, falling over, distrust of nodes that lag. What does not: the calls
(clients), the past (backfill.py), storing (asset.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Protocol, Self

from pydantic import SecretStr

from crypto_assets.clients.etherscan_gas import PROVIDER as ETHERSCAN
from crypto_assets.clients.etherscan_gas import EtherscanGas
from crypto_assets.clients.evm_rpc import EvmNode, FeeHistory
from crypto_assets.clients.failures import Malformed, ProviderError, Unavailable
from crypto_assets.clients.http import HttpProvider
from crypto_assets.clients.json_rpc import NoNodeAnswered, RpcNode, first_answer, name_of, secret_parts
from crypto_assets.clients.mempool_space import MempoolSpace
from crypto_assets.clients.solana_rpc import SlotFee, SolanaNode
from crypto_assets.clients.transport import RetryPolicy
from crypto_assets.datasets.onchain.network_fees.samples import (
    Values,
    bitcoin_values,
    ethereum_values,
    oracle_values,
    solana_values,
)
from crypto_assets.datasets.onchain.network_fees.table import BITCOIN, ETHEREUM, SOLANA
from crypto_assets.resources import Providers
from crypto_assets.universe_sources import ChainName, FeeRules
from crypto_assets.warehouse.quarantine import Refused

_ONCE_MORE = RetryPolicy(attempts=2)  # where another node stands ready, waiting long for this one is time lost
_CLOCK_AHEAD = timedelta(seconds=60)


class _Closing(Protocol):
    def close(self) -> None:
        """Drop the connection."""


@dataclass(frozen=True)
class Told:
    """What came of asking for a chain's fees of now.

    Args:
        source: Provider and how it was asked.
        failures: Of those that were asked before; their answers are worth keeping, where they gave one.
    """

    values: Values
    source: str
    failures: Sequence[ProviderError] = ()


class FeeSources(AbstractContextManager["FeeSources"]):
    """Everybody who is asked in a run; asks nothing until it is asked to, and keeps connections until it is left.

    Args:
        clock: The present, UTC.
    """

    def __init__(self, providers: Providers, rules: FeeRules, clock: Callable[[], datetime]) -> None:
        self._providers = providers
        self._rules = rules
        self._clock = clock
        self._open: list[_Closing] = []
        self._evm: list[EvmNode] | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop the connections."""
        for one in self._open:
            one.close()

    def __enter__(self) -> Self:
        """Opens nothing."""
        return self

    def fees_now(self, chain: str) -> Told:
        """What a transaction costs now.

        Args:
            chain: ethereum, bitcoin or solana.

        Raises:
            ProviderError: nobody could say.
        """
        return {ETHEREUM: self._ethereum, BITCOIN: self._bitcoin, SOLANA: self._solana}[chain]()

    def evm_nodes(self) -> Sequence[EvmNode]:
        """Ethereum's nodes, the user's own first."""
        if self._evm is None:
            self._evm = self._nodes(ETHEREUM, EvmNode, self._providers.keys.ethereum_rpc)
        return self._evm

    def _ethereum(self) -> Told:
        try:
            history, node, failures = first_answer(ETHEREUM, self.evm_nodes(), self._newest_blocks)
        except NoNodeAnswered as error:
            return self._etherscan(error)
        return Told(ethereum_values(history), f"{node.name} eth_feeHistory", failures)

    def _newest_blocks(self, node: EvmNode) -> FeeHistory:
        node.require_mainnet()
        history = node.fee_history(self._rules.blocks_a_sample)
        self._require_recent(node, node.block(history.newest_block).mined_at)
        return history

    def _etherscan(self, error: NoNodeAnswered) -> Told:
        key = self._providers.keys.etherscan
        if key is None:
            raise error
        budget = self._rules.etherscan_requests_per_minute
        asked = EtherscanGas(self._providers.http(ETHERSCAN, budget, secrets=[key]), key)
        self._open.append(asked)
        try:
            return Told(oracle_values(asked.oracle()), f"{ETHERSCAN} gasoracle", error.failures)
        except ProviderError as failure:
            failures = [*error.failures, failure]
        raise NoNodeAnswered(ETHEREUM, failures)

    def _bitcoin(self) -> Told:
        chain = self._rules.chains[BITCOIN]
        failures: list[ProviderError] = []
        for address in chain.nodes:
            asked = MempoolSpace(
                self._http(name_of(address), chain.requests_per_minute, is_last=address == chain.nodes[-1]), address
            )
            try:
                fees = asked.recommended()
            except ProviderError as error:
                failures.append(error)
                continue
            try:
                height = asked.tip_height()
            except ProviderError as error:  # the fees are worth having without it
                failures.append(error)
                height = None
            return Told(bitcoin_values(fees, height), f"{asked.name} recommended fees", failures)
        raise NoNodeAnswered(BITCOIN, failures)

    def _solana(self) -> Told:
        nodes = self._nodes(SOLANA, SolanaNode, self._providers.keys.solana_rpc)
        fees, node, failures = first_answer(SOLANA, nodes, self._newest_slots)
        accounts = self._rules.solana_accounts
        told = f" of {len(accounts)} accounts" if accounts else ""
        return Told(solana_values(fees), f"{node.name} getRecentPrioritizationFees{told}", failures)

    def _newest_slots(self, node: SolanaNode) -> Sequence[SlotFee]:
        node.require_mainnet()
        fees = node.recent_fees(self._rules.solana_accounts)
        slot, at = node.newest_final()
        self._require_recent(node, at)
        if fees[-1].slot < slot - _SLOTS_APART or fees[-1].slot > slot + _SLOTS_APART:
            raise Unavailable(
                f"{node.name} tells fees of slot {fees[-1].slot}, and is at slot {slot}",
                way_out="The next node is asked.",
            )
        return fees

    def _require_recent(self, node: RpcNode, newest: datetime) -> None:
        age = self._clock() - newest
        if not -_CLOCK_AHEAD <= age <= timedelta(seconds=self._rules.max_node_lag_seconds):
            raise Unavailable(
                f"{node.name} lags: its newest block is of {newest:%Y-%m-%d %H:%M:%S}, {age.total_seconds():.0f} s ago",
                way_out="The next node is asked; a node that lags catches up by itself.",
            )

    def _nodes[N: RpcNode](
        self, chain: ChainName, kind: Callable[[HttpProvider, SecretStr], N], own: SecretStr | None
    ) -> list[N]:
        entry = self._rules.chains[chain]
        budget, made = entry.requests_per_minute, []
        if own is not None:
            made.append(kind(self._http(f"own node of {chain}", budget, secret_parts(own)), own))
        for address in entry.nodes:
            is_last = address == entry.nodes[-1]
            made.append(kind(self._http(name_of(address), budget, is_last=is_last), SecretStr(address)))
        return made

    def _http(
        self, name: str, budget: float, secrets: Sequence[SecretStr] = (), *, is_last: bool = False
    ) -> HttpProvider:
        providers = self._providers
        if not is_last and providers.policy is None:
            providers = replace(providers, policy=_ONCE_MORE)
        made = providers.http(name, budget, secrets=secrets)
        self._open.append(made)
        return made


_SLOTS_APART = 1000  # seven minutes; fees are told of blocks that are not final yet


def kept(failures: Sequence[ProviderError]) -> list[Refused]:
    """For the quarantine: the answers of those failures that came with one. Pure."""
    return [
        Refused(one.problem, one.payload) for one in failures if isinstance(one, Malformed) and one.payload is not None
    ]
