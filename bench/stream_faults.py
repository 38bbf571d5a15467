"""A hundred faults at random moments: every second is right, or marked stale, or named in the ledger.

What belongs here: the campaign and its judgement. What does not: what is true (stream_truth.py).
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd
from sqlalchemy import select

from bench.event_stage import Figure
from bench.stream_stage import Stream, World, ledger, stored, world
from bench.stream_truth import judge
from crypto_assets.datasets.market.arbitrage_opportunities.table import arbitrage_opportunities
from crypto_assets.sandbox.streams.plan import StreamFault, StreamFaultKind
from crypto_assets.universe_stream import StreamRules
from crypto_assets.warehouse.read import read_frame

SEED, FAULTS = 20261121, 100
RATE = 5.0
WARM_SECONDS, CALM_SECONDS = 30, 30
KINDS: Sequence[StreamFaultKind] = (
    "drop", "refuse", "close", "half_open", "mute", "malformed", "gap", "duplicate", "clock_skew", "delay", "freeze", "html",
)  # fmt: skip
STILL = frozenset({"freeze", "mute", "half_open", "gap"})  # the venue's quotes stand still
MAX_GROWTH_MB = 32.0
QUOTE_MAY_TAKE = 0.3  # seconds, on a busy machine


@dataclass(frozen=True)
class Struck:
    """A fault of the campaign, and when it was meant to last."""

    begun: datetime
    until: datetime
    fault: StreamFault


def measure(minutes: float) -> list[Figure]:
    """The campaign, over binance, mexc and gate."""
    with world(("binance", "mexc", "gate"), 20, RATE) as here:
        return _campaign(here, minutes)


def _campaign(here: World, minutes: float) -> list[Figure]:
    dice = random.Random(SEED)  # noqa: S311 - the same moments in every run
    stream = Stream(here)
    stream.start()
    time.sleep(WARM_SECONDS)
    memory = stream.resident_megabytes()
    start = datetime.now(UTC).replace(microsecond=0)
    moments = sorted(dice.uniform(0, minutes * 60) for _ in range(FAULTS))
    running: list[Struck] = []
    for moment in moments:
        time.sleep(max(0.0, (start + timedelta(seconds=moment) - datetime.now(UTC)).total_seconds()))
        running.append(_strike(here, dice, running))
    time.sleep(max(0.0, (start + timedelta(minutes=minutes) - datetime.now(UTC)).total_seconds()) + CALM_SECONDS)
    end = datetime.now(UTC).replace(microsecond=0)
    time.sleep(2)
    growth = stream.resident_megabytes() - memory
    names = ("connections_lost", "malformed_messages", "ignored_quotes")
    lost, malformed, ignored = (stream.metric(f"{name}_total") for name in names)
    code = stream.stop()
    rules = StreamRules()
    markets = [(venue, symbol) for venue in here.venues for symbol in here.symbols]
    rows = stored(here.warehouse, start, end)
    truth = judge(rows, ledger(here.warehouse), markets, (start, end), RATE, rules.stale_seconds + 1)
    chances = read_frame(here.warehouse, select(arbitrage_opportunities))
    false = _while_still(chances, running, rules.analytics.persistence_snapshots - 1)
    told = f"{int(lost)} connections lost, {int(malformed)} messages malformed, {int(ignored)} ignored"
    return [
        Figure(f"{FAULTS} faults in {minutes:g} minutes: seconds times markets", truth.due, told=told),
        Figure("  right", truth.fresh, at_least=1, told=f"oldest {truth.oldest:.1f} s"),
        Figure("  marked stale", truth.stale),
        Figure("  no row, in the ledger", truth.named),
        Figure("  fresh and not true", len(truth.wrong), at_most=0, told=str(truth.wrong[:3] or "")),
        Figure("  no row, nowhere named", len(truth.unnamed), at_most=0, told=str(truth.unnamed[:3] or "")),
        Figure("  arbitrage rows", len(chances), at_least=1 if minutes >= 5 else 0),  # of one minute in thirty
        Figure("  arbitrage rows while a venue stood still", len(false), at_most=0, told=str(false[:2] or "")),
        Figure("  memory more than at the beginning", growth, "MB", at_most=MAX_GROWTH_MB),
        Figure("  exit code", code, at_most=0),
    ]


def _strike(here: World, dice: random.Random, running: Sequence[Struck]) -> Struck:
    """Begin one fault; those before it that are not over go on for the rest of their time."""
    kind, venue = dice.choice(KINDS), dice.choice(here.venues)
    symbol = dice.choice([None, dice.choice(here.symbols)]) if kind in {"mute", "gap", "freeze", "malformed"} else None
    fault = StreamFault(
        kind=kind, venue=venue, symbol=symbol, seconds=round(dice.uniform(1, 25), 1), count=dice.randint(2, 20),
        amount=dice.choice([-30.0, -3.0, 3.0, 30.0]) if kind == "clock_skew" else round(dice.uniform(0.5, 20), 1),
        status=dice.choice([200, 403]),
    )  # fmt: skip
    now = datetime.now(UTC)
    # One that strikes once is over; it would strike again.
    rest = [
        one.fault.model_copy(update={"seconds": (one.until - now).total_seconds()})
        for one in running
        if one.until > now and one.fault.kind not in {"drop", "close", "half_open", "freeze"}
    ]
    here.sandbox.set_stream_faults([*rest, fault])
    return Struck(now, now + timedelta(seconds=fault.seconds), fault)


def _while_still(chances: pd.DataFrame, faults: Sequence[Struck], max_age: float) -> list[tuple[object, ...]]:
    """Opportunities told of a market while one of its two venues had stood still for longer than a quote may be old."""
    found = []
    for row in chances.itertuples():
        for one in faults:
            is_named = one.fault.venue in {row.buy_venue, row.sell_venue} and one.fault.symbol in {None, row.symbol}
            begins = one.begun + timedelta(seconds=max_age + QUOTE_MAY_TAKE)
            if one.fault.kind in STILL and is_named and begins < row.snapshot_at < _still_until(one, faults):
                found.append((one.fault.kind, row.symbol, row.buy_venue, row.sell_venue, str(row.snapshot_at)))
    return found


def _still_until(one: Struck, faults: Sequence[Struck]) -> datetime:
    """Until when quotes stood still for sure: a next fault ends a freeze, and new connections a half-open one."""
    later = [other for other in faults if one.begun < other.begun < one.until]
    ends = [one.until]
    if one.fault.kind == "freeze":
        ends += [other.begun for other in later]
    if one.fault.kind == "half_open":
        cut = {"drop", "close", "refuse", "html"}
        ends += [other.begun for other in later if other.fault.kind in cut and other.fault.venue == one.fault.venue]
        ends.append(one.begun + timedelta(seconds=StreamRules().silent_seconds))
    return min(ends)
