"""Which failures of a check stand, where its results speak of different things.

What belongs here: the rule. What does not: reading results, through Dagster (check_results.py) or without it
(dashboard/figures/runs.py).

A check has one name for all venues and months, and a run judges its own partitions alone. So a result that holds says nothing
of what another run judged seconds before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

# Bars are judged each half hour, and a round takes minutes: what fails in each round stays failed without a break, though a
# month of the same venue that is judged in the same round holds.
A_ROUND = timedelta(minutes=40)
# The rarest rounds come once a day; what nobody judges again, as a venue that was taken out, is then no more of concern.
STANDS_WITHIN = timedelta(hours=26)
MOST_FAILURES = 20  # newest ones of a check that are read as a whole, for their severity
_TIME = re.compile(r"\d{4}-\d{2}")


@dataclass(frozen=True)
class Judged:
    """A result of a check.

    Args:
        record: Its number in Dagster's storage; a later one is larger.
        holds: Whether what was judged is as it should be.
        at: When, UTC.
        what: The partition, or the ends of the range, that the run worked on; empty for all there is.
    """

    record: int
    holds: bool
    at: datetime
    what: str


def place_of(what: str) -> str:
    """Venue, network or domain of a partition; empty where it is of time alone. Pure."""
    _, cut, place = what.rpartition("|")
    return place if cut or not _TIME.match(what) else ""


def standing(results: Sequence[Judged], now: datetime) -> list[Judged]:
    """The failures that stand, newest first. Pure.

    A failure stands until the same is judged to hold. A later result for the same venue ends it, too, once a round is over: a
    new day or month follows the one that failed. One of another venue never does.

    Args:
        results: Of one check, newest first.
    """
    found, whats, places = list[Judged](), set[str](), set[str]()
    for one in results:
        place = place_of(one.what)
        is_last_word = place not in places or one.at > now - A_ROUND
        if not one.holds and one.what not in whats and is_last_word:
            found.append(one)
        whats.add(one.what)
        places.add(place)
        if not one.what:  # all there is was judged at once
            break
    return found
