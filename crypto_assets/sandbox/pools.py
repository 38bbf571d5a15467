"""What every source of pools has in common: networks, exchanges, tokens, pools, their bars and trades.

What belongs here: these types and the `PoolSource` protocol. What does not: where they come from (seeded_pools.py,
recorded_pools.py), how GeckoTerminal writes them (venues/geckoterminal.py).

Numbers that the API sends as text are text here, so that a recording is served digit for digit.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from crypto_assets.sandbox.bars import BarColumns

POOL_VENUES = frozenset({"geckoterminal"})
TRADES_MOST, TRADES_SECONDS = 300, 86_400  # the API shows no trade beyond either


@dataclass(frozen=True)
class Network:
    """A chain: the API's id, its name, and CoinGecko's id of it."""

    id: str
    name: str
    platform: str | None


@dataclass(frozen=True)
class Dex:
    """An exchange on a chain: the API's id and its name."""

    id: str
    name: str


@dataclass(frozen=True)
class Token:
    """A token.

    Args:
        decimals: None in recordings from before the API told them.
    """

    address: str
    name: str
    symbol: str
    decimals: int | None
    coingecko_coin_id: str | None
    image_url: str | None


@dataclass(frozen=True)
class PoolState:
    """A pool as it is at the clock.

    Args:
        attributes: As the API sends them.
    """

    address: str
    dex: Dex
    base: Token
    quote: Token
    attributes: Mapping[str, object]


@dataclass(frozen=True)
class TokenState:
    """A token as it is at the clock.

    Args:
        attributes: As the API sends them.
        top_pools: Addresses of its pools, the busiest first.
    """

    attributes: Mapping[str, object]
    top_pools: Sequence[str]


@dataclass(frozen=True)
class PoolTrade:
    """A trade of a pool; amounts and prices as the API writes them, time in seconds since 1970."""

    id: str
    block_number: int
    tx_hash: str
    tx_from_address: str
    from_token_amount: str
    to_token_amount: str
    price_from_in_currency_token: str
    price_to_in_currency_token: str
    price_from_in_usd: str
    price_to_in_usd: str
    traded_at: int
    kind: str
    volume_in_usd: str
    from_token_address: str
    to_token_address: str


class PoolSource(Protocol):
    """Where the sandbox's pools come from. Unknown networks, exchanges, pools and tokens are None."""

    def now_ms(self, network: str | None = None, address: str | None = None) -> int:
        """The clock, epoch milliseconds; that of a pool where its own differs (playback)."""

    def networks(self) -> Sequence[Network]:
        """All chains."""

    def dexes(self, network: str) -> Sequence[Dex] | None:
        """All exchanges of a chain."""

    def top_pools(self, network: str, dex: str | None = None, *, by: str = "trades") -> Sequence[str] | None:
        """Addresses of the pools that trade, the busiest of the last 24 hours first.

        Args:
            by: `trades` or `volume`.
        """

    def new_pools(self, network: str) -> Sequence[str] | None:
        """Addresses of pools, the youngest first."""

    def pool(self, network: str, address: str) -> PoolState | None:
        """A pool at the clock."""

    def pair(self, network: str, address: str) -> tuple[Token, Token] | None:
        """A pool's base and quote token."""

    def token(self, network: str, address: str) -> TokenState | None:
        """A token at the clock."""

    def last_bars(self, network: str, address: str, length_ms: int, before_ms: int, limit: int) -> BarColumns | None:
        """The last `limit` bars that open before a moment, ascending, the one still open included.

        Prices are dollars for one base token, both volume columns dollars; stretches without a trade have no bar.
        """

    def quote_prices(self, network: str, address: str, at_ms: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """Dollars for one quote token at these moments; None too where that is not known."""

    def trades(self, network: str, address: str, above_usd: float) -> Sequence[PoolTrade] | None:
        """The last 300 trades of the last 24 hours of more than so many dollars, ascending."""


class NoPools:
    """A source of nothing."""

    def now_ms(self, network: str | None = None, address: str | None = None) -> int:  # noqa: ARG002 - the same for all
        """The real time."""
        return time.time_ns() // 1_000_000

    def networks(self) -> Sequence[Network]:
        """None."""
        return ()

    def dexes(self, network: str) -> Sequence[Dex] | None:  # noqa: ARG002 - nothing is known
        """Unknown."""
        return None

    def top_pools(self, network: str, dex: str | None = None, *, by: str = "trades") -> Sequence[str] | None:  # noqa: ARG002
        """Unknown."""
        return None

    def new_pools(self, network: str) -> Sequence[str] | None:  # noqa: ARG002
        """Unknown."""
        return None

    def pool(self, network: str, address: str) -> PoolState | None:  # noqa: ARG002
        """Unknown."""
        return None

    def pair(self, network: str, address: str) -> tuple[Token, Token] | None:  # noqa: ARG002
        """Unknown."""
        return None

    def token(self, network: str, address: str) -> TokenState | None:  # noqa: ARG002
        """Unknown."""
        return None

    def last_bars(self, network: str, address: str, length_ms: int, before_ms: int, limit: int) -> BarColumns | None:  # noqa: ARG002
        """Unknown."""
        return None

    def quote_prices(self, network: str, address: str, at_ms: NDArray[np.int64]) -> NDArray[np.float64] | None:  # noqa: ARG002
        """Unknown."""
        return None

    def trades(self, network: str, address: str, above_usd: float) -> Sequence[PoolTrade] | None:  # noqa: ARG002
        """Unknown."""
        return None


NO_POOLS: PoolSource = NoPools()
