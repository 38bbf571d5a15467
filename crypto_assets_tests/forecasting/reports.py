"""A validation's report with round numbers, for tests of what is made of it.

What belongs here: the report. What does not: assertions.
"""

from __future__ import annotations

from datetime import UTC, datetime

from crypto_assets.forecasting.validation_report import FoldScore, Validation

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def fold(number: int, mae: float, drift: float) -> FoldScore:
    return FoldScore(
        number, MOMENT, MOMENT, 100, 20, 0, mae, {"drift": drift, "zero_change": 9.0}, 0.1, 0.2, 0.1, 0.8, 0.5, 0.4, 0.6
    )


REPORT = Validation(
    forecast="gas_1h",
    learner="lightgbm",
    rows=40,
    silent=0,
    hours=40,
    folds=[fold(1, 0.5, 1.0), fold(2, 1.0, 2.0)],
    series=[],
    baselines={"drift": 1.5, "zero_change": 9.0},
    baselines_silent={},
    best_baseline="drift",
    error=0.75,
    skill=0.5,
    skill_low=0.4,
    skill_high=0.6,
    block_hours=24,
    has_skill=True,
    verdict="",
    pinball={},
    ewma_pinball={},
    coverage=0.8,
    directional_accuracy=0.5,
    directional_low=0.4,
    directional_high=0.6,
    calibration=[(0.1, 0.2), (0.5, 0.5), (0.9, 0.8)],
    residual_quantiles={},
    residual_bins=[-1.0, 0.0, 1.0, 2.0],
    residual_counts=[10, 20, 5],
)
