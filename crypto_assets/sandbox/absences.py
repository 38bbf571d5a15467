"""Bars and trades that a venue does not have: planted, and taken away again, while the sandbox runs.

What belongs here: what an absence is, and a source without them. What does not: faults of single answers (faults.py);
an absence is the same in every answer until it is taken away.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from pydantic import BaseModel, ConfigDict

from crypto_assets.sandbox.bars import BarColumns
from crypto_assets.sandbox.trades import MarketSource, TradeColumns, join_trades


class Absence(BaseModel):
    """A span of time for which a venue has no bars and no trades.

    Args:
        venue: Whose; * for all.
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
    """A source without what is absent now: trades in the span, and bars that lie in it wholly. The ids of those trades are
    missing.
    """

    def __init__(self, source: MarketSource) -> None:
        self._source = source
        self.absences: Sequence[Absence] = ()

    def symbols(self, venue: str) -> Sequence[str]:
        """Unified symbols of the venue's markets, without those that are not listed now."""
        if not any(one.is_unlisted for one in self.absences):
            return self._source.symbols(venue)
        return [symbol for symbol in self._source.symbols(venue) if not self._is_unlisted(venue, symbol)]

    def finest_ms(self, venue: str, symbol: str) -> int | None:
        """The shortest length of bar that there is of the market, ms."""
        return self._source.finest_ms(venue, symbol)

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

    def trades(self, venue: str, symbol: str, start_ms: int, end_ms: int) -> TradeColumns:
        """Trades of [start, end), those absent left out."""
        spans = [one.span_ms for one in self.absences if one.concerns(venue, symbol)]
        parts = (self._source.trades(venue, symbol, *span) for span in _without((start_ms, end_ms), spans))
        return join_trades([part for part in parts if len(part)])

    def moment_of(self, venue: str, symbol: str, trade_id: int) -> int:
        """When the first trade with this id or a higher one was made, absent or not."""
        return self._source.moment_of(venue, symbol, trade_id)

    def has_recorded_trades(self, venue: str, symbol: str) -> bool:
        """Whether their ids are a real venue's."""
        return self._source.has_recorded_trades(venue, symbol)

    def _is_unlisted(self, venue: str, symbol: str) -> bool:
        now = self.now_ms(venue, symbol)
        spans = [one.span_ms for one in self.absences if one.is_unlisted and one.concerns(venue, symbol)]
        return any(first <= now < last for first, last in spans)


def _without(span: tuple[int, int], absent: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """What is left of a span, in the order of time. Pure."""
    cursor, end = span
    left = []
    for first, last in sorted(absent):
        left.append((cursor, min(first, end)))
        cursor = max(cursor, last)
    left.append((cursor, end))
    return [(start, stop) for start, stop in left if start < stop]


def _ms(moment: datetime) -> int:
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
