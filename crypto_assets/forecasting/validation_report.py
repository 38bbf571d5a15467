"""What a validation found: numbers of the whole, of each fold and of each series, as the registry keeps and reports show them.

What belongs here: the shape of a report and its way to JSON and back. What does not: how the numbers are made (validation.py),
and pictures of them (charts.py).

Errors are absolute errors of the logarithmic change. A number that cannot be told (a direction where nothing moved, an end of
an interval from too few hours) is NaN or infinite, and null in JSON, which knows neither; it comes back as NaN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.forecasting.frame import SeriesName


class ReportUnreadable(CryptoAssetsError):
    """What is stored is no report of a validation, or one of another version."""


@dataclass(frozen=True)
class FoldScore:
    """One fold.

    Args:
        number: From 1.
        test_from: First decision judged, UTC.
        test_to: Last one.
        train_rows: Rows learned from.
        rows: Rows judged: those at which the model spoke.
        silent: Rows at which it did not.
        mae: Of the model.
        baselines: Mean absolute error of each baseline on the same rows, by name.
        pinball10: Pinball loss of the model's q10; pinball50 of its middle, pinball90 of its q90.
        coverage: Share of truths from q10 to q90; nominally 0.8.
        directional_accuracy: Share of right signs.
        directional_low: Lower end of its interval.
        directional_high: Upper end.
    """

    number: int
    test_from: datetime
    test_to: datetime
    train_rows: int
    rows: int
    silent: int
    mae: float
    baselines: dict[str, float]
    pinball10: float
    pinball50: float
    pinball90: float
    coverage: float
    directional_accuracy: float
    directional_low: float
    directional_high: float


@dataclass(frozen=True)
class SeriesScore:
    """One series, over all folds.

    Args:
        series: Which.
        rows: Rows judged.
        silent: Rows at which the model did not speak.
        mae: Of the model.
        best_baseline: Best one on this series' rows; it need not be the best of all.
        baseline_mae: Its mean absolute error.
        skill: Against it.
    """

    series: SeriesName
    rows: int
    silent: int
    mae: float
    best_baseline: str
    baseline_mae: float
    skill: float


@dataclass(frozen=True)
class Validation:
    """What is known of a learner's forecasts of a quantity, judged on rows it had not learned from.

    Args:
        forecast: Name of the forecast.
        learner: Name of the learner.
        rows: Rows judged: those at which the model spoke.
        silent: Rows at which it did not; they are in no error. Above `validation.MOST_SILENT` of all rows there is no skill.
        hours: Different hours among the rows judged.
        folds: In the order of time.
        series: In the frame's order; those of which a row was judged.
        baselines: Mean absolute error of each baseline on the rows judged, by name.
        baselines_silent: Rows judged at which a baseline did not speak, by name; it was taken at zero change there.
        best_baseline: The one whose error is least.
        error: Mean absolute error of the model over the rows judged.
        skill: 1 - error / baselines[best_baseline].
        skill_low: Lower end of the skill's 90 % interval.
        skill_high: Upper end.
        block_hours: Length of the bootstrap's blocks.
        has_skill: Lower end above 0, skill not below the promotion bound, and not too often silent.
        verdict: The same in a sentence.
        pinball: Of the model by level: "0.1", "0.5", "0.9".
        ewma_pinball: Of the baseline ewma_volatility, on the same rows.
        coverage: Share of truths from q10 to q90; nominally 0.8.
        directional_accuracy: Share of right signs.
        directional_low: Lower end of its 90 % interval.
        directional_high: Upper end.
        calibration: For each quantile, its level and the share of truths that lay at or below it.
        residual_quantiles: Of truth less forecast, by level: "0.01" to "0.99".
        residual_bins: Edges of the histogram of truth less forecast, one more than counts.
        residual_counts: Rows in each bin; the outer bins hold what lies beyond them, too.
    """

    forecast: str
    learner: str
    rows: int
    silent: int
    hours: int
    folds: list[FoldScore]
    series: list[SeriesScore]
    baselines: dict[str, float]
    baselines_silent: dict[str, int]
    best_baseline: str
    error: float
    skill: float
    skill_low: float
    skill_high: float
    block_hours: int
    has_skill: bool
    verdict: str
    pinball: dict[str, float]
    ewma_pinball: dict[str, float]
    coverage: float
    directional_accuracy: float
    directional_low: float
    directional_high: float
    calibration: list[tuple[float, float]]
    residual_quantiles: dict[str, float]
    residual_bins: list[float]
    residual_counts: list[int]

    def as_json(self) -> dict[str, object]:
        """For a JSON column: numbers, texts, lists and objects; times as ISO 8601 in UTC; null for what is not finite."""
        return {name: _without_infinite(value) for name, value in msgspec.to_builtins(self).items()}

    @classmethod
    def of_json(cls, stored: Mapping[str, object]) -> Validation:
        """What `as_json` gave, read back; null becomes NaN.

        Raises:
            ReportUnreadable: says what is missing or of another type.
        """
        try:
            return msgspec.convert(_with_nan(stored), cls)
        except msgspec.ValidationError as error:
            raise ReportUnreadable(
                f"Expected the report of a validation, and got another object: {error}",
                way_out="Train the model again.",
            ) from error


def _without_infinite(value: object) -> object:
    if isinstance(value, dict):
        return {name: _without_infinite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_infinite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _with_nan(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _with_nan(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_with_nan(one) for one in value]
    return math.nan if value is None else value


__all__ = ["FoldScore", "ReportUnreadable", "SeriesScore", "Validation"]
