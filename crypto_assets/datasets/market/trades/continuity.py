"""Whether every trade is there: numbers without holes where the venue has them, the ledger where one is missing.

What belongs here: finding missing numbers, asking for them once more, and the ledger's rows. What does not: fetching and
storing (collect.py) and the rules of the ledger (quality/gaps.py).

A missing number proves a missing trade only between two trades whose time in between was wholly collected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name

from crypto_assets.clients.exchange import Exchange
from crypto_assets.clients.exchange_trades import layout_of, trade_pages
from crypto_assets.clients.failures import ProviderError
from crypto_assets.datasets.market.trades.collect import series_of, store_pages
from crypto_assets.datasets.outcomes import EventOutcome
from crypto_assets.quality.coverage import SeriesKey, lock_ledger, read_open, write_changes
from crypto_assets.quality.gaps import Answer, Gap, State, is_due, reconcile, with_answer
from crypto_assets.spans import Span, difference
from crypto_assets.universe import Gaps
from crypto_assets.warehouse.collected import read_collected
from crypto_assets.warehouse.connection import Warehouse

_LEAST = timedelta(microseconds=1)  # a gap between two trades of one moment is as long as that
_HOLES = """
SELECT before_at, before_sequence, traded_at, sequence FROM (
    SELECT traded_at, sequence, lag(traded_at) OVER w AS before_at, lag(sequence) OVER w AS before_sequence
      FROM market.trades
     WHERE venue = %(venue)s AND symbol = %(symbol)s AND traded_at < %(end)s
       AND traded_at >= coalesce((SELECT max(traded_at) FROM market.trades
                                   WHERE venue = %(venue)s AND symbol = %(symbol)s AND traded_at < %(start)s
                                     AND traded_at >= %(start)s - interval '1 day'), %(start)s)
    WINDOW w AS (ORDER BY sequence)) AS pairs
 WHERE sequence - before_sequence > 1 ORDER BY sequence LIMIT 10000
"""
_NEXT = """
SELECT min(traded_at) FROM market.trades
 WHERE venue = %s AND symbol = %s AND traded_at >= %s AND traded_at < %s::timestamptz + interval '1 day'
"""


@dataclass(frozen=True)
class Hole:
    """Numbers that are missing between two stored trades.

    Args:
        before: The number of the last trade before them.
        after: The number of the first trade behind them.
        span: Between the two trades.
    """

    before: int
    after: int
    span: Span

    @property
    def missing(self) -> int:
        """How many trades."""
        return self.after - self.before - 1

    @property
    def why(self) -> str:
        """For the ledger."""
        told = f"{self.before + 1} to {self.after - 1}" if self.missing > 1 else str(self.before + 1)
        return f"The venue numbers its trades without holes, and {told} did not come."


def prove(
    warehouse: Warehouse, exchange: Exchange, symbol: str, spans: Sequence[Span], rules: Gaps
) -> tuple[EventOutcome, int]:
    """Look whether the trades of the spans are whole; ask once more for what is missing, and keep in the ledger what remains.

    Gaps of the market whose time to be asked for again has come are asked for as well.

    Returns:
        What came of asking again, and how many gaps of the spans remain.
    """
    key = series_of(exchange.name, symbol)
    outcome, is_dense = EventOutcome(exchange.name, symbol), layout_of(exchange.name).is_dense
    holes = [hole for span in spans for hole in find_holes(warehouse, key, span)] if is_dense else []
    again = [hole.span for hole in holes]
    for span in again + _due(warehouse, key, rules, again):
        came, answer = _ask_again(warehouse, exchange, key, span)
        outcome += came
        left = find_holes(warehouse, key, span) if is_dense else []
        if not is_dense and not answer.is_usable:
            left = [Hole(0, 0, span)]
        note_holes(warehouse, key, span, left, answer, rules)
    return outcome, sum(len(find_holes(warehouse, key, span)) for span in again)


def find_holes(warehouse: Warehouse, key: SeriesKey, span: Span) -> list[Hole]:
    """Missing numbers among the trades of a span and their neighbours on both sides, in order."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_NEXT, (key.venue, key.symbol, span[1], span[1]))
        following = cursor.fetchone()
        end = following[0] + _LEAST if following and following[0] else span[1]
        cursor.execute(_HOLES, {"venue": key.venue, "symbol": key.symbol, "start": span[0], "end": end})
        rows = cursor.fetchall()
        collected = read_collected(connection, *key.values())
    found = []
    for before_at, before, at, number in rows:
        between = (before_at.astimezone(UTC), max(at, before_at + _LEAST).astimezone(UTC))
        if not difference([between], collected):
            found.append(Hole(before, number, between))
    return found


def note_holes(
    warehouse: Warehouse, key: SeriesKey, span: Span, holes: Sequence[Hole], answer: Answer, rules: Gaps
) -> None:
    """Bring the ledger up to date: what of a span is missing, what came, what was asked and how often.

    A gap that the venue has answered max_attempts times without its trades is called unrecoverable.
    """
    now = datetime.now(UTC)
    whys = {hole.span: hole.why for hole in holes if hole.missing > 0}
    with warehouse.connect() as connection:
        lock_ledger(connection, key.dataset, key.venue)
        before = read_open(connection, key, span)
        lasting = [gap.span for gap in before if gap.state is State.UNRECOVERABLE]
        open_gaps = [gap for gap in before if gap.state is not State.UNRECOVERABLE]
        absent = difference([hole.span for hole in holes], lasting)
        after = with_answer(reconcile(open_gaps, absent, span, now), answer, rules)
        write_changes(connection, key, open_gaps, [_told(gap, whys, rules) for gap in after])


def _told(gap: Gap, whys: dict[Span, str], rules: Gaps) -> Gap:
    if gap.state is not State.MISSING:
        return gap
    is_given_up = gap.evidence.answers >= rules.max_attempts
    evidence = gap.evidence.model_copy(update={"why": whys.get(gap.span, gap.evidence.why)})
    return replace(gap, evidence=evidence, state=State.UNRECOVERABLE if is_given_up else State.MISSING)


def _ask_again(warehouse: Warehouse, exchange: Exchange, key: SeriesKey, span: Span) -> tuple[EventOutcome, Answer]:
    outcome = EventOutcome(key.venue, key.symbol)
    wide = (span[0], span[1] + timedelta(milliseconds=1))
    try:
        pages = list(trade_pages(exchange, key.symbol, wide))
        outcome = store_pages(warehouse, key, pages, mark=False) if pages else outcome
        refused = sum(len(page.trades.refused) for page in pages)
        came, is_usable = f"{outcome.received} trades, {refused} rows refused", refused == 0
    except ProviderError as error:
        came, is_usable = f"{type(error).__name__}: {error.problem}"[:300], False
    return outcome, Answer(span, datetime.now(UTC), came, is_usable=is_usable)


def _due(warehouse: Warehouse, key: SeriesKey, rules: Gaps, known: Sequence[Span]) -> list[Span]:
    now = datetime.now(UTC)
    with warehouse.connect() as connection:
        gaps = _missing(connection, key, now)
    return [gap.span for gap in gaps if is_due(gap, now, rules) and gap.span not in known]


def _missing(connection: Connection, key: SeriesKey, now: datetime) -> list[Gap]:
    ever = (datetime(2009, 1, 1, tzinfo=UTC), now)
    return [gap for gap in read_open(connection, key, ever) if gap.state is State.MISSING]
