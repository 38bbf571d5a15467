"""The checks of market/trades.

What belongs here: names, severities and the reasons of what blocks. What does not: how shared rules are looked at
(quality/checks.py, event_checks.py) and bounds (the universe).
"""

from __future__ import annotations

from dagster import AssetCheckSeverity
from sqlalchemy import extract, func, or_, select

from crypto_assets.clients.exchange_trades import layout_of
from crypto_assets.datasets.market.event_checks import markets_were_asked
from crypto_assets.datasets.market.trades.table import DATASET, trades
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import Rule, inside, key_is_unique, make_check, read_findings, rows_keep
from crypto_assets.quality.completeness import rows_are_accepted
from crypto_assets.quality.coverage import TICK
from crypto_assets.quality.findings import Dimension, Finding, Grid
from crypto_assets.quality.gaps import State
from crypto_assets.schema.bookkeeping import coverage
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

_C = trades.c
# A cost is a product of two exact numbers; anything else is a wrong row.
_COST_DIFFERS = _C.cost != _C.price * _C.amount


def _numbers_rise_with_time(warehouse: Warehouse, _universe: Universe, window: VenueWindow) -> list[Finding]:
    """Where the venue numbers its trades, a later one has a higher number."""
    if layout_of(window.venue).sequence is None:
        return []
    before = func.lag(_C.traded_at).over(partition_by=(_C.symbol,), order_by=_C.sequence)
    pairs = select(_C.venue, _C.symbol, _C.traded_at, before.label("before")).where(*inside(trades, window)).subquery()
    broken = pairs.c.traded_at < pairs.c.before
    statement = select(
        pairs.c.venue,
        pairs.c.symbol,
        func.min(TICK).label("timeframe"),
        func.count().label("checked"),
        func.count().filter(broken).label("failed"),
        func.min(pairs.c.traded_at).filter(broken).label("first_at"),
    ).group_by(pairs.c.venue, pairs.c.symbol)
    return read_findings(warehouse, statement)


def _gaps_are_explained(warehouse: Warehouse, _universe: Universe, window: VenueWindow) -> list[Finding]:
    """No span of the window is known to lack trades; what the ledger has given up is noted and fails too."""
    c = coverage.c
    length = extract("epoch", func.least(c.gap_end, window.end) - func.greatest(c.gap_start, window.start))
    gaps = (
        select(
            c.symbol,
            func.count().label("gaps"),
            func.sum(length).label("seconds"),
            func.min(c.evidence["why"].astext).label("why"),
        )
        .where(c.dataset == DATASET, c.venue == window.venue, c.state.in_([State.MISSING, State.UNRECOVERABLE]))
        .where(c.gap_end > window.start, c.gap_start < window.end)
        .group_by(c.symbol)
    )
    stored = select(_C.symbol, func.count().label("rows")).where(*inside(trades, window)).group_by(_C.symbol)
    rows = {row["symbol"]: int(row["rows"]) for row in read_frame(warehouse, stored).to_dict("records")}
    broken = {row["symbol"]: row for row in read_frame(warehouse, gaps).to_dict("records")}
    findings = []
    for symbol in sorted(rows.keys() | broken.keys()):
        row = broken.get(symbol)
        failed = int(row["gaps"]) if row else 0
        told = f"{failed} gaps of {float(row['seconds']):.1f} s: {row['why']}" if row else ""
        findings.append(Finding(window.venue, symbol, TICK, rows.get(symbol, 0) + failed, failed, told))
    return findings


RULES = (
    Rule(
        "key_is_unique",
        "One row for each venue, symbol, time and trade id.",
        Dimension.ACCURACY,
        key_is_unique(trades, "symbol", "trade_id"),
        blocking=True,
    ),
    Rule(
        "price_and_amount_positive",
        "Every price and amount is above zero, and their product is the cost, to the last digit.",
        Dimension.ACCURACY,
        rows_keep(trades, or_(_C.price <= 0, _C.amount <= 0, _COST_DIFFERS)),
        blocking=True,
    ),
    Rule(
        "no_trade_from_the_future",
        "No trade was made more than a minute after it was received, by the venue's clock and ours.",
        Dimension.ACCURACY,
        rows_keep(trades, _C.traded_at > _C.received_at + func.make_interval(0, 0, 0, 0, 0, 1)),
        blocking=True,
    ),
    Rule(
        "numbers_rise_with_time",
        "Where the venue numbers its trades, a later trade has a higher number.",
        Dimension.ACCURACY,
        _numbers_rise_with_time,
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "rows_are_accepted",
        "No row of the last day had to be refused.",
        Dimension.ACCURACY,
        rows_are_accepted(trades, DATASET),
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "no_trade_is_missing",
        "The ledger knows of no span of the window that lacks trades: numbers without holes prove it where venues give them.",
        Dimension.COMPLETENESS,
        _gaps_are_explained,
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "markets_were_asked",
        "In the open day every market was asked within trades.max_age_minutes of the universe, and answered.",
        Dimension.TIMELINESS,
        markets_were_asked(DATASET, lambda universe: universe.trades.max_age_minutes),
    ),
)

CHECKS = [make_check(DATASET, rule, Grid.DAYS) for rule in RULES]
