"""What collectors, champions and scorers tell: what they have committed, never before, and only the newest of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import psycopg2
import pytest
from dagster import DagsterLogManager
from sqlalchemy import Table, func, select

from crypto_assets.clients.exchange_bars import NUMBERS, Bars
from crypto_assets.datasets.market.event_asset import EventConfig, EventRun
from crypto_assets.datasets.market.ohlcv.collect import Series, collect_series, latest_bars
from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.datasets.market.order_books.asset import BooksConfig, watch_books
from crypto_assets.datasets.market.order_books.table import order_books
from crypto_assets.datasets.market.tickers.asset import collect_tickers
from crypto_assets.datasets.market.tickers.table import tickers
from crypto_assets.datasets.models.predictions.batch import predict_window
from crypto_assets.datasets.models.predictions.live import LivePredictor
from crypto_assets.datasets.models.predictions.table import predictions
from crypto_assets.datasets.sentiment.scores.asset import ScoresConfig, collect_scores
from crypto_assets.datasets.sentiment.scores.table import scores
from crypto_assets.forecasting.artefacts import Store
from crypto_assets.latest.asking import LatestReader
from crypto_assets.latest.telling import Teller
from crypto_assets.latest.values import (
    LatestBar,
    LatestBook,
    LatestPrediction,
    LatestScore,
    LatestTicker,
    LatestValue,
    microseconds,
)
from crypto_assets.partitions import VenueWindow
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.universe import parse_universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame
from crypto_assets_tests.datasets.models.predictions.stage import GAS_1H, crown, put_fees, universe
from crypto_assets_tests.datasets.models.rows import hour
from crypto_assets_tests.datasets.sentiment.stage import DAY, add_news, run_of
from crypto_assets_tests.datasets.sentiment.stage import NOW as NEWS_NOW
from crypto_assets_tests.latest.redis_server import RedisServer
from crypto_assets_tests.playing import NOW, exchange_of

UNIVERSE = """
history_from: 2024-01-01
venues: {binance: {requests_per_second: 500, markets: [BTC/USDT, ETH/USDT]}}
"""
HOUR = timedelta(hours=1)


class Witness:
    """Keeps what it is told, and how many rows of the table anybody else could see at that moment."""

    def __init__(self, warehouse: Warehouse, table: Table) -> None:
        self._warehouse = warehouse
        self._table = table
        self.told: list[LatestValue] = []
        self.rows_seen: list[int] = []

    def put(self, values: Iterable[LatestValue]) -> None:
        self.rows_seen.append(count(self._warehouse, self._table))
        self.told += values


def count(warehouse: Warehouse, table: Table) -> int:
    return int(read_frame(warehouse, select(func.count().label("rows")).select_from(table))["rows"].iloc[0])


def event_run[C: EventConfig](warehouse: Warehouse, url: str, config: C, tell: Witness) -> EventRun[C]:
    start = datetime.combine(datetime.now(UTC).date(), time(), UTC)
    window = VenueWindow("binance", start, start + timedelta(days=2))
    log: DagsterLogManager = dg.get_dagster_logger()  # type: ignore[assignment]
    return EventRun(log, warehouse, exchange_of(url, "binance"), parse_universe(UNIVERSE, "u"), window, config, tell)


def test_the_newest_bar_of_each_batch_is_told_once_its_rows_can_be_seen(
    warehouse: Warehouse, sandbox: SandboxProcess
) -> None:
    witness = Witness(warehouse, ohlcv)
    series = Series("binance", "BTC/USDT", "1h", NOW.replace(minute=0, second=0) - 20 * HOUR, NOW)
    collect_series(warehouse, exchange_of(sandbox.url, "binance"), series, tell=witness)
    assert witness.rows_seen == [20]
    [told] = witness.told
    last = read_frame(warehouse, select(ohlcv).order_by(ohlcv.c.opened_at.desc()).limit(1)).iloc[0]
    assert isinstance(told, LatestBar)
    assert (told.opened_at, told.known_at) == (last["opened_at"], last["known_at"])
    assert [getattr(told, name) for name in NUMBERS] == [last[name] for name in NUMBERS]
    assert told.until_us == microseconds(last["known_at"] + HOUR)


def test_bars_of_long_ago_are_news_to_nobody(warehouse: Warehouse, sandbox: SandboxProcess, redis: RedisServer) -> None:
    exchange = exchange_of(sandbox.url, "binance")
    this_hour = NOW.replace(minute=0, second=0)
    long_ago = Series("binance", "BTC/USDT", "1h", this_hour - 50 * HOUR, this_hour - 40 * HOUR)
    newest = Series("binance", "ETH/USDT", "1h", this_hour - 10 * HOUR, NOW)
    teller = Teller(redis.url, "live", now=lambda: microseconds(NOW))
    for series in (long_ago, newest):
        assert collect_series(warehouse, exchange, series, tell=teller).inserted == 10
    assert teller.close()
    assert redis.keys() == ["crypto_assets:live:bar:binance:ETH/USDT:1h"]
    with LatestReader(redis.url, "live", now=lambda: microseconds(NOW)) as reader:
        held = reader.get(LatestBar, "binance", "ETH/USDT", "1h")
    assert held is not None
    assert held.opened_at == this_hour - HOUR


def test_what_a_venue_does_not_say_of_a_bar_is_none() -> None:
    columns = {name: np.array([1.0, np.nan if name in {"volume_quote", "trade_count"} else 2.0]) for name in NUMBERS}
    bars = Bars(np.array([0, 60_000]), columns, np.ones(2, dtype=bool), ())
    series = Series("okx", "BTC/USDT", "1m", NOW, NOW)
    [told] = latest_bars(series, bars, NOW)
    assert (told.at_us, told.known_us, told.until_us, told.close) == (60_000_000, 120_000_000, 180_000_000, 2.0)
    assert (told.volume_quote, told.trade_count) == (None, None)
    nothing = Bars(bars.opened_at_ms[:0], {name: part[:0] for name, part in columns.items()}, bars.is_finished[:0], ())
    assert latest_bars(series, nothing, NOW) == []


def test_tickers_and_books_are_told_once_their_rows_can_be_seen(warehouse: Warehouse, sandbox: SandboxProcess) -> None:
    heard = Witness(warehouse, tickers)
    collect_tickers(event_run(warehouse, sandbox.url, EventConfig(), heard))
    assert heard.rows_seen == [2]
    stored = read_frame(warehouse, select(tickers).order_by(tickers.c.symbol)).to_dict("records")
    for told, row in zip(heard.told, stored, strict=True):
        assert isinstance(told, LatestTicker)
        assert (told.symbol, told.last, told.snapshot_at) == (row["symbol"], row["last"], row["snapshot_at"])
    seen = Witness(warehouse, order_books)
    watch_books(event_run(warehouse, sandbox.url, BooksConfig(), seen))
    assert len(seen.told) == 2
    assert all(rows >= number for number, rows in enumerate(seen.rows_seen, 1))
    books = {row["symbol"]: row for row in read_frame(warehouse, select(order_books)).to_dict("records")}
    for book in seen.told:
        assert isinstance(book, LatestBook)
        row = books[book.symbol]
        assert (book.mid, book.imbalance, book.snapshot_at) == (row["mid"], row["imbalance"], row["snapshot_at"])
        assert [text for level in book.bids for text in level] == list(row["bids"])


def test_what_cannot_be_committed_is_not_told(
    warehouse: Warehouse, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("ALTER TABLE market.tickers ADD CONSTRAINT nothing CHECK (false) NOT VALID")
        cursor.execute("ALTER TABLE market.ohlcv ADD CONSTRAINT nothing CHECK (false) NOT VALID")
    series = Series("binance", "BTC/USDT", "1h", NOW - 20 * HOUR, NOW)
    attempts: list[Callable[[Witness], object]] = [
        lambda tell: collect_tickers(event_run(warehouse, sandbox.url, EventConfig(), tell)),
        lambda tell: collect_series(warehouse, exchange_of(sandbox.url, "binance"), series, tell=tell),
    ]
    for attempt in attempts:
        witness = Witness(warehouse, tickers)
        with pytest.raises(psycopg2.errors.CheckViolation):
            attempt(witness)
        assert witness.told == []


def test_predictions_are_told_where_they_are_new(warehouse: Warehouse, tmp_path: Path) -> None:
    store, witness = Store(tmp_path), Witness(warehouse, predictions)
    put_fees(warehouse)
    crown(warehouse, store, GAS_1H)
    with LivePredictor(warehouse, universe(), store, tell=witness) as live:
        [said] = live.predict()
        [told] = witness.told
        assert isinstance(told, LatestPrediction)
        assert (told.decided_at, told.yhat, told.q10, told.level_now) == (
            said.decided_at,
            said.yhat,
            said.q10,
            said.level_now,
        )
        assert (told.name, told.horizon_end_at) == (("gas_1h", said.domain, said.series), said.horizon_end_at)
        live.predict()  # the same decision: what was said first stands
    assert (len(witness.told), witness.rows_seen[0]) == (1, 1)
    window = VenueWindow("ethereum", said.decided_at - 3 * HOUR, said.decided_at + HOUR)
    predict_window(warehouse, universe(), store, window, [GAS_1H], tell=witness)
    [_, batch] = witness.told
    assert batch.at_us == microseconds(said.decided_at - HOUR)  # the newest of those that nobody had said
    assert witness.rows_seen[-1] == 4
    predict_window(warehouse, universe(), store, window, [GAS_1H], True, tell=witness)
    assert witness.told[-1].at_us == microseconds(said.decided_at)
    assert hour(0) < said.decided_at


def test_the_score_of_the_newest_headline_of_each_asset_is_told(warehouse: Warehouse) -> None:
    witness = Witness(warehouse, scores)
    early, late = NEWS_NOW - 3 * HOUR, NEWS_NOW - HOUR
    add_news(warehouse, "good", "Bitcoin hits new all-time high", early, "BTC", "ETH")
    add_news(warehouse, "bad", "Exchange hacked, Bitcoin stolen", late, "BTC")
    run = run_of(warehouse, ScoresConfig())
    collect_scores(type(run)(**{**vars(run), "tell": witness}))
    assert witness.rows_seen[0] == 3
    stored = {(row["asset"], row["news_id"]): row for row in read_frame(warehouse, select(scores)).to_dict("records")}
    told = {value.name[1]: value for value in witness.told}
    assert {asset: value.at_us for asset, value in told.items()} == {
        "BTC": microseconds(late),
        "ETH": microseconds(early),
    }
    for asset, value in told.items():
        assert isinstance(value, LatestScore)
        row = stored[asset, value.news_id]
        assert (value.score, value.label, value.model_version) == (row["score"], row["label"], row["model_version"])
        assert value.known_at == row["known_at"]
        assert value.until_us == value.at_us + DAY // timedelta(microseconds=1)
