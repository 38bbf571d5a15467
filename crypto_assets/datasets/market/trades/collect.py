"""Collecting one market's trades: ask for the time that is not there yet, write rows and progress together.

What belongs here: one turn of one market, from the venue's pages to the warehouse. What does not: whether the trades are whole
(continuity.py), whose turn it is (polling.py), asking and parsing (clients), SQL (warehouse).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from itertools import islice

import numpy as np
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name

from crypto_assets.clients.exchange import Exchange
from crypto_assets.clients.exchange_trades import TradePage, layout_of, trade_pages
from crypto_assets.clients.failures import Malformed, ProviderError
from crypto_assets.clients.trade_rows import Trades, join_trades
from crypto_assets.collection.batches import gathered
from crypto_assets.datasets.market.trades.table import DATASET, trades
from crypto_assets.datasets.outcomes import EventOutcome
from crypto_assets.quality.coverage import TICK, SeriesKey, lock_ledger, read_open, write_changes
from crypto_assets.quality.gaps import Evidence, Gap, State
from crypto_assets.spans import Span, difference, intersection
from crypto_assets.warehouse.collected import mark_collected, read_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.quarantine import Refused, quarantine
from crypto_assets.warehouse.write import Batch, WriteCounts, upsert

# Rows per transaction: large enough that a commit costs little, small enough that a kill loses seconds of work.
BATCH_ROWS = 10_000
CUT = "The venue has more trades in this time than it serves at once."
_EXACT = Context(prec=200)  # two texts of at most 80 characters; Python's own context rounds at 28 digits
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEWEST = """
SELECT sequence, traded_at FROM market.trades
 WHERE venue = %s AND symbol = %s AND traded_at >= %s AND traded_at < %s ORDER BY traded_at DESC, sequence DESC LIMIT 1
"""


@dataclass(frozen=True)
class Turned:
    """What one turn came to.

    Args:
        spans: Times for which trades came.
        has_more: Whether more is wanted than the turn's pages brought.
        error: What ended it early.
    """

    outcome: EventOutcome
    spans: Sequence[Span] = ()
    has_more: bool = False
    error: ProviderError | None = None


def series_of(venue: str, symbol: str) -> SeriesKey:
    """How ledgers name a market's trades."""
    return SeriesKey(DATASET, venue, symbol, TICK)


def wanted_spans(warehouse: Warehouse, key: SeriesKey, window: Span, *, refresh: bool = False) -> list[Span]:
    """What of a window has not been collected, as far as time has come; all of it where it is asked for again."""
    window = window[0], min(window[1], datetime.now(UTC) + timedelta(minutes=1))
    if window[0] >= window[1] or refresh:
        return [window] if window[0] < window[1] else []
    with warehouse.connect() as connection:
        return difference([window], read_collected(connection, *key.values()))


def resume_from(warehouse: Warehouse, key: SeriesKey, window: Span, first: timedelta, now: datetime) -> datetime:
    """Where a scheduled run goes on in its window.

    Behind what was collected of it; at its beginning where the time before was collected; else shortly before now.

    Args:
        first: How far back a market begins that has no trades yet.
    """
    with warehouse.connect() as connection:
        collected = read_collected(connection, *key.values())
    within = intersection(collected, [window])
    if within:
        return within[-1][1]
    if any(end <= window[0] for _, end in collected):
        return window[0]
    return max(window[0], min(now, window[1]) - first)


def take_turn(
    warehouse: Warehouse, exchange: Exchange, symbol: str, spans: Sequence[Span], *, most_pages: int
) -> Turned:
    """Fetch and store the first `most_pages` pages of the spans, oldest span first.

    Rows, quarantine, progress and the ledger of each batch are one transaction, so a kill at any moment loses no committed
    row and doubles none. A failure of the venue ends the turn: what came before it stands.
    """
    key = series_of(exchange.name, symbol)
    outcome, told, left = EventOutcome(exchange.name, symbol), [], most_pages
    try:
        for span in spans:
            pages = trade_pages(exchange, symbol, span, after=_number_before(warehouse, key, span))
            for batch in gathered(islice(pages, left), lambda page: len(page.trades), BATCH_ROWS):
                left -= len(batch)
                outcome += store_pages(warehouse, key, batch)
                told += [_span(page) for page in batch if page.start_us < page.end_us]
            if left <= 0:
                break
    except Malformed as error:
        return Turned(keep_payload(warehouse, key, outcome, error), told, error=error)
    except ProviderError as error:
        return Turned(replace(outcome, warning=str(error), failed=True), told, error=error)
    # A turn that brought nothing new would bring nothing new again: the next run tries it.
    has_moved = bool(told) or outcome.inserted > 0
    return Turned(outcome, told, has_more=left <= 0 and has_moved and bool(difference(spans, told)))


def store_pages(warehouse: Warehouse, key: SeriesKey, pages: Sequence[TradePage], *, mark: bool = True) -> EventOutcome:
    """Write pages of one market in one transaction: rows, what was refused of them, progress, and cut spans.

    Args:
        mark: Whether the pages' spans count as collected from here on.
    """
    found = join_trades([page.trades for page in pages])
    counts = WriteCounts(0, 0, 0, 0)
    with warehouse.connect() as connection:
        if len(found):
            counts = upsert(connection, trades, build_rows(key, _once(found)))
        if found.refused:
            items = [Refused(row.reason, row.payload) for row in found.refused]
            quarantine(connection, items=items, **vars(key))
        for page in pages:
            if mark and page.start_us < page.end_us:
                mark_collected(connection, *key.values(), *_span(page))
        doubts = _doubts(key, pages) if mark else []
        for doubt in doubts:
            _note(connection, key, doubt)
    return EventOutcome(
        key.venue,
        key.symbol,
        received=len(found),
        inserted=counts.inserted,
        changed=counts.changed,
        quarantined=len(found.refused),
        absent=len(doubts),
        first=_moment(int(found.traded_at_us.min())) if len(found) else None,
        last=_moment(int(found.traded_at_us.max())) if len(found) else None,
    )


def build_rows(key: SeriesKey, found: Trades) -> Batch:
    """The table's columns from a page of trades. Pure."""
    cost = np.empty(len(found), dtype=object)
    cost[:] = [
        f"{_EXACT.multiply(Decimal(price), Decimal(amount)):f}"
        for price, amount in zip(found.price, found.amount, strict=True)
    ]
    traded_at = found.traded_at_us.view("datetime64[us]")
    return {
        "venue": key.venue,
        "symbol": key.symbol,
        "traded_at": traded_at,
        "trade_id": found.trade_id,
        "price": found.price,
        "amount": found.amount,
        "cost": cost,
        "side": np.where(found.is_buy, "buy", "sell").astype(object),
        "sequence": found.sequence,
        "fills": found.fills,
        "source": f"ccxt {key.venue} fetchTrades",
        "known_at": traded_at,
    }


def keep_payload(warehouse: Warehouse, key: SeriesKey, outcome: EventOutcome, error: Malformed) -> EventOutcome:
    """Keep an answer that could not be read."""
    with warehouse.connect() as connection:
        kept = quarantine(connection, items=[Refused(error.problem, error.payload)], **vars(key))
    return replace(outcome, quarantined=outcome.quarantined + kept, warning=str(error), failed=True)


def _once(found: Trades) -> Trades:
    """Each trade once: pages by time overlap at their edges."""
    _, first = np.unique(found.trade_id.astype(str), return_index=True)
    return found if len(first) == len(found) else found.take(np.sort(first))


def _number_before(warehouse: Warehouse, key: SeriesKey, span: Span) -> int | None:
    """The number of the trade right before the span, where the time before it was collected and numbers have no holes."""
    if not layout_of(key.venue).is_dense:
        return None
    with warehouse.connect() as connection:
        before = [start for start, end in read_collected(connection, *key.values()) if end == span[0]]
        if not before:
            return None
        with connection.cursor() as cursor:
            cursor.execute(_NEWEST, (key.venue, key.symbol, before[0], span[0]))
            row = cursor.fetchone()
    return int(row[0]) if row else None


def _doubts(key: SeriesKey, pages: Sequence[TradePage]) -> list[tuple[Span, State, str]]:
    """Spans for which the venue has trades that did not come, as far as the pages themselves tell.

    Where numbers have no holes, a missing trade shows in them, and more exactly: see continuity.py.
    """
    found = []
    for page in pages:
        if page.start_us >= page.end_us:
            continue
        if page.is_cut:
            found.append((_span(page), State.UNRECOVERABLE, CUT))
        elif page.trades.refused and not layout_of(key.venue).is_dense:
            why = f"{len(page.trades.refused)} rows of the answer could not be read; quality.quarantine keeps them."
            found.append((_span(page), State.MISSING, why))
    return found


def _note(connection: Connection, key: SeriesKey, doubt: tuple[Span, State, str]) -> None:
    """Add a span to the ledger, with what is said of it already left as it is."""
    span, state, why = doubt
    lock_ledger(connection, key.dataset, key.venue)
    before = read_open(connection, key, span)
    now = datetime.now(UTC)
    fresh = [Gap(*part, state, Evidence(why=why), now) for part in difference([span], [gap.span for gap in before])]
    write_changes(connection, key, [], fresh)


def _span(page: TradePage) -> Span:
    return _moment(page.start_us), _moment(page.end_us)


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
