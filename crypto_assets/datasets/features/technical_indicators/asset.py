"""The asset features/technical_indicators: indicators of the bars of a run's months and venues.

What belongs here: the way from a market's bars to its rows, and the asset. What does not: formulas (crypto_assets/indicators),
the loop over markets (datasets/features/derive.py), rules that judge (checks.py).
"""

from collections.abc import Collection, Sequence
from functools import cache
from importlib.metadata import version

import dagster as dg
import numpy as np

from crypto_assets.datasets.features.blocks import Block
from crypto_assets.datasets.features.derive import Choice, Derived, Rows, Task, choose_series, derive, joined, tasks_of
from crypto_assets.datasets.features.derived_asset import Tell, derived_asset
from crypto_assets.datasets.features.source import Source, wall
from crypto_assets.datasets.features.technical_indicators.table import DATASET, technical_indicators
from crypto_assets.datasets.market.ohlcv.table import DATASET as BARS
from crypto_assets.indicators.catalog import groups_of
from crypto_assets.indicators.declaration import Group
from crypto_assets.indicators.segments import MarketBars, compute_groups
from crypto_assets.partitions import Grids, VenueWindow
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import reading


def build_rows(source: Source, task: Task, groups: Sequence[Group]) -> Rows:
    """Read a market once and compute its blocks."""
    market = source.market(task.key, task.blocks[0].history_from, task.blocks[-1].end)
    names = [one.name for group in groups for one in group.indicators]
    return joined([build_block(market, block, groups) for block in task.blocks], names)


def build_block(market: MarketBars, block: Block, groups: Sequence[Group]) -> Rows:
    """The rows of one block: stored bars of its span, computed from its history on. Pure."""
    part = market.between(wall(block.history_from), wall(block.end))
    wanted = np.flatnonzero(part.is_stored & (part.bars.opened_at >= wall(block.start)))
    columns = compute_groups(part, groups)
    return Rows(part.bars.opened_at[wanted], {name: values[wanted] for name, values in columns.items()})


def compute_window(
    warehouse: Warehouse,
    universe: Universe,
    window: VenueWindow,
    config: Choice,
    tell: Tell,
    *,
    indicators: Collection[str] = (),
) -> list[Derived]:
    """Compute and store one venue's window.

    Args:
        indicators: Only the groups of these; the other columns are null. None named: all.

    Raises:
        UniverseError, NoBars: see `choose_series`.
        IndicatorUnknown: a name that no indicator has.
    """
    groups = groups_of(indicators)
    with reading(warehouse) as reader:
        stored = Source(reader).series(window.venue)
    tasks = tasks_of(choose_series(stored, universe, window.venue, config), window)

    def build(source: Source, task: Task) -> Rows:
        return build_rows(source, task, groups)

    return derive(warehouse, technical_indicators, tasks, build, {"source": engine()}, tell)


@cache
def engine() -> str:
    """Where a row comes from: the bars, and what computed it. It stands in every row, so it is short."""
    return f"{BARS}, TA-Lib {version('ta-lib')}"


def build_asset(grids: Grids) -> dg.AssetsDefinition:
    """The asset over the grids of the universe in force; automation.py adds when it runs."""
    return derived_asset(
        DATASET,
        technical_indicators,
        grids,
        compute_window,
        description="Technical indicators of every stored bar, month × venue, from TA-Lib and pandas-ta.",
    )
