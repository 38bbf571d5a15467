"""Frames from a real database: what stands in a row by hand, and that nothing known later does."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from crypto_assets.datasets.features.ml_features.catalog import feature_version
from crypto_assets.datasets.models.catalog import forecast
from crypto_assets.datasets.models.frames import NothingStored, read_frame, stored_feature_versions
from crypto_assets.forecasting.frame import Frame, FrameRefused, SeriesName
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.models.rows import (
    GAS,
    START,
    bars,
    books,
    features,
    fees,
    gaps,
    hour,
    hours,
    quotes,
    returns,
    snapshots,
    universe,
)

UNIVERSE = universe()


def _frame(warehouse: Warehouse, name: str, first: float, last: float, *series: str) -> Frame:
    return read_frame(warehouse, UNIVERSE, forecast(name), hour(first), hour(last), series=series)


def _column(frame: Frame, name: str) -> list[float]:
    return [round(float(value), 5) for value in frame.inputs[:, frame.names.index(name)]]


def _decided(frame: Frame) -> list[datetime]:
    return [at.replace(tzinfo=UTC) for at in frame.decided_at.tolist()]


def test_base_fees_by_hand(shared_warehouse: Warehouse) -> None:
    """10, 20, 40, 80 gwei on the hour, and 5 half past two: that one is known at three, where 80 is newer."""
    fees(shared_warehouse, {0: 10, 1: 20, 2: 40, 2.5: 5, 3: 80})
    frame = _frame(shared_warehouse, "gas_1h", -10, 6)
    assert frame.series == (GAS,)
    assert frame.names == forecast("gas_1h").inputs
    assert _decided(frame) == hours(0, 5)  # none before the first is known
    assert frame.now.tolist() == [10, 20, 40, 80, 80, 80]
    two = float(np.log(2))
    assert frame.target[:3] == pytest.approx([two, two, two])
    assert np.isnan(frame.target[3:]).all()  # nothing was observed after
    assert [at.replace(tzinfo=UTC) for at in frame.target_known_at[:3].tolist()] == hours(1, 3)
    assert frame.inputs.dtype == np.float32
    assert _column(frame, "change_1h")[1:4] == [round(two, 5)] * 3
    assert _column(frame, "level_age_hours") == [0, 0, 0, 0, 1, 2]
    # Five hours after the last one it is too old, though the question reaches further.
    assert _decided(_frame(shared_warehouse, "gas_4h", 6, 20)) == hours(6, 8)


def test_a_level_before_the_first_decision_is_a_lag_of_it(shared_warehouse: Warehouse) -> None:
    fees(shared_warehouse, {1000 + at: float(at + 1) for at in range(200)})
    whole, part = (_frame(shared_warehouse, "gas_4h", first, 1190) for first in (1000, 1180))
    assert np.array_equal(part.inputs, whole.inputs[180:190], equal_nan=True)
    assert np.isfinite(_column(part, "deviation_168h")).all()
    assert np.array_equal(part.target, whole.target[180:190])


def test_fees_that_become_known_later_change_nothing_before(shared_warehouse: Warehouse) -> None:
    """Planted: fees observed long before a decision and known only after it, at absurd heights."""
    fees(shared_warehouse, {2000 + at: 10.0 + at for at in range(60)})
    before = _frame(shared_warehouse, "gas_4h", 2000, 2041)
    fees(shared_warehouse, {2000.5 + at: 1e6 for at in range(40)}, late=timedelta(hours=40, minutes=1))
    after = _frame(shared_warehouse, "gas_4h", 2000, 2041)
    assert len(after) == len(before) == 41
    assert np.array_equal(after.now, before.now)
    assert np.array_equal(after.inputs, before.inputs, equal_nan=True)
    # Nor do they change what came after: at the horizon's end something newer was known.
    assert np.array_equal(after.target, before.target)


def test_spreads_at_the_decisions_that_features_know(shared_warehouse: Warehouse) -> None:
    name = SeriesName("binance", "AAA/USDT")
    books(shared_warehouse, name, {1.5: 2.0, 2.0: 4.0, 3.5: 8.0})
    features(shared_warehouse, name, [1, 2, 3, 4, 5, 6], return_1=[1, 2, 3, 4, 5, 6])
    features(shared_warehouse, name, [4], known=timedelta(minutes=5), return_1=[4])
    frame = _frame(shared_warehouse, "liquidity_spread_1h", 0, 10, name.series)
    # None before the first book, and none at 4, whose features were known too late.
    assert _decided(frame) == [hour(2), hour(3), hour(5), hour(6)]
    assert frame.now[:3].tolist() == [4, 4, 8]
    assert np.isnan(frame.now[3])  # the book of half past three is older than two hours
    assert _column(frame, "return_1") == [2, 3, 5, 6]
    assert np.isnan(_column(frame, "rsi_14") if "rsi_14" in frame.names else [np.nan]).all()
    # At 3 the book of 4 is known an hour later; at 2 nothing newer was at 3.
    assert frame.target[1] == pytest.approx(np.log(2))
    assert np.isnan(frame.target[[0, 2, 3]]).all()


def test_depth_of_both_sides(shared_warehouse: Warehouse) -> None:
    name = SeriesName("binance", "BBB/USDT")
    books(shared_warehouse, name, {1: 1, 2: 1}, {1: (30, 12), 2: (80, 4)})
    features(shared_warehouse, name, [1, 2])
    frame = _frame(shared_warehouse, "liquidity_depth_1h", 0, 10, name.series)
    assert frame.now.tolist() == [42, 84]
    assert frame.target[0] == pytest.approx(np.log(2))


def test_reserves_of_several_pools_stand_by_name(shared_warehouse: Warehouse) -> None:
    one, two = SeriesName("solana", "One"), SeriesName("solana", "Two")
    snapshots(
        shared_warehouse, two, {0: 100, 1: 200}, volume_usd_1h=100.0, created_at=np.datetime64("2023-12-31T00:00", "us")
    )
    snapshots(shared_warehouse, one, {0: 0, 1: 50, 2: 25})  # nothing has no logarithm, so that no decision lies there
    frame = _frame(shared_warehouse, "liquidity_reserve_1h", 0, 3)
    assert frame.series == (one, two)
    assert frame.code.tolist() == [0, 0, 1, 1, 1]
    assert _decided(frame) == [hour(1), hour(2), hour(0), hour(1), hour(2)]
    assert frame.now.tolist() == [50, 25, 100, 200, 200]
    assert _column(frame, "turnover_1h_log")[2:4] == [round(float(np.log(2)), 5), round(float(np.log(1.5)), 5)]
    assert _column(frame, "pool_age_days_log")[2] == round(float(np.log(2)), 5)
    assert _frame(shared_warehouse, "liquidity_reserve_1h", 0, 3, "Two").series == (two,)
    with pytest.raises(NothingStored, match=r"Nothing of Twoo is stored.*Stored are solana Two"):
        _frame(shared_warehouse, "liquidity_reserve_1h", 0, 3, "One", "Twoo")


def test_returns_gaps_and_closes_by_hand(shared_warehouse: Warehouse) -> None:
    name = SeriesName("binance", "CCC/USDT")
    bars(shared_warehouse, name, {30: 100, 31: 110, 33: 121})
    features(shared_warehouse, name, [30, 31, 32, 33], return_1=0.1)
    returns(shared_warehouse, name, 4, {30: 0.21, 31: -0.5, 33: 0.0})
    returns(shared_warehouse, name, 1, {30: 9.0})
    # Ten to 31 for two seconds; another at 31 itself, known a second after.
    gaps(shared_warehouse, name.series, "binance", "gate", {30.5: 0.3, 30.5003: 0.4, 31: 0.9})
    gaps(shared_warehouse, name.series, "gate", "binance", {30.5: 0.6})
    gaps(shared_warehouse, name.series, "gate", "mexc", {30.5: 0.8})
    quotes(shared_warehouse, name, range(10, 33))
    frame = _frame(shared_warehouse, "opportunity_4h", 0, 100, name.series)
    assert _decided(frame) == hours(30, 33)
    assert frame.now[[0, 1, 3]].tolist() == [100, 110, 121]
    assert np.isnan(frame.now[2])  # no bar closes there: the one before is another hour's price
    assert frame.target[[0, 1, 3]] == pytest.approx([np.log(1.21), np.log(0.5), 0])
    assert [at.replace(tzinfo=UTC) for at in frame.target_known_at[[0, 1]].tolist()] == hours(34, 35)
    assert _column(frame, "arbitrage_seconds_log_1h") == [0, round(float(np.log(3)), 5), round(float(np.log(2)), 5), 0]
    assert _column(frame, "arbitrage_best_pct_24h") == [0, 0.6, 0.9, 0.9]
    assert frame.usable().tolist() == [0, 1, 3]


def test_days_of_gaps_that_retention_took_out_are_days_in_which_nobody_listened(warehouse: Warehouse) -> None:
    """Hours of quotes stay for ever and days of gaps go: what was dropped must not be learned from as none."""
    name = SeriesName("binance", "CCC/USDT")
    bars(warehouse, name, dict.fromkeys((23, 30, 40), 100))
    features(warehouse, name, [23, 30, 40], return_1=0.1)
    quotes(warehouse, name, range(1, 41))
    asked = ("opportunity_4h", 0, 100, name.series)
    for column in ("arbitrage_seconds_log_1h", "arbitrage_best_pct_24h"):
        assert _column(_frame(warehouse, *asked), column) == [0, 0, 0]
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ops.archived_partitions (table_name, starts_at, number, ends_at, partition_name, outcome, table_bytes)"
            " VALUES ('market.arbitrage_opportunities', %s, 1, %s, 'p', 'dropped', 1)",
            (START, START + timedelta(days=1)),
        )
    dropped = _frame(warehouse, *asked)
    assert np.isnan(_column(dropped, "arbitrage_seconds_log_1h")).tolist() == [True, False, False]
    # Of the day before hour 30 six hours were listened to whose gaps are there; twelve are asked for.
    assert np.isnan(_column(dropped, "arbitrage_best_pct_24h")).tolist() == [True, True, False]


def test_a_horizon_that_ends_in_the_future_has_no_target(shared_warehouse: Warehouse) -> None:
    """Half a day ago and since: of a day's horizon a level that will be carried on would already give a number."""
    now = datetime.now(UTC)
    ago = (now - START) / timedelta(hours=1)
    fees(shared_warehouse, {ago - 13 + at: 10.0 + at for at in range(13)})
    frame = read_frame(
        shared_warehouse, UNIVERSE, forecast("gas_24h"), now - timedelta(hours=12), now + timedelta(days=2)
    )
    assert _decided(frame)[-1] <= datetime.now(UTC)
    assert np.isfinite(frame.now).all()
    assert np.isnan(frame.target).all()
    assert not len(frame.usable())


def test_as_rows_stood_before_they_were_mended(shared_warehouse: Warehouse) -> None:
    fees(shared_warehouse, {3000: 10, 3001: 20})
    with shared_warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row = cursor.fetchone()
    assert row
    fees(shared_warehouse, {3001: 99})
    question = (shared_warehouse, UNIVERSE, forecast("gas_1h"), hour(3000), hour(3002))
    assert read_frame(*question).now.tolist() == [10, 99]
    assert read_frame(*question, as_of_ingested=row[0]).now.tolist() == [10, 20]
    with pytest.raises(NothingStored):
        read_frame(*question, as_of_ingested=hour(3002))


def test_a_question_without_an_answer_says_what_is_stored(shared_warehouse: Warehouse) -> None:
    features(shared_warehouse, SeriesName("binance", "DDD/USDT"), [1], version="old")
    bars(shared_warehouse, SeriesName("binance", "DDD/USDT"), {1: 1})
    with pytest.raises(NothingStored, match=r"Nothing of DDD/USDX is stored that opportunity_1h.*binance DDD/USDT"):
        _frame(shared_warehouse, "opportunity_1h", 0, 9, "DDD/USDX")
    with pytest.raises(NothingStored, match=r"Nothing of kraken is stored that gas_1h.*ethereum fees"):
        read_frame(shared_warehouse, UNIVERSE, forecast("gas_1h"), START, hour(5), domains=["kraken"])
    with pytest.raises(NothingStored, match=r"Nothing of DDD/USDT is stored from 2024-02-11 16:00 to 2024-02-11 17:00"):
        _frame(shared_warehouse, "opportunity_1h", 1000, 1001, "DDD/USDT")
    with pytest.raises(FrameRefused, match="with its time zone"):
        read_frame(shared_warehouse, UNIVERSE, forecast("gas_1h"), datetime(2024, 1, 1), hour(5))  # noqa: DTZ001
    with pytest.raises(FrameRefused, match="Nothing lies between"):
        _frame(shared_warehouse, "gas_1h", 5, 5)


def test_the_versions_that_rows_of_features_were_made_by(shared_warehouse: Warehouse) -> None:
    name = SeriesName("binance", "EEE/USDT")
    features(shared_warehouse, name, [1, 2])
    features(shared_warehouse, name, [3], version="old")
    question = (shared_warehouse, forecast("opportunity_1h"), START, hour(9))
    assert stored_feature_versions(*question, series=[name.series]) == {feature_version(): 2, "old": 1}
    assert list(stored_feature_versions(shared_warehouse, forecast("gas_1h"), START, hour(9)).values()) == [0]


def test_an_empty_database_says_what_to_materialize(warehouse: Warehouse) -> None:
    for name, dataset in (("gas_1h", "onchain/network_fees"), ("opportunity_1h", "features/ml_features")):
        with pytest.raises(NothingStored, match=f"Nothing is stored.*aterialize {dataset}"):
            _frame(warehouse, name, 0, 9)
