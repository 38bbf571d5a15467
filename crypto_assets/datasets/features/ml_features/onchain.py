"""What is known of a currency's own chain: the newest day of each metric, and the day a week before it.

What belongs here: reading onchain.metrics and sharing out its columns. What does not: editions and moments (vintages.py), the
features (onchain_set.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial

import numpy as np
import pyarrow as pa

from crypto_assets.datasets.features.ml_features.as_of import KnownRows
from crypto_assets.datasets.features.ml_features.dex_pools import base_of, closes_of, moment_of
from crypto_assets.datasets.features.ml_features.editions import read_editions
from crypto_assets.datasets.features.ml_features.pool_totals import Grid
from crypto_assets.datasets.features.ml_features.vintages import Told, Vintages, Whole, told_at_closes
from crypto_assets.datasets.features.source import Source, days, floats, times
from crypto_assets.datasets.onchain.metrics.table import metrics
from crypto_assets.indicators.declaration import Floats
from crypto_assets.quality.coverage import SeriesKey

WEEK_DAYS = 7
# A day is told one or two days after it began and the next a day later; a provider that is late over a weekend, too. Older
# than that the chain may have changed for good: null.
METRIC_MAX_AGE = timedelta(days=6)
_METRICS = (
    "active_addresses", "transactions", "fees_usd", "hash_rate", "supply", "exchange_net_flow", "tvl_usd",
    "price_volatility_7d",
)  # fmt: skip
_COMPARED = ("active_addresses", "transactions", "hash_rate", "tvl_usd")  # with the day a week before
ONCHAIN_COLUMNS = (
    *(f"chain_{name}" for name in _METRICS),
    *(f"chain_{name}_week_before" for name in _COMPARED),
)


def onchain_known(source: Source, key: SeriesKey, start: datetime, end: datetime) -> list[KnownRows]:
    """What the chain of the market's base currency tells at the close of each bar. Known at that close."""
    grid, asset = closes_of(key.timeframe, start, end), base_of(key.symbol)
    if not grid.count or not source.may_hold(metrics, asset, metrics.c.asset == asset):
        return []
    return [KnownRows(grid.times, grid.times, onchain_columns(_read(source, asset, grid), grid))]


def onchain_columns(told: Mapping[str, Vintages], grid: Grid) -> dict[str, Floats]:
    """Each of `ONCHAIN_COLUMNS` at the closes of a grid. Pure.

    Args:
        told: By metric; one that is not there is unknown.
    """
    columns: dict[str, Floats] = {name: np.full(grid.count, np.nan) for name in ONCHAIN_COLUMNS}
    for metric, vintages in told.items():
        columns |= told_at_closes(grid, vintages, partial(_tell, metric, vintages), METRIC_MAX_AGE)
    return columns


def _tell(metric: str, known: Vintages, moments: Whole) -> Told:
    newest = known.newest(moments)
    values = {f"chain_{metric}": known.at(newest, moments)}
    if metric in _COMPARED:
        values[f"chain_{metric}_week_before"] = known.at(newest - WEEK_DAYS, moments)
    return Told(newest, values)


def _read(source: Source, asset: str, grid: Grid) -> dict[str, Vintages]:
    first = moment_of(grid.first) - METRIC_MAX_AGE - timedelta(days=WEEK_DAYS + 1)
    last = moment_of(grid.first + (grid.count - 1) * grid.step)
    c = metrics.c
    where = (
        (c.asset == asset) & c.metric.in_(_METRICS) & (c.observed_on >= first.date()) & (c.observed_on <= last.date())
    )
    return _by_metric(read_editions(source, metrics, where, ("metric", "observed_on", "value")))


def _by_metric(rows: pa.Table) -> dict[str, Vintages]:
    names = np.asarray(rows.column("metric").to_pylist(), dtype=object)
    day, value = days(rows, "observed_on"), floats(rows, "value")
    known, ingested = (times(rows, name).astype(np.int64) for name in ("known_at", "ingested_at"))
    found = {}
    for metric in dict.fromkeys(names.tolist()):
        here = np.flatnonzero(names == metric)
        found[str(metric)] = Vintages(day[here], known[here], ingested[here], value[here])
    return found
