"""A round over a venue's markets, with a clock and a sleep that are made up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_assets.collection.rotation import Turn
from crypto_assets.collection.rounds import Polled, Round, run_round


class Clock:
    """A clock that moves by what is slept and by what a poll takes."""

    def __init__(self, now: float = 1_772_366_400.3) -> None:
        self.now = self.began = now
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.take(seconds)

    def take(self, seconds: float) -> None:
        with self._lock:
            self.now += seconds


class Client:
    """A client that knows its twins and whether it was closed."""

    def __init__(self, twins: list[Client] | None = None, most: int = 99) -> None:
        self.twins = twins if twins is not None else []
        self.is_closed = False
        self._most = most

    def twin(self) -> Client:
        if len(self.twins) >= self._most:
            raise ConnectionError("no more clients")
        self.twins.append(Client(self.twins))
        return self.twins[-1]

    def close(self) -> None:
        self.is_closed = True


def _due(clock: Clock, *names: str, late: float = 0.0) -> list[Turn]:
    return [Turn(name, clock.now - 60 - late, 60) for name in names]


def _run(
    clock: Clock,
    turns: Sequence[Turn],
    poll: Callable[[Client, Turn, float], Polled[str]],
    *,
    workers: int = 1,
    seconds: float = 1e6,
    linger: bool = False,
    client: Client | None = None,
) -> Round[str]:
    return run_round(
        client or Client(), turns, poll, workers=workers, seconds=seconds, linger=linger, clock=clock, sleep=clock.sleep
    )


def _names(found: Round[str]) -> list[str]:
    return [name for name, _ in found.outcomes]


def test_every_due_market_has_one_turn_and_the_others_none() -> None:
    clock = Clock()
    turns = [*_due(clock, "A", "B", "C"), Turn("D", clock.now - 59, 60)]
    found = _run(clock, turns, lambda _client, turn, _late: Polled(turn.name.lower(), 60))
    assert sorted(found.outcomes) == [("A", "a"), ("B", "b"), ("C", "c")]
    assert (found.postponed, clock.slept) == ([], [])


def test_without_markets_there_is_nothing_to_do() -> None:
    found = _run(Clock(), [], lambda *_: Polled("x", 60), linger=True)
    assert (found.outcomes, found.waited, found.postponed) == ([], {}, [])


def test_the_longest_waiting_is_first_and_a_poll_is_told_how_long_it_waited_for_its_turn() -> None:
    clock = Clock()
    late: dict[str, float] = {}

    def poll(_client: Client, turn: Turn, waited: float) -> Polled[str]:
        late[turn.name] = waited
        clock.take(10)
        return Polled("", 600)

    turns = [Turn("A", clock.now - 90, 60), Turn("B", clock.now - 180, 60), Turn("C", clock.now - 60, 60)]
    found = _run(clock, turns, poll)
    assert _names(found) == ["B", "A", "C"]
    # Counted from the round's begin: what nobody was there to ask before is no wait for a turn.
    assert late == pytest.approx({"B": 0, "A": 10, "C": 20}, abs=1e-3)
    assert found.waited == pytest.approx({"B": 0, "A": 10, "C": 20}, abs=1e-3)  # within the round alone


def test_no_market_is_asked_twice_at_once_and_no_client_by_two_threads() -> None:
    clock, lock = Clock(), threading.Lock()
    markets: list[str] = []
    clients: list[Client] = []
    most = [0]

    def poll(client: Client, turn: Turn, _late: float) -> Polled[str]:
        with lock:
            assert turn.name not in markets
            assert client not in clients
            markets.append(turn.name)
            clients.append(client)
            most[0] = max(most[0], len(markets))
        clock.take(1)
        with lock:
            markets.remove(turn.name)
            clients.remove(client)
        return Polled("", 5)

    found = _run(clock, _due(clock, *"ABCDEF"), poll, workers=4, seconds=200, linger=True)
    assert len(found.outcomes) > 50
    assert most[0] <= 4


def test_as_many_turns_as_workers_are_on_their_way_at_once() -> None:
    clock, all_here = Clock(), threading.Barrier(3, timeout=30)

    def poll(_client: Client, _turn: Turn, _late: float) -> Polled[str]:
        all_here.wait()  # breaks unless the two others come as well
        return Polled("", 60)

    assert len(_run(clock, _due(clock, "A", "B", "C"), poll, workers=3).outcomes) == 3


def test_a_market_with_more_to_fetch_lets_the_others_that_waited_go_before_it() -> None:
    clock = Clock()
    left = {"A": 3, "B": 1, "C": 1}

    def poll(_client: Client, turn: Turn, _late: float) -> Polled[str]:
        left[turn.name] -= 1
        return Polled("", 60 if left[turn.name] <= 0 else 0)

    turns = [*_due(clock, "A", late=500), *_due(clock, "B", "C", late=5)]
    assert _names(_run(clock, turns, poll)) == ["A", "C", "B", "A", "A"]


@settings(max_examples=60, deadline=None)
@given(st.integers(1_700_000_000_000, 4_000_000_000_000), st.integers(1, 100_000), st.integers(1, 5))
def test_what_is_left_to_fetch_is_fetched_however_the_clock_and_the_interval_are_rounded(
    now_ms: int, interval_ms: int, pieces: int
) -> None:
    now, interval = now_ms / 1000, interval_ms / 1000
    clock, left = Clock(now), [pieces]

    def poll(_client: Client, _turn: Turn, _late: float) -> Polled[str]:
        left[0] -= 1
        return Polled("", interval if left[0] == 0 else 0)

    assert len(_run(clock, [Turn("A", now - interval * 2, interval)], poll).outcomes) == pieces


def test_after_the_venue_asks_for_rest_nobody_else_has_a_turn() -> None:
    clock = Clock()
    found = _run(clock, _due(clock, "A", "B", "C"), lambda *_: Polled("", 60, is_over=True), linger=True)
    assert _names(found) == ["C"]
    assert found.postponed == ["A", "B"]


def test_when_time_is_up_those_still_due_are_named() -> None:
    clock = Clock()

    def poll(_client: Client, _turn: Turn, _late: float) -> Polled[str]:
        clock.take(10)
        return Polled("", 600)

    found = _run(clock, [*_due(clock, *"ABCDE"), Turn("F", clock.now, 600)], poll, seconds=25)
    assert _names(found) == ["E", "D", "C"]  # begun at 0, 10 and 20 seconds
    assert found.postponed == ["A", "B"]


def test_a_round_without_time_asks_nobody() -> None:
    clock = Clock()
    found = _run(clock, _due(clock, "A", "B"), lambda *_: Polled("", 60), seconds=0)
    assert (found.outcomes, found.postponed) == ([], ["A", "B"])


def test_lingering_asks_each_market_whenever_it_is_due_until_time_is_up() -> None:
    clock = Clock()
    moments: dict[str, list[float]] = {"A": [], "B": []}

    def poll(_client: Client, turn: Turn, _late: float) -> Polled[str]:
        moments[turn.name].append(round(clock.now - clock.began, 6))
        return Polled("", turn.interval)

    _run(clock, [Turn("A", clock.now - 10, 10), Turn("B", clock.now - 10, 25)], poll, seconds=60, linger=True)
    assert moments["A"] == pytest.approx([0, 10, 20, 30, 40, 50], abs=0.01)
    assert moments["B"] == pytest.approx([15, 40], abs=0.01)
    assert clock.now - clock.began == pytest.approx(60)
    assert max(clock.slept) <= 1  # an interruption is noticed


def test_a_clock_that_counts_in_microseconds_is_not_waited_for_in_less() -> None:
    clock = Clock(1_772_366_400.0)

    def sleep(seconds: float) -> None:
        clock.sleep(round(seconds, 6))
        assert len(clock.slept) < 100  # else nothing would ever be due

    turns = [Turn("A", clock.now, 2.000_000_3)]  # due between two microseconds
    run_round(
        Client(), turns, lambda *_: Polled("", 60), workers=1, seconds=5, linger=True, clock=clock, sleep=sleep
    )  # fmt: skip
    assert clock.now - clock.began == pytest.approx(5, abs=0.01)


def test_without_lingering_a_round_ends_when_nothing_is_due() -> None:
    clock = Clock()
    _run(clock, _due(clock, "A"), lambda *_: Polled("", 1), seconds=60)
    assert clock.slept == []


@pytest.mark.parametrize("workers", [1, 3])
def test_a_polls_exception_comes_through_and_every_twin_is_closed(workers: int) -> None:
    clock, client = Clock(), Client()

    def poll(_client: Client, turn: Turn, _late: float) -> Polled[str]:
        if turn.name == "B":
            raise ZeroDivisionError("a defect")
        return Polled("", 60)

    with pytest.raises(ZeroDivisionError, match="a defect"):
        _run(clock, _due(clock, "A", "B", "C"), poll, workers=workers, client=client)
    assert [twin.is_closed for twin in client.twins] == [True] * (workers - 1)
    assert not client.is_closed  # it is the caller's


def test_the_twins_are_closed_after_a_round_and_the_callers_client_is_not() -> None:
    clock, client = Clock(), Client()
    _run(clock, _due(clock, "A"), lambda *_: Polled("", 60), workers=4, client=client)
    assert [twin.is_closed for twin in client.twins] == [True] * 3
    assert not client.is_closed


def test_where_a_twin_cannot_be_made_those_before_it_are_closed() -> None:
    clock, client = Clock(), Client(most=2)
    with pytest.raises(ConnectionError):
        _run(clock, _due(clock, "A"), lambda *_: Polled("", 60), workers=5, client=client)
    assert [twin.is_closed for twin in client.twins] == [True, True]
