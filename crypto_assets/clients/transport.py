"""How every provider is asked: within its pace, with retries, back-off, Retry-After and a circuit breaker.

What belongs here: what is the same for every provider. What does not: the classes of failures (failures.py), a provider's
URLs, payloads and budget (its own file), Dagster and SQL.

Five failures in a row open the provider's breaker; while it is open nothing is asked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import structlog
import tenacity

from crypto_assets.clients.breaker import Breaker, BreakerState
from crypto_assets.clients.failures import (
    BreakerOpen,
    Malformed,
    ProviderError,
    Rejected,
    Throttled,
    Unavailable,
)
from crypto_assets.clients.pacing import LocalPace, Pace, Usage

log = structlog.get_logger(__name__)

# No provider is left alone for longer because of a header alone.
_LONGEST_REST = 86_400.0
# A typical latency follows the newest answers: each counts a tenth.
_NEWEST_COUNTS = 0.1


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how patiently a request is repeated.

    The pauses grow as 0.5 s, 1 s, 2 s, 4 s (each with up to as much jitter again), so that four tries ride out a restart
    of the provider's front end; `max_retry_after_seconds` bounds what a Retry-After may ask before the market is given up.
    """

    attempts: int = 4
    first_pause_seconds: float = 0.5
    max_pause_seconds: float = 30.0
    max_retry_after_seconds: float = 120.0
    breaker_failures: int = 5
    breaker_rest_seconds: float = 60.0


class Transport:
    """Runs requests to one provider within its pace and policy; threads may share it.

    Args:
        provider: Its name, for messages.
        requests_per_second: Of plain requests; the pace within this process, where none is given.
        pace: Shared with others that ask the same provider.
    """

    def __init__(
        self,
        provider: str,
        *,
        requests_per_second: float,
        policy: RetryPolicy | None = None,
        pace: Pace | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.provider = provider
        self.policy = policy or RetryPolicy()
        self.requests = 0
        self.retried = 0
        self.throttled = 0
        self.latency_seconds: float | None = None
        self._pace = pace or LocalPace(requests_per_second)
        self._sleep = sleep
        self._lock = threading.Lock()
        self._told = Usage(0, 0, None)
        self._has_begun = False
        self._rests = 0  # how often the provider has asked for rest
        self._breaker = Breaker(self.policy.breaker_failures, self.policy.breaker_rest_seconds, tell=self._pace.tell)

    @property
    def breaker_state(self) -> str:
        """`closed`, `open` or `half-open`."""
        return self._breaker.status.state.value

    def call[T](self, request: Callable[[], T], cost: float = 1.0) -> T:
        """Run `request` until it answers or the policy says that it is enough.

        Args:
            request: Does one request and raises ProviderError classes only.
            cost: How many plain requests it counts for.

        Raises:
            Throttled, Unavailable, Rejected, Malformed: the last failure.
            BreakerOpen: without asking.
        """
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self.policy.attempts),
            wait=self._pause,
            retry=tenacity.retry_if_exception(self._is_worth_another_try),
            before_sleep=self._tell,
            sleep=self._sleep,
            reraise=True,
        )
        answer: T = retrying(self._through_breaker, request, cost)
        return answer

    def tell_usage(self) -> None:
        """Let the pace know what was asked since the last time."""
        with self._lock:
            now = Usage(self.requests, self.throttled, self.latency_seconds)
            before, self._told = self._told, now
        asked = Usage(now.requests - before.requests, now.throttled - before.throttled, now.latency_seconds)
        if asked.requests:
            self._pace.used(asked)

    def _through_breaker[T](self, request: Callable[[], T], cost: float) -> T:
        self._begin()
        if not self._breaker.admits():
            raise self._resting()
        self._wait_for_slot(cost)
        try:
            with self._lock:
                self.requests += 1
            began = time.monotonic()
            answer = request()
        except Rejected:
            self._breaker.succeeded()  # the provider is there, and said what it thinks
            raise
        except ProviderError as error:
            self._failed(error)
            raise
        except BaseException:
            self._breaker.failed("interrupted")  # a trial that never ended would keep the breaker half-open
            raise
        self._breaker.succeeded()
        self._timed(time.monotonic() - began)
        return answer

    def _begin(self) -> None:
        """Before the first request: failures that others have seen count on."""
        with self._lock:
            is_first, self._has_begun = not self._has_begun, True
        if is_first:
            self._breaker.carry_on(self._pace.failures())

    def _wait_for_slot(self, cost: float) -> None:
        """Return when the request may be sent.

        A rest that begins while this thread sleeps makes its slot void: the next one comes behind it.
        """
        try:
            while True:
                rests = self._rests
                self._sleep_if_worth_it(self._pace.reserve(cost))
                if rests == self._rests:
                    return
        except BaseException as error:
            # Were this a failure, runs that meet a resting provider would prolong its rest, one after the other, forever.
            self._breaker.not_asked(str(error))
            raise

    def _sleep_if_worth_it(self, wait: float) -> None:
        if wait > self.policy.max_retry_after_seconds:
            raise BreakerOpen(
                f"{self.provider} is not asked: it wants {wait:.0f} s of rest", way_out="The next run asks again."
            )
        if wait > 0:
            self._sleep(wait)
        if self._breaker.status.state is BreakerState.OPEN:
            raise self._resting()

    def _failed(self, error: ProviderError) -> None:
        if isinstance(error, Throttled):
            with self._lock:
                self.throttled += 1
            if error.retry_after_seconds is not None:
                with self._lock:
                    self._rests += 1
                self._pace.rest(error.retry_after_seconds)  # whoever else asks this provider waits as well
        self._breaker.failed(str(error))

    def _timed(self, seconds: float) -> None:
        with self._lock:
            before = self.latency_seconds
            self.latency_seconds = seconds if before is None else before + _NEWEST_COUNTS * (seconds - before)

    def _resting(self) -> BreakerOpen:
        status = self._breaker.status
        is_trying = status.state is BreakerState.HALF_OPEN
        told = "one request finds out whether it is back" if is_trying else f"{status.failures} failures in a row"
        return BreakerOpen(
            f"{self.provider} is not asked: {told}; the last: {status.why}",
            way_out=f"It is tried again after {status.rest_seconds:.0f} s.",
        )

    def _is_worth_another_try(self, error: BaseException) -> bool:
        if isinstance(error, Throttled):
            return (error.retry_after_seconds or 0) <= self.policy.max_retry_after_seconds
        return isinstance(error, (Unavailable, Malformed)) and not isinstance(error, BreakerOpen)

    def _pause(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, Throttled) and error.retry_after_seconds is not None:
            return 0.0  # the pace has no slot before that
        first, most = self.policy.first_pause_seconds, self.policy.max_pause_seconds
        grown = tenacity.wait_exponential(multiplier=first, max=most)(state)
        return grown + tenacity.wait_random(0, grown)(state)

    def _tell(self, state: tenacity.RetryCallState) -> None:
        with self._lock:
            self.retried += 1
        error = state.outcome.exception() if state.outcome else None
        log.warning(
            "asking again",
            provider=self.provider,
            attempt=state.attempt_number,
            pause_seconds=round(state.upcoming_sleep, 2),
            error=str(error),
        )


def retry_after_seconds(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """What a Retry-After header asks for: seconds or an HTTP date (RFC 9110, 10.2.3); None where there is none."""
    value = header(headers, "Retry-After")
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), _LONGEST_REST)
    moment = http_date(text)
    if moment is None:
        return None
    return min(max(0.0, (moment - (now or datetime.now(UTC))).total_seconds()), _LONGEST_REST)


def http_date(value: str) -> datetime | None:
    """An HTTP date as UTC; None where it is none."""
    try:
        moment = parsedate_to_datetime(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def header(headers: Mapping[str, str], name: str) -> str | None:
    """A header's value whatever the case of its name."""
    wanted = name.lower()
    return next((str(value) for key, value in headers.items() if key.lower() == wanted), None)
