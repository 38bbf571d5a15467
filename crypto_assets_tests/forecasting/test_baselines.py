"""Forecasts without learning: by the hour, never by the place, and never from what comes later."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_assets.forecasting.baselines import (
    BASELINES,
    BaselineUnknown,
    Drift,
    EwmaVolatility,
    SeasonalNaive,
    ZeroChange,
    baseline,
    hourly_volatility,
)
from crypto_assets.forecasting.control import random_walk
from crypto_assets.forecasting.frame import Frame, Rows, SeriesName
from crypto_assets.forecasting.learner import Forecasts

NONE = np.zeros(0, dtype=np.int64)
FIRST = np.datetime64("2026-03-01T00", "us")


def _frame(*series: dict[int, float]) -> Frame:
    """Each series as quantities by hour; hours that are not named are not in the frame."""
    hours = [hour for one in series for hour in one]
    count = len(hours)
    return Frame(
        names=(),
        series=tuple(SeriesName("test", str(number)) for number in range(len(series))),
        code=np.repeat(np.arange(len(series)), [len(one) for one in series]),
        decided_at=FIRST + np.array(hours) * np.timedelta64(1, "h"),
        inputs=np.zeros((count, 0), np.float32),
        now=np.array([now for one in series for now in one.values()]),
        target=np.full(count, np.nan),
        target_known_at=np.full(count, np.datetime64("NaT", "us")),
    )


def _all(frame: Frame) -> Rows:
    return np.arange(len(frame))


def _said(learner: ZeroChange | Drift | SeasonalNaive, horizon: int, frame: Frame) -> Forecasts:
    return learner.fit(random_walk(horizon), frame, NONE).predict(frame, _all(frame))


def test_the_baselines_are_those_that_reports_name() -> None:
    names = ["zero_change", "drift", "seasonal_naive_24h", "seasonal_naive_168h", "ewma_volatility"]
    assert [one.name for one in BASELINES] == names
    assert [baseline(name).name for name in names] == names


def test_an_unknown_baseline_is_refused_with_those_there_are() -> None:
    with pytest.raises(BaselineUnknown, match=r"'arima'.*zero_change, drift, seasonal_naive_24h"):
        baseline("arima")


def test_a_baseline_that_does_not_know_its_horizon_says_so() -> None:
    frame = _frame({0: 1.0})
    with pytest.raises(ValueError, match="horizon of drift"):
        Drift().predict(frame, _all(frame))


def test_zero_change_says_zero_wherever_the_quantity_is_known() -> None:
    said = _said(ZeroChange(), 4, _frame({0: 5.0, 1: math.nan, 2: 7.0, 3: 0.0}))
    np.testing.assert_array_equal(said.yhat, [0, np.nan, 0, np.nan])
    np.testing.assert_array_equal(np.isnan(said.q10), [True, True, False, True])


def test_drift_goes_on_as_the_last_week_went() -> None:
    doubling = {hour: 2.0**hour for hour in range(30)}
    said = _said(Drift(), 4, _frame(doubling))
    assert np.isnan(said.yhat[:24]).all()
    assert said.yhat[24:] == pytest.approx(4 * math.log(2))


def test_drift_forgets_what_is_older_than_a_week() -> None:
    # Doubles every hour for 100 hours, and stands still from then on: of the window of hour 200, 68 of 168 hours doubled.
    steps = {hour: 2.0 ** min(hour, 100) for hour in range(300)}
    said = _said(Drift(), 1, _frame(steps))
    assert said.yhat[200] == pytest.approx(math.log(2) * 68 / 168)
    assert said.yhat[299] == 0


def test_drift_counts_hours_and_not_rows() -> None:
    said = _said(Drift(), 1, _frame({0: 1.0, 40: math.exp(4)}))
    assert said.yhat[1] == pytest.approx(0.1)


def test_seasonal_naive_says_what_was_at_the_same_hour_of_the_last_season() -> None:
    days = {hour: 10.0 + hour % 24 for hour in range(72)}
    said = _said(SeasonalNaive(season_hours=24), 4, _frame(days))
    assert np.isnan(said.yhat[:20]).all()
    assert said.yhat[50] == pytest.approx(math.log(16 / 12))  # at 02:00, for 06:00
    far = _said(SeasonalNaive(season_hours=24), 24, _frame(days))
    assert far.yhat[50] == 0  # the same hour of the last day is now


def test_seasonal_naive_knows_nothing_where_the_hour_is_missing() -> None:
    days = {hour: 10.0 + hour % 24 for hour in range(72) if hour != 30}
    frame = _frame(days)
    said = _said(SeasonalNaive(season_hours=24), 4, frame)
    at = {int(hour): place for place, hour in enumerate(days)}
    assert math.isnan(said.yhat[at[50]])
    assert said.yhat[at[51]] == pytest.approx(math.log(17 / 13))


def test_volatility_weighs_changes_by_their_age_in_hours() -> None:
    # Changes of 0.1 and 0.2 an hour apart; then one of 0.4 over four hours, which counts as 0.2 an hour.
    logs = {0: 0.0, 1: 0.1, 2: 0.3, 6: 0.7}
    frame = _frame({hour: math.exp(log) for hour, log in logs.items()})
    found = hourly_volatility(frame, _all(frame))
    squares = [0.01, (0.94 * 0.01 + 0.04) / 1.94, (0.94**5 * 0.01 + 0.94**4 * 0.04 + 0.04) / (0.94**5 + 0.94**4 + 1)]
    assert math.isnan(found[0])
    assert found[1:] == pytest.approx(np.sqrt(squares))


def test_the_interval_grows_with_the_root_of_the_horizon() -> None:
    frame = _frame({0: 1.0, 1: math.exp(0.1)})
    for horizon, half in ((1, 0.128155), (4, 0.256310)):
        said = _said(EwmaVolatility(), horizon, frame)
        assert (said.q90 - said.yhat)[1] == pytest.approx(half, abs=1e-6)
        assert (said.yhat - said.q10)[1] == pytest.approx(half, abs=1e-6)


def test_series_say_nothing_of_each_other() -> None:
    one, other = {hour: 5.0 + hour for hour in range(200)}, {hour: 900.0 - hour for hour in range(3, 190)}
    alone, beside = _frame(other), _frame(one, other)
    for learner in BASELINES:
        by_itself, second = _said(learner, 4, alone), _said(learner, 4, beside)
        np.testing.assert_array_equal(by_itself.yhat, second.yhat[200:])
        np.testing.assert_array_equal(by_itself.q90, second.q90[200:])


def test_a_frame_without_any_known_quantity_is_met_with_silence() -> None:
    frame = _frame({0: math.nan, 1: math.nan})
    for learner in BASELINES:
        assert np.isnan(_said(learner, 1, frame).yhat).all()


@st.composite
def _holed(draw: st.DrawFn) -> dict[int, float]:
    """A series with missing hours, unknown quantities, and spans longer than a season."""
    hours = np.cumsum(draw(st.lists(st.sampled_from([1, 1, 1, 2, 23, 24, 144]), min_size=2, max_size=40)))
    nows = draw(st.lists(st.sampled_from([1.0, 2.0, 3.5, 0.25, math.nan]), min_size=len(hours), max_size=len(hours)))
    return dict(zip(hours.tolist(), nows, strict=True))


@settings(max_examples=40, deadline=None)
@given(_holed(), _holed(), st.sampled_from([1, 4, 24]), st.data())
def test_later_rows_change_nothing(
    one: dict[int, float], other: dict[int, float], horizon: int, data: st.DataObject
) -> None:
    frame = _frame(one, other)
    last = data.draw(st.integers(0, len(one) - 1))
    rows = np.concatenate([np.arange(last + 1), len(one) + np.arange(len(other))])
    altered = frame.now.copy()
    altered[last + 1 : len(one)] *= 1000
    for learner in BASELINES:
        fitted = learner.fit(random_walk(horizon), frame, NONE)
        whole = fitted.predict(frame, rows)
        cut = frame.take(rows)
        for said in (fitted.predict(replace(frame, now=altered), rows), fitted.predict(cut, _all(cut))):
            np.testing.assert_array_equal(whole.yhat, said.yhat)
            np.testing.assert_array_equal(whole.q10, said.q10)
            np.testing.assert_array_equal(whole.q90, said.q90)


@settings(max_examples=40, deadline=None)
@given(_holed())
def test_volatility_is_what_a_plain_loop_makes_of_it(series: dict[int, float]) -> None:
    frame = _frame(series)
    squares = weights = 0.0
    known: tuple[int, float] | None = None
    expected = []
    for hour, now in series.items():
        if math.isnan(now):
            expected.append(math.nan)
            continue
        if known:
            elapsed = hour - known[0]
            squares = 0.94**elapsed * squares + math.log(now / known[1]) ** 2 / elapsed
            weights = 0.94**elapsed * weights + 1
        known = hour, now
        expected.append(math.sqrt(squares / weights) if weights else math.nan)
    np.testing.assert_allclose(hourly_volatility(frame, _all(frame)), expected, rtol=1e-12)
