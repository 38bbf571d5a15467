"""Every check of models/outcomes holds on what is sound, and fails when its rule is broken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from crypto_assets.datasets.models.outcomes.checks import RULES, is_off_nominal, is_worse
from crypto_assets.datasets.models.outcomes.score import score_window
from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import result_of
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.models.predictions.stage import (
    BTC,
    ETH,
    UP_1H,
    execute,
    forget,
    put_said,
    said,
    universe,
)
from crypto_assets_tests.datasets.models.rows import hour, returns

UP_24H = replace(UP_1H, horizon_hours=24)
WINDOW = VenueWindow("binance", hour(0), hour(200))
SKILL, COVERAGE, FOLLOW = "skill_out_of_sample", "coverage_near_nominal", "errors_follow_from_predictions"
# What is changed of one outcome's row, or of its prediction: each is found.
BROKEN = (
    "UPDATE models.outcomes SET error = error + 0.001",
    "UPDATE models.outcomes SET baseline_error = baseline_error + 0.001",
    "UPDATE models.outcomes SET is_inside = NOT is_inside",
    "UPDATE models.outcomes SET is_direction_right = NOT is_direction_right",
    "UPDATE models.outcomes SET is_direction_right = NULL",
    "UPDATE models.outcomes SET version = 2",
    "UPDATE models.outcomes SET is_out_of_sample = false",
    "UPDATE models.predictions SET known_at = '2025-01-01'",
    "UPDATE models.predictions SET yhat = 0.015",
    "DELETE FROM models.predictions",
)


@pytest.fixture
def warehouse(shared_warehouse: Warehouse) -> Warehouse:
    forget(shared_warehouse)
    return shared_warehouse


def put_outcomes(warehouse: Warehouse, truths: Sequence[float], yhat: float = 0.01, version: int = 1) -> None:
    """Predictions of two markets from hour 100 on, and the same truth about both."""
    for name in (BTC, ETH):
        put_said(
            warehouse,
            [
                said(name, 100 + place, yhat=yhat, q10=yhat - 0.02, q90=yhat + 0.02, version=version)
                for place in range(len(truths))
            ],
        )
        returns(warehouse, name, 1, {100 + place: math.expm1(truth) for place, truth in enumerate(truths)})
    score_window(warehouse, universe(), WINDOW, [UP_1H])


def broken(warehouse: Warehouse, window: VenueWindow = WINDOW) -> dict[str, int]:
    """Rows that failed, of the rules that did not pass."""
    results = {rule.name: result_of(rule, rule.look(warehouse, universe(), window), universe()) for rule in RULES}
    return {name: int(str(one.metadata["rows_failed"].value)) for name, one in results.items() if not one.passed}


def hours_of(errors: Sequence[float], baseline: float = 0.02, inside: Sequence[float] = ()) -> pd.DataFrame:
    count = max(len(errors), len(inside))
    return pd.DataFrame(
        {
            "error": errors or [0.01] * count,
            "baseline_error": [baseline] * count,
            "inside": inside or [1.0] * count,
            "rows": [2] * count,
        }
    )


@pytest.mark.parametrize("statement", BROKEN)
def test_an_outcome_that_does_not_follow_from_its_prediction_is_found(warehouse: Warehouse, statement: str) -> None:
    put_outcomes(warehouse, [0.01, 0.02, -0.03])
    assert broken(warehouse) == {}
    execute(warehouse, f"{statement} WHERE series = 'BTC/USDT' AND decided_at = '2024-01-05 05:00Z'")
    assert broken(warehouse) == {FOLLOW: 1}


def test_a_forecast_that_is_worse_than_its_baseline_for_days_is_found(warehouse: Warehouse) -> None:
    # The truth is never far from 0, which is what the baseline says; the forecast says 0.01.
    truths = [0.001 * (-1) ** place for place in range(60)]
    put_outcomes(warehouse, truths)
    assert broken(warehouse)[SKILL] == 120
    [rule] = [one for one in RULES if one.name == SKILL]
    [finding] = rule.look(warehouse, universe(), WINDOW)
    assert finding.note == "version 1: mean absolute error 0.01000, of the baseline 0.00100: skill -900.0%"
    # It is of the past once another version has spoken; that one is right.
    put_said(warehouse, [said(BTC, 170 + at, yhat=0.0005, version=2) for at in range(20)])
    returns(warehouse, BTC, 1, {170 + at: math.expm1(0.0005) for at in range(20)})
    score_window(warehouse, universe(), WINDOW, [UP_1H])
    [finding] = rule.look(warehouse, universe(), WINDOW)
    assert (finding.checked, finding.failed, finding.note[:9]) == (20, 0, "version 2")
    # Nothing lies in the week before.
    early = replace(WINDOW, end=hour(90))
    assert rule.look(warehouse, universe(), early) == []


def test_intervals_that_are_too_narrow_or_too_wide_are_found(warehouse: Warehouse) -> None:
    put_outcomes(warehouse, [0.05 * (-1) ** place for place in range(60)])
    assert broken(warehouse)[COVERAGE] == 120
    forget(warehouse)
    put_outcomes(warehouse, [0.01] * 60)
    [rule] = [one for one in RULES if one.name == COVERAGE]
    [finding] = rule.look(warehouse, universe(), WINDOW)
    # 3·√(0.8·0.2/60) = 15.5 %.
    told = "version 1: 100.0% of truths within q10 to q90, 80% ± 15.5% expected"
    assert (finding.failed, finding.note) == (120, told)
    forget(warehouse)
    put_outcomes(warehouse, [0.05 if place % 5 == 0 else 0.01 for place in range(60)])
    assert COVERAGE not in broken(warehouse)


@pytest.mark.parametrize(("forecast", "judged"), [(UP_1H, True), (UP_24H, False)])
def test_overlapping_hours_count_once(forecast: Forecast, judged: bool) -> None:
    # Of 100 hours with horizons of a day there are about four of their own: too few for either verdict.
    assert is_worse(forecast, hours_of([0.03] * 100))[0] is judged
    assert is_off_nominal(forecast, hours_of([], inside=[0.5] * 100))[0] is judged


def test_chance_is_no_fault() -> None:
    equal = np.random.default_rng(3).normal(0.02, 0.01, 500)
    assert not is_worse(UP_1H, hours_of(equal.tolist(), baseline=float(equal.mean()) - 1e-4))[0]
    assert is_worse(UP_1H, hours_of(equal.tolist(), baseline=float(equal.mean()) - 2e-3))[0]
    assert is_worse(UP_1H, hours_of([0.03] * 100))[1].endswith("skill -50.0%")
    assert is_worse(UP_1H, hours_of([0.0] * 100, baseline=0.0)) == (
        False, "mean absolute error 0.00000, of the baseline 0.00000: the baseline made no error",
    )  # fmt: skip
    single = hours_of([0.03])
    assert is_worse(UP_1H, single) == (
        False, "mean absolute error 0.03000, of the baseline 0.02000: skill -50.0%; too few to judge",
    )  # fmt: skip
