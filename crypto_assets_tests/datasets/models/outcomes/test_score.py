"""Outcomes: the truth beside what was said, as soon as it is known, and how forecasts did lately."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from crypto_assets.datasets.models.outcomes.score import outcome_rows, recent_scores, score_window
from crypto_assets.datasets.models.outcomes.table import outcomes
from crypto_assets.partitions import VenueWindow
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.models.predictions.stage import (
    BTC,
    ETH,
    GAS,
    GAS_1H,
    GAS_4H,
    UP_1H,
    execute,
    forget,
    put_said,
    rows_of,
    said,
    universe,
)
from crypto_assets_tests.datasets.models.rows import fees, hour, returns

BINANCE = VenueWindow("binance", hour(140), hour(160))
LATER = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def warehouse(shared_warehouse: Warehouse) -> Warehouse:
    forget(shared_warehouse)
    execute(shared_warehouse, "DELETE FROM features.labels", "DELETE FROM onchain.network_fees")
    return shared_warehouse


def test_errors_interval_and_direction_follow_from_what_was_said() -> None:
    told = pd.DataFrame(
        {
            "model": "m", "domain": "d", "series": ["a", "b", "c", "e", "f"], "decided_at": hour(1), "version": 3,
            "horizon_end_at": hour(2), "yhat": [0.02, 0.02, 0.0, 0.02, 0.02], "q10": -0.01, "q90": 0.03,
            "baseline": 0.01, "is_out_of_sample": True, "known_at": [hour(1), hour(9), hour(1), hour(1), hour(1)],
        }
    )  # fmt: skip
    truths = pd.DataFrame(
        {
            "domain": "d", "series": ["a", "b", "c", "e"], "decided_at": hour(1), "truth": [0.03, -0.02, 0.01, 0.0],
            "known_at": hour(3),
        }
    )  # fmt: skip
    rows = outcome_rows(told, truths)
    assert rows["series"].tolist() == ["a", "b", "c", "e"]  # nobody knows the truth about f
    assert rows["error"].tolist() == pytest.approx([0.01, 0.04, 0.01, 0.02])
    assert rows["baseline_error"].tolist() == pytest.approx([0.02, 0.03, 0.0, 0.01])
    assert rows["is_inside"].tolist() == [True, False, True, True]
    # Nothing was said of c's direction, and e has none.
    assert rows["is_direction_right"].tolist() == [True, False, None, None]
    assert rows["known_at"].tolist() == [hour(3), hour(9), hour(3), hour(3)]
    nothing = outcome_rows(told, truths.assign(truth=np.nan))
    assert len(nothing) == 0


def test_outcomes_come_with_the_truth_and_follow_it_where_it_is_corrected(warehouse: Warehouse) -> None:
    put_said(warehouse, [said(BTC, 150), said(BTC, 151, is_out_of_sample=False), said(ETH, 150)])
    returns(warehouse, BTC, 1, {150: math.expm1(0.02)})
    [done] = score_window(warehouse, universe(), BINANCE, (UP_1H, GAS_1H))
    assert (done.model, done.due, done.known, done.counts.inserted) == ("opportunity_1h", 3, 1, 1)
    assert (done.mae, done.baseline_mae) == (pytest.approx(0.01), pytest.approx(0.02))
    [row] = rows_of(warehouse, outcomes).to_dict("records")
    assert (row["series"], row["decided_at"], row["version"]) == ("BTC/USDT", hour(150), 1)
    assert row["truth"] == pytest.approx(0.02)
    assert (row["is_inside"], row["is_direction_right"], row["known_at"]) == (True, True, hour(151))
    # A truth that comes late is picked up by a later run, which changes nothing else.
    returns(warehouse, BTC, 1, {151: math.expm1(-0.02)})
    [done] = score_window(warehouse, universe(), BINANCE, [UP_1H])
    assert (done.known, done.counts.inserted, done.counts.unchanged) == (2, 1, 1)
    late = rows_of(warehouse, outcomes).iloc[1]
    assert (late["is_inside"], late["is_direction_right"], late["is_out_of_sample"]) == (False, False, False)
    # One within the sample counts in no score.
    assert done.mae == pytest.approx(0.01)
    returns(warehouse, BTC, 1, {150: math.expm1(0.05)})
    [done] = score_window(warehouse, universe(), BINANCE, [UP_1H])
    assert done.counts.changed == 1
    assert rows_of(warehouse, outcomes)["error"].tolist() == pytest.approx([0.04, 0.03])


def test_the_truth_about_levels_is_the_change_between_decision_and_horizon(warehouse: Warehouse) -> None:
    fees(warehouse, {at: 20.0 * 1.01**at for at in range(100, 120)})
    window = VenueWindow("ethereum", hour(100), hour(160))
    put_said(
        warehouse,
        [
            said(GAS, at, model="gas_4h", horizon_end_at=hour(at + 4), yhat=0.03, q90=0.035, known_at=hour(at + 9))
            for at in (105, 130)
        ],
    )
    # Of the decision whose horizon has not ended, nothing is due.
    assert score_window(warehouse, universe(), window, [GAS_4H], clock=lambda: hour(108)) == []
    [done] = score_window(warehouse, universe(), window, [GAS_4H], clock=lambda: LATER)
    assert (done.due, done.known) == (2, 1)
    [row] = rows_of(warehouse, outcomes).to_dict("records")
    assert row["truth"] == pytest.approx(4 * math.log(1.01))
    assert row["error"] == pytest.approx(4 * math.log(1.01) - 0.03)
    # It was said after its horizon had ended: known when it was said.
    assert (row["is_inside"], row["known_at"]) == (False, hour(114))


def test_recent_scores_are_of_the_last_window_out_of_sample_and_of_one_version_where_asked(
    warehouse: Warehouse,
) -> None:
    told = [said(BTC, at, version=1 if at < 150 else 2, is_out_of_sample=at != 152) for at in range(145, 155)]
    put_said(warehouse, told)
    returns(warehouse, BTC, 1, {at: math.expm1(0.03 if at % 2 else 0.01) for at in range(145, 155)})
    score_window(warehouse, universe(), BINANCE, [UP_1H])
    found = recent_scores(warehouse, "opportunity_1h", timedelta(hours=4), now=hour(154))
    # Horizons that ended after hour 150 and up to hour 154: decisions 150, 151 and 153; 152 was learned from.
    assert (found.rows, found.first_at, found.last_at) == (3, hour(150), hour(153))
    assert found.mae == pytest.approx((0.0 + 0.02 + 0.02) / 3)
    assert found.baseline_mae == pytest.approx((0.01 + 0.03 + 0.03) / 3)
    assert found.skill == pytest.approx(1 - 0.04 / 0.07)
    assert (found.coverage, found.directional_accuracy) == (pytest.approx(1 / 3), 1.0)
    week = timedelta(days=7)
    assert recent_scores(warehouse, "opportunity_1h", week, now=hour(155), version=1).rows == 5
    nothing = recent_scores(warehouse, "gas_1h", week)
    assert (nothing.rows, nothing.first_at) == (0, None)
    assert math.isnan(nothing.mae)
    assert math.isnan(nothing.skill)
    assert math.isnan(replace(found, baseline_mae=0.0).skill)
