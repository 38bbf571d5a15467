"""The checks of market/book_ticker_hours.

What belongs here: names, severities, the recount of a market and the account of an hour's seconds. What does not: how shared
rules are looked at (quality/checks.py) and bounds (the universe).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from dagster import AssetCheckSeverity
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, func, or_, select

from crypto_assets.datasets.market.book_ticker_hours.build import closed_hours
from crypto_assets.datasets.market.book_ticker_hours.table import DATASET, HOUR_SECONDS, book_ticker_hours
from crypto_assets.datasets.market.book_ticker_snapshots.table import DATASET as SNAPSHOTS
from crypto_assets.datasets.market.book_ticker_snapshots.table import book_ticker_snapshots
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import Rule, key_is_unique, make_check, rows_keep
from crypto_assets.quality.findings import Dimension, Finding, Grid
from crypto_assets.quality.gaps import State
from crypto_assets.quality.series import TICK
from crypto_assets.schema.bookkeeping import coverage
from crypto_assets.spans import Span
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import Reader, reading

# Sums of doubles in another order differ in their last digits. The root of summed squares of returns near 1e-8 doubles that.
_TOLERANCE = 1e-6
_DAY = timedelta(days=1)
_C = book_ticker_hours.c
_IMPOSSIBLE = or_(
    _C.seconds + _C.stale_seconds > _C.expected_seconds,
    _C.compared_seconds > _C.seconds,
    _C.quote_changes > _C.compared_seconds,
    _C.spread_bps_mean > _C.spread_bps_max + _TOLERANCE,
    func.abs(_C.imbalance_mean) > 1,
    _C.realized_volatility < 0,
    _C.mid_open <= 0,
    _C.mid_close <= 0,
    _C.bid_depth_quote_mean < 0,
    _C.ask_depth_quote_mean < 0,
    (_C.seconds > 0) != _C.mid_open.is_not(None),
)


def sample_equals_recounted(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
    """One market of each hour, another one each hour, counted again without SQL, where its snapshots are still there."""
    findings = []
    with reading(warehouse) as reader:
        for start, end in closed_hours((window.start, window.end), datetime.now(UTC)):
            stored = reader.frame(select(book_ticker_hours).where(_C.opened_at == start).order_by(_C.venue, _C.symbol))
            if stored.empty:
                continue
            chosen = stored.iloc[int(start.timestamp()) // HOUR_SECONDS % len(stored)]
            quotes = _quotes(reader, chosen["venue"], chosen["symbol"], (start, end))
            if quotes.empty:
                continue
            counted = recount(quotes, universe.stream.snapshot_seconds)
            differing = [name for name, value in counted.items() if not _equal(chosen[name], value)]
            told = f"{start:%Y-%m-%d %H:%M} {', '.join(differing)}" if differing else ""
            findings.append(Finding(chosen["venue"], chosen["symbol"], TICK, len(counted), len(differing), told))
    return findings


def recount(quotes: pd.DataFrame, snapshot_seconds: int) -> Mapping[str, float]:
    """What the snapshots of one market and hour add up to, by another way than the statement's. Pure.

    Args:
        quotes: snapshot_at, is_stale, bid_price, bid_quantity, ask_price, ask_quantity; in order.
        snapshot_seconds: Distance of the grid.
    """
    fresh = quotes[~quotes["is_stale"].astype(bool)]
    middle = (fresh["bid_price"] + fresh["ask_price"]) / 2
    both = fresh["bid_quantity"] + fresh["ask_quantity"]
    follows = fresh["snapshot_at"].diff() == pd.Timedelta(seconds=snapshot_seconds)
    prices = fresh[["bid_price", "bid_quantity", "ask_price", "ask_quantity"]]
    changed = (prices != prices.shift()).any(axis=1)
    returns = np.log(middle / middle.shift())[follows]
    spread = (fresh["ask_price"] - fresh["bid_price"]) / middle * 1e4
    return {
        "snapshots": len(quotes),
        "seconds": min(len(fresh) * snapshot_seconds, HOUR_SECONDS),
        "compared_seconds": int(follows.sum()) * snapshot_seconds,
        "quote_changes": int((follows & changed).sum()),
        "spread_bps_mean": spread.mean(),
        "spread_bps_max": spread.max(),
        "imbalance_mean": ((fresh["bid_quantity"] - fresh["ask_quantity"]) / both.where(both > 0)).mean(),
        "realized_volatility": float(np.sqrt((returns**2).sum())) if len(returns) else float("nan"),
        "mid_open": middle.iloc[0] if len(middle) else float("nan"),
        "mid_close": middle.iloc[-1] if len(middle) else float("nan"),
        "bid_depth_quote_mean": (fresh["bid_price"] * fresh["bid_quantity"]).mean(),
        "ask_depth_quote_mean": (fresh["ask_price"] * fresh["ask_quantity"]).mean(),
    }


def seconds_accounted_for(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
    """Each second of a market in a closed hour has a snapshot, or the ledger says why not.

    Of hours that were added up and whose snapshots are still there; of the markets that they hold, and of those that the
    stream still follows and that had quotes within the day before.
    """
    step, rules = universe.stream.snapshot_seconds, universe.stream
    listed = {
        (venue, market.symbol)
        for venue in rules.venues
        if venue in universe.venues
        for market in universe.venue(venue).markets
    }
    findings = []
    with reading(warehouse) as reader:
        for hour in closed_hours((window.start, window.end), datetime.now(UTC)):
            counts = _counts(reader, hour)
            if not counts or not _has_snapshots(reader, hour):
                continue
            for market in sorted({*counts, *(listed & _counts(reader, (hour[0] - _DAY, hour[0])).keys())}):
                is_whole = counts.get(market, 0) * step >= HOUR_SECONDS
                lacking = 0 if is_whole else _unexplained(reader, market, hour, step)
                told = f"{hour[0]:%Y-%m-%d %H:%M}" if lacking else ""
                findings.append(Finding(*market, TICK, HOUR_SECONDS, lacking, told))
    return findings


def _counts(reader: Reader, span: Span) -> dict[tuple[str, str], int]:
    """Snapshots that were added up in a span of hours, by market."""
    total = func.sum(_C.snapshots).label("snapshots")
    stored = reader.frame(
        select(_C.venue, _C.symbol, total)
        .where(_C.opened_at >= span[0], _C.opened_at < span[1])
        .group_by(_C.venue, _C.symbol)
    )
    return {(row["venue"], row["symbol"]): int(row["snapshots"]) for row in stored.to_dict("records")}


def _unexplained(reader: Reader, market: tuple[str, str], hour: Span, snapshot_seconds: int) -> int:
    """Seconds of the grid for which there is neither a snapshot nor a row of the ledger."""
    step = np.timedelta64(snapshot_seconds, "s")
    start, end = (np.datetime64(at.astimezone(UTC).replace(tzinfo=None), "us") for at in hour)
    grid: NDArray[np.datetime64] = np.arange(start, end, step)
    quotes = _quotes(reader, *market, hour)
    is_there = np.isin(grid, quotes["snapshot_at"].dt.tz_localize(None).to_numpy("datetime64[us]"))
    c = coverage.c
    gaps = reader.frame(
        select(c.gap_start, c.gap_end).where(
            c.dataset == SNAPSHOTS, c.venue == market[0], c.symbol == market[1], c.timeframe == TICK,
            c.state != State.REPAIRED.value, c.gap_end > hour[0], c.gap_start < hour[1],
        )
    )  # fmt: skip
    for gap in gaps.to_dict("records"):
        first, until = (np.datetime64(gap[name].tz_localize(None), "us") for name in ("gap_start", "gap_end"))
        is_there |= (grid >= first) & (grid < until)
    return int((~is_there).sum()) * snapshot_seconds


def _quotes(reader: Reader, venue: str, symbol: str, hour: Span) -> pd.DataFrame:
    s = book_ticker_snapshots.c
    names = ("snapshot_at", "is_stale", "bid_price", "bid_quantity", "ask_price", "ask_quantity")
    here = (s.venue == venue, s.symbol == symbol, *_within(hour))
    return reader.frame(select(*(s[name] for name in names)).where(*here).order_by(s.snapshot_at))


def _has_snapshots(reader: Reader, hour: Span) -> bool:
    return not reader.frame(select(book_ticker_snapshots.c.snapshot_at).where(*_within(hour)).limit(1)).empty


def _within(hour: Span) -> tuple[ColumnElement[bool], ...]:
    at = book_ticker_snapshots.c.snapshot_at
    return at >= hour[0], at < hour[1]


def _equal(stored: float, counted: float) -> bool:
    if pd.isna(stored) or pd.isna(counted):
        return bool(pd.isna(stored) and pd.isna(counted))
    return abs(stored - counted) <= _TOLERANCE * max(abs(stored), abs(counted))


def _enough(findings: Sequence[Finding], universe: Universe) -> bool:
    return all(one.share_sound >= universe.stream.min_seconds_share for one in findings)


RULES = (
    Rule(
        "key_is_unique",
        "One row for each venue, symbol and hour.",
        Dimension.ACCURACY,
        key_is_unique(book_ticker_hours),
        blocking=True,
    ),
    Rule(
        "parts_within_whole",
        "An hour has no more seconds than 3,600 and no more changes than compared seconds; the widest spread is at least the"
        " mean; imbalance lies in -1..1; prices are there where a second was fresh.",
        Dimension.ACCURACY,
        rows_keep(book_ticker_hours, _IMPOSSIBLE),
        blocking=True,
    ),
    Rule(
        "sample_equals_recounted",
        "One market of each hour, another one each hour, gives the same sums when its snapshots are counted without SQL.",
        Dimension.ACCURACY,
        sample_equals_recounted,
        blocking=True,
    ),
    Rule(
        "seconds_accounted_for",
        "Of the 3,600 seconds of a closed hour, min_seconds_share of the universe have a snapshot of each market, fresh or"
        " stale, or a row of the ledger that says why not.",
        Dimension.COMPLETENESS,
        seconds_accounted_for,
        severity=AssetCheckSeverity.WARN,
        passes=_enough,
    ),
)

CHECKS = [make_check(DATASET, rule, Grid.HOURS) for rule in RULES]
