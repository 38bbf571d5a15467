"""Frames in which the change is known to follow the first input, for tests of learners.

What belongs here: those frames and their forecast. What does not: assertions.
"""

from __future__ import annotations

import numpy as np

from crypto_assets.forecasting.declaration import Forecast, Promotion
from crypto_assets.forecasting.frame import Frame, SeriesName

NAMES = ("signal", "noise", "gaps")
FORECAST = Forecast("gas", 1, "Base fee of Ethereum", "gwei", NAMES, Promotion(0.01, "tests"))
HOUR = np.timedelta64(3600, "s")
FIRST = np.datetime64("2026-01-01", "us")


def planted(hours: int, series: int = 1, *, share: float = 0.5, seed: int = 7) -> Frame:
    """Hourly decisions whose change is 0.01 times a standard normal number, `share` of its variance known by "signal".

    "noise" says nothing; "gaps" says nothing and is NaN in every third row.
    """
    random = np.random.default_rng(seed)
    count = hours * series
    inputs = random.normal(size=(count, 3)).astype(np.float32)
    target = 0.01 * (np.sqrt(share) * inputs[:, 0] + np.sqrt(1 - share) * random.normal(size=count))
    inputs[::3, 2] = np.nan
    decided_at = np.tile(FIRST + np.arange(hours) * HOUR, series)
    return Frame(
        NAMES,
        tuple(SeriesName("ethereum", str(number)) for number in range(series)),
        np.repeat(np.arange(series), hours),
        decided_at,
        inputs,
        np.full(count, 20.0),
        target.astype(np.float64),
        decided_at + HOUR,
    )
