"""Reading bars for use: stored ones alone, or filled ones beside them and told apart."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import func, select

from crypto_assets.datasets.market.ohlcv.read import FillUnknown, fill_forward, read_bars
from crypto_assets.datasets.market.ohlcv.table import DATASET, ohlcv
from crypto_assets.quality.coverage import SeriesKey, observe
from crypto_assets.warehouse.collected import mark_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame
from crypto_assets.warehouse.write import upsert

HOUR = timedelta(hours=1)
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
KEY = SeriesKey(DATASET, "kraken", "BTC/USD", "1h")


def hour(number: int) -> datetime:
    return BEGIN + number * HOUR


@pytest.fixture
def stored(warehouse: Warehouse) -> Warehouse:
    """Bars at hours 1, 2, 4 and 5, closing at 10, 20, 40 and 50; hours 0 to 6 were asked for."""
    hours = np.array([1, 2, 4, 5])
    opened = np.datetime64("2024-01-01T00:00", "us") + hours * np.timedelta64(1, "h")
    prices = dict.fromkeys(("open", "high", "low", "close", "volume_base"), hours * 10.0)
    names = {"venue": "kraken", "symbol": "BTC/USD", "timeframe": "1h", "source": "test"}
    with warehouse.connect() as connection:
        upsert(connection, ohlcv, {**names, "opened_at": opened, "known_at": opened + np.timedelta64(1, "h"), **prices})
        mark_collected(connection, *KEY.values(), hour(0), hour(7))
        observe(
            connection, ohlcv, KEY, (hour(0), hour(7)), [(hour(0), hour(1)), (hour(3), hour(4)), (hour(6), hour(7))]
        )
    return warehouse


def test_without_filling_only_stored_bars_come(stored: Warehouse) -> None:
    frame = read_bars(stored, "kraken", "BTC/USD", "1h", hour(0), hour(7))
    assert frame["close"].tolist() == [10, 20, 40, 50]
    assert "is_filled" not in frame


def test_filling_carries_the_last_close_says_so_and_stores_nothing(stored: Warehouse) -> None:
    frame = read_bars(stored, "kraken", "BTC/USD", "1h", hour(0), hour(7), fill="forward")
    assert frame["opened_at"].tolist() == [hour(n) for n in (1, 2, 3, 4, 5, 6)]
    assert frame["is_filled"].tolist() == [False, False, True, False, False, True]
    filled = frame[frame["is_filled"]].iloc[0]
    assert (filled["open"], filled["high"], filled["low"], filled["close"], filled["volume_base"]) == (
        20,
        20,
        20,
        20,
        0,
    )
    assert (filled["source"], filled["known_at"]) == ("filled", hour(4))
    assert int(read_frame(stored, select(func.count().label("n")).select_from(ohlcv))["n"].iloc[0]) == 4


def test_a_halt_is_not_filled_nor_what_follows_it_until_the_next_bar(stored: Warehouse) -> None:
    bars = read_bars(stored, "kraken", "BTC/USD", "1h", hour(0), hour(7))
    spans = pd.DataFrame(
        [(hour(2) + HOUR, hour(3) + HOUR / 2, "not_listed"), (hour(3) + HOUR / 2, hour(4), "missing")],
        columns=["span_start", "span_end", "state"],
    )
    spans["span_start"] = [pd.Timestamp(hour(3)), pd.Timestamp(hour(6))]
    spans["span_end"] = [pd.Timestamp(hour(4)), pd.Timestamp(hour(7))]
    assert fill_forward(bars, spans, "1h")["is_filled"].tolist() == [False, False, False, False, True]
    spans["span_start"] = [pd.Timestamp(hour(6)), pd.Timestamp(hour(7))]
    spans["span_end"] = [pd.Timestamp(hour(7)), pd.Timestamp(hour(9))]
    assert not fill_forward(bars, spans, "1h")["is_filled"].any()


def test_bars_that_are_whole_or_none_are_filled_with_nothing(stored: Warehouse) -> None:
    whole = read_bars(stored, "kraken", "BTC/USD", "1h", hour(1), hour(3), fill="forward")
    assert whole["is_filled"].tolist() == [False, False]
    none = read_bars(stored, "kraken", "NO/SUCH", "1h", hour(1), hour(3), fill="forward")
    assert none.empty
    assert "is_filled" in none


def test_an_unknown_fill_is_refused(warehouse: Warehouse) -> None:
    with pytest.raises(FillUnknown, match="Unknown fill 'spline'"):
        read_bars(warehouse, "kraken", "BTC/USD", "1h", hour(0), hour(1), fill="spline")  # type: ignore[arg-type]
