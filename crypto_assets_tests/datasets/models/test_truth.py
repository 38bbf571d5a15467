"""What came after decisions, as predictions are judged by it."""

from datetime import timedelta

import numpy as np
import pytest

from crypto_assets.datasets.models.catalog import forecast
from crypto_assets.datasets.models.frames import read_frame, read_truth
from crypto_assets.datasets.models.truth import COLUMNS
from crypto_assets.forecasting.frame import SeriesName
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.models.rows import (
    BTC,
    books,
    features,
    fees,
    hour,
    hours,
    returns,
    snapshots,
    universe,
)

UNIVERSE = universe()


def test_the_truth_of_fees_is_the_target_of_their_frame(shared_warehouse: Warehouse) -> None:
    rng = np.random.default_rng(3)
    fees(
        shared_warehouse, {at: float(rng.uniform(5, 50)) for at in range(60) if at not in {20, 21, 22, 23, 24, 25, 26}}
    )
    for name in ("gas_1h", "gas_4h", "gas_24h"):
        frame = read_frame(shared_warehouse, UNIVERSE, forecast(name), hour(-5), hour(70))
        truth = read_truth(shared_warehouse, UNIVERSE, forecast(name), hour(-5), hour(70))
        rows = frame.usable()
        assert list(truth) == list(COLUMNS)
        assert len(rows) > 20
        assert truth["truth"].tolist() == frame.target[rows].tolist()
        assert truth["decided_at"].dt.tz_localize(None).to_numpy().tolist() == frame.decided_at[rows].tolist()
        assert truth["known_at"].dt.tz_localize(None).to_numpy().tolist() == frame.target_known_at[rows].tolist()
        assert (truth["known_at"] - truth["decided_at"] == forecast(name).horizon).all()


def test_the_truth_is_what_was_known_at_the_horizons_end_and_stays_so(shared_warehouse: Warehouse) -> None:
    name = SeriesName("solana", "Pool1")
    snapshots(shared_warehouse, name, {1: 100, 2: 400})
    question = (shared_warehouse, UNIVERSE, forecast("liquidity_reserve_1h"), hour(0), hour(9))
    told = read_truth(*question, series=["Pool1"])
    assert told["decided_at"].tolist() == [hour(1)]
    assert told["truth"].tolist() == pytest.approx([np.log(4)])
    assert (told["domain"][0], told["series"][0]) == ("solana", "Pool1")
    snapshots(shared_warehouse, name, {2.001: 7})  # half a minute late
    assert read_truth(*question, series=["Pool1"]).iloc[:1].equals(told)
    # Before the horizon's end nobody knows it, whatever has been observed.
    assert read_truth(*question, now=hour(2) - timedelta(seconds=1)).empty
    assert len(read_truth(*question, now=hour(2))) == 1


def test_books_are_judged_at_every_hour_and_returns_by_their_labels(shared_warehouse: Warehouse) -> None:
    books(shared_warehouse, BTC, {0: 1, 1: 2, 2: 4})
    spread = read_truth(
        shared_warehouse, UNIVERSE, forecast("liquidity_spread_1h"), hour(0), hour(9), domains=["binance"]
    )
    assert spread["truth"].tolist() == pytest.approx([np.log(2), np.log(2)])
    returns(shared_warehouse, BTC, 4, {7: 0.1, 8: -1.0, 9: -0.1})
    features(shared_warehouse, BTC, [7])
    question = (shared_warehouse, UNIVERSE, forecast("opportunity_4h"), hour(7), hour(9))
    told = read_truth(*question)
    # A price of nothing has no logarithm; the decision at nine is no part of the range.
    assert told["truth"].tolist() == pytest.approx([np.log(1.1)])
    assert told["known_at"].tolist() == hours(11, 11)
    assert read_truth(*question, now=hour(10.9)).empty
    assert read_truth(*question, domains=["gate"]).empty
    assert {name: str(kind) for name, kind in read_truth(*question, now=hour(1)).dtypes.items()} == {
        name: str(kind) for name, kind in told.dtypes.items()
    }
