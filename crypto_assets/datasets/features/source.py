"""Bars and what the ledger says of the absent ones, as arrays: as they are now, or as they stood at a time.

What belongs here: reading market.ohlcv and quality.coverage for what is derived. What does not: computing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, FromClause, Select, Table, func, literal, select

from crypto_assets.datasets.features.shared import Shared
from crypto_assets.datasets.market.ohlcv.table import DATASET, ohlcv
from crypto_assets.indicators.declaration import Bars, Floats, Times
from crypto_assets.indicators.segments import MarketBars, Spans, join_quiet
from crypto_assets.quality.coverage import SeriesKey
from crypto_assets.quality.gaps import State
from crypto_assets.schema.bookkeeping import collected_ranges, coverage
from crypto_assets.spans import Span
from crypto_assets.universe import TIMEFRAME_LENGTH, DexRules, Universe
from crypto_assets.universe_sources import SentimentRules
from crypto_assets.warehouse.read import Reader
from crypto_assets.warehouse.revisions import as_of as as_of_statement

DEFAULT_SCORER = SentimentRules().features_scorer
_PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True)
class Source:
    """Where derived values take their rows from; for one thread.

    Args:
        reader: Open connections.
        as_of: Rows as they stood at this moment, from audit.revisions; None for the present ones.
        dex: Which tokens stand for a currency, and when a pool is dead; None where nothing of pools is read.
        scorer: Whose scores of headlines count.
        known_by: Only rows with `known_at` up to this moment, for the look-ahead proof; None for all. It holds for `stands`
            and what rests on it.
        whole: The span of bars that the run derives for, if it is known: what is alike for all markets is read for all of it.
        held: What has been asked of `holds` and `holds_any`.
        shared: What is alike for all markets, made once for all threads of a run.
    """

    reader: Reader
    as_of: datetime | None = None
    dex: DexRules | None = None
    scorer: str = DEFAULT_SCORER
    known_by: datetime | None = None
    whole: Span | None = None
    held: dict[tuple[str, str], bool] = field(default_factory=dict, compare=False, repr=False)
    shared: Shared = field(default_factory=Shared, compare=False, repr=False)

    def by_rules_of(self, universe: Universe) -> Source:
        """The same with what the universe says of pools and headlines."""
        return replace(self, dex=universe.dex, scorer=universe.sentiment.features_scorer)

    def holds(self, table: Table, venue: str) -> bool:
        """Whether a table may have any row of a venue: asked once, so that its markets need not be asked one by one."""
        return self.may_hold(table, venue, table.c.venue == venue)

    def may_hold(self, table: Table, name: str, where: ColumnElement[bool]) -> bool:
        """As `holds_any`, but what is gone now may have been there at a moment of the past."""
        return self.as_of is not None or self.holds_any(table, name, where)

    def holds_any(self, table: Table, name: str, where: ColumnElement[bool]) -> bool:
        """Whether any row of a table meets a condition now: asked once for each name of a condition."""
        key = (table.fullname, name)
        if key not in self.held:
            one = select(literal(1).label("found")).select_from(table).where(where).limit(1)
            self.held[key] = not self.reader.frame(one).empty
        return self.held[key]

    @property
    def last_known(self) -> datetime | None:
        """The latest moment whose knowledge counts; None for no bound."""
        return min((at for at in (self.as_of, self.known_by) if at is not None), default=None)

    def series(self, venue: str) -> list[SeriesKey]:
        """The series of a venue for which bars were ever collected, by symbol and timeframe."""
        c = collected_ranges.c
        chosen = select(c.symbol, c.timeframe).where(c.dataset == DATASET, c.venue == venue)
        rows = self.reader.frame(chosen.order_by(c.symbol, c.timeframe)).to_dict("records")
        return [SeriesKey(DATASET, venue, row["symbol"], row["timeframe"]) for row in rows]

    def others(self, key: SeriesKey) -> list[SeriesKey]:
        """The same market and timeframe on other venues, by venue."""
        c = collected_ranges.c
        chosen = select(c.venue).where(
            c.dataset == DATASET, c.symbol == key.symbol, c.timeframe == key.timeframe, c.venue != key.venue
        )
        venues = self.reader.frame(chosen.order_by(c.venue))["venue"]
        return [SeriesKey(DATASET, venue, key.symbol, key.timeframe) for venue in venues]

    def market(self, key: SeriesKey, start: datetime, end: datetime) -> MarketBars:
        """A market's bars that open in [start, end), its quiet ones filled in, and its cuts."""
        names = ("opened_at", *_PRICES, "volume_base")
        rows = self.rows(ohlcv, names, series_within(ohlcv, key, start, end), ("opened_at",))
        bars = Bars(times(rows, "opened_at"), *(floats(rows, name) for name in (*_PRICES, "volume_base")))
        quiet, outage = self._absent(key, start, end)
        return join_quiet(bars, TIMEFRAME_LENGTH[key.timeframe], quiet, outage)

    def newest_bar(self, key: SeriesKey, start: datetime, end: datetime) -> datetime | None:
        """When the newest bar of [start, end) opens; None where there is none."""
        newest = select(func.max(ohlcv.c.opened_at).label("at")).where(series_within(ohlcv, key, start, end))
        moments = self.reader.frame(newest)["at"].dropna()
        return None if moments.empty else moments.iloc[0].to_pydatetime()

    def closes(self, key: SeriesKey, start: datetime, end: datetime) -> tuple[Times, Floats]:
        """Opening times and closes of a market's stored bars in [start, end)."""
        rows = self.rows(ohlcv, ("opened_at", "close"), series_within(ohlcv, key, start, end), ("opened_at",))
        return times(rows, "opened_at"), floats(rows, "close")

    def rows(self, table: Table, names: Sequence[str], where: ColumnElement[bool], order: Sequence[str]) -> pa.Table:
        """Some columns of the rows that meet a condition, in order; as of the source's moment."""
        there = self.stands(table, where)
        return self.reader.arrow(
            select(*(there.c[name] for name in names)).order_by(*(there.c[name] for name in order))
        )

    def stands(self, table: Table, where: ColumnElement[bool]) -> FromClause:
        """A table's rows that meet a condition, as of the source's moment, to select from."""
        if self.known_by is not None and "known_at" in table.c:
            where &= table.c.known_at <= self.known_by
        statement: Select[*tuple[object, ...]]
        statement = select(table).where(where) if self.as_of is None else as_of_statement(table, self.as_of, where)
        return statement.subquery("then")

    def _absent(self, key: SeriesKey, start: datetime, end: datetime) -> tuple[Spans, Spans]:
        c = coverage.c
        where = (
            (c.dataset == key.dataset)
            & (c.venue == key.venue)
            & (c.symbol == key.symbol)
            & (c.timeframe == key.timeframe)
            & (c.gap_end > start)
            & (c.gap_start < end)
            & c.state.in_([State.VENUE_QUIET.value, State.VENUE_OUTAGE.value])
        )
        rows = self.rows(coverage, ("gap_start", "gap_end", "state"), where, ("gap_start",))
        states = np.asarray(rows.column("state").to_pylist(), dtype=object)
        starts, ends = times(rows, "gap_start"), times(rows, "gap_end")
        quiet, outage = (
            Spans.of(starts[states == state.value], ends[states == state.value])
            for state in (State.VENUE_QUIET, State.VENUE_OUTAGE)
        )
        return quiet, outage


def times(rows: pa.Table, name: str) -> Times:
    """A column of times as datetime64[us], UTC."""
    integers = rows.column(name).cast(pa.timestamp("us", "UTC")).cast(pa.int64()).combine_chunks()
    return np.asarray(integers.to_numpy(zero_copy_only=False), dtype=np.int64).view("datetime64[us]")


def days(rows: pa.Table, name: str) -> NDArray[np.int64]:
    """A column of dates as days since 1970."""
    whole = rows.column(name).cast(pa.date32()).cast(pa.int32()).combine_chunks()
    return np.asarray(whole.to_numpy(zero_copy_only=False), dtype=np.int64)


def floats(rows: pa.Table, name: str) -> Floats:
    """A column of numbers, NaN for NULL."""
    return np.asarray(rows.column(name).combine_chunks().to_numpy(zero_copy_only=False), dtype=np.float64)


def wall(moment: datetime) -> np.datetime64:
    """A moment as numpy has it: UTC without a zone, in microseconds."""
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")


def series_within(table: Table, key: SeriesKey, start: datetime, end: datetime) -> ColumnElement[bool]:
    """The condition for a series' rows of bars that open in [start, end)."""
    c = table.c
    return (
        (c.venue == key.venue)
        & (c.symbol == key.symbol)
        & (c.timeframe == key.timeframe)
        & (c.opened_at >= start)
        & (c.opened_at < end)
    )
