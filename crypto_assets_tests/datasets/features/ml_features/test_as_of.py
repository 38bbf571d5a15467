"""The as-of join against the obvious loop."""

from datetime import timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.datasets.features.ml_features.as_of import KnownRows, join_known, newest_known

T0 = np.datetime64("2024-01-01", "us")
MINUTE = np.timedelta64(60_000_000, "us")


def _at(*minutes: int) -> np.ndarray:  # type: ignore[type-arg]
    return T0 + np.array(minutes, dtype=np.int64) * MINUTE


@given(
    decisions=st.lists(st.integers(0, 60), min_size=1, max_size=20),
    rows=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30)), max_size=25),
    age=st.one_of(st.none(), st.integers(0, 40)),
)
def test_the_join_equals_a_loop_over_everything(
    decisions: list[int], rows: list[tuple[int, int]], age: int | None
) -> None:
    known, observed = [known for known, _ in rows], [seen for _, seen in rows]
    found = newest_known(_at(*decisions), _at(*known), _at(*observed), None if age is None else timedelta(minutes=age))
    for decided, position in zip(decisions, found.tolist(), strict=True):
        candidates = [(seen, at, i) for i, (at, seen) in enumerate(rows) if at <= decided]
        if not candidates:
            assert position == -1
            continue
        seen, at, _ = max(candidates)
        if age is not None and decided - at > age:
            assert position == -1
        else:
            assert (observed[position], known[position]) == (seen, at)


def test_a_row_known_at_the_moment_of_decision_counts_and_one_a_microsecond_later_does_not() -> None:
    known = np.array([T0, T0 + MINUTE + np.timedelta64(1, "us")])
    assert newest_known(_at(0, 1), known, known, None).tolist() == [0, 0]


def test_a_late_revision_of_an_old_period_displaces_nothing_and_one_of_the_newest_does() -> None:
    """First release of February, then a revision of January, then one of February."""
    known, observed = _at(10, 20, 30), _at(2, 1, 2)
    rows = KnownRows(known, observed, {"value": np.array([2.0, 1.1, 2.1])})
    joined = join_known(_at(5, 15, 25, 35), [rows], ("value",), None)["value"]
    np.testing.assert_array_equal(joined, [np.nan, 2.0, 2.0, 2.1])


def test_a_row_too_old_is_unknown() -> None:
    rows = KnownRows(_at(0), _at(0), {"value": np.array([7.0])})
    joined = join_known(_at(10, 11), [rows], ("value",), timedelta(minutes=10))["value"]
    np.testing.assert_array_equal(joined, [7.0, np.nan])


def test_several_sources_count_as_the_median_of_those_known() -> None:
    sources = [
        KnownRows(_at(at), _at(at), {"value": np.array([value])})
        for at, value in ((0, 1.0), (1, 5.0), (2, 9.0), (3, 11.0))
    ]
    joined = join_known(_at(0, 1, 2, 3), sources, ("value",), None)["value"]
    np.testing.assert_array_equal(joined, [1.0, 3.0, 5.0, 7.0])


def test_without_a_source_everything_is_unknown() -> None:
    assert np.isnan(join_known(_at(0, 1), [], ("value",), None)["value"]).all()
