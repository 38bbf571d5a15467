"""What tests of predictions are given: small champions, and a few days of what they look at.

What belongs here: champions, histories and rows that several tests use. What does not: assertions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache

import numpy as np
import pandas as pd
from sqlalchemy import Table, select

from crypto_assets.datasets.features.ml_features.catalog import FEATURES
from crypto_assets.datasets.models.catalog import forecast
from crypto_assets.datasets.models.frames import feature_version_of
from crypto_assets.datasets.models.predictions.prediction import Prediction
from crypto_assets.datasets.models.predictions.storing import say_again
from crypto_assets.datasets.models.registry.registered import Trained
from crypto_assets.datasets.models.registry.store import promote, register
from crypto_assets.forecasting.artefacts import Store, Stored
from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.forecasting.drift import reference
from crypto_assets.forecasting.frame import Frame, SeriesName
from crypto_assets.forecasting.lightgbm_learner import LightGbm, LightGbmModel
from crypto_assets.universe import Universe, parse_universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame
from crypto_assets_tests.datasets.models.rows import START, bars, features, fees, hour

GAS_1H, GAS_4H, UP_1H = forecast("gas_1h"), forecast("gas_4h"), forecast("opportunity_1h")
BTC, ETH, SOL = (SeriesName("binance", f"{base}/USDT") for base in ("BTC", "ETH", "SOL"))
GAS = SeriesName("ethereum", "fees")
UNIVERSE = """
history_from: 2024-01-01
venues: {binance: {markets: [BTC/USDT, ETH/USDT, SOL/USDT]}, gate: {markets: [BTC/USDT]}}
"""
TRAINED_TO = hour(100)  # decisions from then on are out of sample
HOURS = 200


def universe() -> Universe:
    """Three markets on one exchange, one on another."""
    return parse_universe(UNIVERSE, "test.yaml")


def some_frame(wanted: Forecast, rows: int = 120) -> Frame:
    """Random inputs, of which the first tells the change."""
    inputs = np.random.default_rng(5).normal(size=(rows, len(wanted.inputs))).astype(np.float32)
    decided_at = np.datetime64("2023-06-01", "us") + np.arange(rows) * np.timedelta64(1, "h")
    return Frame(
        wanted.inputs, (GAS,), np.zeros(rows, dtype=np.int64), decided_at, inputs, np.full(rows, 20.0),
        (0.01 * inputs[:, 0]).astype(np.float64), decided_at + np.timedelta64(wanted.horizon_hours, "h"),
    )  # fmt: skip


@cache
def model_of(wanted: Forecast, seed: int = 0) -> LightGbmModel:
    """A real model of few trees."""
    frame = some_frame(wanted)
    return LightGbm(seed=seed, rounds=4, threads=1, leaves=3, leaf_rows=10).fit(wanted, frame, frame.usable())


def stored(store: Store, wanted: Forecast, seed: int = 0) -> Stored:
    """Its artefact."""
    about = {"learner": "lightgbm", "forecast": wanted.name, "inputs": list(wanted.inputs)}
    return store.put(model_of(wanted, seed).files(), about)


def register_one(warehouse: Warehouse, store: Store, wanted: Forecast, seed: int = 0, **told: object) -> int:
    """A version with skill, a candidate; what is told of it stands in the place of what is usual."""
    artefact = stored(store, wanted, seed)
    frame = some_frame(wanted)
    usual = Trained(
        model=wanted.name,
        learner="lightgbm",
        artefact_sha256=artefact.sha256,
        artefact_bytes=artefact.bytes,
        code_hash="c" * 64,
        feature_version=feature_version_of(wanted),
        data_as_of=TRAINED_TO,
        trained_from=START,
        trained_to=TRAINED_TO,
        training_rows=500,
        series=1,
        parameters={},
        metrics={"error": 0.01, "reference": reference(frame, frame.usable()).as_json()},
        best_baseline="zero_change",
        skill=0.2,
        skill_low=0.1,
        skill_high=0.3,
        has_skill=True,
        known_at=TRAINED_TO,
    )
    with warehouse.connect() as connection:
        return register(connection, replace(usual, **told))  # type: ignore[arg-type]


def crown(warehouse: Warehouse, store: Store, wanted: Forecast, seed: int = 0, **told: object) -> int:
    """The same as champion."""
    version = register_one(warehouse, store, wanted, seed, **told)
    promote(warehouse, wanted.name, version, "test", "a test needs one")
    return version


def put_fees(warehouse: Warehouse, first: int = 0, last: int = HOURS) -> None:
    """Base fees of each hour: 20 gwei and a daily wave of two."""
    fees(warehouse, {at: 20.0 + 2 * np.sin(2 * np.pi * at / 24) for at in range(first, last + 1)})


def put_market(
    warehouse: Warehouse, name: SeriesName, decisions: Sequence[float] = range(1, HOURS + 1), *, version: str = ""
) -> None:
    """Bars and features of each hour; the features that the forecast of returns looks at are all known, and all 0.5."""
    columns = dict.fromkeys((one for one in UP_1H.inputs if one in FEATURES), 0.5)
    bars(warehouse, name, {at: 100.0 + at % 7 for at in decisions})
    features(warehouse, name, list(decisions), version=version, **columns)


def rows_of(warehouse: Warehouse, table: Table) -> pd.DataFrame:
    """A whole table by its key."""
    return read_frame(warehouse, select(table).order_by(*table.primary_key.columns))


def said(name: SeriesName = BTC, at: float = 150, **told: object) -> Prediction:
    """A prediction, sound unless it is told otherwise."""
    decided_at: datetime = hour(at)
    usual = Prediction(
        model="opportunity_1h", domain=name.domain, series=name.series, decided_at=decided_at, version=1,
        horizon_end_at=decided_at + timedelta(hours=1), level_now=100.0, yhat=0.01, q10=-0.01, q90=0.02, baseline=0.0,
        baseline_name="zero_change", is_out_of_sample=True, known_at=decided_at + timedelta(minutes=5), latency_ms=12.0,
    )  # fmt: skip
    return replace(usual, **told)  # type: ignore[arg-type]


def put_said(warehouse: Warehouse, predicted: Sequence[Prediction]) -> None:
    """Store predictions, in the place of those that stand."""
    with warehouse.connect() as connection:
        say_again(connection, predicted, "test")


def execute(warehouse: Warehouse, *statements: str) -> None:
    """Statements in one transaction."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def forget(warehouse: Warehouse) -> None:
    """No version, no prediction, no outcome."""
    tables = ("registry", "promotions", "predictions", "outcomes")
    execute(warehouse, *(f"DELETE FROM models.{name}" for name in tables))  # noqa: S608
