"""alternative.me: GET /fng/, the Fear & Greed index.

Format: its API page and recorded answers. All values are texts, the newest day comes first and alone says how long it
stands; a limit of 0 is all days, none is one. The days that the real index lacks are lacking here, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np

from crypto_assets.sandbox.noise import key_of, uniform
from crypto_assets.sandbox.venues.exchange import Asked, Reply

FIRST_DAY = date(2018, 2, 1)
ABSENT = frozenset({date(2018, 4, 14), date(2018, 4, 15), date(2018, 4, 16), date(2024, 10, 26)})
PUBLISHED_AFTER = timedelta(minutes=5)  # of midnight; the real one needs some minutes, too
_NAME = "Fear and Greed Index"
# Upper bounds of the words, from 2,634 recorded days.
_WORDS = ((25, "Extreme Fear"), (46, "Fear"), (54, "Neutral"), (75, "Greed"), (100, "Extreme Greed"))
_WEEK, _QUARTER = 7, 90


class AlternativeMe:
    """The provider."""

    venue = "alternative_me"
    hosts = ("api.alternative.me",)
    used_weight_header = None

    def answer(self, asked: Asked) -> Reply | None:
        """The newest days of the index."""
        if asked.path.rstrip("/") != "/fng":
            return None
        now = datetime.fromtimestamp(asked.clock() / 1000, UTC)
        limit = asked.number("limit", 1)
        days = published_days(now)
        shown = days if limit == 0 else days[: max(0, limit)]
        rows: list[object] = [
            {
                "value": str(value),
                "value_classification": classified(value),
                "timestamp": str(int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())),
            }
            for day, value in zip(shown, values(asked.seed, shown), strict=True)
        ]
        if rows and isinstance(rows[0], dict):
            update = datetime.combine(days[0] + timedelta(days=1), datetime.min.time(), UTC) + PUBLISHED_AFTER
            rows[0]["time_until_update"] = str(max(0, int((update - now).total_seconds())))
        return Reply({"name": _NAME, "data": rows, "metadata": {"error": None}}, asked.clock(), rows=rows)

    def error(self, status: int) -> object:
        """Its envelope with an error in it."""
        return {"name": _NAME, "data": [], "metadata": {"error": f"HTTP {status}"}}

    def bad_parameter(self, name: str, now_ms: int) -> Reply:
        """The envelope with an error in it, and 400."""
        return Reply({"name": _NAME, "data": [], "metadata": {"error": f"Invalid {name}"}}, now_ms, 400)


def published_days(now: datetime) -> list[date]:
    """The days that have a value at a moment, newest first."""
    newest = (now - PUBLISHED_AFTER).date()
    count = (newest - FIRST_DAY).days + 1
    days = (newest - timedelta(days=back) for back in range(max(0, count)))
    return [day for day in days if day not in ABSENT]


def values(seed: int, days: Sequence[date]) -> list[int]:
    """The made-up value of each day: moods of months, of weeks, of a day, 3..97."""
    numbers = np.array([day.toordinal() for day in days], dtype=np.int64)
    mood = np.full(len(numbers), 50.0)
    for scale, strength in ((_QUARTER, 60.0), (_WEEK, 24.0), (1, 10.0)):
        key, knot = key_of(seed, "fear and greed", scale), numbers // scale
        part = (numbers % scale) / scale
        left, right = uniform(key, knot), uniform(key, knot + 1)
        mood += strength * (left + (right - left) * part - 0.5)
    found: list[int] = np.clip(np.round(mood), 3, 97).astype(np.int64).tolist()
    return found


def classified(value: int) -> str:
    """The index's words for a value."""
    return next(word for most, word in _WORDS if value <= most)


__all__ = ["ABSENT", "FIRST_DAY", "AlternativeMe", "classified", "published_days", "values"]
