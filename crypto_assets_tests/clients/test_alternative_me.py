"""The Fear & Greed index as alternative.me writes it: recorded answers, and rows that are none."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.clients.alternative_me import FIRST_DAY, FearGreed, parse_fear_greed
from crypto_assets.clients.failures import Malformed, Unavailable

TODAY = date(2025, 4, 22)
GOOD = {"value": "40", "value_classification": "Fear", "timestamp": "1551157200", "time_until_update": "68499"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD]), inner, max_size=3),
    max_leaves=6,
)


def _answer(*days: object, error: object = None) -> object:
    return {"name": "Fear and Greed Index", "data": list(days), "metadata": {"error": error}}


def test_the_recorded_answer_is_read_whole(recordings: Path) -> None:
    text = (recordings / "news" / "fear_greed_raw_alternative_me.json").read_text(encoding="utf-8")
    found = parse_fear_greed(json.loads(text), TODAY)
    assert (len(found.rows), list(found.refused), found.repeated) == (365, [], 0)
    # Counted again from the text, by other means.
    values = [int(part.split('"')[1]) for part in text.split('"value": ')[1:]]
    stamps = [int(part.split('"')[1]) for part in text.split('"timestamp": ')[1:]]
    assert (len(values), sum(values)) == (365, 20372)
    assert [one.value for one in found.rows] == values
    assert [one.observed_on for one in found.rows] == [datetime.fromtimestamp(stamp, UTC).date() for stamp in stamps]
    assert found.rows[0] == FearGreed(date(2025, 4, 22), 47, "Neutral")


def test_a_day_is_the_day_of_its_timestamp_in_utc() -> None:
    assert list(parse_fear_greed(_answer(GOOD), TODAY).rows) == [FearGreed(date(2019, 2, 26), 40, "Fear")]


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"value": "101"}, "above 100"),
        ({"value": "-1"}, "no whole number"),
        ({"value": "40.5"}, "no whole number"),
        ({"value": None}, "came NoneType"),
        ({"value": True}, "came bool"),
        ({"value": "9" * 5000}, "ValueError"),
        ({"value_classification": ""}, "no name"),
        ({"value_classification": 7}, "TypeError"),
        ({"timestamp": "1745366400"}, "implausible"),  # of tomorrow
        ({"timestamp": "1517356800"}, "implausible"),  # the day before the first
        ({"timestamp": str(10**18)}, "unreadable"),
        ({"timestamp": "yesterday"}, "no whole number"),
    ],
)
def test_a_bad_day_is_refused_and_its_neighbours_stay(changed: dict[str, object], problem: str) -> None:
    bad = GOOD | changed
    found = parse_fear_greed(_answer(bad, GOOD), TODAY)
    assert [one.value for one in found.rows] == [40]
    [refused] = found.refused
    assert problem in refused.reason
    assert refused.payload == bad


def test_a_day_that_comes_twice_is_kept_once() -> None:
    found = parse_fear_greed(_answer(GOOD, GOOD, GOOD | {"value": "41"}), TODAY)
    assert ([one.value for one in found.rows], found.repeated) == ([40], 2)
    assert [one.reason for one in found.refused] == ["another value of 2019-02-26 came before it"]


def test_an_error_in_the_envelope_is_told() -> None:
    with pytest.raises(Unavailable, match="alternative_me says: too many"):
        parse_fear_greed(_answer(error="too many"), TODAY)


@given(JSON)
def test_whatever_comes_is_malformed_or_refused(answer: object) -> None:
    with pytest.raises(Malformed):
        parse_fear_greed(answer, TODAY)
    found = parse_fear_greed({"data": [answer, GOOD]}, TODAY)
    assert FearGreed(date(2019, 2, 26), 40, "Fear") in found.rows
    assert all(FIRST_DAY <= one.observed_on <= TODAY for one in found.rows)
