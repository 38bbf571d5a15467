"""When a vintage was known, to the hour where the release's hour is stated.

What belongs here: from days of vintages to moments. What does not: which hour a series has (the universe), rows.

FRED's vintages are days. A vintage counts as known at its series' hour of release, New York, where the universe states one
and the calendar of releases has that day; in every other case at the end of that day in New York. FRED dates by St. Louis,
whose day ends an hour later: nothing is published then.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

type Days = NDArray[np.datetime64]
type Moments = NDArray[np.datetime64]

NEW_YORK = ZoneInfo("America/New_York")


def release_moments(vintages: Days, released_at: time | None = None, calendar: Collection[date] = ()) -> Moments:
    """When vintages were known: datetime64[us], UTC, one for each day given. Pure.

    Args:
        vintages: datetime64[D].
        released_at: The release's hour, New York; None where nobody states it.
        calendar: The days on which there was a release: the hour holds on these.
    """
    days, places = np.unique(vintages.astype("datetime64[D]"), return_inverse=True)
    known = set(calendar)
    moments = [_moment(day, released_at if day in known else None) for day in days.tolist()]
    return np.array(moments, dtype="datetime64[us]")[places] if moments else np.empty(0, dtype="datetime64[us]")


def off_calendar(vintages: Days, calendar: Collection[date]) -> list[date]:
    """Days of vintages on which the calendar has no release, in order. Pure."""
    found: list[date] = np.unique(vintages.astype("datetime64[D]")).tolist()
    return sorted(set(found) - set(calendar))


def _moment(day: date, at: time | None) -> datetime:
    there = datetime.combine(day, at, NEW_YORK) if at else datetime.combine(day + timedelta(days=1), time(), NEW_YORK)
    return there.astimezone(UTC).replace(tzinfo=None)
