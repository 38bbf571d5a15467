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
from crypto_assets.quality.series import time_of, venue_of
from crypto_assets.schema.operations import market_polls
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame


def pools_were_asked(dataset: str, max_age_minutes: MaxAge) -> Look:
    """In the open day, every watched pool was asked within the bound, and the last time without failure.

    The newest row's age would not do: nobody trades a quiet pool for days. Of a pool that was never asked, as one added
    this minute, nothing is said.
    """

    def look(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
        now = datetime.now(UTC)
        if not window.start <= now < window.end:
            return []
        watched = {pool.address for pool in watched_pools(warehouse, window.venue)}
        p = market_polls.c
        polls = select(p.symbol, p.polled_at, p.failures, p.last_error).where(
            p.dataset == dataset, p.venue == window.venue
        )
        bound = timedelta(minutes=max_age_minutes(universe))
        findings = []
        for row in read_frame(warehouse, polls.order_by(p.symbol)).to_dict("records"):
            if row["symbol"] in watched:
                age = now - row["polled_at"].to_pydatetime()
                is_broken = age > bound or int(row["failures"]) > 0
                told = row["last_error"] or f"last asked {row['polled_at']:%Y-%m-%d %H:%M}"
                findings.append(
                    Finding(window.venue, row["symbol"], TICK, 1, int(is_broken), told, lag_seconds=age.total_seconds())
                )
        return findings

    return look


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
