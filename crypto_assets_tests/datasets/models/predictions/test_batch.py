"""Months of predictions: what is said of each decision, what stands, and what is told where nothing can be said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from crypto_assets.datasets.models.frames import read_frame as read_decisions
from crypto_assets.datasets.models.predictions.batch import Predicted, predict_window
from crypto_assets.datasets.models.predictions.live import LivePredictor
from crypto_assets.datasets.models.predictions.table import predictions
from crypto_assets.forecasting.artefacts import Store
from crypto_assets.partitions import VenueWindow
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.models.predictions.stage import (
    BTC,
    ETH,
    GAS_1H,
    GAS_4H,
    TRAINED_TO,
    UP_1H,
    crown,
    forget,
    model_of,
    put_fees,
    put_market,
    rows_of,
    universe,
)
from crypto_assets_tests.datasets.models.rows import hour

NOW = datetime(2026, 3, 1, 12, 0, 7, tzinfo=UTC)
ETHEREUM = VenueWindow("ethereum", hour(48), hour(120))


@pytest.fixture(scope="module")
def fed(shared_warehouse: Warehouse) -> Warehouse:
    """Fees of nine days, and two markets; what ETH has until hour 150 was made by older code."""
    put_fees(shared_warehouse)
    put_market(shared_warehouse, BTC)
    put_market(shared_warehouse, ETH, range(1, 151), version="older")
    return shared_warehouse


@pytest.fixture
def warehouse(fed: Warehouse) -> Warehouse:
    forget(fed)
    return fed


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_each_decision_of_the_window_is_said_once_and_known_when_it_was_computed(
    warehouse: Warehouse, store: Store
) -> None:
    crown(warehouse, store, GAS_1H)
    forecasts = (GAS_1H, GAS_4H, UP_1H)
    done = predict_window(warehouse, universe(), store, ETHEREUM, forecasts, clock=lambda: NOW)
    [first, second] = done
    assert first == Predicted("gas_1h", "ethereum", 1, series=1, said=72, stored=72)
    assert (second.model, second.version, second.is_fault, second.said) == ("gas_4h", None, False, 0)
    rows = rows_of(warehouse, predictions)
    assert rows["decided_at"].tolist() == [hour(at) for at in range(48, 120)]
    assert set(rows["known_at"]) == {NOW}
    assert rows["latency_ms"].isna().all()
    assert (rows["is_out_of_sample"] == (rows["decided_at"] >= TRAINED_TO)).all()
    frame = read_decisions(warehouse, universe(), GAS_1H, ETHEREUM.start, ETHEREUM.end)
    expected = model_of(GAS_1H).predict(frame, np.arange(72))
    for name in ("yhat", "q10", "q90"):
        assert rows[name].tolist() == getattr(expected, name).tolist()
    # A second run has nothing new to say.
    again = predict_window(warehouse, universe(), store, ETHEREUM, [GAS_1H])
    assert (again[0].said, again[0].stored) == (72, 0)
    assert rows_of(warehouse, predictions).equals(rows)


def test_what_was_said_live_stays_and_is_replaced_only_when_that_is_asked_for(
    warehouse: Warehouse, store: Store
) -> None:
    crown(warehouse, store, GAS_1H)
    with LivePredictor(warehouse, universe(), store) as live:
        [said] = live.predict()
    crown(warehouse, store, GAS_1H, seed=1, best_baseline="seasonal_naive_24h")
    window = VenueWindow("ethereum", hour(204), hour(206))
    [done] = predict_window(warehouse, universe(), store, window, [GAS_1H], clock=lambda: NOW)
    assert (done.version, done.said, done.stored) == (2, 2, 1)
    assert rows_of(warehouse, predictions)[["version", "latency_ms"]].values.tolist()[1] == [1, said.latency_ms]
    [done] = predict_window(warehouse, universe(), store, window, [GAS_1H], again=True, clock=lambda: NOW)
    assert done.stored == 1
    last = rows_of(warehouse, predictions).iloc[1]
    assert (last["version"], last["baseline_name"], last["known_at"]) == (2, "seasonal_naive_24h", NOW)
    assert np.isnan(last["latency_ms"])
    # What had been said first is kept.
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT old_row->>'version', (old_row->>'yhat')::float8 FROM audit.revisions WHERE table_name ="
            " 'models.predictions' AND key->>'decided_at' = %s ORDER BY superseded_at DESC LIMIT 1",
            (f"{said.decided_at:%Y-%m-%dT%H:%M:%S}+00:00",),
        )
        assert cursor.fetchall() == [("1", said.yhat)]


def test_features_of_other_code_and_days_without_any_are_told_and_others_are_spoken_of(
    warehouse: Warehouse, store: Store
) -> None:
    crown(warehouse, store, UP_1H)
    binance = VenueWindow("binance", hour(140), hour(200))
    [done] = predict_window(warehouse, universe(), store, binance, [UP_1H])
    assert (done.said, done.version, done.is_fault) == (0, 1, True)
    assert "features of version" in done.problem
    assert "of version older" in done.problem
    [done] = predict_window(warehouse, universe(), store, VenueWindow("gate", hour(140), hour(160)), [UP_1H])
    assert (done.problem.startswith("Nothing of gate is stored"), done.is_fault) == (True, False)
    after = VenueWindow("binance", hour(151), hour(200))
    [done] = predict_window(warehouse, universe(), store, after, [UP_1H])
    assert (done.series, done.said, done.stored, done.problem) == (1, 49, 49, "")


def test_a_window_over_the_turn_of_months_is_added_up_and_ends_with_the_present(
    warehouse: Warehouse, store: Store
) -> None:
    crown(warehouse, store, GAS_1H)
    window = VenueWindow("ethereum", hour(0) - timedelta(days=40), hour(80))
    [done] = predict_window(warehouse, universe(), store, window, [GAS_1H], clock=lambda: hour(60))
    # December has no fee at all; January has one from its first hour on, and the present is its sixtieth.
    # Of its first hours too little is known: no change over an hour or four, no mean.
    assert (done.said, done.stored, done.refused) == (56, 56, 4)
    assert done.is_fault
    assert done.problem.startswith("gas_1h lacks ")
    assert " inputs of ethereum fees at 2024-01-01 00:00: change_1h, " in done.problem
