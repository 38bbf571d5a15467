"""The newest second of each market that is streamed, and how long venues have been silent that send nothing any more.

What belongs here: the questions and their rows, for metrics and for the live ticker. What does not: reading quotes for use
(datasets/market/book_ticker_snapshots/read.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class under a function's name

MOST_MARKETS = 500  # of the ticker; a page with more is no page
# Of today's and yesterday's partitions alone; a step a market through the primary key, then one probe for its newest second.
_NEWEST = """
WITH RECURSIVE since AS (SELECT date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - interval '1 day' AS at),
markets AS (
    (SELECT t.venue, t.symbol, 1 AS place FROM market.book_ticker_snapshots AS t, since
      WHERE t.snapshot_at >= since.at ORDER BY t.venue, t.symbol LIMIT 1)
    UNION ALL
    SELECT later.venue, later.symbol, m.place + 1 FROM markets AS m, since
     CROSS JOIN LATERAL (SELECT t.venue, t.symbol FROM market.book_ticker_snapshots AS t
                          WHERE t.snapshot_at >= since.at AND (t.venue, t.symbol) > (m.venue, m.symbol)
                          ORDER BY t.venue, t.symbol LIMIT 1) AS later
     WHERE m.place < %s
)
SELECT m.venue, m.symbol, extract(epoch FROM q.snapshot_at)::float8, q.bid_price, q.bid_quantity, q.ask_price, q.ask_quantity,
       q.spread_pct::float8, q.age_ms, q.is_stale, extract(epoch FROM clock_timestamp() - q.snapshot_at)::float8
  FROM markets AS m, since
 CROSS JOIN LATERAL (SELECT * FROM market.book_ticker_snapshots AS t
                      WHERE t.venue = m.venue AND t.symbol = m.symbol AND t.snapshot_at >= since.at
                      ORDER BY t.snapshot_at DESC LIMIT 1) AS q
 ORDER BY m.venue, m.symbol
"""
# Venues by steps through the primary key of all partitions; of those without a second of today or yesterday, which are few, the
# newest one is looked for in partitions of any age, a step a market.
_SILENT = """
WITH RECURSIVE venues AS (
    (SELECT venue FROM market.book_ticker_snapshots ORDER BY venue LIMIT 1)
    UNION ALL
    SELECT later.venue FROM venues AS v
     CROSS JOIN LATERAL (SELECT t.venue FROM market.book_ticker_snapshots AS t
                          WHERE t.venue > v.venue ORDER BY t.venue LIMIT 1) AS later
)
SELECT v.venue FROM venues AS v
 WHERE NOT EXISTS (
       SELECT FROM market.book_ticker_snapshots AS t
        WHERE t.venue = v.venue
          AND t.snapshot_at >= date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - interval '1 day')
 ORDER BY v.venue
"""
_LAST_OF = """
WITH RECURSIVE markets AS (
    (SELECT symbol, 1 AS place FROM market.book_ticker_snapshots WHERE venue = %(venue)s ORDER BY symbol LIMIT 1)
    UNION ALL
    SELECT later.symbol, m.place + 1 FROM markets AS m
     CROSS JOIN LATERAL (SELECT t.symbol FROM market.book_ticker_snapshots AS t
                          WHERE t.venue = %(venue)s AND t.symbol > m.symbol ORDER BY t.symbol LIMIT 1) AS later
     WHERE m.place < %(most)s
)
SELECT extract(epoch FROM clock_timestamp() - max(q.snapshot_at))::float8 FROM markets AS m
 CROSS JOIN LATERAL (SELECT t.snapshot_at FROM market.book_ticker_snapshots AS t
                      WHERE t.venue = %(venue)s AND t.symbol = m.symbol ORDER BY t.snapshot_at DESC LIMIT 1) AS q
"""


@dataclass(frozen=True)
class NewestQuote:
    """A market's newest second of today or yesterday.

    Args:
        snapshot_at: Seconds since 1970, UTC.
        bid: As the venue wrote it, quote currency; quantities in base currency.
        spread_pct: In percent of the bid.
        age_ms: How old the quote was at its second, milliseconds.
        seconds_ago: Time since that second, by the server's clock.
    """

    venue: str
    symbol: str
    snapshot_at: float
    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal
    spread_pct: float
    age_ms: int
    is_stale: bool
    seconds_ago: float

    @property
    def age_seconds(self) -> float:
        """How old the quote is now."""
        return max(0.0, self.seconds_ago) + self.age_ms / 1000


@dataclass(frozen=True)
class SilentVenue:
    """A venue of which no second of today or yesterday is stored, but older ones are.

    Args:
        seconds_ago: Time since the newest of them, by the server's clock.
    """

    venue: str
    seconds_ago: float


def read_quotes(cursor: Cursor) -> list[NewestQuote]:
    """A row a market, by venue and symbol; `MOST_MARKETS` at most."""
    cursor.execute(_NEWEST, (MOST_MARKETS,))
    return [NewestQuote(*row) for row in cursor.fetchall()]


def read_silent(cursor: Cursor) -> list[SilentVenue]:
    """Venues that have been silent for longer than `read_quotes` looks back, however long."""
    cursor.execute(_SILENT)
    found = []
    for (venue,) in cursor.fetchall():
        cursor.execute(_LAST_OF, {"venue": venue, "most": MOST_MARKETS})
        seconds = (cursor.fetchone() or (None,))[0]
        if seconds is not None:
            found.append(SilentVenue(venue, seconds))
    return found


__all__ = ["MOST_MARKETS", "NewestQuote", "SilentVenue", "read_quotes", "read_silent"]
