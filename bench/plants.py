"""What a fault campaign plants: holes, outages, quiet runs, halts, late listings and delistings, the same for the same seed.

What belongs here: sizes, plants and how the sandbox is told of them. What does not: the campaign and its verdicts (truth.py).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from crypto_assets.clients.exchange import SETTLE
from crypto_assets.sandbox.absences import Absence
from crypto_assets.sandbox.faults import Fault
from crypto_assets.spans import Span, intersection
from crypto_assets.universe import TIMEFRAME_LENGTH

SEED = 20261121
FRAME = "5m"
LENGTH = TIMEFRAME_LENGTH[FRAME]
NOW = datetime(2026, 10, 1, 12, 2, 30, tzinfo=UTC)
MARKETS = {
    "binance": ("BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT", "ADA/USDT", "DOGE/USDT", "ETH/BTC"),
    "mexc": ("BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT", "ADA/USDT", "DOGE/USDT", "ETH/BTC"),
    "okx": ("BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT", "ADA/USDT", "DOGE/USDT"),
}
PAGES = {"binance": 1000, "mexc": 500, "okx": 300}
EXPECTED = {
    "outage": "venue_outage",
    "quiet": "venue_quiet",
    "halt": "not_listed",
    "unlisted_yet": "not_listed",
    "delisted": "not_listed",
}
REPAIRABLE = frozenset({"withheld", "lost"})
DAY_BARS = timedelta(days=1) // LENGTH


@dataclass(frozen=True)
class Size:
    """How large a campaign is."""

    bars: int
    holes_a_series: int
    longest_hole: int
    quiet_a_series: int
    outages: int
    kills: int
    markets: int


FULL = Size(bars=40_000, holes_a_series=50, longest_hole=500, quiet_a_series=10, outages=4, kills=8, markets=7)
SMALL = Size(bars=4_500, holes_a_series=5, longest_hole=120, quiet_a_series=2, outages=1, kills=2, markets=4)


@dataclass(frozen=True)
class Plant:
    """One absence: whose, when, and of which kind."""

    venue: str
    symbol: str
    span: Span
    kind: str


def plant(size: Size, seed: int) -> list[Plant]:
    """Absences for every market, apart from each other by at least a bar, none at the edges but listings."""
    dice = random.Random(seed)  # noqa: S311 - repeatable, not secret
    plants: list[Plant] = []
    for venue, all_symbols in MARKETS.items():
        symbols = all_symbols[: size.markets]
        late, halted, ended = symbols[-1], symbols[-2], symbols[-3]
        outages = _scatter(dice, [dice.randint(2, 40) for _ in range(size.outages)], size.bars, [])
        for symbol in symbols:
            own: list[tuple[str, tuple[int, int]]] = [("outage", span) for span in outages]
            if symbol == late:
                own.append(("unlisted_yet", (0, 6 * DAY_BARS)))
            if symbol == ended:
                # The last bars before the present are not spoken for yet: the venue may still publish them.
                own.append(("delisted", (size.bars - 4 * DAY_BARS, size.bars - SETTLE // LENGTH)))
            if symbol == halted:
                [halt] = _scatter(dice, [9 * DAY_BARS], size.bars, [span for _, span in own])
                own.append(("halt", halt))
            for kind, number, longest in (
                ("withheld", size.holes_a_series // 2, size.longest_hole),
                ("lost", size.holes_a_series - size.holes_a_series // 2, size.longest_hole),
                ("quiet", size.quiet_a_series, 30),
            ):
                lengths = [dice.randint(1, longest) for _ in range(number)]
                spans = _scatter(dice, lengths, size.bars, [span for _, span in own])
                own += [(kind, span) for span in spans]
            plants += [Plant(venue, symbol, moments(span, size), kind) for kind, span in own]
    return _outside_other_plants(plants)


def _scatter(
    dice: random.Random, lengths: Iterable[int], bars: int, taken: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Spans of those lengths, apart from each other and from what is taken, and off the edges."""
    placed: list[tuple[int, int]] = []
    for length in sorted(lengths, reverse=True):
        for _ in range(10_000):
            start = dice.randint(2, bars - length - 3)
            span = (start, start + length)
            if all(span[1] < other[0] or other[1] < span[0] for other in (*taken, *placed)):
                placed.append(span)
                break
        else:
            raise RuntimeError("no room for another absence")
    return placed


def moments(span: tuple[int, int], size: Size) -> Span:
    begin = NOW.replace(minute=0, second=0) - size.bars * LENGTH
    return begin + span[0] * LENGTH, begin + span[1] * LENGTH


def _outside_other_plants(plants: Sequence[Plant]) -> list[Plant]:
    """Outages do not fall where a market was not listed anyway."""
    kept = []
    for one in plants:
        if one.kind == "outage":
            unlisted = [
                other.span
                for other in plants
                if (other.venue, other.symbol) == (one.venue, one.symbol) and EXPECTED.get(other.kind) == "not_listed"
            ]
            if intersection([one.span], unlisted):
                continue
        kept.append(one)
    return kept


def absence(one: Plant, *, is_unlisted: bool = False) -> Absence:
    end = NOW + timedelta(days=1) if one.kind == "delisted" else one.span[1]
    start = datetime(2010, 1, 1, tzinfo=UTC) if one.kind == "unlisted_yet" else one.span[0]
    return Absence(venue=one.venue, symbol=one.symbol, start=start, end=end, is_unlisted=is_unlisted)


def disturbances() -> list[Fault]:
    return [
        Fault(kind="duplicate_bars", rate=0.05),
        Fault(kind="disordered_bars", rate=0.03),
        Fault(kind="revised_bars", bars=2),
        Fault(kind="late_bars", bars=1),
    ]
