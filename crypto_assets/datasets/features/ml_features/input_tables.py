"""The tables that each as-of input reads: whoever computes features again needs their rows.

What belongs here: one entry an input. What does not: the inputs themselves (inputs.py). It stands apart from them because it
decides on no value: inputs.py is a part of the features' version.

Beside these, bars, gap ledger and former versions of rows (market.ohlcv, quality.coverage, audit.revisions) are read for every
feature, and ops.collected_ranges and dex.pool_lives, of which retention takes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from crypto_assets.datasets.dex.pool_trades.table import pool_trades
from crypto_assets.datasets.dex.pools.table import pools
from crypto_assets.datasets.dex.watchlist.table import watchlist
from crypto_assets.datasets.macro.observations.table import observations
from crypto_assets.datasets.market.book_ticker_hours.table import book_ticker_hours
from crypto_assets.datasets.market.order_books.table import order_books
from crypto_assets.datasets.market.trade_bars.table import trade_bars
from crypto_assets.datasets.onchain.metrics.table import metrics
from crypto_assets.datasets.onchain.network_fees.table import network_fees
from crypto_assets.datasets.sentiment.fear_greed.table import fear_greed
from crypto_assets.datasets.sentiment.scores.table import scores

# By the input's name; as market.trade_bars.
INPUT_TABLES: Mapping[str, tuple[str, ...]] = {
    "other_venues": (),  # bars of other venues
    "trade_flow": (trade_bars.fullname,),
    "order_books": (order_books.fullname,),
    "dex_pools": (pools.fullname,),
    "dex_trades": (pool_trades.fullname, watchlist.fullname),
    "macro": (observations.fullname,),
    "onchain": (metrics.fullname,),
    "fees": (network_fees.fullname,),
    "own_fees": (network_fees.fullname,),
    "news": (scores.fullname,),
    "quotes": (book_ticker_hours.fullname,),
    "mood": (fear_greed.fullname,),
}

__all__ = ["INPUT_TABLES"]
