"""Sums over the newest snapshots of many pools, against the obvious loop."""

from datetime import timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.datasets.features.ml_features.pool_totals import (
    Grid,
    Snapshots,
    born_before,
    newest_sums,
    watched_since,
)

MINUTE = 60_000_000
FIRST = 1_704_067_200_000_000  # 2024-01-01
GRID = Grid(FIRST, 10 * MINUTE, 12)
AGE = timedelta(minutes=30)


def _at(minutes: list[int]) -> np.ndarray:  # type: ignore[type-arg]
    return (FIRST + np.array(minutes, dtype=np.int64) * MINUTE).view("datetime64[us]")


def _rows(rows: list[tuple[int, int, int, float | None]]) -> Snapshots:
    """Pool, minute of the snapshot, how much later it was known, value."""
    values = np.array([np.nan if one[3] is None else one[3] for one in rows], dtype=np.float64)
    return Snapshots(
        np.array([one[0] for one in rows], dtype=np.int64),
        _at([one[1] for one in rows]),
        _at([one[1] + one[2] for one in rows]),
        {"value": values},
    )


_ROW = st.tuples(st.integers(0, 4), st.integers(-60, 150), st.integers(0, 25), st.one_of(st.none(), st.floats(0, 9)))


@given(st.lists(_ROW, max_size=40, unique_by=lambda row: (row[0], row[1])))
def test_sums_equal_a_loop_over_everything(rows: list[tuple[int, int, int, float | None]]) -> None:
    found = newest_sums(GRID, _rows(rows), AGE)["value"]
    for place in range(GRID.count):
        minute = place * 10
        newest: dict[int, tuple[int, float | None]] = {}
        for pool, at, late, value in sorted(rows, key=lambda row: row[1]):
            if at + late <= minute:
                newest[pool] = (at, value)
        told = [value for _, (at, value) in sorted(newest.items()) if minute - at <= 30 and value is not None]
        expected = 0.0
        for value in told:
            expected += value
        assert (np.isnan(found[place]) and not told) or (found[place] == expected and told)


@given(st.lists(_ROW, max_size=30, unique_by=lambda row: (row[0], row[1])), st.integers(0, 11))
def test_rows_known_later_change_no_sum(rows: list[tuple[int, int, int, float | None]], place: int) -> None:
    known = [row for row in rows if row[1] + row[2] <= place * 10]
    whole, then = (newest_sums(GRID, _rows(one), AGE)["value"] for one in (rows, known))
    np.testing.assert_array_equal(whole[: place + 1], then[: place + 1])


def test_a_snapshot_counts_from_the_moment_it_is_known_until_it_is_too_old() -> None:
    one = Snapshots(np.zeros(1, np.int64), _at([0]), _at([10]), {"value": np.array([5.0])})
    np.testing.assert_array_equal(newest_sums(GRID, one, AGE)["value"][:5], [np.nan, 5, 5, 5, np.nan])
    late = Snapshots(one.pool, one.snapshot_at, one.known_at + np.timedelta64(1, "us"), one.values)
    np.testing.assert_array_equal(newest_sums(GRID, late, AGE)["value"][:5], [np.nan, np.nan, 5, 5, np.nan])
    old = Snapshots(one.pool, one.snapshot_at - np.timedelta64(1, "us"), one.known_at, one.values)
    np.testing.assert_array_equal(newest_sums(GRID, old, AGE)["value"][:5], [np.nan, 5, 5, np.nan, np.nan])


@given(st.lists(st.tuples(st.integers(-60, 130), st.integers(0, 60)), max_size=30))
def test_births_are_counted_for_as_long_as_they_are_young_and_known(births: list[tuple[int, int]]) -> None:
    born, known = _at([one for one, _ in births]), _at([one + late for one, late in births])
    found = born_before(GRID, born, known, timedelta(minutes=45))
    expected = [
        sum(minute - 45 < one <= minute and one + late <= minute for one, late in births)
        for minute in range(0, 120, 10)
    ]
    assert found.tolist() == expected


def test_rounds_tell_since_when_pools_were_watched_without_a_hole() -> None:
    last, since = watched_since(GRID, _at([15, 15, 25, 70, 90]), timedelta(minutes=20))
    there = [None if np.isnat(at) else int((at - _at([0])[0]) // np.timedelta64(1, "m")) for at in last]
    begun = [None if np.isnat(at) else int((at - _at([0])[0]) // np.timedelta64(1, "m")) for at in since]
    assert there == [None, None, 15, 25, 25, 25, 25, 70, 70, 90, 90, 90]
    assert begun == [None, None, 15, 15, 15, 15, 15, 70, 70, 70, 70, 70]
    assert np.isnat(watched_since(GRID, _at([]), timedelta(minutes=20))[0]).all()
