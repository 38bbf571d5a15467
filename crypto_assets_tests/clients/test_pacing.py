"""The pace of one process: slots on a line, none twice, rest for all who share it."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.clients.breaker import BreakerState, BreakerStatus
from crypto_assets.clients.pacing import LocalPace, Usage

RATE = 8.0  # a slot each eighth of a second, which a float holds exactly


class Clock:
    """A clock that moves only when it is told to."""

    def __init__(self, now: float = 64.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_the_first_slot_is_now() -> None:
    assert LocalPace(RATE, clock=Clock()).reserve(1) == 0


def test_slots_that_were_not_used_are_not_saved_up() -> None:
    clock = Clock()
    pace = LocalPace(RATE, clock=clock)
    pace.reserve(1)
    clock.now += 1000
    assert [pace.reserve(1) for _ in range(3)] == [0, 0.125, 0.25]


def test_a_dear_request_goes_at_once_and_the_next_one_pays() -> None:
    pace = LocalPace(RATE, clock=Clock())
    assert [pace.reserve(cost) for cost in (10, 1, 0.5, 1)] == [0, 1.25, 1.375, 1.4375]


def test_time_that_passes_shortens_the_wait() -> None:
    clock = Clock()
    pace = LocalPace(RATE, clock=clock)
    pace.reserve(8)
    clock.now += 0.75
    assert pace.reserve(1) == 0.25


def test_the_longer_rest_holds_whichever_was_asked_for_last() -> None:
    clock = Clock()
    pace = LocalPace(RATE, clock=clock)
    pace.rest(30)
    pace.rest(5)
    assert pace.reserve(1) == 30
    clock.now += 31
    assert pace.reserve(1) == 0


def test_a_rest_shorter_than_the_queue_changes_nothing() -> None:
    pace = LocalPace(RATE, clock=Clock())
    pace.reserve(80)
    pace.rest(2)
    assert pace.reserve(1) == 10


def test_what_it_is_told_changes_nothing() -> None:
    pace = LocalPace(RATE, clock=Clock())
    pace.tell(BreakerStatus(BreakerState.OPEN, 5, 60, "down"))
    pace.used(Usage(1000, 10, 0.2))
    assert pace.reserve(1) == 0


def test_threads_that_share_it_never_get_the_same_slot() -> None:
    pace = LocalPace(RATE, clock=Clock())
    gate, lock, waits = threading.Barrier(8), threading.Lock(), []

    def take() -> None:
        gate.wait()
        mine = [pace.reserve(1) for _ in range(500)]
        with lock:
            waits.extend(mine)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(waits) == [slot / RATE for slot in range(4000)]


_STEPS = st.lists(
    st.tuples(st.sampled_from(["take", "pass", "rest"]), st.integers(1, 80).map(lambda eighths: eighths / 8)),
    max_size=60,
)


@given(_STEPS)
def test_no_two_slots_are_closer_than_their_cost_and_none_lies_in_a_rest(steps: list[tuple[str, float]]) -> None:
    clock = Clock()
    pace = LocalPace(RATE, clock=clock)
    free_from, rested_until = 0.0, 0.0
    for kind, number in steps:
        if kind == "pass":
            clock.now += number
        elif kind == "rest":
            pace.rest(number)
            rested_until = max(rested_until, clock.now + number)
        else:
            slot = clock.now + pace.reserve(number)
            assert slot >= max(free_from, rested_until, clock.now)
            assert slot <= max(free_from, rested_until, clock.now)  # nor later than it must be
            free_from = slot + number / RATE


@pytest.mark.parametrize("rate", [0.2, 1.0, 20.0, 1e9])
def test_a_minutes_slots_are_as_many_as_the_budget(rate: float) -> None:
    pace = LocalPace(rate, clock=Clock(0.0))
    slots = [pace.reserve(1) for _ in range(100)]
    assert slots[-1] == pytest.approx(99 / rate)
