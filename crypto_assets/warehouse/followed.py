"""What is collected now: markets, pools and feeds of the universe that runs read last.

What belongs here: telling whether one is among them. What does not: which universe holds for a run (universe_versions.py).

Polls and progress of what was taken out stay in their tables, and would count as overdue for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class under a function's name

from crypto_assets.universe import Universe, UniverseError, parse_universe

_OF_POOLS = frozenset({"dex/pool_ohlcv", "dex/pool_trades"})
_NO_FEED = "cryptopanic"  # asked for news wherever there is a key
_UNIVERSE = "SELECT content FROM ops.universe_versions ORDER BY last_used_at DESC LIMIT 1"
_POOLS = "SELECT DISTINCT network, pool_address FROM dex.watchlist WHERE valid_to IS NULL AND pool_address IS NOT NULL"


@dataclass(frozen=True)
class Followed:
    """What is collected on a day.

    Args:
        universe: In force; None where none is known: then all is taken for followed.
        pools: Network and address of each pool that is watched.
        day: UTC.
    """

    universe: Universe | None
    pools: frozenset[tuple[str, str]]
    day: date

    def holds(self, dataset: str, venue: str, symbol: str) -> bool:
        """Whether the dataset is asked for it: for a market of a venue, a pool of a network, or a feed. Pure."""
        if self.universe is None:
            return True
        if dataset.startswith("market/"):
            there = self.universe.venues.get(venue)
            market = there.market(symbol) if there else None
            return market is not None and (market.until is None or self.day < market.until)
        if dataset in _OF_POOLS:
            return venue in self.universe.dex.networks and (venue, symbol) in self.pools
        if dataset == "sentiment/news":
            return venue in self.universe.news.feeds or venue == _NO_FEED
        return True


def read_followed(cursor: Cursor) -> Followed:
    """What is collected now."""
    cursor.execute(_UNIVERSE)
    row = cursor.fetchone()
    cursor.execute(_POOLS)
    pools = frozenset((network, address) for network, address in cursor.fetchall())
    try:
        universe = parse_universe(row[0], "the last valid universe") if row else None
    except UniverseError:  # of another version of this program
        universe = None
    return Followed(universe, pools, datetime.now(UTC).date())


__all__ = ["Followed", "read_followed"]
