"""Stored trades against the made-up market they come from, trade by trade.

What belongs here: counting what was lost and what was doubled. What does not: collecting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from sqlalchemy import select

from crypto_assets.datasets.market.trades.table import DATASET, trades
from crypto_assets.quality.coverage import TICK, read_gaps
from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.spans import Span
from crypto_assets.warehouse.collected import read_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

type _Deal = tuple[int, float, float, bool]


@dataclass(frozen=True)
class Compared:
    """Trades of the times that count as collected.

    Args:
        expected: Trades that the market had.
        lost: Those of them that are not stored.
        doubled: Stored ones that the market did not have.
        spans: How many stretches each market's collected time has; one where nothing was left out between.
        named: Gaps that the ledger still names.
    """

    expected: int
    lost: int
    doubled: int
    spans: int
    named: int
    where: str = ""


def compare(warehouse: Warehouse, markets: Iterable[tuple[str, str]], config: SandboxConfig | None = None) -> Compared:
    """All markets' stored trades against the sandbox's of the same seed."""
    source = (config or SandboxConfig()).source()
    expected = lost = doubled = most_spans = 0
    where = []
    for venue, symbol in markets:
        with warehouse.connect() as connection:
            spans = read_collected(connection, DATASET, venue, symbol, TICK)
        most_spans = max(most_spans, len(spans))
        for start, end in spans:
            first, last = ((moment - _EPOCH) // _MICROSECOND for moment in (start, end))
            found = source.trades(venue, symbol, first // 1000, -(-last // 1000))
            there = (found.traded_at_ms * 1000 >= first) & (found.traded_at_ms * 1000 < last)
            columns = (found.traded_at_ms, found.price, found.amount, found.is_buy)
            wanted: Counter[_Deal] = Counter(zip(*(column[there].tolist() for column in columns), strict=True))
            stored = _stored(warehouse, venue, symbol, (start, end))
            expected += wanted.total()
            gone, extra = (wanted - stored).total(), (stored - wanted).total()
            where += [f"{venue} {symbol}: {gone} lost, {extra} doubled"] if gone or extra else []
            lost, doubled = lost + gone, doubled + extra
    gaps = read_gaps(warehouse, dataset=DATASET)
    named = int((gaps["state"] != "repaired").sum())
    return Compared(expected, lost, doubled, most_spans, named, "; ".join(where[:4]))


def _stored(warehouse: Warehouse, venue: str, symbol: str, span: Span) -> Counter[_Deal]:
    c = trades.c
    frame = read_frame(
        warehouse,
        select(c.traded_at, c.price, c.amount, c.side)
        .where(c.venue == venue, c.symbol == symbol)
        .where(c.traded_at >= span[0], c.traded_at < span[1]),
    )
    times = frame["traded_at"].dt.tz_localize(None).to_numpy().astype("datetime64[us]").astype(np.int64) // 1000
    is_buy = (frame["side"] == "buy").tolist()
    return Counter(zip(times.tolist(), frame["price"].tolist(), frame["amount"].tolist(), is_buy, strict=True))
