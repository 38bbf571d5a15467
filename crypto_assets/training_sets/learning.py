"""What a forecast learns from a training set, in place of what is stored now.

What belongs here: from a set's rows to a training's frame. What does not: learning (datasets/models/registry/train.py).

What puts together frames of stored rows puts together these (datasets/models/parts.py): the same rows give the same frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crypto_assets.datasets.features.ml_features.catalog import feature_version
from crypto_assets.datasets.features.source import floats, times
from crypto_assets.datasets.models import opportunity
from crypto_assets.datasets.models.hours import hours_of
from crypto_assets.datasets.models.inputs import REACH_HOURS
from crypto_assets.datasets.models.levels import SOURCES, TIMEFRAME, Observations
from crypto_assets.datasets.models.parts import Beside, Part, Span, Targets, frame_of, grid_of, part_of
from crypto_assets.datasets.models.registry.history import FeaturesOutdated, Read
from crypto_assets.datasets.models.registry.store import RULE
from crypto_assets.datasets.models.registry.train import (
    STEPS_OF_A_LEARNER,
    Progress,
    Tell,
    TrainingOutcome,
    learners_named,
    silent,
    train_frame,
)
from crypto_assets.datasets.models.stored_rows import FeatureRows
from crypto_assets.forecasting.artefacts import Store
from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.forecasting.frame import Floats, FrameRefused, Rows, SeriesName, Times
from crypto_assets.training_sets.columns import CLOSE, label_column
from crypto_assets.training_sets.loading import TrainingSet
from crypto_assets.training_sets.refusals import SetRefused
from crypto_assets.warehouse.connection import Warehouse

_CHOSEN = tuple(one.name for one in opportunity.CHOSEN)


def history_of(chosen: TrainingSet, forecast: Forecast) -> Read:
    """All decisions of a set, as a training reads them.

    Args:
        chosen: The set; its files are checked as they are read.
        forecast: One of opportunity.

    Raises:
        SetRefused: the forecast learns from what no set holds, or from what this one does not.
        FeaturesOutdated: the set's features are of another version than those that will be seen when the model serves.
        SetDamaged: a file is missing or altered.
        PlaceUnavailable: the place cannot be read.
        FrameRefused: no decision is left.
    """
    refuse_unfit(chosen, forecast)
    there = {one.name for one in chosen.manifest.schema_}
    gaps = [name for name in opportunity.ARBITRAGE_INPUTS if name in there]
    truth = label_column("forward_return", forecast.horizon_hours)
    over = label_column("label_end_at", forecast.horizon_hours)
    whole = chosen.arrow(("opened_at", "known_at", CLOSE, *_CHOSEN, *gaps, truth, over))
    found, first = {}, 0
    for one in sorted(chosen.manifest.markets, key=lambda market: (market.venue, market.symbol)):
        rows, first = whole.slice(first, one.rows), first + one.rows
        made = _part(forecast, rows, chosen.manifest.code.feature_version) if one.rows else None
        if made is not None:
            found[SeriesName(one.venue, one.symbol)] = (made, _targets(made.hours, rows, truth, over))
    if not found:
        raise FrameRefused(f"The training set {chosen.name} holds no decision of {forecast.name}")
    manifest = chosen.manifest
    return Read(
        frame_of(forecast, found), manifest.code.feature_version, manifest.question.as_of, training_set=chosen.name
    )


def train_on(
    warehouse: Warehouse,
    store: Store,
    forecast: Forecast,
    chosen: TrainingSet,
    *,
    learners: Sequence[str] = ("lightgbm",),
    by: str = RULE,
    tell: Tell = silent,
) -> TrainingOutcome:
    """As `train` of the registry, from a set, whose name the registry keeps.

    Args:
        warehouse: Where the registry and the catalog are.
        store: Where artefacts go.
        forecast: One of opportunity.
        chosen: The set.
        learners: Names of LEARNERS.
        by: Who is written down where the rule promotes.
        tell: Is told of each step as it begins.

    Raises:
        SetRefused, FeaturesOutdated, SetDamaged, PlaceUnavailable, FrameRefused: see `history_of`.
        LearnerUnknown, ExtraMissing, StoreUnavailable, DatabaseUnreachable: as `train`.
    """
    trainers = learners_named(learners)
    progress = Progress(forecast.name, 1 + STEPS_OF_A_LEARNER * len(trainers), tell)
    progress.begin(f"reads the training set {chosen.name}")
    read = history_of(chosen, forecast)
    return train_frame(warehouse, store, forecast, read, trainers, by=by, progress=progress)


def refuse_unfit(chosen: TrainingSet, forecast: Forecast) -> None:
    """Refuse a set that a forecast cannot learn from.

    Raises:
        SetRefused, FeaturesOutdated: see `history_of`.
    """
    manifest = chosen.manifest
    if forecast.model != opportunity.MODEL:
        raise SetRefused(
            f"{forecast.name} learns from frames of its own, which no training set holds",
            way_out=f"Forecasts of {opportunity.MODEL} learn from sets; train this one without --training-set.",
        )
    if manifest.question.timeframe != TIMEFRAME:
        raise SetRefused(
            f"{forecast.name} decides each hour, and the training set {chosen.name} has bars of {manifest.question.timeframe}",
            way_out=f"Make one with --timeframe {TIMEFRAME}.",
        )
    there = {one.name for one in manifest.schema_}
    lacking = [name for name in (CLOSE, *_CHOSEN) if name not in there]
    if forecast.horizon_hours not in manifest.question.horizons:
        lacking.append(label_column("forward_return", forecast.horizon_hours))
    if lacking:
        more = f" and {len(lacking) - 8} more" if len(lacking) > 8 else ""
        raise SetRefused(
            f"The training set {chosen.name} lacks {', '.join(lacking[:8])}{more}, which {forecast.name} learns from",
            way_out="Make one with these columns and labels; without --columns and --labels a set has all.",
        )
    if manifest.code.feature_version != feature_version():
        raise FeaturesOutdated(
            f"{forecast.name} will see features of version {feature_version()}, and the training set {chosen.name} holds those"
            f" of version {manifest.code.feature_version}",
            way_out="Make the set again by this version.",
        )


def _part(forecast: Forecast, rows: pa.Table, version: str) -> Part | None:
    opened_at, known_at = times(rows, "opened_at"), times(rows, "known_at")
    hours = hours_of(opened_at) + 1
    inputs = np.stack([floats(rows, name).astype(np.float32) for name in _CHOSEN], axis=1)
    source = SOURCES[forecast.model]
    seen = Observations(known_at, known_at, source.tell({"close": floats(rows, CLOSE)}, known_at.view(np.int64) / 1e6))
    first, last = int(hours[0]), int(hours[-1])
    span = Span(first, last, first - REACH_HOURS, last)
    grid = grid_of(source, seen, span)
    there = set(rows.column_names)
    nothing = np.full(len(hours), np.nan)
    more: dict[str, Floats] = {
        name: floats(rows, name) if name in there else nothing for name in opportunity.ARBITRAGE_INPUTS
    }
    beside = Beside(FeatureRows(hours, inputs, version), _CHOSEN, more)
    return part_of(forecast, grid, span, beside) if grid is not None else None


def _targets(decisions: Rows, rows: pa.Table, truth: str, over: str) -> Targets:
    """What came after the decisions, from the set's labels."""
    hours: NDArray[np.int64] = hours_of(times(rows, "opened_at")) + 1
    at = np.searchsorted(hours, decisions)
    with np.errstate(divide="ignore", invalid="ignore"):
        change: Floats = np.log1p(floats(rows, truth))[at]
    known_at: Times = _times(rows, over)[at]
    return Targets(change, np.where(np.isfinite(change), known_at, np.datetime64("NaT", "us")))


def _times(rows: pa.Table, name: str) -> Times:
    """A column of times, NaT for null."""
    plain = rows.column(name).cast(pa.timestamp("us")).combine_chunks()
    return np.asarray(plain.to_numpy(zero_copy_only=False), dtype="datetime64[us]")


__all__ = ["history_of", "refuse_unfit", "train_on"]
