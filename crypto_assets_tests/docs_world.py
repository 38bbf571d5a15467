"""A stored world under the names that the documents use, so that what they show can be run as it stands there.

What belongs here: filling it. What does not: assertions, and reading the documents.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from crypto_assets.clients.book_rows import Levels
from crypto_assets.clients.exchange_books import OrderBook
from crypto_assets.datasets.dex.pool_ohlcv.table import pool_ohlcv
from crypto_assets.datasets.features.derived_asset import DerivedConfig
from crypto_assets.datasets.features.ml_features import run as features
from crypto_assets.datasets.market.book_ticker_snapshots.table import DATASET as QUOTES
from crypto_assets.datasets.market.ohlcv.table import DATASET as BARS
from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.datasets.market.order_books.asset import build_rows as book_rows
from crypto_assets.datasets.market.order_books.table import DATASET as BOOKS
from crypto_assets.datasets.market.order_books.table import order_books
from crypto_assets.datasets.market.tickers.table import tickers
from crypto_assets.datasets.market.trades.table import DATASET as TRADES
from crypto_assets.datasets.market.trades.table import trades
from crypto_assets.datasets.sentiment.news.table import news, news_assets
from crypto_assets.origin import Origin
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.coverage import TICK, SeriesKey, observe
from crypto_assets.stream.snapshots import SECOND
from crypto_assets.stream.storing import Store
from crypto_assets.warehouse.collected import mark_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.write import upsert
from crypto_assets_tests.cli.test_pools import NOON, row, see
from crypto_assets_tests.client.world import fill
from crypto_assets_tests.datasets.features.ml_features.outside import put, put_fees, put_macro, put_metric, put_moods
from crypto_assets_tests.markets import store, walk
from crypto_assets_tests.playing import shipped_universe
from crypto_assets_tests.stream.quoting import BTC, ETH, second_of

POOL = "7bqJG2ZdMKbEkgSmfuqNVBvqEvWavgL8UEo33ZqdL3NP"
HOUR = timedelta(hours=1)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
RUN = Origin("5e5a28f1-0000-0000-0000-000000000000", "schedule", "binance")
_HERE = {"venue": "binance", "symbol": "BTC/USDT", "source": "test"}


def fill_documents_world(warehouse: Warehouse) -> None:
    """What the client's pages ask for, and beside it binance's market, a pool, quotes of now."""
    fill(warehouse)
    store(warehouse, walk(60, seed=3, timeframe="1m"), "BTC/USDT", timeframe="1m")
    store(warehouse, walk(5, seed=5, timeframe="1d"), "BTC/USDT", timeframe="1d")
    store(warehouse.on_behalf_of(RUN), walk(40, seed=4, start=MARCH), "BTC/USDT")
    january = VenueWindow("binance", datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))
    features.compute_window(warehouse, shipped_universe(), january, DerivedConfig(), lambda _derived: None)
    _gaps(warehouse)
    _market(warehouse)
    _pool(warehouse)
    _outside(warehouse)
    now = int(datetime.now(UTC).timestamp()) * 1_000_000
    with warehouse.connect() as connection:
        mark_collected(connection, QUOTES, "mexc", "BTC/USDT", TICK, NOON, NOON + HOUR)
        Store(connection, SECOND).store([second_of(now - n * SECOND, (BTC, ETH)) for n in (3, 2, 1)], careful=True)


def _gaps(warehouse: Warehouse) -> None:
    """Three hours of binance are missing."""
    key = SeriesKey(BARS, "binance", "BTC/USDT", "1h")
    span = (MARCH + 40 * HOUR, MARCH + 43 * HOUR)
    with warehouse.connect() as connection:
        mark_collected(connection, *key.values(), *span)
        observe(connection, ohlcv, key, span, [span])


def _market(warehouse: Warehouse) -> None:
    """Two trades, a book and a ticker of binance, at noon of the first of March."""
    at = np.array(["2026-03-01T12:01", "2026-03-01T12:02"], dtype="datetime64[us]")
    told = {
        "traded_at": at, "known_at": at, "trade_id": np.array(["a", "b"], dtype=object),
        "price": np.array(["100", "110"], dtype=object), "amount": np.array(["1", "2"], dtype=object),
        "cost": np.array(["100", "220"], dtype=object), "side": np.array(["buy", "sell"], dtype=object),
        "sequence": np.array([1, 2]), "fills": np.array([1, 1]),
    }  # fmt: skip
    book = OrderBook(Levels((("99", "2"), ("98.5", "4")), (("101.00", "1"), ("102", "1"))), NOON, None, None)
    ticker = {
        "snapshot_at": at, "known_at": at, "last": np.array([100.0, 110.0]), "bid": np.array([99.0, 109.0]),
        "ask": np.array([101.0, 111.0]), "change_pct_24h": np.array([1.0, 2.0]),
    }  # fmt: skip
    with warehouse.connect() as connection:
        upsert(connection, trades, {**_HERE, **told})
        mark_collected(connection, TRADES, "binance", "BTC/USDT", TICK, NOON, NOON + HOUR)
        upsert(connection, order_books, book_rows(SeriesKey(BOOKS, "binance", "BTC/USDT", TICK), [book]))
        upsert(connection, tickers, {**_HERE, **ticker})


def _pool(warehouse: Warehouse) -> None:
    """A pool of Solana, seen twice, with two hours of bars."""
    for seen in (NOON - HOUR, NOON):
        see(warehouse, "solana", [row(POOL, "CBRL / SOL", 60_000)], seen)
    opened = np.array(["2026-03-01T08:00", "2026-03-01T09:00"], dtype="datetime64[us]")
    prices = dict.fromkeys(("open", "high", "low", "close", "volume_usd"), np.array([0.5, 0.6]))
    names = {"network": "solana", "pool_address": POOL, "timeframe": "1h", "source": "test"}
    with warehouse.connect() as connection:
        upsert(connection, pool_ohlcv, {**names, "opened_at": opened, "known_at": opened, **prices})
        mark_collected(connection, "dex/pool_ohlcv", "solana", POOL, "1h", NOON - 4 * HOUR, NOON - 2 * HOUR)


def _outside(warehouse: Warehouse) -> None:
    """Two series of the economy, a metric, fees of two chains, a headline of now and a mood of today."""
    now = datetime.now(UTC)
    day, known = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 15, tzinfo=UTC)
    for series in ("CPIAUCSL", "UNRATE"):
        put_macro(warehouse, series, "Monthly", [(day.date(), known.date(), known, 3.5)])
    put_metric(warehouse, "BTC", "active_addresses", [(day.date(), known, 900_000.0)], unit="addresses")
    put_fees(warehouse, "ethereum", [(known, known)], base_fee_gwei=1.5, gas_used_ratio=0.5, block_number=7)
    put_moods(warehouse, [(now.date(), now, 50)])
    seen = np.array([now.replace(tzinfo=None) - HOUR], dtype="datetime64[us]")
    headline = np.array(["1" * 64], dtype=object)
    told = {"title_key": "f" * 64, "url": "https://example.org/news", "first_seen_at": seen, "known_at": seen}
    put(warehouse, news, {"news_id": headline, **told})
    put(warehouse, news_assets, {"news_id": headline, "asset": "BTC", "found_in": "title", "known_at": seen})
