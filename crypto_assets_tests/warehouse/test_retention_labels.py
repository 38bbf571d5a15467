"""A span that retention took out is called so: it is no gap, nobody asks for it again, nothing is derived from its absence."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crypto_assets.datasets.features.blocks import Block
from crypto_assets.datasets.features.derive import Rows, Task, derive
from crypto_assets.datasets.features.source import Source
from crypto_assets.datasets.features.technical_indicators.table import technical_indicators
from crypto_assets.datasets.market.ohlcv.read import read_bars
from crypto_assets.datasets.market.ohlcv.table import DATASET, ohlcv
from crypto_assets.datasets.market.trade_bars.asset import bring_up_to_date
from crypto_assets.datasets.market.trades.table import trades
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.completeness import gaps_are_explained
from crypto_assets.quality.coverage import coverage, missing_gaps, observe
from crypto_assets.quality.heat_map import COLORS, coverage_map
from crypto_assets.quality.scan import scan_series
from crypto_assets.quality.series import TICK, SeriesKey
from crypto_assets.universe import Universe, parse_universe
from crypto_assets.warehouse.collected import mark_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.detach import detach
from crypto_assets.warehouse.detach_file import Archive
from crypto_assets.warehouse.detach_restore import restore
from crypto_assets.warehouse.detached import SpanAway
from crypto_assets.warehouse.retention import drop, partitions_of
from crypto_assets.warehouse.write import upsert
from crypto_assets_tests.datasets.market.book_ticker_hours.quotes import held
from crypto_assets_tests.warehouse.bars import batch

KEY = SeriesKey(DATASET, "kraken", "BTC/USD", "1m")
MINUTE = timedelta(minutes=1)
START = datetime(2024, 1, 1, tzinfo=UTC)
END = START + 60 * MINUTE
HOLE = (START + 30 * MINUTE, START + 35 * MINUTE)
NEXT = (datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, 1, tzinfo=UTC))
WINDOW = VenueWindow("kraken", START, datetime(2024, 2, 1, tzinfo=UTC))


@pytest.fixture(scope="module")
def universe() -> Universe:
    return parse_universe("history_from: 2024-01-01\nvenues: {kraken: {markets: [BTC/USD]}}\n", "test")


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(str(tmp_path), "sandbox")


@pytest.fixture
def stored(warehouse: Warehouse) -> Warehouse:
    """An hour of minutes of 2024 with a hole that the ledger knows as quiet, and an hour of 2025."""
    with warehouse.connect() as connection:
        upsert(connection, ohlcv, batch(30))
        upsert(connection, ohlcv, batch(25, first=35))
        upsert(connection, ohlcv, batch(60, first=366 * 1440))
        for span in ((START, END), NEXT):
            mark_collected(connection, *KEY.values(), *span)
        observe(connection, ohlcv, KEY, (START, END), [HOLE])
    held(warehouse, "UPDATE quality.coverage SET state = 'venue_quiet', evidence = '{\"why\": \"quiet\"}' RETURNING 1")
    return warehouse


def _go(warehouse: Warehouse, archive: Archive | None) -> None:
    year = next(one for one in partitions_of(warehouse, ohlcv) if one.label == "2024")
    _ = detach(warehouse, year, archive, pytest.fail) if archive else drop(warehouse, year, pytest.fail)


def _states(warehouse: Warehouse) -> list[tuple[str, int]]:
    told = coverage(warehouse, DATASET, "kraken", "BTC/USD", START, NEXT[1], timeframe="1m")
    return [(row["state"], row["bars"]) for row in told.to_dict("records") if row["state"] != "not_collected"]


@pytest.mark.parametrize("how", ["archived", "dropped"])
def test_coverage_calls_it_so_and_keeps_the_reasons_of_what_was_absent_before(
    stored: Warehouse, archive: Archive, how: str
) -> None:
    assert _states(stored) == [("present", 30), ("venue_quiet", 5), ("present", 25), ("present", 60)]
    _go(stored, archive if how == "archived" else None)
    assert _states(stored) == [(how, 30), ("venue_quiet", 5), (how, 25), ("present", 60)]
    told = coverage(stored, DATASET, "kraken", "BTC/USD", START, END, timeframe="1m")
    way = "crypto-assets retention restore market.ohlcv 2024" if how == "archived" else "Retention dropped these rows."
    assert way in told["why"].iloc[0]
    assert COLORS[how] in coverage_map(stored, DATASET, (START, END))


def test_a_scan_finds_no_gap_there_so_nobody_asks_for_it_again_and_checks_expect_nothing(
    stored: Warehouse, archive: Archive, universe: Universe
) -> None:
    look = gaps_are_explained(ohlcv, DATASET)
    assert [(one.checked, one.failed) for one in look(stored, universe, WINDOW)] == [(60, 0)]
    _go(stored, archive)
    ledger = held(stored, "SELECT * FROM quality.coverage")
    with stored.connect() as connection:
        found = scan_series(connection, ohlcv, KEY, (START, NEXT[1]))
    assert (found.expected, found.present) == (60, 60)  # of 2025
    assert held(stored, "SELECT * FROM quality.coverage") == ledger
    assert missing_gaps(stored, DATASET) == []
    assert look(stored, universe, WINDOW) == []
    restore(stored, ohlcv, "2024", archive, pytest.fail)
    assert [(one.checked, one.failed) for one in look(stored, universe, WINDOW)] == [(60, 0)]


def test_whoever_reads_its_bars_is_told_where_they_are(stored: Warehouse, archive: Archive) -> None:
    _go(stored, archive)
    series = ("kraken", "BTC/USD", "1m")
    with pytest.raises(SpanAway, match=r"market\.ohlcv of 2024 was archived"):
        read_bars(stored, *series, START, NEXT[1])
    assert len(read_bars(stored, *series, *NEXT)) == 60
    restore(stored, ohlcv, "2024", archive, pytest.fail)
    assert len(read_bars(stored, *series, START, NEXT[1])) == 115


def test_what_was_derived_from_it_stays_as_it_is(stored: Warehouse, archive: Archive) -> None:
    key = SeriesKey(DATASET, "kraken", "BTC/USD", "1h")
    block = Block(START, NEXT[0], NEXT[1])  # of 2025, with a history in 2024

    def build(_source: Source, _task: Task) -> Rows:
        return Rows(np.array([np.datetime64("2025-01-01T00", "us")]), {"sma_20": np.array([built])})

    def run() -> list[tuple[object, ...]]:
        derive(stored, technical_indicators, [Task(key, (block,))], build, {"source": "test"})
        return held(stored, "SELECT sma_20 FROM features.technical_indicators")

    built = 7.0
    assert run() == [(7.0,)]
    _go(stored, archive)
    built = 8.0
    with pytest.raises(SpanAway, match=r"market\.ohlcv of 2024"):
        run()
    assert held(stored, "SELECT sma_20 FROM features.technical_indicators") == [(7.0,)]
    restore(stored, ohlcv, "2024", archive, pytest.fail)
    assert run() == [(8.0,)]


def test_minutes_that_were_added_up_from_trades_in_the_archive_are_neither_emptied_nor_deleted(
    warehouse: Warehouse, archive: Archive, universe: Universe
) -> None:
    key = SeriesKey("market/trades", "kraken", "BTC/USD", TICK)
    at = pd.date_range(START, periods=3, freq="20s", unit="us").tz_localize(None)
    rows = {
        "venue": "kraken", "symbol": "BTC/USD", "traded_at": at.to_numpy(), "trade_id": np.array(["1", "2", "3"], dtype=object),
        "price": np.array(["10", "11", "12"], dtype=object), "amount": np.array(["1", "1", "1"], dtype=object),
        "cost": np.array(["10", "11", "12"], dtype=object), "side": "buy", "fills": 1, "sequence": 0,
        "received_at": at.to_numpy(),
        "source": "test", "known_at": at.to_numpy(),
    }  # fmt: skip
    with warehouse.connect() as connection:
        upsert(connection, trades, {name: rows[name] for name in rows if name in trades.c})  # type: ignore[arg-type,misc]
        mark_collected(connection, *key.values(), START, START + 3 * MINUTE)
    bring_up_to_date(warehouse, key, (START, END), universe.trades)
    bars = held(warehouse, "SELECT * FROM market.trade_bars ORDER BY opened_at")
    assert len(bars) == 3
    [year] = partitions_of(warehouse, trades)
    detach(warehouse, year, archive, pytest.fail)
    with warehouse.connect() as connection:  # a minute more was collected, so the hour is not up to date
        mark_collected(connection, *key.values(), START, START + 4 * MINUTE)
    bring_up_to_date(warehouse, key, (START, END), universe.trades)
    assert held(warehouse, "SELECT * FROM market.trade_bars ORDER BY opened_at") == bars
