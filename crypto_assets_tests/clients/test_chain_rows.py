"""What a number and a day must be to be believed."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.clients.chain_rows import (
    FIRST_DAY,
    LARGEST,
    UNREADABLE,
    DayValue,
    day_of_epoch,
    day_of_iso,
    number_of,
    once_a_day,
)

TODAY = date(2026, 3, 10)


@given(st.floats(min_value=0, max_value=LARGEST, allow_nan=False))
def test_a_number_reads_back_as_itself_written_as_json_or_as_text(value: float) -> None:
    assert number_of(value, "n") == value
    assert number_of(repr(value), "n") == value


@pytest.mark.parametrize(
    "value",
    ["NaN", "nan", "Infinity", "-Infinity", "", " 1", "1_000", "١٢", "0x10", "1e400", "9" * 200, "-1", -0.5, float("nan"),
     float("inf"), 1e31, True, [1], {"v": 1}, "1\x00"],
)  # fmt: skip
def test_what_is_no_number_of_a_chain_is_refused(value: object) -> None:
    with pytest.raises(UNREADABLE):
        number_of(value, "n")


def test_null_is_not_known() -> None:
    assert number_of(None, "n") is None


@given(st.dates(min_value=FIRST_DAY, max_value=TODAY), st.integers(0, 86_399))
def test_seconds_and_milliseconds_name_the_same_day(day: date, second: int) -> None:
    seconds = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) + second
    assert (
        day_of_epoch(seconds, TODAY) == day_of_epoch(seconds * 1000, TODAY) == day_of_epoch(str(seconds), TODAY) == day
    )


@pytest.mark.parametrize("value", [0, 1e17, -1, None, True, "soon", 1_900_000_000, float("nan")])
def test_seconds_before_the_first_chain_or_in_the_future_are_refused(value: object) -> None:
    with pytest.raises(UNREADABLE):
        day_of_epoch(value, TODAY)


def test_nanoseconds_of_coin_metrics_are_read_and_a_time_without_zone_is_not() -> None:
    assert day_of_iso("2026-03-01T00:00:00.000000000Z", TODAY) == date(2026, 3, 1)
    for text in ("2026-03-01T00:00:00", "2026-03-11T00:00:00Z", "1999-01-01T00:00:00Z", "yesterday", 5):
        with pytest.raises(UNREADABLE):
            day_of_iso(text, TODAY)


def test_the_same_day_again_counts_once_and_another_value_is_refused() -> None:
    one, other = DayValue("m", TODAY, 1.0), DayValue("m", TODAY, 2.0)
    found = once_a_day([(one, "a"), (one, "b"), (other, "c")], [])
    assert list(found.rows) == [one]
    assert [refused.payload for refused in found.refused] == ["c"]
