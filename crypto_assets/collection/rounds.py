"""A round over a venue's markets: each due market has its turns, several at once, until nothing is due or time is up.

What belongs here: the loop. What does not: whose turn it is (rotation.py), what a turn does (datasets) and Dagster.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Protocol, Self

from crypto_assets.collection.rotation import Turn, most_urgent, next_due

_LONGEST_SLEEP = 1.0  # while waiting for the next due market, so that an interruption is noticed
_SHORTEST_SLEEP = 0.001  # a wait below a clock's resolution would pass no time on it


class Session(Protocol):
    """A client for one thread."""

    def twin(self) -> Self:
        """Another one for another thread."""

    def close(self) -> None:
        """Let its connection go."""


@dataclass(frozen=True)
class Polled[T]:
    """What a turn came to.

    Args:
        outcome: For the caller.
        interval: Seconds until the market is due again; 0 where there is more to fetch at once.
        is_over: Whether the venue is left alone from here on, so that nobody else has a turn.
    """

    outcome: T
    interval: float
    is_over: bool = False


@dataclass(frozen=True)
class Round[T]:
    """What a round came to.

    Args:
        outcomes: Of each turn, in the order in which they ended: the market's name and its outcome.
        waited: Longest time in seconds that each market was due before its turn came.
        postponed: Markets that were due and had no turn any more.
    """

    outcomes: Sequence[tuple[str, T]]
    waited: Mapping[str, float]
    postponed: Sequence[str]


def run_round[S: Session, T](
    session: S,
    turns: Sequence[Turn],
    poll: Callable[[S, Turn, float], Polled[T]],
    *,
    workers: int,
    seconds: float,
    linger: bool = False,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> Round[T]:
    """Give every due market its turns.

    Args:
        session: The first worker's client; the others get twins.
        turns: The markets.
        poll: Does one turn: with a client, the turn, and the seconds of the round that it was due before its turn came.
        workers: Turns at the same time; one market never has two.
        seconds: No turn begins later than that after the round's begin.
        linger: Go on for all of `seconds`, each market whenever it is due, instead of ending when none is.
    """
    began = clock()
    left = {turn.name: turn for turn in turns}
    outcomes: list[tuple[str, T]] = []
    waited: dict[str, float] = {}
    running: dict[Future[Polled[T]], Turn] = {}
    is_over = False
    with _clients(session, workers) as lend, ThreadPoolExecutor(workers, thread_name_prefix="poll") as pool:
        while True:
            now = clock()
            may_begin = not is_over and now < began + seconds
            while may_begin and len(running) < workers and (turn := most_urgent(left.values(), now)):
                del left[turn.name]
                late = max(0.0, now - max(turn.due_at, began))
                waited[turn.name] = max(late, waited.get(turn.name, 0.0))
                running[pool.submit(copy_context().run, lend(poll), turn, late)] = turn
            if running:
                done, _ = wait(running, return_when=FIRST_COMPLETED, timeout=_LONGEST_SLEEP)
                for future in done:
                    turn, polled = running.pop(future), future.result()
                    outcomes.append((turn.name, polled.outcome))
                    is_over = is_over or polled.is_over
                    left[turn.name] = _next_turn(turn, polled.interval, clock())
                continue
            due = next_due(left.values())
            if is_over or not may_begin or due is None or (due > now and not linger):
                break
            sleep(min(_LONGEST_SLEEP, max(_SHORTEST_SLEEP, min(due, began + seconds) - now)))
    end = clock()
    return Round(outcomes, waited, sorted(turn.name for turn in left.values() if turn.due_at <= end))


def _next_turn(turn: Turn, interval: float, now: float) -> Turn:
    if interval > 0:
        return Turn(turn.name, now, interval, turn.share)
    # It has more to fetch: due at once, but behind those that have waited a whole interval.
    return Turn(turn.name, now - turn.interval, turn.interval, turn.share)


@contextmanager
def _clients[S: Session, T](
    session: S, workers: int
) -> Iterator[Callable[[Callable[[S, Turn, float], Polled[T]]], Callable[[Turn, float], Polled[T]]]]:
    """Lends each running turn a client of its own."""
    free: SimpleQueue[S] = SimpleQueue()
    free.put(session)

    def lend(poll: Callable[[S, Turn, float], Polled[T]]) -> Callable[[Turn, float], Polled[T]]:
        def run(turn: Turn, waited: float) -> Polled[T]:
            client = free.get()
            try:
                return poll(client, turn, waited)
            finally:
                free.put(client)

        return run

    with ExitStack() as twins:
        for _ in range(workers - 1):
            twin = session.twin()
            twins.callback(twin.close)
            free.put(twin)
        yield lend
