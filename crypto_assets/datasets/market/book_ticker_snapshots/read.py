"""Best prices for consumers: a market's seconds, or the newest second of each market.

What belongs here: reading market.book_ticker_snapshots for use. What does not: storing (stream/), counting (recount.py) and
printing (cli).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd
from sqlalchemy import func, select

from crypto_assets.datasets.market.book_ticker_snapshots.table import book_ticker_snapshots
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

_C = book_ticker_snapshots.c
_SHOWN = (
    "venue", "symbol", "snapshot_at", "bid_price", "bid_quantity", "ask_price", "ask_quantity", "spread", "spread_pct",
    "event_at", "age_ms", "is_stale",
)  # fmt: skip


def snapshots(
    warehouse: Warehouse,
    venue: str,
    symbols: Sequence[str],
    start: datetime,
    end: datetime,
    *,
    with_stale: bool = True,
) -> pd.DataFrame:
    """The seconds of markets in [start, end), as they could be known at their second.

    Args:
        symbols: Unified ones; empty: every market of the venue.
        with_stale: Whether rows come that are marked stale, which are not to be traded on.

    Returns:
        A row a market and second, by symbol and time: venue, symbol, snapshot_at (UTC), bid_price, ask_price, spread (quote
        currency), bid_quantity, ask_quantity (base currency), spread_pct (percent of the bid), event_at (UTC, NaT where the
        venue does not say), age_ms, is_stale. Seconds without a row are not there: quality.coverage says why. An hour of a
        market is 3,600 rows; prices are float64 here, and exact in the table.

    Raises:
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    conditions = [_C.venue == venue, _C.snapshot_at >= start, _C.snapshot_at < end]
    if symbols:
        conditions.append(_C.symbol.in_(symbols))
    if not with_stale:
        conditions.append(~_C.is_stale)
    statement = select(*(_C[name] for name in _SHOWN)).where(*conditions).order_by(_C.symbol, _C.snapshot_at)
    return read_frame(warehouse, statement)


def newest(warehouse: Warehouse, venue: str | None = None, *, since: datetime) -> pd.DataFrame:
    """The newest second of each market that has one since a time.

    Args:
        venue: None: every venue.
        since: Markets whose newest row is older are left out; UTC.

    Returns:
        Columns as of `snapshots`, a row a market, by venue and symbol.

    Raises:
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    conditions = [_C.snapshot_at >= since] + ([_C.venue == venue] if venue else [])
    place = func.row_number().over(partition_by=(_C.venue, _C.symbol), order_by=_C.snapshot_at.desc())
    ranked = select(*(_C[name] for name in _SHOWN), place.label("place")).where(*conditions).subquery()
    columns = [ranked.c[name] for name in _SHOWN]
    return read_frame(warehouse, select(*columns).where(ranked.c.place == 1).order_by(ranked.c.venue, ranked.c.symbol))
