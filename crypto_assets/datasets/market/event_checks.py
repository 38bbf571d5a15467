"""Checks that trades, order books and tickers share.

What belongs here: rules over events and snapshots. What does not: rules that bars have as well (quality/checks.py) and the
bounds, which the universe holds.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pandas as pd
from sqlalchemy import Table, and_, func, select

from crypto_assets.datasets.market.instruments.table import ended_symbols
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import Look, time_of
from crypto_assets.quality.coverage import TICK
from crypto_assets.quality.findings import Finding
from crypto_assets.quality.recency import were_asked
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

type MaxAge = Callable[[Universe], float]


def markets_were_asked(dataset: str, max_age_minutes: MaxAge) -> Look:
    """In the open day, every market was asked within the bound, and the last time without failure."""

    def wanted(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> set[str]:
        listed = {market.symbol for market in universe.venue(window.venue).markets}
        return listed - ended_symbols(warehouse, window.venue)

    return were_asked(dataset, wanted, max_age_minutes)


def newest_is_recent(table: Table, max_age_minutes: MaxAge) -> Look:
    """In the open day, each market's newest row is younger than the bound."""

    def look(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
        now = datetime.now(UTC)
        if not window.start <= now < window.end:
            return []
        at = time_of(table)
        newest = select(table.c.symbol, func.max(at).label("at")).where(
            and_(table.c.venue == window.venue, at >= window.start - timedelta(days=1))
        )
        bound = timedelta(minutes=max_age_minutes(universe))
        findings = []
        for row in read_frame(warehouse, newest.group_by(table.c.symbol)).to_dict("records"):
            age = now - pd.Timestamp(row["at"]).to_pydatetime()
            told = f"newest {row['at']:%Y-%m-%d %H:%M:%S}"
            late = int(age > bound)
            findings.append(Finding(window.venue, row["symbol"], TICK, 1, late, told, lag_seconds=age.total_seconds()))
        return findings

    return look
