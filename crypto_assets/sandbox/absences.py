"""Bars that a venue does not have: planted, and taken away again, while the sandbox runs.

What belongs here: what an absence is, and a source of bars without them. What does not: faults of single answers (faults.py);
an absence is the same in every answer until it is taken away.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from pydantic import BaseModel, ConfigDict

from crypto_assets.sandbox.bars import BarColumns, BarSource


class Absence(BaseModel):
    """A span of time for which a venue has no bars.

    Args:
        venue: Whose bars; * for all.
        symbol: Which market's; * for all, as in an outage.
        start: First moment without trades, UTC where it has no offset.
        end: Trades from here on.
        is_unlisted: The market is not in the venue's list while its clock stands in the span.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    venue: str = "*"
    symbol: str = "*"
    start: datetime
    end: datetime
    is_unlisted: bool = False

    def concerns(self, venue: str, symbol: str) -> bool:
        """Whether it is about this market."""
        return self.venue in {"*", venue} and self.symbol in {"*", symbol}

    @property
    def span_ms(self) -> tuple[int, int]:
        """The span in epoch milliseconds."""
        return _ms(self.start), _ms(self.end)


class WithAbsences:
    """A source of bars, without those that are absent now: a bar that no trade of could have fallen into is not served."""

    def __init__(self, source: BarSource) -> None:
        self._source = source
        self.absences: Sequence[Absence] = ()

    def symbols(self, venue: str) -> Sequence[str]:
        """Unified symbols of the venue's markets, without those that are not listed now."""
        if not any(one.is_unlisted for one in self.absences):
            return self._source.symbols(venue)
        return [symbol for symbol in self._source.symbols(venue) if not self._is_unlisted(venue, symbol)]

    def listed_ms(self, venue: str, symbol: str) -> int:
        """Since when the market is listed: not before an absence that lies over that has ended."""
        listed = self._source.listed_ms(venue, symbol)
        spans = [one.span_ms for one in self.absences if one.concerns(venue, symbol)]
        return max([listed, *(last for first, last in spans if first <= listed)])

    def now_ms(self, venue: str, symbol: str | None) -> int:
        """The venue's clock."""
        return self._source.now_ms(venue, symbol)

    def bars(self, venue: str, symbol: str, length_ms: int, start_ms: int, end_ms: int) -> BarColumns:
        """Bars opening in [start, end), the one still open included, those absent left out."""
        found = self._source.bars(venue, symbol, length_ms, start_ms, end_ms)
        for one in self.absences:
            first, last = one.span_ms
            if len(found) and one.concerns(venue, symbol) and first < end_ms + length_ms and last > start_ms:
                opened = found.opened_at_ms
                found = found.take(np.asarray((opened < first) | (opened + length_ms > last), dtype=bool))
        return found

    def _is_unlisted(self, venue: str, symbol: str) -> bool:
        now = self.now_ms(venue, symbol)
        spans = [one.span_ms for one in self.absences if one.is_unlisted and one.concerns(venue, symbol)]
        return any(first <= now < last for first, last in spans)


def _ms(moment: datetime) -> int:
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
