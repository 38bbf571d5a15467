"""The asset features/labels: forward returns and volatilities of the bars of a run's months and venues.

What belongs here: the pure way from bars to labels, and the asset. What does not: the loop over markets
(datasets/features/derive.py), rules that judge (checks.py).
"""

from datetime import timedelta

import dagster as dg
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from crypto_assets.datasets.features.blocks import Block
from crypto_assets.datasets.features.derive import Choice, Derived, Rows, Task, choose_series, derive, joined, tasks_of
from crypto_assets.datasets.features.derived_asset import Tell, derived_asset
from crypto_assets.datasets.features.labels.table import DATASET, HORIZONS, labels
from crypto_assets.datasets.features.source import Source, wall
from crypto_assets.datasets.market.ohlcv.table import DATASET as BARS
from crypto_assets.indicators.segments import MarketBars
from crypto_assets.partitions import Grids, VenueWindow
from crypto_assets.universe import TIMEFRAME_LENGTH, Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import reading

_COLUMNS = ("horizon_bars", "label_end_at", "forward_return", "forward_volatility")


def build_labels(market: MarketBars, block: Block, length: timedelta) -> Rows:
    """The labels of one block's stored bars, for each horizon. Pure.

    Args:
        market: Reaching the longest horizon past the block's end, where bars are there already.
        block: Which bars are labelled.
        length: Of a bar.
    """
    bars, age = market.bars, market.age()
    squares = np.zeros(len(bars))
    squares[1:] = np.square(np.diff(np.log(bars.close)))
    wanted = market.is_stored & (bars.opened_at >= wall(block.start)) & (bars.opened_at < wall(block.end))
    step = np.timedelta64(length // timedelta(microseconds=1), "us")
    parts = []
    for horizon in HORIZONS:
        at = np.flatnonzero(wanted[: max(0, len(bars) - horizon)])
        at = at[age[at + horizon] >= horizon]
        # Each window summed by itself: a difference of running sums would depend on where the run began.
        walked = sliding_window_view(squares[1:], horizon).sum(axis=1) if len(at) else squares[:0]
        ends = bars.opened_at[at + horizon] + step
        columns = {
            "horizon_bars": np.full(len(at), float(horizon)),
            "label_end_at": ends,
            "forward_return": bars.close[at + horizon] / bars.close[at] - 1,
            "forward_volatility": np.sqrt(walked[at]),
        }
        parts.append(Rows(bars.opened_at[at], columns, ends))
    return joined(parts, _COLUMNS)


def build_rows(source: Source, task: Task) -> Rows:
    """Read a market with what follows its blocks, and label it."""
    length = TIMEFRAME_LENGTH[task.key.timeframe]
    whole = Block(task.blocks[0].start, task.blocks[0].start, task.blocks[-1].end)
    market = source.market(task.key, whole.start, whole.end + max(HORIZONS) * length)
    return build_labels(market, whole, length)


def compute_window(
    warehouse: Warehouse, universe: Universe, window: VenueWindow, config: Choice, tell: Tell
) -> list[Derived]:
    """Compute and store one venue's window, and the labels of the bars before it whose horizons ended in it.

    Raises:
        UniverseError, NoBars: see `choose_series`.
    """
    with reading(warehouse) as reader:
        stored = Source(reader).series(window.venue)
    tasks = tasks_of(choose_series(stored, universe, window.venue, config), window, before=max(HORIZONS))
    return derive(warehouse, labels, tasks, build_rows, {"source": BARS}, tell)


def build_asset(grids: Grids) -> dg.AssetsDefinition:
    """The asset over the grids of the universe in force; automation.py adds when it runs."""
    return derived_asset(
        DATASET,
        labels,
        grids,
        compute_window,
        description="Forward return and volatility of every stored bar, month × venue; features never read them.",
    )
