"""Asking again for a pool's missing bars, when the rules of exchanges say that their time has come.

What belongs here: which gaps are asked for, and the pages. What does not: the rules (quality/gaps.py), and naming what stays
absent (quiet.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from crypto_assets.clients.failures import ProviderError
from crypto_assets.clients.geckoterminal import GeckoTerminal
from crypto_assets.datasets.dex.pool_ohlcv.collect import (
    PAGE_BARS,
    Turned,
    ask,
    keep_payload,
    store,
)
from crypto_assets.datasets.dex.pool_ohlcv.table import series_of
from crypto_assets.datasets.outcomes import EventOutcome
from crypto_assets.quality.coverage import SeriesKey, note_answer, read_open
from crypto_assets.quality.gaps import Answer, State, is_due, plan_pages
from crypto_assets.spans import Span
from crypto_assets.universe import TIMEFRAME_LENGTH, DexRules, Gaps
from crypto_assets.warehouse.connection import Warehouse

_EVER = (datetime(2009, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))


def due_pages(
    warehouse: Warehouse, network: str, address: str, now: datetime, rules: DexRules, gaps: Gaps, window: Span = _EVER
) -> list[tuple[SeriesKey, Span]]:
    """The requests that cover the pool's missing bars whose time to be asked for has come."""
    pages: list[tuple[SeriesKey, Span]] = []
    with warehouse.connect() as connection:
        for timeframe in rules.timeframes:
            key = series_of(network, address, timeframe)
            missing = [gap for gap in read_open(connection, key, window) if gap.state is State.MISSING]
            due = [gap.span for gap in missing if is_due(gap, now, gaps)]
            pages += [(key, page) for page in plan_pages(due, TIMEFRAME_LENGTH[timeframe], PAGE_BARS - 1)]
    return pages


def ask_again(
    warehouse: Warehouse,
    client: GeckoTerminal,
    pages: Sequence[tuple[SeriesKey, Span]],
    now: datetime,
    rules: DexRules,
    gaps: Gaps,
) -> Turned:
    """Ask for the pages; bars, progress and evidence of each are one transaction.

    A failure leaves the gap missing, the ledger says so, and the rest waits for its next turn.
    """
    outcome, told = EventOutcome(client.name, ""), list[tuple[str, Span]]()
    for key, span in pages:
        outcome = outcome if outcome.symbol else EventOutcome(key.venue, key.symbol)
        try:
            asked = ask(client, key, span)
        except ProviderError as error:
            words = f"{type(error).__name__}: {error.problem}"[:300]
            with warehouse.connect() as connection:
                note_answer(connection, key, Answer(span, now, words, is_usable=False), gaps)
            kept = keep_payload(warehouse, key, error)
            outcome += EventOutcome(key.venue, key.symbol, quarantined=kept, warning=str(error), failed=True)
            return Turned(outcome, told, error=error)
        refused = len(asked.bars.refused)
        words = f"{len(asked.bars)} bars" + (f", {refused} rows refused" if refused else "")
        answer = Answer(asked.spoken, now, words, is_usable=not refused)
        outcome += store(warehouse, key, asked, rules, answer=answer, gaps=gaps)
        told.append((key.timeframe, asked.spoken))
    return Turned(outcome, told)
