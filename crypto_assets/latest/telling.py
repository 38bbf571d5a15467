"""Telling Redis what is newest: a thread that writes, so that nobody who has something to tell ever waits for it.

What belongs here: the queue, the statement, what happens while Redis is away, what is counted. What does not: who tells, and
reading (asking.py).

A round takes all that waits, keeps the newest of each name, and writes it with one call a kind; Redis itself passes over what
is older than what it holds, whoever wrote that. While it is away the queue drops its oldest, attempts grow rarer, and the log
says so once and then now and again. Rows in PostgreSQL are never held up by any of it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import batched
from typing import TYPE_CHECKING, Protocol

import structlog
from pydantic import SecretStr

from crypto_assets.latest.connecting import RedisAway, RedisRefused, dial, failures, named
from crypto_assets.latest.values import LatestValue, channel, encoded, key

if TYPE_CHECKING:
    from redis import Redis

log = structlog.get_logger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 30.0  # seconds between attempts
GOODBYE_SECONDS = 3.0  # for what waits at the end: longer than connecting and one answer
REMIND_SECONDS = 600.0  # the same trouble is told again
MOST_BATCHES = 10_000  # that wait: a run tells one a market
MOST_NAMES = 20_000  # of which a value is kept while Redis is away: some ten megabytes
_CALL = 1000  # values in one call: a millisecond or two, in which Redis answers nobody else

# KEYS: one a value. ARGV: the channel, then for each value its moment, its life in milliseconds and its text.
_TELL = """
local told = {}
for place, key in ipairs(KEYS) do
  local at, life, text = ARGV[3 * place - 1], ARGV[3 * place], ARGV[3 * place + 1]
  local held = redis.pcall('GET', key)
  local held_at = type(held) == 'string' and tonumber(string.match(held, '^{"at_us":(%-?%d+)'))
  if not held_at or held_at <= tonumber(at) then
    redis.call('SET', key, text, 'PX', life)
    told[#told + 1] = text
  end
end
if #told > 0 then redis.call('PUBLISH', ARGV[1], '[' .. table.concat(told, ',') .. ']') end
return #told
"""


@dataclass
class ToldCounters:
    """What a teller counts; they only rise. Its thread alone writes the first four, and whoever holds its lock the last one.

    Args:
        values: Told and newer than what Redis held.
        passed_over: Not told: something as new was there, or their life was over.
        calls: Made.
        failures: Attempts that failed.
        dropped: Batches that Redis did not keep up with; batches, and single values, of which nothing could be made to tell.
    """

    values: int = 0
    passed_over: int = 0
    calls: int = 0
    failures: int = 0
    dropped: int = 0


class Tell(Protocol):
    """What whoever has something to tell is given."""

    def put(self, values: Iterable[LatestValue]) -> None:
        """Tell these when there is time; returns at once. They are gone through later, in another thread."""


class Silence:
    """Tells nobody: no Redis is named."""

    def put(self, values: Iterable[LatestValue]) -> None:
        """Nothing."""


SILENCE = Silence()


class Teller:
    """Tells one Redis. Making it starts nothing; the first batch starts its thread.

    Args:
        profile: Whose values these are.
        most_batches: So many wait; then the oldest is dropped.
        now: Microseconds since 1970, UTC.
    """

    def __init__(
        self,
        url: SecretStr,
        profile: str,
        *,
        most_batches: int = MOST_BATCHES,
        now: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._url = url
        self._profile = profile
        self._now = now
        self.counters = ToldCounters()
        self._waiting: deque[Iterable[LatestValue]] = deque()
        self._most_batches = most_batches
        self._unsent: dict[str, LatestValue] = {}
        self._changed = threading.Condition()
        self._is_leaving = False
        self._thread: threading.Thread | None = None
        self._trouble = _Trouble()

    def put(self, values: Iterable[LatestValue]) -> None:
        """See Tell."""
        with self._changed:
            if self._is_leaving:
                return
            self._waiting.append(values)
            if len(self._waiting) > self._most_batches:
                self._waiting.popleft()
                self.counters.dropped += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="latest values", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self, seconds: float = GOODBYE_SECONDS) -> bool:
        """Tell what waits, unless Redis is away, and end; whether it has ended."""
        with self._changed:
            self._is_leaving = True
            self._changed.notify()
            thread = self._thread
        if thread is None:
            return True
        thread.join(seconds)
        return not thread.is_alive()

    def _run(self) -> None:
        client: Redis | None = None
        pause = 0.0
        while self._may_go_on(pause):
            try:
                client = client or dial(self._url)
                self._round(client)
            except RedisAway as error:
                failure = error
            except failures() as error:
                failure = named(error, self._url)
            except Exception:  # whatever it is, it must not end the telling of what comes later
                log.exception("latest values could not be told")
                continue
            else:
                pause = 0.0
                self._trouble.over()
                continue
            self.counters.failures += 1
            self._trouble.has(failure, len(self._unsent))
            is_refused = isinstance(failure, RedisRefused)
            pause = LONGEST_PAUSE if is_refused else min(LONGEST_PAUSE, max(FIRST_PAUSE, 2 * pause))
        if client is not None:
            client.close()

    def _may_go_on(self, pause: float) -> bool:
        """Wait for something to tell, or after a failure for the time of the next attempt; false at the end."""
        with self._changed:
            if pause:
                self._changed.wait_for(lambda: self._is_leaving, pause)
                return not self._is_leaving  # what Redis did not take until now is not worth waiting for
            self._changed.wait_for(lambda: self._waiting or self._is_leaving)
            return bool(self._waiting)

    def _round(self, client: Redis) -> None:
        """Tell all that waits; what could not be told stays for the next round."""
        with self._changed:
            batches = list(self._waiting)
            self._waiting.clear()
        for values in batches:
            with self._no_other_lost():
                self._gather(values)
        now = self._now()
        for place in [place for place, value in self._unsent.items() if value.until_us <= now]:
            del self._unsent[place]
            self.counters.passed_over += 1
        for kind, named_values in _by_kind(self._unsent).items():
            for some in batched(named_values.items(), _CALL):
                self._call(client, channel(self._profile, kind), dict(some), now)

    def _gather(self, values: Iterable[LatestValue]) -> None:
        """Of each name the newest."""
        for value in values:
            place = key(self._profile, type(value), value.name)
            held = self._unsent.pop(place, None)
            if held is not None:
                self.counters.passed_over += 1
            self._unsent[place] = value if held is None or held.at_us <= value.at_us else held
            if len(self._unsent) > MOST_NAMES:
                del self._unsent[next(iter(self._unsent))]
                self.counters.passed_over += 1

    def _call(self, client: Redis, to: str, values: Mapping[str, LatestValue], now: int) -> None:
        places: list[bytes] = []
        arguments: list[str | int | bytes] = [to]
        for place, value in values.items():
            written = self._written(place, value)
            if written is None:
                del self._unsent[place]  # or it would end every round until its life is over
                continue
            places.append(written[0])
            arguments += (value.at_us, max(1, (value.until_us - now) // 1000), written[1])
        if not places:
            return
        told = client.register_script(_TELL)(keys=places, args=arguments)
        self.counters.calls += 1
        self.counters.values += int(told)
        self.counters.passed_over += len(places) - int(told)
        for place in values:
            self._unsent.pop(place, None)

    def _written(self, place: str, value: LatestValue) -> tuple[bytes, bytes] | None:
        """Key and text; None where there is no way to write them."""
        with self._no_other_lost():
            return place.encode(), encoded(value)
        return None

    @contextmanager
    def _no_other_lost(self) -> Iterator[None]:
        """A batch or value that cannot be made is counted and logged, and all others are told."""
        try:
            yield
        except Exception:
            log.exception("latest values could not be told")
            with self._changed:
                self.counters.dropped += 1


@dataclass(frozen=True)
class LatestValues:
    """Where the newest of everything is told; what assets and the stream are given. Making it opens nothing.

    Args:
        url: Of a Redis; None tells nobody, and Redis' driver is never imported.
        profile: Stands in each key, so that no profile sees another's values.
    """

    url: SecretStr | None = field(default=None, repr=False)
    profile: str = "live"

    @contextmanager
    def telling(self) -> Iterator[Tell]:
        """What tells, until the end of the block, where what waits is still told."""
        teller = self.teller()
        if teller is None:
            yield SILENCE
            return
        try:
            yield teller
        finally:
            teller.close()

    def teller(self, *, most_batches: int = MOST_BATCHES) -> Teller | None:
        """The same for whoever ends it by itself; None where no Redis is named."""
        return None if self.url is None else Teller(self.url, self.profile, most_batches=most_batches)


class _Trouble:
    """What the log says of it: once, then now and again, and when it is over."""

    def __init__(self) -> None:
        self._kind: type[RedisAway] | None = None  # its words may differ from attempt to attempt
        self._said_at = 0.0

    def has(self, failure: RedisAway, waiting: int) -> None:
        now = time.monotonic()
        if type(failure) is self._kind and now - self._said_at < REMIND_SECONDS:
            return
        self._kind, self._said_at = type(failure), now
        log.warning("latest values are not told; everything else goes on", error=str(failure), waiting=waiting)

    def over(self) -> None:
        if self._kind is not None:
            log.info("latest values are told again")
        self._kind = None


def _by_kind(values: Mapping[str, LatestValue]) -> dict[type[LatestValue], dict[str, LatestValue]]:
    kinds: dict[type[LatestValue], dict[str, LatestValue]] = {}
    for place, value in values.items():
        kinds.setdefault(type(value), {})[place] = value
    return kinds


__all__ = ["GOODBYE_SECONDS", "SILENCE", "LatestValues", "Silence", "Tell", "Teller", "ToldCounters"]
