"""Asking again for just the bars that are absent, and naming the gaps that remain.

What belongs here: which pages a repair asks for, asking for them, and keeping what came as evidence. What does not: the
rules of the ledger (quality/gaps.py, quality/naming.py), Dagster (asset.py) and the first collecting (collect.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from crypto_assets.clients.exchange import BarPage, Exchange
from crypto_assets.clients.failures import Malformed, NotListed, ProviderError, Rejected
from crypto_assets.datasets.market.instruments.table import read_listings
from crypto_assets.datasets.market.ohlcv.collect import Outcome, Series, counted, keep_payload, store_bars
from crypto_assets.datasets.market.ohlcv.table import DATASET, ohlcv
from crypto_assets.quality.coverage import LedgerChanges, name_open_gaps, note_answer, read_open
from crypto_assets.quality.gaps import Answer, Gap, State, is_due, plan_pages
from crypto_assets.spans import Span, hull, intersection
from crypto_assets.universe import TIMEFRAME_LENGTH, Gaps
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.lease import LeaseTaken, lease


class RepairBusy(LeaseTaken):
    """Another repair of the market is at work."""


@dataclass(frozen=True)
class Choice:
    """Which gaps a repair asks for.

    Args:
        early: Also those whose time has not come; such an ask is noted but does not count as an attempt.
        again: Also those that have been named.
    """

    early: bool = False
    again: bool = False


@dataclass(frozen=True)
class RepairPlan:
    """The pages a repair asks for, for one series.

    Args:
        gaps: The spans that are absent.
        pages: The requests, each a span of opening times.
        beyond_reach: Gaps that the venue no longer serves.
    """

    series: Series
    gaps: Sequence[Span]
    pages: Sequence[Span]
    beyond_reach: Sequence[Span] = ()


def plan_repair(
    warehouse: Warehouse,
    series: Series,
    *,
    page_bars: int,
    rules: Gaps,
    reach: datetime | None = None,
    choice: Choice = Choice(),
) -> RepairPlan:
    """What to ask for of one series, inside its span.

    Args:
        page_bars: Bars a request.
        rules: The universe's.
        reach: The oldest opening time the venue still serves; None where it serves all.
    """
    window = (series.start, series.end)
    now = datetime.now(UTC)
    with warehouse.connect() as connection:
        gaps = read_open(connection, series.key, window)
    wanted = intersection([gap.span for gap in gaps if _is_wanted(gap, now, rules, choice)], [window])
    beyond = intersection(wanted, [(series.start, reach)]) if reach and reach > series.start else []
    within = intersection(wanted, [(max(series.start, reach), series.end)]) if reach else wanted
    pages = plan_pages(within, TIMEFRAME_LENGTH[series.timeframe], page_bars)
    return RepairPlan(series, within, pages, beyond)


def repair_series(
    warehouse: Warehouse,
    exchange: Exchange,
    plan: RepairPlan,
    rules: Gaps,
    *,
    on_page: Callable[[], None] = lambda: None,
) -> Outcome:
    """Ask for the plan's pages; bars, progress and evidence of each page are one transaction.

    A venue that fails or answers nonsense leaves the gap missing, and the ledger says so.
    """
    began = time.monotonic()
    outcome = Outcome(plan.series)
    for span in plan.beyond_reach:
        told = f"{exchange.name} serves its newest {exchange.venue.history_bars} bars only, and these are older."
        _note(warehouse, plan.series, Answer(span, datetime.now(UTC), told, is_usable=False, is_final=True), rules)
    for span in plan.pages:
        outcome = replace(outcome, requests=outcome.requests + 1)
        try:
            page = exchange.page(plan.series.symbol, plan.series.timeframe, *span)
            answer = Answer(span, datetime.now(UTC), _told(page), is_usable=not page.bars.refused)
            counts = store_bars(warehouse, plan.series, page.bars, span, answer=answer, rules=rules)
            outcome = counted(outcome, page.bars, counts)
        except ProviderError as error:
            kept = keep_payload(warehouse, plan.series, error) if isinstance(error, Malformed) else 0
            told = f"{type(error).__name__}: {error.problem}"[:300]
            is_final = isinstance(error, NotListed)
            _note(warehouse, plan.series, Answer(span, datetime.now(UTC), told, False, is_final), rules)
            outcome = replace(outcome, quarantined=outcome.quarantined + kept, warning=str(error), failed=not is_final)
            if not isinstance(error, Malformed | Rejected) or is_final:
                break  # a venue that does not answer now does not answer the next page either
        finally:
            on_page()
    return replace(outcome, seconds=time.monotonic() - began)


def name_gaps_of(warehouse: Warehouse, venue: str, windows: Iterable[tuple[str, Span]], rules: Gaps) -> LedgerChanges:
    """Name the open gaps of a venue.

    Args:
        windows: Lengths of bar, each with a span to look at; those of one length are looked at together.
    """
    spans: dict[str, list[Span]] = {}
    for timeframe, span in windows:
        spans.setdefault(timeframe, []).append(span)
    changes = LedgerChanges()
    listings = read_listings(warehouse, venue)
    for timeframe, chosen in sorted(spans.items()):
        around = hull(chosen)
        if around is not None:
            with warehouse.connect() as connection:
                place = (DATASET, venue, timeframe, around)
                changes += name_open_gaps(connection, ohlcv, *place, listings=listings, rules=rules)
    return changes


@contextmanager
def repairing(warehouse: Warehouse, venue: str, symbols: Iterable[str]) -> Iterator[list[str]]:
    """Hold the repair leases of these markets; yields the symbols that another repair holds.

    Two repairs of one market would ask the venue twice for the same.
    """
    busy = []
    with ExitStack() as held:
        for symbol in sorted(set(symbols)):
            try:
                held.enter_context(lease(warehouse, f"repair {DATASET} {venue} {symbol}", wait=False))
            except LeaseTaken:
                busy.append(symbol)
        yield busy


def require_free(venue: str, busy: Sequence[str], wanted: Sequence[str]) -> None:
    """Refuse where every market wanted is being repaired already.

    Raises:
        RepairBusy: naming them.
    """
    if busy and set(wanted) <= set(busy):
        raise RepairBusy(
            f"Another repair of {venue} {', '.join(busy)} is at work",
            way_out="Wait until it has finished; `crypto-assets gaps list` shows what it has found so far.",
        )


def _is_wanted(gap: Gap, now: datetime, rules: Gaps, choice: Choice) -> bool:
    if gap.state is State.MISSING:
        return choice.early or is_due(gap, now, rules)
    # Outside its listing a market has no bars, whoever is asked.
    return choice.again and (gap.state is not State.NOT_LISTED or gap.evidence.is_halt)


def _told(page: BarPage) -> str:
    refused = f", {len(page.bars.refused)} rows refused" if page.bars.refused else ""
    return f"{len(page.bars)} bars{refused}"


def _note(warehouse: Warehouse, series: Series, answer: Answer, rules: Gaps) -> None:
    with warehouse.connect() as connection:
        note_answer(connection, series.key, answer, rules)


__all__ = [
    "Choice", "RepairBusy", "RepairPlan", "name_gaps_of", "plan_repair", "repair_series", "repairing", "require_free",
]  # fmt: skip
