"""What is said of one decision, and why nothing can be said.

What belongs here: the prediction as Python sees it, and its errors. What does not: making it (champions.py, speaking.py),
storing it (storing.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from crypto_assets.errors import CryptoAssetsError


class PredictionRefused(CryptoAssetsError):
    """Nothing can be said about a market, pool or chain; the classes below say why."""


class NoChampion(PredictionRefused):
    """No version of the forecast is champion: none was trained, or none had skill."""


class InputsMissing(PredictionRefused):
    """The quantity or its inputs are not known at the newest decision."""


class FeatureVersionDiffers(PredictionRefused):
    """The champion learned from features of another version than those it would see."""


@dataclass(frozen=True)
class Prediction:
    """What the champion of a forecast said about one series at one decision, as it stands in models.predictions.

    Times are UTC. `yhat`, `q10`, `q90` and `baseline` are logarithms of the quantity at the horizon's end over `level_now`.

    Args:
        model: The forecast, as gas_4h.
        domain: Exchange or chain.
        series: Unified symbol, address of a pool, or the name of a chain's one series.
        decided_at: The decision, on the hour.
        version: Of the champion.
        horizon_end_at: The moment that is spoken of.
        level_now: The quantity as it was known at the decision, in its unit.
        yhat: The middle of what is expected.
        q10: One in ten truths should lie below.
        q90: One in ten truths should lie above.
        baseline: What the best baseline said.
        baseline_name: Which one.
        is_out_of_sample: Whether the version had learned from nothing that became known after the decision.
        known_at: When it was computed.
        latency_ms: From the start of reading inputs to the forecast, milliseconds; None where it was made in a batch.
    """

    model: str
    domain: str
    series: str
    decided_at: datetime
    version: int
    horizon_end_at: datetime
    level_now: float
    yhat: float
    q10: float
    q90: float
    baseline: float
    baseline_name: str
    is_out_of_sample: bool
    known_at: datetime
    latency_ms: float | None

    @property
    def level(self) -> float:
        """The middle of what is expected, in the quantity's unit."""
        return self.level_now * math.exp(self.yhat)

    @property
    def level_low(self) -> float:
        """One in ten truths should lie below, in the quantity's unit."""
        return self.level_now * math.exp(self.q10)

    @property
    def level_high(self) -> float:
        """One in ten truths should lie above, in the quantity's unit."""
        return self.level_now * math.exp(self.q90)

    @property
    def level_baseline(self) -> float:
        """What the best baseline expects, in the quantity's unit."""
        return self.level_now * math.exp(self.baseline)


@dataclass(frozen=True)
class Refusal:
    """A series, or all series of a forecast, about which nothing was said.

    Args:
        model: The forecast.
        domain: Exchange or chain; empty where it is of all.
        series: Empty where it is of all.
        error: Why.
    """

    model: str
    domain: str
    series: str
    error: CryptoAssetsError

    def __str__(self) -> str:
        return f"{' '.join(part for part in (self.model, self.domain, self.series) if part)}: {self.error}"


__all__ = [
    "FeatureVersionDiffers", "InputsMissing", "NoChampion", "Prediction", "PredictionRefused", "Refusal",
]  # fmt: skip
