"""A round of polls over a network's watched pools, with their intervals kept in ops.market_polls.

What belongs here: from polls to turns and back, and what is left to the next run. What does not: what a poll does (the
datasets) and the rules (crypto_assets.collection).

One request is on its way at a time: a budget of 30 a minute is used up by a single worker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from crypto_assets.clients.geckoterminal import GeckoTerminal
from crypto_assets.collection.rotation import Turn
from crypto_assets.collection.rounds import Polled, run_round
from crypto_assets.datasets.dex.network_asset import NetworkRun, PoolConfig
from crypto_assets.datasets.dex.watchlist.table import WatchedPool, watched_pools
from crypto_assets.datasets.outcomes import EventOutcome, joined
from crypto_assets.datasets.polls import Visit, keep_poll, place_of, postponed, usual_interval
from crypto_assets.universe import UniverseError, parse_moment
from crypto_assets.warehouse.limits import Poll, read_polls

_UNLIMITED = timedelta(days=7)  # a run that is to collect everything; a person ends it earlier
_LEAST = timedelta(seconds=20)  # a run that begins late still has a few turns, else a full queue would starve it


@dataclass(frozen=True)
class PoolPolls:
    """How a dataset is polled.

    Args:
        dataset: Its name.
        interval: Seconds between polls of a pool that was never asked.
        longest: Largest interval, also after failures.
        linger: Whether the round goes on until its end, each pool whenever it is due.
        seen: What was seen of pools elsewhere, and when: seconds within which a pool is to be polled. Counts where it is
            newer than the pool's last poll.
        visit: Does one poll: with a client, the pool and the interval that led to it.
    """

    dataset: str
    interval: float
    longest: float
    visit: Callable[[GeckoTerminal, WatchedPool, float], Visit]
    linger: bool = False
    seen: Mapping[str, tuple[datetime, float]] = field(default_factory=dict)


def poll_pools[C: PoolConfig](run: NetworkRun[C], polls: PoolPolls) -> list[EventOutcome]:
    """Poll the network's watched pools, those that are due or all; one outcome a pool.

    Where the breaker opens, or time is up, the pools that had no turn are postponed, and say why.
    """
    watched = {pool.address: pool for pool in chosen_pools(run)}
    with run.warehouse.connect() as connection:
        known = read_polls(connection, polls.dataset, run.network)
    now = run.clock()
    turns = pool_turns(list(watched), known, polls, run.config.due_only, now)

    def poll(client: GeckoTerminal, turn: Turn, waited: float) -> Polled[EventOutcome]:
        before = known.get(turn.name)
        visit = polls.visit(client, watched[turn.name], usual_interval(before, polls.interval))
        kept = keep_poll(
            run.warehouse, polls.dataset, before, visit, longest=polls.longest, now=run.clock(),
            waited=waited if before is not None and run.config.due_only else 0.0,
        )  # fmt: skip
        if kept.poll is not None:
            known[turn.name] = kept.poll
        return kept.polled

    done = run_round(
        run.client, turns, poll, workers=1, seconds=round_seconds(run.config, now), linger=polls.linger,
        clock=lambda: run.clock().timestamp(), sleep=run.sleep,
    )  # fmt: skip
    outcomes = joined(outcome for _, outcome in done.outcomes)
    outcomes = [replace(one, waited_seconds=done.waited.get(one.symbol, 0.0)) for one in outcomes]
    left = sorted(set(done.postponed) - {one.symbol for one in outcomes})
    return outcomes + [postponed(run.network, address, done.outcomes) for address in left]


def chosen_pools[C: PoolConfig](run: NetworkRun[C]) -> list[WatchedPool]:
    """The watched pools of the run's network, or just those it names.

    Raises:
        UniverseError: an address that is not watched.
    """
    watched = watched_pools(run.warehouse, run.network)
    if not run.config.pools:
        return watched
    named = {one.lower() if one.startswith("0x") else one for one in run.config.pools}
    absent = sorted(named - {pool.address for pool in watched})
    if absent:
        raise UniverseError(
            f"No watched pool of {run.network} is {', '.join(absent)}",
            way_out="Add it to config/watchlist.csv, then materialize dex/watchlist.",
        )
    return [pool for pool in watched if pool.address in named]


def count_watched[C: PoolConfig](run: NetworkRun[C]) -> int:
    """How many pools share the budget: those of all networks, as all ask one provider."""
    return sum(len(watched_pools(run.warehouse, network)) for network in run.universe.dex.networks)


def pool_turns(
    addresses: Sequence[str], known: Mapping[str, Poll], polls: PoolPolls, due_only: bool, now: datetime
) -> list[Turn]:
    """Each pool's place in the rotation. Pure."""
    turns = []
    for address in addresses:
        poll = known.get(address)
        asked_at, rhythm = place_of(poll, polls.interval)
        seen_at, within = polls.seen.get(address, (now, rhythm))
        if poll is not None and not poll.failures and poll.polled_at < seen_at:
            rhythm = min(rhythm, within)
        turns.append(Turn(address, asked_at if due_only else min(asked_at, now.timestamp() - rhythm), rhythm))
    return turns


def round_seconds(config: PoolConfig, now: datetime) -> float:
    """How long a round may last.

    Raises:
        UniverseError: `ends_at` is no time.
    """
    until = parse_moment(config.ends_at, "ends_at")
    return (max(until - now, _LEAST) if until else _UNLIMITED).total_seconds()
