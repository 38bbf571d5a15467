"""What goes wrong in the soak, and when: a plan made by dice of a seed, the same in every run.

What belongs here: the plan. What does not: carrying it out (soak.py), and the faults themselves (crypto_assets/sandbox).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.soak_stage import SYMBOLS, VENUES
from crypto_assets.sandbox.faults import Fault, Kind
from crypto_assets.sandbox.streams.plan import StreamFault, StreamFaultKind

EVERY_SECONDS = 40.0  # a new mixture of faults
KILLS_AN_HOUR = {"run": 12, "stream": 6, "database": 2, "platform": 1}
# Those of one request in ten hit every run; whole minutes without a venue are for `banned` and `unavailable` below.
SCATTERED: Sequence[Kind] = (
    "latency", "throttled", "unavailable", "html_200", "truncated_json", "null_rows", "missing_bars", "duplicate_bars",
    "disordered_bars", "late_bars", "revised_bars", "ohlc_broken", "dropped", "slow_body", "clock_skew", "missing_trades",
    "duplicate_trades", "late_trades", "crossed_book",
)  # fmt: skip
WHOLE: Sequence[Kind] = ("unavailable", "throttled", "banned", "dropped", "half_open")
STREAM: Sequence[StreamFaultKind] = (
    "drop", "refuse", "close", "half_open", "mute", "malformed", "gap", "duplicate", "clock_skew", "delay", "freeze", "html",
)  # fmt: skip
type Blow = Literal["run", "stream", "database", "platform"]


@dataclass(frozen=True)
class Mixture:
    """What is wrong from a moment on, until the next.

    Args:
        at: Seconds since the beginning.
    """

    at: float
    faults: Sequence[Fault]
    stream: Sequence[StreamFault]


@dataclass(frozen=True)
class Strike:
    """Something of ours that is killed or restarted at a moment, seconds since the beginning."""

    at: float
    blow: Blow


def mixtures(seed: int, seconds: float) -> list[Mixture]:
    """The mixtures of so many seconds. Pure."""
    dice = random.Random(seed)  # noqa: S311 - the same faults in every run
    return [_mixture(dice, at * EVERY_SECONDS) for at in range(int(seconds // EVERY_SECONDS))]


def strikes(seed: int, seconds: float) -> list[Strike]:
    """What is struck within so many seconds, in order; at least one run and one stream. Pure."""
    dice = random.Random(seed + 1)  # noqa: S311 - the same moments in every run
    counted = {blow: round(often * seconds / 3600) for blow, often in KILLS_AN_HOUR.items()}
    counted |= {blow: max(1, counted[blow]) for blow in ("run", "stream")}
    planned = [Strike(dice.uniform(0.1, 0.95) * seconds, blow) for blow, count in counted.items() for _ in range(count)]
    return sorted(planned, key=lambda one: one.at)


def _mixture(dice: random.Random, at: float) -> Mixture:
    faults = [_scattered(dice) for _ in range(dice.randint(1, 4))]
    if dice.random() < 0.15:
        kind = dice.choice(WHOLE)
        faults.append(Fault(kind=kind, venue=dice.choice(VENUES), seconds=20, times=dice.randint(5, 60)))
    stream = [_of_streams(dice)] if dice.random() < 0.5 else []
    return Mixture(at, faults, stream)


def _scattered(dice: random.Random) -> Fault:
    kind = dice.choice(SCATTERED)
    seconds = dice.choice([-90.0, 90.0]) if kind == "clock_skew" else round(dice.uniform(0.2, 3), 1)
    return Fault(
        kind=kind,
        venue=dice.choice(["*", *VENUES]),
        rate=round(dice.uniform(0.02, 0.3), 2),
        seconds=seconds,
        retry_after=dice.choice([None, "1", "3"]) if kind == "throttled" else None,
        as_json=dice.random() < 0.5,
        bars=dice.randint(1, 5),
    )


def _of_streams(dice: random.Random) -> StreamFault:
    kind = dice.choice(STREAM)
    named = kind in {"mute", "gap", "freeze", "malformed"} and dice.random() < 0.5
    amount = dice.choice([-30.0, -3.0, 3.0, 30.0]) if kind == "clock_skew" else round(dice.uniform(0.5, 20), 1)
    return StreamFault(
        kind=kind,
        venue=dice.choice(["mexc", "gate"]),
        symbol=dice.choice(SYMBOLS) if named else None,
        seconds=round(dice.uniform(1, 25), 1),
        count=dice.randint(2, 20),
        amount=amount,
        status=dice.choice([200, 403]),
    )
