"""Rows for tests of frames: fees, books, pools, bars, features, labels and gaps, stored.

What belongs here: making and storing rows. What does not: assertions.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from sqlalchemy import Table

from crypto_assets.datasets.dex.pools.table import pools
from crypto_assets.datasets.features.labels.table import labels
from crypto_assets.datasets.features.ml_features.catalog import FEATURES, feature_version
from crypto_assets.datasets.features.ml_features.table import ml_features
from crypto_assets.datasets.market.arbitrage_opportunities.table import arbitrage_opportunities
from crypto_assets.datasets.market.book_ticker_hours.table import book_ticker_hours
from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.datasets.market.order_books.table import order_books
from crypto_assets.forecasting.frame import SeriesName
from crypto_assets.universe import Universe, parse_universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.write import Batch, Values, replace
from crypto_assets_tests.datasets.features.ml_features.outside import HOUR, put, put_fees, walls

START = datetime(2024, 1, 1, tzinfo=UTC)
BTC, ETH = SeriesName("binance", "BTC/USDT"), SeriesName("binance", "ETH/USDT")
POOL = SeriesName("solana", "Pool1")
GAS = SeriesName("ethereum", "fees")


def _replace(warehouse: Warehouse, table: Table, batch: Batch, keys: dict[str, object], at: Values, time: str) -> None:
    """Rows of tables that keep no former ones."""
    times = np.asarray(at, dtype="datetime64[us]")
    start, end = (moment.astype(datetime).replace(tzinfo=UTC) for moment in (times.min(), times.max() + 1))
    with warehouse.connect() as connection:
        replace(connection, table, {"source": "test", **keys, **batch}, keys, start, end, time)


def universe() -> Universe:
    """A small one."""
    return parse_universe(
        "history_from: 2024-01-01\nvenues:\n  binance: {markets: [BTC/USDT, ETH/USDT]}\n", "test.yaml"
    )


def hour(number: float) -> datetime:
    """So many hours after START."""
    return START + number * HOUR


def hours(first: int, last: int) -> list[datetime]:
    """Every hour from one to another, both included."""
    return [hour(number) for number in range(first, last + 1)]


def fees(warehouse: Warehouse, levels: dict[float, float], *, late: timedelta = timedelta(0)) -> None:
    """Base fees by hours after START; each known so long after it was observed."""
    moments = [(hour(at), hour(at) + late) for at in levels]
    put_fees(warehouse, "ethereum", moments, base_fee_gwei=list(levels.values()))


def books(
    warehouse: Warehouse,
    name: SeriesName,
    spreads: dict[float, float],
    depths: dict[float, tuple[float, float]] | None = None,
) -> None:
    """Books by hours after START: spread in basis points; value of bids and asks within 50 of them."""
    at = walls([hour(number) for number in spreads])
    count, sides = len(spreads), depths or {}
    levels = np.empty(count, dtype=object)
    levels[:] = [[("1", "1")]] * count
    bids, asks = (np.array([sides.get(number, (1.0, 1.0))[side] for number in spreads]) for side in (0, 1))
    rest = (
        "mid",
        "microprice",
        "imbalance",
        "bid_depth_quote",
        "ask_depth_quote",
        "bid_depth_10bps_quote",
        "ask_depth_10bps_quote",
    )
    put(
        warehouse,
        order_books,
        {
            "venue": name.domain, "symbol": name.series, "snapshot_at": at, "known_at": at, "depth": np.ones(count, np.int64),
            "bids": levels, "asks": levels, "spread_bps": np.array(list(spreads.values()), dtype=np.float64),
            "bid_depth_50bps_quote": bids, "ask_depth_50bps_quote": asks, **{one: np.ones(count) for one in rest},
        },
    )  # fmt: skip


def snapshots(warehouse: Warehouse, name: SeriesName, reserves: dict[float, float], **values: object) -> None:
    """Pools' snapshots by hours after START: reserve in USD, and one value a further column."""
    at = walls([hour(number) for number in reserves])
    given = {column: np.broadcast_to(np.asarray(value), len(at)) for column, value in values.items()}
    put(
        warehouse,
        pools,
        {
            "network": name.domain, "pool_address": name.series, "snapshot_at": at, "known_at": at,
            "reserve_usd": np.array(list(reserves.values()), dtype=np.float64), "is_listed": np.ones(len(at), dtype=bool),
            "found_in": "top",
            **given,
        },
    )  # fmt: skip


def bars(warehouse: Warehouse, name: SeriesName, closes: dict[float, float]) -> None:
    """Bars by when they close, in hours after START."""
    close = np.array(list(closes.values()), dtype=np.float64)
    at = walls([hour(number) for number in closes])
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    put(
        warehouse,
        ohlcv,
        {
            "venue": name.domain, "symbol": name.series, "timeframe": "1h", "opened_at": at - np.timedelta64(1, "h"),
            "known_at": at, **prices, "volume_base": np.ones(len(close)),
        },
    )  # fmt: skip


def features(
    warehouse: Warehouse,
    name: SeriesName,
    decisions: Sequence[float],
    *,
    known: timedelta = timedelta(0),
    version: str = "",
    **values: float | Sequence[float],
) -> None:
    """Features by decision, in hours after START, all null but those given; each known so long after its decision."""
    at = walls([hour(number) for number in decisions])
    columns: dict[str, Values] = {
        one: np.broadcast_to(np.asarray(values.get(one, np.nan), dtype=np.float32), len(at)) for one in FEATURES
    }
    _replace(
        warehouse,
        ml_features,
        {
            "opened_at": at - np.timedelta64(1, "h"),
            "known_at": at + np.timedelta64(known // timedelta(microseconds=1), "us"), **columns,
            "version": version or feature_version(),
        },
        {"venue": name.domain, "symbol": name.series, "timeframe": "1h"},
        at - np.timedelta64(1, "h"),
        "opened_at",
    )  # fmt: skip


def returns(warehouse: Warehouse, name: SeriesName, horizon: int, told: dict[float, float]) -> None:
    """Labels by decision, in hours after START: forward return, a fraction."""
    at = walls([hour(number) for number in told])
    end = at + np.timedelta64(horizon, "h")
    _replace(
        warehouse,
        labels,
        {
            "opened_at": at - np.timedelta64(1, "h"),
            "label_end_at": end, "known_at": end,
            "forward_return": np.array(list(told.values())), "forward_volatility": np.ones(len(at)),
        },
        {"venue": name.domain, "symbol": name.series, "timeframe": "1h", "horizon_bars": horizon},
        at - np.timedelta64(1, "h"),
        "opened_at",
    )  # fmt: skip


def gaps(warehouse: Warehouse, symbol: str, buy: str, sell: str, told: dict[float, float]) -> None:
    """Seconds in which a gap was open, by hours after START: net gain in percent. Known a second later."""
    at = walls([hour(number) for number in told])
    net = np.array(list(told.values()))
    price = np.array(["100"] * len(at), dtype=object)
    _replace(
        warehouse,
        arbitrage_opportunities,
        {
            "snapshot_at": at, "opened_at": at,
            "known_at": at + np.timedelta64(1, "s"), "persisted_snapshots": np.full(len(at), 3), "buy_price": price,
            "sell_price": np.array([str(100 + one) for one in net + 0.2], dtype=object), "size_base": price,
            "buy_fee_pct": np.full(len(at), 0.1), "sell_fee_pct": np.full(len(at), 0.1), "gross_pct": net + 0.2,
            "net_pct": net, "profit_quote": net, "buy_age_ms": np.zeros(len(at), np.int64),
            "sell_age_ms": np.zeros(len(at), np.int64),
        },
        {"symbol": symbol, "buy_venue": buy, "sell_venue": sell},
        at,
        "snapshot_at",
    )  # fmt: skip


def quotes(warehouse: Warehouse, name: SeriesName, ends: Sequence[float]) -> None:
    """Hours in which quotes were listened to, by when they end, in hours after START."""
    end = walls([hour(number) for number in ends])
    counts = ("snapshots", "seconds", "stale_seconds", "expected_seconds", "compared_seconds", "quote_changes")
    put(
        warehouse,
        book_ticker_hours,
        {
            "venue": name.domain, "symbol": name.series, "opened_at": end - np.timedelta64(1, "h"), "known_at": end,
            **{one: np.full(len(end), 3600 if one != "stale_seconds" else 0) for one in counts},
        },
    )  # fmt: skip
