"""The checks of market/order_books.

What belongs here: names, severities and the rules of a stored book. What does not: how shared rules are looked at
(quality/checks.py, event_checks.py) and bounds (the universe).
"""

from __future__ import annotations

from dagster import AssetCheckSeverity
from sqlalchemy import func, or_, select

from crypto_assets.datasets.market.event_checks import markets_were_asked
from crypto_assets.datasets.market.order_books.table import DATASET, order_books
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import Rule, inside, key_is_unique, make_check, read_findings, rows_keep
from crypto_assets.quality.completeness import rows_are_accepted
from crypto_assets.quality.coverage import TICK
from crypto_assets.quality.findings import Dimension, Finding, Grid
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse

_C = order_books.c


def _levels_in_order(warehouse: Warehouse, _universe: Universe, window: VenueWindow) -> list[Finding]:
    """Bids fall and asks rise from level to level, recomputed from the stored levels."""
    bids, asks = (func.quality.prices_in_order(side, falls) for side, falls in ((_C.bids, True), (_C.asks, False)))
    broken = or_(~bids, ~asks)
    statement = (
        select(
            _C.venue,
            _C.symbol,
            func.min(TICK).label("timeframe"),
            func.count().label("checked"),
            func.count().filter(broken).label("failed"),
            func.min(_C.snapshot_at).filter(broken).label("first_at"),
        )
        .where(*inside(order_books, window))
        .group_by(_C.venue, _C.symbol)
    )
    return read_findings(warehouse, statement)


def _deep_enough(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
    """Books have at least min_depth_share of the levels asked for."""
    rules = universe.order_books
    return list(rows_keep(order_books, _C.depth < rules.depth * rules.min_depth_share)(warehouse, universe, window))


RULES = (
    Rule(
        "key_is_unique",
        "One snapshot for each venue, symbol and time.",
        Dimension.ACCURACY,
        key_is_unique(order_books, "symbol"),
        blocking=True,
    ),
    Rule(
        "book_not_crossed",
        "The best bid is below the best ask, so the spread is positive, and so are all depths.",
        Dimension.ACCURACY,
        rows_keep(
            order_books,
            or_(_C.bids[1][1] >= _C.asks[1][1], _C.spread_bps <= 0, _C.bid_depth_quote <= 0, _C.ask_depth_quote <= 0),
        ),
        blocking=True,
    ),
    Rule(
        "levels_in_order",
        "Bids fall and asks rise from level to level.",
        Dimension.ACCURACY,
        _levels_in_order,
        blocking=True,
    ),
    Rule(
        "book_deep_enough",
        "A book has at least order_books.min_depth_share of the levels asked for: a thinner one is a venue in trouble.",
        Dimension.COMPLETENESS,
        _deep_enough,
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "rows_are_accepted",
        "No book of the last day had to be refused.",
        Dimension.ACCURACY,
        rows_are_accepted(order_books, DATASET),
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "markets_were_asked",
        "In the open day every market was asked within order_books.max_age_minutes of the universe, and answered.",
        Dimension.TIMELINESS,
        markets_were_asked(DATASET, lambda universe: universe.order_books.max_age_minutes),
    ),
)

CHECKS = [make_check(DATASET, rule, Grid.DAYS) for rule in RULES]
