"""The rows of a training set, from what was stored by its moment: the one way, whether a set is made or verified.

What belongs here: from a question to its rows, a market and a calendar year at a time. What does not: where they are kept
(place.py), their hash (row_hash.py), and comparing them (verify.py).

Stored features are not read: they are replaced, and keep no former rows. What they are made of keeps its former rows, and the
features are a pure function of it; so they are computed again, from bars, gap ledger, trades, books, pools, economy, chains and
news as these stood. What cannot be had so is named in columns.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import ValidationError

from crypto_assets.datasets.features.blocks import Block, blocks_of
from crypto_assets.datasets.features.derive import Task, in_threads
from crypto_assets.datasets.features.labels.asset import build_labels
from crypto_assets.datasets.features.labels.table import HORIZONS
from crypto_assets.datasets.features.ml_features.catalog import FEATURES
from crypto_assets.datasets.features.ml_features.declaration import Feature
from crypto_assets.datasets.features.ml_features.engine import MarketInputs, build_features
from crypto_assets.datasets.features.ml_features.inputs import INPUTS
from crypto_assets.datasets.features.ml_features.run import CrossMarkets, add_up, quote_of
from crypto_assets.datasets.features.source import Source
from crypto_assets.datasets.market.arbitrage_opportunities.table import arbitrage_opportunities
from crypto_assets.datasets.market.book_ticker_hours.table import book_ticker_hours
from crypto_assets.datasets.market.ohlcv.table import DATASET as BARS
from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.datasets.models.arbitrage import (
    DAY,
    NO_GAPS,
    arbitrage_inputs,
    gaps_are_kept,
    gaps_of,
    gaps_statement,
    listened_of,
)
from crypto_assets.datasets.models.hours import hours_of, moment_of
from crypto_assets.datasets.models.opportunity import ARBITRAGE_INPUTS
from crypto_assets.datasets.models.stored_rows import Choice
from crypto_assets.forecasting.frame import SeriesName
from crypto_assets.indicators.declaration import Times
from crypto_assets.indicators.segments import MarketBars
from crypto_assets.quality.coverage import SeriesKey
from crypto_assets.training_sets.columns import CLOSE, LABELS, Kind, SetColumn, columns_of, label_column
from crypto_assets.training_sets.question import Question
from crypto_assets.training_sets.refusals import ManifestRefused
from crypto_assets.training_sets.sources import asks_for_gaps, inputs_of, tables_of
from crypto_assets.universe import TIMEFRAME_LENGTH, DexRules
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.detached import refuse_away
from crypto_assets.warehouse.read import reading

type Values = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Piece:
    """One market's rows of one calendar year, in order of time; n of them.

    Args:
        key: The market.
        start: Of the year, or of the set where it begins later; UTC.
        values: By column but venue, symbol and timeframe, each (n,): times as datetime64[us] (UTC, NaT for null), numbers as
            float32 or float64 (NaN for null).
    """

    key: SeriesKey
    start: datetime
    values: Values

    def __len__(self) -> int:
        return len(self.values["opened_at"])

    @property
    def place(self) -> tuple[str, str, datetime]:
        """By which it is found again."""
        return self.key.venue, self.key.symbol, self.start


def pieces(warehouse: Warehouse, question: Question) -> Iterator[Piece]:
    """Every piece that has a row, by venue, year and symbol.

    Raises:
        ManifestRefused: the question's rules of pools are none of this version.
        SpanAway: retention took rows out of their tables that these are made of.
        DatabaseUnreachable, NotMigrated, ReadFailed: as for reading anything.
    """
    features = tuple(FEATURES[name] for name in question.columns if name in FEATURES)
    dex = _rules(question)
    needed = inputs_of(question.columns)
    _refuse_what_is_away(warehouse, question, needed)
    by_venue: dict[str, list[SeriesKey]] = {}
    for one in question.series:
        by_venue.setdefault(one.venue, []).append(SeriesKey(BARS, one.venue, one.symbol, question.timeframe))
    for venue, keys in by_venue.items():
        with reading(warehouse) as reader:
            peers = [key for key in Source(reader).series(venue) if key.timeframe == question.timeframe]
        for block in blocks_of(question.start, question.end, question.timeframe):
            crosses = add_up(warehouse, peers, [block], question.reference, as_of=question.as_of)

            def build(source: Source, task: Task, crosses: CrossMarkets = crosses) -> Piece:
                [block] = task.blocks
                ours = replace(source, dex=dex, scorer=question.scorer, whole=(block.start, block.end))
                return _piece(ours, task, crosses, question, features, needed)

            tasks = [Task(key, (block,)) for key in keys]
            yield from (one for one in in_threads(warehouse, tasks, build, as_of=question.as_of) if len(one))


def _refuse_what_is_away(warehouse: Warehouse, question: Question, needed: Sequence[str]) -> None:
    """Rows that retention took out of their tables are no rows that never were; inputs reach back behind the first bar, too."""
    ahead = max(HORIZONS) * TIMEFRAME_LENGTH[question.timeframe]
    blocks = blocks_of(question.start, question.end, question.timeframe)
    first = min(block.history_from for block in blocks)
    reached = [INPUTS[name].reach(block, question.timeframe) for name in needed for block in blocks]
    if asks_for_gaps(question.columns):
        reached.append(question.start - timedelta(hours=DAY))
    with warehouse.connect() as connection:
        refuse_away(connection, [ohlcv.fullname], (first, question.end + ahead))
        refuse_away(connection, tables_of(question.columns), (min([question.start, *reached]), question.end))


def steps_of(question: Question) -> int:
    """How many pieces there can be."""
    return len(question.series) * len(blocks_of(question.start, question.end, question.timeframe))


def arrow_of(piece: Piece, columns: Sequence[SetColumn]) -> pa.Table:
    """A piece in the set's columns; what is not known is null. Pure."""
    constant = {"venue": piece.key.venue, "symbol": piece.key.symbol, "timeframe": piece.key.timeframe}
    arrays = []
    for one in columns:
        if one.kind is Kind.TEXT:
            indices = pa.array(np.zeros(len(piece), dtype=np.int32))
            arrays.append(pa.DictionaryArray.from_arrays(indices, pa.array([constant[one.name]])))
        elif one.kind is Kind.TIME:
            arrays.append(pa.array(piece.values[one.name], type=pa.timestamp("us")).cast(one.field.type))
        else:
            arrays.append(pa.array(piece.values[one.name], type=one.field.type, from_pandas=True))
    return pa.Table.from_arrays(arrays, schema=pa.schema([one.field for one in columns]))


def _rules(question: Question) -> DexRules:
    try:
        return DexRules.model_validate(question.dex)
    except ValidationError as error:
        raise ManifestRefused(
            f"The set's rules of pools cannot be read ({error.error_count()} faults)",
            way_out="Use the version of this package that made it.",
        ) from None


def _piece(
    source: Source,
    task: Task,
    crosses: CrossMarkets,
    question: Question,
    features: Sequence[Feature],
    needed: Sequence[str],
) -> Piece:
    """Read a market once, to its history's beginning and to the end of its last label."""
    key, [block] = task.key, task.blocks
    length = TIMEFRAME_LENGTH[key.timeframe]
    market = source.market(key, block.history_from, block.end + max(HORIZONS) * length)
    joined = {
        name: INPUTS[name].read(source, key, INPUTS[name].reach(block, key.timeframe), block.end) for name in needed
    }
    inputs = MarketInputs(key.timeframe, quote_of(key.symbol), market, joined)
    rows = build_features(inputs, crosses[block], block, features)
    opened_at = rows.opened_at
    values: dict[str, NDArray[np.generic]] = {
        "opened_at": opened_at,
        "known_at": opened_at + np.timedelta64(int(length.total_seconds()), "s"),
        **{name: np.asarray(column) for name, column in rows.columns.items()},
    }
    if CLOSE in question.columns:
        values[CLOSE] = market.bars.close[np.searchsorted(market.bars.opened_at, opened_at)]
    if asks_for_gaps(question.columns):
        values |= _gaps(source, key, opened_at)
    values |= _labels(market, block, length, question.horizons, opened_at)
    wanted = columns_of(question.columns, question.horizons)
    return Piece(key, block.start, {one.name: values[one.name] for one in wanted if one.kind is not Kind.TEXT})


def _labels(market: MarketBars, block: Block, length: timedelta, horizons: Sequence[int], opened_at: Times) -> Values:
    """What came after each bar, a row a bar: features.labels has a row for each horizon, too."""
    found = build_labels(market, block, length)
    values: dict[str, NDArray[np.generic]] = {}
    for horizon in horizons:
        for name in LABELS:
            is_time = name == "label_end_at"
            nothing = np.datetime64("NaT", "us") if is_time else np.nan
            values[label_column(name, horizon)] = np.full(len(opened_at), nothing)
        mine = found.columns["horizon_bars"] == horizon
        at = np.searchsorted(opened_at, found.opened_at[mine])
        for name in LABELS:
            values[label_column(name, horizon)][at] = np.asarray(found.columns[name])[mine]
    return values


def _gaps(source: Source, key: SeriesKey, opened_at: Times) -> Values:
    """Gaps to other venues before each decision, as models see them; of bars of an hour."""
    if not len(opened_at):
        return {name: np.zeros(0, dtype=np.float32) for name in ARBITRAGE_INPUTS}
    hours = hours_of(opened_at) + 1
    first, last = moment_of(int(hours[0]) - DAY - 1), moment_of(int(hours[-1]))
    name, choice = SeriesName(key.venue, key.symbol), Choice((key.venue,), (key.symbol,))
    c = arbitrage_opportunities.c
    within = (c.snapshot_at >= first) & (c.snapshot_at <= last) & (c.known_at <= last)
    ends = choice.where(c.buy_venue, c.symbol) | choice.where(c.sell_venue, c.symbol)
    gaps = gaps_of(source.reader.arrow(gaps_statement(source.stands(arbitrage_opportunities, within & ends))))
    h = book_ticker_hours.c
    heard = (h.opened_at >= first) & (h.opened_at < last) & (h.seconds > 0) & choice.where(h.venue, h.symbol)
    heard &= gaps_are_kept()
    rows = source.rows(book_ticker_hours, ("venue", "symbol", "opened_at", "known_at"), heard, ())
    listened = listened_of(rows).get(name, np.zeros(0, dtype=np.int64))
    told = arbitrage_inputs(gaps.get(name, NO_GAPS), listened, hours)
    return {column: np.asarray(column_values, dtype=np.float32) for column, column_values in told.items()}
