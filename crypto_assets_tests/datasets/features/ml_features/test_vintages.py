"""Values of periods in their editions, against the obvious loop, and against knowing the future."""

from datetime import date, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.datasets.features.ml_features.macro import MACRO_COLUMNS, SERIES, macro_columns
from crypto_assets.datasets.features.ml_features.pool_totals import Grid
from crypto_assets.datasets.features.ml_features.vintages import (
    NO_PERIOD,
    Told,
    Vintages,
    months_before,
    told_at_closes,
)

DAY = 86_400_000_000
type Row = tuple[int, int, int, float | None]  # period, when it was known, edition, value

_VALUE = st.one_of(st.none(), st.floats(1, 9))
_ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30), st.integers(0, 3), _VALUE), max_size=25)


def _vintages(rows: list[Row]) -> Vintages:
    period, known, edition = (np.array([row[place] for row in rows], dtype=np.int64) for place in range(3))
    return Vintages(period, known, edition, np.array([np.nan if row[3] is None else row[3] for row in rows]))


def _loop(rows: list[Row], moment: int) -> dict[int, float | None]:
    """By period, what the newest edition says that is known at a moment; of equal ones that known last."""
    found: dict[int, tuple[int, int, float | None]] = {}
    for period, known, edition, value in rows:
        if known <= moment and found.get(period, (-1, -1, None))[:2] <= (edition, known):
            found[period] = (edition, known, value)
    return {period: value for period, (_, _, value) in found.items()}


@given(_ROWS, st.integers(-1, 31))
def test_what_is_known_at_a_moment_equals_a_loop_over_everything(rows: list[Row], moment: int) -> None:
    rows = list({row[:3]: row for row in rows}.values())  # an edition of a period is told once at a time
    vintages, known = _vintages(rows), _loop(rows, moment)
    # What something newer had not forestalled when it came.
    told = [row[0] for row in rows if row[1] <= moment and row[3] is not None and _loop(rows, row[1])[row[0]] == row[3]]
    assert vintages.newest(np.array([moment])).tolist() == [max(told, default=NO_PERIOD)]
    values = vintages.at(np.arange(-1, 7), np.full(8, moment))
    expected = [np.nan if known.get(period) is None else known[period] for period in range(-1, 7)]
    np.testing.assert_array_equal(values, np.array(expected, dtype=np.float64))


def test_the_first_value_of_a_period_is_that_known_first() -> None:
    vintages = _vintages([(1, 5, 0, None), (1, 9, 1, 2.0), (1, 12, 2, 3.0), (1, 20, 3, None), (3, 7, 0, 4.0)])
    assert vintages.first_known(np.array([0, 1, 2, 3])).tolist() == [0, 9, 0, 7]
    assert vintages.newest(np.array([6, 7, 9, 30])).tolist() == [NO_PERIOD, 3, 3, 3]
    np.testing.assert_array_equal(
        vintages.at(np.ones(5, np.int64), np.array([8, 9, 12, 19, 20])), [np.nan, 2, 3, 3, np.nan]
    )


@given(_ROWS, st.integers(0, 30))
def test_editions_known_later_change_nothing(rows: list[Row], moment: int) -> None:
    moments, periods = np.arange(moment + 1), np.arange(6)
    whole, then = _vintages(rows), _vintages([row for row in rows if row[1] <= moment])
    np.testing.assert_array_equal(whole.newest(moments), then.newest(moments))
    for period in periods:
        asked = np.full(len(moments), period)
        np.testing.assert_array_equal(whole.at(asked, moments), then.at(asked, moments))


_MACRO_ROW = st.tuples(
    st.sampled_from(sorted(SERIES)), st.integers(0, 30), st.integers(0, 900), st.integers(0, 4), st.floats(1, 9)
)


@given(st.lists(_MACRO_ROW, max_size=60), st.integers(0, 80))
def test_no_macro_column_changes_when_vintages_known_later_are_deleted_or_added(
    rows: list[tuple[str, int, int, int, float]], place: int
) -> None:
    """Months, quarters and days of 2020 to 2022, each told at some hour of those years; a close every ten days."""
    start = int(np.datetime64("2020-01-01", "D").astype(np.int64))
    grid = Grid(start * DAY, 10 * DAY, 110)

    def columns(known_by: int) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
        told: dict[str, list[Row]] = {}
        for series_id, number, known, edition, value in rows:
            one = SERIES[series_id]
            period = date(2020 + number * one.months // 12, 1 + number * one.months % 12, 1)
            day = (period + timedelta(days=0 if one.months else number * 13)).toordinal() - 719_163
            if (start + known) * DAY <= known_by:
                told.setdefault(series_id, []).append((day, (start + known) * DAY, edition, value))
        return macro_columns({name: _vintages(found) for name, found in told.items()}, grid)

    whole, then = columns(2**62), columns(grid.first + place * grid.step)
    assert set(whole) == set(then) == set(MACRO_COLUMNS)
    for name, values in whole.items():
        np.testing.assert_array_equal(values[: place + 1], then[name][: place + 1], err_msg=name)


def test_a_value_counts_until_its_period_is_too_old() -> None:
    vintages, grid = _vintages([(0, DAY, 0, 5.0)]), Grid(DAY // 2, DAY // 2, 8)

    def tell(moments: np.ndarray) -> Told:  # type: ignore[type-arg]
        newest = vintages.newest(moments)
        return Told(newest, {"value": vintages.at(newest, moments)})

    told = told_at_closes(grid, vintages, tell, timedelta(days=2))["value"]
    np.testing.assert_array_equal(told, [np.nan, 5, 5, 5, np.nan, np.nan, np.nan, np.nan])
    less = told_at_closes(grid, vintages, tell, timedelta(days=2) - timedelta(microseconds=1))["value"]
    np.testing.assert_array_equal(less, [np.nan, 5, 5, np.nan, np.nan, np.nan, np.nan, np.nan])


def test_months_are_counted_by_the_calendar() -> None:
    first = np.array(["2024-03-01", "2024-01-01"], dtype="datetime64[D]").astype(np.int64)
    before = months_before(first, 12).view("datetime64[D]").astype(str).tolist()
    assert before == ["2023-03-01", "2023-01-01"]
