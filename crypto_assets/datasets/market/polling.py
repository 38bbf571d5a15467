"""A round of polls over a venue's markets, with their intervals kept in ops.market_polls.

What belongs here: from polls to turns and back, the venue's workers, and what is left to the next run. What does not: what a
poll does (the datasets) and the rules (crypto_assets.collection).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from crypto_assets.clients.exchange import Exchange
from crypto_assets.clients.failures import NotServed, ProviderError
from crypto_assets.collection.interval import workers_for
from crypto_assets.collection.rotation import Turn, volume_shares
from crypto_assets.collection.rounds import Polled, run_round
from crypto_assets.datasets.market.event_asset import EventConfig, EventRun
from crypto_assets.datasets.market.tickers.table import tickers
from crypto_assets.datasets.outcomes import EventOutcome, joined
from crypto_assets.datasets.polls import Kept, Visit, keep_poll, place_of, postponed, usual_interval
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.limits import Poll, read_polls, typical_latency
from crypto_assets.warehouse.read import read_frame

_EARLY = 0.1  # part of its interval by which a scheduled round may come too early for a market


@dataclass(frozen=True)
class Pollers[C: EventConfig]:
    """How a dataset is polled.

    Args:
        dataset: Its name.
        method: ccxt's name of what the venue must be able to do.
        what: The same in words.
        interval: Seconds between polls of a market that was never asked.
        longest: Largest interval, also after failures.
        seconds: No poll begins later than that after the round's begin.
        linger: Whether the round goes on for all of that time.
        visit: Does one poll: with a client, the market's symbol and the interval that led to it.
    """

    dataset: str
    method: str
    what: str
    interval: float
    longest: float
    seconds: float
    visit: Callable[[Exchange, str, float], Visit]
    linger: bool = False


def poll_markets[C: EventConfig](run: EventRun[C], pollers: Pollers[C]) -> list[EventOutcome]:
    """Poll the window's markets, those that are due or all; one outcome a market.

    A venue that lacks the method is said once, by name, and left out. Where the venue's breaker opens, the markets that had
    no turn are postponed, and one warning says so.
    """
    symbols = [market.symbol for market in run.markets()]
    venue = run.window.venue
    if not symbols:
        return []
    if not run.exchange.serves(pollers.method):
        run.log.warning("%s does not serve %s; it is left out.", venue, pollers.what)
        return [EventOutcome(venue, "", warning=str(NotServed(f"{venue} does not serve {pollers.what}")))]
    with run.warehouse.connect() as connection:
        polls = read_polls(connection, pollers.dataset, venue)
    try:
        run.exchange.symbols()  # before the twins are made, so that they need not ask again
    except ProviderError as error:
        return _all_failed(run, pollers, symbols, polls, error)
    turns = turns_of(symbols, polls, quote_volumes(run.warehouse, venue), pollers.interval, run.config.due_only)
    workers = workers_for(run.exchange.venue.requests_per_second, typical_latency(run.warehouse, venue))

    def poll(exchange: Exchange, turn: Turn, waited: float) -> Polled[EventOutcome]:
        before = polls.get(turn.name)
        visit = pollers.visit(exchange, turn.name, usual_interval(before, pollers.interval))
        kept = _keep(run, pollers, before, visit, waited)
        if kept.poll is not None:
            polls[turn.name] = kept.poll
        return kept.polled

    done = run_round(
        run.exchange, turns, poll, workers=min(workers, len(turns)) or 1, seconds=pollers.seconds, linger=pollers.linger
    )
    outcomes = joined(outcome for _, outcome in done.outcomes)
    outcomes = [replace(one, waited_seconds=done.waited.get(one.symbol, 0.0)) for one in outcomes]
    seen = {one.symbol for one in outcomes}
    rest = [symbol for symbol in done.postponed if symbol not in seen]
    return outcomes + [postponed(venue, symbol, done.outcomes) for symbol in rest]


def turns_of(
    symbols: Sequence[str],
    polls: Mapping[str, Poll],
    volumes: Mapping[str, float],
    interval: float,
    due_only: bool,
) -> list[Turn]:
    """Each market's place in the rotation. Pure.

    Args:
        interval: For a market that was never asked.
        due_only: False: every market is due now, the longest unasked first.
    """
    shares = volume_shares({symbol: volumes.get(symbol) for symbol in symbols})
    now = time.time()
    turns = []
    for symbol in symbols:
        asked_at, rhythm = place_of(polls.get(symbol), interval)
        # A poll a little before its time does no harm; a round that just misses it would ask a whole round later.
        asked_at = asked_at - _EARLY * rhythm if due_only else min(asked_at, now - rhythm)
        turns.append(Turn(symbol, asked_at, rhythm, shares[symbol]))
    return turns


def quote_volumes(warehouse: Warehouse, venue: str) -> dict[str, float]:
    """What each market of the venue traded in the last 24 hours that are known, in its quote currency."""
    c = tickers.c
    newest = (
        select(c.symbol, c.volume_quote_24h)
        .where(c.venue == venue, c.volume_quote_24h.is_not(None))
        .ext(distinct_on(c.symbol))
        .order_by(c.symbol, c.snapshot_at.desc())
    )
    return {row["symbol"]: float(row["volume_quote_24h"]) for row in read_frame(warehouse, newest).to_dict("records")}


def _keep[C: EventConfig](
    run: EventRun[C], pollers: Pollers[C], before: Poll | None, visit: Visit, waited: float
) -> Kept:
    """Keep a poll; what a market waited counts where it was due before, and not at the will of a person."""
    known_wait = waited if before is not None and run.config.due_only else 0.0
    return keep_poll(
        run.warehouse, pollers.dataset, before, visit, waited=known_wait, longest=pollers.longest, now=datetime.now(UTC)
    )


def _all_failed[C: EventConfig](
    run: EventRun[C], pollers: Pollers[C], symbols: Sequence[str], polls: Mapping[str, Poll], error: ProviderError
) -> list[EventOutcome]:
    """The venue did not even give its list of markets."""
    venue = run.window.venue
    outcomes = [EventOutcome(venue, symbol, warning=str(error), failed=True) for symbol in symbols]
    kept = [
        _keep(run, pollers, polls.get(one.symbol), Visit(one, pollers.interval, error=error), 0) for one in outcomes
    ]
    return [one.polled.outcome for one in kept]
