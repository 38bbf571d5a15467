"""Outcomes: predictions joined with the truth that has come.

What belongs here: the join, and adding up the recent ones. What does not: how truth is read (datasets/models/frames.py), rules
that judge (checks.py), when it runs (asset.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from sqlalchemy import case, func, select

from crypto_assets.datasets.models.frames import read_truth
from crypto_assets.datasets.models.outcomes.table import outcomes
from crypto_assets.datasets.models.predictions.subjects import domains_of
from crypto_assets.datasets.models.predictions.table import predictions
from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.partitions import VenueWindow
from crypto_assets.universe import Universe
from crypto_assets.warehouse.binary_copy import Values
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame
from crypto_assets.warehouse.write import Batch, WriteCounts, upsert

SOURCE = "models.predictions and what came"
_KEY = ["domain", "series", "decided_at"]
_P, _O = predictions.c, outcomes.c


@dataclass(frozen=True)
class Scored:
    """What came of one forecast's predictions in a window.

    Args:
        model: The forecast.
        domain: Exchange or chain.
        due: Predictions whose horizon has ended.
        known: Those of them whose truth is known.
        counts: Of the write.
        mae: Mean absolute error of the known ones out of sample; NaN where there are none.
        baseline_mae: The same of what the baseline said.
    """

    model: str
    domain: str
    due: int
    known: int
    counts: WriteCounts
    mae: float
    baseline_mae: float


@dataclass(frozen=True)
class RecentScores:
    """How a forecast did lately, out of sample.

    Args:
        model: The forecast.
        rows: Outcomes.
        mae: Mean absolute error of the logarithmic change; NaN, as all below, where there is no outcome.
        baseline_mae: The same of what the baseline said.
        coverage: Share of truths from q10 to q90; 0.8 is nominal.
        directional_accuracy: Share of rises and falls that were told right; NaN where nothing changed.
        first_at: First decision, UTC.
        last_at: Last decision, UTC.
    """

    model: str
    rows: int
    mae: float
    baseline_mae: float
    coverage: float
    directional_accuracy: float
    first_at: datetime | None
    last_at: datetime | None

    @property
    def skill(self) -> float:
        """1 less the error over the baseline's; NaN where either is not known or the baseline made no error."""
        return 1 - self.mae / self.baseline_mae if self.baseline_mae > 0 else math.nan


def score_window(
    warehouse: Warehouse,
    universe: Universe,
    window: VenueWindow,
    forecasts: Sequence[Forecast],
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[Scored]:
    """Join the predictions of a domain's window with what came, and store the outcomes.

    A truth that is not known yet makes no row; a run after it has come does. Where the truth was corrected, the row follows.

    Args:
        window: [start, end) of decisions, UTC; its venue is the domain.
        forecasts: Those that are not about the domain are left out.
        clock: The present.
    """
    scored = []
    for forecast in forecasts:
        if window.venue not in domains_of(universe, forecast):
            continue
        said = _read_due(warehouse, forecast, window, clock())
        if said.empty:
            continue
        span = (window.start, window.end)
        truths = read_truth(warehouse, universe, forecast, *span, domains=[window.venue], now=clock())
        scored.append(_store(warehouse, forecast, window.venue, said, truths))
    return scored


def outcome_rows(said: pd.DataFrame, truths: pd.DataFrame) -> pd.DataFrame:
    """A row for each prediction whose truth is known, with the columns of models.outcomes. Pure.

    Args:
        said: Rows of models.predictions, of one forecast.
        truths: domain, series, decided_at, truth, known_at; a truth that is NaN is not known.
    """
    known = truths[np.isfinite(truths["truth"].to_numpy(dtype=np.float64))]
    joined = said.merge(known, on=_KEY, suffixes=("", "_of_truth"), validate="one_to_one")
    truth, yhat = joined["truth"].to_numpy(), joined["yhat"].to_numpy()
    is_told = (truth != 0) & (yhat != 0)
    direction = np.where(is_told, np.sign(truth) == np.sign(yhat), None)  # type: ignore[call-overload]
    times = [joined[name] for name in ("known_at", "known_at_of_truth", "horizon_end_at")]
    return pd.DataFrame(
        {
            **{name: joined[name] for name in ("model", *_KEY, "version", "horizon_end_at")},
            "truth": truth,
            "error": np.abs(truth - yhat),
            "baseline_error": np.abs(truth - joined["baseline"].to_numpy()),
            "is_inside": (joined["q10"].to_numpy() <= truth) & (truth <= joined["q90"].to_numpy()),
            "is_direction_right": direction,
            "is_out_of_sample": joined["is_out_of_sample"],
            "known_at": pd.concat(times, axis=1).max(axis=1),
        }
    )


def recent_scores(
    warehouse: Warehouse,
    model: str,
    window: timedelta,
    *,
    version: int | None = None,
    now: datetime | None = None,
) -> RecentScores:
    """How a forecast did in the last window, by outcomes out of sample.

    Args:
        model: The forecast, as gas_4h.
        window: Horizons that ended so long ago or less.
        version: What this version said alone; None for whichever was champion.
        now: The end of the window, UTC; None for the present.
    """
    end = now or datetime.now(UTC)
    # Decisions lie before the horizon's end by less than a month: older years stay unread.
    span = (
        _O.horizon_end_at > end - window,
        _O.horizon_end_at <= end,
        _O.decided_at > end - window - timedelta(days=31),
    )
    statement = select(
        func.count().label("rows"),
        func.avg(_O.error).label("mae"),
        func.avg(_O.baseline_error).label("baseline_mae"),
        func.avg(case((_O.is_inside, 1.0), else_=0.0)).label("coverage"),
        func.avg(case((_O.is_direction_right, 1.0), (~_O.is_direction_right, 0.0))).label("directional_accuracy"),
        func.min(_O.decided_at).label("first_at"),
        func.max(_O.decided_at).label("last_at"),
    ).where(_O.model == model, _O.is_out_of_sample, *span)
    if version is not None:
        statement = statement.where(_O.version == version)
    row = read_frame(warehouse, statement).iloc[0]
    mae, baseline, inside, right = (
        float(row[name]) for name in ("mae", "baseline_mae", "coverage", "directional_accuracy")
    )
    first, last = (None if pd.isna(row[name]) else row[name].to_pydatetime() for name in ("first_at", "last_at"))
    return RecentScores(model, int(row["rows"]), mae, baseline, inside, right, first, last)


def _read_due(warehouse: Warehouse, forecast: Forecast, window: VenueWindow, now: datetime) -> pd.DataFrame:
    names = (
        "model", "domain", "series", "decided_at", "version", "horizon_end_at", "yhat", "q10", "q90", "baseline",
        "is_out_of_sample", "known_at",
    )  # fmt: skip
    statement = (
        select()
        .add_columns(*(_P[name] for name in names))
        .where(
            _P.model == forecast.name,
            _P.domain == window.venue,
            _P.decided_at >= window.start,
            _P.decided_at < window.end,
            _P.horizon_end_at <= now,
        )
        .order_by(_P.series, _P.decided_at)
    )
    return read_frame(warehouse, statement)


def _store(warehouse: Warehouse, forecast: Forecast, domain: str, said: pd.DataFrame, truths: pd.DataFrame) -> Scored:
    rows = outcome_rows(said, truths)
    with warehouse.connect() as connection:
        counts = upsert(connection, outcomes, _batch(rows))
    judged = rows[rows["is_out_of_sample"].to_numpy(dtype=bool)]
    errors = (float(judged[name].mean()) if len(judged) else math.nan for name in ("error", "baseline_error"))
    return Scored(forecast.name, domain, len(said), len(rows), counts, *errors)


def _batch(rows: pd.DataFrame) -> Batch:
    batch: dict[str, Values] = {"source": SOURCE}
    for name in rows.columns:
        column = rows[name]
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            batch[name] = column.dt.tz_convert(None).to_numpy(dtype="datetime64[us]")
        elif column.dtype.kind in "biuf":
            batch[name] = column.to_numpy()
        else:
            batch[name] = column.to_numpy(dtype=object)
    return batch


__all__ = ["SOURCE", "RecentScores", "Scored", "outcome_rows", "recent_scores", "score_window"]
