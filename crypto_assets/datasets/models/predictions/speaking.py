"""What a champion says of the rows of a frame, beside its best baseline.

What belongs here: from frame to predictions, and refusing rows of which too little is known. What does not: frames
(datasets/models/frames.py), champions (champions.py), storing (storing.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from crypto_assets.datasets.models.predictions.champions import Champion
from crypto_assets.datasets.models.predictions.prediction import InputsMissing, Prediction
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.forecasting.baselines import ZeroChange
from crypto_assets.forecasting.frame import Floats, Frame, Rows, Times

# Of the inputs that a model always saw in training, it may lack so many: a learner that never saw most of what it asks for
# missing would answer by what it does with holes, not by what it learned.
MAX_MISSING_SHARE = 0.5
_SHOWN = 5  # inputs that a sentence names


@dataclass(frozen=True)
class Unsaid:
    """A row of a frame of which nothing was said.

    Args:
        row: Its place.
        error: Why.
    """

    row: int
    error: CryptoAssetsError


@dataclass(frozen=True)
class Said:
    """What was said of rows of a frame: m of those asked for, as logarithmic changes.

    Args:
        rows: Of which, int64 (m,).
        yhat: The middle, float64 (m,).
        q10: float64 (m,), never above `yhat`.
        q90: float64 (m,), never below `yhat`.
        baseline: What the best baseline said, float64 (m,).
        baseline_names: Which one that was, for each row.
        unsaid: The others, in order.
    """

    rows: Rows
    yhat: Floats
    q10: Floats
    q90: Floats
    baseline: Floats
    baseline_names: Sequence[str]
    unsaid: Sequence[Unsaid]


def speak(champion: Champion, frame: Frame, rows: Rows) -> Said:
    """Forecasts of some rows. Every number of the result is finite.

    Raises:
        FrameRefused: the frame lacks inputs of the version.
    """
    unsaid, sound = [], np.ones(len(rows), dtype=np.bool_)
    for place in _doubtful(champion, frame, rows):
        unsaid.append(Unsaid(int(rows[place]), _missing(champion, frame, int(rows[place]))))
        sound[place] = False
    rows = rows[sound]
    found = champion.artefact.predict(frame, rows)
    is_said = np.isfinite(found.yhat) & np.isfinite(found.q10) & np.isfinite(found.q90)
    unsaid += [Unsaid(int(row), _silent(champion, frame, int(row))) for row in rows[~is_said]]
    rows = rows[is_said]
    baseline, names = _baseline_of(champion, frame, rows)
    return Said(
        rows, found.yhat[is_said], found.q10[is_said], found.q90[is_said], baseline, names,
        sorted(unsaid, key=lambda one: one.row),
    )  # fmt: skip


def predictions_of(
    champion: Champion, frame: Frame, said: Said, known_at: datetime, latency_ms: float | None
) -> list[Prediction]:
    """What was said, as it is stored. Pure.

    Args:
        known_at: When it was computed, UTC.
        latency_ms: From the start of reading; None for a batch.
    """
    of = champion.registered
    decided = moments(frame.decided_at[said.rows])
    columns = zip(
        decided, frame.code[said.rows].tolist(), frame.now[said.rows].tolist(), said.yhat.tolist(), said.q10.tolist(),
        said.q90.tolist(), said.baseline.tolist(), said.baseline_names, strict=True,
    )  # fmt: skip
    return [
        Prediction(
            model=of.model,
            domain=frame.series[code].domain,
            series=frame.series[code].series,
            decided_at=at,
            version=of.version,
            horizon_end_at=at + champion.forecast.horizon,
            level_now=now,
            yhat=yhat,
            q10=q10,
            q90=q90,
            baseline=said_beside,
            baseline_name=name,
            is_out_of_sample=at >= of.trained_to,
            known_at=known_at,
            latency_ms=latency_ms,
        )
        for at, code, now, yhat, q10, q90, said_beside, name in columns
    ]


def moments(times: Times) -> list[datetime]:
    """Moments with their zone."""
    return [at.replace(tzinfo=UTC) for at in times.astype("datetime64[us]").tolist()]


def missing_shares(champion: Champion, frame: Frame, rows: Rows) -> Floats:
    """For each row, the share that is not known of the inputs that training practically always knew, float64 (n,)."""
    if not len(champion.expected):
        return np.zeros(len(rows))
    share: Floats = np.isnan(frame.inputs[np.ix_(rows, champion.expected)]).mean(axis=1, dtype=np.float64)
    return share


def _doubtful(champion: Champion, frame: Frame, rows: Rows) -> NDArray[np.int64]:
    is_known = np.isfinite(frame.now[rows])
    return np.flatnonzero(~is_known | (missing_shares(champion, frame, rows) > MAX_MISSING_SHARE)).astype(np.int64)


def _missing(champion: Champion, frame: Frame, row: int) -> InputsMissing:
    where = f"{frame.series[int(frame.code[row])]} at {moments(frame.decided_at[row : row + 1])[0]:%Y-%m-%d %H:%M}"
    if not np.isfinite(frame.now[row]):
        return InputsMissing(
            f"{champion.forecast.quantity} of {where} is not known, or not lately enough",
            way_out="Materialize what it is collected by; `crypto-assets status` shows what is late.",
        )
    lacking = [frame.names[place] for place in champion.expected if np.isnan(frame.inputs[row, place])]
    more = len(lacking) - _SHOWN
    return InputsMissing(
        f"{champion.registered.model} lacks {len(lacking)} of its {len(champion.expected)} inputs of {where}:"
        f" {', '.join(lacking[:_SHOWN])}{f' and {more} more' if more > 0 else ''}",
        way_out="Materialize features/ml_features of the month, and what features are made of.",
    )


def _silent(champion: Champion, frame: Frame, row: int) -> InputsMissing:
    return InputsMissing(
        f"Version {champion.registered.version} of {champion.registered.model} can say nothing of"
        f" {frame.series[int(frame.code[row])]} at {moments(frame.decided_at[row : row + 1])[0]:%Y-%m-%d %H:%M}:"
        " the hours before it are not all known",
        way_out="Materialize what is missing of the days before; `crypto-assets status` shows gaps.",
    )


def _baseline_of(champion: Champion, frame: Frame, rows: Rows) -> tuple[Floats, list[str]]:
    """The best baseline; where its hours are not known, zero change, which needs none, stands in its place under its name."""
    fitted = champion.baseline.fit(champion.forecast, frame, rows)
    said = fitted.predict(frame, rows).yhat
    is_said = np.isfinite(said)
    names = [champion.baseline.name if known else ZeroChange().name for known in is_said.tolist()]
    return np.where(is_said, said, 0.0), names


__all__ = ["MAX_MISSING_SHARE", "Said", "Unsaid", "missing_shares", "moments", "predictions_of", "speak"]
