"""How the markets and the connections are as a whole: how many are fresh, how wide spreads are, how much each venue tells.

What belongs here: those numbers. What does not: what they are compared with and their words (analytics.py).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

from crypto_assets.stream.counters import FeedCounters
from crypto_assets.stream.standing import Snapshot, Standing

_MINUTE = 60_000_000  # microseconds


@dataclass(frozen=True, slots=True)
class MarketHealth:
    """All markets at one second.

    Args:
        pairs: Symbols that are followed.
        pairs_active: Of them, those with a fresh quote on every venue that is to have them.
        markets: Symbols × venues; markets_fresh those with a fresh quote.
        mean_spread_pct: Of the fresh ones, in percent of the bid; None where none is.
    """

    pairs: int
    pairs_active: int
    markets: int
    markets_fresh: int
    mean_spread_pct: float | None


@dataclass(frozen=True, slots=True)
class Connection:
    """One venue.

    Args:
        updates_per_minute: Quotes that told something new within the last minute; before a minute is over, as many as it will
            be at this pace.
        is_whole_minute: Whether a minute has been watched.
        markets: That are to come from there; markets_fresh those with a fresh quote.
    """

    venue: str
    updates_per_minute: float
    is_whole_minute: bool
    markets: int
    markets_fresh: int


def spread_pct(standing: Standing) -> float:
    """Ask minus bid in percent of the bid; below 0 where they are crossed. Pure."""
    return (standing.quote.ask - standing.quote.bid) / standing.quote.bid * 100


def market_health(snapshot: Snapshot) -> MarketHealth:
    """The markets of a snapshot as a whole. Pure."""
    fresh = [one for one in snapshot.standings if not one.is_stale]
    waiting = {one.quote.symbol for one in snapshot.standings if one.is_stale} | {name for _, name in snapshot.absent}
    pairs = waiting | {one.quote.symbol for one in fresh}
    return MarketHealth(
        pairs=len(pairs),
        pairs_active=len(pairs - waiting),
        markets=len(snapshot.standings) + len(snapshot.absent),
        markets_fresh=len(fresh),
        mean_spread_pct=sum(map(spread_pct, fresh)) / len(fresh) if fresh else None,
    )


class Pace:
    """How many updates each venue tells a minute, from counters that are read at each snapshot."""

    def __init__(self, feeds: FeedCounters) -> None:
        self._feeds = feeds
        self._read: deque[tuple[int, Counter[str]]] = deque()

    def note(self, at: int) -> None:
        """Read the counters at that second, microseconds since 1970, UTC."""
        if self._read and at <= self._read[-1][0]:
            self._read.clear()  # the clock was set back
        self._read.append((at, self._updates()))
        while len(self._read) > 1 and at - self._read[1][0] >= _MINUTE:
            self._read.popleft()

    def connections(self, snapshot: Snapshot) -> Sequence[Connection]:
        """Each venue that is followed or has told something, by name; `note` came before."""
        wanted = Counter([one.venue for one in snapshot.standings] + [venue for venue, _ in snapshot.absent])
        fresh = Counter(one.venue for one in snapshot.standings if not one.is_stale)
        (first_at, first), (last_at, last) = self._read[0], self._read[-1]
        watched = last_at - first_at
        return [
            Connection(
                venue=venue,
                updates_per_minute=(last[venue] - first[venue]) * _MINUTE / watched if watched else 0.0,
                is_whole_minute=watched >= _MINUTE,
                markets=wanted[venue],
                markets_fresh=fresh[venue],
            )
            for venue in sorted(wanted.keys() | last.keys())
        ]

    def _updates(self) -> Counter[str]:
        # A venue that tells the same again and again tells nothing.
        return Counter({venue: count - self._feeds.ignored[venue] for venue, count in list(self._feeds.quotes.items())})
