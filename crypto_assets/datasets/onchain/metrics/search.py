"""What a run looks for, what it has found so far, and what becomes of it: pure.

What belongs here: which days are asked of which source, whose value counts, since when a value counts as known. What does not:
asking (sources.py) and storing (asset.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from crypto_assets.clients.exchange_bars import RefusedRow
from crypto_assets.datasets.onchain.metrics.declaration import ETHERSCAN, OWN_BARS, RANK, rank_of, source_of
from crypto_assets.spans import Span
from crypto_assets.universe_sources import OnchainRules

DAY = timedelta(days=1)

type Series = tuple[str, str]  # asset and metric


@dataclass(frozen=True)
class Stored:
    """A row as it stands in the table."""

    value: float
    source: str
    known_at: datetime


@dataclass(frozen=True)
class Found:
    """A value that a source told; its first word is the source's name."""

    value: float
    source: str


@dataclass(frozen=True)
class Row:
    """A row to be written."""

    series: Series
    day: date
    value: float
    source: str
    known_at: datetime
    is_new: bool


@dataclass
class Search:
    """A run's needs and finds; asking fills it.

    Args:
        now: The present, UTC.
        days: The days of the window, ended ones only, in order.
        needed: Days of each series that are to be asked for.
        stored: What the table has of those days.
        marked: Spans in which each series was asked for in former runs.
    """

    rules: OnchainRules
    now: datetime
    days: Sequence[date]
    needed: Mapping[Series, frozenset[date]]
    stored: Mapping[Series, Mapping[date, Stored]]
    marked: Mapping[Series, Sequence[Span]] = field(default_factory=dict)
    found: dict[Series, dict[date, Found]] = field(default_factory=dict)
    answered: dict[Series, list[str]] = field(default_factory=dict)
    failures: dict[Series, list[str]] = field(default_factory=dict)
    hints: dict[Series, str] = field(default_factory=dict)
    refused: list[tuple[str, RefusedRow]] = field(default_factory=list)

    @property
    def today(self) -> date:
        """The day that is not over."""
        return self.now.date()

    def open_days(self, series: Series, source: str) -> list[date]:
        """Days to ask a source for: needed, over for as long as it takes to finish, and not told by anybody better."""
        stored, found = self.stored.get(series, {}), self.found.get(series, {})
        behind = not_due_from(self.now, lag_of(self.rules, source))
        return sorted(
            day
            for day in self.needed.get(series, ())
            if day < behind and day not in found and not (day in stored and rank_of(stored[day].source) < RANK[source])
        )

    def add(self, series: Series, values: Iterable[tuple[date, float]], source: str) -> None:
        """Keep what a source told of days that are open for it; `source` is what the rows will say."""
        name = source_of(source)
        self.answered.setdefault(series, []).append(name)
        is_open = set(self.open_days(series, name))
        kept = self.found.setdefault(series, {})
        kept.update({day: Found(value, source) for day, value in values if day in is_open})

    def fail(self, series: Series, source: str, problem: str) -> None:
        """Note that a source failed a series."""
        self.failures.setdefault(series, []).append(f"{source}: {problem}")

    def rows(self) -> list[Row]:
        """What is to be written, in the order of the key."""
        rows = [self._row(series, day, one) for series, of in self.found.items() for day, one in of.items()]
        return sorted((one for one in rows if one is not None), key=lambda row: (row.series, row.day))

    def _row(self, series: Series, day: date, found: Found) -> Row | None:
        stored = self.stored.get(series, {}).get(day)
        if stored is None:
            return Row(series, day, found.value, found.source, self._first_known(series, day, found), is_new=True)
        if found.value != stored.value:
            # The new value was not known before it came; until then the old one was, which audit.revisions keeps.
            return Row(series, day, found.value, found.source, self.now, is_new=False)
        if found.source != stored.source:
            return Row(series, day, found.value, found.source, stored.known_at, is_new=False)
        return None

    def _first_known(self, series: Series, day: date, found: Found) -> datetime:
        source = source_of(found.source)
        if source == ETHERSCAN:
            return self.now  # it tells of now
        known_at = end_of(day) + lag_of(self.rules, source)
        if source == OWN_BARS:
            return known_at
        was_asked = any(start <= known_at < end for start, end in self.marked.get(series, ()))
        return self.now if was_asked else known_at  # who had asked by then did not get it


def needed_days(
    days: Sequence[date], stored: Mapping[date, Stored], rules: OnchainRules, now: datetime, *, again: bool
) -> frozenset[date]:
    """Days of a window to ask for: those that are not there, and the last ones once more. Pure.

    Args:
        again: Ask for all of them.
    """
    longest = max(rules.lag_hours.values(), default=0.0)
    recent = (now - timedelta(hours=longest)).date() - rules.recheck_days * DAY
    return frozenset(day for day in days if again or day not in stored or day >= recent)


def days_of(start: date, end: date) -> list[date]:
    """The days from `start` to the one before `end`. Pure."""
    return [start + DAY * number for number in range((end - start).days)]


def end_of(day: date) -> datetime:
    """The moment at which a day is over, UTC. Pure."""
    return datetime.combine(day, time(), tzinfo=UTC) + DAY


def not_due_from(now: datetime, lag: timedelta) -> date:
    """The first day whose end and the lag behind it are not over. Pure."""
    return (now - lag).date()


def lag_of(rules: OnchainRules, source: str) -> timedelta:
    """From a day's end until a source's value counts as known; none for what follows from closed bars. Pure."""
    return timedelta(hours={str(name): hours for name, hours in rules.lag_hours.items()}.get(source, 0.0))
