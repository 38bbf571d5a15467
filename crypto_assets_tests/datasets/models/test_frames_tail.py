"""The newest hours, read again and again: always what one question to the whole would give."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from crypto_assets.datasets.features.ml_features.catalog import feature_version
from crypto_assets.datasets.models.catalog import FORECASTS, forecast
from crypto_assets.datasets.models.frames import NothingStored, TailReader, read_frame, stored_series, tail_frame
from crypto_assets.forecasting.frame import Frame, SeriesName
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import reading
from crypto_assets_tests.datasets.models.rows import (
    BTC,
    ETH,
    GAS,
    POOL,
    START,
    bars,
    books,
    features,
    fees,
    gaps,
    hour,
    quotes,
    snapshots,
    universe,
)

UNIVERSE = universe()
ABOUT = {"gas": [GAS], "liquidity_reserve": [POOL]}


def _store(warehouse: Warehouse, first: int, last: int) -> None:
    """Hours of everything, with a random height each; a hole in the books, and gaps in one hour of ten."""
    rng = np.random.default_rng(first)
    at = range(first, last + 1)
    fees(warehouse, {one + minutes / 60: float(rng.uniform(5, 50)) for one in at for minutes in (0, 15, 40)})
    snapshots(
        warehouse, POOL, {one - 0.2: float(rng.uniform(5, 50)) for one in at}, volume_usd_1h=float(rng.uniform(1, 9))
    )
    for name in (BTC, ETH):
        books(warehouse, name, {one - 0.3: float(rng.uniform(1, 9)) for one in at if one % 50 not in range(20, 25)})
        bars(warehouse, name, {one: float(rng.uniform(1, 9)) for one in at})
        features(warehouse, name, at, return_1=list(rng.uniform(-1, 1, len(at))))
        quotes(warehouse, name, at)
    if found := {one - 0.5: 0.5 for one in at if one % 3 == 0}:
        gaps(warehouse, BTC.series, "binance", "gate", found)


def _equal(one: Frame, other: Frame) -> bool:
    return (
        one.series == other.series
        and all(
            np.array_equal(getattr(one, name), getattr(other, name))
            for name in ("code", "decided_at")
        )
        and all(np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True) for name in ("now", "inputs"))
    )  # fmt: skip


def test_the_newest_hours_are_those_of_the_whole_also_after_new_ones_came(warehouse: Warehouse) -> None:
    _store(warehouse, 0, 300)
    clock = [hour(300.6)]
    with reading(warehouse) as reader:
        tails = TailReader(reader, UNIVERSE, hours=48, clock=lambda: clock[0])
        for first, last in ((300, 300), (301, 301), (302, 302), (303, 307), (308, 308)):
            if last > 300:
                _store(warehouse, first, last)
            clock[0] = hour(last + 0.6)
            for one in FORECASTS[::3]:
                frame = tails.read(one, ABOUT.get(one.model, [ETH, BTC]))
                whole = read_frame(warehouse, UNIVERSE, one, hour(last - 47), hour(last) + timedelta(minutes=1))
                assert _equal(frame, whole), (one.name, last)
                assert len(frame) == 48 * len(frame.series)
                assert np.isnan(frame.target).all()
                assert np.isnat(frame.target_known_at).all()


def test_series_may_join_and_what_is_not_stored_is_left_out(warehouse: Warehouse) -> None:
    features(warehouse, BTC, range(1, 30))
    features(warehouse, ETH, range(1, 20), version="old")
    bars(warehouse, BTC, dict.fromkeys(range(1, 30), 1.0))
    bars(warehouse, ETH, dict.fromkeys(range(1, 20), 2.0))
    one = forecast("opportunity_1h")
    with reading(warehouse) as reader:
        tails = TailReader(reader, UNIVERSE)
        assert len(tails.read(one, [])) == 0
        assert tails.read(one, [BTC]).series == (BTC,)
        frame = tails.read(one, [BTC, ETH, SeriesName("kraken", "BTC/USD")])
        assert frame.series == (BTC, ETH)
        assert np.bincount(frame.code).tolist() == [29, 19]
        # Each series ends where its own rows do, however long ago.
        assert frame.decided_at[[28, 47]].tolist() == [hour(29).replace(tzinfo=None), hour(19).replace(tzinfo=None)]
        assert tails.feature_versions(one, [BTC, ETH, POOL]) == {BTC: feature_version(), ETH: "old"}
        assert tails.feature_versions(forecast("gas_1h"), [GAS]) == {}
        # No book was ever stored, so of spreads nothing can be said.
        assert tails.read(forecast("liquidity_spread_1h"), [BTC]).series == ()


def test_of_books_those_of_the_features_last_hours_are_read(warehouse: Warehouse) -> None:
    """Features that stand still for weeks, while books go on: the newest decision still has its level."""
    features(warehouse, BTC, range(1, 30))
    books(warehouse, BTC, {at: float(at) for at in range(1, 2000)})
    frame = tail_frame(warehouse, UNIVERSE, forecast("liquidity_spread_4h"), hours=5)
    assert frame.now.tolist() == [25, 26, 27, 28, 29]
    assert frame.inputs[0, 0] == pytest.approx(np.log(25))


def test_a_row_that_was_mended_is_seen(warehouse: Warehouse) -> None:
    fees(warehouse, dict.fromkeys(range(20), 10.0))
    clock = [hour(19.5)]
    with reading(warehouse) as reader:
        tails = TailReader(reader, UNIVERSE, clock=lambda: clock[0])
        assert tails.read(forecast("gas_1h"), [GAS]).now[-1] == 10
        fees(warehouse, {3: 77.0, 18: 88.0})
        now = tails.read(forecast("gas_1h"), [GAS]).now
        assert (now[18], now[3]) == (88, 10)  # further back it is seen when all is read anew
        clock[0] = hour(19.5) + timedelta(hours=24, minutes=1)
        assert tails.read(forecast("gas_1h"), [GAS]).now[3] == 77


def test_one_question_finds_what_is_stored_and_refuses_what_is_not(warehouse: Warehouse) -> None:
    _store(warehouse, 0, 10)
    features(warehouse, SeriesName("kraken", "BTC/USD"), [1])
    with reading(warehouse) as reader:
        assert stored_series(reader, forecast("gas_4h")) == [GAS]
        assert stored_series(reader, forecast("liquidity_reserve_1h")) == [POOL]
        assert stored_series(reader, forecast("liquidity_depth_1h")) == [BTC, ETH]
        assert stored_series(reader, forecast("opportunity_1h")) == [BTC, ETH, SeriesName("kraken", "BTC/USD")]
        assert tail_frame(reader, UNIVERSE, forecast("opportunity_1h"), domains=["binance"]).series == (BTC, ETH)
    assert tail_frame(warehouse, UNIVERSE, forecast("gas_1h")).decided_at[0] == np.datetime64(
        START.replace(tzinfo=None)
    )
    with pytest.raises(NothingStored, match=r"Nothing of DOGE/USDT is stored that opportunity_1h.*binance BTC/USDT"):
        tail_frame(warehouse, UNIVERSE, forecast("opportunity_1h"), series=["DOGE/USDT"])
    assert datetime.now(UTC) > hour(10)
