"""Controls: what can be known of them is known, and a real learner is found to know just that."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from crypto_assets.forecasting.control import (
    HonestyReport,
    honesty_report,
    planted,
    planted_frame,
    planted_skill,
    random_walk,
    random_walk_frame,
)
from crypto_assets.forecasting.frame import Frame
from crypto_assets.forecasting.lightgbm_learner import LightGbm


@pytest.fixture(scope="module")
def report() -> HonestyReport:
    return honesty_report(LightGbm(threads=1), series=3, hours=700)


def test_of_a_random_walk_nothing_is_known(report: HonestyReport) -> None:
    assert not report.walked.has_skill
    assert report.walked.verdict.startswith("no skill: ")


def test_the_wrong_split_finds_a_skill_that_is_not_there(report: HonestyReport) -> None:
    assert report.is_fooled_when_shuffled
    assert report.shuffled.skill > 0.1
    assert report.shuffled.skill_low > 0.05


def test_a_planted_signal_is_found_within_the_stated_error(report: HonestyReport) -> None:
    assert report.finds_planted
    assert report.planted.skill_low <= report.planted_skill == pytest.approx(0.2)
    assert report.planted.skill == pytest.approx(0.2, abs=0.05)


def test_the_report_shows_all_three_side_by_side(report: HonestyReport) -> None:
    assert report.is_honest
    walked, shuffled, found = report.lines()
    assert walked == f"random walk, walked forward: {report.walked.verdict}"
    assert shuffled.endswith(report.shuffled.verdict)
    assert "a perfect forecaster has skill 20.0 %" in found


@pytest.mark.parametrize(
    ("strength", "horizon", "skill"), [(0.6, 1, 0.2), (0.8, 1, 0.4), (1.0, 4, 1 - math.sqrt(0.75))]
)
def test_a_perfect_forecaster_saves_the_stated_share(strength: float, horizon: int, skill: float) -> None:
    frame = planted_frame(5, strength, series=20, hours=5000, horizon_hours=horizon)
    rows = frame.usable()
    truth, said = frame.target[rows], 0.01 * strength * frame.inputs[rows, 0]
    assert planted_skill(strength, horizon) == pytest.approx(skill)
    assert 1 - np.abs(truth - said).mean() / np.abs(truth).mean() == pytest.approx(skill, abs=0.01)


def test_inputs_of_a_random_walk_are_what_their_names_say() -> None:
    frame = random_walk_frame(0, 2, 300, 4)
    assert frame.names == random_walk(4).inputs
    logs, at = np.log(frame.now), 500  # hour 200 of the second series
    expected = [
        logs[at],
        logs[at] - logs[at - 1],
        logs[at] - logs[at - 4],
        logs[at] - logs[at - 24],
        logs[at] - logs[at - 23 : at + 1].mean(),
        logs[at - 24],
        logs[at] - logs[at - 167 : at + 1].mean(),
    ]
    assert frame.inputs[at] == pytest.approx(expected, abs=1e-6)
    assert np.isfinite(frame.inputs).all()
    assert frame.target[at] == pytest.approx(logs[at + 4] - logs[at])
    assert frame.target_known_at[at] - frame.decided_at[at] == np.timedelta64(4, "h")


@pytest.mark.parametrize("made", [lambda seed: random_walk_frame(seed, 3, 100), lambda seed: planted_frame(seed, 0.5)])
def test_a_frame_is_the_same_for_a_seed(made: Callable[[int], Frame]) -> None:
    one, again, other = made(1), made(1), made(2)
    np.testing.assert_array_equal(one.inputs, again.inputs)
    np.testing.assert_array_equal(one.target, again.target)
    assert not np.array_equal(one.target, other.target)


def test_the_last_targets_are_not_known() -> None:
    frame = planted_frame(0, 0.5, series=2, hours=100, horizon_hours=4)
    assert frame.names == planted().inputs
    unknown = [*range(96, 100), *range(196, 200)]
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(frame.target)), unknown)
    np.testing.assert_array_equal(np.flatnonzero(np.isnat(frame.target_known_at)), unknown)
    assert len(frame.usable()) == 192
