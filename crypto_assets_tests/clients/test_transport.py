"""Retries, Retry-After, the breaker and the budget, without a network: the request is a function."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.clients.breaker import BreakerState, BreakerStatus
from crypto_assets.clients.failures import BreakerOpen, Malformed, Rejected, Throttled, Unavailable
from crypto_assets.clients.pacing import LocalPace, Usage
from crypto_assets.clients.transport import RetryPolicy, Transport, http_date, retry_after_seconds


class Script:
    """A provider that raises the scripted errors one after the other, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def _transport(policy: RetryPolicy | None = None) -> tuple[Transport, list[float]]:
    pauses: list[float] = []
    return Transport("test", requests_per_second=1e9, policy=policy, sleep=pauses.append), pauses


def _retries(pauses: list[float]) -> list[float]:
    return [pause for pause in pauses if pause > 0.01]  # shorter ones are the budget's


@pytest.mark.parametrize("kind", [Unavailable, Malformed, Throttled])
def test_passing_faults_are_asked_again_with_growing_pauses(kind: Callable[[str], Exception]) -> None:
    transport, pauses = _transport()
    assert transport.call(Script(kind("one"), kind("two"))) == "answer"
    first, second = _retries(pauses)
    assert 0.5 <= first <= 1.0
    assert 1.0 <= second <= 2.0
    assert transport.retried == 2


def test_a_refusal_is_final() -> None:
    transport, pauses = _transport()
    script = Script(Rejected("no such symbol"))
    with pytest.raises(Rejected):
        transport.call(script)
    assert script.calls == 1
    assert not _retries(pauses)


def test_retry_after_is_kept_to_the_second() -> None:
    transport, pauses = _transport()
    transport.call(Script(Throttled("slow down", retry_after_seconds=7)))
    assert _retries(pauses) == pytest.approx([7], abs=0.05)  # the pace's first slot after it


def test_a_wait_longer_than_the_bound_gives_the_market_up_at_once() -> None:
    transport, pauses = _transport(RetryPolicy(max_retry_after_seconds=60))
    script = Script(Throttled("banned", retry_after_seconds=3600))
    with pytest.raises(Throttled):
        transport.call(script)
    assert script.calls == 1
    assert not _retries(pauses)


def test_the_last_error_is_raised_when_the_tries_are_used_up() -> None:
    transport, _ = _transport(RetryPolicy(attempts=3, breaker_failures=99))
    script = Script(*(Unavailable(str(n)) for n in range(9)))
    with pytest.raises(Unavailable, match="2"):
        transport.call(script)
    assert script.calls == 3


def test_the_breaker_opens_after_the_failures_and_then_nothing_is_asked() -> None:
    transport, _ = _transport(RetryPolicy(attempts=1, breaker_failures=3, breaker_rest_seconds=600))
    script = Script(*(Unavailable("down") for _ in range(9)))
    for _ in range(3):
        with pytest.raises(Unavailable):
            transport.call(script)
    with pytest.raises(BreakerOpen, match="not asked"):
        transport.call(script)
    assert script.calls == 3
    assert transport.breaker_state == "open"


def test_refusals_do_not_open_the_breaker() -> None:
    transport, _ = _transport(RetryPolicy(breaker_failures=2))
    for _ in range(5):
        with pytest.raises(Rejected):
            transport.call(Script(Rejected("bad symbol")))
    assert transport.breaker_state == "closed"


def test_slots_are_spaced_evenly_and_a_dear_request_takes_several() -> None:
    pace = LocalPace(10, clock=lambda: 100.0)  # the clock stands still, so the slots add up
    waits = [pace.reserve(cost) for cost in (1, 1, 2.5, 1)]
    assert waits == pytest.approx([0, 0.1, 0.2, 0.45])


def test_no_slot_comes_before_the_rest_is_over() -> None:
    pace = LocalPace(10, clock=lambda: 100.0)
    pace.rest(30)
    assert [pace.reserve(1), pace.reserve(1)] == pytest.approx([30, 30.1])


def test_retry_after_comes_as_seconds_or_as_a_date() -> None:
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert retry_after_seconds({"retry-after": "30"}) == 30
    assert retry_after_seconds({"Retry-After": "Thu, 01 Jan 2026 12:01:00 GMT"}, now) == 60
    assert retry_after_seconds({"Retry-After": "Thu, 01 Jan 2026 11:00:00 GMT"}, now) == 0
    assert retry_after_seconds({"Retry-After": "soon"}, now) is None
    assert retry_after_seconds({}) is None


def test_an_http_date_is_utc() -> None:
    assert http_date("Thu, 01 Jan 2026 12:00:00 GMT") == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert http_date("Thu, 01 Jan 2026 12:00:00 +0100") == datetime(2026, 1, 1, 11, tzinfo=UTC)
    assert http_date("yesterday") is None


class Clock:
    """A clock that moves by what is slept."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Listening(LocalPace):
    """A pace that keeps what it is told; its slots cost nothing, unless another process rests."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(1e9, clock=clock)
        self.told: list[BreakerState] = []
        self.usages: list[Usage] = []
        self.is_resting_elsewhere = False

    def reserve(self, cost: float) -> float:
        if self.is_resting_elsewhere:
            raise BreakerOpen("left alone")
        return super().reserve(cost)

    def tell(self, status: BreakerStatus) -> None:
        self.told.append(status.state)

    def used(self, usage: Usage) -> None:
        self.usages.append(usage)


def _listening(policy: RetryPolicy) -> tuple[Transport, Listening, Clock]:
    clock = Clock()
    pace = Listening(clock)
    return Transport("test", requests_per_second=1, policy=policy, pace=pace, sleep=clock.sleep), pace, clock


def _long(pauses: list[float]) -> list[float]:
    return [round(pause, 3) for pause in pauses if pause > 0.001]


def test_retry_after_makes_every_other_caller_of_the_pace_wait() -> None:
    clock = Clock()
    pace = LocalPace(1e9, clock=clock)
    one, other = (Transport("test", requests_per_second=1, pace=pace, sleep=clock.sleep) for _ in range(2))
    one.policy = RetryPolicy(attempts=1)
    with pytest.raises(Throttled):
        one.call(Script(Throttled("slow down", retry_after_seconds=100)))
    assert _long(clock.slept) == []
    other.call(Script())
    assert _long(clock.slept) == [100]


def test_a_rest_longer_than_the_bound_lets_nobody_wait_for_it() -> None:
    clock = Clock()
    pace = LocalPace(1e9, clock=clock)
    one, other = (Transport("test", requests_per_second=1, pace=pace, sleep=clock.sleep) for _ in range(2))
    with pytest.raises(Throttled):
        one.call(Script(Throttled("banned", retry_after_seconds=3600)))
    script = Script()
    with pytest.raises(BreakerOpen, match="3600 s of rest"):
        other.call(script)
    assert (script.calls, _long(clock.slept)) == (0, [])
    clock.now += 3601
    assert other.call(script) == "answer"


def test_after_the_rest_one_request_tries_and_its_answer_closes_the_breaker() -> None:
    transport, pace, _ = _listening(RetryPolicy(attempts=1, breaker_failures=2, breaker_rest_seconds=0))
    script = Script(*(Unavailable(name) for name in "abc"))
    for name in "abc":
        with pytest.raises(Unavailable, match=name):
            transport.call(script)
    assert transport.breaker_state == "open"
    assert transport.call(script) == "answer"
    assert transport.breaker_state == "closed"
    assert [state.value for state in pace.told] == ["closed", "open", "half-open", "open", "half-open", "closed"]


def test_while_one_request_tries_another_is_told_so() -> None:
    transport, _, _ = _listening(RetryPolicy(attempts=1, breaker_failures=1, breaker_rest_seconds=0))
    with pytest.raises(Unavailable):
        transport.call(Script(Unavailable("down")))

    def trial() -> str:
        with pytest.raises(BreakerOpen, match="one request finds out whether it is back; the last: down"):
            transport.call(Script())
        return "back"

    assert transport.call(trial) == "back"
    assert transport.call(Script()) == "answer"


def test_a_trial_that_is_interrupted_is_over() -> None:
    transport, _, _ = _listening(RetryPolicy(attempts=1, breaker_failures=1, breaker_rest_seconds=0))
    for error in (Unavailable("down"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            transport.call(Script(error))
    assert transport.call(Script()) == "answer"


def test_a_provider_that_rests_elsewhere_is_not_left_alone_here_for_longer() -> None:
    transport, pace, _ = _listening(RetryPolicy(breaker_failures=2, breaker_rest_seconds=600))
    pace.is_resting_elsewhere = True
    script = Script()
    for _ in range(10):
        with pytest.raises(BreakerOpen, match="left alone"):
            transport.call(script)
    assert (script.calls, transport.requests, pace.told) == (0, 0, [])
    pace.is_resting_elsewhere = False
    assert transport.call(script) == "answer"


def test_two_requests_are_on_their_way_at_once() -> None:
    transport, _, _ = _listening(RetryPolicy(attempts=1))
    both = threading.Barrier(2, timeout=30)

    def request() -> str:
        both.wait()  # breaks unless the other one is here as well
        return "answer"

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(transport.call, [request, request])) == ["answer", "answer"]
    assert transport.requests == 2


def test_usage_is_told_once() -> None:
    transport, pace, _ = _listening(RetryPolicy())
    transport.call(Script(Throttled("slow"), Unavailable("down")))
    transport.call(Script())
    transport.tell_usage()
    transport.tell_usage()
    transport.call(Script())
    transport.tell_usage()
    assert [(usage.requests, usage.throttled) for usage in pace.usages] == [(4, 1), (1, 0)]
    assert all(usage.latency_seconds is not None for usage in pace.usages)


def test_usage_of_threads_adds_up() -> None:
    transport, pace, _ = _listening(RetryPolicy())
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda _: (transport.call(Script()), transport.tell_usage()), range(400)):
            pass
    assert sum(usage.requests for usage in pace.usages) == transport.requests == 400


@pytest.mark.parametrize("value", ["²", "9" * 400, "-5", "1e3", "", "Thu, 99 Jan 2026 12:00:00 GMT", "\0"])
def test_a_retry_after_that_is_no_sound_number_breaks_nothing(value: str) -> None:
    told = retry_after_seconds({"Retry-After": value})
    assert told is None or told == 86_400  # a day at most: no header closes a provider for a year


@given(st.text(max_size=40))
def test_no_header_whatever_it_says_breaks_the_reader(value: str) -> None:
    seconds = retry_after_seconds({"Retry-After": value})
    assert seconds is None or 0 <= seconds <= 86_400
    moment = http_date(value)
    assert moment is None or moment.tzinfo is UTC


def test_a_date_behind_the_calendars_end_is_none() -> None:
    assert http_date("Fri, 31 Dec 9999 23:59:59 -1400") is None
