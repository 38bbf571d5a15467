"""From when to when a market had no feed, and why: what becomes rows of the gap ledger.

What belongs here: the rules, without database and clock. What does not: noticing that a connection is gone (feeds), and the
ledger's statements (storing.py).

A market is in one of these at a time: unheard since the stream began, cut off from its venue, silent though connected, or well.
An outage that goes on is told with its end so far, once a minute: each telling holds the one before, and the ledger merges
them.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from crypto_assets.quality.gaps import State
from crypto_assets.stream.standing import MarketName, Snapshot

RETOLD = 60_000_000  # microseconds: what a crash of the stream may lose of an outage's end
NOBODY = "Nobody listened: quotes of the past cannot be asked for."
HELD_UP = "The second went by without a snapshot: the process or its machine was held up, or the clock was set."


class Absence(msgspec.Struct, frozen=True):
    """A span [start, end) in which a market had no feed, microseconds since 1970, UTC.

    Args:
        state: One of the ledger's, by its value.
        reaches_back: Nobody listened before `start` either, since the market's newest row of earlier times.
    """

    venue: str
    symbol: str
    start: int
    end: int
    state: str
    why: str
    reaches_back: bool = False


class _Open(msgspec.Struct):
    """What a market is in, and until when that has been told."""

    state: State
    since: int
    why: str
    told: int = 0
    is_first: bool = False

    def until(self, market: MarketName, end: int) -> Absence:
        self.told = end
        return Absence(*market, self.since, end, self.state.value, self.why, self.is_first)


class Outages:
    """Follows all markets of a stream. Times are microseconds since 1970, UTC.

    Args:
        markets: Those followed.
        started_at: When the stream began.
    """

    def __init__(self, markets: Sequence[MarketName], started_at: int) -> None:
        self._open: dict[MarketName, _Open] = {
            market: _Open(State.UNRECOVERABLE, started_at, NOBODY, is_first=True) for market in markets
        }
        self._markets = frozenset(markets)
        self._told: list[Absence] = []

    def connected(self, venue: str, symbols: Sequence[str], at: int) -> None:
        """These have a connection again."""
        for market in self._known(venue, symbols):
            self._end(market, at)

    def lost(self, venue: str, symbols: Sequence[str], at: int, why: str) -> None:
        """These have none any more, or none could be made."""
        for market in self._known(venue, symbols):
            now = self._open.get(market)
            if now is None or now.state is not State.VENUE_OUTAGE:
                self._end(market, at)
                self._open[market] = _Open(State.VENUE_OUTAGE, at, why)

    def look(self, snapshot: Snapshot) -> None:
        """See who is silent though connected, and tell how far what goes on has come."""
        for standing in snapshot.standings:
            market = (standing.venue, standing.quote.symbol)
            now = self._open.get(market)
            if not standing.is_stale and now is not None and now.state is State.VENUE_QUIET:
                self._end(market, snapshot.at)
            elif standing.is_stale and now is None:
                why = f"No quote for {standing.age_ms / 1000:.0f} seconds and more, though its connection stood."
                self._open[market] = _Open(State.VENUE_QUIET, snapshot.at, why)
        for market in snapshot.absent:
            if market not in self._open:
                why = "No quote yet, though its connection stood."
                self._open[market] = _Open(State.VENUE_QUIET, snapshot.at, why)
        for market, now in self._open.items():
            if snapshot.at > now.since and (now.told == 0 or snapshot.at - now.told >= RETOLD):
                self._told.append(now.until(market, snapshot.at))

    def skipped(self, start: int, end: int) -> None:
        """No snapshot was taken of the seconds from `start` to before `end`."""
        state = State.UNRECOVERABLE.value
        self._told += [Absence(*market, start, end, state, HELD_UP) for market in sorted(self._markets)]

    def close(self, at: int) -> None:
        """The stream ends: what goes on is told up to now."""
        for market in list(self._open):
            self._end(market, at)

    def take(self) -> list[Absence]:
        """What is to be told to the ledger, since this was last asked."""
        taken, self._told = self._told, []
        return taken

    def _end(self, market: MarketName, at: int) -> None:
        ended = self._open.pop(market, None)
        # One of which something was told, and then the clock set back, must not end before it began. One that reaches back may
        # be shorter than a tick of the clock: what lies before it counts.
        if ended is not None and (at > max(ended.since, ended.told) or (ended.is_first and not ended.told)):
            self._told.append(ended.until(market, at))

    def _known(self, venue: str, symbols: Sequence[str]) -> list[MarketName]:
        return [(venue, symbol) for symbol in symbols if (venue, symbol) in self._markets]
