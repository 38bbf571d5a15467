"""The asset market/tickers: what a venue says of its markets' last 24 hours, all in one request.

What belongs here: the poll and rows from it. What does not: asking (clients/exchange_books.py) and when it runs
(automation.py).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime

import dagster as dg
import numpy as np

from crypto_assets.clients.exchange_books import Ticker
from crypto_assets.clients.exchange_books import tickers as ask_tickers
from crypto_assets.clients.failures import Malformed, NotServed, ProviderError, Throttled, Unavailable
from crypto_assets.datasets.market.event_asset import EventConfig, EventRun, event_asset
from crypto_assets.datasets.market.tickers.table import DATASET, tickers
from crypto_assets.datasets.outcomes import EventOutcome
from crypto_assets.latest.lives import TICKER
from crypto_assets.latest.values import LatestTicker, microseconds
from crypto_assets.partitions import Grids
from crypto_assets.quality.coverage import TICK
from crypto_assets.warehouse.quarantine import Refused, quarantine
from crypto_assets.warehouse.write import Batch, upsert

_NUMBERS = tuple(one.name for one in fields(Ticker) if one.name not in {"symbol", "received_at", "venue_at"})


def build_asset(grids: Grids) -> dg.AssetsDefinition:
    """The asset over the grids of the universe in force; automation.py adds when it runs."""
    return event_asset(
        DATASET,
        tickers,
        grids,
        EventConfig,
        collect_tickers,
        description="24-hour statistics of every market in the universe, day × venue. Only of now, never of the past.",
    )


def collect_tickers(run: EventRun[EventConfig]) -> Sequence[EventOutcome]:
    """Ask one venue once, if the window is still open."""
    venue, symbols = run.window.venue, [market.symbol for market in run.markets()]
    if not run.is_open(datetime.now(UTC)):
        run.log.warning("%s: statistics of the past cannot be asked for; nothing is done.", venue)
        return []
    began = time.monotonic()
    try:
        found = ask_tickers(run.exchange, symbols)
    except NotServed as error:
        run.log.warning("%s", error)
        return [EventOutcome(venue, "", warning=str(error))]
    except ProviderError as error:
        if isinstance(error, Malformed):
            with run.warehouse.connect() as connection:
                refused = [Refused(error.problem, error.payload)]
                quarantine(connection, dataset=DATASET, venue=venue, symbol="", timeframe=TICK, items=refused)
        passes = isinstance(error, Throttled | Unavailable)
        return [EventOutcome(venue, symbol, warning=str(error), failed=True, postponed=passes) for symbol in symbols]
    with run.warehouse.connect() as connection:
        upsert(connection, tickers, build_rows(venue, found))
    run.tell.put(latest_ticker(venue, one) for one in found)
    seconds = (time.monotonic() - began) / len(found) if found else 0.0
    outcomes = [
        EventOutcome(venue, one.symbol, 1, 1, turns=1, first=one.received_at, last=one.received_at, seconds=seconds)
        for one in found
    ]
    absent = sorted(set(symbols) - {one.symbol for one in found})
    return outcomes + [
        EventOutcome(venue, symbol, warning=f"{venue} tells nothing of {symbol}", failed=True) for symbol in absent
    ]


def build_rows(venue: str, found: Sequence[Ticker]) -> Batch:
    """The table's columns from tickers. Pure."""
    received = np.array([_wall(one.received_at) for one in found], dtype="datetime64[us]")
    return {
        "venue": venue,
        "symbol": np.array([one.symbol for one in found], dtype=object),
        "snapshot_at": received,
        **{name: np.array([_or_nan(getattr(one, name)) for one in found], dtype=np.float64) for name in _NUMBERS},
        "venue_at": np.array([_wall(one.venue_at) for one in found], dtype="datetime64[us]"),
        "source": f"ccxt {venue} fetchTickers",
        "known_at": received,
    }


def latest_ticker(venue: str, found: Ticker) -> LatestTicker:
    """A ticker as Redis is told. Pure."""
    at = microseconds(found.received_at)
    event = None if found.venue_at is None else microseconds(found.venue_at)
    return LatestTicker(
        at_us=at, known_us=at, stored_us=microseconds(datetime.now(UTC)), until_us=at + TICKER, venue=venue,
        symbol=found.symbol, event_us=event, **{name: getattr(found, name) for name in _NUMBERS},
    )  # fmt: skip


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _wall(moment: datetime | None) -> np.datetime64:
    return np.datetime64("NaT") if moment is None else np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")
