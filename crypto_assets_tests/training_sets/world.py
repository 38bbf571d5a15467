"""A small world to freeze: bars with a hole, an economy, fees, headlines and moods; and what comes late and changes it.

What belongs here: storing, deriving and revising. What does not: assertions.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from sqlalchemy import select

from crypto_assets.datasets.features.derived_asset import DerivedConfig
from crypto_assets.datasets.features.labels import asset as labels
from crypto_assets.datasets.features.labels.table import labels as labels_table
from crypto_assets.datasets.features.ml_features import run as features
from crypto_assets.datasets.features.ml_features.table import ml_features
from crypto_assets.partitions import VenueWindow
from crypto_assets.training_sets.place import Shelf
from crypto_assets.training_sets.question import Asked
from crypto_assets.universe import Universe, parse_universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame
from crypto_assets_tests.datasets.features.ml_features.outside import (
    put_fees,
    put_macro,
    put_metric,
    put_moods,
    put_scores,
)
from crypto_assets_tests.markets import store, walk, without

UNIVERSE = """
history_from: 2023-12-01
venues:
  binance: {markets: [BTC/USDT, ETH/USDT, SOL/USDT], timeframes: [1h]}
  gate: {markets: [ETH/USDT], timeframes: [1h]}
"""
START = datetime(2023, 12, 20, tzinfo=UTC)
HOURS = 800  # into January: two calendar years, so that a market comes in two pieces
END = START + timedelta(hours=HOURS)
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# Of SOL's bars ten are absent: the ledger calls four of them quiet and four missing, and says nothing of two.
HOLE = (300, 310)


def universe() -> Universe:
    return parse_universe(UNIVERSE, "test.yaml")


def seed(warehouse: Warehouse) -> None:
    """Store everything that features are made of here."""
    for number, symbol in enumerate(SYMBOLS):
        bars = walk(HOURS, number, start=START)
        store(warehouse, without(bars, HOLE) if symbol == "SOL/USDT" else bars, symbol)
    store(warehouse, walk(HOURS, 1, start=START, price=101.0), "ETH/USDT", venue="gate")
    with warehouse.connect() as connection, connection.cursor() as cursor:
        for first, stop, state in ((300, 304, "venue_quiet"), (304, 308, "missing")):
            cursor.execute(
                "INSERT INTO quality.coverage (dataset, venue, symbol, timeframe, gap_start, gap_end, state, evidence)"
                " VALUES ('market/ohlcv', 'binance', 'SOL/USDT', '1h', %s, %s, %s, '{}')",
                (START + first * HOUR, START + stop * HOUR, state),
            )
    outside(warehouse, 1.0)


def outside(warehouse: Warehouse, factor: float) -> None:
    """The economy, chains, headlines and moods; another factor is a correction of all of them."""
    days = [START + number * DAY for number in range(-2, 34)]
    put_macro(warehouse, "DGS10", "Daily", [(at.date(), at.date(), at + DAY, 4 * factor) for at in days])
    put_metric(warehouse, "BTC", "active_addresses", [(at.date(), at + DAY, 1e6 * factor) for at in days])
    hours = [START + number * HOUR for number in range(HOURS)]
    put_fees(warehouse, "ethereum", [(at, at + timedelta(minutes=1)) for at in hours], base_fee_gwei=20 * factor)
    put_scores(warehouse, [(f"news {at:%m-%d %H}", "BTC", at, 0.5 * factor) for at in hours[::6]])
    put_moods(warehouse, [(at.date(), at + HOUR, 50 * factor) for at in days])


def revise(warehouse: Warehouse) -> None:
    """What comes late, by the real way of writing: other bars, fewer, more and older, a new venue, corrections of the rest."""
    for number, symbol in enumerate(SYMBOLS[:2]):
        store(warehouse, walk(HOURS, number + 40, start=START), symbol)
    store(warehouse, walk(HOURS, 50, start=START), "ETH/USDT", venue="gate")
    store(
        warehouse, walk(HOURS + 100, 60, start=START - 100 * HOUR), "SOL/USDT"
    )  # the hole is filled, and older bars come
    store(warehouse, walk(HOURS, 61, start=START), "XRP/USDT")
    store(warehouse, walk(HOURS, 62, start=START), "BTC/USDT", venue="okx")
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM market.ohlcv WHERE symbol = 'BTC/USDT' AND opened_at >= %s", (END - 50 * HOUR,))
        cursor.execute("UPDATE quality.coverage SET state = 'repaired', ingested_at = clock_timestamp()")
    outside(warehouse, 0.5)


def derive(warehouse: Warehouse) -> None:
    """Features and labels as the platform derives them, put in the place of those before."""
    for venue in ("binance", "gate"):
        window = VenueWindow(venue, START, END)
        for module in (features, labels):
            module.compute_window(warehouse, universe(), window, DerivedConfig(), lambda _derived: None)


def stored(warehouse: Warehouse) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables of features and labels, in the order of a set."""
    keys = ["venue", "symbol", "opened_at"]
    made = read_frame(warehouse, select(ml_features)).sort_values(keys, ignore_index=True)
    return made, read_frame(warehouse, select(labels_table)).sort_values([*keys, "horizon_bars"], ignore_index=True)


def asked(name: str, **changes: object) -> Asked:
    """A question for all that is there."""
    return Asked(**{"name": name, "start": START, "end": END, **changes})  # type: ignore[arg-type]


def shelf(folder: Path) -> Shelf:
    return Shelf(str(folder / "test"))


def close_of(warehouse: Warehouse, symbol: str, hour: int) -> float:
    """The close of one of binance's bars as it is now."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT close FROM market.ohlcv WHERE venue = 'binance' AND symbol = %s AND opened_at = %s",
            (symbol, START + hour * HOUR),
        )
        [close] = cursor.fetchone() or [np.nan]
    return float(close)


__all__ = [
    "DAY", "END", "HOLE", "HOUR", "HOURS", "START", "SYMBOLS", "UNIVERSE", "asked", "close_of", "date", "derive", "outside",
    "revise", "seed", "shelf", "stored", "universe",
]  # fmt: skip
