"""Checks that the datasets of decentralised exchanges share.

What belongs here: rules over polls and lists. What does not: rules that other datasets have as well (quality) and the bounds,
which the universe holds.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Table, and_, func, select

from crypto_assets.datasets.dex.watchlist.table import watched_pools
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import Look, MaxAge
from crypto_assets.quality.coverage import TICK
from crypto_assets.quality.findings import Finding
from crypto_assets.quality.recency import were_asked
from crypto_assets.quality.series import time_of, venue_of
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame


def pools_were_asked(dataset: str, max_age_minutes: MaxAge) -> Look:
    """In the open day, every watched pool was asked within the bound, and the last time without failure."""

    def wanted(warehouse: Warehouse, _universe: Universe, window: VenueWindow) -> set[str]:
        return {pool.address for pool in watched_pools(warehouse, window.venue)}

    return were_asked(dataset, wanted, max_age_minutes)


def list_was_asked(table: Table, dataset: str, max_age_minutes: MaxAge) -> Look:
    """In the open day, the newest row of the network is younger than the bound; nothing is said before the first."""

    def look(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
        now = datetime.now(UTC)
        if not window.start <= now < window.end:
            return []
        at = time_of(table)
        newest = select(func.max(at).label("at")).where(
            and_(venue_of(table) == window.venue, at >= window.start - timedelta(days=1))
        )
        row = read_frame(warehouse, newest).to_dict("records")[0]["at"]
        if row is None or row != row:  # noqa: PLR0124 - NaT differs from itself
            return []
        age = now - row.to_pydatetime()
        is_late = int(age > timedelta(minutes=max_age_minutes(universe)))
        told = f"newest {row:%Y-%m-%d %H:%M:%S}"
        return [Finding(window.venue, dataset, TICK, 1, is_late, told, lag_seconds=age.total_seconds())]

    return look
