"""Whether each series of the open day was asked in time: by the polls kept in ops.market_polls.

What belongs here: rules over polls. What does not: rules over rows (checks.py), and which series are wanted (the datasets).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import Look, MaxAge
from crypto_assets.quality.findings import Finding
from crypto_assets.quality.series import TICK
from crypto_assets.schema.operations import market_polls
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

type Asked = Callable[[Warehouse, Universe, VenueWindow], Collection[str]]


def were_asked(dataset: str, wanted: Asked, max_age_minutes: MaxAge) -> Look:
    """In the open day, each wanted series was asked within the bound, and the last time without failure.

    The newest row's age would not do: nobody trades a quiet market for hours. Of a series that was never asked, as one added
    this minute, nothing is said.

    Args:
        wanted: The symbols, or pools' addresses, that are collected now.
        max_age_minutes: The bound.
    """

    def look(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
        now = datetime.now(UTC)
        if not window.start <= now < window.end:
            return []
        chosen = {*wanted(warehouse, universe, window)}
        p = market_polls.c
        polls = select(p.symbol, p.polled_at, p.failures, p.last_error).where(
            p.dataset == dataset, p.venue == window.venue
        )
        bound = timedelta(minutes=max_age_minutes(universe))
        findings = []
        for row in read_frame(warehouse, polls.order_by(p.symbol)).to_dict("records"):
            if row["symbol"] in chosen:
                age = now - row["polled_at"].to_pydatetime()
                is_broken = age > bound or int(row["failures"]) > 0
                told = row["last_error"] or f"last asked {row['polled_at']:%Y-%m-%d %H:%M}"
                findings.append(
                    Finding(window.venue, row["symbol"], TICK, 1, int(is_broken), told, lag_seconds=age.total_seconds())
                )
        return findings

    return look
