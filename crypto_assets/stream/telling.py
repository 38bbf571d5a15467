"""What Redis is told of the stream: the best prices of each snapshot, for as long as the table is ours.

What belongs here: quotes as they stand in Redis, and hearing of snapshots beside who hears of them already. What does not:
Redis itself (latest/).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from crypto_assets.latest.lives import quote_until
from crypto_assets.latest.telling import LatestValues, Teller
from crypto_assets.latest.values import LatestQuote
from crypto_assets.stream.counters import Counters
from crypto_assets.stream.report import Ended, HourReport, Ready
from crypto_assets.stream.snapshots import SECOND
from crypto_assets.stream.standing import Snapshot

if TYPE_CHECKING:
    from crypto_assets.stream.sidecar import Audience

# That wait for Redis: each has the prices of all markets, and only the newest of them is of use to anybody.
MOST_SNAPSHOTS = 4


class TellingAudience:
    """Hands everything on, and tells Redis each snapshot once the stream is the one that writes.

    A successor that warms up takes snapshots, too: it tells nobody before it says that it is ready. While the database is away
    snapshots are told all the same.

    Args:
        audience: Who hears it first.
        step: Of the grid of snapshots, microseconds.
    """

    def __init__(self, audience: Audience, teller: Teller, step: int) -> None:
        self._audience = audience
        self._teller = teller
        self._step = step
        self._is_ours = False

    def report(self, line: Ready | HourReport | Ended) -> None:
        """See Audience."""
        self._is_ours = self._is_ours or isinstance(line, Ready)
        self._audience.report(line)

    def looked(self, snapshot: Snapshot, counters: Counters) -> None:
        """See Audience."""
        self._audience.looked(snapshot, counters)
        counters.latest = self._teller.counters
        if self._is_ours:
            self._teller.put(latest_quotes(snapshot, self._step))


@contextmanager
def told_too(latest: LatestValues, audience: Audience, snapshot_seconds: int) -> Iterator[Audience]:
    """The audience with Redis told beside it until the end of the block; the audience itself where none is named."""
    teller = latest.teller(most_batches=MOST_SNAPSHOTS)
    if teller is None:
        yield audience
        return
    try:
        yield TellingAudience(audience, teller, snapshot_seconds * SECOND)
    finally:
        teller.close()


def latest_quotes(snapshot: Snapshot, step: int) -> Iterator[LatestQuote]:
    """The quotes of a snapshot, each made when it is asked for: not in the time of the clock.

    Args:
        step: Of the grid of snapshots, microseconds.
    """
    at, until = snapshot.at, quote_until(snapshot.at, step)
    for standing in snapshot.standings:
        quote = standing.quote
        yield LatestQuote(
            at_us=at,
            known_us=at,
            stored_us=snapshot.taken_at,
            until_us=until,
            venue=standing.venue,
            symbol=quote.symbol,
            bid_price=quote.bid_price,
            bid_quantity=quote.bid_quantity,
            ask_price=quote.ask_price,
            ask_quantity=quote.ask_quantity,
            event_us=quote.event_at,
            received_us=quote.received_at,
            is_stale=standing.is_stale,
        )


__all__ = ["MOST_SNAPSHOTS", "TellingAudience", "latest_quotes", "told_too"]
