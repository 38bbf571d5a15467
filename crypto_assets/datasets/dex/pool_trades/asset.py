"""The asset dex/pool_trades: one poll of each pool that is due, the one with the most unseen trades first.

What belongs here: run config, one poll and when the next one is due. What does not: storing (collect.py), proof
(continuity.py), how often (rhythm.py), whose turn it is (pool_polling.py), when it runs (automation.py).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import dagster as dg

from crypto_assets.clients.failures import Malformed, NotListed, ProviderError
from crypto_assets.clients.geckoterminal import GeckoTerminal
from crypto_assets.datasets.dex.network_asset import NetworkRun, Order, PoolConfig, network_asset
from crypto_assets.datasets.dex.pool_polling import PoolPolls, poll_pools
from crypto_assets.datasets.dex.pool_trades.collect import store_page
from crypto_assets.datasets.dex.pool_trades.continuity import series_of
from crypto_assets.datasets.dex.pool_trades.rhythm import interval_for, quiet_interval
from crypto_assets.datasets.dex.pool_trades.table import DATASET, pool_trades
from crypto_assets.datasets.dex.pools.table import Pace, recent_paces
from crypto_assets.datasets.dex.watchlist.table import WatchedPool, watched_pools
from crypto_assets.datasets.outcomes import Collected, EventOutcome
from crypto_assets.datasets.polls import Visit
from crypto_assets.partitions import Grids
from crypto_assets.warehouse.limits import read_polls
from crypto_assets.warehouse.quarantine import Refused, quarantine

_SNAPSHOT_HOLDS = timedelta(minutes=15)  # an older one tells less than the pool's own page


class PoolTradesConfig(PoolConfig):
    """What a run collects; left out means a page of every watched pool."""


def build_asset(grids: Grids) -> dg.AssetsDefinition:
    """The asset over the grids of the universe in force; automation.py adds when it runs."""
    return network_asset(
        DATASET,
        pool_trades,
        grids,
        PoolTradesConfig,
        collect_pool_trades,
        description="Trades of the watchlist's pools, day × network. Whole, or the ledger names what left the window.",
        expected_every=timedelta(minutes=5),
        # Bars can be asked for later, trades that have left the window cannot.
        order=Order(after=("dex/watchlist",), goes_first=True),
    )


def collect_pool_trades(run: NetworkRun[PoolTradesConfig]) -> Collected:
    """Ask for a page of each due pool, if GeckoTerminal's window still reaches the run's."""
    rules = run.universe.dex
    if run.window.end <= run.clock() - timedelta(hours=rules.window_hours) or run.window.start > run.clock():
        run.log.warning("%s: trades of that time are served no more; nothing is done.", run.network)
        return Collected([], {})
    watched = {pool.address: pool for pool in watched_pools(run.warehouse, run.network)}
    seen = {
        address: pace
        for address, pace in recent_paces(run.warehouse, run.network, run.clock() - _SNAPSHOT_HOLDS).items()
        if address in watched and not watched[address].min_trade_usd  # snapshots count trades of any value
    }
    paces = _paces(run, seen)
    longest = quiet_interval(rules, paces)
    polls = PoolPolls(
        DATASET,
        rules.interval_minutes * 60,
        longest,
        lambda client, pool, interval: _visit(run, client, pool, interval, longest),
        linger=bool(run.config.ends_at)
        and any(rules.wanted_trades < pace * rules.interval_minutes * 60 for pace in paces),
        seen={address: (pace.at, interval_for(pace.per_second, rules, longest)) for address, pace in seen.items()},
    )
    return Collected(poll_pools(run, polls), {})


def _paces(run: NetworkRun[PoolTradesConfig], seen: Mapping[str, Pace]) -> list[float]:
    """Trades a second of every watched pool of every network, as its newest poll or snapshot tells; 0 where none does."""
    paces = []
    for network in run.universe.dex.networks:
        with run.warehouse.connect() as connection:
            polls = read_polls(connection, DATASET, network)
        for pool in watched_pools(run.warehouse, network):
            poll, snapshot = polls.get(pool.address), seen.get(pool.address) if network == run.network else None
            is_newer = snapshot is not None and (poll is None or poll.polled_at < snapshot.at)
            paces.append(snapshot.per_second if snapshot and is_newer else (poll.activity or 0.0) if poll else 0.0)
    return paces


def _visit(
    run: NetworkRun[PoolTradesConfig], client: GeckoTerminal, pool: WatchedPool, interval: float, longest: float
) -> Visit:
    """One poll of one pool."""
    began, rules = time.monotonic(), run.universe.dex
    key, asked_at = series_of(run.network, pool.address), run.clock()
    try:
        page = client.trades(run.network, pool.address, float(pool.min_trade_usd))
    except ProviderError as error:
        outcome = EventOutcome(run.network, pool.address, warning=str(error), failed=True)
        if isinstance(error, Malformed):
            with run.warehouse.connect() as connection:
                kept = quarantine(connection, items=[Refused(error.problem, error.payload)], **vars(key))
            outcome = replace(outcome, quarantined=kept)
        if isinstance(error, NotListed):  # it is gone from GeckoTerminal; the run is not to blame
            outcome = replace(outcome, failed=False, warning=f"GeckoTerminal knows no pool {pool.address}.")
        return Visit(outcome, interval, error=error)
    stored = store_page(run.warehouse, key, page, asked_at, rules, answered_at=run.clock())
    outcome = replace(stored.outcome, seconds=time.monotonic() - began)
    return Visit(outcome, interval_for(stored.per_second, rules, longest), activity=stored.per_second)
