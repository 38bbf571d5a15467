"""Arithmetic of half-open spans of time, [start, end).

What belongs here: pure functions over lists of spans. What does not: what a span stands for.

Every result is in order, its spans apart from each other and none empty; arguments may be in any order and overlap.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

type Span = tuple[datetime, datetime]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SpanIndex:
    """Many spans, quick to ask what of them lies in another one."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._spans = union(spans)
        self._starts = [start for start, _ in self._spans]

    def within(self, span: Span) -> list[Span]:
        """What of the spans lies in `span`."""
        start, end = span
        found = []
        for i in range(max(0, bisect_right(self._starts, start) - 1), len(self._spans)):
            if self._starts[i] >= end:
                break
            common = max(start, self._starts[i]), min(end, self._spans[i][1])
            if common[0] < common[1]:
                found.append(common)
        return found


def union(spans: Iterable[Span]) -> list[Span]:
    """What lies in any of the spans; spans that touch become one."""
    joined: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def intersection(one: Iterable[Span], other: Iterable[Span]) -> list[Span]:
    """What lies in both."""
    left, right = union(one), union(other)
    common: list[Span] = []
    i = j = 0
    while i < len(left) and j < len(right):
        start, end = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if start < end:
            common.append((start, end))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return common


def difference(one: Iterable[Span], other: Iterable[Span]) -> list[Span]:
    """What lies in the first and not in the second."""
    taken = union(other)
    rest: list[Span] = []
    j = 0
    for begin, end in union(one):
        start = begin
        while j < len(taken) and taken[j][1] <= start:
            j += 1
        k = j
        while k < len(taken) and taken[k][0] < end:
            if taken[k][0] > start:
                rest.append((start, taken[k][0]))
            start = max(start, taken[k][1])
            k += 1
        if start < end:
            rest.append((start, end))
    return rest


def hull(spans: Sequence[Span]) -> Span | None:
    """The shortest span around them all; None where there are none."""
    return (min(start for start, _ in spans), max(end for _, end in spans)) if spans else None


def floored(at: datetime, length: timedelta) -> datetime:
    """The last whole multiple of a length since 1970 that does not lie behind a moment."""
    return at - (at - _EPOCH) % length


def ceiled(at: datetime, length: timedelta) -> datetime:
    """The first whole multiple of a length since 1970 that does not lie before a moment."""
    return at + (_EPOCH - at) % length
