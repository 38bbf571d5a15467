"""Bars of every exchange: pages, as far as the venue's clock and its answers speak.

What belongs here: paging through bars and what a page speaks for. What does not: one request and its failure
(exchange_session.py), the meaning of a row (exchange_bars.py), Dagster and SQL.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from crypto_assets.clients.exchange_bars import CCXT_LAYOUT, LAYOUTS, Bars, Layout, RefusedRow, parse_bars, says_no_bars
from crypto_assets.clients.exchange_limits import Kind
from crypto_assets.clients.exchange_markets import ListedMarket
from crypto_assets.clients.exchange_session import ExchangeSession
from crypto_assets.universe import timeframe_ms

# A bar that a venue has not published this long after its close is taken as one it does not have.
SETTLE = timedelta(minutes=15)
_DAY_MS = timeframe_ms("1d")
_SEARCH_DAYS = 200  # days asked for at once when looking for the next bar behind an empty page
_FIRST_TRADES = datetime(2010, 7, 17, tzinfo=UTC)  # the first Bitcoin exchange opened: no bar is older


@dataclass(frozen=True)
class BarPage:
    """One page of closed bars.

    Args:
        bars: Bars inside the span that was asked for, closed by the venue's clock.
        start: First opening time this page speaks for, epoch milliseconds.
        end: The page speaks for opening times before this: what is absent below it, the venue does not have.
        now: The venue's clock when it answered, epoch milliseconds.
    """

    bars: Bars
    start: int
    end: int
    now: int


class Exchange(ExchangeSession):
    """One venue's bars; see ExchangeSession for its arguments."""

    def pages(self, symbol: str, timeframe: str, start: datetime, end: datetime) -> Iterator[BarPage]:
        """All closed bars that open in [start, end), a page at a time, oldest first.

        Memory is bounded by one page. A stretch without bars is crossed with a few requests for daily bars.

        Raises:
            ProviderError: the venue failed; the pages before stand.
        """
        self.require_symbol(symbol)
        length = timeframe_ms(timeframe)
        cursor, last = _align_up(_ms(start), length), _ms(end)
        while cursor < last:
            bars, now = self._page(symbol, timeframe, cursor)
            closed_before = _floor(now, length)
            reach = min(last, closed_before)
            if cursor >= reach:
                return
            covered = self._covered(symbol, bars, cursor, reach, now, length)
            page = _within(bars, cursor, reach, now, length)
            yield BarPage(page, cursor, max(min(covered, reach), cursor), now)
            if covered <= cursor or covered >= reach:
                return
            cursor = covered

    def page(self, symbol: str, timeframe: str, start: datetime, end: datetime) -> BarPage:
        """One request for the closed bars that open in [start, end), which is at most a page long.

        What is absent from the answer the venue does not have, where none of its rows was refused.

        Raises:
            ProviderError: the venue failed, or answered with bars of another time.
        """
        self.require_symbol(symbol)
        length = timeframe_ms(timeframe)
        first, last = _align_up(_ms(start), length), _ms(end)
        bars, now = self._page(symbol, timeframe, first, limit=min(self.venue.page_bars, -(-(last - first) // length)))
        if len(bars) and int(bars.opened_at_ms[-1]) < first:
            raise self.malformed(f"bars from {start:%Y-%m-%d %H:%M} on", f"bars up to {_utc(bars.opened_at_ms[-1])}")
        return BarPage(_within(bars, first, last, now, length), first, min(last, _floor(now, length)), now)

    def first_bar(self, symbol: str, timeframe: str) -> datetime | None:
        """When the first bar opens that the venue serves; None where it does not serve its first ones any more.

        Raises:
            ProviderError: the venue failed.
        """
        if self.venue.history_bars is not None:
            return None
        self.require_symbol(symbol)
        begin = _ms(_FIRST_TRADES)
        day = self._next_day_with_bars(symbol, begin, _ms(datetime.now(UTC)))
        if day is None or day == begin:
            return None
        bars, _ = self._page(symbol, timeframe, day)
        return _utc(bars.opened_at_ms[0]) if len(bars) else _utc(day)

    def reach(self, timeframe: str, now: datetime) -> datetime | None:
        """The oldest opening time the venue still serves, or None where it serves all."""
        if self.venue.history_bars is None:
            return None
        return now - self.venue.history_bars * timedelta(milliseconds=timeframe_ms(timeframe))

    def probe(self, symbol: str, timeframe: str = "1m") -> BarPage:
        """One real request, parsed: the newest few bars.

        Raises:
            ProviderError: what went wrong.
        """
        self.require_symbol(symbol)
        length = timeframe_ms(timeframe)
        start = _floor(_ms(datetime.now(UTC)), length) - 10 * length
        bars, now = self._page(symbol, timeframe, start)
        return BarPage(bars, start, _floor(now, length), now)

    @property
    def _layout(self) -> Layout:
        return LAYOUTS.get(self.name, CCXT_LAYOUT)

    # -- one request --------------------------------------------------------------------------------------------------

    def _page(self, symbol: str, timeframe: str, since: int, limit: int | None = None) -> tuple[Bars, int]:
        """One page from `since` on, asked again once where rows had to be refused: most such faults pass."""
        bars, now = self.attempt(Kind.BARS, lambda: self._ask_bars(symbol, timeframe, since, limit))
        if bars.refused:
            again, later = self.attempt(Kind.BARS, lambda: self._ask_bars(symbol, timeframe, since, limit))
            if len(again.refused) < len(bars.refused):
                return again, later
        return bars, now

    def _ask_bars(self, symbol: str, timeframe: str, since: int, limit: int | None = None) -> tuple[Bars, int]:
        client = self.client
        rows = self.ask(lambda: client.fetch_ohlcv(symbol, timeframe, since, limit or self.venue.page_bars))
        if not isinstance(rows, list):
            raise self.malformed("a list of bars", rows)
        if not rows and self._layout is not CCXT_LAYOUT and not says_no_bars(self.body, self._layout):
            raise self.malformed("bars or none", self.body)
        bars = parse_bars(rows, self._layout, timeframe_ms(timeframe))
        if rows and not len(bars) and all(refused.reason.startswith("unreadable") for refused in bars.refused):
            raise self.malformed("bars", self.body)
        return bars, self.clock()

    def _covered(self, symbol: str, bars: Bars, cursor: int, reach: int, now: int, length: int) -> int:
        """Up to which opening time a page from `cursor` speaks."""
        one_page = min(reach, cursor + (self.venue.page_bars - 1) * length)
        if not len(bars):
            if bars.refused:
                return one_page
            following = self._next_day_with_bars(symbol, one_page, reach)
            return _settled(reach, now, length) if following is None else following
        after_newest = int(bars.opened_at_ms[-1]) + length
        if after_newest > now:  # the bar still open came too, so the answer speaks for all before it
            closed = bars.opened_at_ms[(bars.opened_at_ms + length <= now) & bars.is_finished]
            spoken = int(closed[-1]) + length if len(closed) else 0
            return min(reach, max(spoken, _settled(reach, now, length)))
        return min(reach, after_newest)

    def _next_day_with_bars(self, symbol: str, after: int, before: int) -> int | None:
        """Opening time, in ms, of the first day at or after `after` that has a daily bar; None where there is none."""
        cursor = _floor(after, _DAY_MS)
        days = min(_SEARCH_DAYS, self.venue.page_bars)
        while cursor < before:
            bars, _ = self.attempt(Kind.BARS, lambda at=cursor: self._ask_bars(symbol, "1d", at))  # type: ignore[misc]
            found = bars.opened_at_ms[(bars.opened_at_ms >= cursor) & (bars.opened_at_ms < before)]
            if len(found):
                return max(int(found[0]), after)
            cursor += days * _DAY_MS
        return None


def _within(bars: Bars, start: int, end: int, now: int, length: int) -> Bars:
    times = bars.opened_at_ms
    return bars.take((times >= start) & (times < end) & (times + length <= now) & bars.is_finished)


def _settled(reach: int, now: int, length: int) -> int:
    return min(reach, _floor(now - int(SETTLE.total_seconds() * 1000), length))


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _utc(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)


def _floor(moment: int, length: int) -> int:
    return moment - moment % length


def _align_up(moment: int, length: int) -> int:
    return -(-moment // length) * length


__all__ = ["SETTLE", "BarPage", "Bars", "Exchange", "ListedMarket", "RefusedRow"]
