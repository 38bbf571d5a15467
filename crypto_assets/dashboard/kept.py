"""Answers that are kept for some seconds: however many ask, the database is asked once.

What belongs here: keeping one answer, and answers by what was asked. What does not: what the answers are.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from crypto_assets.errors import CryptoAssetsError

FAILURE_SECONDS = 3.0  # a database that is away is asked again so soon, and no sooner


class Kept[T]:
    """One answer, made when somebody asks and the last one is too old. Safe for threads: one makes it, the others wait.

    Args:
        make: Makes it.
        seconds: It is good for so long; a failure for `FAILURE_SECONDS` at most.
        clock: Seconds of a clock that never goes back.
    """

    def __init__(self, make: Callable[[], T], seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._make = make
        self._seconds = seconds
        self._clock = clock
        self._lock = Lock()
        self._answers: list[T] = []  # one or none
        self._failure: tuple[str, str] = ("", "")
        self._good_until = float("-inf")

    def get(self) -> T:
        """The answer.

        Raises:
            CryptoAssetsError: it could not be made, now or just before.
        """
        with self._lock:
            if self._clock() >= self._good_until:
                self._renew()
            if not self._answers:
                raise CryptoAssetsError(self._failure[0], way_out=self._failure[1])
            return self._answers[0]

    def _renew(self) -> None:
        self._answers = []
        seconds = self._seconds
        try:
            self._answers = [self._make()]
        except (
            CryptoAssetsError
        ) as error:  # told to whoever asks within the next seconds, each with an error of its own
            self._failure = (error.problem, error.way_out)
            seconds = min(seconds, FAILURE_SECONDS)
        self._good_until = self._clock() + seconds


class KeptByQuestion[Q, T]:
    """Answers by question; the ones that nobody has asked for longest go.

    Args:
        make: Makes the answer of a question, which has to be hashable.
        seconds: Each is good for so long.
        most: So many are kept.
    """

    def __init__(self, make: Callable[[Q], T], seconds: float, *, most: int = 64) -> None:
        self._make = make
        self._seconds = seconds
        self._most = most
        self._lock = Lock()
        self._kept: OrderedDict[Q, Kept[T]] = OrderedDict()

    def get(self, question: Q) -> T:
        """The answer.

        Raises:
            CryptoAssetsError: as for `Kept.get`.
        """
        with self._lock:
            if question not in self._kept:
                self._kept[question] = Kept(lambda: self._make(question), self._seconds)
                if len(self._kept) > self._most:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(question)
            kept = self._kept[question]
        return kept.get()


__all__ = ["FAILURE_SECONDS", "Kept", "KeptByQuestion"]
