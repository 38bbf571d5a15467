"""Collecting one market's bars: ask for what is not there yet, write rows and progress together.

What belongs here: the loop from a venue's pages to the warehouse, and its outcome. What does not: Dagster (asset.py),
asking and parsing (clients), SQL (warehouse).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from crypto_assets.clients.exchange import SETTLE, BarPage, Exchange
from crypto_assets.clients.exchange_bars import NUMBERS, REQUIRED, Bars
from crypto_assets.clients.failures import Malformed, NotListed, ProviderError
from crypto_assets.collection.batches import gathered
from crypto_assets.datasets.market.ohlcv.table import DATASET, ohlcv
from crypto_assets.latest.lives import bar_until
from crypto_assets.latest.telling import SILENCE, Tell
from crypto_assets.latest.values import LatestBar, microseconds
from crypto_assets.quality.coverage import SeriesKey, observe
from crypto_assets.quality.gaps import Answer, absent_spans
from crypto_assets.spans import Span, difference
from crypto_assets.universe import TIMEFRAME_LENGTH, Gaps, timeframe_ms
from crypto_assets.warehouse.collected import mark_collected, read_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.quarantine import Refused, quarantine
from crypto_assets.warehouse.write import Batch, WriteCounts, upsert

# Rows per transaction: large enough that a commit costs little, small enough that a kill loses seconds of work and
# memory stays flat.
BATCH_ROWS = 20_000
# Young bars asked for again: venues revise the last ones within minutes of their close.
RECHECKED_BARS = 3


@dataclass(frozen=True)
class Series:
    """One market at one length of bar, and the span of opening times wanted: [start, end), UTC."""

    venue: str
    symbol: str
    timeframe: str
    start: datetime
    end: datetime

    @property
    def key(self) -> SeriesKey:
        """How ledgers name it."""
        return SeriesKey(DATASET, self.venue, self.symbol, self.timeframe)


@dataclass(frozen=True)
class Outcome:
    """What collecting or repairing one series came to.

    Args:
        received: Sound bars that arrived.
        absent: Bars that the venue did not have, from the first one it had to where it spoke to.
        requests: Pages that a repair asked for; 0 for collecting.
        warning: Why the series is not complete; empty where it is.
        failed: Whether the venue failed it, so that it counts against the run.
    """

    series: Series
    received: int = 0
    inserted: int = 0
    changed: int = 0
    quarantined: int = 0
    absent: int = 0
    requests: int = 0
    first: datetime | None = None
    last: datetime | None = None
    seconds: float = 0.0
    warning: str = ""
    failed: bool = False


def collect_series(
    warehouse: Warehouse,
    exchange: Exchange,
    series: Series,
    *,
    refresh: bool = False,
    has_ended: bool = False,
    tell: Tell = SILENCE,
) -> Outcome:
    """Bring one series up to date; what is there already is not asked for again.

    Rows, quarantine and progress of each batch are one transaction, so a kill at any moment loses no committed row and
    doubles none. A failure of the venue ends this series alone: what came before it stands.

    Args:
        refresh: Ask for everything again, to find what the venue has changed since.
        has_ended: The market was traded once and is no more: that the venue lists it no longer is no failure.
        tell: Told the newest bar of each batch, once it is committed.
    """
    began = time.monotonic()
    outcome, failure = Outcome(series), None
    try:
        spans, note = _wanted(warehouse, exchange, series, refresh)
        outcome = replace(outcome, warning=note)
        for span in spans:
            batches = gathered(
                exchange.pages(series.symbol, series.timeframe, *span), lambda page: len(page.bars), BATCH_ROWS
            )
            outcome, failure = _store_all(warehouse, batches, outcome, tell)
            if failure is not None:
                raise failure
    except Malformed as error:
        kept = keep_payload(warehouse, series, error)
        outcome = replace(outcome, quarantined=outcome.quarantined + kept, warning=str(error), failed=True)
    except ProviderError as error:
        is_over = has_ended and isinstance(error, NotListed)
        told = f"{series.venue} lists {series.symbol} no more; nothing is due." if is_over else str(error)
        outcome = replace(outcome, warning=told, failed=not is_over)
    return replace(outcome, seconds=time.monotonic() - began)


def build_rows(series: Series, bars: Bars) -> Batch:
    """The rows of market.ohlcv for a page of bars. Pure."""
    opened_at = bars.opened_at_ms.astype("datetime64[ms]")
    return {
        "venue": series.venue,
        "symbol": series.symbol,
        "timeframe": series.timeframe,
        "opened_at": opened_at,
        **{name: bars.columns[name] for name in NUMBERS},
        "source": f"{series.venue} REST",
        "known_at": opened_at + np.timedelta64(timeframe_ms(series.timeframe), "ms"),
    }


def latest_bars(series: Series, bars: Bars, stored_at: datetime) -> list[LatestBar]:
    """The last of a batch, as Redis is told; none of none. Pure."""
    if not len(bars):
        return []
    numbers = {name: float(bars.columns[name][-1]) for name in NUMBERS}
    known = {name: None if math.isnan(number) else number for name, number in numbers.items()}
    at, length = int(bars.opened_at_ms[-1]) * 1000, timeframe_ms(series.timeframe) * 1000
    return [
        LatestBar(
            at_us=at, known_us=at + length, stored_us=microseconds(stored_at), until_us=bar_until(at + length, length),
            venue=series.venue, symbol=series.symbol, timeframe=series.timeframe,
            **{name: numbers[name] for name in REQUIRED}, volume_quote=known["volume_quote"],
            trade_count=None if known["trade_count"] is None else int(known["trade_count"]),
        )
    ]  # fmt: skip


def join_pages(pages: Sequence[BarPage]) -> Bars:
    """The bars of consecutive pages as one. Pure."""
    bars = [page.bars for page in pages]
    return Bars(
        np.concatenate([part.opened_at_ms for part in bars]),
        {name: np.concatenate([part.columns[name] for part in bars]) for name in NUMBERS},
        np.concatenate([part.is_finished for part in bars]),
        tuple(refused for part in bars for refused in part.refused),
    )


def rechecked(
    spans: Sequence[Span], collected: Sequence[Span], wanted: Span, timeframe: str, now: datetime
) -> list[Span]:
    """The spans to ask for, widened backwards over the young bars that are stored already. Pure."""
    length = TIMEFRAME_LENGTH[timeframe]
    widened = []
    for start, end in spans:
        touches_stored = any(stored_end == start for _, stored_end in collected)
        is_young = now - start < max(SETTLE, RECHECKED_BARS * length) + RECHECKED_BARS * length
        back = start - RECHECKED_BARS * length if touches_stored and is_young else start
        widened.append((max(back, wanted[0]), end))
    return widened


def _wanted(warehouse: Warehouse, exchange: Exchange, series: Series, refresh: bool) -> tuple[list[Span], str]:
    """The spans to ask for, and a note where some of what is missing is beyond the venue's reach."""
    now = datetime.now(UTC)
    # Whole bars beyond our clock cannot exist; the margin leaves the decision to the venue's.
    end = min(series.end, now + timedelta(days=1))
    if series.start >= end:
        return [], ""
    collected: list[Span] = []
    if not refresh:
        with warehouse.connect() as connection:
            collected = read_collected(connection, DATASET, series.venue, series.symbol, series.timeframe)
    missing = difference([(series.start, end)], collected)
    reach = exchange.reach(series.timeframe, now)
    note = ""
    if reach is not None and missing and missing[0][0] < reach:
        note = f"{exchange.name} no longer serves bars before {reach:%Y-%m-%d %H:%M} UTC"
        missing = [(max(start, reach), stop) for start, stop in missing if stop > reach]
    return rechecked(missing, collected, (series.start, end), series.timeframe, now), note


def _store_all(
    warehouse: Warehouse, batches: Iterator[list[BarPage]], outcome: Outcome, tell: Tell
) -> tuple[Outcome, ProviderError | None]:
    """Write each batch while the next one is fetched; at most one is on its way, so memory stays flat.

    Returns:
        The outcome of what was written, and what ended the batches early, if anything did.
    """
    failure = None
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="write") as writer:
        writing: Future[Outcome] | None = None
        try:
            for batch in batches:
                outcome = writing.result() if writing else outcome
                writing = writer.submit(copy_context().run, _store, warehouse, batch, outcome, tell)
        except ProviderError as error:
            failure = error
        return (writing.result() if writing else outcome), failure


def _store(warehouse: Warehouse, pages: Sequence[BarPage], outcome: Outcome, tell: Tell) -> Outcome:
    bars = join_pages(pages)
    start, end = _moment(pages[0].start), _moment(pages[-1].end)
    counts = store_bars(warehouse, outcome.series, bars, (start, end))
    tell.put(latest_bars(outcome.series, bars, datetime.now(UTC)))
    first = _moment(int(bars.opened_at_ms[0])) if len(bars) else None
    due_from = start if outcome.first else first  # before the venue's first bar nothing is absent
    due = round((end - due_from) / TIMEFRAME_LENGTH[outcome.series.timeframe]) if due_from else 0
    return replace(counted(outcome, bars, counts), absent=outcome.absent + max(0, due - len(bars)))


def store_bars(
    warehouse: Warehouse,
    series: Series,
    bars: Bars,
    span: Span,
    *,
    answer: Answer | None = None,
    rules: Gaps | None = None,
) -> WriteCounts:
    """Write bars, what was refused of them, progress and the gap ledger, in one transaction.

    Args:
        span: Opening times that the bars speak for.
        answer: The repair request that brought them; None where they were collected.
        rules: The universe's, with an answer.
    """
    counts = WriteCounts(0, 0, 0, 0)
    with warehouse.connect() as connection:
        if len(bars):
            counts = upsert(connection, ohlcv, build_rows(series, bars))
        if bars.refused:
            items = [Refused(row.reason, row.payload) for row in bars.refused]
            quarantine(connection, items=items, **vars(series.key))
        if span[0] < span[1]:
            mark_collected(connection, *series.key.values(), *span)
            absent = absent_spans(bars.opened_at_ms, span, TIMEFRAME_LENGTH[series.timeframe])
            observe(connection, ohlcv, series.key, span, absent, answer=answer, rules=rules)
    return counts


def counted(outcome: Outcome, bars: Bars, counts: WriteCounts) -> Outcome:
    """The outcome with a batch added to it. Pure."""
    first = _moment(int(bars.opened_at_ms[0])) if len(bars) else None
    last = _moment(int(bars.opened_at_ms[-1])) if len(bars) else None
    return replace(
        outcome,
        received=outcome.received + len(bars),
        inserted=outcome.inserted + counts.inserted,
        changed=outcome.changed + counts.changed,
        quarantined=outcome.quarantined + len(bars.refused),
        first=outcome.first or first,
        last=last or outcome.last,
    )


def keep_payload(warehouse: Warehouse, series: Series, error: Malformed) -> int:
    """Keep an answer that could not be read; returns how many payloads that is."""
    with warehouse.connect() as connection:
        return quarantine(connection, items=[Refused(error.problem, error.payload)], **vars(series.key))


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
