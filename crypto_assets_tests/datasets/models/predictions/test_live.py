"""The live path: what is said of the newest decision, what stands, who is told why nothing was said, and what survives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from crypto_assets.datasets.models.catalog import ForecastUnknown
from crypto_assets.datasets.models.frames import tail_frame
from crypto_assets.datasets.models.predictions.champions import Champions
from crypto_assets.datasets.models.predictions.live import LivePredictor, newest_rows, predict
from crypto_assets.datasets.models.predictions.prediction import FeatureVersionDiffers, InputsMissing, NoChampion
from crypto_assets.datasets.models.predictions.table import predictions
from crypto_assets.datasets.models.registry.store import promote
from crypto_assets.forecasting.artefacts import ArtefactTampered, Store
from crypto_assets.forecasting.frame import SeriesName
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import reading
from crypto_assets_tests.datasets.models.predictions.stage import (
    BTC,
    ETH,
    GAS,
    GAS_1H,
    GAS_4H,
    SOL,
    UP_1H,
    crown,
    execute,
    forget,
    model_of,
    put_fees,
    put_market,
    register_one,
    rows_of,
    some_frame,
    stored,
    universe,
)
from crypto_assets_tests.datasets.models.rows import bars, features, hour

# Fees of the last hour count for five more: that is the newest decision at which the fee is known.
NEWEST = hour(205)
NOW = datetime(2026, 3, 1, 12, 0, 7, tzinfo=UTC)
DROWSY = SeriesName("gate", "BTC/USDT")


@pytest.fixture(scope="module")
def fed(shared_warehouse: Warehouse) -> Warehouse:
    """Fees, one sound market, one whose features are of older code, one of which most inputs are null; SOL has nothing."""
    put_fees(shared_warehouse)
    put_market(shared_warehouse, BTC)
    put_market(shared_warehouse, ETH, version="older")
    bars(shared_warehouse, DROWSY, dict.fromkeys(range(1, 50), 100.0))
    features(shared_warehouse, DROWSY, range(1, 50), return_1=0.5)
    return shared_warehouse


@pytest.fixture
def warehouse(fed: Warehouse) -> Warehouse:
    forget(fed)
    return fed


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def predictor(warehouse: Warehouse, store: Store) -> Iterator[LivePredictor]:
    with LivePredictor(warehouse, universe(), store, clock=lambda: NOW) as one:
        yield one


def test_the_newest_decision_is_said_by_the_champion_and_stored(
    warehouse: Warehouse, store: Store, predictor: LivePredictor
) -> None:
    crown(warehouse, store, GAS_4H)
    [one] = predictor.predict()
    assert (one.model, one.version, one.domain, one.series) == ("gas_4h", 1, "ethereum", "fees")
    assert (one.decided_at, one.horizon_end_at, one.known_at) == (NEWEST, hour(209), NOW)
    # The fee of hour 200: 20 + 2·sin(2π·200/24) = 20 + 2·sin(2π·8/24) = 20 + √3.
    assert one.level_now == pytest.approx(20 + np.sqrt(3))
    assert one.q10 <= one.yhat <= one.q90
    assert (one.baseline, one.baseline_name, one.is_out_of_sample) == (0.0, "zero_change", True)
    assert one.level == pytest.approx(one.level_now * np.exp(one.yhat))
    assert one.latency_ms is not None
    assert one.latency_ms > 0
    [row] = rows_of(warehouse, predictions).to_dict("records")
    assert (row["yhat"], row["level_now"], row["latency_ms"]) == (one.yhat, one.level_now, one.latency_ms)
    assert (row["known_at"], row["source"]) == (NOW, "champion of models.registry, live")
    # The same as the model says of the frame, to the last bit.
    frame = tail_frame(warehouse, universe(), GAS_4H)
    assert model_of(GAS_4H).predict(frame, newest_rows(frame)).yhat.tolist() == [one.yhat]


def test_what_was_said_first_stays_though_another_champion_says_otherwise(
    warehouse: Warehouse, store: Store, predictor: LivePredictor
) -> None:
    crown(warehouse, store, GAS_1H)
    predictor.predict()
    assert predictor.stored == 1
    before = rows_of(warehouse, predictions)
    assert crown(warehouse, store, GAS_1H, seed=1, best_baseline="drift") == 2
    with LivePredictor(warehouse, universe(), store) as another:
        [one] = another.predict()
        assert (one.version, one.baseline_name, another.stored) == (2, "drift", 0)
    assert rows_of(warehouse, predictions).equals(before)


def test_a_promotion_speaks_with_the_next_look_and_nothing_is_loaded_in_between(
    warehouse: Warehouse, store: Store
) -> None:
    seconds = 0.0
    champions = Champions(store, look_every=60, clock=lambda: seconds)
    crown(warehouse, store, GAS_1H)
    with reading(warehouse) as reader:
        first = champions.of(reader, GAS_1H)
        crown(warehouse, store, GAS_1H, seed=1)
        seconds = 59.0
        assert champions.of(reader, GAS_1H) is first
        seconds = 60.0
        assert champions.of(reader, GAS_1H).registered.version == 2
        # Back to the first: loaded again, for it was let go.
        promote(warehouse, "gas_1h", 1, "test", "again")
        seconds = 120.0
        assert champions.of(reader, GAS_1H).registered.version == 1
        assert champions.names(reader) == {"gas_1h"}


def test_decisions_count_as_out_of_sample_from_the_last_truth_learned_on(warehouse: Warehouse, store: Store) -> None:
    for trained_to, is_out in ((NEWEST, True), (NEWEST + timedelta(microseconds=1), False)):
        forget(warehouse)
        crown(warehouse, store, GAS_1H, trained_to=trained_to)
        assert predict(warehouse, universe(), store, "gas_1h", *_of(GAS)).is_out_of_sample is is_out


def test_without_champions_nothing_happens(warehouse: Warehouse, store: Store, predictor: LivePredictor) -> None:
    register_one(warehouse, store, GAS_1H)
    assert predictor.predict() == []
    assert (predictor.refused, predictor.stored) == ([], 0)
    with pytest.raises(NoChampion, match=r"gas_1h, and none of its versions is one.*models train gas_1h"):
        predict(warehouse, universe(), store, "gas_1h", *_of(GAS))
    with pytest.raises(ForecastUnknown, match=r"gas_1h"):
        predictor.predict(["gas_1"])


def test_one_markets_trouble_is_told_and_keeps_no_other_from_being_spoken_of(
    warehouse: Warehouse, store: Store, predictor: LivePredictor
) -> None:
    crown(warehouse, store, UP_1H)
    [one] = predictor.predict()
    assert (one.domain, one.series, one.decided_at) == (*_of(BTC), hour(200))
    told = {(f"{r.domain} {r.series}", type(r.error)): str(r.error) for r in predictor.refused}
    assert set(told) == {(str(ETH), FeatureVersionDiffers), (str(SOL), InputsMissing), (str(DROWSY), InputsMissing)}
    assert "of version older" in told[str(ETH), FeatureVersionDiffers]
    assert "Nothing is stored of binance SOL/USDT" in told[str(SOL), InputsMissing]
    assert "at 2024-01-03 01:00: return_1_lag_1, return_1_lag_2, " in told[str(DROWSY), InputsMissing]
    for name, error in ((ETH, FeatureVersionDiffers), (SOL, InputsMissing), (DROWSY, InputsMissing)):
        with pytest.raises(error):
            predict(warehouse, universe(), store, UP_1H.name, *_of(name))
    with pytest.raises(InputsMissing, match=r"opportunity_1h is about binance, gate, and ethereum is none of them"):
        predict(warehouse, universe(), store, UP_1H.name, *_of(GAS))
    assert len(rows_of(warehouse, predictions)) == 1


def test_a_champion_of_other_inputs_is_refused_with_both_versions(warehouse: Warehouse, store: Store) -> None:
    crown(warehouse, store, GAS_1H, feature_version="0123456789ab")
    with pytest.raises(
        FeatureVersionDiffers, match=r"Version 1 of gas_1h learned from .* version 0123456789ab, and .*"
    ):
        predict(warehouse, universe(), store, "gas_1h", *_of(GAS))


def test_a_tampered_artefact_silences_its_own_forecast_alone(
    warehouse: Warehouse, store: Store, predictor: LivePredictor, tmp_path: Path
) -> None:
    crown(warehouse, store, GAS_1H)
    crown(warehouse, store, GAS_4H)
    file = tmp_path / stored(store, GAS_1H).sha256 / "q50.txt"
    file.write_bytes(file.read_bytes() + b" ")
    assert [one.model for one in predictor.predict()] == ["gas_4h"]
    [refused] = predictor.refused
    assert (refused.model, type(refused.error)) == ("gas_1h", ArtefactTampered)


def test_a_baseline_whose_hours_are_unknown_leaves_its_place_to_zero_change(warehouse: Warehouse, store: Store) -> None:
    # Five hours after the last fee the level is carried on, so that a day before the horizon's end is known: 206 - 24 = 182.
    crown(warehouse, store, GAS_1H, best_baseline="seasonal_naive_24h")
    one = predict(warehouse, universe(), store, "gas_1h", *_of(GAS))
    fee = 20 + 2 * np.sin(2 * np.pi * 182 / 24)
    assert (one.baseline_name, one.baseline) == ("seasonal_naive_24h", pytest.approx(np.log(fee / one.level_now)))
    crown(warehouse, store, UP_1H, best_baseline="seasonal_naive_168h")
    put_market(warehouse, SOL, range(190, 201))
    try:
        one = predict(warehouse, universe(), store, UP_1H.name, *_of(SOL))
    finally:
        execute(warehouse, "DELETE FROM features.ml_features WHERE symbol = 'SOL/USDT'")
    assert (one.baseline_name, one.baseline) == ("zero_change", 0.0)


def test_connections_that_the_server_ended_are_replaced(
    warehouse: Warehouse, store: Store, predictor: LivePredictor
) -> None:
    crown(warehouse, store, GAS_1H)
    predictor.predict()
    execute(
        warehouse,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        "DELETE FROM models.predictions",
    )
    assert [one.model for one in predictor.predict()] == ["gas_1h"]
    assert len(rows_of(warehouse, predictions)) == 1


def test_the_newest_row_of_each_series() -> None:
    frame = some_frame(GAS_1H, 6)
    two = replace(frame, series=(GAS, BTC), code=np.array([0, 0, 0, 0, 1, 1]))
    assert newest_rows(frame).tolist() == [5]
    assert newest_rows(two).tolist() == [3, 5]
    assert newest_rows(frame.take(np.zeros(0, dtype=np.int64))).tolist() == []


def _of(name: SeriesName) -> tuple[str, str]:
    return name.domain, name.series
