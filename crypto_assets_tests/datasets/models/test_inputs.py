"""Lags of a quantity and the calendar, by hand."""

from datetime import datetime

import numpy as np
import pytest

from crypto_assets.datasets.models.inputs import CALENDAR_INPUTS, OWN_INPUTS, calendar_inputs, own_inputs


def test_changes_deviations_and_volatility_of_a_quantity_that_doubles_each_hour() -> None:
    levels = 2.0 ** np.arange(200)
    told = own_inputs(levels, np.full(200, 0.5))
    two = np.log(2)
    assert tuple(told) == OWN_INPUTS
    assert told["level_log"][3] == pytest.approx(3 * two)
    assert told["level_age_hours"][3] == 0.5
    assert np.isnan(told["change_4h"][3])
    assert [told[f"change_{hours}h"][199] for hours in (1, 4, 24)] == pytest.approx([two, 4 * two, 24 * two])
    # The mean of 0, 1 … 23 hours ago lies 11.5 hours back.
    assert told["deviation_24h"][199] == pytest.approx(11.5 * two)
    assert told["deviation_168h"][199] == pytest.approx(83.5 * two)
    assert told["volatility_24h"][199] == pytest.approx(two)


def test_a_mean_needs_half_of_its_hours() -> None:
    levels = np.full(48, np.nan)
    levels[:11] = 7
    assert np.isnan(own_inputs(levels, levels)["deviation_24h"]).all()
    levels[11] = 7
    told = own_inputs(levels, levels)["deviation_24h"]
    assert np.flatnonzero(np.isfinite(told)).tolist() == [11]
    assert told[11] == 0


def test_no_digit_depends_on_where_the_grid_begins() -> None:
    levels = np.exp(np.random.default_rng(1).normal(0, 3, 3000))
    whole, part = own_inputs(levels, levels), own_inputs(levels[1000:], levels[1000:])
    for name in OWN_INPUTS:
        assert np.array_equal(whole[name][1200:], part[name][200:]), name


def test_the_calendar_turns_once_a_day_and_once_a_week_from_monday() -> None:
    told = calendar_inputs(
        np.array(["2024-01-01T00:00", "2024-01-01T06:00", "2024-01-04T12:00"], dtype="datetime64[us]")
    )
    assert datetime(2024, 1, 1).weekday() == 0  # noqa: DTZ001 - of the calendar alone
    assert tuple(told) == CALENDAR_INPUTS
    assert told["hour_of_day_sin"] == pytest.approx([0, 1, 0], abs=1e-12)
    assert told["hour_of_day_cos"] == pytest.approx([1, 0, -1], abs=1e-12)
    assert told["day_of_week_cos"] == pytest.approx([1, np.cos(np.pi / 14), -1], abs=1e-12)
