"""Trades of every exchange: page after page over a span of time, and what each page speaks for.

What belongs here: how each venue is paged through. What does not: one request and its failure (exchange_session.py), the
meaning of a row (trade_rows.py), what is stored already (datasets/market/trades), Dagster and SQL.

Four ways lead through a span. Forward by number (binance): the next page begins behind the last trade. Forward by time
(kraken): the venue serves what came after a moment, oldest first. Windows (mexc, coinbase, gate): the venue serves a span
of time, and one that fills its page is halved until it does not. Backward by number (okx): the newest page, then what
is older than its oldest trade. Whatever else ccxt knows is asked for what came after a moment, and believed no further
than its answer reaches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from crypto_assets.clients.exchange_limits import Kind
from crypto_assets.clients.exchange_session import ExchangeSession, is_json
from crypto_assets.clients.trade_rows import CCXT_TRADES, TRADE_LAYOUTS, TradeLayout, Trades, parse_trades
from crypto_assets.spans import Span

# A trade younger than this may still be missing from an answer: matching and publishing are not one moment.
SETTLE = timedelta(seconds=5)
_LONGEST_WINDOW_US = 3_600_000_000
_FIRST_WINDOW_US = 300_000_000  # five minutes of a busy market fill a page or two
_SECOND_US = 1_000_000


@dataclass(frozen=True)
class TradePage:
    """One answer.

    Args:
        trades: Inside the span that was asked for.
        start_us: The page speaks for trades from this moment on, microseconds since 1970 …
        end_us: … up to before this one. Equal to `start_us` where it speaks for none.
        is_cut: Whether the venue has more trades in that span than it serves.
    """

    trades: Trades
    start_us: int
    end_us: int
    is_cut: bool = False


@dataclass(frozen=True)
class _Asked:
    """What one way through a span works with."""

    session: ExchangeSession
    symbol: str
    start_us: int
    end_us: int
    after: int | None
    limit: int

    def ask(self, since_ms: int | None = None, params: Mapping[str, object] | None = None) -> Trades:
        return _ask(self.session, self.symbol, since_ms, self.limit, params or {})

    def settled_us(self) -> int:
        """Up to where the venue's last answer can speak: a little before its clock."""
        return min(self.end_us, self.session.clock() * 1000 - SETTLE // timedelta(microseconds=1))


type _Way = Callable[[_Asked], Iterator[TradePage]]


def trade_pages(session: ExchangeSession, symbol: str, span: Span, *, after: int | None = None) -> Iterator[TradePage]:
    """All trades of [start, end), a page at a time; memory is bounded by one page.

    Pages come oldest first, except where the venue is paged backwards. Together they speak for the span, up to a few
    seconds before the venue's clock.

    Args:
        span: Aware times.
        after: The venue's number of the trade before the span, where it numbers them and that one is known.

    Raises:
        NotServed: the venue has no trades to ask for.
        NotListed: the venue does not list the market.
        ProviderError: the venue failed; the pages before stand.
    """
    session.require_method("fetchTrades", "trades")
    session.require_symbol(symbol)
    start_us, end_us = (_us(moment) for moment in span)
    way, limit = _WAYS.get(session.name, (_forward_by_since, 1000))
    yield from way(_Asked(session, symbol, start_us, end_us, after, limit))


def layout_of(venue: str) -> TradeLayout:
    """How the venue's trades are read."""
    return TRADE_LAYOUTS.get(venue, CCXT_TRADES)


def _forward_by_number(asked: _Asked) -> Iterator[TradePage]:
    """A page is full when its numbers span a page, even where some of them did not come."""
    cursor, number = asked.start_us, asked.after
    while cursor < asked.end_us:
        if number is None:
            since = cursor // 1000
            trades = asked.ask(since, {"endTime": since + 3_600_000 - 1})
            reach = min(asked.settled_us(), (since + 3_600_000) * 1000)
        else:
            trades = asked.ask(None, {"fromId": number + 1})
            reach = asked.settled_us()
        came, is_over = len(trades), False
        if came:
            newest = int(trades.traded_at_us[-1])
            before = int(trades.sequence[0]) - 1 if number is None else number
            is_full = max(came, int(trades.sequence[-1]) - before) + len(trades.refused) >= asked.limit
            number = int(trades.sequence[-1])
            # Behind a page that is not full there is nothing yet; of the past that is only certain once a later one came.
            is_over = newest >= asked.end_us or (not is_full and asked.settled_us() < asked.end_us)
            reach = reach if is_over else newest
        elif trades.refused:
            raise asked.session.malformed("trades", asked.session.body)
        covered = max(min(reach, asked.end_us), cursor)
        inside = trades.between(min(cursor, int(trades.traded_at_us[0])) if came else cursor, asked.end_us)
        yield TradePage(inside, cursor, covered)
        if is_over or (not came and covered >= asked.settled_us()):
            return
        cursor = covered


def _forward_by_time(asked: _Asked) -> Iterator[TradePage]:
    """Kraken's `since` is exclusive, in nanoseconds; the last microsecond of a page is asked for again with the next one."""
    cursor = asked.start_us
    while cursor < asked.end_us:
        trades = asked.ask(None, {"since": str(cursor * 1000 - 1)})
        came = len(trades) + trades.repeated + len(trades.refused)
        is_full = came >= asked.limit
        newest = int(trades.traded_at_us[-1]) if len(trades) else cursor
        is_cut = is_full and newest <= cursor
        is_last = not is_full and newest <= cursor  # nothing but the trades of the moment asked from, which came before
        is_over = newest >= asked.end_us or is_last or (not is_full and asked.settled_us() < asked.end_us)
        reach = asked.settled_us() if is_over else newest + int(is_cut)
        covered = max(min(reach, asked.end_us), cursor)
        yield TradePage(trades.between(cursor, asked.end_us), cursor, covered, is_cut)
        if is_over:
            return
        cursor = covered


def _in_windows(ask: Callable[[_Asked, int, int], Trades], shortest_us: int) -> _Way:
    """Spans of time, each short enough that its trades fit into a page."""

    def way(asked: _Asked) -> Iterator[TradePage]:
        cursor = asked.start_us - asked.start_us % shortest_us
        width = max(_FIRST_WINDOW_US, shortest_us)
        while cursor < asked.end_us:
            until = min(cursor + width, -(-asked.end_us // shortest_us) * shortest_us)
            trades = ask(asked, cursor, until)
            came = len(trades) + trades.repeated + len(trades.refused)
            if came >= asked.limit and until - cursor > shortest_us:
                width = max(shortest_us, (until - cursor) // 2 // shortest_us * shortest_us)
                continue
            start, reach = max(cursor, asked.start_us), min(until, asked.settled_us())
            covered = max(min(reach, asked.end_us), start)
            yield TradePage(trades.between(start, min(until, asked.end_us)), start, covered, came >= asked.limit)
            if until > reach:
                return
            cursor = until
            # A window that was a quarter full can be twice as wide.
            width = min(_LONGEST_WINDOW_US, width * 2) if came * 4 < asked.limit else width

    return way


def _ask_mexc(asked: _Asked, start_us: int, until_us: int) -> Trades:
    return asked.ask(start_us // 1000, {"endTime": until_us // 1000 - 1})


def _ask_coinbase(asked: _Asked, start_us: int, until_us: int) -> Trades:
    return asked.ask(start_us // 1000, {"until": until_us // 1000})


def _ask_gate(asked: _Asked, start_us: int, until_us: int) -> Trades:
    return asked.ask(None, {"from": start_us // _SECOND_US, "to": until_us // _SECOND_US})


def _backward_by_number(asked: _Asked) -> Iterator[TradePage]:
    upper = asked.end_us
    is_newest = upper > _us(datetime.now(UTC))  # what lies in the past is asked for from its end on, not from now on
    params: dict[str, object] = {}
    if not is_newest:
        params = {"method": "publicGetMarketHistoryTrades", "type": "2", "after": str(-(-upper // 1000))}
    while upper > asked.start_us:
        trades = asked.ask(None, params)
        upper = max(min(upper, asked.settled_us()), asked.start_us)
        if not len(trades):
            if trades.refused:
                raise asked.session.malformed("trades", asked.session.body)
            yield TradePage(trades, asked.start_us, upper)
            return
        oldest = int(trades.traded_at_us[0])
        lower = max(asked.start_us, oldest + 1)  # older trades of the same moment may stand on the next page
        yield TradePage(trades.between(asked.start_us, asked.end_us), min(lower, upper), upper)
        if oldest < asked.start_us:
            return
        upper = min(lower, upper)
        params = {"method": "publicGetMarketHistoryTrades", "type": "1", "after": str(int(trades.sequence[0]))}


def _forward_by_since(asked: _Asked) -> Iterator[TradePage]:
    """For venues of which only ccxt knows more: a page that begins late, or ends where none follows, says so."""
    cursor = asked.start_us
    while cursor < asked.end_us:
        trades = asked.ask(cursor // 1000)
        inside = trades.between(cursor, asked.end_us)
        if not len(inside):
            yield TradePage(inside, cursor, max(asked.settled_us(), cursor))
            return
        first, newest = int(inside.traded_at_us[0]), int(inside.traded_at_us[-1])
        start = (
            cursor if cursor > asked.start_us else first
        )  # what lies before the first page's first trade is not proven
        yield TradePage(inside, start, max(min(newest, asked.end_us), start))
        if newest <= cursor:
            return
        cursor = newest


_WAYS: Mapping[str, tuple[_Way, int]] = {
    "binance": (_forward_by_number, 1000),
    "binanceus": (_forward_by_number, 1000),
    "binanceusdm": (_forward_by_number, 1000),
    "kraken": (_forward_by_time, 1000),
    "mexc": (_in_windows(_ask_mexc, 1000), 1000),
    "coinbase": (_in_windows(_ask_coinbase, _SECOND_US), 1000),
    "gate": (_in_windows(_ask_gate, _SECOND_US), 1000),
    "okx": (_backward_by_number, 100),
}


def _ask(
    session: ExchangeSession, symbol: str, since_ms: int | None, limit: int, params: Mapping[str, object]
) -> Trades:
    """One page, asked again once where rows had to be refused: most such faults pass."""
    trades = session.attempt(Kind.TRADES, lambda: _ask_once(session, symbol, since_ms, limit, params))
    if trades.refused:
        again = session.attempt(Kind.TRADES, lambda: _ask_once(session, symbol, since_ms, limit, params))
        if len(again.refused) < len(trades.refused):
            return again
    return trades


def _ask_once(
    session: ExchangeSession, symbol: str, since_ms: int | None, limit: int, params: Mapping[str, object]
) -> Trades:
    rows = session.ask(lambda: session.client.fetch_trades(symbol, since_ms, limit, params))
    if not isinstance(rows, list):
        raise session.malformed("a list of trades", rows)
    if not rows and not is_json(session.body):  # ccxt reads a page of HTML as no trades
        raise session.malformed("trades or none", session.body)
    trades = parse_trades(rows, layout_of(session.name))
    if rows and not len(trades) and all(row.reason.startswith("unreadable") for row in trades.refused):
        raise session.malformed("trades", session.body)
    return trades


def _us(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


__all__ = ["SETTLE", "TradePage", "layout_of", "trade_pages"]
