"""Collecting one pool's bars: pages backwards in time, each with its progress and its absent bars in one transaction.

What belongs here: what one turn asks for and stores. What does not: telling quiet from missing (quiet.py), asking again
(repair.py), whose turn it is (pool_polling.py), asking and parsing (clients), SQL (warehouse).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from crypto_assets.clients.failures import Malformed, ProviderError
from crypto_assets.clients.geckoterminal import GeckoTerminal
from crypto_assets.clients.pool_trade_rows import PoolBars
from crypto_assets.datasets.dex.pool_ohlcv.quiet import name_proven
from crypto_assets.datasets.dex.pool_ohlcv.table import pool_ohlcv
from crypto_assets.datasets.outcomes import EventOutcome
from crypto_assets.quality.coverage import SeriesKey, observe
from crypto_assets.quality.gaps import Answer, absent_spans
from crypto_assets.spans import Span, ceiled, difference, floored, intersection
from crypto_assets.universe import TIMEFRAME_LENGTH, DexRules, Gaps
from crypto_assets.warehouse.collected import mark_collected, read_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.quarantine import Refused, quarantine
from crypto_assets.warehouse.write import Batch, upsert

PAGE_BARS = 1000  # the most that GeckoTerminal serves at once
# A page has room for bars before the span: asked for along with it, those that trades reached late are corrected for nothing.
OVERLAP_BARS = 30
SOURCE = "geckoterminal ohlcv"
_NUMBERS = ("open", "high", "low", "close", "volume_usd")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Asked:
    """What asking for one span brought.

    Args:
        spoken: The part of the span for which GeckoTerminal has answered, down to the oldest bar of a full page.
    """

    bars: PoolBars
    spoken: Span


@dataclass(frozen=True)
class Turned:
    """What one turn came to.

    Args:
        spans: Spans of opening times that were answered, by length of bar.
        has_more: Whether more is wanted than the turn's pages brought.
        error: What ended it early.
    """

    outcome: EventOutcome
    spans: Sequence[tuple[str, Span]] = ()
    has_more: bool = False
    error: ProviderError | None = None


def closed_window(window: Span, timeframe: str, now: datetime, rules: DexRules) -> Span | None:
    """The opening times in a window of bars that had time to settle; None where there are none. Pure."""
    length = TIMEFRAME_LENGTH[timeframe]
    settled = now - timedelta(seconds=rules.settle_seconds)
    start, end = floored(window[0], length), min(floored(settled, length), ceiled(window[1], length))
    start = start if start >= window[0] else start + length
    return (start, end) if start < end else None


def wanted_spans(
    warehouse: Warehouse, key: SeriesKey, window: Span, now: datetime, rules: DexRules, *, refresh: bool = False
) -> list[Span]:
    """What of a window has not been collected and is closed, newest first."""
    whole = closed_window(window, key.timeframe, now, rules)
    if whole is None or refresh:
        return [whole] if whole else []
    with warehouse.connect() as connection:
        return difference([whole], read_collected(connection, *key.values()))[::-1]


def since_birth(start: datetime, born: datetime | None, timeframe: str) -> datetime:
    """From which opening time a pool has bars at all: the bar in which it was made is the first. Pure."""
    return start if born is None else max(start, floored(born, TIMEFRAME_LENGTH[timeframe]))


def take_turn(
    warehouse: Warehouse,
    client: GeckoTerminal,
    wanted: Sequence[tuple[SeriesKey, Span]],
    *,
    most_pages: int,
    rules: DexRules,
) -> Turned:
    """Fetch and store the first `most_pages` pages of the spans, each span from its end backwards.

    A failure ends the turn: what came before it stands.
    """
    outcome, told, left = EventOutcome(client.name, ""), list[tuple[str, Span]](), most_pages
    for key, whole in wanted:
        outcome = replace(outcome, venue=key.venue, symbol=key.symbol)
        span: Span | None = whole
        while span is not None:
            if left <= 0:
                return Turned(outcome, told, has_more=True)
            left -= 1
            try:
                asked = ask(client, key, span)
            except ProviderError as error:
                kept = keep_payload(warehouse, key, error)
                outcome = replace(outcome, warning=str(error), failed=True, quarantined=outcome.quarantined + kept)
                return Turned(outcome, told, error=error)
            outcome += store(warehouse, key, asked, rules)
            told.append((key.timeframe, asked.spoken))
            span = (span[0], asked.spoken[0]) if span[0] < asked.spoken[0] else None
    return Turned(outcome, told)


def ask(client: GeckoTerminal, key: SeriesKey, span: Span) -> Asked:
    """The newest bars of a span; what it speaks for ends at the oldest of them where the page was full.

    Raises:
        ProviderError: GeckoTerminal failed.
    """
    length = TIMEFRAME_LENGTH[key.timeframe]
    due = round((span[1] - span[0]) / length)
    before = max(0, min(OVERLAP_BARS, PAGE_BARS - due - 1))
    limit = min(PAGE_BARS, due + before + 1)  # one more, should the time asked for include the bar that opens then
    page = client.bars(key.venue, key.symbol, key.timeframe, before=span[1], limit=limit, now=span[1])
    is_full = page.received >= limit and page.oldest_ms is not None
    start = max(span[0], _moment(page.oldest_ms)) if is_full and page.oldest_ms is not None else span[0]
    # A page whose rows are all newer than asked for would speak for nothing: then it is believed to the span's beginning.
    spoken = (start if start < span[1] else span[0], span[1])
    return Asked(_within(page, [(span[0] - before * length, span[1])]), spoken)


def store(
    warehouse: Warehouse,
    key: SeriesKey,
    asked: Asked,
    rules: DexRules,
    *,
    answer: Answer | None = None,
    gaps: Gaps | None = None,
) -> EventOutcome:
    """Write a page's bars, what it refused, progress and what is absent: one transaction.

    Absent bars that are proven to have been quiet are written down as that at once.

    Args:
        answer: The repair's request, which becomes evidence.
        gaps: The universe's rules; needed with an answer.
    """
    span = asked.spoken
    with warehouse.connect() as connection:
        bars = _within(asked.bars, [span, *read_collected(connection, *key.values())])
        absent = absent_spans(bars.opened_at_ms, span, TIMEFRAME_LENGTH[key.timeframe])
        counts = upsert(connection, pool_ohlcv, build_rows(key, bars, rules))
        kept = quarantine(connection, items=[Refused(one.reason, one.payload) for one in bars.refused], **vars(key))
        mark_collected(connection, *key.values(), *span)
        observe(
            connection, pool_ohlcv, key, span, absent,
            named=lambda open_gaps: name_proven(connection, key, open_gaps, rules), answer=answer, rules=gaps,
        )  # fmt: skip
    times = [_moment(int(at)) for at in bars.opened_at_ms[[0, -1]]] if len(bars) else [None, None]
    return EventOutcome(
        key.venue, key.symbol, received=len(bars), inserted=counts.inserted, changed=counts.changed, quarantined=kept,
        first=times[0], last=times[1],
    )  # fmt: skip


def build_rows(key: SeriesKey, bars: PoolBars, rules: DexRules) -> Batch:
    """The table's columns from a page of bars. Pure."""
    opened_at = bars.opened_at_ms.astype("datetime64[ms]").astype("datetime64[us]")
    lag = TIMEFRAME_LENGTH[key.timeframe] + timedelta(seconds=rules.settle_seconds)
    return {
        "network": key.venue,
        "pool_address": key.symbol,
        "timeframe": key.timeframe,
        "opened_at": opened_at,
        **{name: getattr(bars, name) for name in _NUMBERS},
        "source": SOURCE,
        "known_at": opened_at + np.timedelta64(lag),
    }


def keep_payload(warehouse: Warehouse, key: SeriesKey, error: ProviderError) -> int:
    """Keep an answer that could not be read; how many payloads that is."""
    if not isinstance(error, Malformed):
        return 0
    with warehouse.connect() as connection:
        return quarantine(connection, items=[Refused(error.problem, error.payload)], **vars(key))


def newest_first(spans: Sequence[tuple[SeriesKey, Span]], window: Span) -> list[tuple[SeriesKey, Span]]:
    """What lies in the window first, then what lies before it, of both the longest bars first. Pure.

    A pool's days fit into one page where its minutes take hundreds: so a new pool's whole life is known roughly at once.
    And a longer bar tells which of its shorter ones were quiet.
    """
    now, before = [], []
    for key, span in spans:
        now += [(key, part) for part in intersection([span], [window])]
        before += [(key, part) for part in difference([span], [window])]
    return _longest_first(now) + _longest_first(before)


def _longest_first(spans: list[tuple[SeriesKey, Span]]) -> list[tuple[SeriesKey, Span]]:
    newest = sorted(spans, key=lambda one: one[1][1], reverse=True)
    return sorted(newest, key=lambda one: TIMEFRAME_LENGTH[one[0].timeframe], reverse=True)


def _within(page: PoolBars, spans: Sequence[Span]) -> PoolBars:
    """The bars that open in one of the spans: an answer may hold more, and where nobody has asked it does not count."""
    inside = np.zeros(len(page), dtype=bool)
    for span in spans:
        first, last = (round(at.timestamp() * 1000) for at in span)
        inside |= (page.opened_at_ms >= first) & (page.opened_at_ms < last)
    columns = {name: getattr(page, name)[inside] for name in ("opened_at_ms", *_NUMBERS)}
    return replace(page, **columns)


def _moment(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)
