"""What goes wrong with streams, declared as data: each begins at once and ends by itself.

What belongs here: the faults, which of them are in force, and what they make of a market's quotes at a moment. What does not:
breaking a connection (session.py), and faults of answers over HTTP (sandbox/faults.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

StreamFaultKind = Literal[
    "drop",
    "refuse",
    "close",
    "half_open",
    "mute",
    "malformed",
    "gap",
    "duplicate",
    "clock_skew",
    "delay",
    "freeze",
    "html",
]
ON_QUOTES = frozenset({"mute", "gap", "malformed", "duplicate", "clock_skew", "delay", "freeze"})


class StreamFault(BaseModel):
    """One fault of a venue's streams.

    Args:
        kind: What goes wrong. drop: all connections are cut, once; refuse: they are cut, and so are new ones; close: all are
            closed in order, once; half_open: those that there are say nothing any more and answer nothing, pings neither, while
            new ones work; mute, gap: no quotes, and later ones afterwards; malformed: each count-th frame is none;
            duplicate: each frame comes twice, and with each count-th an older one; clock_skew: event times are off; delay:
            frames come late, their times are true; freeze: the quote of the beginning comes again and again, with its own
            time; html: a handshake is answered with a page.
        venue: Whose; None for all.
        symbol: Which market's quotes, unified; None for all. Connections as a whole have none.
        seconds: How long it lasts from now on.
        count: See malformed and duplicate.
        amount: Seconds, for clock_skew (may be negative) and delay.
        status: Of the page.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: StreamFaultKind
    venue: str | None = None
    symbol: str | None = None
    seconds: float = Field(default=5, gt=0, le=86_400)
    count: int = Field(default=3, ge=1, le=1_000_000)
    amount: float = Field(default=1, ge=-86_400, le=86_400)
    status: Literal[200, 403] = 200

    def concerns(self, venue: str, symbol: str | None = None) -> bool:
        """Whether it is about this venue, and this market where one is named."""
        return self.venue in {None, venue} and (symbol is None or self.symbol in {None, symbol})


@dataclass(frozen=True)
class Effects:
    """What is wrong with a market's quotes at a moment.

    Args:
        is_muted: None are sent.
        malformed_each: Each so many-th frame is broken; 0 for none. duplicate_each likewise.
        skew_ms: Added to event times.
        delay: Seconds by which frames come late.
        frozen_at: The quote of this moment is sent in place of each, seconds since 1970; None for the right ones.
    """

    is_muted: bool = False
    malformed_each: int = 0
    duplicate_each: int = 0
    skew_ms: int = 0
    delay: float = 0.0
    frozen_at: float | None = None


NOTHING = Effects()


class StreamPlan:
    """The faults in force."""

    def __init__(self) -> None:
        self._faults: Sequence[tuple[float, StreamFault]] = ()

    def begin(self, faults: Sequence[StreamFault], now: float) -> None:
        """Put these in force from now on, and no others."""
        self._faults = tuple((now, fault) for fault in faults)

    def is_on(self, kind: StreamFaultKind, venue: str, now: float) -> StreamFault | None:
        """The fault of this kind that a venue has now."""
        found = (
            fault
            for begun, fault in self._faults
            if fault.kind == kind and fault.concerns(venue) and now < begun + fault.seconds
        )
        return next(found, None)

    def effects(self, venue: str, symbol: str, now: float) -> Effects:
        """What is wrong with a market's quotes now."""
        effects = NOTHING
        for begun, fault in self._faults:
            if fault.kind in ON_QUOTES and fault.concerns(venue, symbol) and now < begun + fault.seconds:
                effects = _with(effects, fault, begun)
        return effects


def _with(effects: Effects, fault: StreamFault, begun: float) -> Effects:
    muted = replace(effects, is_muted=True)
    made = {
        "mute": muted,
        "gap": muted,
        "malformed": replace(effects, malformed_each=fault.count),
        "duplicate": replace(effects, duplicate_each=fault.count),
        "clock_skew": replace(effects, skew_ms=effects.skew_ms + round(fault.amount * 1000)),
        "delay": replace(effects, delay=max(0.0, fault.amount)),
        "freeze": replace(effects, frozen_at=begun),
    }
    return made.get(fault.kind, effects)
