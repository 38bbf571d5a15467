"""From a market's bars and what else was known to its features, in one pass.

What belongs here: the pure way from inputs to rows. What does not: reading (run.py), features (…_set.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np

from crypto_assets.datasets.features.blocks import Block
from crypto_assets.datasets.features.derive import Rows
from crypto_assets.datasets.features.ml_features.as_of import KnownRows, join_known
from crypto_assets.datasets.features.ml_features.columns import Columns
from crypto_assets.datasets.features.ml_features.cross_market import CrossMarket
from crypto_assets.datasets.features.ml_features.declaration import Feature
from crypto_assets.datasets.features.ml_features.inputs import INPUTS
from crypto_assets.datasets.features.source import wall
from crypto_assets.indicators.catalog import groups_of
from crypto_assets.indicators.declaration import Floats
from crypto_assets.indicators.segments import MarketBars, compute_groups
from crypto_assets.universe import TIMEFRAME_LENGTH

BAR_COLUMNS = ("open", "high", "low", "close", "volume")
ALL_GROUPS = groups_of(())


@dataclass(frozen=True)
class MarketInputs:
    """What the features of one market are computed from.

    Args:
        timeframe: Of its bars.
        quote: Currency that its prices are in, which chooses the reference.
        market: Its bars.
        joined: Rows of each as-of input, by the input's name.
    """

    timeframe: str
    quote: str
    market: MarketBars
    joined: Mapping[str, Sequence[KnownRows]] = field(default_factory=dict)


def build_features(inputs: MarketInputs, cross_market: CrossMarket, block: Block, features: Sequence[Feature]) -> Rows:
    """The rows of one block: stored bars of its span, each with what was known at its close. Pure.

    Args:
        inputs: Reaching back to the block's history at least; what opens at its end or later is not looked at.
        cross_market: Over a grid that holds the block and its history.
        block: Which rows, and the history they rest on.
        features: Which columns.
    """
    part = inputs.market.between(wall(block.history_from), wall(block.end))
    columns = Columns(part, _known(inputs, part, cross_market))
    wanted = np.flatnonzero(part.is_stored & (part.bars.opened_at >= wall(block.start)))
    values = {}
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for one in features:
            raw = one.compute(columns)
            scaled = columns.rolling(one.scaling.apply, raw) if one.scaling.warm_up else one.scaling.apply(raw)
            # As the table keeps it, so that what is rebuilt equals what is stored.
            kept = scaled[wanted].astype(np.float32)
            kept[~np.isfinite(kept)] = np.nan
            values[one.name] = kept
    return Rows(part.bars.opened_at[wanted], values)


def _known(inputs: MarketInputs, part: MarketBars, cross_market: CrossMarket) -> dict[str, Floats]:
    """Every column that features may name, at each bar's close."""
    length = TIMEFRAME_LENGTH[inputs.timeframe]
    decided_at = part.bars.opened_at + np.timedelta64(length // timedelta(microseconds=1), "us")
    known = {name: getattr(part.bars, name) for name in BAR_COLUMNS}
    known["decided_at"] = decided_at.astype(np.int64) / 1e6
    known |= compute_groups(part, ALL_GROUPS)
    known |= cross_market.at(part.bars.opened_at, inputs.quote)
    for name, one in INPUTS.items():
        known |= join_known(decided_at, inputs.joined.get(name, ()), one.columns, one.bound(inputs.timeframe))
    return known
