"""The newest quote of each market, and how the markets stand at a second.

What belongs here: what feeds tell, kept in memory and counted. What does not: sockets (clients/book_tickers), the grid
(snapshots.py), spans without a feed (outages.py) and storing (writer.py).

`quoted` runs for every message, hundreds of thousands of times a second at worst: it looks up, compares and keeps, and does
nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence

import msgspec
import structlog

from crypto_assets.clients.book_tickers.quote import Quote
from crypto_assets.stream.counters import Counters
from crypto_assets.stream.outages import Outages
from crypto_assets.stream.standing import MarketName, Snapshot, Standing

log = structlog.get_logger(__name__)

KEPT_MALFORMED = 100  # an hour: one bad message tells as much as a million like it
_HOUR = 3_600_000_000  # microseconds, as all times here
_OLDEST_AGE_MS = 2**31 - 1  # what the column holds: 24 days
_NO_NUMBER = -1


class Unreadable(msgspec.Struct, frozen=True):
    """A message that a feed could not read.

    Args:
        at: When it came, microseconds since 1970, UTC.
    """

    venue: str
    why: str
    payload: bytes
    at: int


class _Latest:
    """One market: its newest quote, and the newest one that had come by the second before."""

    __slots__ = ("before", "is_connected", "quote", "sequence")

    def __init__(self) -> None:
        self.quote: Quote | None = None
        self.before: Quote | None = None
        self.sequence = _NO_NUMBER
        self.is_connected = False


class LatestQuotes:
    """Listens to feeds. Used from one thread, the event loop's.

    Args:
        markets: Those followed; quotes of others are counted as ignored.
        stale_seconds: A quote whose event is older is stale.
        counters: Those of the feeds are counted here.
        outages: Told of connections.
        now: Microseconds since 1970, UTC.
    """

    def __init__(
        self,
        markets: Sequence[MarketName],
        stale_seconds: float,
        counters: Counters,
        outages: Outages,
        now: Callable[[], int],
    ) -> None:
        self._markets = tuple(markets)
        self._by_venue: dict[str, dict[str, _Latest]] = {}
        for venue, symbol in self._markets:
            self._by_venue.setdefault(venue, {})[symbol] = _Latest()
        self._all = [(market, self._by_venue[market[0]][market[1]]) for market in self._markets]
        self._stale_ms = stale_seconds * 1000
        self._counters = counters.feeds
        self._outages = outages
        self._now = now
        self._edge = 0
        self._unreadable: deque[Unreadable] = deque(maxlen=KEPT_MALFORMED)
        self._kept_in_hour = (0, 0)

    @property
    def markets(self) -> Sequence[MarketName]:
        """Those followed."""
        return self._markets

    def quoted(self, venue: str, quote: Quote) -> None:
        """Keep a quote that is newer than what is known; see Listener."""
        counters = self._counters
        counters.quotes[venue] += 1
        try:
            latest = self._by_venue[venue][quote.symbol]
        except KeyError:
            counters.ignored[venue] += 1
            return
        sequence = quote.sequence
        if sequence is not None:
            if sequence <= latest.sequence:
                counters.ignored[venue] += 1
                return
            latest.sequence = sequence
        known = latest.quote
        if known is not None:
            if sequence is None and self._tells_nothing_new(quote, known):
                counters.ignored[venue] += 1
                return
            if known.received_at <= self._edge < quote.received_at:
                latest.before = known
        latest.quote = quote

    def _tells_nothing_new(self, quote: Quote, known: Quote) -> bool:
        """Whether a quote without a number is one from before, by the venue's time: it must not make the known one young.

        One that is older by more than a quote may be comes of a clock that was set back, and counts.
        """
        at, before = quote.event_at, known.event_at
        if at is None or before is None or at > before:
            return False
        if at == before:
            return _said(quote) == _said(known)
        return (before - at) / 1000 <= self._stale_ms

    def connected(self, venue: str, symbols: Sequence[str], at: int) -> None:
        """Count from anew; see Listener."""
        self._counters.connected[venue] += 1
        log.info(f"{venue}: connected, {len(symbols)} markets", venue=venue, markets=len(symbols))
        for latest in self._latest(venue, symbols):
            latest.is_connected = True
            latest.sequence = _NO_NUMBER
        self._outages.connected(venue, symbols, at)

    def lost(self, venue: str, symbols: Sequence[str], at: int, why: str) -> None:
        """From now on these are stale; see Listener."""
        self._counters.lost[venue] += 1
        log.warning(f"{venue}: {why}", venue=venue, markets=len(symbols), first=next(iter(symbols), ""))
        for latest in self._latest(venue, symbols):
            latest.is_connected = False
        self._outages.lost(venue, symbols, at, why)

    def malformed(self, venue: str, why: str, payload: bytes) -> None:
        """Count it, and keep the first ones of each hour; see Listener."""
        self._counters.malformed[venue] += 1
        now = self._now()
        hour, kept = self._kept_in_hour
        if now // _HOUR != hour:
            hour, kept = now // _HOUR, 0
        if kept < KEPT_MALFORMED:
            kept += 1
            self._unreadable.append(Unreadable(venue, why, bytes(payload), now))
        self._kept_in_hour = (hour, kept)

    def expect(self, edge: int) -> None:
        """The next snapshot is of this second: what comes later than that must not get into it."""
        self._edge = edge

    def snapshot(self, at: int) -> Snapshot:
        """How all markets stand at a second, microseconds since 1970, UTC: by what had come by then, and no later."""
        taken_at = self._now()
        standings: list[Standing] = []
        absent: list[MarketName] = []
        for (venue, symbol), latest in self._all:
            quote = latest.quote
            if quote is not None and quote.received_at > at:
                quote = latest.before
            if quote is None or quote.received_at > at:  # the clock may have been set back since it came
                absent.append((venue, symbol))
            else:
                age = age_ms(quote, at)
                is_stale = age > self._stale_ms or not latest.is_connected
                standings.append(Standing(venue, quote, age, is_stale))
        return Snapshot(at, taken_at, standings, absent)

    def connections(self) -> Mapping[MarketName, bool]:
        """Whether each market has a connection."""
        return {market: latest.is_connected for market, latest in self._all}

    def take_unreadable(self) -> list[Unreadable]:
        """Messages that could not be read, since this was last asked."""
        taken = list(self._unreadable)
        self._unreadable.clear()
        return taken

    def _latest(self, venue: str, symbols: Sequence[str]) -> list[_Latest]:
        there = self._by_venue.get(venue, {})
        return [there[symbol] for symbol in symbols if symbol in there]


def _said(quote: Quote) -> tuple[str, str, str, str]:
    return quote.bid_price, quote.bid_quantity, quote.ask_price, quote.ask_quantity


def age_ms(quote: Quote, at: int) -> int:
    """How long before a second a quote was so, in milliseconds, never below 0.

    By the venue's clock; a clock that runs ahead of ours would make old quotes young, so there since the quote came.
    """
    event = quote.event_at
    since = event if event is not None and event <= quote.received_at else quote.received_at
    return min(_OLDEST_AGE_MS, max(0, at - since) // 1000)
