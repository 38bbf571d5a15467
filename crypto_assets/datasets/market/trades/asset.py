"""The asset market/trades: what a run collects, market by market in turns.

What belongs here: run config, the span each market wants, one poll. What does not: fetching and storing (collect.py), proof
(continuity.py), whose turn it is (polling.py), when it runs (automation.py).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import Field

from crypto_assets.clients.exchange import Exchange
from crypto_assets.clients.failures import NotListed
from crypto_assets.collection.interval import next_interval
from crypto_assets.datasets.market.event_asset import EventConfig, EventRun, event_asset
from crypto_assets.datasets.market.instruments.table import ended_symbols
from crypto_assets.datasets.market.polling import Pollers, poll_markets
from crypto_assets.datasets.market.trades.collect import resume_from, series_of, take_turn, wanted_spans
from crypto_assets.datasets.market.trades.continuity import prove
from crypto_assets.datasets.market.trades.table import DATASET, trades
from crypto_assets.datasets.outcomes import EventOutcome
from crypto_assets.datasets.polls import Visit
from crypto_assets.partitions import Grids
from crypto_assets.spans import Span
from crypto_assets.universe import market_window, parse_moment
from crypto_assets.warehouse.lease import lease

_PAGE = 1000
# A poll should bring half a page: then a market that doubles its pace still fits into one request.
_WANTED = _PAGE / 2


class TradesConfig(EventConfig):
    """What a run collects; left out means every trade of every market of the venue's day."""

    since: str = Field(default="", description="First moment, ISO 8601, UTC. Empty: the partition's start.")
    until: str = Field(default="", description="Moments before this, ISO 8601, UTC. Empty: the partition's end.")
    refresh: bool = Field(default=False, description="Ask again for what is stored.")


def build_asset(grids: Grids) -> dg.AssetsDefinition:
    """The asset over the grids of the universe in force; automation.py adds when it runs."""
    return event_asset(
        DATASET,
        trades,
        grids,
        TradesConfig,
        collect_trades,
        description="Public trades of every market in the universe, day × venue. Incremental, resumable, whole or labelled.",
    )


def collect_trades(run: EventRun[TradesConfig]) -> Sequence[EventOutcome]:
    """Collect one venue's window."""
    rules = run.universe.trades
    ended = ended_symbols(run.warehouse, run.window.venue)
    seconds = rules.run_minutes * 60 if run.config.due_only else timedelta(days=1).total_seconds()

    def visit(exchange: Exchange, symbol: str, interval: float) -> Visit:
        return _visit(run, exchange, symbol, interval, has_ended=symbol in ended)

    pollers: Pollers[TradesConfig] = Pollers(
        DATASET, "fetchTrades", "trades", rules.interval_minutes * 60, rules.max_interval_minutes * 60, seconds, visit
    )
    with lease(run.warehouse, f"trades {run.window.venue}"):
        return poll_markets(run, pollers)


def _visit(run: EventRun[TradesConfig], exchange: Exchange, symbol: str, interval: float, *, has_ended: bool) -> Visit:
    """One turn of one market: fetch, prove, and say when it is due again."""
    began, rules = time.monotonic(), run.universe.trades
    spans = _spans(run, symbol)
    asked = sum((end - start for start, end in spans), timedelta()).total_seconds()
    turned = take_turn(run.warehouse, exchange, symbol, spans, most_pages=rules.turn_pages)
    again, holes = prove(run.warehouse, exchange, symbol, turned.spans, run.universe.gaps)
    outcome, error = turned.outcome, turned.error
    total = replace(again + outcome, absent=outcome.absent + holes, seconds=time.monotonic() - began)
    if isinstance(error, NotListed) and has_ended:
        told = f"{exchange.name} lists {symbol} no more; nothing is due."
        return Visit(replace(total, warning=told, failed=False), rules.max_interval_minutes * 60)
    if holes and not total.warning:
        total = replace(total, warning=f"{holes} gaps in its trades; the ledger names them")
    shortest, longest = rules.interval_minutes * 60, rules.max_interval_minutes * 60
    seen = outcome.received * interval / asked if asked > 0 else 0.0
    return Visit(
        total,
        next_interval(max(interval, shortest), seen, _WANTED, shortest, longest),
        activity=outcome.received / asked if asked > 0 else None,
        has_more=turned.has_more and error is None,
        error=error,
    )


def _spans(run: EventRun[TradesConfig], symbol: str) -> list[Span]:
    """What one market lacks in the run's window."""
    config, window = run.config, run.window
    market = next(one for one in run.markets() if one.symbol == symbol)
    span = market_window(market, window.start, window.end)
    since, until = parse_moment(config.since, "since"), parse_moment(config.until, "until")
    span = max(span[0], since or span[0]), min(span[1], until or span[1])
    key = series_of(window.venue, symbol)
    if config.due_only:
        first = timedelta(minutes=run.universe.trades.first_minutes)
        start = resume_from(run.warehouse, key, span, first, datetime.now(UTC))
        span = max(span[0], start), span[1]
    return wanted_spans(run.warehouse, key, span, refresh=config.refresh) if span[0] < span[1] else []
