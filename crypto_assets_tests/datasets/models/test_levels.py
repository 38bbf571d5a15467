"""Quantities hour by hour, as they were known, and what came after."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.datasets.models.hours import times_of
from crypto_assets.datasets.models.inputs import own_inputs
from crypto_assets.datasets.models.levels import Hourly, Observations, changes_ahead, hourly, newest_of_hours
from crypto_assets_tests.datasets.features.ml_features.outside import HOUR

MINUTE = np.timedelta64(1, "m")


def _rows(*rows: tuple[float, float, float]) -> Observations:
    """Observations: minutes at which each was made and known, and its level."""
    observed, known, level = (np.array(column) for column in zip(*rows, strict=True))
    return Observations(
        known.astype(np.int64) * MINUTE + times_of(np.zeros(1, np.int64)),
        observed.astype(np.int64) * MINUTE + times_of(np.zeros(1, np.int64)),
        {"level": level.astype(np.float64)},
    )


def _levels(there: Hourly) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in there.level]


def test_the_newest_observation_known_at_the_hour_stands_until_it_is_too_old() -> None:
    rows = _rows((30, 30, 1), (60, 60, 2), (90, 125, 3), (100, 100, 4))
    # What was observed at 90 is known at 125 only, and by then something newer was.
    assert _levels(hourly(rows, 0, 5, 2 * HOUR)) == [None, 2, 4, 4, None, None]


def test_a_change_is_that_of_what_was_known_at_either_end() -> None:
    there = hourly(_rows((0, 0, 1), (60, 60, 2), (120, 120, 8)), 0, 4, 2 * HOUR)
    change, known_at = changes_ahead(there, np.arange(4), 1, last_known=4)
    assert change[:2] == pytest.approx([np.log(2), np.log(4)])
    assert known_at[:2].tolist() == times_of(np.array([1, 2])).tolist()
    # At hours 3 and 4 nothing newer than hour 2's was known: that is no change of zero.
    assert np.isnan(change[2:]).all()
    assert np.isnat(known_at[2:]).all()


def test_what_ends_in_the_future_is_not_known_yet() -> None:
    there = hourly(_rows((0, 0, 1), (50, 50, 2)), 0, 1, 2 * HOUR)
    assert changes_ahead(there, np.arange(1), 1, last_known=1)[0] == pytest.approx([np.log(2)])
    assert np.isnan(changes_ahead(there, np.arange(1), 1, last_known=0)[0]).all()


def test_observations_too_far_apart_for_the_horizon_say_nothing_of_it() -> None:
    """A point every four hours: of four hours a change, of one hour none."""
    there = hourly(_rows(*((240 * k, 240 * k, 2.0**k) for k in range(8))), 0, 28, 5 * HOUR)
    four, _ = changes_ahead(there, np.arange(20), 4, last_known=28)
    assert four == pytest.approx([np.log(2)] * 20)
    one, _ = changes_ahead(there, np.arange(20), 1, last_known=28)
    assert np.isnan(one).all()
    day, _ = changes_ahead(there, np.arange(4), 24, last_known=28)
    assert day == pytest.approx([6 * np.log(2)] * 4)


_OBSERVED = st.lists(
    st.tuples(st.integers(0, 40 * 60), st.integers(0, 300), st.floats(0.1, 10)),
    min_size=1,
    max_size=60,
    unique_by=lambda row: row[0],
)


@given(_OBSERVED, st.integers(0, 40))
def test_what_becomes_known_later_changes_nothing_before(told: list[tuple[int, int, float]], at: int) -> None:
    rows = [(observed, observed + late, level) for observed, late, level in told]
    whole = hourly(_rows(*rows), 0, 45, 5 * HOUR)
    then = [row for row in rows if row[1] <= at * 60] or [(0, 10_000, 1.0)]  # none known by then
    cut = hourly(_rows(*then), 0, 45, 5 * HOUR)
    now, before = own_inputs(whole.level, whole.level), own_inputs(cut.level, cut.level)
    for name, values in now.items():
        assert np.array_equal(values[: at + 1], before[name][: at + 1], equal_nan=True), name


@given(_OBSERVED)
def test_an_hours_end_rests_on_the_row_that_is_kept_of_it(told: list[tuple[int, int, float]]) -> None:
    rows = _rows(*((observed, observed + late, level) for observed, late, level in told))
    thin = newest_of_hours(rows)
    assert len(thin.known_at) <= len(set(((rows.known_at - MINUTE).astype("datetime64[h]")).tolist()))
    whole, kept = hourly(rows, 0, 50, 5 * HOUR), hourly(thin, 0, 50, 5 * HOUR)
    assert np.array_equal(whole.level, kept.level, equal_nan=True)
