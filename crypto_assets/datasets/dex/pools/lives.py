"""The lives of pools: when each was first and last seen, and whether it is dead by the rule.

What belongs here: the rule, and dex.pool_lives brought up to date in the transaction that stores the snapshots. What does
not: asking (asset.py) and reading as of a date (read.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from psycopg2.extras import execute_values

from crypto_assets.clients.pool_rows import PoolRow
from crypto_assets.universe import DexRules

UNLISTED, DRAINED = "unlisted", "drained"
_DAY = "24h"

_SEEN = """
INSERT INTO dex.pool_lives AS l (network, pool_address, dex, base_token, quote_token, created_at, first_seen_at,
                                 last_seen_at, asked_at, dead_at, death, source, known_at)
VALUES %s
ON CONFLICT (network, pool_address) DO UPDATE
   SET dex = excluded.dex, base_token = excluded.base_token, quote_token = excluded.quote_token,
       created_at = coalesce(excluded.created_at, l.created_at),
       first_seen_at = least(l.first_seen_at, excluded.first_seen_at),
       last_seen_at = greatest(l.last_seen_at, excluded.last_seen_at),
       asked_at = greatest(l.asked_at, excluded.asked_at),
       -- The newest snapshot decides; one of before says nothing about now. A death keeps the time when it was first seen.
       dead_at = CASE WHEN excluded.asked_at < l.asked_at THEN l.dead_at
                      WHEN excluded.dead_at IS NULL THEN NULL ELSE coalesce(l.dead_at, excluded.dead_at) END,
       death = CASE WHEN excluded.asked_at < l.asked_at THEN l.death
                    WHEN l.dead_at IS NOT NULL AND excluded.dead_at IS NOT NULL THEN l.death ELSE excluded.death END,
       known_at = least(l.known_at, excluded.known_at), ingested_at = clock_timestamp()
"""
_GONE = """
WITH gone AS (SELECT pool_address, dead_at IS NULL AS lived FROM dex.pool_lives
               WHERE network = %(network)s AND pool_address = ANY(%(addresses)s)
                 AND asked_at <= %(at)s FOR UPDATE) -- one seen since then is not gone
UPDATE dex.pool_lives AS l SET asked_at = %(at)s, dead_at = coalesce(l.dead_at, %(at)s),
       death = CASE WHEN gone.lived THEN %(death)s ELSE l.death END, ingested_at = clock_timestamp()
  FROM gone WHERE l.network = %(network)s AND l.pool_address = gone.pool_address
RETURNING gone.lived, l.pool_address, l.dex, l.base_token, l.quote_token, l.created_at
"""
_LIVING = """
SELECT pool_address FROM dex.pool_lives WHERE network = %s AND dead_at IS NULL AND asked_at < %s
 ORDER BY asked_at LIMIT %s
"""


@dataclass(frozen=True)
class Gone:
    """A pool that GeckoTerminal lists no more, with what was known of it."""

    address: str
    dex: str
    base_token: str
    quote_token: str
    created_at: datetime | None


def is_drained(row: PoolRow, rules: DexRules) -> bool:
    """Whether nothing was traded for a day and next to nothing is left in the pool. Pure.

    Where the transactions or the reserve are not told, nothing is concluded.
    """
    traded = [counts.get(_DAY) for counts in (row.buys, row.sells)]
    if None in traded or row.reserve_usd is None:
        return False
    return sum(count or 0 for count in traded) == 0 and row.reserve_usd < rules.dead_reserve_usd


def note_seen(
    connection: Connection, network: str, rows: Sequence[PoolRow], at: datetime, source: str, rules: DexRules
) -> None:
    """Bring the lives of these pools up to date; each once."""
    values = [
        (
            network, row.address, row.dex, row.base_token, row.quote_token, row.created_at, at, at, at,
            at if is_drained(row, rules) else None, DRAINED if is_drained(row, rules) else "", source, at,
        )
        for row in sorted(rows, key=lambda one: one.address)  # one order everywhere, so that two writers do not dead-lock
    ]  # fmt: skip
    if values:
        with connection.cursor() as cursor:
            execute_values(cursor, _SEEN, values)


def note_gone(connection: Connection, network: str, addresses: Sequence[str], at: datetime) -> list[Gone]:
    """Pools that were asked for and are not listed any more are dead; those that lived until now are returned."""
    if not addresses:
        return []
    asked = {"network": network, "addresses": sorted(addresses), "at": at, "death": UNLISTED}
    with connection.cursor() as cursor:
        cursor.execute(_GONE, asked)
        rows = cursor.fetchall()
    return [
        Gone(address, dex, base, quote, born.astimezone(UTC) if born else None)
        for lived, address, dex, base, quote, born in rows
        if lived
    ]


def living(connection: Connection, network: str, before: datetime, most: int) -> list[str]:
    """Pools that live and were not asked for since a time, the one not asked for longest first."""
    with connection.cursor() as cursor:
        cursor.execute(_LIVING, (network, before, most))
        return [address for (address,) in cursor.fetchall()]
