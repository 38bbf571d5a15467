"""A warehouse in which there is something to ask for, all of it checkable by hand.

What belongs here: filling it. What does not: assertions.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from crypto_assets.clients.book_rows import Levels
from crypto_assets.clients.exchange_books import OrderBook, Ticker
from crypto_assets.datasets.features.labels.table import labels
from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.datasets.market.order_books.asset import build_rows as book_rows
from crypto_assets.datasets.market.order_books.table import order_books
from crypto_assets.datasets.market.tickers.asset import build_rows as ticker_rows
from crypto_assets.datasets.market.tickers.table import tickers
from crypto_assets.datasets.market.trades.table import trades
from crypto_assets.datasets.models.predictions.prediction import Prediction
from crypto_assets.datasets.models.predictions.storing import FirstSaid
from crypto_assets.datasets.sentiment.scores.table import scores
from crypto_assets.quality.coverage import SeriesKey, observe
from crypto_assets.stream.snapshots import SECOND
from crypto_assets.stream.storing import Store
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.write import replace, upsert
from crypto_assets_tests.markets import store, walk, without
from crypto_assets_tests.stream.quoting import BTC, ETH, NOON, second_of

JANUARY = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SEEN = datetime(2026, 3, 10, 12, tzinfo=UTC)  # NOON of the quotes
BOOK = OrderBook(Levels((("100.10", "1.50"), ("99", "2")), (("101", "3"),)), SEEN, SEEN - timedelta(seconds=2), 5)
TICKER = Ticker("BTC/USDT", SEEN, None, 100.5, 100.1, 101.0, 99.0, 102.0, 98.0, 12.5, None, 1.5)


def fill(warehouse: Warehouse) -> None:
    """Forty-six hours of two markets, one with a hole of two; quotes, trades, a book, a ticker, predictions and scores."""
    store(warehouse, walk(46, seed=1), "BTC/USDT")
    store(warehouse, without(walk(46, seed=2), (10, 12)), "ETH/USDT")
    with warehouse.connect() as connection:
        eth = SeriesKey("market/ohlcv", "binance", "ETH/USDT", "1h")
        observe(connection, ohlcv, eth, (JANUARY, JANUARY + 46 * HOUR), [(JANUARY + 10 * HOUR, JANUARY + 12 * HOUR)])
    with warehouse.connect() as connection:
        Store(connection, SECOND).store([second_of(NOON + n * SECOND, (BTC, ETH)) for n in range(3)], careful=True)
    with warehouse.connect() as connection:
        upsert(connection, order_books, book_rows(SeriesKey("market/order_books", "okx", "BTC/USDT", "tick"), [BOOK]))
        upsert(connection, tickers, ticker_rows("okx", [TICKER]))
        FirstSaid(connection).store([prediction(hour) for hour in range(3)], "test")
        _trades_labels_and_scores(warehouse)


def prediction(hour: int, *, yhat: float = 0.1) -> Prediction:
    at = JANUARY + hour * HOUR
    return Prediction(
        model="gas_4h", domain="ethereum", series="base_fee", decided_at=at, version=3, horizon_end_at=at + 4 * HOUR,
        level_now=20.0 + hour, yhat=yhat, q10=yhat - 0.2, q90=yhat + 0.2, baseline=0.0, baseline_name="zero_change",
        is_out_of_sample=True, known_at=at + timedelta(minutes=5), latency_ms=None,
    )  # fmt: skip


def _trades_labels_and_scores(warehouse: Warehouse) -> None:
    at = np.datetime64(JANUARY.replace(tzinfo=None), "us") + np.arange(4) * np.timedelta64(1, "m")
    hours = np.datetime64(JANUARY.replace(tzinfo=None), "us") + np.arange(2) * np.timedelta64(1, "h")
    with warehouse.connect() as connection:
        upsert(
            connection, trades,
            {
                "venue": "okx", "symbol": "BTC/USDT", "traded_at": at, "trade_id": np.array(list("abcd"), dtype=object),
                "price": np.array(["100.10", "100.2", "100.3", "100.4"], dtype=object),
                "amount": np.array(["1", "2", "3", "4.000"], dtype=object),
                "cost": np.array(["100.10", "200.4", "300.9", "401.6"], dtype=object), "side": "buy",
                "sequence": np.arange(4), "fills": np.ones(4, dtype=np.int64), "source": "test", "known_at": at,
            },
        )  # fmt: skip
        replace(
            connection, labels,
            {
                "venue": "binance", "symbol": "BTC/USDT", "timeframe": "1h", "opened_at": np.repeat(hours, 2),
                "horizon_bars": np.array([1, 4, 1, 4]), "label_end_at": np.repeat(hours, 2) + np.timedelta64(5, "h"),
                "forward_return": np.array([0.01, 0.04, -0.01, -0.04]), "forward_volatility": np.full(4, 0.02),
                "source": "test", "known_at": np.repeat(hours, 2) + np.timedelta64(5, "h"),
            },
            {"venue": "binance"}, JANUARY, JANUARY + 2 * HOUR,
        )  # fmt: skip
        upsert(
            connection, scores,
            {
                "news_id": np.array(["1" * 64, "2" * 64], dtype=object), "asset": "BTC", "model_id": "crypto-lexicon",
                "model_version": "1", "label": np.array(["negative", "positive"], dtype=object),
                "score": np.array([-0.5, 0.5]), "p_negative": np.array([0.5, 0.25]), "p_neutral": np.array([0.25, 0.25]),
                "p_positive": np.array([0.25, 0.5]), "title_key": "0" * 64, "news_known_at": hours, "scored_at": hours,
                "source": "test", "known_at": hours,
            },
        )  # fmt: skip
