"""The daily price of gold: closes of a token for one fine troy ounce on an exchange.

What belongs here: days that have closed, as rows. What does not: asking an exchange (clients/exchange.py), FRED (collect.py).

FRED lost the LBMA's prices in 2022. A day's close is its vintage and is known when the day has closed, UTC. The token can
stray from the metal: it trades at weekends, and has traded some percent off.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import func, select

from crypto_assets.clients.exchange import BarPage, Exchange
from crypto_assets.clients.exchange_bars import Bars
from crypto_assets.datasets.macro.observations.collect import Wanted, keep_refused, outcome_of
from crypto_assets.datasets.macro.observations.table import DATASET, LEDGER, observations
from crypto_assets.datasets.outcomes import EventOutcome
from crypto_assets.quality.coverage import TICK
from crypto_assets.resources import Exchanges, Providers
from crypto_assets.universe import Market, Universe, Venue
from crypto_assets.universe_sources import GoldRules
from crypto_assets.warehouse.collected import mark_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame
from crypto_assets.warehouse.write import Batch, upsert

UNIT = "US dollars per fine troy ounce"
_DAY = timedelta(days=1)


def collect_gold(
    providers: Providers, warehouse: Warehouse, universe: Universe, rules: GoldRules, wanted: Wanted
) -> EventOutcome:
    """Ask for the closed days and store them.

    Raises:
        ProviderError: the exchange failed; nothing was written.
    """
    start, end = _midnight(wanted.since), _midnight(wanted.known_before.date())
    if wanted.only_new:
        stored = last_day(warehouse, rules.series_id)
        start = start if stored is None else max(start, _midnight(stored) + _DAY)
    pages = _ask(providers, universe, rules, start, end, wanted.now) if start < end else []
    batch = build_days([page.bars for page in pages], rules)
    refused = [one for page in pages for one in page.bars.refused]
    with warehouse.connect() as connection:
        counts = upsert(connection, observations, batch)
        keep_refused(connection, rules.series_id, refused)
        asked = [(page.start, page.end) for page in pages if page.start < page.end]
        for first, last in asked:
            mark_collected(connection, DATASET, LEDGER, rules.series_id, TICK, _utc(first) + _DAY, _utc(last) + _DAY)
    return outcome_of(rules.venue, rules.series_id, counts, refused, _known(batch))


def build_days(parts: Sequence[Bars], rules: GoldRules) -> Batch:
    """The table's columns from daily bars. Pure."""
    opened = np.concatenate([np.empty(0, dtype=np.int64), *(bars.opened_at_ms for bars in parts)])
    days = opened.astype("datetime64[ms]").astype("datetime64[D]")
    return {
        "series_id": rules.series_id,
        "period_on": days,
        "realtime_start": days,
        "realtime_end": np.full(len(days), np.datetime64("NaT"), dtype="datetime64[D]"),
        "value": np.concatenate([np.empty(0), *(bars.columns["close"] for bars in parts)]),
        "unit": UNIT,
        "frequency": "daily",
        "source": f"{rules.venue} {rules.symbol} 1d",
        "known_at": (days + np.timedelta64(1, "D")).astype("datetime64[us]"),
    }


def exchange_of(providers: Providers, universe: Universe, rules: GoldRules) -> Exchange:
    """The client that bars come through too, with the providers' sandbox, policy and pace; opens nothing.

    An exchange that the universe has not, is asked as Kraken would be: once a second.
    """
    if rules.venue not in universe.venues:
        added = {rules.venue: Venue(markets=(Market(symbol=rules.symbol),), requests_per_second=1, history_bars=720)}
        universe = universe.model_copy(update={"venues": universe.venues | added})
    return Exchanges(providers.sandbox_url, providers.policy, providers.warehouse, providers.keeps_budget).client(
        rules.venue, universe
    )


def last_day(warehouse: Warehouse, series_id: str) -> date | None:
    """The newest day that is stored."""
    newest = select(func.max(observations.c.period_on).label("day")).where(observations.c.series_id == series_id)
    found = read_frame(warehouse, newest)["day"].iloc[0]
    return None if pd.isna(found) else found.date()


def _ask(
    providers: Providers, universe: Universe, rules: GoldRules, start: datetime, end: datetime, now: datetime
) -> list[BarPage]:
    with closing(exchange_of(providers, universe, rules)) as exchange:
        reach = exchange.reach("1d", now)
        return list(exchange.pages(rules.symbol, "1d", max(start, reach) if reach else start, end))


def _known(batch: Batch) -> NDArray[np.datetime64]:
    known: NDArray[np.datetime64] = np.asarray(batch["known_at"], dtype="datetime64[us]")
    return known


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _utc(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
