"""The newest hours of gaps between exchanges, read again and again.

What belongs here: keeping the hours that are over, reading the newest ones. What does not: what is made of them (arbitrage.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy import ARRAY, Select, Text, any_, bindparam, select

from crypto_assets.datasets.market.arbitrage_opportunities.table import arbitrage_opportunities
from crypto_assets.datasets.market.book_ticker_hours.table import book_ticker_hours
from crypto_assets.datasets.models.arbitrage import (
    DAY,
    NO_GAPS,
    Gaps,
    arbitrage_inputs,
    gaps_of,
    gaps_statement,
    listened_of,
)
from crypto_assets.datasets.models.hours import moment_of
from crypto_assets.datasets.models.stored_rows import FeatureRows
from crypto_assets.forecasting.frame import Floats, Rows, SeriesName
from crypto_assets.warehouse.read import Reader

# The stream writes an hour's last seconds, and the hour's sums are made, within so long after its end.
_SETTLED = timedelta(minutes=20)
_AGAIN = 3  # hours that are read again with a new one: their sums may have come late
_NONE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class _Known:
    """One market's hours until `last`; whether they were read when that hour had settled."""

    gaps: Gaps
    listened: Rows
    last: int
    is_settled: bool


class GapTail:
    """Gaps before the newest decisions of some markets; hours that have settled are read once."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._known: dict[SeriesName, _Known] = {}

    def inputs(
        self, features: Mapping[SeriesName, FeatureRows], now: datetime
    ) -> dict[SeriesName, Mapping[str, Floats]]:
        """As `arbitrage_inputs`, for the decisions of each market's rows of features.

        Args:
            now: The clock, UTC.
        """
        self._read([name for name, rows in features.items() if self._is_due(name, rows)], features, now)
        return {
            name: arbitrage_inputs(self._known[name].gaps, self._known[name].listened, rows.hours)
            for name, rows in features.items()
        }

    def _is_due(self, name: SeriesName, rows: FeatureRows) -> bool:
        known = self._known.get(name)
        return known is None or not known.is_settled or known.last < int(rows.hours[-1])

    def _read(self, names: list[SeriesName], features: Mapping[SeriesName, FeatureRows], now: datetime) -> None:
        if not names:
            return
        since = {name: self._since(name, features[name]) for name in names}
        first, last = min(since.values()), max(int(features[name].hours[-1]) for name in names)
        values = {
            "symbols": sorted({name.series for name in names}),
            "since": moment_of(first - 1),
            "until": moment_of(last),
        }
        gaps = gaps_of(self._reader.arrow(_GAPS, values))
        listened = listened_of(self._reader.arrow(_LISTENED, values))
        for name in names:
            before = self._known.get(name, _Known(NO_GAPS, _NONE, first, is_settled=False))
            newest = int(features[name].hours[-1])
            oldest = int(features[name].hours[0]) - DAY
            self._known[name] = _Known(
                _joined(before.gaps, gaps.get(name, NO_GAPS), oldest, first),
                _unique(before.listened, listened.get(name, _NONE), oldest, first),
                newest,
                is_settled=now >= moment_of(newest) + _SETTLED,
            )

    def _since(self, name: SeriesName, rows: FeatureRows) -> int:
        """The hour after which gaps are to be read."""
        known = self._known.get(name)
        return int(rows.hours[0]) - DAY if known is None else known.last - _AGAIN


def _joined(before: Gaps, newer: Gaps, oldest: int, first: int) -> Gaps:
    """What was known of hours up to `first`, and what is known now of those after."""
    old, new = (before.hours > oldest) & (before.hours <= first), newer.hours > first
    return Gaps(
        np.concatenate([before.hours[old], newer.hours[new]]),
        np.concatenate([before.seconds[old], newer.seconds[new]]),
        np.concatenate([before.best_pct[old], newer.best_pct[new]]),
    )


def _unique(before: Rows, newer: Rows, oldest: int, first: int) -> Rows:
    return np.concatenate([before[(before > oldest) & (before <= first)], newer[newer > first]])


def _gaps_since() -> Select[*tuple[object, ...]]:
    c = arbitrage_opportunities.c
    within = (
        c.snapshot_at >= bindparam("since"),
        c.snapshot_at <= bindparam("until"),
        c.known_at <= bindparam("until"),
    )
    asked = c.symbol == any_(bindparam("symbols", type_=ARRAY(Text())))
    names = ("symbol", "buy_venue", "sell_venue", "snapshot_at", "known_at", "gross_pct", "net_pct")
    return gaps_statement(select(*(c[name] for name in names)).where(asked, *within).subquery("then"))


def _listened_since() -> Select[*tuple[object, ...]]:
    c = book_ticker_hours.c
    within = (c.opened_at >= bindparam("since"), c.opened_at < bindparam("until"), c.seconds > 0)
    asked = c.symbol == any_(bindparam("symbols", type_=ARRAY(Text())))
    return select(c.venue, c.symbol, c.opened_at, c.known_at).where(asked, *within)


_GAPS, _LISTENED = _gaps_since(), _listened_since()

__all__ = ["GapTail"]
