"""Bars that a training set lacks, and what the gap ledger said of them at its moment.

What belongs here: counting bars due and bars absent. What does not: the ledger (quality/coverage.py).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from crypto_assets.datasets.features.source import Source
from crypto_assets.quality.coverage import SeriesKey
from crypto_assets.quality.gaps import State
from crypto_assets.schema.bookkeeping import coverage
from crypto_assets.spans import Span
from crypto_assets.universe import TIMEFRAME_LENGTH

_ORIGIN = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Holes:
    """What is absent of one market.

    Args:
        due: Bars that open in the span and closed by the moment.
        by_state: Of them, those that the ledger had as absent, by its state.
    """

    due: int
    by_state: dict[str, int]

    def unlabelled(self, rows: int) -> int:
        """Bars that are neither there nor in the ledger."""
        return max(0, self.due - rows - sum(self.by_state.values()))


def read_holes(source: Source, key: SeriesKey, span: Span) -> Holes:
    """The holes of one market in a span, as the ledger stood at the source's moment.

    Args:
        source: With a moment.
        key: The market.
        span: Of opening times.
    """
    length = TIMEFRAME_LENGTH[key.timeframe]
    end = span[1] if source.as_of is None else min(span[1], source.as_of - length + timedelta(microseconds=1))
    c = coverage.c
    where = (
        (c.dataset == key.dataset) & (c.venue == key.venue) & (c.symbol == key.symbol) & (c.timeframe == key.timeframe)
        & (c.gap_end > span[0]) & (c.gap_start < end) & (c.state != State.REPAIRED.value)
    )  # fmt: skip
    t = source.stands(coverage, where).c
    found: Counter[str] = Counter()
    for row in source.reader.frame(select(t.gap_start, t.gap_end, t.state)).to_dict("records"):
        gap = (max(row["gap_start"].to_pydatetime(), span[0]), min(row["gap_end"].to_pydatetime(), end))
        found[str(row["state"])] += bars_in(gap, length)
    return Holes(bars_in((span[0], end), length), dict(sorted(found.items())))


def bars_in(span: Span, length: timedelta) -> int:
    """How many bars of that length open in [start, end). Pure."""
    first, stop = (-(-(at - _ORIGIN) // length) for at in span)
    return max(0, stop - first)


__all__ = ["Holes", "bars_in", "read_holes"]
