"""Which pool stands for an entry: itself, or the best one of its token.

What belongs here: the rule, and asking for what it needs. What does not: entries (asset.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crypto_assets.clients.failures import ProviderError
from crypto_assets.clients.geckoterminal import GeckoTerminal
from crypto_assets.clients.pool_rows import PoolRow

_DAY = "24h"


@dataclass(frozen=True)
class Resolved:
    """What came of one address.

    Args:
        pool_address: The pool; None where there is none.
        problem: Why there is none; empty where there is.
    """

    pool_address: str | None
    problem: str = ""


def best_pool(token: str, pools: Sequence[PoolRow]) -> PoolRow | None:
    """The pool that stands for a token; None where no pool has it. Pure.

    Pools in which it is the base token come first: their price is its price. Among them those traded within 24 hours, the
    largest reserve, the larger volume, and at last the smaller address.
    """
    having = [pool for pool in pools if token in {pool.base_token, pool.quote_token}]
    if not having:
        return None

    def worth(pool: PoolRow) -> tuple[bool, bool, float, float]:
        volume = pool.volume_usd.get(_DAY, 0.0)
        return pool.base_token == token, volume > 0, pool.reserve_usd or 0.0, volume

    most = max(worth(pool) for pool in having)
    return min((pool for pool in having if worth(pool) == most), key=lambda pool: pool.address)


def resolve(
    client: GeckoTerminal, network: str, pools: Sequence[str], tokens: Sequence[str]
) -> tuple[dict[str, Resolved], list[ProviderError]]:
    """What stands for these addresses, and what failed; an address that could not be asked for is in neither."""
    found: dict[str, Resolved] = {}
    failures: list[ProviderError] = []
    try:
        listed = {row.address for row in client.pools(network, pools).rows} if pools else set()
        found |= {
            one: Resolved(one) if one in listed else Resolved(None, "GeckoTerminal knows no such pool") for one in pools
        }
    except ProviderError as error:
        failures.append(error)
    try:
        of_token = client.token_pools(network, tokens) if tokens else {}
        for token in tokens:
            best = best_pool(token, of_token.get(token, ()))
            found[token] = (
                Resolved(best.address) if best else Resolved(None, "GeckoTerminal knows no pool of this token")
            )
    except ProviderError as error:
        failures.append(error)
    return found, failures
