"""Pictures of a validation: coordinates that can be checked by hand, and the same text for the same numbers."""

import math
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from crypto_assets.forecasting.charts import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    calibration_svg,
    folds_svg,
    residuals_svg,
)
from crypto_assets_tests.forecasting.reports import REPORT, fold

PLOT_HEIGHT = HEIGHT - TOP - BOTTOM
SVG = "{http://www.w3.org/2000/svg}"


def rows(svg: str, tag: str) -> list[dict[str, str]]:
    return [one.attrib for one in ET.fromstring(svg).iter(f"{SVG}{tag}")]  # noqa: S314 - our own picture


def test_what_came_stands_over_what_was_promised() -> None:
    points = [(float(one["cx"]), float(one["cy"])) for one in rows(calibration_svg(REPORT), "circle")]
    width = WIDTH - LEFT - RIGHT
    assert points[1] == (LEFT + width / 2, TOP + PLOT_HEIGHT / 2)  # half and half: the middle of the diagonal
    assert points[0] == pytest.approx((LEFT + 0.1 * width, HEIGHT - BOTTOM - 0.2 * PLOT_HEIGHT))
    assert "promised 90%, came 80.0%" in calibration_svg(REPORT)


def test_the_tallest_bar_of_residuals_fills_the_plot_and_others_are_in_proportion() -> None:
    bars = rows(residuals_svg(REPORT), "rect")
    assert [float(one["height"]) for one in bars] == [PLOT_HEIGHT / 2, PLOT_HEIGHT, PLOT_HEIGHT / 4]
    assert "0 to 1: 20" in residuals_svg(REPORT)


def test_each_fold_shows_the_model_beside_the_best_baseline() -> None:
    bars = rows(folds_svg(REPORT), "rect")[:4]
    assert [float(one["height"]) for one in bars] == [PLOT_HEIGHT / 4, PLOT_HEIGHT / 2, PLOT_HEIGHT / 2, PLOT_HEIGHT]
    assert "fold 2, drift: 2" in folds_svg(REPORT)


def test_a_fold_in_which_nothing_was_said_has_no_bar_of_the_model() -> None:
    silent = replace(REPORT, folds=[fold(1, math.nan, 1.0)])
    assert len(rows(folds_svg(silent), "rect")) == 1 + 2  # the baseline's, and the legend


def test_nothing_is_drawn_where_nothing_was_judged() -> None:
    nothing = replace(REPORT, folds=[], calibration=[(0.1, math.nan)], residual_bins=[], residual_counts=[], rows=0)
    assert calibration_svg(nothing) == residuals_svg(nothing) == folds_svg(nothing) == ""


def test_names_bring_no_markup_and_the_same_numbers_give_the_same_text() -> None:
    hostile = replace(REPORT, forecast="<script>", learner="<b>&")
    for draw in (calibration_svg, residuals_svg, folds_svg):
        assert "<script>" not in draw(hostile)
        assert draw(hostile) == draw(replace(hostile))
        ET.fromstring(draw(hostile))  # noqa: S314 - our own picture
