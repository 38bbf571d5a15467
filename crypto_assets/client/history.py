"""What can be asked about the past, a method a dataset; the same for frames, Arrow tables and parts.

What belongs here: the methods and what their answers mean. What does not: how they are answered (rendering.py), and what is
newest (newest.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Unpack

from sqlalchemy import ColumnElement, Text

from crypto_assets.client.questions import (
    Choice,
    ColumnUnknown,
    Question,
    QuestionRefused,
    Wanted,
    listed,
    moment_of,
    near,
    table_of,
)
from crypto_assets.client.rendering import Render, Source
from crypto_assets.quality.gaps import State


class History[T]:
    """Questions about what is stored; T is the form of an answer.

    Every method takes, beside what it names, `start`, `end`, `columns` and `as_of` (see Choice). Names are one text or several;
    left out they mean all. Rows come in the order of the table's key; times are UTC. What the columns mean and their units:
    `Client.catalog`.

    Every method raises QuestionRefused (NameUnknown, ColumnUnknown, MomentUnclear, PastUnknown, AnswerTooLarge) and
    DatabaseUnreachable, NotMigrated, ReadFailed as `read_frame` does.
    """

    def __init__(self, source: Source, render: Render[T]) -> None:
        self._source = source
        self._render = render

    def bars(
        self, venue: Wanted = None, symbols: Wanted = None, timeframes: Wanted = None, **choice: Unpack[Choice]
    ) -> T:
        """Closed bars (market/ohlcv) that open in the span."""
        return self._ask("market/ohlcv", choice, {"venue": venue, "symbol": symbols, "timeframe": timeframes})

    def trades(self, venue: Wanted = None, symbols: Wanted = None, **choice: Unpack[Choice]) -> T:
        """Public trades (market/trades)."""
        return self._ask("market/trades", choice, {"venue": venue, "symbol": symbols})

    def quotes(
        self, venue: Wanted = None, symbols: Wanted = None, *, with_stale: bool = True, **choice: Unpack[Choice]
    ) -> T:
        """Best prices of each second (market/book_ticker_snapshots): 3,600 rows an hour and market.

        Args:
            with_stale: Whether rows come that are marked stale, which are not to be traded on.
        """
        table = table_of("market/book_ticker_snapshots")
        fresh = () if with_stale else (~table.c.is_stale,)
        return self._ask("market/book_ticker_snapshots", choice, {"venue": venue, "symbol": symbols}, fresh)

    def order_books(self, venue: Wanted = None, symbols: Wanted = None, **choice: Unpack[Choice]) -> T:
        """Snapshots of order books with their measures (market/order_books); a side is price, amount, price, amount …"""
        return self._ask("market/order_books", choice, {"venue": venue, "symbol": symbols})

    def tickers(self, venue: Wanted = None, symbols: Wanted = None, **choice: Unpack[Choice]) -> T:
        """24-hour statistics as they were polled (market/tickers)."""
        return self._ask("market/tickers", choice, {"venue": venue, "symbol": symbols})

    def instruments(self, venue: Wanted = None, symbols: Wanted = None, **choice: Unpack[Choice]) -> T:
        """What venues list, with the periods in which a symbol meant the same (market/instruments); the span is of starts."""
        return self._ask("market/instruments", choice, {"venue": venue, "symbol": symbols})

    def indicators(
        self, venue: Wanted = None, symbols: Wanted = None, timeframes: Wanted = None, **choice: Unpack[Choice]
    ) -> T:
        """Technical indicators of each bar (features/technical_indicators). Derived: no `as_of`."""
        return self._ask(
            "features/technical_indicators", choice, {"venue": venue, "symbol": symbols, "timeframe": timeframes}
        )

    def features(
        self, venue: Wanted = None, symbols: Wanted = None, timeframes: Wanted = None, **choice: Unpack[Choice]
    ) -> T:
        """Inputs of models for each bar (features/ml_features): only what was known at its close. Derived: no `as_of`."""
        return self._ask("features/ml_features", choice, {"venue": venue, "symbol": symbols, "timeframe": timeframes})

    def labels(
        self,
        venue: Wanted = None,
        symbols: Wanted = None,
        timeframes: Wanted = None,
        *,
        horizons: Iterable[int] = (),
        **choice: Unpack[Choice],
    ) -> T:
        """What came after each bar (features/labels); nothing of it was known then. Derived: no `as_of`.

        Args:
            horizons: Bars ahead; empty for all.
        """
        wanted = [*horizons]
        table = table_of("features/labels")
        ahead = (table.c.horizon_bars.in_(wanted),) if wanted else ()
        return self._ask("features/labels", choice, {"venue": venue, "symbol": symbols, "timeframe": timeframes}, ahead)

    def coverage(
        self,
        dataset: str = "market/ohlcv",
        venue: Wanted = None,
        symbols: Wanted = None,
        timeframes: Wanted = None,
        *,
        states: Wanted = None,
        **choice: Unpack[Choice],
    ) -> T:
        """The gap ledger: spans without rows that overlap the span asked for, and why (quality/coverage).

        Args:
            dataset: Whose gaps, as market/ohlcv.
            states: Of missing, venue_quiet, venue_outage, not_listed, repaired, unrecoverable.

        Raises:
            DatasetUnknown: naming what comes near; an empty answer would say that it has no gaps.
            QuestionRefused: likewise, of a state.
        """
        table_of(dataset)
        table = table_of("quality/coverage")
        conditions = [table.c.dataset == dataset]
        start, end = choice.pop("start", None), choice.pop("end", None)
        if start is not None:
            conditions.append(table.c.gap_end > moment_of(start, "start"))
        if end is not None:
            conditions.append(table.c.gap_start < moment_of(end, "end"))
        if states is not None:
            conditions.append(table.c.state.in_(_states(states)))
        return self._ask(
            "quality/coverage", choice, {"venue": venue, "symbol": symbols, "timeframe": timeframes}, conditions
        )

    def predictions(
        self, models: Wanted = None, domains: Wanted = None, series: Wanted = None, **choice: Unpack[Choice]
    ) -> T:
        """What champions said at each decision, beside the best baseline (models/predictions); the span is of decisions."""
        return self._ask("models/predictions", choice, {"model": models, "domain": domains, "series": series})

    def outcomes(
        self, models: Wanted = None, domains: Wanted = None, series: Wanted = None, **choice: Unpack[Choice]
    ) -> T:
        """The truth about each prediction (models/outcomes)."""
        return self._ask("models/outcomes", choice, {"model": models, "domain": domains, "series": series})

    def macro(self, series: Wanted = None, **choice: Unpack[Choice]) -> T:
        """Macroeconomic series in all their vintages (macro/observations); the span is of periods."""
        return self._ask("macro/observations", choice, {"series_id": series})

    def onchain(self, assets: Wanted = None, metrics: Wanted = None, **choice: Unpack[Choice]) -> T:
        """What blockchains say of each day (onchain/metrics)."""
        return self._ask("onchain/metrics", choice, {"asset": assets, "metric": metrics})

    def network_fees(self, chains: Wanted = None, **choice: Unpack[Choice]) -> T:
        """Fees of chains (onchain/network_fees)."""
        return self._ask("onchain/network_fees", choice, {"chain": chains})

    def scores(self, scorers: Wanted = None, assets: Wanted = None, **choice: Unpack[Choice]) -> T:
        """What scorers make of headlines (sentiment/scores); the span is of when a headline could be known."""
        return self._ask("sentiment/scores", choice, {"model_id": scorers, "asset": assets})

    def pools(self, networks: Wanted = None, addresses: Wanted = None, **choice: Unpack[Choice]) -> T:
        """Pools of decentralised exchanges as they stood when they were asked for (dex/pools)."""
        return self._ask("dex/pools", choice, {"network": networks, "pool_address": addresses})

    def pool_bars(
        self, networks: Wanted = None, addresses: Wanted = None, timeframes: Wanted = None, **choice: Unpack[Choice]
    ) -> T:
        """Bars of followed pools, in dollars (dex/pool_ohlcv)."""
        return self._ask(
            "dex/pool_ohlcv", choice, {"network": networks, "pool_address": addresses, "timeframe": timeframes}
        )

    def rows(self, dataset: str, filters: Mapping[str, Wanted] | None = None, **choice: Unpack[Choice]) -> T:
        """Rows of any dataset, as sentiment/news.

        Args:
            filters: Column of text → its value, or one of several.

        Raises:
            DatasetUnknown: naming what comes near.
        """
        return self._ask(dataset, choice, filters or {})

    def _ask(
        self,
        dataset: str,
        choice: Choice,
        filters: Mapping[str, Wanted],
        conditions: Iterable[ColumnElement[bool]] = (),
    ) -> T:
        table = table_of(dataset)
        names = [column.name for column in table.columns if isinstance(column.type, Text)]
        for name in filters.keys() - {*names}:
            raise ColumnUnknown(
                f"{table.fullname} has no column of text '{str(name)[:60]}'",
                way_out=near(str(name), names, f"It has {', '.join(names)}."),
            )
        chosen = {name: listed(values) for name, values in filters.items() if values is not None}
        return self._render(self._source, Question(table, chosen, tuple(conditions), choice))


def _states(wanted: Wanted) -> list[str]:
    names, there = listed(wanted), [one.value for one in State]
    for name in names:
        if name not in there:
            raise QuestionRefused(
                f"The gap ledger knows no state '{name[:60]}'",
                way_out=near(name, there, f"There are {', '.join(there)}."),
            )
    return names


__all__ = ["History"]
