"""Folds in time: nobody learns from what was not over, and the wrong way deals neighbours apart."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from crypto_assets.forecasting.control import random_walk, random_walk_frame
from crypto_assets.forecasting.frame import Frame, FrameRefused
from crypto_assets.forecasting.splits import needed_hours, shuffled, walk_forward

HOUR = np.timedelta64(1, "h")


def _frame(hours: int = 620, horizon: int = 24, series: int = 2) -> Frame:
    return random_walk_frame(0, series, hours, horizon)


@pytest.mark.parametrize("horizon", [1, 4, 24])
def test_what_is_learned_was_over_a_horizon_before_the_test(horizon: int) -> None:
    frame = _frame(horizon=horizon)
    for fold in walk_forward(frame, frame.usable(), random_walk(horizon)):
        gap = fold.test_from - frame.target_known_at[fold.train].max()
        assert gap == horizon * HOUR
        assert fold.test_from - frame.decided_at[fold.train].max() == 2 * horizon * HOUR


def test_each_fold_learns_from_more_and_all_are_tested_once() -> None:
    frame = _frame()
    folds = walk_forward(frame, frame.usable(), random_walk())
    assert [fold.number for fold in folds] == [1, 2, 3, 4, 5]
    for one, following in pairwise(folds):
        assert set(one.train) < set(following.train)
        assert following.test_from - one.test_to == HOUR
    tested = np.concatenate([fold.test for fold in folds])
    assert len(np.unique(tested)) == len(tested)
    # Of 596 hours with an outcome, five folds of 596 // 6 are tested: the last ones, of both series.
    assert len(tested) == 2 * 5 * 99
    assert folds[-1].test_to == frame.decided_at[frame.usable()].max()


def test_all_series_of_an_hour_are_in_the_same_fold() -> None:
    frame = _frame()
    for fold in walk_forward(frame, frame.usable(), random_walk()):
        for code in (0, 1):
            decided = frame.decided_at[fold.test[frame.code[fold.test] == code]]
            assert (decided.min(), decided.max(), len(decided)) == (fold.test_from, fold.test_to, 99)


def test_a_target_that_became_known_late_is_not_learned_from() -> None:
    frame = _frame()
    late = frame.target_known_at.copy()
    late[7] = np.datetime64("2030-01-01", "us")
    rows = frame.usable()
    folds = walk_forward(replace(frame, target_known_at=late), rows, random_walk())
    assert all(7 not in fold.train for fold in folds)
    assert all(7 in fold.train for fold in walk_forward(frame, rows, random_walk()))


def test_hours_without_decisions_leave_the_gap_a_gap_in_time() -> None:
    frame = _frame(1300, series=1)
    holed = frame.take(np.flatnonzero(np.arange(1300) % 2 == 0))
    for fold in walk_forward(holed, holed.usable(), random_walk()):
        assert fold.test_from - holed.target_known_at[fold.train].max() >= 24 * HOUR


@pytest.mark.parametrize(("horizon", "needed"), [(1, 192), (4, 228), (24, 468)])
def test_too_little_history_says_how_much_there_is_and_how_much_it_takes(horizon: int, needed: int) -> None:
    forecast = random_walk(horizon)
    assert needed_hours(forecast) == needed
    frame = _frame(needed + horizon, horizon, series=1)
    rows = frame.usable()
    assert len(walk_forward(frame, rows, forecast)[0].train) >= 30
    with pytest.raises(FrameRefused, match=f"{forecast.name} needs {needed} hours .* there are {needed - 1}"):
        walk_forward(frame, rows[1:], forecast)
    assert needed_hours(replace(forecast, min_hours=2000)) == 2000


def test_no_row_at_all_is_too_little_history() -> None:
    frame = _frame()
    with pytest.raises(FrameRefused, match="there are 0"):
        walk_forward(frame, frame.usable()[:0], random_walk())


def test_the_wrong_way_tests_each_row_once_between_its_neighbours() -> None:
    frame = _frame()
    rows = frame.usable()
    folds = shuffled(frame, rows, 5, seed=3)
    np.testing.assert_array_equal(np.sort(np.concatenate([fold.test for fold in folds])), rows)
    for fold in folds:
        assert not set(fold.train) & set(fold.test)
        assert np.isin(fold.test + 1, fold.train).mean() > 0.7
        assert (np.diff(fold.train) > 0).all()
    again, other = shuffled(frame, rows, 5, seed=3), shuffled(frame, rows, 5, seed=4)
    np.testing.assert_array_equal(folds[0].test, again[0].test)
    assert not np.array_equal(folds[0].test, other[0].test)


def test_the_wrong_way_needs_a_row_for_each_fold() -> None:
    frame = _frame()
    with pytest.raises(FrameRefused, match="5 folds need as many rows, and there are 4"):
        shuffled(frame, frame.usable()[:4], 5, seed=0)
