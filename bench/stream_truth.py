"""What the sandbox had sent by a second, and which stored rows say so.

What belongs here: holding rows against the sandbox's quotes, and absent rows against the ledger. What does not: streaming.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from crypto_assets.sandbox.config import DEFAULT_SEED
from crypto_assets.sandbox.streams.quotes import latest_k, made_quote

type Row = tuple[str, str, int]  # venue, symbol, second


@dataclass(frozen=True)
class Truth:
    """What became of every second of every market.

    Args:
        due: Seconds times markets.
        fresh: Rows that say to be fresh, and hold a quote that was sent within `max_age` before their second.
        stale: Rows marked stale.
        named: No row, and the ledger names the second.
        wrong: Rows that say to be fresh and hold something else, or something older: the first few.
        unnamed: No row, and the ledger says nothing: the first few.
        oldest: The oldest quote among the fresh ones, seconds.
    """

    due: int
    fresh: int
    stale: int
    named: int
    wrong: Sequence[Row]
    unnamed: Sequence[Row]
    oldest: float


def true_age(row: object, rate: float, max_age: float) -> float | None:
    """How long before its second the row's quote was made, seconds; None where none of the last `max_age` equals it.

    Args:
        row: With venue, symbol, at and the four numbers as text.
    """
    told = tuple(getattr(row, name) for name in ("bid_price", "bid_quantity", "ask_price", "ask_quantity"))
    venue, symbol, at = str(row.venue), str(row.symbol), int(row.at)  # type: ignore[attr-defined]
    newest = latest_k(at + 0.05, rate)  # a snapshot is taken a moment behind its second
    for k in range(newest, newest - int(max_age * rate) - 2, -1):
        if made_quote(DEFAULT_SEED, venue, symbol, k, rate) == told:
            return at - k / rate
    return None


def judge(
    rows: pd.DataFrame, gaps: pd.DataFrame, markets: Sequence[tuple[str, str]], span: tuple[datetime, datetime],
    rate: float, max_age: float,
) -> Truth:  # fmt: skip
    """Every second of [start, end) of every market.

    Args:
        rows: As stream_stage.stored gives them; gaps as its ledger.
        max_age: What counts as fresh, seconds.
    """
    there = {(row.venue, row.symbol, row.at): row for row in rows.itertuples()}
    named = set(_named(gaps))
    fresh = stale = told = 0
    wrong, unnamed, oldest = [], [], 0.0
    seconds = range(int(span[0].timestamp()), int(span[1].timestamp()))
    for venue, symbol in markets:
        for at in seconds:
            row = there.get((venue, symbol, at))
            if row is None:
                told += (venue, symbol, at) in named
                unnamed += [] if (venue, symbol, at) in named else [(venue, symbol, at)]
            elif row.is_stale:
                stale += 1
            else:
                age = true_age(row, rate, max_age)
                if age is None or age > max_age:
                    wrong.append((venue, symbol, at))
                else:
                    fresh, oldest = fresh + 1, max(oldest, age)
    return Truth(len(markets) * len(seconds), fresh, stale, told, wrong, unnamed, oldest)


def _named(gaps: pd.DataFrame) -> Iterator[Row]:
    for gap in gaps.itertuples():
        for at in range(int(gap.gap_start.timestamp()), -int(-gap.gap_end.timestamp() // 1)):
            yield gap.venue, gap.symbol, at
