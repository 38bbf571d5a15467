"""The checks of dex/pool_trades.

What belongs here: names, severities and the reasons of what blocks. What does not: how shared rules are looked at (quality,
pool_checks.py) and bounds (the universe).
"""

from __future__ import annotations

from collections.abc import Sequence

from dagster import AssetCheckSeverity
from sqlalchemy import Double, and_, cast, extract, func, literal, or_, select
from sqlalchemy.dialects.postgresql import INTERVAL

from crypto_assets.datasets.dex.pool_checks import pools_were_asked
from crypto_assets.datasets.dex.pool_ohlcv.table import pool_ohlcv
from crypto_assets.datasets.dex.pool_trades.table import DATASET, pool_trades
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import Rule, inside, key_is_unique, make_check, read_findings, rows_keep
from crypto_assets.quality.completeness import rows_are_accepted
from crypto_assets.quality.coverage import TICK
from crypto_assets.quality.findings import Dimension, Finding, Grid
from crypto_assets.quality.gaps import State
from crypto_assets.schema.bookkeeping import coverage
from crypto_assets.universe import TIMEFRAME_LENGTH, Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

_C = pool_trades.c
# GeckoTerminal values a trade by the dollar price of one side, and prices the other by it: recorded trades agree to 1 in
# 10,000; beyond a percent one of the three numbers is another trade's.
_VALUE_DIFFERS = func.abs(_C.volume_usd - _C.price_usd * _C.amount_base) > 0.01 * _C.volume_usd + 1e-6
# Of 1,160 recorded minutes all but one held their trades' prices and volume within this part of the bar's.
_BAR_TOLERANCE = 0.001


def _trades_fit_bars(warehouse: Warehouse, _universe: Universe, window: VenueWindow) -> list[Finding]:
    """The trades of a minute lie within its bar's prices, and hold no more volume than it has.

    No less would be asked too much: the watchlist may want large trades only.
    """
    bars, minute = pool_ohlcv.c, literal(TIMEFRAME_LENGTH["1m"], INTERVAL)
    at = func.date_bin(minute, _C.traded_at, func.to_timestamp(0))
    of_minute = (
        select(
            _C.pool_address, at.label("at"), cast(func.sum(_C.volume_usd), Double()).label("volume"),
            cast(func.min(_C.price_usd), Double()).label("low"), cast(func.max(_C.price_usd), Double()).label("high"),
        )
        .where(*inside(pool_trades, window))
        .group_by(_C.pool_address, at)
        .subquery()
    )  # fmt: skip
    m, over = of_minute.c, 1 + _BAR_TOLERANCE
    broken = or_(m.volume > bars.volume_usd * over, m.high > bars.high * over, m.low < bars.low / over)
    same = and_(
        bars.network == window.venue, bars.pool_address == m.pool_address, bars.timeframe == "1m",
        bars.opened_at == m.at, bars.opened_at >= window.start, bars.opened_at < window.end,
    )  # fmt: skip
    statement = (
        select(
            func.min(bars.network).label("venue"),
            m.pool_address.label("symbol"),
            func.min(TICK).label("timeframe"),
            func.count().label("checked"),
            func.count().filter(broken).label("failed"),
            func.min(m.at).filter(broken).label("first_at"),
        )
        .join(pool_ohlcv, same)
        .group_by(m.pool_address)
    )
    return read_findings(warehouse, statement)


def _most_fit(findings: Sequence[Finding], universe: Universe) -> bool:
    """Whether as large a share fits as of an exchange's bars must."""
    checked, failed = sum(one.checked for one in findings), sum(one.failed for one in findings)
    return failed <= (1 - universe.trades.min_share_matching_bars) * checked


def _no_trade_is_lost(warehouse: Warehouse, _universe: Universe, window: VenueWindow) -> list[Finding]:
    """The ledger knows of no span of the window whose trades fell out of GeckoTerminal's."""
    c = coverage.c
    length = extract("epoch", func.least(c.gap_end, window.end) - func.greatest(c.gap_start, window.start))
    lost = (
        select(c.symbol, func.count().label("gaps"), func.sum(length).label("seconds"))
        .where(c.dataset == DATASET, c.venue == window.venue, c.state == State.UNRECOVERABLE)
        .where(c.gap_end > window.start, c.gap_start < window.end)
        .group_by(c.symbol)
    )
    stored = (
        select(_C.pool_address, func.count().label("rows"))
        .where(*inside(pool_trades, window))
        .group_by(_C.pool_address)
    )
    rows = {row["pool_address"]: int(row["rows"]) for row in read_frame(warehouse, stored).to_dict("records")}
    broken = {row["symbol"]: row for row in read_frame(warehouse, lost).to_dict("records")}
    findings = []
    for symbol in sorted(rows.keys() | broken.keys()):
        row = broken.get(symbol)
        gaps = int(row["gaps"]) if row else 0
        told = f"{gaps} spans of {float(row['seconds']):.0f} s left the window unseen" if row else ""
        findings.append(Finding(window.venue, symbol, TICK, rows.get(symbol, 0) + gaps, gaps, told))
    return findings


RULES = (
    Rule(
        "key_is_unique",
        "One row for each network, pool, time, transaction and place in it.",
        Dimension.ACCURACY,
        key_is_unique(pool_trades, "pool_address", "tx_hash", "ordinal"),
        blocking=True,
    ),
    Rule(
        "price_positive",
        "Every price is above zero, no amount below it.",
        Dimension.ACCURACY,
        rows_keep(pool_trades, or_(_C.price_usd <= 0, _C.amount_base < 0, _C.amount_quote < 0, _C.volume_usd < 0)),
        blocking=True,
    ),
    Rule(
        "value_is_price_times_amount",
        "The value of a trade is its price times its amount, within one percent.",
        Dimension.ACCURACY,
        rows_keep(pool_trades, _VALUE_DIFFERS),
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "no_trade_from_the_future",
        "No trade was made more than a minute after it was received, by the chain's clock and ours.",
        Dimension.ACCURACY,
        rows_keep(pool_trades, _C.traded_at > _C.received_at + func.make_interval(0, 0, 0, 0, 0, 1)),
        blocking=True,
    ),
    Rule(
        "trades_fit_bars",
        "The trades of a minute lie within its bar's prices and hold no more volume, within a thousandth; as many minutes"
        " may differ as trades.min_share_matching_bars of the universe allows.",
        Dimension.ACCURACY,
        _trades_fit_bars,
        severity=AssetCheckSeverity.WARN,
        passes=_most_fit,
    ),
    Rule(
        "rows_are_accepted",
        "No row of the last day had to be refused.",
        Dimension.ACCURACY,
        rows_are_accepted(pool_trades, DATASET),
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "no_trade_is_lost",
        "The ledger knows of no span of the window whose trades fell out of GeckoTerminal's before they were seen.",
        Dimension.COMPLETENESS,
        _no_trade_is_lost,
        severity=AssetCheckSeverity.WARN,
    ),
    Rule(
        "pools_were_asked",
        "In the open day every watched pool was asked within dex.max_age_minutes of the universe, and answered.",
        Dimension.TIMELINESS,
        pools_were_asked(DATASET, lambda universe: universe.dex.max_age_minutes),
    ),
)

CHECKS = [make_check(DATASET, rule, Grid.NETWORK_DAYS) for rule in RULES]
