"""The proof that no feature looks ahead: each row again, from nothing but what was known at its decision.

What belongs here: cutting everything a row could be made of at a moment, and comparing. What does not: which rows are tried
(checks.py) and the features.

A leak shows as a value that changes when the future is taken away. Equality is exact: every step of the engine goes forward
in time, so that cutting the end off changes no bit before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from crypto_assets.datasets.features.blocks import Block
from crypto_assets.datasets.features.derive import Rows
from crypto_assets.datasets.features.ml_features.as_of import KnownRows
from crypto_assets.datasets.features.ml_features.cross_market import CrossMarket
from crypto_assets.datasets.features.ml_features.declaration import Feature
from crypto_assets.datasets.features.ml_features.engine import MarketInputs, build_features
from crypto_assets.datasets.features.ml_features.run import add_closes, empty_cross_market, read_inputs
from crypto_assets.datasets.features.source import Source
from crypto_assets.indicators.declaration import Floats, Times
from crypto_assets.quality.coverage import SeriesKey
from crypto_assets.universe import TIMEFRAME_LENGTH

type ReadAgain = Callable[[datetime], Mapping[str, Sequence[KnownRows]]]


@dataclass(frozen=True)
class World:
    """Everything that one market's features are made of.

    Args:
        inputs: Its bars and joined rows.
        peers: Symbol, opening times and closes of every stored market of the venue.
        reference: Base currency that others are compared with.
    """

    inputs: MarketInputs
    peers: tuple[tuple[str, Times, Floats], ...]
    reference: str

    def known_by(self, decided_at: np.datetime64) -> World:
        """What of it was known at a moment: bars closed by then, rows with `known_at` up to then."""
        length = TIMEFRAME_LENGTH[self.inputs.timeframe]
        last = decided_at - np.timedelta64(length // timedelta(microseconds=1), "us")
        market = self.inputs.market
        closed = market.part(0, int(np.searchsorted(market.bars.opened_at, last, side="right")))
        joined = {name: [_known_by(rows, decided_at) for rows in found] for name, found in self.inputs.joined.items()}
        peers = tuple((symbol, at[at <= last], close[at <= last]) for symbol, at, close in self.peers)
        return replace(self, inputs=replace(self.inputs, market=closed, joined=joined), peers=peers)


@dataclass(frozen=True)
class Leak:
    """A value that is another one without the future."""

    column: str
    opened_at: datetime
    with_future: float
    without: float


def read_world(source: Source, key: SeriesKey, peers: Sequence[SeriesKey], block: Block, reference: str) -> World:
    """Read a block's world: of the market itself and of every peer, from the block's history to its end."""
    closes = tuple((peer.symbol, *source.closes(peer, block.history_from, block.end)) for peer in peers)
    return World(read_inputs(source, key, block), closes, reference)


def features_in(world: World, block: Block, features: Sequence[Feature]) -> Rows:
    """The block's rows as this world gives them."""
    return build_features(world.inputs, _cross_market(world, block), block, features)


def find_leaks(
    world: World,
    block: Block,
    features: Sequence[Feature],
    rows: Rows,
    positions: Sequence[int],
    read_again: ReadAgain = lambda _opened_at: {},
) -> list[Leak]:
    """The leaks among some of a block's rows.

    Args:
        rows: The block's rows, made with the whole world.
        positions: Which of them to try.
        read_again: From a bar's opening time to the inputs that were added up while they were read, made for that bar from
            what was known at its close: cutting sums off does not take the future out of them.
    """
    length = np.timedelta64(TIMEFRAME_LENGTH[world.inputs.timeframe] // timedelta(microseconds=1), "us")
    leaks = []
    for position in positions:
        opened_at = rows.opened_at[position]
        known = world.known_by(opened_at + length)
        joined = {**known.inputs.joined, **read_again(_moment(opened_at))}
        then = features_in(replace(known, inputs=replace(known.inputs, joined=joined)), block, features)
        for one in features:
            whole, cut = float(rows.columns[one.name][position]), float(then.columns[one.name][-1])
            if whole != cut and not (np.isnan(whole) and np.isnan(cut)):
                leaks.append(Leak(one.name, _moment(opened_at), whole, cut))
    return leaks


def _moment(at: np.datetime64) -> datetime:
    moment: datetime = at.astype("datetime64[us]").item()
    return moment.replace(tzinfo=UTC)


def _cross_market(world: World, block: Block) -> CrossMarket:
    cross = empty_cross_market(block, world.inputs.timeframe)
    for symbol, opened_at, close in world.peers:
        add_closes(cross, symbol, opened_at, close, world.reference)
    return cross


def _known_by(rows: KnownRows, decided_at: np.datetime64) -> KnownRows:
    known = rows.known_at <= decided_at
    return KnownRows(
        rows.known_at[known], rows.observed_at[known], {name: values[known] for name, values in rows.values.items()}
    )
