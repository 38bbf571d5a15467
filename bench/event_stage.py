"""The stage of the event benches: a universe, what goes wrong, one venue's round of all three datasets, and figures.

What belongs here: what several of these benches share. What does not: what each of them measures, and the server and the
sandbox themselves (stage.py).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import cast

import dagster as dg
import structlog

from crypto_assets.datasets.market.event_asset import EventConfig, EventRun
from crypto_assets.datasets.market.order_books.asset import BooksConfig, watch_books
from crypto_assets.datasets.market.tickers.asset import collect_tickers
from crypto_assets.datasets.market.trades.asset import TradesConfig, collect_trades
from crypto_assets.datasets.outcomes import EventOutcome
from crypto_assets.partitions import VenueWindow
from crypto_assets.resources import Exchanges
from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.market import DEFAULT_MARKETS
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse

DATASETS = ("tickers", "trades", "order_books")  # in the order of the job's steps
# 34 markets, three datasets each. The budgets are those of config/universe.yaml.
MARKETS = {"binance": 7, "mexc": 6, "gate": 6, "okx": 6, "coinbase": 5, "kraken": 4}
REQUESTS_PER_SECOND = {"binance": 10.0, "mexc": 10.0, "gate": 10.0, "okx": 8.0, "coinbase": 5.0, "kraken": 1.0}
PLAIN_WEIGHT = {"binance": 2}  # what a page of bars weighs, where that is more than one
HEAVIEST = {"binance": 20, "mexc": 40}  # the heaviest request made: a list of markets, all tickers
_NUMBERED = ("binance", "coinbase", "okx")  # numbers without holes: what did not come is noticed
_WITH_IDS = (*_NUMBERED, "gate", "kraken")


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Args:
        at_most: Bound from above; None where there is none.
        at_least: Bound from below; None where there is none.
    """

    name: str
    value: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    told: str = ""

    @property
    def holds(self) -> bool:
        """Whether the bounds are kept."""
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )

    @property
    def bound(self) -> str:
        """The bounds in words."""
        most = [] if self.at_most is None else [f"at most {self.at_most:,.4g}"]
        least = [] if self.at_least is None else [f"at least {self.at_least:,.4g}"]
        return ", ".join(most + least)


def universe_of(
    markets: Mapping[str, int],
    *,
    requests_per_second: Mapping[str, float] = REQUESTS_PER_SECOND,
    trades: Mapping[str, float] | None = None,
    order_books: Mapping[str, float] | None = None,
) -> Universe:
    """So many markets of each venue.

    Args:
        trades: Rules that differ from those of a bench.
        order_books: Likewise.
    """
    # Longer than a round takes, or it would never end; shorter than from one to the next, or it would find nothing due.
    rhythm = {"interval_minutes": 1 / 3, "max_interval_minutes": 1 / 3, "first_minutes": 15, "run_minutes": 2}
    return Universe.model_validate(
        {
            "history_from": datetime.now(UTC).date() - timedelta(days=1),
            "timeframes": ["1m"],
            "venues": {
                venue: {
                    "requests_per_second": requests_per_second[venue],
                    "markets": list(DEFAULT_MARKETS[venue][:count]),
                }
                for venue, count in markets.items()
            },
            "gaps": {"first_wait_minutes": 1, "wait_factor": 1},
            "trades": rhythm | dict(trades or {}),
            "order_books": {"interval_seconds": 20, "max_interval_seconds": 20} | dict(order_books or {}),
        }
    )


def universe_text(universe: Universe) -> str:
    """The same as a file; JSON is YAML."""
    return json.dumps(universe.model_dump(mode="json", by_alias=True))


def faults() -> list[Fault]:
    """A few percent of everything that can go wrong with trades, books and tickers."""
    told = [
        Fault(kind="throttled", rate=0.02),
        Fault(kind="throttled", rate=0.01, retry_after="1"),
        Fault(kind="banned", rate=0.01),
        Fault(kind="unavailable", rate=0.02),
        Fault(kind="dropped", rate=0.02),
        Fault(kind="slow_body", rate=0.02, seconds=0.3),
        Fault(kind="latency", rate=0.03, seconds=0.2),
        Fault(kind="null_rows", rate=0.02),
        Fault(kind="crossed_book", rate=0.03),
    ]
    # Without ids a trade that came twice is a second trade, and without numbers one that did not come leaves no trace.
    told += [Fault(kind="duplicate_trades", venue=venue, rate=0.03) for venue in _WITH_IDS]
    told += [Fault(kind="missing_trades", venue=venue, rate=0.03, bars=3) for venue in _NUMBERED]
    return told


def day_window(venue: str) -> VenueWindow:
    """The open day and the next one, so that a bench may run over midnight."""
    start = datetime.combine(datetime.now(UTC).date(), time(), UTC)
    return VenueWindow(venue, start, start + timedelta(days=2))


def collect(
    warehouse: Warehouse,
    exchanges: Exchanges,
    universe: Universe,
    window: VenueWindow,
    dataset: str,
    config: EventConfig | None = None,
) -> Sequence[EventOutcome]:
    """One venue's round of one dataset, as its asset does it; what is due, where no config says otherwise."""
    exchange = exchanges.client(window.venue, universe)
    try:
        if dataset == "trades":
            chosen = config if isinstance(config, TradesConfig) else TradesConfig(due_only=True)
            return collect_trades(EventRun(_LOG, warehouse, exchange, universe, window, chosen))
        if dataset == "order_books":
            watched = config if isinstance(config, BooksConfig) else BooksConfig(due_only=True)
            return watch_books(EventRun(_LOG, warehouse, exchange, universe, window, watched))
        return collect_tickers(EventRun(_LOG, warehouse, exchange, universe, window, EventConfig(due_only=True)))
    finally:
        exchange.close()


def silence() -> None:
    """No log lines: what is asked again is counted, and need not be read."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.getLogger("bench.events").setLevel(logging.CRITICAL)
    logging.getLogger("dagster").setLevel(logging.CRITICAL)


def budget_figures(name: str, busiest: Mapping[str, Mapping[str, int]], seconds: Sequence[int]) -> list[Figure]:
    """The busiest windows of all venues against budget × window + one request, by weight."""
    figures = []
    for window in seconds:
        shares = {}
        for venue, windows in busiest.items():
            allowed = REQUESTS_PER_SECOND[venue] * PLAIN_WEIGHT.get(venue, 1) * window + HEAVIEST.get(venue, 1)
            shares[venue] = windows.get(str(window), 0) / allowed
        worst = max(shares, key=lambda venue: shares[venue])
        over = [f"{venue} {share:.2f}" for venue, share in sorted(shares.items()) if share > 1]
        told = f"over: {', '.join(over)}" if over else f"the fullest: {worst}"
        figures.append(Figure(f"{name}: busiest {window} s, share of the budget", shares[worst], "", 1.0, told=told))
    return figures


# Dagster's log manager is a logger; outside of a run a plain one serves.
_LOG = cast("dg.DagsterLogManager", logging.getLogger("bench.events"))
