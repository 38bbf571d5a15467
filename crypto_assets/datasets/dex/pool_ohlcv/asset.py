"""The asset dex/pool_ohlcv: each due pool's newest bars, then what is missing, then its past, as the budget lasts.

What belongs here: run config, one turn and when the next one is due. What does not: fetching and storing (collect.py), quiet
or missing (quiet.py), asking again (repair.py), whose turn it is (pool_polling.py), when it runs (automation.py).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import dagster as dg
from pydantic import Field

from crypto_assets.clients.failures import NotListed
from crypto_assets.clients.geckoterminal import GeckoTerminal
from crypto_assets.datasets.dex.network_asset import NetworkRun, Order, PoolConfig, network_asset
from crypto_assets.datasets.dex.pool_ohlcv.collect import (
    Turned,
    newest_first,
    since_birth,
    take_turn,
    wanted_spans,
)
from crypto_assets.datasets.dex.pool_ohlcv.quiet import name_answered, tell_quiet
from crypto_assets.datasets.dex.pool_ohlcv.repair import ask_again, due_pages
from crypto_assets.datasets.dex.pool_ohlcv.table import DATASET, pool_ohlcv, series_of
from crypto_assets.datasets.dex.pool_polling import PoolPolls, count_watched, poll_pools
from crypto_assets.datasets.dex.pools.table import pool_births
from crypto_assets.datasets.dex.watchlist.table import WatchedPool
from crypto_assets.datasets.outcomes import Collected
from crypto_assets.datasets.polls import Visit
from crypto_assets.partitions import Grids
from crypto_assets.quality.coverage import SeriesKey
from crypto_assets.spans import Span, hull, union
from crypto_assets.universe import DexRules, UniverseError

# A turn's requests: a minute of the budget's time, then the next pool has its turn.
TURN_PAGES = 8
# Of the seven lengths of bar about three have a new bar each time that a pool is asked.
_PAGES_A_POLL = 3
# A longer bar closes within a day: until then what lies in it cannot be told by it.
_UNSETTLED = timedelta(days=2)


class PoolOhlcvConfig(PoolConfig):
    """What a run collects; left out means the days of its partitions, of every watched pool."""

    timeframes: list[str] = Field(default=[], description="Lengths of bar. Empty: every one of the universe.")
    refresh: bool = Field(default=False, description="Ask again for what is stored.")
    repair: bool = Field(default=True, description="Ask again for missing bars whose time has come.")
    history: bool = Field(default=False, description="Go on before the first day, to each pool's birth.")


def build_asset(grids: Grids) -> dg.AssetsDefinition:
    """The asset over the grids of the universe in force; automation.py adds when it runs."""
    return network_asset(
        DATASET,
        pool_ohlcv,
        grids,
        PoolOhlcvConfig,
        collect_pool_ohlcv,
        description="Bars of the watchlist's pools, day × network. Each is there, or the ledger says why not.",
        expected_every=timedelta(minutes=5),
        order=Order(after=("dex/watchlist", "dex/pools")),
    )


def collect_pool_ohlcv(run: NetworkRun[PoolOhlcvConfig]) -> Collected:
    """Give each due pool its turns."""
    rules = _rules(run)
    births = pool_births(run.warehouse, run.network)
    rhythm = interval_of(rules, count_watched(run))

    def visit(client: GeckoTerminal, pool: WatchedPool, _interval: float) -> Visit:
        began = time.monotonic()
        turned = _turn(run, client, pool.address, births, rules)
        outcome = replace(turned.outcome, venue=run.network, symbol=pool.address, seconds=time.monotonic() - began)
        if isinstance(turned.error, NotListed):
            outcome = replace(outcome, failed=False, warning=f"GeckoTerminal knows no pool {pool.address}.")
        return Visit(outcome, rhythm, has_more=turned.has_more and turned.error is None, error=turned.error)

    polls = PoolPolls(DATASET, rules.interval_minutes * 60, rules.max_interval_minutes * 60, visit)
    return Collected(poll_pools(run, polls), {})


def interval_of(rules: DexRules, pools: int) -> float:
    """Seconds from one poll of a pool's bars to the next: as the universe wants, or as the share of the budget lets. Pure."""
    a_round = pools * _PAGES_A_POLL * 60 / rules.requests_per_minute / rules.ohlcv_share
    return min(rules.max_interval_minutes * 60, max(rules.interval_minutes * 60, a_round))


def _turn(
    run: NetworkRun[PoolOhlcvConfig],
    client: GeckoTerminal,
    address: str,
    births: Mapping[str, datetime | None],
    rules: DexRules,
) -> Turned:
    """One turn of one pool: what is new, then what is missing and due to be asked for again."""
    now = run.clock()
    wanted = newest_first(_wanted(run, address, births.get(address), rules, now), (run.window.start, run.window.end))
    pages = TURN_PAGES if run.config.due_only else TURN_PAGES * 100
    turned = take_turn(run.warehouse, client, wanted, most_pages=pages, rules=rules)
    _settle(run, address, turned, now)
    if not run.config.repair or turned.error is not None or turned.has_more:
        return turned
    due = due_pages(run.warehouse, run.network, address, now, rules, run.universe.gaps)
    again = ask_again(run.warehouse, client, due[:pages], now, rules, run.universe.gaps)
    if again.spans:
        around = hull([span for _, span in again.spans])
        if around is not None:
            with run.warehouse.connect() as connection:
                name_answered(connection, run.network, address, around, run.universe.dex, run.universe.gaps)
        _settle(run, address, again, now)
    outcome = turned.outcome + again.outcome if again.outcome.symbol else turned.outcome
    return Turned(outcome, turned.spans, has_more=len(due) > pages, error=again.error)


def _wanted(
    run: NetworkRun[PoolOhlcvConfig], address: str, born: datetime | None, rules: DexRules, now: datetime
) -> list[tuple[SeriesKey, Span]]:
    start = run.window.start
    if run.config.history:
        start = min(start, now - timedelta(days=rules.history_days))
    return [
        (key, span)
        for key in (series_of(run.network, address, timeframe) for timeframe in rules.timeframes)
        for span in wanted_spans(
            run.warehouse, key, (since_birth(start, born, key.timeframe), run.window.end), now, rules,
            refresh=run.config.refresh,
        )
    ]  # fmt: skip


def _settle(run: NetworkRun[PoolOhlcvConfig], address: str, turned: Turned, now: datetime) -> None:
    """Tell quiet from missing in what was answered, and in the last days, whose longer bars may have closed since."""
    recent = (now - _UNSETTLED, now)
    for span in union([recent, *(span for _, span in turned.spans)]):
        with run.warehouse.connect() as connection:
            tell_quiet(connection, run.network, address, span, run.universe.dex)


def _rules(run: NetworkRun[PoolOhlcvConfig]) -> DexRules:
    """The universe's, with the lengths of bar that the run names.

    Raises:
        UniverseError: a length that pools have not.
    """
    rules, named = run.universe.dex, run.config.timeframes
    if not named:
        return rules
    unknown = sorted(set(named) - set(rules.timeframes))
    if unknown:
        raise UniverseError(
            f"Pools are not collected at {', '.join(unknown)}",
            way_out=f"dex.timeframes of the universe has {', '.join(rules.timeframes)}.",
        )
    return rules.model_copy(update={"timeframes": tuple(one for one in rules.timeframes if one in named)})
