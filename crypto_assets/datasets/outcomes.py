"""What a run brought of each of its series, and how it is told and judged.

What belongs here: outcomes of collecting, of markets and of pools; the log's lines and what the UI shows. What does not: how
any dataset is collected.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import dagster as dg

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.universe import UniverseError

SHOWN = 200  # rows of a table in the UI


class TooManyMarketsFailed(CryptoAssetsError):
    """More of a run's markets failed than the universe's bound allows."""


@dataclass(frozen=True)
class EventOutcome:
    """What a run brought of one market.

    Args:
        received: Sound rows that arrived.
        absent: Spans of time for which rows are known to be missing.
        turns: How often it was asked.
        waited_seconds: Longest time that it was due before its turn came.
        warning: Why it is not complete; empty where it is.
        failed: Whether the venue failed it, so that it counts against the run.
        postponed: Whether it was left to the next run: the venue is left alone, or the run's time was up.
    """

    venue: str
    symbol: str
    received: int = 0
    inserted: int = 0
    changed: int = 0
    quarantined: int = 0
    absent: int = 0
    turns: int = 0
    first: datetime | None = None
    last: datetime | None = None
    seconds: float = 0.0
    waited_seconds: float = 0.0
    warning: str = ""
    failed: bool = False
    postponed: bool = False

    def __add__(self, later: EventOutcome) -> EventOutcome:
        firsts = [one.first for one in (self, later) if one.first]
        lasts = [one.last for one in (self, later) if one.last]
        sums = ("received", "inserted", "changed", "quarantined", "absent", "turns", "seconds")
        return replace(
            later,
            first=min(firsts, default=None),
            last=max(lasts, default=None),
            waited_seconds=max(self.waited_seconds, later.waited_seconds),
            **{name: getattr(self, name) + getattr(later, name) for name in sums},
        )


type Described = dict[str, dg.MetadataValue[Any]]


@dataclass(frozen=True)
class Collected:
    """What a window came to.

    Args:
        outcomes: Of each of its series.
        metadata: What the UI shows besides.
    """

    outcomes: Sequence[EventOutcome]
    metadata: Described


def tell(log: dg.DagsterLogManager, outcomes: Sequence[EventOutcome]) -> None:
    """Say what came of each market, in the run's log."""
    for number, outcome in enumerate(outcomes, 1):
        say = log.warning if outcome.warning else log.info
        say("%d/%d %s", number, len(outcomes), one_line(outcome))


def one_line(outcome: EventOutcome) -> str:
    """An outcome in words."""
    told = f"{outcome.received:,} rows, {outcome.inserted:,} new, {outcome.quarantined} quarantined"
    warning = f": {outcome.warning}" if outcome.warning else ""
    return f"{outcome.venue} {outcome.symbol}: {told}, {outcome.seconds:.1f} s{warning}"


def joined(outcomes: Iterable[EventOutcome]) -> list[EventOutcome]:
    """One outcome a market, in the order in which they first had a turn. Pure."""
    found: dict[tuple[str, str], EventOutcome] = {}
    for one in outcomes:
        key = (one.venue, one.symbol)
        found[key] = found[key] + one if key in found else one
    return list(found.values())


def judge(outcomes: Sequence[EventOutcome], bound: float) -> None:
    """Let a run stand while no more than `bound` of its markets failed; what was postponed did not fail. Pure.

    Raises:
        TooManyMarketsFailed: naming the first of them.
    """
    failed = [one for one in outcomes if one.failed and not one.postponed]
    if not failed or len(failed) / len(outcomes) <= bound:
        return
    names = ", ".join(f"{one.venue} {one.symbol}" for one in failed[:5])
    raise TooManyMarketsFailed(
        f"{len(failed)} of {len(outcomes)} markets failed (the bound is {bound:.0%}): {names}"
        f"{' and more' if len(failed) > 5 else ''}; first: {failed[0].warning}",
        way_out="`crypto-assets doctor` tries the providers; what was collected is stored, a rerun resumes.",
    )


def describe(outcomes: Sequence[EventOutcome], seconds: float) -> dict[str, dg.MetadataValue[Any]]:
    """What the run shows in the UI: counts, a row a market, warnings, timing. Pure."""
    counts = {
        "dagster/row_count": sum(one.received for one in outcomes),
        "rows_written": sum(one.inserted for one in outcomes),
        "rows_changed": sum(one.changed for one in outcomes),
        "rows_quarantined": sum(one.quarantined for one in outcomes),
        "spans_absent": sum(one.absent for one in outcomes),
        "markets_postponed": sum(one.postponed for one in outcomes),
    }
    metadata: dict[str, dg.MetadataValue[Any]] = {name: dg.MetadataValue.int(count) for name, count in counts.items()}
    records = [dg.TableRecord(_record(one)) for one in outcomes[:SHOWN]]
    metadata["markets"] = dg.MetadataValue.table(records or [dg.TableRecord({"market": "nothing to collect"})])
    metadata["seconds"] = dg.MetadataValue.float(round(seconds, 2))
    metadata["longest_wait_seconds"] = dg.MetadataValue.float(
        round(max((one.waited_seconds for one in outcomes), default=0.0), 2)
    )
    lasts = [one.last for one in outcomes if one.last]
    if lasts:
        metadata["last_row"] = dg.MetadataValue.timestamp(max(lasts))
    warnings = [one_line(one) for one in outcomes if one.warning]
    if warnings:
        metadata["warnings"] = dg.MetadataValue.md("\n".join(f"- {line}" for line in warnings[:50]))
    return metadata


@contextmanager
def told_to_dagster() -> Iterator[None]:
    """Our errors as Dagster's: a provider or a database may recover, a wrong name stays wrong however often it is tried.

    Raises:
        Failure: what went wrong.
    """
    try:
        yield
    except CryptoAssetsError as error:
        raise dg.Failure(str(error), allow_retries=not isinstance(error, UniverseError)) from error


def _record(one: EventOutcome) -> dict[str, str | int | float]:
    return {
        "market": f"{one.venue} {one.symbol}",
        "received": one.received,
        "written": one.inserted,
        "changed": one.changed,
        "quarantined": one.quarantined,
        "absent": one.absent,
        "turns": one.turns,
        "waited_seconds": round(one.waited_seconds, 2),
        "last_row": f"{one.last:%Y-%m-%d %H:%M:%S}" if one.last else "",
        "seconds": round(one.seconds, 2),
        "warning": one.warning,
    }
