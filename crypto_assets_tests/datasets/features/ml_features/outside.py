"""What lies outside of exchanges, for tests of features: rows of the economy, chains, fees, headlines and moods, stored.

What belongs here: making and storing rows, and deriving from them. What does not: assertions.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
from sqlalchemy import Table, Text, select

from crypto_assets.datasets.features.derived_asset import DerivedConfig
from crypto_assets.datasets.features.ml_features import run as features
from crypto_assets.datasets.features.ml_features.table import ml_features
from crypto_assets.datasets.features.source import DEFAULT_SCORER
from crypto_assets.datasets.macro.observations.table import observations
from crypto_assets.datasets.onchain.metrics.table import metrics
from crypto_assets.datasets.onchain.network_fees.table import network_fees
from crypto_assets.datasets.sentiment.fear_greed.table import fear_greed
from crypto_assets.datasets.sentiment.scores.table import scores
from crypto_assets.partitions import VenueWindow
from crypto_assets.universe import read_universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame
from crypto_assets.warehouse.write import Batch, Values, upsert
from crypto_assets_tests.datasets.features.stage import Stage

HOUR, DAY, MICROSECOND = timedelta(hours=1), timedelta(days=1), timedelta(microseconds=1)
TABLES = (observations, metrics, network_fees, scores, fear_greed)

type Vintage = tuple[date, date, datetime, float | None]


def at(text: str) -> datetime:
    """A moment, UTC: 2024-02-02 13:30."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def walls(moments: Sequence[datetime]) -> Values:
    """Moments as a batch has them."""
    return np.array([np.datetime64(one.replace(tzinfo=None), "us") for one in moments])


def put(warehouse: Warehouse, table: Table, batch: Batch) -> None:
    """Upsert rows; what a column needs and the batch does not say is an empty text."""
    rest = {
        one.name: "test"
        for one in table.columns
        if one.name not in batch and not one.nullable and one.server_default is None and isinstance(one.type, Text)
    }
    with warehouse.connect() as connection:
        upsert(connection, table, {**rest, **batch})


def put_macro(warehouse: Warehouse, series_id: str, frequency: str, vintages: Sequence[Vintage]) -> None:
    """Vintages of a series: period, day of the vintage, when it was known, value."""
    put(
        warehouse,
        observations,
        {
            "series_id": series_id, "unit": "Percent", "frequency": frequency,
            "period_on": np.array([one[0] for one in vintages], dtype="datetime64[D]"),
            "realtime_start": np.array([one[1] for one in vintages], dtype="datetime64[D]"),
            "known_at": walls([one[2] for one in vintages]),
            "value": np.array([np.nan if one[3] is None else one[3] for one in vintages]),
        },
    )  # fmt: skip


def put_metric(
    warehouse: Warehouse, asset: str, metric: str, values: Sequence[tuple[date, datetime, float]], unit: str = "USD"
) -> None:
    """Days of a metric: day, when it was known, value."""
    put(
        warehouse,
        metrics,
        {
            "asset": asset, "metric": metric, "unit": unit,
            "observed_on": np.array([one[0] for one in values], dtype="datetime64[D]"),
            "known_at": walls([one[1] for one in values]),
            "value": np.array([one[2] for one in values]),
        },
    )  # fmt: skip


def put_fees(warehouse: Warehouse, chain: str, moments: Sequence[tuple[datetime, datetime]], **values: object) -> None:
    """Observations of a chain's fees: when they were made, when they were known, and one value or a list for each column."""
    put(
        warehouse,
        network_fees,
        {
            "chain": chain, "observed_at": walls([one[0] for one in moments]), "known_at": walls([one[1] for one in moments]),
            **{name: np.broadcast_to(np.asarray(value, dtype=np.float64), len(moments)) for name, value in values.items()},
        },
    )  # fmt: skip


def put_scores(
    warehouse: Warehouse,
    scored: Sequence[tuple[str, str, datetime, float]],
    *,
    model: str = DEFAULT_SCORER,
    version: str = "1",
    behind: timedelta = timedelta(0),
) -> None:
    """Scores of headlines: the headline, the asset (empty for the market), when it was known, the score.

    Args:
        behind: So long after the headline each score was made.
    """
    value = np.array([one[3] for one in scored])
    known = walls([one[2] for one in scored])
    labels = ["positive" if one > 0 else "negative" if one < 0 else "neutral" for one in value]
    put(
        warehouse,
        scores,
        {
            "news_id": np.array([one[0] for one in scored], dtype=object),
            "asset": np.array([one[1] for one in scored], dtype=object),
            "model_id": model, "model_version": version, "known_at": known, "scored_at": known,
            "news_known_at": walls([one[2] - behind for one in scored]), "score": value,
            "label": np.array(labels, dtype=object),
            **{name: np.full(len(value), 1 / 3) for name in ("p_negative", "p_neutral", "p_positive")},
        },
    )  # fmt: skip


def put_moods(warehouse: Warehouse, moods: Sequence[tuple[date, datetime, float]]) -> None:
    """Days of the Fear & Greed index: day, when it was known, value."""
    put(
        warehouse,
        fear_greed,
        {
            "observed_on": np.array([one[0] for one in moods], dtype="datetime64[D]"),
            "known_at": walls([one[1] for one in moods]), "value": np.array([one[2] for one in moods]),
            "classification": "Neutral",
        },
    )  # fmt: skip


def derived(stage: Stage, symbol: str, start: datetime, end: datetime) -> pd.DataFrame:
    """The stored features of a market's bars that close in [start, end], made now, by their close."""
    universe, _ = read_universe(stage.file)
    window = VenueWindow("binance", start - HOUR, end)
    features.compute_window(stage.warehouse, universe, window, DerivedConfig(markets=[symbol]), lambda _derived: None)
    c = ml_features.c
    here = (c.symbol == symbol, c.venue == "binance", c.opened_at >= window.start, c.opened_at < window.end)
    return read_frame(stage.warehouse, select(ml_features).where(*here).order_by(c.opened_at)).set_index("known_at")
