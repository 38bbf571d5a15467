"""The asset dex/pool_trades: one poll of each pool that is due, the one with the most unseen trades first.

What belongs here: run config, one poll and when the next one is due. What does not: storing (collect.py), proof
(continuity.py), whose turn it is (pool_polling.py), when it runs (automation.py).
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

import dagster as dg

from crypto_assets.clients.failures import Malformed, NotListed, ProviderError
from crypto_assets.clients.geckoterminal import GeckoTerminal
from crypto_assets.datasets.dex.network_asset import Collected, NetworkRun, Order, PoolConfig, network_asset
from crypto_assets.datasets.dex.pool_polling import PoolPolls, count_watched, poll_pools
from crypto_assets.datasets.dex.pool_trades.collect import store_page
from crypto_assets.datasets.dex.pool_trades.continuity import series_of
from crypto_assets.datasets.dex.pool_trades.table import DATASET, pool_trades
from crypto_assets.datasets.dex.watchlist.table import WatchedPool
from crypto_assets.datasets.outcomes import EventOutcome
from crypto_assets.datasets.polls import Visit
from crypto_assets.partitions import Grids
from crypto_assets.universe import DexRules
from crypto_assets.warehouse.limits import read_polls
from crypto_assets.warehouse.quarantine import Refused, quarantine

SHORTEST_SECONDS = 10.0  # a pool with hundreds of trades a minute is asked as often as the budget lets others live


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
    longest = longest_interval(rules, count_watched(run))
    polls = PoolPolls(
        DATASET,
        rules.interval_minutes * 60,
        longest,
        lambda client, pool, interval: _visit(run, client, pool, interval, longest),
        linger=bool(run.config.ends_at) and _is_busy(run),
    )
    return Collected(poll_pools(run, polls), {})


def longest_interval(rules: DexRules, pools: int) -> float:
    """Seconds within which even the quietest pool is asked: twice what one round over all of them takes. Pure.

    Half the budget of trades is then left for the busy ones.
    """
    a_round = pools * 60 / rules.requests_per_minute / (1 - rules.ohlcv_share)
    return min(rules.max_interval_minutes * 60, max(rules.interval_minutes * 60, 2 * a_round))


def _visit(
    run: NetworkRun[PoolTradesConfig], client: GeckoTerminal, pool: WatchedPool, interval: float, longest: float
) -> Visit:
    """One poll of one pool. Its interval lets `wanted_trades` come together, so that the rotation's urgency, time in
    intervals, is the number of unseen trades."""
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
    wanted = rules.wanted_trades / stored.per_second if stored.per_second > 0 else longest
    outcome = replace(stored.outcome, seconds=time.monotonic() - began)
    return Visit(outcome, min(longest, max(SHORTEST_SECONDS, wanted)), activity=stored.per_second)


def _is_busy(run: NetworkRun[PoolTradesConfig]) -> bool:
    """Whether a pool is to be asked more often than rounds come."""
    with run.warehouse.connect() as connection:
        polls = read_polls(connection, DATASET, run.network)
    return any(poll.interval_seconds < run.universe.dex.interval_minutes * 60 for poll in polls.values())
