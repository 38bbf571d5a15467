"""How every provider is asked: typed errors, retries with back-off, Retry-After, a circuit breaker.

What belongs here: what is the same for every provider. What does not: a provider's URLs, payloads and budget (its own
file), Dagster and SQL.

An error is one of four classes, and the class decides what happens: Throttled waits as long as the provider says,
Unavailable and Malformed are asked again with growing, jittered pauses, Rejected is final. Five failures in a row open
the provider's breaker; while it is open nothing is asked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pybreaker
import structlog
import tenacity

from crypto_assets.errors import CryptoAssetsError

log = structlog.get_logger(__name__)


class ProviderError(CryptoAssetsError):
    """A provider did not give what it was asked for."""


class Throttled(ProviderError):
    """Asked too often (429, 418, or the provider's own words for it).

    Args:
        retry_after_seconds: How long the provider asks us to wait; None where it does not say.
    """

    def __init__(self, problem: str, *, way_out: str = "", retry_after_seconds: float | None = None) -> None:
        super().__init__(problem, way_out=way_out)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(ProviderError):
    """No answer, or the provider says that it cannot answer now."""


class BreakerOpen(Unavailable):
    """Not asked: the provider failed too often in a row, and is left alone for a while."""


class Rejected(ProviderError):
    """The provider understood and refused: asking again brings the same."""


class Malformed(ProviderError):
    """An answer that cannot be what was asked for.

    Args:
        payload: The answer as it came, for the quarantine.
    """

    def __init__(self, problem: str, *, way_out: str = "", payload: object = None) -> None:
        super().__init__(problem, way_out=way_out)
        self.payload = payload


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


class Budget:
    """Even pacing: no two requests closer than 1 / requests_per_second; threads may share it.

    Even spacing rather than bursts, because venues count over windows whose start nobody knows.
    """

    def __init__(self, requests_per_second: float, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._interval = 1 / requests_per_second
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next_slot = 0.0

    def wait(self) -> None:
        """Return when the next request may be sent."""
        with self._lock:
            now = time.monotonic()
            slot = max(now, self._next_slot)
            self._next_slot = slot + self._interval
        if slot > now:
            self._sleep(slot - now)


class Transport:
    """Runs requests to one provider within its budget and policy; threads may share it."""

    def __init__(
        self,
        provider: str,
        *,
        requests_per_second: float,
        policy: RetryPolicy | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.provider = provider
        self.requests = 0
        self._budget = Budget(requests_per_second, sleep=sleep)
        self.policy = policy or RetryPolicy()
        self.retried = 0
        self._sleep = sleep
        self._breaker = pybreaker.CircuitBreaker(
            fail_max=self.policy.breaker_failures,
            reset_timeout=self.policy.breaker_rest_seconds,
            exclude=[Rejected],
            throw_new_error_on_trip=False,
            name=provider,
        )

    @property
    def breaker_state(self) -> str:
        """`closed`, `open` or `half-open`."""
        return str(self._breaker.current_state)

    def call[T](self, request: Callable[[], T]) -> T:
        """Run `request` until it answers or the policy says that it is enough.

        Args:
            request: Does one request and raises ProviderError classes only.

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
        answer: T = retrying(self._through_breaker, request)
        return answer

    def _through_breaker[T](self, request: Callable[[], T]) -> T:
        if self._breaker.current_state != pybreaker.STATE_OPEN:
            self._budget.wait()
            self.requests += 1
        try:
            answer: T = self._breaker.call(request)
        except pybreaker.CircuitBreakerError:
            raise BreakerOpen(
                f"{self.provider} is not asked: {self.policy.breaker_failures} failures in a row",
                way_out=f"It is tried again after {self.policy.breaker_rest_seconds:.0f} s.",
            ) from None
        return answer

    def _is_worth_another_try(self, error: BaseException) -> bool:
        if isinstance(error, Throttled):
            return (error.retry_after_seconds or 0) <= self.policy.max_retry_after_seconds
        return isinstance(error, (Unavailable, Malformed)) and not isinstance(error, BreakerOpen)

    def _pause(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, Throttled) and error.retry_after_seconds is not None:
            return error.retry_after_seconds
        first, most = self.policy.first_pause_seconds, self.policy.max_pause_seconds
        grown = tenacity.wait_exponential(multiplier=first, max=most)(state)
        return grown + tenacity.wait_random(0, grown)(state)

    def _tell(self, state: tenacity.RetryCallState) -> None:
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
    if value.strip().isdigit():
        return float(value)
    moment = http_date(value)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds()) if moment else None


def http_date(value: str) -> datetime | None:
    """An HTTP date as UTC; None where it is none."""
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def header(headers: Mapping[str, str], name: str) -> str | None:
    """A header's value whatever the case of its name."""
    wanted = name.lower()
    return next((str(value) for key, value in headers.items() if key.lower() == wanted), None)
