"""Gaps and what may be said of them: the rules of the ledger, without a database.

What belongs here: a gap, its evidence, how gaps grow, shrink and merge, when one is asked for again, and with which pages.
What does not: storing (coverage.py) and why a bar is absent (naming.py).

A gap is a span of opening times without bars, [start, end). All functions are pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from crypto_assets.spans import Span, SpanIndex, difference, intersection, union
from crypto_assets.universe import Gaps

NOT_SENT = "The venue was asked for the bars around and did not send these."
NOT_STORED = "No bar is stored, though it was asked for and answered."
KEPT_ASKS = 5  # the newest ones tell the story; all of them would make a gap's row grow without end


class State(StrEnum):
    """Why bars are absent."""

    MISSING = "missing"
    VENUE_QUIET = "venue_quiet"
    VENUE_OUTAGE = "venue_outage"
    NOT_LISTED = "not_listed"
    REPAIRED = "repaired"
    UNRECOVERABLE = "unrecoverable"


class Ask(BaseModel):
    """One request for bars of a gap: when, which span, and what came back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: datetime
    start: datetime
    end: datetime
    came: str


class Evidence(BaseModel):
    """What a gap's state rests on.

    Args:
        why: The reason in a sentence.
        answers: How often the venue answered for the whole gap without a bar in it, each at its due time.
        failures: How often it gave no usable answer.
        asked: The newest requests, oldest first.
        trading: Markets of the venue that had bars meanwhile.
        silent: Markets of the venue that had none either.
        is_halt: Whether a market stood still so long that it was not traded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    why: str
    answers: int = 0
    failures: int = 0
    asked: tuple[Ask, ...] = ()
    trading: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    is_halt: bool = False

    @property
    def asks(self) -> int:
        """How often it was asked for."""
        return self.answers + self.failures


@dataclass(frozen=True)
class Gap:
    """A row of the ledger: bars opening in [start, end) are absent, or were."""

    start: datetime
    end: datetime
    state: State
    evidence: Evidence
    first_seen: datetime
    resolved_at: datetime | None = None

    @property
    def span(self) -> Span:
        """Opening times it covers."""
        return self.start, self.end

    @property
    def is_open(self) -> bool:
        """Whether its bars are still absent."""
        return self.state is not State.REPAIRED


@dataclass(frozen=True)
class Answer:
    """What came of one request of a repair.

    Args:
        span: The opening times asked for.
        at: When.
        came: What came back, in words.
        is_usable: Whether the venue really spoke for the span, so that a bar that is not in it is one it does not have.
        is_final: Whether asking again is pointless: the venue said that it serves this span no more.
    """

    span: Span
    at: datetime
    came: str
    is_usable: bool
    is_final: bool = False


def absent_spans(opened_at_ms: NDArray[np.int64], window: Span, length: timedelta) -> list[Span]:
    """Spans of the window in which no bar opens.

    Args:
        opened_at_ms: Opening times of the bars there are, ascending, epoch milliseconds; those outside are passed over.
        window: From the first to behind the last opening time.
        length: Of a bar.
    """
    step = int(length.total_seconds() * 1000)
    first, last = (round(moment.timestamp() * 1000) for moment in window)
    first, last = -(-first // step) * step, -(-last // step) * step
    inside = opened_at_ms[(opened_at_ms >= first) & (opened_at_ms < last)]
    edges = np.concatenate(([first - step], inside, [last]))
    before = np.flatnonzero(np.diff(edges) > step)
    return [(_moment(int(edges[i]) + step), _moment(int(edges[i + 1]))) for i in before]


def reconcile(
    gaps: Sequence[Gap], absent: Sequence[Span], window: Span, now: datetime, why: str = NOT_SENT
) -> list[Gap]:
    """The ledger's rows once it is known which bars of the window are absent.

    Bars that came leave their gap and stay in the ledger as repaired; what is newly absent becomes missing.

    Args:
        gaps: All open rows that touch the window.
        absent: The spans of the window without bars.
        window: What was looked at; nothing is said of what lies outside.
        now: The time of the look.
        why: What is known of bars that are newly absent.

    Returns:
        The rows that take the place of `gaps`.
    """
    kept: list[Gap] = []
    holes = SpanIndex(absent)
    for gap in gaps:
        came = difference(intersection([gap.span], [window]), holes.within(gap.span))
        kept += [replace(gap, start=start, end=end) for start, end in difference([gap.span], came)]
        kept += [_repaired(gap, span, now) for span in came]
    fresh = difference(absent, [gap.span for gap in gaps])
    evidence = Evidence(why=why)
    kept += [Gap(start, end, State.MISSING, evidence, now) for start, end in fresh]
    return merge_alike(kept)


def merge_alike(gaps: Iterable[Gap]) -> list[Gap]:
    """Open rows that touch and say the same become one; in order of their start."""
    merged: list[Gap] = []
    for gap in sorted(gaps, key=lambda one: (one.start, one.end)):
        before = merged[-1] if merged else None
        if before is not None and before.end == gap.start and _are_alike(before, gap):
            merged[-1] = replace(
                before,
                end=gap.end,
                evidence=_joined(before.evidence, gap.evidence),
                first_seen=min(before.first_seen, gap.first_seen),
            )
        else:
            merged.append(gap)
    return merged


def with_answer(gaps: Sequence[Gap], answer: Answer, rules: Gaps) -> list[Gap]:
    """The rows once a request has been answered: what is missing inside the span asked for gains the evidence.

    An ask before its time is noted and does not count.
    """
    noted: list[Gap] = []
    for gap in gaps:
        inside = intersection([gap.span], [answer.span]) if gap.state is State.MISSING else []
        if not inside:
            noted.append(gap)
            continue
        noted += [replace(gap, start=start, end=end) for start, end in difference([gap.span], inside)]
        noted += [_asked(replace(gap, start=start, end=end), answer, rules) for start, end in inside]
    return merge_alike(noted)


def is_due(gap: Gap, now: datetime, rules: Gaps) -> bool:
    """Whether a missing gap may be asked for: the venue had time to publish it, and time has passed since the last ask."""
    return gap.state is State.MISSING and due_at(gap, rules) <= now


def due_at(gap: Gap, rules: Gaps) -> datetime:
    """When a missing gap is to be asked for next."""
    published = gap.end + rules.wait(1)
    if not gap.evidence.asked:
        return published
    return max(published, gap.evidence.asked[-1].at + rules.wait(gap.evidence.asks))


def plan_pages(gaps: Iterable[Span], length: timedelta, page_bars: int) -> list[Span]:
    """The fewest requests of at most `page_bars` bars each that cover the gaps; each ends where its last gap does."""
    reach = page_bars * length
    pages: list[Span] = []
    for gap_start, gap_end in union(gaps):
        start = gap_start
        if pages and pages[-1][0] + reach > start:
            start = min(gap_end, pages[-1][0] + reach)
            pages[-1] = (pages[-1][0], max(pages[-1][1], start))
        while start < gap_end:
            pages.append((start, min(start + reach, gap_end)))
            start = pages[-1][1]
    return pages


def _are_alike(one: Gap, other: Gap) -> bool:
    if one.state is not other.state or not one.is_open:
        return False
    if one.state is State.MISSING:  # what has been asked more often must not lose count
        return (one.evidence.answers, one.evidence.failures) == (other.evidence.answers, other.evidence.failures)
    return one.evidence.is_halt == other.evidence.is_halt


def _joined(one: Evidence, other: Evidence) -> Evidence:
    asked = sorted({*one.asked, *other.asked}, key=lambda ask: (ask.at, ask.start))
    return Evidence(
        why=one.why,
        answers=min(one.answers, other.answers),
        failures=min(one.failures, other.failures),
        asked=tuple(asked[-KEPT_ASKS:]),
        trading=tuple(sorted({*one.trading, *other.trading})),
        silent=tuple(sorted({*one.silent, *other.silent})),
        is_halt=one.is_halt,
    )


def _repaired(gap: Gap, span: Span, now: datetime) -> Gap:
    why = f"Its bars came; it was {gap.state.value}."
    return Gap(*span, State.REPAIRED, gap.evidence.model_copy(update={"why": why}), gap.first_seen, now)


def _asked(gap: Gap, answer: Answer, rules: Gaps) -> Gap:
    evidence = gap.evidence
    start, end = answer.span
    ask = Ask(at=answer.at, start=start, end=end, came=answer.came)
    counts = is_due(gap, answer.at, rules)
    changed = Evidence(
        why=_why(answer),
        answers=evidence.answers + int(counts and answer.is_usable),
        failures=evidence.failures + int(counts and not answer.is_usable),
        asked=(*evidence.asked, ask)[-KEPT_ASKS:],
    )
    return replace(gap, evidence=changed, state=State.UNRECOVERABLE if answer.is_final else gap.state)


def _why(answer: Answer) -> str:
    if answer.is_final:
        return answer.came
    return "Asked for exactly these, the venue sent none." if answer.is_usable else f"No usable answer: {answer.came}"


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


__all__ = [
    "NOT_STORED", "Answer", "Ask", "Evidence", "Gap", "Span", "State",
    "absent_spans", "due_at", "is_due", "merge_alike", "plan_pages", "reconcile", "with_answer",
]  # fmt: skip
