"""Snapshots of quotes for tests, put into PostgreSQL as the stream would.

What belongs here: making and storing snapshots and the ledger's rows of them. What does not: assertions.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from crypto_assets.warehouse.connection import Warehouse

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


@dataclass(frozen=True)
class Second:
    """A market's quote at a second."""

    at: datetime
    bid: str = "99"
    bids: str = "3"
    ask: str = "101"
    asks: str = "1"
    is_stale: bool = False
    symbol: str = "BTC/USDT"
    venue: str = "gate"


def at(text: str) -> datetime:
    """A moment, UTC: 2026-03-02 13:30."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def every_second(start: datetime, count: int, like: Second) -> list[Second]:
    """The same quote at so many seconds from a moment on."""
    return [replace(like, at=start + place * SECOND) for place in range(count)]


def moved(prices: Sequence[tuple[str, str]], start: datetime, like: Second) -> list[Second]:
    """Bid and ask of consecutive seconds from a moment on."""
    return [replace(like, at=start + place * SECOND, bid=bid, ask=ask) for place, (bid, ask) in enumerate(prices)]


def put_quotes(warehouse: Warehouse, rows: Iterable[Second]) -> None:
    """Store snapshots, with the days' partitions."""
    stored = list(rows)
    lines = (
        f"{one.venue}\t{one.symbol}\t{one.at.isoformat()}\t{one.bid}\t{one.bids}\t{one.ask}\t{one.asks}"
        f"\t{one.at.isoformat()}\t0\t{one.is_stale}\ttest\t{one.at.isoformat()}\n"
        for one in stored
    )
    with warehouse.connect() as connection, connection.cursor() as cursor:
        for day in sorted({one.at.date() for one in stored}):
            cursor.execute("SELECT ops.ensure_day_partition('market.book_ticker_snapshots', %s)", (f"{day}T00:00Z",))
        cursor.copy_expert(
            "COPY market.book_ticker_snapshots (venue, symbol, snapshot_at, bid_price, bid_quantity, ask_price,"
            " ask_quantity, received_at, age_ms, is_stale, source, known_at) FROM STDIN",
            io.StringIO("".join(lines)),
        )


def put_gap(warehouse: Warehouse, start: datetime, end: datetime, like: Second) -> None:
    """Seconds of a market that the ledger knows to be lost."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO quality.coverage (dataset, venue, symbol, timeframe, gap_start, gap_end, state, evidence)"
            " VALUES ('market/book_ticker_snapshots', %s, %s, 'tick', %s, %s, 'unrecoverable', '{}')",
            (like.venue, like.symbol, start, end),
        )


def held(warehouse: Warehouse, statement: str) -> list[tuple[object, ...]]:
    """What a statement gives."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def without_quotes(warehouse: Warehouse) -> None:
    """Take all quotes, their sums and what the ledger says of them out of a database."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE market.book_ticker_snapshots")
        cursor.execute("DELETE FROM market.book_ticker_hours")
        cursor.execute("DELETE FROM audit.revisions WHERE table_name = 'market.book_ticker_hours'")
        cursor.execute("DELETE FROM quality.coverage WHERE dataset = 'market/book_ticker_snapshots'")
