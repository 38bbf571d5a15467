"""Following what is newest: as Redis tells it, and while it does not, by asking PostgreSQL again and again.

What belongs here: that, and that nothing comes twice or backwards when the one takes over from the other. What does not: one
value at a time (newest.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Select, select

from crypto_assets.client.newest import Found, Stored, stored_as
from crypto_assets.client.questions import QuestionRefused, listed
from crypto_assets.client.rendering import Source
from crypto_assets.latest.asking import LatestReader
from crypto_assets.latest.connecting import RedisAway
from crypto_assets.latest.values import (
    LatestBar,
    LatestBook,
    LatestPrediction,
    LatestQuote,
    LatestScore,
    LatestTicker,
    LatestValue,
    ValueMalformed,
)
from crypto_assets.warehouse.connection import DatabaseUnreachable
from crypto_assets.warehouse.read import read_arrow

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0
_LISTEN_SECONDS = 1.0  # between looks at the clock
# A row shows when its transaction has committed, which is after the moment it bears.
_COMMITTED_WITHIN = timedelta(seconds=60)
# How far back what is newest may lie in its own time when it is stored; further back nothing is looked at.
_LOOKED_AT = {
    LatestQuote: timedelta(minutes=5),
    LatestBook: timedelta(hours=1),
    LatestTicker: timedelta(hours=1),
    LatestBar: timedelta(days=3),
    LatestPrediction: timedelta(hours=6),
    LatestScore: timedelta(days=2),
}
_MOST_ROWS = 50_000


class Follower[V: LatestValue]:
    """Follows one kind from now on.

    Args:
        redis: Its own, listened to first; None where none is named.
        name: All parts of a value's name, or the first of them, or none for all values.
        poll_seconds: Between questions to PostgreSQL.

    Raises:
        NameUnknown: nothing is stored under that name.
        QuestionRefused: no kind of value, no name, or one of more parts than the kind has.
        DatabaseUnreachable, NotMigrated, ReadFailed: PostgreSQL, which knows the names, does not answer.
    """

    def __init__(
        self,
        source: Source,
        redis: LatestReader | None,
        kind: type[V],
        name: Sequence[str],
        *,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._source = source
        self._redis = redis
        self._kind = kind
        listed(name or None)
        self._name = tuple(name)
        self._poll_seconds = poll_seconds
        self._stored: Stored[V] = stored_as(kind)
        _refuse_longer(self._name, kind)
        source.names.require(self._stored.table(), self._stored.filters(self._name))
        self._seen: dict[tuple[str, ...], int] = {}
        self._since = datetime.now(UTC)

    def values(self, seconds: float | None) -> Iterator[Found[V]]:
        """Values as they come, each newer than the one before of the same name; for so long, or without an end.

        Raises:
            DatabaseUnreachable: neither Redis nor PostgreSQL answers.
            NotMigrated, ReadFailed: PostgreSQL answers otherwise than it should.
        """
        until = None if seconds is None else time.monotonic() + seconds
        try:
            while _left(until) > 0:
                yield from self._round(until)
                time.sleep(max(0.0, min(self._poll_seconds, _left(until))))
        finally:
            if self._redis is not None:
                self._redis.close()

    def _round(self, until: float | None) -> Iterator[Found[V]]:
        why = "no Redis is named"
        if self._redis is not None:
            try:
                yield from self._heard(self._redis, until)
            except RedisAway as error:
                why = error.problem
            else:
                return  # the time is over, and Redis told all of it
        yield from self._polled(why)

    def _heard(self, redis: LatestReader, until: float | None) -> Iterator[Found[V]]:
        with redis.listening(self._kind) as listening:
            yield from self._stored_before()
            while (left := _left(until)) > 0:
                try:
                    values = listening.next(min(_LISTEN_SECONDS, left))
                except ValueMalformed as error:
                    log.warning("what Redis told is not believed", error=str(error))
                    continue
                now = datetime.now(UTC)
                self._since = now
                for value in values:
                    if self._is_news(value):
                        yield Found(value, "redis", now)

    def _stored_before(self) -> Iterator[Found[V]]:
        """What was stored before Redis was listened to; while PostgreSQL is away, Redis is listened to without it."""
        try:
            yield from self._polled("Redis was not listened to until now")
        except DatabaseUnreachable as error:
            log.warning("values that were stored before Redis was listened to are not looked for", error=str(error))

    def _polled(self, why: str) -> Iterator[Found[V]]:
        asked = datetime.now(UTC)
        rows = read_arrow(self._source.warehouse, self._statement(asked)).to_pylist()
        self._since = asked
        for row in reversed(rows):
            value = self._stored.make(row)
            if self._is_news(value):
                yield Found(value, "postgres", asked, why)

    def _statement(self, asked: datetime) -> Select[*tuple[object, ...]]:
        table = self._stored.table()
        chosen: Select[*tuple[object, ...]] = select(*table.columns)
        for column, parts in self._stored.filters(self._name).items():
            chosen = chosen.where(table.c[column].in_(parts))
        at = table.c[self._stored.time]
        since = self._since - _COMMITTED_WITHIN
        chosen = chosen.where(at > asked - _LOOKED_AT[self._kind], table.c.ingested_at > since)
        # Where they are too many, the newest count: of the oldest nobody would ever catch up.
        return chosen.order_by(at.desc()).limit(_MOST_ROWS)

    def _is_news(self, value: V) -> bool:
        name = value.name
        if name[: len(self._name)] != self._name or value.at_us <= self._seen.get(name, -1):
            return False
        self._seen[name] = value.at_us
        return True


def _refuse_longer(name: Sequence[str], kind: type[LatestValue]) -> None:
    """A name that no value can have would be followed for ever."""
    if len(name) > len(kind.parts):
        raise QuestionRefused(
            f"A {kind.kind} is named by {', '.join(kind.parts)}, and {len(name)} names are given",
            way_out="Give these, the first of them, or none for all.",
        )


def _left(until: float | None) -> float:
    return _LISTEN_SECONDS if until is None else until - time.monotonic()


__all__ = ["POLL_SECONDS", "Follower"]
