"""How often a market is asked next: by hand, and within its bounds whatever was seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.collection.interval import MOST_WORKERS, next_interval, retry_interval, workers_for

_SOUND = st.floats(0, 1e9)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [(500, 60), (400, 75), (625, 48), (250, 120), (1, 120), (0, 120), (1000, 30), (1_000_000, 30)],
)
def test_a_poll_that_brought_too_much_halves_the_interval_at_most_and_too_little_doubles_it(
    seen: float, expected: float
) -> None:
    assert next_interval(60, seen, wanted=500, shortest=1, longest=3600) == pytest.approx(expected)


def test_the_bounds_hold_before_all_else() -> None:
    assert next_interval(60, 0, 500, 1, 90) == 90
    assert next_interval(60, 5000, 500, 45, 3600) == 45
    assert next_interval(600, 500, 500, 1, 90) == 90  # also where the bound was lowered since


@given(st.floats(0.1, 1e5), _SOUND, st.floats(0.1, 1e6), st.floats(0.1, 100), st.floats(100, 1e5))
def test_the_next_interval_lies_within_its_bounds_and_no_further_than_double_or_half(
    interval: float, seen: float, wanted: float, shortest: float, longest: float
) -> None:
    found = next_interval(interval, seen, wanted, shortest, longest)
    assert shortest <= found <= longest
    if shortest <= interval / 2 and interval * 2 <= longest:
        assert interval / 2 <= found <= interval * 2


@given(st.floats(0.01, 1e4), st.floats(1, 500))
def test_a_steady_market_comes_to_bring_what_is_wanted(rate: float, start: float) -> None:
    wanted, interval = 500.0, start
    for _ in range(40):
        interval = next_interval(interval, rate * interval, wanted, 0.001, 1e6)
    assert rate * interval == pytest.approx(wanted, rel=1e-6)


def test_each_failure_in_a_row_doubles_the_wait_up_to_the_longest() -> None:
    assert [retry_interval(10, failures, 100) for failures in (1, 2, 3, 4, 5, 6)] == [10, 20, 40, 80, 100, 100]
    assert retry_interval(10, 1_000_000, 100) == 100


def test_as_many_workers_as_are_on_their_way_on_average_when_the_budget_is_used_up() -> None:
    assert [workers_for(10, latency) for latency in (0.05, 0.1, 0.11, 0.35, 60)] == [1, 1, 2, 4, MOST_WORKERS]
    assert [workers_for(rate, None) for rate in (0.1, 1, 20)] == [1, 1, 4]
    assert workers_for(10, 0.0) == 1
