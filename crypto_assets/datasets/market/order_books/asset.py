"""The asset market/order_books: snapshots of a venue's books, each market at its own interval.

What belongs here: run config, one poll, rows from a book. What does not: the rules of a book (clients/book_rows.py), whose
turn it is (polling.py), when it runs (automation.py).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import numpy as np
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from crypto_assets.clients.book_rows import measure
from crypto_assets.clients.exchange import Exchange
from crypto_assets.clients.exchange_books import OrderBook, order_book
from crypto_assets.clients.failures import Malformed, ProviderError
from crypto_assets.collection.interval import next_interval
from crypto_assets.datasets.market.event_asset import EventConfig, EventRun, event_asset
from crypto_assets.datasets.market.order_books.table import DATASET, order_books
from crypto_assets.datasets.market.polling import Pollers, poll_markets
from crypto_assets.datasets.outcomes import EventOutcome
from crypto_assets.datasets.polls import Visit
from crypto_assets.latest.lives import BOOK
from crypto_assets.latest.values import LatestBook, microseconds
from crypto_assets.partitions import Grids
from crypto_assets.quality.coverage import TICK, SeriesKey
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.quarantine import Refused, quarantine
from crypto_assets.warehouse.read import read_frame
from crypto_assets.warehouse.write import Batch, upsert

# A poll should see the price move by so many of the universe's lively_bps.
_WANTED_MOVES = 1.0
_LONGEST_ROUND_SECONDS = 600.0


class BooksConfig(EventConfig):
    """What a run watches."""

    minutes: float = Field(
        default=0, ge=0, le=1440, description="Go on for so long, each market at its interval. 0: one snapshot each."
    )


def build_asset(grids: Grids) -> dg.AssetsDefinition:
    """The asset over the grids of the universe in force; automation.py adds when it runs."""
    return event_asset(
        DATASET,
        order_books,
        grids,
        BooksConfig,
        watch_books,
        description="Snapshots of order books: levels, spread, depth, imbalance; day × venue. Only of now, never of the past.",
    )


def watch_books(run: EventRun[BooksConfig]) -> Sequence[EventOutcome]:
    """Take snapshots of one venue's books, if the window is still open."""
    if not run.is_open(datetime.now(UTC)):
        run.log.warning("%s: a book of the past cannot be asked for; nothing is done.", run.window.venue)
        return []
    rules = run.universe.order_books
    mids = newest_mids(
        run.warehouse, run.window.venue, datetime.now(UTC) - timedelta(seconds=2 * rules.max_interval_seconds)
    )

    def visit(exchange: Exchange, symbol: str, interval: float) -> Visit:
        began = time.monotonic()
        key = SeriesKey(DATASET, exchange.name, symbol, TICK)
        try:
            book = order_book(exchange, symbol, rules.depth)
        except ProviderError as error:
            outcome = EventOutcome(exchange.name, symbol, warning=str(error), failed=True)
            kept = keep_refused(run.warehouse, key, error)
            return Visit(replace(outcome, quarantined=kept), interval, error=error)
        batch = build_rows(key, [book])
        with run.warehouse.connect() as connection:
            counts = upsert(connection, order_books, batch)
        run.tell.put([latest_book(key, book)])
        mid = measure(book.levels).mid
        before, mids[symbol] = mids.get(symbol), mid
        moved = abs(mid / before - 1) * 1e4 if before else rules.lively_bps
        rhythm = next_interval(
            interval, moved, _WANTED_MOVES * rules.lively_bps, rules.interval_seconds, rules.max_interval_seconds
        )
        outcome = EventOutcome(
            exchange.name, symbol, received=1, inserted=counts.inserted, first=book.received_at, last=book.received_at,
            seconds=time.monotonic() - began,
        )  # fmt: skip
        return Visit(outcome, rhythm, activity=moved / interval)

    seconds = run.config.minutes * 60 or _LONGEST_ROUND_SECONDS
    pollers: Pollers[BooksConfig] = Pollers(
        DATASET, "fetchOrderBook", "order books", rules.interval_seconds, rules.max_interval_seconds, seconds, visit,
        linger=run.config.minutes > 0,
    )  # fmt: skip
    return poll_markets(run, pollers)


def newest_mids(warehouse: Warehouse, venue: str, since: datetime) -> dict[str, float]:
    """The middle of each market's newest book since a time: what the next one is compared with."""
    c = order_books.c
    newest = (
        select(c.symbol, c.mid)
        .where(c.venue == venue, c.snapshot_at >= since)
        .ext(distinct_on(c.symbol))
        .order_by(c.symbol, c.snapshot_at.desc())
    )
    return {row["symbol"]: float(row["mid"]) for row in read_frame(warehouse, newest).to_dict("records")}


def build_rows(key: SeriesKey, books: Sequence[OrderBook]) -> Batch:
    """The table's columns from books. Pure."""
    told = [asdict(measure(book.levels)) for book in books]
    received = np.array([_wall(book.received_at) for book in books], dtype="datetime64[us]")
    columns = {name: np.array([row[name] for row in told], dtype=np.float64) for name in told[0]} if told else {}
    return {
        "venue": key.venue,
        "symbol": key.symbol,
        "snapshot_at": received,
        "depth": np.array([min(len(book.levels.bids), len(book.levels.asks)) for book in books], dtype=np.int64),
        "bids": _sides([book.levels.bids for book in books]),
        "asks": _sides([book.levels.asks for book in books]),
        **columns,
        "sequence": np.array([book.sequence for book in books], dtype=object),
        "venue_at": np.array([_wall(book.venue_at) for book in books], dtype="datetime64[us]"),
        "source": f"ccxt {key.venue} fetchOrderBook",
        "known_at": received,
    }


def latest_book(key: SeriesKey, book: OrderBook) -> LatestBook:
    """A book as Redis is told. Pure."""
    told = measure(book.levels)
    at = microseconds(book.received_at)
    return LatestBook(
        at_us=at, known_us=at, stored_us=microseconds(datetime.now(UTC)), until_us=at + BOOK, venue=key.venue,
        symbol=key.symbol, bids=book.levels.bids, asks=book.levels.asks, mid=told.mid, spread_bps=told.spread_bps,
        imbalance=told.imbalance, sequence=book.sequence,
        event_us=None if book.venue_at is None else microseconds(book.venue_at),
    )  # fmt: skip


def keep_refused(warehouse: Warehouse, key: SeriesKey, error: ProviderError) -> int:
    """Keep the answer that was no book; how many payloads that is."""
    if not isinstance(error, Malformed):
        return 0
    with warehouse.connect() as connection:
        return quarantine(connection, items=[Refused(error.problem, error.payload)], **vars(key))


def _sides(sides: Sequence[object]) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    column = np.empty(len(sides), dtype=object)
    column[:] = [list(side) for side in sides]  # type: ignore[call-overload]
    return column


def _wall(moment: datetime | None) -> np.datetime64:
    return np.datetime64("NaT") if moment is None else np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")
