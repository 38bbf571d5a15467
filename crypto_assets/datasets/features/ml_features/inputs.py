"""As-of inputs: what features may know beside the bars of their own venue, and how it is read.

What belongs here: one declaration an input: its rows, columns and how old they may be. What does not: the join (as_of.py).

A new input is one more entry of `INPUTS` and a feature set that names it; the engine stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from crypto_assets.datasets.features.blocks import Block
from crypto_assets.datasets.features.ml_features.as_of import KnownRows
from crypto_assets.datasets.features.ml_features.dex_pools import POOL_COLUMNS, pools_known
from crypto_assets.datasets.features.ml_features.dex_set import DAY as DEX_DAY
from crypto_assets.datasets.features.ml_features.dex_trades import POOL_FLOW_COLUMNS, pool_flow
from crypto_assets.datasets.features.ml_features.fees import (
    FEE_COLUMNS,
    OWN_FEE_COLUMNS,
    fees_known,
    own_fees_known,
)
from crypto_assets.datasets.features.ml_features.fees_set import DAY as FEE_DAY
from crypto_assets.datasets.features.ml_features.macro import MACRO_COLUMNS, macro_known
from crypto_assets.datasets.features.ml_features.onchain import ONCHAIN_COLUMNS, onchain_known
from crypto_assets.datasets.features.ml_features.order_flow import (
    BOOK_COLUMNS,
    BOOK_MAX_AGE,
    FLOW_COLUMNS,
    newest_books,
    trade_flow,
)
from crypto_assets.datasets.features.ml_features.quotes import QUOTE_COLUMNS, quotes_known
from crypto_assets.datasets.features.ml_features.sentiment import (
    MOOD_COLUMNS,
    NEWS_COLUMNS,
    mood_known,
    news_known,
)
from crypto_assets.datasets.features.source import Source
from crypto_assets.quality.coverage import SeriesKey
from crypto_assets.universe import TIMEFRAME_LENGTH

type Read = Callable[[Source, SeriesKey, datetime, datetime], list[KnownRows]]


@dataclass(frozen=True)
class AsOfInput:
    """Rows that features are joined with by the time they were known.

    Args:
        name: By which feature sets ask for it.
        columns: What it brings.
        max_age_bars: A row known more bars ago than this counts no more; None for `max_age`.
        read: From a market and a span of known times to rows; several of them count as their median.
        max_age: A fixed bound instead; None for none.
        reach_bars: So many bars before the first wanted one its features look back, and nothing before them is read; None for
            the whole history.
    """

    name: str
    columns: tuple[str, ...]
    read: Read
    max_age_bars: int | None = None
    max_age: timedelta | None = None
    reach_bars: int | None = None

    def reach(self, span: Block, timeframe: str) -> datetime:
        """From when on it is read."""
        if self.reach_bars is None:
            return span.history_from
        return max(span.history_from, span.start - self.reach_bars * TIMEFRAME_LENGTH[timeframe])

    def bound(self, timeframe: str) -> timedelta | None:
        """How long ago a row may have become known."""
        if self.max_age_bars is None:
            return self.max_age
        return self.max_age_bars * TIMEFRAME_LENGTH[timeframe]


def _closes_elsewhere(source: Source, key: SeriesKey, start: datetime, end: datetime) -> list[KnownRows]:
    """The same market's closes on other venues."""
    length = TIMEFRAME_LENGTH[key.timeframe]
    step = np.timedelta64(length // timedelta(microseconds=1), "us")
    rows = []
    for other in source.others(key):
        opened_at, close = source.closes(other, start - 2 * length, end)
        rows.append(KnownRows(opened_at + step, opened_at, {"close_elsewhere": close}))
    return rows


INPUTS: Mapping[str, AsOfInput] = {
    one.name: one
    for one in (
        # A price two bars old says nothing of a premium any more.
        AsOfInput("other_venues", ("close_elsewhere",), _closes_elsewhere, max_age_bars=2),
        # Of the very bar that is decided at: an hour before is another hour.
        AsOfInput("trade_flow", FLOW_COLUMNS, trade_flow, max_age_bars=0),
        AsOfInput("order_books", BOOK_COLUMNS, newest_books, max_age=BOOK_MAX_AGE),
        # Added up for the very decision. A year of a large network's pools is millions of snapshots: only what is needed.
        AsOfInput("dex_pools", POOL_COLUMNS, pools_known, max_age_bars=0, reach_bars=DEX_DAY),
        AsOfInput("dex_trades", POOL_FLOW_COLUMNS, pool_flow, max_age_bars=0, reach_bars=DEX_DAY),
        # Told for the very decision, too; how old a value may be stands beside each series, where it differs (macro.py, …).
        AsOfInput("macro", MACRO_COLUMNS, macro_known, max_age_bars=0, reach_bars=0),
        AsOfInput("onchain", ONCHAIN_COLUMNS, onchain_known, max_age_bars=0, reach_bars=0),
        AsOfInput("fees", FEE_COLUMNS, fees_known, max_age_bars=0, reach_bars=FEE_DAY),
        AsOfInput("own_fees", OWN_FEE_COLUMNS, own_fees_known, max_age_bars=0, reach_bars=FEE_DAY),
        AsOfInput("news", NEWS_COLUMNS, news_known, max_age_bars=0, reach_bars=0),
        AsOfInput("quotes", QUOTE_COLUMNS, quotes_known, max_age_bars=0, reach_bars=0),
        AsOfInput("mood", MOOD_COLUMNS, mood_known, max_age_bars=0, reach_bars=0),
    )
}
