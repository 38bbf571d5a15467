"""Whom each forecast speaks of: the universe's markets, the pools that are followed, Ethereum.

What belongs here: domains and series of a forecast. What does not: what is known of them (datasets/models/frames.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import select

from crypto_assets.datasets.dex.pools.table import pools
from crypto_assets.datasets.models import gas, liquidity
from crypto_assets.datasets.onchain.network_fees.table import ETHEREUM, SERIES
from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.forecasting.frame import SeriesName
from crypto_assets.universe import Universe
from crypto_assets.warehouse.read import Reader

_POOLS = select(pools.c.network, pools.c.pool_address).where(pools.c.reserve_usd.is_not(None)).distinct()


def domains_of(universe: Universe, forecast: Forecast) -> tuple[str, ...]:
    """Exchanges and chains that a forecast speaks of, in alphabetical order."""
    if forecast.model == gas.MODEL:
        return (ETHEREUM,)
    return tuple(sorted(universe.dex.networks if forecast.model == liquidity.RESERVE else universe.venues))


def subjects(
    reader: Reader,
    universe: Universe,
    forecast: Forecast,
    domains: Sequence[str] | None = None,
    series: Sequence[str] | None = None,
) -> list[SeriesName]:
    """The series that a forecast speaks of now, in order.

    Markets are those that the universe wants to this day; pools those of which a reserve was seen within the time that it may
    be old.

    Args:
        domains: Only these; None for all.
        series: Just these of each domain, whether the universe wants them or not; None for all that it wants.
    """
    there = [one for one in domains_of(universe, forecast) if domains is None or one in domains]
    if series is not None:
        return [SeriesName(domain, name) for domain in there for name in sorted(set(series))]
    if forecast.model == gas.MODEL:
        return [SeriesName(domain, SERIES) for domain in there]
    if forecast.model == liquidity.RESERVE:
        return _pools(reader, there)
    today = datetime.now(UTC).date()
    return [
        SeriesName(domain, market.symbol)
        for domain in there
        for market in sorted(universe.venues[domain].markets, key=lambda one: one.symbol)
        if market.until is None or market.until > today
    ]


def _pools(reader: Reader, networks: Sequence[str]) -> list[SeriesName]:
    if not networks:
        return []
    since = datetime.now(UTC) - liquidity.RESERVE_MAX_AGE
    found = reader.frame(_POOLS.where(pools.c.network.in_(networks), pools.c.snapshot_at >= since))
    return sorted(SeriesName(network, pool) for network, pool in found.itertuples(index=False))


__all__ = ["domains_of", "subjects"]
