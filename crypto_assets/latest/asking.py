"""Asking Redis for what is newest, and listening to what is told.

What belongs here: both, checked, and how a Redis that is away is left alone for a while. What does not: telling (telling.py)
and what is read in its place (client/).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from pydantic import SecretStr

from crypto_assets.latest.connecting import RedisAway, dial, failures, named
from crypto_assets.latest.values import LatestValue, ValueMalformed, channel, decoded, decoded_list, key

if TYPE_CHECKING:
    from redis import Redis
    from redis.client import PubSub

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds in which a Redis that failed is not asked again


class LatestReader:
    """Reads one profile's newest values; a context manager, for one thread at a time. Making it connects nowhere.

    Args:
        profile: Whose values.
        now: Microseconds since 1970, UTC.
    """

    def __init__(
        self, url: SecretStr, profile: str, *, now: Callable[[], int] = lambda: time.time_ns() // 1000
    ) -> None:
        self._url = url
        self._profile = profile
        self._now = now
        self._client: Redis | None = None
        self._pause = 0.0
        self._again_at = 0.0
        self._failure = RedisAway("Redis was not asked yet")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back; the next question opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def get[V: LatestValue](self, kind: type[V], *name: str) -> V | None:
        """The newest value of a name; None where Redis has none that anybody should go by.

        Raises:
            RedisAway, RedisRefused: it does not answer, or did not a moment ago.
            ValueMalformed: something else stands there.
        """
        with self._asking() as client:
            text = client.get(key(self._profile, kind, name))
        if text is None:
            return None
        if not isinstance(text, bytes):
            raise ValueMalformed(f"Redis answered a question for a {kind.kind} with {type(text).__name__}")
        value = decoded(text, kind)
        if value.name != name:
            raise ValueMalformed(f"Under the key of {kind.kind} {' '.join(name)} stands that of {' '.join(value.name)}")
        return value if value.until_us > self._now() else None

    @contextmanager
    def listening[V: LatestValue](self, kind: type[V]) -> Iterator[Listening[V]]:
        """What is told of a kind from now on.

        Raises:
            RedisAway, RedisRefused: as for `get`; in the block, the connection broke.
        """
        with self._asking() as client:
            heard: PubSub = client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
            try:
                heard.subscribe(channel(self._profile, kind))
                yield Listening(heard, kind)
            finally:
                heard.close()

    @contextmanager
    def _asking(self) -> Iterator[Redis]:
        """A client, unless Redis failed a moment ago; a failure in the block is named, and Redis left alone for a while."""
        if time.monotonic() < self._again_at:
            raise self._failure
        try:
            if self._client is None:
                self._client = dial(self._url)
            yield self._client
        except RedisAway as error:
            raise self._left_alone(error) from None
        except failures() as error:
            raise self._left_alone(named(error, self._url)) from None
        self._pause = 0.0

    def _left_alone(self, failure: RedisAway) -> RedisAway:
        self._failure = failure
        self._pause = min(LONGEST_PAUSE, max(FIRST_PAUSE, 2 * self._pause))
        self._again_at = time.monotonic() + self._pause
        return failure


class Listening[V: LatestValue]:
    """A subscription to one kind."""

    def __init__(self, heard: PubSub, kind: type[V]) -> None:
        self._heard = heard
        self._kind = kind

    def next(self, seconds: float) -> list[V]:
        """The values of the next message; none where no message comes in that time.

        Raises:
            ValueMalformed: something else was told.
        """
        message = self._heard.get_message(timeout=seconds)
        if message is None or message.get("type") != "message":
            return []
        data = message["data"]
        return decoded_list(data if isinstance(data, bytes) else str(data).encode(), self._kind)


__all__ = ["LatestReader", "Listening"]
