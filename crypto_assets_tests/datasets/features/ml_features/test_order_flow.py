"""Trades and books as features: of whole hours only, of the newest book only, never of a later one."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from sqlalchemy import select

from crypto_assets.clients.book_rows import Levels
from crypto_assets.clients.exchange_books import OrderBook
from crypto_assets.datasets.features.derived_asset import DerivedConfig
from crypto_assets.datasets.features.ml_features import run as features
from crypto_assets.datasets.features.ml_features.catalog import FEATURES
from crypto_assets.datasets.features.ml_features.proof import no_look_ahead
from crypto_assets.datasets.features.ml_features.table import ml_features
from crypto_assets.datasets.market.order_books.asset import build_rows
from crypto_assets.datasets.market.order_books.table import DATASET as BOOKS
from crypto_assets.datasets.market.order_books.table import order_books
from crypto_assets.datasets.market.trade_bars.table import trade_bars
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.coverage import TICK, SeriesKey
from crypto_assets.universe import read_universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame
from crypto_assets.warehouse.write import upsert
from crypto_assets_tests.datasets.features.stage import Stage

SYMBOL = "BTC/USDT"
FIRST = datetime(2024, 1, 20, tzinfo=UTC)  # behind the warm-up of a week
DAYS = 3


@pytest.fixture
def stage(tmp_path: Path, warehouse: Warehouse) -> Iterator[Stage]:
    with dg.DagsterInstance.ephemeral() as instance:
        stage = Stage(tmp_path, warehouse, instance)
        stage.seed()
        yield stage


def _store_minutes(warehouse: Warehouse, start: datetime, minutes: int, missing: Sequence[int] = ()) -> None:
    """Each minute: 100 traded at 10 a piece, 75 of it bought, 20 in large trades, 6 trades."""
    at = np.datetime64(start.replace(tzinfo=None), "us") + np.arange(minutes) * np.timedelta64(60_000_000, "us")
    at = np.delete(at, list(missing))
    told = {"volume_quote": 100.0, "volume_base": 10.0, "buy_volume_quote": 75.0, "buy_volume_base": 7.5}
    counts = {"trade_count": 6, "buy_count": 4, "large_volume_quote": 20.0, "large_from_quote": 15.0}
    prices = dict.fromkeys(("open", "high", "low", "close", "vwap"), 10.0)
    key = {"venue": "binance", "symbol": SYMBOL, "timeframe": "1m", "source": "test"}
    with warehouse.connect() as connection:
        upsert(connection, trade_bars, {**key, **told, **counts, **prices, "opened_at": at, "known_at": at})


def _store_book(warehouse: Warehouse, at: datetime, bid: str, ask: str, bid_amount: str = "3") -> None:
    levels = Levels(((bid, bid_amount),), ((ask, "1"),))
    key = SeriesKey(BOOKS, "binance", SYMBOL, TICK)
    with warehouse.connect() as connection:
        upsert(connection, order_books, build_rows(key, [OrderBook(levels, at, None, None)]))


def _derive(stage: Stage) -> pd.DataFrame:
    universe, _ = read_universe(stage.file)
    window = VenueWindow("binance", datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))
    features.compute_window(stage.warehouse, universe, window, DerivedConfig(markets=[SYMBOL]), lambda _derived: None)
    c = ml_features.c
    chosen = select(ml_features).where(c.symbol == SYMBOL, c.venue == "binance")
    return read_frame(stage.warehouse, chosen).set_index("opened_at")


def test_an_hour_has_flow_only_if_every_minute_of_it_is_there(stage: Stage) -> None:
    hour = timedelta(hours=1)
    _store_minutes(stage.warehouse, FIRST, 30 * 60, missing=[5 * 60 + 17])
    rows = _derive(stage)
    flow = rows["order_flow_imbalance"].dropna()
    assert list(flow.index) == [FIRST + n * hour for n in range(30) if n != 5]
    assert set(flow.round(6)) == {0.5}  # (75 - 25) / 100
    whole = rows.loc[FIRST + 2 * hour]
    assert whole["large_trade_share"] == pytest.approx(0.2)
    assert whole["trade_intensity"] == pytest.approx(np.log(7))
    assert rows.loc[FIRST + 5 * hour, ["large_trade_share", "trade_intensity", "close_to_trade_vwap"]].isna().all()
    # The mean of 24 needs 24 known hours in a row: from the hole on that is the 29th.
    assert list(rows["order_flow_imbalance_24"].dropna().index) == [FIRST + 29 * hour]


def test_the_newest_book_counts_until_it_is_half_an_hour_old(stage: Stage) -> None:
    hour = timedelta(hours=1)
    _store_book(stage.warehouse, FIRST + timedelta(minutes=50), "99", "101")
    _store_book(stage.warehouse, FIRST + timedelta(minutes=55), "99.9", "100.1")
    _store_book(stage.warehouse, FIRST + timedelta(minutes=60, microseconds=1), "90", "110")  # a moment too late
    rows = _derive(stage)
    first = rows.loc[FIRST]  # decided at its close, an hour later
    assert first["book_spread_bps"] == pytest.approx(20, rel=1e-5)
    assert first["book_imbalance"] == pytest.approx((3 * 99.9 - 100.1) / (3 * 99.9 + 100.1), rel=1e-5)
    assert first["book_depth_log"] == pytest.approx(np.log(3 * 99.9 + 100.1), rel=1e-5)
    # (99.9 * 1 + 100.1 * 3) / 4 = 100.05: it leans to the thinner side, which is about to be used up
    assert first["book_microprice_gap_bps"] == pytest.approx(5, rel=1e-4)
    assert np.isnan(rows.loc[FIRST + hour, "book_spread_bps"])
    assert rows["book_spread_bps"].count() == 1


def test_no_feature_of_trades_or_books_knows_the_future(stage: Stage) -> None:
    _store_minutes(stage.warehouse, FIRST, DAYS * 1440)
    for minute in range(0, DAYS * 1440, 20):
        at = FIRST + timedelta(minutes=minute)
        _store_book(stage.warehouse, at, f"{99 - minute % 7 / 10:.1f}", "100", str(1 + minute % 5))
    rows = _derive(stage)
    assert rows["book_spread_bps"].count() > 60
    universe, _ = read_universe(stage.file)
    window = VenueWindow("binance", FIRST, FIRST + timedelta(days=DAYS))
    findings = no_look_ahead(tuple(FEATURES.values()))(stage.warehouse, universe, window)
    assert findings
    assert sum(one.failed for one in findings) == 0
