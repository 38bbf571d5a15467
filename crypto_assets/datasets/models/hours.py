"""Hours as whole numbers, since 1970, UTC: what decisions are counted in.

What belongs here: between moments and such numbers. What does not: what stands at an hour (levels.py).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from crypto_assets.forecasting.frame import STEP, Rows, Times

HOUR_US = STEP // timedelta(microseconds=1)


def hour_before(moment: datetime) -> int:
    """The last full hour at or before a moment with its zone."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // STEP


def hour_after(moment: datetime) -> int:
    """The first full hour at or after a moment with its zone."""
    return -(-(moment - datetime(1970, 1, 1, tzinfo=UTC)) // STEP)


def moment_of(hour: int) -> datetime:
    """The hour as a moment, UTC."""
    return datetime(1970, 1, 1, tzinfo=UTC) + hour * STEP


def times_of(hours: Rows) -> Times:
    """Hours as datetime64[us]."""
    times: Times = (np.asarray(hours, dtype=np.int64) * HOUR_US).view("datetime64[us]")
    return times


def hours_of(times: Times) -> Rows:
    """The hour that each time, datetime64[us], lies in (n,)."""
    return np.asarray(times, dtype="datetime64[us]").view(np.int64) // HOUR_US


__all__ = ["HOUR_US", "hour_after", "hour_before", "hours_of", "moment_of", "times_of"]
