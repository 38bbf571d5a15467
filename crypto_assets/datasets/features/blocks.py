"""How far back a derived value looks, so that it is the same whenever and over whatever range it is computed.

What belongs here: cutting a window into calendar years and giving each its history. What does not: reading it.

A recursive average depends on where it starts. If it started where a run's window starts, the same hour would get different
numbers from a daily run and from a backfill. So every value of a calendar year is computed from the bars since
`HISTORY_BARS` before that year, and from none before: the weight of what lies earlier is below one part in 10^12 for the
slowest average here, and a backfill of older years changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from crypto_assets.universe import TIMEFRAME_LENGTH

# The slowest average here (Wilder's over 14 bars, twice) has forgotten its start after 400 bars to one part in 10^12, and the
# longest window is 720. 100 whole days of hours, so that sessions start whole; 40 hours of minutes.
HISTORY_BARS = 2_400
# Bars read at once: four years of hours go in one piece, so that two threads end together even with few markets; a year of
# minutes (525,600) is a piece of its own.
STRETCH_BARS = 40_000


@dataclass(frozen=True)
class Block:
    """A part of a calendar year whose values are wanted: bars opening in [start, end), UTC.

    Args:
        history_from: The first opening time that its values may rest on.
    """

    history_from: datetime
    start: datetime
    end: datetime


def blocks_of(start: datetime, end: datetime, timeframe: str) -> list[Block]:
    """The window's calendar years, each with its history."""
    history = HISTORY_BARS * TIMEFRAME_LENGTH[timeframe]
    years = [datetime(year, 1, 1, tzinfo=UTC) for year in range(start.year, end.year + 2)]
    parts = [(year, max(start, year), min(end, after)) for year, after in pairwise(years)]
    return [Block(year - history, first, last) for year, first, last in parts if first < last]


def stretches(blocks: Sequence[Block], timeframe: str) -> Iterator[list[Block]]:
    """The blocks in pieces that are read at once: as many as stay below `STRETCH_BARS`, at least one."""
    piece: list[Block] = []
    for block in blocks:
        bars = (block.end - (piece[0] if piece else block).history_from) / TIMEFRAME_LENGTH[timeframe]
        if piece and bars > STRETCH_BARS:
            yield piece
            piece = []
        piece.append(block)
    if piece:
        yield piece
