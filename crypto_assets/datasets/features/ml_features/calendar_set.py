"""Features of the time of a decision: hour, weekday and season, UTC.

What belongs here: what the close's time alone says. What does not: anything that needs data.

Cycles are a sine and a cosine, so that 23:00 lies next to 00:00.
"""

from __future__ import annotations

import numpy as np

from crypto_assets.datasets.features.ml_features.columns import Columns
from crypto_assets.datasets.features.ml_features.declaration import Feature, FeatureSet
from crypto_assets.indicators.declaration import Floats

_DAY, _WEEK = 86_400.0, 604_800.0
_YEAR = 365.2425 * _DAY
_MONDAY = 4 * _DAY  # 1970-01-05


def _phase(c: Columns, period: float, offset: float = 0.0) -> Floats:
    seconds = c["decided_at"] - offset
    return 2 * np.pi * (seconds % period) / period


def _cycle(name: str, meaning: str, period: float, offset: float = 0.0) -> tuple[Feature, Feature]:
    sine = Feature(
        f"{name}_sin", f"Sine of the {meaning} of the close", "-1..1", ("decided_at",), 0,
        lambda c: np.sin(_phase(c, period, offset)), least=-1, most=1,
    )  # fmt: skip
    cosine = Feature(
        f"{name}_cos", f"Cosine of the {meaning} of the close", "-1..1", ("decided_at",), 0,
        lambda c: np.cos(_phase(c, period, offset)), least=-1, most=1,
    )  # fmt: skip
    return sine, cosine


FEATURES = (
    *_cycle("hour_of_day", "time of day", _DAY),
    *_cycle("day_of_week", "time of the week", _WEEK, _MONDAY),
    *_cycle("day_of_year", "season", _YEAR),
    Feature(
        "is_weekend", "1 where the close falls on Saturday or Sunday", "0 or 1", ("decided_at",), 0,
        lambda c: (((c["decided_at"] - _MONDAY) % _WEEK) >= 5 * _DAY).astype(np.float64), least=0, most=1,
    ),
)  # fmt: skip

CALENDAR = FeatureSet("calendar", "What the time of the decision says", FEATURES)
