"""The datasets that can be exported, and how each is cut into files.

What belongs here: names, tables, and the columns by which a table is cut. What does not: reading, writing, and what a column
means (the dataset's table.py).

A dataset is cut by a domain of its own (the venue, the network, the chain, the model) and by time. Rows of a file are in
the order of the table's key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum

from sqlalchemy import Column, Numeric, Table

from crypto_assets.datasets.dex.pool_ohlcv.table import pool_ohlcv
from crypto_assets.datasets.dex.pool_trades.table import pool_trades
from crypto_assets.datasets.dex.pools.table import pools
from crypto_assets.datasets.features.labels.table import labels
from crypto_assets.datasets.features.ml_features.table import ml_features
from crypto_assets.datasets.features.technical_indicators.table import technical_indicators
from crypto_assets.datasets.macro.observations.table import observations
from crypto_assets.datasets.market.arbitrage_opportunities.table import arbitrage_opportunities
from crypto_assets.datasets.market.book_ticker_hours.table import book_ticker_hours
from crypto_assets.datasets.market.book_ticker_snapshots.table import book_ticker_snapshots
from crypto_assets.datasets.market.instruments.table import instruments
from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.datasets.market.tickers.table import tickers
from crypto_assets.datasets.market.trade_bars.table import trade_bars
from crypto_assets.datasets.market.trades.table import trades
from crypto_assets.datasets.models.outcomes.table import outcomes
from crypto_assets.datasets.models.predictions.table import predictions
from crypto_assets.datasets.onchain.metrics.table import metrics
from crypto_assets.datasets.onchain.network_fees.table import network_fees
from crypto_assets.datasets.sentiment.fear_greed.table import fear_greed
from crypto_assets.datasets.sentiment.news.table import news, news_assets
from crypto_assets.datasets.sentiment.scores.table import scores
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.schema.bookkeeping import coverage

# Digits of a decimal column, and how many of them stand behind the point. 38 digits are what every reader of Parquet knows:
# eighteen before the point hold the amounts of the cheapest coin, twenty behind it the price of it.
EXACT = (38, 20)
# Tokens of pools have up to 18 decimals and any supply, and prices of a thousandth of a trillionth: twice the digits, which
# pyarrow and pandas read exactly.
EXACT_ON_CHAIN = (76, 38)
# A quotient of two exact numbers: below a hundred, with as many decimals as PostgreSQL gives one.
EXACT_SHARE = (38, 30)


BARS, COVERAGE = "bars", "coverage"


class Cut(StrEnum):
    """How long the time is that a file holds."""

    WHOLE = "whole"
    MONTH = "month"
    DAY = "day"


@dataclass(frozen=True)
class Exported:
    """A dataset that can be exported.

    Args:
        name: As it is typed, and as its folder is called.
        table: Where its rows are.
        asset: The asset that brings them.
        domain: The column whose values are folders; empty for none.
        time: The column by which it is cut in time; empty where it is not.
        cut: How long a file's time is.
        market: The column that `--market` chooses by; empty where there is none.
        digits: Of exact columns that need others than `EXACT`: all digits, and those behind the point.
    """

    name: str
    table: Table
    asset: str
    domain: str = ""
    time: str = ""
    cut: Cut = Cut.WHOLE
    market: str = ""
    digits: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def series(self) -> tuple[Column[object], ...]:
        """The columns of the key between domain and time: by them a partition is read piece by piece."""
        names = [column.name for column in self.table.primary_key.columns]
        known = names.index(self.time) if self.time in names else 0
        return tuple(self.table.c[name] for name in names[:known] if name != self.domain)

    @property
    def has_timeframe(self) -> bool:
        """Whether its rows are of bars of some length."""
        return "timeframe" in self.table.c

    def digits_of(self, column: Column[object]) -> tuple[int, int] | None:
        """All digits of an exact column and those behind its point; None for another column."""
        return self.digits.get(column.name, EXACT) if type(column.type) is Numeric else None


class UnknownDataset(CryptoAssetsError):
    """No dataset of that name can be exported."""


def _bars(name: str, table: Table, asset: str) -> Exported:
    return Exported(name, table, asset, "venue", "opened_at", Cut.MONTH, "symbol")


def _on_chain(table: Table) -> dict[str, tuple[int, int]]:
    return {column.name: EXACT_ON_CHAIN for column in table.c if type(column.type) is Numeric}


_ALL = (
    _bars(BARS, ohlcv, "market/ohlcv"),
    _bars("features", ml_features, "features/ml_features"),
    _bars("indicators", technical_indicators, "features/technical_indicators"),
    _bars("labels", labels, "features/labels"),
    Exported("trades", trades, "market/trades", "venue", "traded_at", Cut.DAY, "symbol"),
    _bars("trade_bars", trade_bars, "market/trade_bars"),
    Exported(
        "quotes", book_ticker_snapshots, "market/book_ticker_snapshots", "venue", "snapshot_at", Cut.DAY, "symbol",
        {"spread_pct": EXACT_SHARE},
    ),
    _bars("quote_hours", book_ticker_hours, "market/book_ticker_hours"),
    Exported(
        "arbitrage", arbitrage_opportunities, "market/arbitrage_opportunities", "", "snapshot_at", Cut.DAY, "symbol"
    ),
    Exported("tickers", tickers, "market/tickers", "venue", "snapshot_at", Cut.MONTH, "symbol"),
    Exported("instruments", instruments, "market/instruments", "venue", market="symbol"),
    Exported("pools", pools, "dex/pools", "network", "snapshot_at", Cut.MONTH, "pool_address", _on_chain(pools)),
    Exported(
        "pool_bars", pool_ohlcv, "dex/pool_ohlcv", "network", "opened_at", Cut.MONTH, "pool_address",
    ),
    Exported(
        "pool_trades", pool_trades, "dex/pool_trades", "network", "traded_at", Cut.DAY, "pool_address",
        _on_chain(pool_trades),
    ),
    Exported("macro", observations, "macro/observations", "series_id"),
    Exported("onchain", metrics, "onchain/metrics", "asset"),
    Exported("fees", network_fees, "onchain/network_fees", "chain", "observed_at", Cut.MONTH),
    Exported("news", news, "sentiment/news", "", "first_seen_at", Cut.MONTH),
    Exported("news_assets", news_assets, "sentiment/news", "", "known_at", Cut.MONTH),
    Exported("scores", scores, "sentiment/scores", "model_id", "news_known_at", Cut.MONTH),
    Exported("fear_greed", fear_greed, "sentiment/fear_greed"),
    Exported("predictions", predictions, "models/predictions", "model", "decided_at", Cut.MONTH, "series"),
    Exported("outcomes", outcomes, "models/outcomes", "model", "decided_at", Cut.MONTH, "series"),
    Exported(COVERAGE, coverage, "market/ohlcv", "dataset", market="symbol"),
)  # fmt: skip
DATASETS: Mapping[str, Exported] = {one.name: one for one in _ALL}


def exported(name: str) -> Exported:
    """The dataset of that name.

    Raises:
        UnknownDataset: naming those that there are.
    """
    if name not in DATASETS:
        near = get_close_matches(name, DATASETS, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise UnknownDataset(
            f"No dataset '{name[:40]}' can be exported", way_out=f"{hint}There are {', '.join(DATASETS)}."
        )
    return DATASETS[name]


__all__ = ["BARS", "COVERAGE", "DATASETS", "Cut", "Exported", "UnknownDataset", "exported"]
