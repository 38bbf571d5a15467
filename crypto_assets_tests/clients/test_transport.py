"""Retries, Retry-After, the breaker and the budget, without a network: the request is a function."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from crypto_assets.clients.failures import BreakerOpen, Malformed, Rejected, Throttled, Unavailable
from crypto_assets.clients.pacing import LocalPace
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
