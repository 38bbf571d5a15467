"""What is alike for all markets of a run, made once for its threads.

What belongs here: keeping what was made under the question that it answers. What does not: making it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import cast

# Macro, fees of three chains, headlines and moods, for the stretch of time at work and the one that threads change over to.
KEPT = 16


class Shared:
    """Answers that several threads share; the ones asked for last are kept."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, object] = OrderedDict()

    def once[Made](self, question: Hashable, make: Callable[[], Made]) -> Made:
        """What `make` gives, or gave when the question was asked before. Other threads wait meanwhile.

        Args:
            question: Everything that the answer depends on.
            make: May not ask in turn. What it raises is raised here, and nothing is kept.
        """
        with self._lock:
            if question not in self._kept:
                self._kept[question] = make()
                if len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(question)
            return cast(Made, self._kept[question])
