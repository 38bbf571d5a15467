"""What a learner is, and what it gives.

What belongs here: the protocol and its results. What does not: learners (baselines.py, lightgbm_learner.py, lstm.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.forecasting.frame import Floats, Frame, Rows


@dataclass(frozen=True)
class Forecasts:
    """What is said of n decisions, as logarithmic changes; NaN where nothing can be said.

    Args:
        yhat: The middle, float64 (n,).
        q10: One in ten truths lies below, float64 (n,); never above `yhat`.
        q90: One in ten truths lies above, float64 (n,); never below `yhat`.
    """

    yhat: Floats
    q10: Floats
    q90: Floats

    @classmethod
    def ordered(cls, yhat: Floats, q10: Floats, q90: Floats) -> Forecasts:
        """With quantiles that cross put in order: the middle stays, the others do not pass it."""
        return cls(yhat, np.minimum(q10, yhat), np.maximum(q90, yhat))


class Fitted(Protocol):
    """Something that forecasts."""

    def predict(self, frame: Frame, rows: Rows) -> Forecasts:
        """Forecasts of some rows of a frame, from those rows and the rows of their series before them, and from none after."""


class Learner(Protocol):
    """Something that learns from a frame."""

    @property
    def name(self) -> str:
        """As reports and the registry say it: lightgbm."""

    def fit(self, forecast: Forecast, frame: Frame, rows: Rows) -> Fitted:
        """Learn from some rows of a frame (and, of the rows before them, from inputs and `now` alone).

        Raises:
            FrameRefused: too few rows, or an input that is all null.
        """


class Artefact(Protocol):
    """A fitted learner that can be kept: its files are data, never code."""

    def predict(self, frame: Frame, rows: Rows) -> Forecasts:
        """As `Fitted.predict`."""

    def files(self) -> Mapping[str, bytes]:
        """Contents by name: q10.txt, model.onnx."""


__all__ = ["Artefact", "Fitted", "Forecasts", "Learner"]
