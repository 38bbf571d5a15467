"""The sandbox's Fear & Greed index: the same for a day whenever it is asked, in the provider's form."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from crypto_assets.datasets.sentiment.fear_greed.table import CLASSES, NEVER_PUBLISHED
from crypto_assets.sandbox.providers.alternative_me import ABSENT, AlternativeMe, classified, published_days, values
from crypto_assets.sandbox.trades import MarketSource
from crypto_assets.sandbox.venues.exchange import Asked, UnreadableNumberError

MORNING = datetime(2026, 3, 10, 0, 5, tzinfo=UTC)


def _asked(at: datetime, path: str = "/fng/", **query: str) -> Asked:
    return Asked("alternative_me", path, query, MarketSource, seed=7, clock=lambda: int(at.timestamp() * 1000))  # type: ignore[arg-type,type-abstract]


def _data(at: datetime, **query: str) -> list[dict[str, str]]:
    reply = AlternativeMe().answer(_asked(at, **query))
    assert reply is not None
    assert isinstance(reply.payload, dict)
    rows: list[dict[str, str]] = reply.payload["data"]
    return rows


def test_the_newest_day_comes_first_and_all_days_for_zero() -> None:
    assert [len(_data(MORNING, **query)) for query in ({}, {"limit": "3"}, {"limit": "-1"})] == [1, 3, 0]
    days = [datetime.fromtimestamp(int(row["timestamp"]), UTC) for row in _data(MORNING, limit="0")]
    assert (days[0], days[-1]) == (datetime(2026, 3, 10, tzinfo=UTC), datetime(2018, 2, 1, tzinfo=UTC))
    assert days == sorted(days, reverse=True)
    assert len(days) == (days[0] - days[-1]).days + 1 - len(ABSENT)


def test_only_the_newest_says_how_long_it_stands() -> None:
    first, second = _data(MORNING, limit="2")
    assert first["time_until_update"] == str(86_400)
    assert "time_until_update" not in second
    assert all(isinstance(value, str) for value in first.values())
    before = _data(MORNING - timedelta(seconds=1))[0]
    assert (before["timestamp"], before["time_until_update"]) == (second["timestamp"], "1")


def test_values_depend_on_seed_and_day_alone() -> None:
    day = date(2024, 6, 1)
    assert values(7, [day]) == values(7, [day + timedelta(days=1), day])[1:]
    found = values(7, published_days(MORNING))
    assert len(set(found)) > 60
    assert found != values(8, published_days(MORNING))
    assert {classified(value) for value in found} == set(CLASSES)


def test_words_and_gaps_are_those_of_the_recordings() -> None:
    assert all(low <= value <= high for value in range(101) for low, high in [CLASSES[classified(value)]])
    assert ABSENT == NEVER_PUBLISHED


def test_other_paths_and_bad_limits() -> None:
    assert AlternativeMe().answer(_asked(MORNING, "/v2/ticker/")) is None
    with pytest.raises(UnreadableNumberError):
        AlternativeMe().answer(_asked(MORNING, limit="all"))
    assert AlternativeMe().bad_parameter("limit", 0).status == 400
