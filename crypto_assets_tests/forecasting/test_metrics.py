"""Measures that can be checked by hand, and intervals that are no surer than the hours allow."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_assets.forecasting.metrics import (
    Interval,
    block_bootstrap,
    coverage,
    directional_accuracy,
    mae,
    pinball,
    skill,
)

NOTHING = np.zeros(0)


def test_errors_count_by_their_size() -> None:
    assert mae(np.array([1.0, -1.0, 3.0]), np.array([0.0, 1.0, 3.0])) == 1.0


def test_a_low_quantile_pays_more_for_being_too_high() -> None:
    truth = np.array([0.0, 0.0])
    assert pinball(truth, np.array([1.0, 1.0]), 0.1) == pytest.approx(0.9)
    assert pinball(truth, np.array([-1.0, -1.0]), 0.1) == pytest.approx(0.1)
    assert pinball(truth, np.array([-1.0, 1.0]), 0.5) == 0.5 * mae(truth, np.array([-1.0, 1.0]))


def test_the_ends_of_a_range_are_in_it() -> None:
    assert coverage(np.array([0.0, 1.0, 1.1, -0.1]), np.zeros(4), np.ones(4)) == 0.5


def test_directions_count_where_both_name_one() -> None:
    truth, yhat = np.array([1.0, -1.0, 2.0, 0.0, 5.0]), np.array([0.1, 0.1, 0.3, 1.0, 0.0])
    assert directional_accuracy(truth, yhat) == pytest.approx(2 / 3)


def test_a_measure_of_nothing_is_no_number() -> None:
    for found in (
        mae(NOTHING, NOTHING),
        pinball(NOTHING, NOTHING, 0.5),
        coverage(NOTHING, NOTHING, NOTHING),
        directional_accuracy(np.array([0.0]), np.array([1.0])),
    ):
        assert math.isnan(found)


@pytest.mark.parametrize(
    ("model", "base", "expected"),
    [(3.0, 4.0, 0.25), (4.0, 4.0, 0.0), (8.0, 4.0, -1.0), (0.0, 4.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0.0, -math.inf)],
)
def test_skill_is_the_share_of_error_saved(model: float, base: float, expected: float) -> None:
    assert skill(np.array([model, 0.0]), np.array([base, 0.0])) == expected


def _noise(hours: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.exponential(size=hours), np.arange(hours)


def test_the_same_seed_gives_the_same_interval() -> None:
    values, hours = _noise(400)
    ones = np.ones(400)
    one, again = (block_bootstrap(values, ones, hours, block=24, seed=1) for _ in range(2))
    assert one == again != block_bootstrap(values, ones, hours, block=24, seed=2)
    assert one.low < values.mean() < one.high


def test_ten_series_that_move_together_are_no_surer_than_one() -> None:
    values, hours = _noise(400)
    one = block_bootstrap(values, np.ones(400), hours, block=24, seed=1)
    ten = block_bootstrap(np.tile(values, 10), np.ones(4000), np.tile(hours, 10), block=24, seed=1)
    assert (ten.low, ten.high) == pytest.approx((one.low, one.high))


def test_overlapping_values_need_blocks_as_long_as_they() -> None:
    values, hours = _noise(3000)
    day = np.convolve(values, np.ones(24), mode="valid")  # each shares 23 of 24 hours with the next
    ones, hours = np.ones(len(day)), hours[: len(day)]
    short, long = (block_bootstrap(day, ones, hours, block=block, seed=0) for block in (1, 72))
    assert long.high - long.low > 3 * (short.high - short.low)


def test_hours_without_rows_hold_their_place() -> None:
    # One row each 100 hours: a block of 24 hours holds one or none, so there is hardly anything to tell from 9 rows.
    values = np.array([1.0, 2.0, 1.5, 1.0, 2.0, 1.5, 1.0, 2.0, 1.5])
    near = block_bootstrap(np.tile(values, 100), np.ones(900), np.arange(900), block=24, seed=0)
    far = block_bootstrap(values, np.ones(9), np.arange(9) * 100, block=24, seed=0)
    assert 5 * (near.high - near.low) < far.high - far.low < math.inf


def test_a_hole_in_history_makes_nothing_surer() -> None:
    values, hours = _noise(60)
    apart = np.where(hours < 30, hours, hours + 9_990)  # 335 blocks long, of which two hold something
    near, far = (block_bootstrap(values, np.ones(60), at, block=30, seed=0) for at in (hours, apart))
    assert far.high - far.low > 0.5 * (near.high - near.low)


def test_less_than_two_blocks_say_nothing() -> None:
    nothing = Interval(-math.inf, math.inf)
    values, hours = _noise(47)
    assert block_bootstrap(values, np.ones(47), hours, block=24, seed=0) == nothing
    assert block_bootstrap(NOTHING, NOTHING, np.zeros(0, dtype=np.int64), block=24, seed=0) == nothing
    assert block_bootstrap(values, np.zeros(47), hours, block=1, seed=0) == nothing
    found = block_bootstrap(*(np.tile(part, 2) for part in (values, np.ones(47))), np.arange(94), block=24, seed=0)
    assert math.isfinite(found.low)


def test_nine_in_ten_intervals_hold_the_truth_even_of_few_blocks() -> None:
    # Means of 24 hours that overlap, of 14 days: five blocks of 72 hours each.
    random, held = np.random.default_rng(5), 0
    for seed in range(200):
        values = np.convolve(random.normal(size=360 + 23), np.ones(24), mode="valid")
        found = block_bootstrap(values, np.ones(360), np.arange(360), block=72, seed=seed, draws=200)
        held += found.low <= 0 <= found.high
    assert 0.84 <= held / 200 <= 0.97


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.1, 10), min_size=50, max_size=80), st.integers(0, 5))
def test_an_interval_holds_what_was_measured(values: list[float], seed: int) -> None:
    above = np.array(values)
    below = above[::-1].copy()
    found = block_bootstrap(above, below, np.arange(len(above)), block=7, seed=seed, draws=50)
    assert found.low <= above.sum() / below.sum() * (1 + 1e-12)
    assert found.high >= above.sum() / below.sum() * (1 - 1e-12)
