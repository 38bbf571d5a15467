"""Whether a learner knows anything: it learns and forecasts fold by fold, and is held against the best baseline.

What belongs here: from folds to a verdict. What does not: which rows make a fold (splits.py), the measures (metrics.py), and
the shape of the report (validation_report.py).

Rules that keep the verdict honest:

- Nobody sees the future: the learner gets a frame without any target but those of the rows it learns from, and what it
  forecasts must stay the same when later rows are blank.
- Model and baselines are judged on the same rows: those at which the model spoke. Where a baseline is silent (nobody knows what
  was a week ago) it is taken at zero change, which speaks at every row; how often is in the report.
- Silence earns nothing: a model that is silent on more than `MOST_SILENT` of the rows has no skill, whatever it says at others.
- The best baseline is the best afterwards, on the very rows that are judged.
- Targets overlap, and series move together: the interval comes from blocks of hours longer than any overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.forecasting.baselines import BASELINES, EwmaVolatility
from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.forecasting.frame import Floats, Frame, FrameRefused, Rows
from crypto_assets.forecasting.learner import Fitted, Forecasts, Learner
from crypto_assets.forecasting.metrics import (
    Interval,
    block_bootstrap,
    coverage,
    directional_accuracy,
    mae,
    pinball,
    skill,
)
from crypto_assets.forecasting.splits import Fold, Splitter, walk_forward
from crypto_assets.forecasting.validation_report import FoldScore, SeriesScore, Validation

MOST_SILENT = 0.05
# A block as long as the overlap sees a third too little variance of overlapping sums, three times as long a ninth; and a block
# below a day would cut the day's course of fees and spreads in pieces.
_BLOCK_HORIZONS = 3
_LEAST_BLOCK_HOURS = 24
_BINS = 40
_QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


class LooksAhead(CryptoAssetsError):
    """A learner's forecasts rest on what came after the decision."""


@dataclass(frozen=True)
class _Judged:
    """Rows of all folds in their order, with all that was said of them; n rows.

    Args:
        fold: Position of the fold, int64 (n,).
        code: Position of the series, int64 (n,).
        hours: Since 1970, int64 (n,).
        truth: float64 (n,).
        said: By the model.
        baselines: Middles by name, silence filled with zero change; each float64 (n,).
        ewma: By the baseline ewma_volatility.
    """

    fold: Rows
    code: Rows
    hours: Rows
    truth: Floats
    said: Forecasts
    baselines: dict[str, Floats]
    ewma: Forecasts

    def take(self, chosen: NDArray[np.bool_]) -> _Judged:
        """Some rows."""
        return _Judged(
            self.fold[chosen],
            self.code[chosen],
            self.hours[chosen],
            self.truth[chosen],
            _taken(self.said, chosen),
            {name: middle[chosen] for name, middle in self.baselines.items()},
            _taken(self.ewma, chosen),
        )


def _taken(said: Forecasts, chosen: NDArray[np.bool_]) -> Forecasts:
    return Forecasts(said.yhat[chosen], said.q10[chosen], said.q90[chosen])


def validate(
    forecast: Forecast, frame: Frame, learner: Learner, folds: Splitter = walk_forward, seed: int = 0
) -> Validation:
    """Let a learner forecast what it has not learned from, and judge it.

    Args:
        learner: Fitted once a fold.
        folds: Which rows are learned from and judged, from the frame, its usable rows and the forecast.
        seed: Of the bootstrap.

    Raises:
        FrameRefused: too little history (says how many hours there are and how many it takes), inputs that are all null
            (named), or what the learner itself refuses.
        LooksAhead: the learner's forecasts rest on later rows.
    """
    rows = frame.usable()
    cut = folds(frame, rows, forecast)
    _refuse_empty_inputs(forecast, frame, rows)
    said = _said(forecast, frame, learner, cut)
    everything, baselines_silent = _judged(forecast, frame, cut, said)
    spoken = np.isfinite(said.yhat)
    judged = everything.take(spoken)
    errors = {name: mae(judged.truth, middle) for name, middle in judged.baselines.items()}
    best = _best(errors)
    block = block_hours(forecast)
    model_errors, best_errors = np.abs(judged.truth - judged.said.yhat), np.abs(judged.truth - judged.baselines[best])
    measured = skill(model_errors, best_errors)
    # The bootstrap knows ratios: a skill's lower end is the upper end of model errors over baseline errors.
    ratio = block_bootstrap(model_errors, best_errors, judged.hours, block=block, seed=seed)
    found = Interval(1 - ratio.high, 1 - ratio.low)
    silent_share = 1 - float(spoken.mean())
    doubts = _doubts(forecast, measured, found, silent_share)
    direction = _directional_interval(judged, block, seed)
    residuals = judged.truth - judged.said.yhat
    bins, counts = _histogram(residuals)
    return Validation(
        forecast=forecast.name,
        learner=learner.name,
        rows=len(judged.truth),
        silent=len(spoken) - len(judged.truth),
        hours=len(np.unique(judged.hours)),
        folds=_by_fold(everything, spoken, cut, block, seed),
        series=_by_series(everything, spoken, frame),
        baselines=errors,
        baselines_silent={name: int(silent[spoken].sum()) for name, silent in baselines_silent.items()},
        best_baseline=best,
        error=mae(judged.truth, judged.said.yhat),
        skill=measured,
        skill_low=found.low,
        skill_high=found.high,
        block_hours=block,
        has_skill=not doubts,
        verdict=_verdict(best, measured, found, doubts),
        pinball=_pinballs(judged.truth, judged.said),
        ewma_pinball=_pinballs(judged.truth, judged.ewma),
        coverage=_coverage(judged.truth, judged.said),
        directional_accuracy=directional_accuracy(judged.truth, judged.said.yhat),
        directional_low=direction.low,
        directional_high=direction.high,
        calibration=_calibration(judged.truth, judged.said),
        residual_quantiles=_quantiles(residuals),
        residual_bins=bins,
        residual_counts=counts,
    )


def block_hours(forecast: Forecast) -> int:
    """Length of the bootstrap's blocks: three horizons, and at least a day."""
    return max(_LEAST_BLOCK_HOURS, _BLOCK_HORIZONS * forecast.horizon_hours)


def _refuse_empty_inputs(forecast: Forecast, frame: Frame, rows: Rows) -> None:
    unknown = np.flatnonzero(np.isnan(frame.inputs[rows]).all(axis=0))
    empty = [frame.names[place] for place in unknown if frame.names[place] not in forecast.optional]
    if empty:
        names = ", ".join(empty)
        raise FrameRefused(
            f"Expected numbers in every input, and of {len(rows)} rows none has any in {names}",
            way_out="Load what these inputs are made of, or take them out of the forecast's declaration.",
        )


def _said(forecast: Forecast, frame: Frame, learner: Learner, folds: Sequence[Fold]) -> Forecasts:
    """What the learner says of the folds' rows, one fold behind the other."""
    blind = _blinded(frame, np.zeros(0, dtype=np.int64))
    parts = []
    for fold in folds:
        fitted = learner.fit(forecast, _blinded(frame, fold.train), fold.train)
        parts.append(fitted.predict(blind, fold.test))
        if fold is folds[-1]:
            _refuse_foresight(learner.name, fitted, blind, fold, parts[-1])
    yhat, q10, q90 = (np.concatenate([getattr(part, name) for part in parts]) for name in ("yhat", "q10", "q90"))
    return Forecasts(yhat, q10, q90)


def _refuse_foresight(learner: str, fitted: Fitted, frame: Frame, fold: Fold, said: Forecasts) -> None:
    """Forecasts of the fold's first half must stay as they are when all later rows are blank."""
    decided = frame.decided_at[fold.test]
    until = np.sort(decided)[len(decided) // 2]
    is_later, is_first = frame.decided_at > until, decided <= until
    inputs, now = frame.inputs.copy(), frame.now.copy()
    inputs[is_later], now[is_later] = np.nan, np.nan
    again = fitted.predict(replace(frame, inputs=inputs, now=now), fold.test[is_first]).yhat
    # Not bit for bit: a runtime may add in another order where fewer rows go together.
    if not np.allclose(said.yhat[is_first], again, rtol=1e-4, atol=1e-7, equal_nan=True):
        raise LooksAhead(
            f"Forecasts of {learner} for decisions until {until} are others when it cannot see what came after them",
            way_out="Mend the learner: a forecast rests on its row and on those before it in its series.",
        )


def _blinded(frame: Frame, rows: Rows) -> Frame:
    """The same frame with the targets of these rows alone."""
    target, known_at = np.full(len(frame), np.nan), np.full(len(frame), np.datetime64("NaT", "us"))
    target[rows], known_at[rows] = frame.target[rows], frame.target_known_at[rows]
    return replace(frame, target=target, target_known_at=known_at)


def _judged(
    forecast: Forecast, frame: Frame, folds: Sequence[Fold], said: Forecasts
) -> tuple[_Judged, dict[str, NDArray[np.bool_]]]:
    """All rows of the folds with what baselines say, and where each of those was silent."""
    rows = np.concatenate([fold.test for fold in folds])
    nothing = np.zeros(0, dtype=np.int64)  # baselines learn from no row
    spoken = {one.name: one.fit(forecast, frame, nothing).predict(frame, rows) for one in BASELINES}
    silent = {name: ~np.isfinite(one.yhat) for name, one in spoken.items()}
    judged = _Judged(
        fold=np.repeat(np.arange(len(folds)), [len(fold.test) for fold in folds]),
        code=frame.code[rows],
        hours=frame.decided_at[rows].astype("datetime64[h]").astype(np.int64),
        truth=frame.target[rows],
        said=said,
        baselines={name: np.where(silent[name], 0.0, one.yhat) for name, one in spoken.items()},
        ewma=spoken[EwmaVolatility().name],
    )
    return judged, silent


def _best(errors: dict[str, float]) -> str:
    """The baseline with the least error; the first, zero change, of equals and where no row makes all of them NaN."""
    return min(errors, key=errors.__getitem__)


def _doubts(forecast: Forecast, measured: float, found: Interval, silent_share: float) -> list[str]:
    """Why there is no skill; empty where there is."""
    bound = forecast.promotion.min_skill
    doubts = []
    if silent_share > MOST_SILENT:
        doubts.append(f"silent on {100 * silent_share:.0f} % of the rows")
    if found.low == -np.inf:
        doubts.append("too few hours to tell chance from skill")
    elif not found.low > 0:
        doubts.append("it may be chance" if measured > 0 else "no better")
    if 0 < measured < bound:
        doubts.append(f"the bound is {_percent(bound)} %")
    return doubts


def _verdict(best: str, measured: float, found: Interval, doubts: Sequence[str]) -> str:
    told = f"{_percent(measured)} % over {best} (90 %: {_percent(found.low)} … {_percent(found.high)})"
    return f"no skill: {told}; {'; '.join(doubts)}" if doubts else f"skill {told}"


def _percent(share: float) -> str:
    """One decimal, and no minus before a zero."""
    return f"{100 * share:.1f}".replace("inf", "∞").replace("nan", "unknown") if abs(share) >= 5e-4 else "0.0"


def _by_fold(
    judged: _Judged, spoken: NDArray[np.bool_], folds: Sequence[Fold], block: int, seed: int
) -> list[FoldScore]:
    scores = []
    for place, fold in enumerate(folds):
        is_here = judged.fold == place
        part = judged.take(is_here & spoken)
        pinballs, direction = _pinballs(part.truth, part.said), _directional_interval(part, block, seed)
        scores.append(
            FoldScore(
                number=fold.number,
                test_from=_moment(fold.test_from),
                test_to=_moment(fold.test_to),
                train_rows=len(fold.train),
                rows=len(part.truth),
                silent=int(is_here.sum()) - len(part.truth),
                mae=mae(part.truth, part.said.yhat),
                baselines={name: mae(part.truth, middle) for name, middle in part.baselines.items()},
                pinball10=pinballs["0.1"],
                pinball50=pinballs["0.5"],
                pinball90=pinballs["0.9"],
                coverage=_coverage(part.truth, part.said),
                directional_accuracy=directional_accuracy(part.truth, part.said.yhat),
                directional_low=direction.low,
                directional_high=direction.high,
            )
        )
    return scores


def _moment(moment: np.datetime64) -> datetime:
    return datetime.fromtimestamp(int(moment.astype("datetime64[s]").astype(np.int64)), UTC)


def _by_series(judged: _Judged, spoken: NDArray[np.bool_], frame: Frame) -> list[SeriesScore]:
    scores = []
    for code in np.unique(judged.code):
        is_here = judged.code == code
        part = judged.take(is_here & spoken)
        errors = {name: mae(part.truth, middle) for name, middle in part.baselines.items()}
        best = _best(errors)
        scores.append(
            SeriesScore(
                series=frame.series[int(code)],
                rows=len(part.truth),
                silent=int(is_here.sum()) - len(part.truth),
                mae=mae(part.truth, part.said.yhat),
                best_baseline=best,
                baseline_mae=errors[best],
                skill=skill(part.truth - part.said.yhat, part.truth - part.baselines[best]),
            )
        )
    return scores


def _directional_interval(judged: _Judged, block: int, seed: int) -> Interval:
    named = (judged.truth != 0) & (judged.said.yhat != 0)
    is_right = np.sign(judged.truth) == np.sign(judged.said.yhat)
    return block_bootstrap(
        (is_right & named).astype(np.float64), named.astype(np.float64), judged.hours, block=block, seed=seed
    )


def _pinballs(truth: Floats, said: Forecasts) -> dict[str, float]:
    """By level, each over the rows at which it was said."""
    return {
        f"{level}": pinball(truth[np.isfinite(quantile)], quantile[np.isfinite(quantile)], level)
        for level, quantile in _levels(said)
    }


def _calibration(truth: Floats, said: Forecasts) -> list[tuple[float, float]]:
    found = []
    for level, quantile in _levels(said):
        held = np.isfinite(quantile)
        found.append((level, float((truth[held] <= quantile[held]).mean()) if held.any() else np.nan))
    return found


def _levels(said: Forecasts) -> list[tuple[float, Floats]]:
    return [(0.1, said.q10), (0.5, said.yhat), (0.9, said.q90)]


def _coverage(truth: Floats, said: Forecasts) -> float:
    held = np.isfinite(said.q10) & np.isfinite(said.q90)
    return coverage(truth[held], said.q10[held], said.q90[held])


def _quantiles(residuals: Floats) -> dict[str, float]:
    found = np.quantile(residuals, _QUANTILES) if len(residuals) else np.full(len(_QUANTILES), np.nan)
    return {f"{level}": float(value) for level, value in zip(_QUANTILES, found, strict=True)}


def _histogram(residuals: Floats) -> tuple[list[float], list[int]]:
    """From the first hundredth to the last; the outer bins hold what lies beyond."""
    if not len(residuals):
        return [], []
    low, high = (float(end) for end in np.quantile(residuals, [0.01, 0.99]))
    counts, edges = np.histogram(np.clip(residuals, low, high), bins=_BINS, range=(low, high))
    return edges.tolist(), counts.tolist()


__all__ = ["MOST_SILENT", "FoldScore", "LooksAhead", "SeriesScore", "Validation", "block_hours", "validate"]
