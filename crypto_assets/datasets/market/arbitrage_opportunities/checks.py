"""The checks of market/arbitrage_opportunities.

What belongs here: names, severities and the reasons of what blocks; recomputing a row, and comparing it with the quotes that it
rests on. What does not: how shared rules are looked at (quality).
"""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
from dagster import AssetCheckSeverity
from sqlalchemy import ColumnElement, Double, and_, cast, func, or_, select

from crypto_assets.datasets.market.arbitrage_opportunities.table import BELIEVABLE_PCT, DATASET, arbitrage_opportunities
from crypto_assets.datasets.market.book_ticker_snapshots.table import book_ticker_snapshots
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import (
    Rule,
    inside,
    key_is_unique,
    labelled_series,
    make_check,
    read_findings,
    rows_keep,
    series_of,
)
from crypto_assets.quality.findings import Dimension, Finding, Grid
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

_C = arbitrage_opportunities.c
_NEAR = 1e-6  # of a percent, or of the profit: what rounding in another order could make


def _differs_from_its_formula() -> ColumnElement[bool]:
    """Whether a row's gains are not what its prices, fees and size come to."""
    buy, sell = cast(_C.buy_price, Double), cast(_C.sell_price, Double)
    paid, received = buy * (1 + _C.buy_fee_pct / 100), sell * (1 - _C.sell_fee_pct / 100)
    profit = cast(_C.size_base, Double) * (received - paid)
    return or_(
        func.abs((sell / buy - 1) * 100 - _C.gross_pct) > _NEAR,
        func.abs((received / paid - 1) * 100 - _C.net_pct) > _NEAR,
        func.abs(profit - _C.profit_quote) > _NEAR * func.abs(profit),
    )


def _quotes_were_fresh(warehouse: Warehouse, _universe: Universe, window: VenueWindow) -> list[Finding]:
    """Both quotes stand in market.book_ticker_snapshots at that second, with these prices and amounts, and not stale.

    Days of snapshots that were dropped prove nothing, nor do seconds of an open hour whose snapshots are still on their way.
    """
    kept = _kept_snapshots(warehouse, window)
    if kept is None:
        return []
    buy, sell = book_ticker_snapshots.alias("buy"), book_ticker_snapshots.alias("sell")
    broken = or_(
        buy.c.venue.is_(None),
        sell.c.venue.is_(None),
        buy.c.is_stale,
        sell.c.is_stale,
        buy.c.ask_price != _C.buy_price,
        sell.c.bid_price != _C.sell_price,
        func.least(buy.c.ask_quantity, sell.c.bid_quantity) != _C.size_base,
    )
    same = [and_(of.c.symbol == _C.symbol, of.c.snapshot_at == _C.snapshot_at) for of in (buy, sell)]
    joined = arbitrage_opportunities.outerjoin(buy, and_(buy.c.venue == _C.buy_venue, same[0])).outerjoin(
        sell, and_(sell.c.venue == _C.sell_venue, same[1])
    )
    counts = (
        func.count().label("checked"),
        func.count().filter(broken).label("failed"),
        func.min(_C.snapshot_at).filter(broken).label("first_at"),
    )
    chosen = select().add_columns(*labelled_series(arbitrage_opportunities), *counts).select_from(joined)
    statement = chosen.where(*inside(arbitrage_opportunities, window), _C.snapshot_at.between(*kept))
    return read_findings(warehouse, statement.group_by(*series_of(arbitrage_opportunities)))


def _kept_snapshots(warehouse: Warehouse, window: VenueWindow) -> tuple[datetime, datetime] | None:
    """From where to where rows of the window can be compared with snapshots; None where none are kept."""
    at = book_ticker_snapshots.c.snapshot_at
    row = read_frame(
        warehouse,
        select(func.min(at).label("first"), func.max(at).label("last")).where(at >= window.start, at < window.end),
    ).iloc[0]
    if pd.isna(row["first"]):
        return None
    first, last = row["first"].to_pydatetime(), row["last"].to_pydatetime()
    # Whole days are dropped: where a day has one second, it should have all of them.
    first = first.replace(hour=0, minute=0, second=0, microsecond=0)
    return first, last if window.end > datetime.now(UTC) else window.end


RULES = (
    Rule(
        "key_is_unique",
        "One row for each market, pair of venues and second.",
        Dimension.ACCURACY,
        key_is_unique(arbitrage_opportunities, "sell_venue"),
        blocking=True,
    ),
    Rule(
        "profit_is_positive",
        "After the fees of both sides something is left: a row without profit is no opportunity.",
        Dimension.ACCURACY,
        rows_keep(arbitrage_opportunities, or_(_C.net_pct <= 0, _C.profit_quote <= 0, _C.size_base <= 0)),
    ),
    Rule(
        "profit_follows_from_prices",
        "Gains are what the row's own prices, fees and size come to.",
        Dimension.ACCURACY,
        rows_keep(arbitrage_opportunities, _differs_from_its_formula()),
    ),
    Rule(
        "quotes_were_fresh",
        "Both quotes stand in market.book_ticker_snapshots at that second, with the same prices and amounts, and not stale.",
        Dimension.ACCURACY,
        _quotes_were_fresh,
    ),
    Rule(
        "gains_are_believable",
        f"No more than {BELIEVABLE_PCT:g} percent are left: beyond that, one symbol is rather two currencies, or deposits"
        " and withdrawals are closed.",
        Dimension.ACCURACY,
        rows_keep(arbitrage_opportunities, _C.net_pct > BELIEVABLE_PCT),
        severity=AssetCheckSeverity.WARN,
    ),
)

CHECKS = [make_check(DATASET, rule, Grid.HOURS) for rule in RULES]
