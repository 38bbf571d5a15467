"""Every exchange, through ccxt's REST clients: markets and bars.

What belongs here: asking a venue, paging, its clock, and turning ccxt's errors into the four classes of transport.py.
What does not: the meaning of a row (exchange_bars.py), WebSockets (exchange_stream.py), Dagster and SQL.

ccxt's synchronous clients serve: measured against a loopback server they are as fast as the asynchronous ones for one
venue (0.19 s against 0.38 s for ten pages of binance), and ten times faster for mexc.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol, cast

import ccxt

from crypto_assets.clients.exchange_bars import CCXT_LAYOUT, LAYOUTS, Bars, RefusedRow, parse_bars, says_no_bars
from crypto_assets.clients.exchange_markets import ListedMarket, parse_market
from crypto_assets.clients.redirect import redirect_urls
from crypto_assets.clients.transport import (
    Malformed,
    ProviderError,
    Rejected,
    RetryPolicy,
    Throttled,
    Transport,
    Unavailable,
    header,
    http_date,
    retry_after_seconds,
)
from crypto_assets.universe import Venue, timeframe_ms

# A bar that a venue has not published this long after its close is taken as one it does not have.
SETTLE = timedelta(minutes=15)
_DAY_MS = timeframe_ms("1d")
_SEARCH_DAYS = 200  # days asked for at once when looking for the next bar behind an empty page
_FIRST_TRADES = datetime(2010, 7, 17, tzinfo=UTC)  # the first Bitcoin exchange opened: no bar is older


class NotListed(Rejected):
    """The venue's list of markets does not hold the symbol."""


class _Ccxt(Protocol):
    """The part of a ccxt exchange that is used here."""

    id: str
    urls: dict[str, object]
    timeframes: dict[str, str] | None
    markets: dict[str, dict[str, object]] | None
    precisionMode: int  # noqa: N815 - ccxt's name

    def load_markets(self) -> dict[str, dict[str, object]]: ...
    def fetch_ohlcv(self, symbol: str, timeframe: str, since: int, limit: int) -> Sequence[object]: ...
    def fetch_time(self) -> int | None: ...
    def close(self) -> None: ...


@dataclass
class Answer:
    """The last HTTP answer a ccxt client received."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


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


class Exchange:
    """One venue.

    Args:
        name: ccxt id.
        venue: Its entry in the universe: budget, page length, reach.
        sandbox_url: Ask this server, which speaks the venues' formats, in place of the venue.
        policy: How often a request is repeated.
    """

    def __init__(
        self, name: str, venue: Venue, *, sandbox_url: str | None = None, policy: RetryPolicy | None = None
    ) -> None:
        self.name = name
        self.venue = venue
        self.transport = Transport(name, requests_per_second=venue.requests_per_second, policy=policy)
        self._sandbox_url = sandbox_url
        self._answer = Answer()
        self._layout = LAYOUTS.get(name, CCXT_LAYOUT)
        self._client: _Ccxt | None = None

    def timeframes(self) -> frozenset[str]:
        """Lengths of bars that the venue serves."""
        return frozenset(self._ccxt().timeframes or ())

    def symbols(self) -> frozenset[str]:
        """Unified symbols of the venue's markets.

        Raises:
            ProviderError: the venue did not answer with its markets.
        """
        client = self._ccxt()
        if not client.markets:
            self.transport.call(lambda: self._ask(client.load_markets))
            if not client.markets:  # ccxt reads a page of HTML as a list without markets
                raise self._malformed("a list of markets", self._answer.body)
        return frozenset(client.markets or ())

    def markets(self) -> list[ListedMarket]:
        """The venue's markets as it describes them now, in the order of their symbols.

        Raises:
            ProviderError: the venue did not answer with its markets.
        """
        self.symbols()
        client = self._ccxt()
        steps = client.precisionMode
        return [parse_market(market, steps) for _, market in sorted((client.markets or {}).items())]

    def require_symbol(self, symbol: str) -> None:
        """Make sure that the venue lists the market.

        Raises:
            NotListed: it does not.
        """
        if symbol not in self.symbols():
            raise NotListed(f"{self.name} has no market {symbol}", way_out="Correct its symbol in the universe.")

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
            raise self._malformed(f"bars from {start:%Y-%m-%d %H:%M} on", f"bars up to {_utc(bars.opened_at_ms[-1])}")
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

    def close(self) -> None:
        """Drop the connection; the next request opens another."""
        self._client = None

    # -- one request --------------------------------------------------------------------------------------------------

    def _page(self, symbol: str, timeframe: str, since: int, limit: int | None = None) -> tuple[Bars, int]:
        """One page from `since` on, asked again once where rows had to be refused: most such faults pass."""
        bars, now = self.transport.call(lambda: self._ask_bars(symbol, timeframe, since, limit))
        if bars.refused:
            again, later = self.transport.call(lambda: self._ask_bars(symbol, timeframe, since, limit))
            if len(again.refused) < len(bars.refused):
                return again, later
        return bars, now

    def _ask_bars(self, symbol: str, timeframe: str, since: int, limit: int | None = None) -> tuple[Bars, int]:
        client = self._ccxt()
        rows = self._ask(lambda: client.fetch_ohlcv(symbol, timeframe, since, limit or self.venue.page_bars))
        if not isinstance(rows, list):
            raise self._malformed("a list of bars", rows)
        if not rows and self._layout is not CCXT_LAYOUT and not says_no_bars(self._answer.body, self._layout):
            raise self._malformed("bars or none", self._answer.body)
        bars = parse_bars(rows, self._layout, timeframe_ms(timeframe))
        if rows and not len(bars) and all(refused.reason.startswith("unreadable") for refused in bars.refused):
            raise self._malformed("bars", self._answer.body)
        return bars, self._clock()

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
            bars, _ = self.transport.call(lambda at=cursor: self._ask_bars(symbol, "1d", at))  # type: ignore[misc]
            found = bars.opened_at_ms[(bars.opened_at_ms >= cursor) & (bars.opened_at_ms < before)]
            if len(found):
                return max(int(found[0]), after)
            cursor += days * _DAY_MS
        return None

    def _clock(self) -> int:
        """The venue's clock in ms: the Date of its last answer, which costs no request, else its time endpoint."""
        date = http_date(header(self._answer.headers, "Date") or "")
        if date is not None:
            return _ms(date)
        now = self._ask(self._ccxt().fetch_time)
        if now is None:
            raise Malformed(
                f"{self.name} says no time", way_out="Without the venue's clock no bar can be called closed."
            )
        return now

    def _ask[T](self, request: _Request[T]) -> T:
        self._answer.status, self._answer.headers, self._answer.body = 0, {}, ""
        try:
            return request()
        except ccxt.BaseError as error:
            raise self._classify(error) from error
        except (TypeError, KeyError, ValueError, AttributeError, IndexError) as error:
            # ccxt reads answers without looking first: a page of HTML surfaces as any of these.
            raise self._malformed("an answer that ccxt can read", f"{type(error).__name__}: {error}") from error

    def _classify(self, error: ccxt.BaseError) -> ProviderError:
        """The class follows the HTTP status; ccxt's own class decides only where that is 200 or missing."""
        status = self._answer.status
        said = (
            f"{self.name} answered {status or 'nothing'} ({type(error).__name__}): {self._answer.body[:200] or error}"
        )
        if status in {418, 429} or isinstance(error, (ccxt.RateLimitExceeded, ccxt.DDoSProtection)):
            wait = retry_after_seconds(self._answer.headers)
            return Throttled(said, way_out="Lower requests_per_second in the universe.", retry_after_seconds=wait)
        if status >= 500 or (isinstance(error, ccxt.NetworkError) and status not in {403, 451}):
            return Unavailable(said, way_out="It is asked again; see the venue's status page.")
        if isinstance(error, ccxt.BadResponse):
            return self._malformed("a readable answer", said)
        return Rejected(said, way_out="`crypto-assets doctor` tries every provider; a region may be blocked.")

    def _malformed(self, expected: str, came: object) -> Malformed:
        shown = " ".join(str(came).split())[:120]
        return Malformed(
            f"{self.name}: expected {expected}, came {shown!r}",
            way_out="The answer is kept in quality.quarantine.",
            payload=self._answer.body or str(came),
        )

    def _ccxt(self) -> _Ccxt:
        if self._client is None:
            self._client = _recording_client(self.name, self._answer, raw_rows=self._layout is not CCXT_LAYOUT)
            if self._sandbox_url:
                hostname = cast("str | None", getattr(self._client, "hostname", None))
                urls = redirect_urls(self._client.urls["api"], hostname, self._sandbox_url)
                self._client.urls["api"] = urls
        return self._client


class _Request[T](Protocol):
    def __call__(self) -> T: ...


def _recording_client(name: str, answer: Answer, *, raw_rows: bool) -> _Ccxt:
    """A ccxt client that notes each answer and, where we know the venue's rows, hands them on unparsed."""
    parent = getattr(ccxt, name)

    def on_rest_response(
        self: object,
        code: int,
        reason: str,
        url: str,
        method: str,
        headers: Mapping[str, str],
        body: str,
        *rest: object,
    ) -> str:
        answer.status, answer.headers, answer.body = code, headers, body
        return cast("str", parent.on_rest_response(self, code, reason, url, method, headers, body, *rest))

    def parse_ohlcvs(_self: object, ohlcvs: object, *_rest: object, **_named: object) -> object:
        return ohlcvs

    members: dict[str, object] = {"on_rest_response": on_rest_response}
    if raw_rows:
        members["parse_ohlcvs"] = parse_ohlcvs
    # Budget and retries are ours (transport.py), so that they hold for every provider alike.
    spot_only = {"fetchMarkets": {"types": ["spot"]}} if name in {"binance", "binanceus", "gate"} else {}
    options = {"enableRateLimit": False, "timeout": 15_000, "options": {"maxRetriesOnFailure": 0, **spot_only}}
    return cast("_Ccxt", type(f"Recording_{name}", (parent,), members)(options))


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


__all__ = ["SETTLE", "BarPage", "Bars", "Exchange", "ListedMarket", "NotListed", "RefusedRow"]
