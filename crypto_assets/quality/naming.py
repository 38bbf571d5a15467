"""Why bars are absent: the state of a gap from what the venue answered, its other markets and the listing dates.

What belongs here: the rules, as one pure function over all markets of a venue at one length of bar. What does not:
asking (a dataset's repair) and storing (coverage.py).

The rules, in order. Outside every listing period a bar is not_listed. All else is missing until the venue has been asked for
exactly these bars and sent none. Then, at each moment: another market has bars, so the market was quiet; or halted, and
not_listed, where that lasts for halt_days. No market has bars: where all of them skip bars by habit they were quiet,
else it was an outage, if there are outage_min_markets of them. What nothing explains stays missing, and after
max_attempts answers is unrecoverable. States follow from the facts, so naming twice changes nothing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from crypto_assets.quality.gaps import Evidence, Gap, State, merge_alike
from crypto_assets.spans import Span, SpanIndex, difference, intersection, union
from crypto_assets.universe import Gaps

AROUND_BARS = 500  # the neighbourhood in which a market's habit of skipping bars is measured
_BEGIN, _END = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Listing:
    """One period in which a symbol was traded; None where it began before all we can see, or has not ended."""

    listed_at: datetime | None
    delisted_at: datetime | None

    @property
    def span(self) -> Span:
        """The period."""
        return self.listed_at or _BEGIN, self.delisted_at or _END


@dataclass(frozen=True)
class Market:
    """What is known of one market of the venue.

    Args:
        gaps: Its open gaps, in order.
        collected: Spans of opening times asked for and answered.
        first_bar: Opening time of the first bar stored of it; None where there is none.
        listings: Its listing periods; None where market.instruments does not know it.
    """

    gaps: Sequence[Gap]
    collected: Sequence[Span]
    first_bar: datetime | None = None
    listings: Sequence[Listing] | None = None

    def may_be_unlisted(self, gap: Gap) -> bool:
        """Whether it lies before the first bar and nobody knows since when the market is traded."""
        return self.listings is None and (self.first_bar is None or gap.end <= self.first_bar)


@dataclass(frozen=True)
class _Stretch:
    """A time in which the same markets traded: bit masks over the markets."""

    trading: int = 0
    silent: int = 0
    unknown: int = 0


@dataclass(frozen=True)
class _Timeline:
    """Who traded when."""

    names: Sequence[str]
    starts: Sequence[datetime]
    stretches: Sequence[_Stretch]
    bit: Mapping[str, int] = field(default_factory=dict)

    def over(self, span: Span) -> list[tuple[Span, _Stretch]]:
        """The stretches of a span."""
        start, end = span
        found = []
        i = bisect_right(self.starts, start) - 1
        while i < len(self.starts) and self.starts[i] < end:
            until = self.starts[i + 1] if i + 1 < len(self.starts) else end
            if until > start:
                found.append(((max(start, self.starts[i]), min(end, until)), self.stretches[i]))
            i += 1
        return found

    def listed(self, mask: int) -> tuple[str, ...]:
        """The markets of a mask, in order."""
        return tuple(name for name in self.names if mask & self.bit[name])


def name_gaps(markets: Mapping[str, Market], length: timedelta, rules: Gaps) -> dict[str, list[Gap]]:
    """The open gaps of every market, each with the state that the facts give it.

    Args:
        markets: By symbol: all of one venue and length of bar, over the same time.
        length: Of a bar.
        rules: The universe's.
    """
    named = _named_once(markets, length, rules)
    for _ in markets:
        if not any(_halts(named[symbol]) - _halts(market.gaps) for symbol, market in markets.items()):
            break
        # A market found halted is no witness of an outage any more.
        markets = {symbol: replace(one, gaps=named[symbol]) for symbol, one in markets.items()}
        named = _named_once(markets, length, rules)
    return named


def _named_once(markets: Mapping[str, Market], length: timedelta, rules: Gaps) -> dict[str, list[Gap]]:
    now_listed = {symbol: replace(one, gaps=_unlisted(one)) for symbol, one in markets.items()}
    timeline = _timeline(now_listed)
    habits = {symbol: _Habit(one, length, rules) for symbol, one in now_listed.items()}
    named = {}
    for symbol, market in now_listed.items():
        pieces = [piece for gap in market.gaps for piece in _name(symbol, market, gap, timeline, habits, rules)]
        named[symbol] = merge_alike(_halted(pieces, rules))
    return named


class _Habit:
    """How often a market skips bars around a time: quick to ask for many gaps."""

    def __init__(self, market: Market, length: timedelta, rules: Gaps) -> None:
        self._length = length
        self._rules = rules
        unlisted = [gap.span for gap in market.gaps if gap.state is State.NOT_LISTED]
        self._due = SpanIndex(difference(market.collected, unlisted))
        # Skips are short; a long hole is something else, however much it weighs.
        skips = union(gap.span for gap in market.gaps if gap.state is not State.NOT_LISTED)
        self._skips = sorted(start for start, end in skips if end - start <= rules.thin_bars * length)

    def explains(self, span: Span) -> bool:
        """Whether the market skips bars by habit, and the span may be one of those skips."""
        if span[1] - span[0] > self._rules.thin_bars * self._length:
            return False
        reach = AROUND_BARS * self._length
        around = (span[0] - reach, span[1] + reach)
        due = _total(self._due.within(around)) / self._length.total_seconds()
        skipped = bisect_left(self._skips, around[1]) - bisect_left(self._skips, around[0])
        return skipped >= self._rules.thin_share * due > 0


def _unlisted(market: Market) -> list[Gap]:
    """The gaps, what lies outside every listing split off and named; what no longer does is missing again."""
    if market.listings is None:
        return list(market.gaps)
    periods = [one.span for one in market.listings]
    split = []
    for gap in market.gaps:
        inside = intersection([gap.span], periods)
        for span in difference([gap.span], inside):
            split.append(_placed(gap, span, State.NOT_LISTED, _outside(span, market.listings)))
        for span in inside:
            if gap.state is State.NOT_LISTED and not gap.evidence.is_halt:
                split.append(_placed(gap, span, State.MISSING, "By the listing dates known now, it was traded."))
            else:
                split.append(replace(gap, start=span[0], end=span[1]))
    return sorted(split, key=lambda gap: gap.start)


def _outside(span: Span, listings: Sequence[Listing]) -> str:
    ended = [one.delisted_at for one in listings if one.delisted_at and one.delisted_at <= span[0]]
    begins = [one.listed_at for one in listings if one.listed_at and one.listed_at >= span[1]]
    before = f"after its delisting at {max(ended):%Y-%m-%d %H:%M}" if ended else ""
    after = f"before its listing at {min(begins):%Y-%m-%d %H:%M}" if begins else ""
    return f"The market was not traded: {' and '.join(part for part in (before, after) if part)} UTC."


def _name(
    symbol: str, market: Market, gap: Gap, timeline: _Timeline, habits: Mapping[str, _Habit], rules: Gaps
) -> Iterable[Gap]:
    if gap.evidence.answers == 0 or (gap.state is State.NOT_LISTED and not gap.evidence.is_halt):
        yield gap
        return
    if market.may_be_unlisted(gap):
        yield _unexplained(gap, gap.span, rules)
        return
    own = timeline.bit[symbol]
    for span, stretch in timeline.over(gap.span):
        others, unknown = stretch.trading & ~own, stretch.unknown & ~own
        silent = timeline.listed(stretch.silent | own)
        if others:
            why = "The venue sent none of these bars while its other markets had theirs."
            yield _placed(gap, span, State.VENUE_QUIET, why, trading=timeline.listed(others))
        elif not unknown and all(habits[name].explains(span) for name in silent):
            why = "The venue sent none of these bars; every market it is compared with skips bars without trades."
            yield _placed(gap, span, State.VENUE_QUIET, why, silent=_but(silent, symbol))
        elif not unknown and len(silent) >= rules.outage_min_markets:
            why = "The venue sent no bar of any market."
            yield _placed(gap, span, State.VENUE_OUTAGE, why, silent=_but(silent, symbol))
        else:
            yield _unexplained(gap, span, rules)


def _unexplained(gap: Gap, span: Span, rules: Gaps) -> Gap:
    """What the facts do not explain keeps an explanation it once had."""
    if gap.state is not State.MISSING:
        return replace(gap, start=span[0], end=span[1])
    if gap.evidence.answers < rules.max_attempts:
        return replace(gap, start=span[0], end=span[1])
    why = f"The venue answered {gap.evidence.answers} times without these bars, and nothing says why."
    evidence = gap.evidence.model_copy(update={"why": why})
    return replace(gap, start=span[0], end=span[1], state=State.UNRECOVERABLE, evidence=evidence)


def _halted(pieces: Sequence[Gap], rules: Gaps) -> list[Gap]:
    """Quiet for so long that the market was not traded at all: halted, and so not listed."""
    quiet = {State.VENUE_QUIET, State.NOT_LISTED}
    spans = union(one.span for one in pieces if one.state in quiet and (one.evidence.is_halt or one.evidence.trading))
    halts = [span for span in spans if span[1] - span[0] >= timedelta(days=rules.halt_days)]
    renamed = []
    for piece in pieces:
        if piece.state is State.VENUE_QUIET and intersection([piece.span], halts):
            why = "The market stood still for longer than any quiet market does, while the venue's others traded."
            piece = _placed(piece, piece.span, State.NOT_LISTED, why, trading=piece.evidence.trading, is_halt=True)  # noqa: PLW2901
        renamed.append(piece)
    return renamed


def _halts(gaps: Sequence[Gap]) -> set[Span]:
    return {gap.span for gap in gaps if gap.state is State.NOT_LISTED and gap.evidence.is_halt}


def _placed(
    gap: Gap,
    span: Span,
    state: State,
    why: str,
    *,
    trading: tuple[str, ...] = (),
    silent: tuple[str, ...] = (),
    is_halt: bool = False,
) -> Gap:
    changes = {"why": why, "trading": trading, "silent": silent, "is_halt": is_halt}
    evidence: Evidence = gap.evidence.model_copy(update=changes)
    return replace(gap, start=span[0], end=span[1], state=state, evidence=evidence)


def _timeline(markets: Mapping[str, Market]) -> _Timeline:
    """Sweep over all markets' spans; each change of state flips a bit."""
    names = sorted(markets)
    bit = {name: 1 << i for i, name in enumerate(names)}
    flips: list[tuple[datetime, int, int]] = []  # when, which mask, which bit
    for name, market in markets.items():
        silent = union(gap.span for gap in market.gaps if _is_silent(gap))
        unknown = union(gap.span for gap in market.gaps if gap.state is State.MISSING and not gap.evidence.answers)
        trading = difference(market.collected, [gap.span for gap in market.gaps])
        for mask, spans in enumerate((trading, silent, unknown)):
            flips += [(moment, mask, bit[name]) for span in spans for moment in span]
    flips.sort()
    # Before the first flip nobody is known to trade: a halt of long ago may lie there.
    starts, stretches, masks = [_BEGIN], [_Stretch()], [0, 0, 0]
    for i, (moment, mask, flipped) in enumerate(flips):
        masks[mask] ^= flipped
        if i + 1 == len(flips) or flips[i + 1][0] != moment:
            starts.append(moment)
            stretches.append(_Stretch(*masks))
    return _Timeline(names, starts, stretches, bit)


def _is_silent(gap: Gap) -> bool:
    """Whether the venue is known to have no bar there, for a market that was traded."""
    if gap.state is State.NOT_LISTED:
        return False
    return gap.state is not State.MISSING or gap.evidence.answers > 0


def _but(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(one for one in names if one != name)


def _total(spans: Sequence[Span]) -> float:
    return sum((end - start).total_seconds() for start, end in spans)


__all__ = ["Listing", "Market", "name_gaps"]
