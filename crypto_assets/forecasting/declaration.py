"""What a forecast is: declared once, and read by training, promotion, prediction, checks, the CLI and the documents.

What belongs here: the shape of a declaration. What does not: the forecasts themselves (datasets/models/gas.py, liquidity.py,
opportunity.py) and how their frames are read (there, too).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

HORIZONS = (1, 4, 24)  # hours


@dataclass(frozen=True)
class Promotion:
    """When a candidate may become champion.

    Args:
        min_skill: Least skill: 1 less the model's mean absolute error over that of the best baseline, walked forward.
        reason: Why so much.
    """

    min_skill: float
    reason: str


@dataclass(frozen=True)
class Retrain:
    """What makes a forecast be trained anew.

    Args:
        every: At the latest after so long.
        max_psi: An input whose population stability index against training is larger counts as drifted; 0.25 is the
            field's usual word for "shifted".
        max_drifted_share: Of inputs.
        max_error_ratio: Mean absolute error of the last window over that of validation.
        window: The last window.
        cool_down: After a training, drift asks for none for so long.
    """

    every: timedelta = timedelta(days=7)
    max_psi: float = 0.25
    max_drifted_share: float = 0.3
    max_error_ratio: float = 1.5
    window: timedelta = timedelta(days=7)
    cool_down: timedelta = timedelta(days=1)


@dataclass(frozen=True)
class Forecast:
    """One quantity at one horizon.

    Args:
        model: The family: gas, liquidity_spread, liquidity_depth, liquidity_reserve or opportunity.
        horizon_hours: How far ahead.
        quantity: What is forecast, as a sentence begins: "Base fee of Ethereum".
        unit: Of the quantity.
        inputs: Names, in the order in which learners see them.
        metric: What promotion looks at; all are judged by the mean absolute error of the logarithmic change.
        promotion: The bound of promotion.
        retrain: The trigger of retraining.
        min_hours: Fewer hours of usable history than this cannot be validated: five folds, each longer than the horizon.
        optional: Those of the inputs that an installation may well not have: null everywhere, they are no fault.
    """

    model: str
    horizon_hours: int
    quantity: str
    unit: str
    inputs: tuple[str, ...]
    promotion: Promotion
    retrain: Retrain = Retrain()
    metric: str = "mae"
    min_hours: int = 168
    optional: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As users say it: gas_4h."""
        return f"{self.model}_{self.horizon_hours}h"

    @property
    def horizon(self) -> timedelta:
        """How far ahead."""
        return timedelta(hours=self.horizon_hours)


__all__ = ["HORIZONS", "Forecast", "Promotion", "Retrain"]
