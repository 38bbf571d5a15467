"""Which bars go together: quiet minutes filled in for the computation, and the places where a series is cut.

What belongs here: turning stored bars and what the ledger says of the absent ones into unbroken series, and computing groups
over them by the rule of their class. What does not: formulas, and reading bars or ledger.

All functions are pure. Spans are pairs of arrays of datetime64[us], UTC: starts and ends, disjoint and in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from itertools import pairwise

import numpy as np

from crypto_assets.indicators.declaration import Bars, Bools, Floats, Group, Kind, Positions, Times

_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Spans:
    """Disjoint spans of time in order: [starts, ends)."""

    starts: Times
    ends: Times

    @classmethod
    def of(cls, starts: Times, ends: Times) -> Spans:
        """The spans in order, touching ones joined."""
        starts, ends = starts.astype("datetime64[us]"), ends.astype("datetime64[us]")
        order = np.argsort(starts, kind="stable")
        starts, ends = starts[order], ends[order]
        if len(starts) < 2:
            return cls(starts, ends)
        reach = np.maximum.accumulate(ends.astype(np.int64)).astype("datetime64[us]")
        begins = np.concatenate([[True], starts[1:] > reach[:-1]])
        last = np.append(np.flatnonzero(begins)[1:] - 1, len(starts) - 1)
        return cls(starts[begins], reach[last])

    def covered(self, starts: Times, ends: Times) -> Bools:
        """Which of the given spans lie within these altogether."""
        if not len(self.starts):
            return np.zeros(len(starts), dtype=bool)
        at = np.searchsorted(self.starts, starts, side="right") - 1
        return np.asarray((at >= 0) & (ends <= self.ends[np.maximum(at, 0)]))


NO_SPANS = Spans(np.zeros(0, "datetime64[us]"), np.zeros(0, "datetime64[us]"))


@dataclass(frozen=True)
class MarketBars:
    """Bars of one market with its quiet ones filled in, and where its series is cut.

    Args:
        bars: Stored bars, and flat ones without volume where the venue was quiet.
        is_stored: Which of them are stored.
        breaks: Positions before which bars are absent for any reason but quiet.
        trade_breaks: Those of them before which trades are absent, too: not just an outage of the venue.
    """

    bars: Bars
    is_stored: Bools
    breaks: Positions
    trade_breaks: Positions

    def part(self, start: int, stop: int) -> MarketBars:
        """Positions [start, stop) as a series of its own."""
        return MarketBars(
            self.bars.part(start, stop),
            self.is_stored[start:stop],
            _inside(self.breaks, start, stop),
            _inside(self.trade_breaks, start, stop),
        )

    def between(self, start: np.datetime64, end: np.datetime64) -> MarketBars:
        """The bars that open in [start, end)."""
        first, stop = np.searchsorted(self.bars.opened_at, [start, end])
        return self.part(int(first), int(stop))

    def age(self, *, trades: bool = False) -> Positions:
        """How many bars of the same unbroken series lie before each bar."""
        starts = np.concatenate([[0], self.trade_breaks if trades else self.breaks]).astype(np.int64)
        position = np.arange(len(self.bars), dtype=np.int64)
        return position - starts[np.searchsorted(starts, position, side="right") - 1]


def join_quiet(bars: Bars, length: timedelta, quiet: Spans = NO_SPANS, outage: Spans = NO_SPANS) -> MarketBars:
    """Fill quiet bars in, and find the cuts.

    Args:
        bars: Stored bars in order of time.
        length: Of one bar.
        quiet: Where the ledger says that nobody traded.
        outage: Where it says that the venue stood still.
    """
    step = np.timedelta64(length // timedelta(microseconds=1), "us")
    before = np.flatnonzero(np.diff(bars.opened_at) != step)
    starts, ends = bars.opened_at[before] + step, bars.opened_at[before + 1]
    is_quiet = quiet.covered(starts, ends)
    both = Spans.of(np.concatenate([quiet.starts, outage.starts]), np.concatenate([quiet.ends, outage.ends]))
    is_cut = ~is_quiet
    is_trade_cut = ~both.covered(starts, ends)
    counts = np.where(is_quiet, (ends - starts) // step, 0).astype(np.int64)
    moved = before + 1 + np.cumsum(counts)
    filled, is_stored = _filled(bars, before, counts, step) if counts.any() else (bars, np.ones(len(bars), dtype=bool))
    return MarketBars(filled, is_stored, moved[is_cut], moved[is_trade_cut])


def compute_groups(market: MarketBars, groups: Sequence[Group]) -> dict[str, Floats]:
    """Every indicator of the groups, one value a bar of the market; NaN where there is none."""
    result: dict[str, Floats] = {
        one.name: np.full(len(market.bars), np.nan) for group in groups for one in group.indicators
    }
    for group in groups:
        shortest = min(one.warm_up for one in group.indicators)
        for start, stop in _series(market, group.kind):
            if stop - start <= shortest:
                continue
            with np.errstate(divide="ignore", invalid="ignore"):
                computed = group.compute(market.bars.part(start, stop))
            for indicator, values in zip(group.indicators, computed, strict=True):
                known = values[indicator.warm_up :]
                result[indicator.name][start + indicator.warm_up : stop] = np.where(np.isfinite(known), known, np.nan)
    return result


def _series(market: MarketBars, kind: Kind) -> Iterator[tuple[int, int]]:
    """The unbroken series of a class of indicators, as positions [start, stop)."""
    breaks = market.trade_breaks if kind in {Kind.SESSION, Kind.CUMULATIVE} else market.breaks
    if not len(market.bars):
        return
    for start, stop in pairwise([0, *breaks.tolist(), len(market.bars)]):
        first = _first_whole_session(market.bars.opened_at, start, stop) if kind is Kind.SESSION else start
        if first < stop:
            yield first, stop


def _first_whole_session(opened_at: Times, start: int, stop: int) -> int:
    """Where the first session of a series begins whose first bar is there: a day's sums need its morning."""
    midnight = opened_at[start].astype("datetime64[D]").astype("datetime64[us]")
    if opened_at[start] == midnight:
        return start
    return min(stop, start + int(np.searchsorted(opened_at[start:stop], midnight + _DAY)))


def _filled(bars: Bars, before: Positions, counts: Positions, step: np.timedelta64) -> tuple[Bars, Bools]:
    """With flat bars at the last close behind positions `before`, so many each."""
    at = np.repeat(before, counts)
    firsts = np.repeat(np.cumsum(counts) - counts, counts)
    times = bars.opened_at[at] + (np.arange(len(at)) - firsts + 1) * step
    close = bars.close[at]
    new = {"opened_at": times, "volume": np.zeros(len(at))}
    merged = {
        field.name: np.insert(getattr(bars, field.name), at + 1, new.get(field.name, close)) for field in fields(Bars)
    }
    return Bars(**merged), np.insert(np.ones(len(bars), dtype=bool), at + 1, values=False)


def _inside(breaks: Positions, start: int, stop: int) -> Positions:
    return breaks[(breaks > start) & (breaks < stop)] - start
