"""The breaker's states: when it opens, how long it rests, and that one request alone finds out."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.clients.breaker import Breaker, BreakerState, BreakerStatus

MOST = 3
REST = 60.0


class Clock:
    """A clock that moves only when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class World:
    """A breaker, its clock and what it told."""

    def __init__(self, most: int = MOST) -> None:
        self.clock = Clock()
        self.told: list[BreakerStatus] = []
        self.breaker = Breaker(most, REST, tell=self.told.append, clock=self.clock)

    @property
    def state(self) -> BreakerState:
        return self.breaker.status.state

    def open(self) -> None:
        while self.state is not BreakerState.OPEN:
            self.breaker.failed("down")


def test_a_new_one_is_closed_and_says_nothing() -> None:
    world = World()
    assert world.breaker.status == BreakerStatus(BreakerState.CLOSED)
    assert world.breaker.admits()
    assert world.told == []


def test_it_opens_with_the_last_failure_of_the_row_and_tells_of_each() -> None:
    world = World()
    world.breaker.failed("one")
    world.breaker.failed("two")
    assert world.told == [BreakerStatus(BreakerState.CLOSED, n, 0, why) for n, why in ((1, "one"), (2, "two"))]
    assert world.breaker.admits()
    world.breaker.failed("three")
    assert world.told[2:] == [BreakerStatus(BreakerState.OPEN, 3, REST, "three")]
    assert not world.breaker.admits()


def test_failures_that_others_saw_before_the_first_request_count_on() -> None:
    world = World()
    world.breaker.carry_on(2)
    assert world.breaker.admits()
    world.breaker.failed("three")
    assert world.breaker.status == BreakerStatus(BreakerState.OPEN, 3, REST, "three")


def test_what_others_saw_is_forgotten_with_the_first_answer_and_everybody_told() -> None:
    world = World()
    world.breaker.carry_on(2)
    world.breaker.succeeded()
    world.breaker.succeeded()
    assert world.told == [BreakerStatus(BreakerState.CLOSED)]


def test_what_others_saw_changes_no_breaker_that_has_seen_something_itself() -> None:
    world = World()
    world.breaker.failed("one")
    world.breaker.carry_on(0)
    assert world.breaker.status.failures == 1
    world.open()
    world.breaker.carry_on(0)
    assert world.state is BreakerState.OPEN


def test_an_answer_in_between_begins_the_row_anew() -> None:
    world = World()
    for _ in range(10):
        world.breaker.failed("one")
        world.breaker.failed("two")
        world.breaker.succeeded()
    assert world.breaker.status == BreakerStatus(BreakerState.CLOSED)
    assert {status.state for status in world.told} == {BreakerState.CLOSED}
    assert max(status.failures for status in world.told) == 2


def test_what_is_left_of_the_rest_shrinks_to_nothing() -> None:
    world = World()
    world.open()
    left = []
    for _ in range(4):
        left.append(world.breaker.status.rest_seconds)
        world.clock.now += 25
    assert left == [60, 35, 10, 0]


def test_nothing_is_admitted_before_the_rest_is_over_to_the_moment() -> None:
    world = World()
    world.open()
    world.clock.now += REST - 0.001
    assert not world.breaker.admits()
    world.clock.now += 0.001
    assert world.breaker.admits()


def test_after_the_rest_one_request_is_a_trial_and_no_other_is_admitted_until_it_ends() -> None:
    world = World()
    world.open()
    world.clock.now += REST
    assert [world.breaker.admits() for _ in range(5)] == [True, False, False, False, False]
    assert world.told[-1] == BreakerStatus(BreakerState.HALF_OPEN, 3, 0, "down")
    world.breaker.succeeded()
    assert world.told[-1] == BreakerStatus(BreakerState.CLOSED)
    assert world.breaker.admits()
    assert world.breaker.admits()


def test_a_trial_that_fails_rests_for_the_whole_time_again() -> None:
    world = World()
    world.open()
    world.clock.now += REST + 500
    assert world.breaker.admits()
    world.breaker.failed("still down")
    assert world.breaker.status == BreakerStatus(BreakerState.OPEN, 4, REST, "still down")
    world.clock.now += REST - 1
    assert not world.breaker.admits()


def test_failures_of_requests_that_were_on_their_way_do_not_prolong_the_rest() -> None:
    world = World()
    world.open()
    world.clock.now += 40
    for _ in range(7):
        world.breaker.failed("late")
    assert world.breaker.status == BreakerStatus(BreakerState.OPEN, 3, 20, "down")
    assert [status.why for status in world.told] == ["down"] * 3


def test_an_answer_to_a_request_that_was_on_its_way_closes_it() -> None:
    world = World()
    world.open()
    world.breaker.succeeded()
    assert world.state is BreakerState.CLOSED
    assert world.breaker.admits()


def test_a_request_that_was_never_sent_is_no_failure() -> None:
    world = World()
    for _ in range(MOST * 3):
        world.breaker.not_asked("no slot")
    assert (world.breaker.status, world.told) == (BreakerStatus(BreakerState.CLOSED), [])


def test_a_trial_that_was_never_sent_is_over_and_another_one_follows_the_rest() -> None:
    world = World()
    world.open()
    world.clock.now += REST
    assert world.breaker.admits()
    world.breaker.not_asked("no slot")
    assert world.breaker.status == BreakerStatus(BreakerState.OPEN, 3, REST, "no slot")
    world.clock.now += REST
    assert world.breaker.admits()


def test_where_the_trial_cannot_be_told_of_none_has_begun() -> None:
    clock, is_broken = Clock(), [False]

    def tell(_status: BreakerStatus) -> None:
        if is_broken[0]:
            raise ConnectionError("no database")

    breaker = Breaker(1, REST, tell=tell, clock=clock)
    breaker.failed("down")
    clock.now += REST
    is_broken[0] = True
    with pytest.raises(ConnectionError):
        breaker.admits()
    is_broken[0] = False
    assert breaker.admits()  # half-open for ever would be never again


def test_of_many_threads_one_has_the_trial() -> None:
    world = World()
    world.open()
    world.clock.now += REST
    gate, admitted = threading.Barrier(8), []

    def ask() -> None:
        gate.wait()
        admitted.append(world.breaker.admits())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(admitted) == [False] * 7 + [True]


@given(st.integers(1, 4), st.lists(st.sampled_from(["ask", "fail", "answer", "unsent", "wait"]), max_size=60))
def test_whatever_happens_it_is_one_of_three_and_never_stuck(most: int, events: list[str]) -> None:
    world, waiting = World(most), 0
    for event in events:
        before = world.state
        if event == "ask":
            was_admitted = world.breaker.admits()
            assert was_admitted or before is not BreakerState.CLOSED
            waiting += was_admitted
        elif event == "wait":
            world.clock.now += REST / 2
        elif waiting:
            waiting -= 1
            {"fail": lambda: world.breaker.failed("x"), "answer": world.breaker.succeeded}.get(
                event, lambda: world.breaker.not_asked("y")
            )()
        assert 0 <= world.breaker.status.rest_seconds <= REST
        assert (world.breaker.status.why == "") == (world.breaker.status.failures == 0)
    for _ in range(waiting):
        world.breaker.not_asked("z")  # whatever was on its way ends
    world.clock.now += REST
    assert world.breaker.admits()
