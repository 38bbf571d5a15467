"""One pass a market: bars, indicators, as-of joins, scaling, COPY; and before it, one over the venue's closes.

What belongs here: reading what the engine needs, and the order of the work. What does not: computing (engine.py), storing
(datasets/features/derive.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from crypto_assets.datasets.features.blocks import Block, blocks_of, stretches
from crypto_assets.datasets.features.derive import (
    Choice,
    Derived,
    Rows,
    Task,
    choose_series,
    derive,
    in_threads,
    joined,
    timeframes_of,
)
from crypto_assets.datasets.features.derived_asset import Tell
from crypto_assets.datasets.features.ml_features.as_of import KnownRows
from crypto_assets.datasets.features.ml_features.catalog import choose_features, feature_version
from crypto_assets.datasets.features.ml_features.cross_market import CrossMarket
from crypto_assets.datasets.features.ml_features.declaration import Feature
from crypto_assets.datasets.features.ml_features.engine import MarketInputs, build_features
from crypto_assets.datasets.features.ml_features.inputs import INPUTS
from crypto_assets.datasets.features.ml_features.table import ml_features
from crypto_assets.datasets.features.source import Source, wall
from crypto_assets.datasets.market.ohlcv.table import DATASET as BARS
from crypto_assets.indicators.declaration import Floats, Times
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.coverage import SeriesKey
from crypto_assets.universe import TIMEFRAME_LENGTH, Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import reading

type CrossMarkets = dict[Block, CrossMarket]


@dataclass(frozen=True)
class FeatureTask(Task):
    """A market's blocks, with what its venue's markets did together in each."""

    crosses: CrossMarkets


def compute_window(
    warehouse: Warehouse,
    universe: Universe,
    window: VenueWindow,
    config: Choice,
    tell: Tell,
) -> list[Derived]:
    """Compute and store one venue's window.

    Raises:
        UniverseError, NoBars: see `choose_series`.
    """
    with reading(warehouse) as reader:
        stored = Source(reader).series(window.venue)
    keys = choose_series(stored, universe, window.venue, config)
    features = choose_features(())
    reference = universe.features.reference

    def tasks() -> Iterator[FeatureTask]:
        for timeframe in timeframes_of(keys):
            peers = [key for key in stored if key.timeframe == timeframe]
            for blocks in stretches(blocks_of(window.start, window.end, timeframe), timeframe):
                crosses = add_up(warehouse, peers, blocks, reference)
                yield from (FeatureTask(key, tuple(blocks), crosses) for key in keys if key.timeframe == timeframe)

    def build(source: Source, task: FeatureTask) -> Rows:
        ours = replace(source.by_rules_of(universe), whole=(window.start, window.end))
        return build_rows(ours, task, task.crosses, features)

    constants = {"source": BARS, "version": feature_version()}
    optional = [one.name for one in features if one.optional]
    return derive(warehouse, ml_features, tasks(), build, constants, tell, optional)


def build_rows(source: Source, task: Task, crosses: CrossMarkets, features: Sequence[Feature]) -> Rows:
    """Read a market once and compute its blocks."""
    span = Block(task.blocks[0].history_from, task.blocks[0].start, task.blocks[-1].end)
    inputs = read_inputs(source, task.key, span)
    parts = [build_features(inputs, crosses[block], block, features) for block in task.blocks]
    return joined(parts, [one.name for one in features])


def read_inputs(source: Source, key: SeriesKey, span: Block) -> MarketInputs:
    """Everything that one market's features are computed from, for bars of a span and its history."""
    return MarketInputs(
        key.timeframe,
        quote_of(key.symbol),
        source.market(key, span.history_from, span.end),
        {name: one.read(source, key, one.reach(span, key.timeframe), span.end) for name, one in INPUTS.items()},
    )


def read_again(source: Source, key: SeriesKey, opened_at: datetime) -> dict[str, list[KnownRows]]:
    """The inputs that are added up while they are read, for one bar, from what was known at its close alone.

    The proof needs them so: rows that were added up do not tell any more what they were made of.
    """
    end = opened_at + TIMEFRAME_LENGTH[key.timeframe]
    then, span = replace(source, known_by=end), Block(datetime.min.replace(tzinfo=UTC), opened_at, end)
    return {
        name: one.read(then, key, one.reach(span, key.timeframe), end)
        for name, one in INPUTS.items()
        if one.reach_bars is not None
    }


def add_up(
    warehouse: Warehouse,
    peers: Sequence[SeriesKey],
    blocks: Sequence[Block],
    reference: str,
    *,
    as_of: datetime | None = None,
) -> CrossMarkets:
    """What the venue's markets did together in each block and its history.

    Args:
        peers: Every stored market of the venue, of one timeframe.
        blocks: Read at once.
        reference: Base currency of the markets that others are compared with.
    """
    if not peers:
        return {}
    crosses = {block: empty_cross_market(block, peers[0].timeframe) for block in blocks}
    first, last = blocks[0].history_from, blocks[-1].end
    closes = in_threads(warehouse, peers, lambda source, key: source.closes(key, first, last), as_of=as_of)
    for key, (opened_at, close) in zip(peers, closes, strict=True):
        for cross in crosses.values():
            add_closes(cross, key.symbol, opened_at, close, reference)
    return crosses


def empty_cross_market(block: Block, timeframe: str) -> CrossMarket:
    """A grid over a block and its history."""
    length = TIMEFRAME_LENGTH[timeframe]
    return CrossMarket(wall(block.history_from), -((block.history_from - block.end) // length), length)


def add_closes(cross: CrossMarket, symbol: str, opened_at: Times, close: Floats, reference: str) -> None:
    """Add a market, which may be the reference of those with its quote currency."""
    cross.add(opened_at, close)
    if symbol == f"{reference}/{quote_of(symbol)}":
        cross.refer(quote_of(symbol), opened_at, close)


def quote_of(symbol: str) -> str:
    """The currency a unified symbol's price is in: USDT of BTC/USDT and of BTC/USDT:USDT."""
    return symbol.partition("/")[2].partition(":")[0]
