"""What learners see: columns of features with why they were chosen, lags of the quantity itself, the calendar.

What belongs here: choosing columns, and inputs that follow from the quantity's own past and from the clock. What does not:
which model has which (gas.py, liquidity.py, opportunity.py) and reading (levels.py, features.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crypto_assets.datasets.features.ml_features.catalog import choose_features
from crypto_assets.forecasting.frame import Floats, Times

LAGS = (1, 4, 24)  # hours, as the horizons: what comes in so long is best compared with what came in so long
DAY, WEEK = 24, 168
# So much of a mean's hours must be known: half a day's mean is one of the night or of the noon.
LEAST_SHARE = 0.5
# The hours before a decision that its inputs reach back.
REACH_HOURS = WEEK

OWN_INPUTS = (
    "level_log", "level_age_hours", *(f"change_{hours}h" for hours in LAGS), "deviation_24h", "deviation_168h",
    "volatility_24h",
)  # fmt: skip
CALENDAR_INPUTS = ("hour_of_day_sin", "hour_of_day_cos", "day_of_week_sin", "day_of_week_cos")
_HOUR_US, _DAY_US, _WEEK_US = 3_600_000_000, 86_400_000_000, 604_800_000_000
_FINE = 2.0**36
_MONDAY_US = 4 * _DAY_US  # 1970-01-05


@dataclass(frozen=True)
class Chosen:
    """A column of features.ml_features that a model looks at.

    Args:
        name: Of the column.
        why: What it should tell about the quantity.
        optional: Whether an installation may well not have it, so that its absence everywhere is no fault.
    """

    name: str
    why: str
    optional: bool


def choose(*named: tuple[str, str]) -> tuple[Chosen, ...]:
    """Features by name, each with why it was chosen; what is optional is what the catalog of features says.

    Raises:
        FeatureUnknown: there is no feature of that name (any more).
    """
    found = choose_features([name for name, _ in named])
    return tuple(Chosen(name, why, one.optional) for (name, why), one in zip(named, found, strict=True))


def optional_of(chosen: Sequence[Chosen]) -> tuple[str, ...]:
    """Names of those whose absence is no fault."""
    return tuple(one.name for one in chosen if one.optional)


def own_inputs(levels: Floats, age_hours: Floats) -> dict[str, Floats]:
    """What the quantity's own past says at each hour: the logarithm, its changes, how far it stands from its means. Pure.

    Args:
        levels: The quantity as it was known at each hour of a grid without holes, ascending; positive, NaN where it was not.
        age_hours: How long before each hour it had been observed.

    Returns:
        By name of OWN_INPUTS. A change is NaN where either end is not known, a mean or deviation where less than half of its
        hours are.
    """
    logs = np.rint(np.log(levels) * _FINE) / _FINE  # as in the means, so that what stands still deviates by nothing
    changes = {f"change_{hours}h": logs - lagged(logs, hours) for hours in LAGS}
    day, week = _means(logs, DAY, WEEK)
    return {
        "level_log": logs,
        "level_age_hours": age_hours,
        **changes,
        "deviation_24h": logs - day,
        "deviation_168h": logs - week,
        "volatility_24h": np.sqrt(_means(changes["change_1h"] ** 2, DAY)[0]),
    }


def calendar_inputs(decided_at: Times) -> dict[str, Floats]:
    """Time of day and of the week (from Monday), UTC, as sine and cosine, so that 23:00 lies next to 00:00. Pure."""
    instants = decided_at.astype("datetime64[us]").astype(np.int64)
    day, week = (
        2 * np.pi * ((instants - offset) % period) / period for period, offset in ((_DAY_US, 0), (_WEEK_US, _MONDAY_US))
    )
    return dict(zip(CALENDAR_INPUTS, (np.sin(day), np.cos(day), np.sin(week), np.cos(week)), strict=True))


def lagged(values: Floats, hours: int) -> Floats:
    """The values so many places before; NaN where there are none."""
    back = np.full(len(values), np.nan)
    back[hours:] = values[: len(values) - hours] if hours < len(values) else values[:0]
    return back


def _means(values: Floats, *spans: int) -> list[Floats]:
    """For each span of hours the mean of the known values of so many, this one included; NaN where too few are known.

    Running sums, of whole multiples of 2^-36: whole numbers add up exactly, so that no digit depends on where the grid begins.
    """
    is_known = np.isfinite(values)
    whole = np.rint(np.where(is_known, values, 0) * _FINE).astype(np.int64)
    running = np.cumsum(is_known), np.cumsum(whole)
    means = []
    for hours in spans:
        known, total = (_window(one, hours) for one in running)
        means.append(np.where(known >= LEAST_SHARE * hours, total / np.maximum(known, 1) / _FINE, np.nan))
    return means


def _window(running: NDArray[np.int64], hours: int) -> NDArray[np.int64]:
    """The sum of the last hours from the running sum."""
    before = np.zeros_like(running)
    before[hours:] = running[: max(len(running) - hours, 0)]
    return running - before


__all__ = [
    "CALENDAR_INPUTS", "LAGS", "OWN_INPUTS", "REACH_HOURS", "Chosen", "calendar_inputs", "choose", "lagged", "optional_of",
    "own_inputs",
]  # fmt: skip
