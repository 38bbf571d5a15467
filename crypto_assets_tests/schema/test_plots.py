"""The price line: coordinates that can be checked by hand."""

import base64
import math

from crypto_assets.schema.plots import HEIGHT, MARGIN, WIDTH, data_uri, sparkline_svg


def test_the_line_runs_from_left_to_right_and_from_lowest_to_highest() -> None:
    svg = sparkline_svg([1, 3, 2], title="x")
    bottom, top, middle = HEIGHT - MARGIN, MARGIN, HEIGHT / 2
    assert f'points="{MARGIN}.0,{bottom}.0 {WIDTH / 2},{top}.0 {WIDTH - MARGIN}.0,{middle}"' in svg


def test_a_flat_line_and_gaps_in_the_numbers_are_drawn_too() -> None:
    assert "polyline" in sparkline_svg([5, 5, 5], title="flat")
    assert sparkline_svg([1, math.nan, 2], title="x") == sparkline_svg([1, 2], title="x")


def test_there_is_no_line_through_one_point() -> None:
    assert sparkline_svg([1], title="x") == sparkline_svg([], title="x") == ""


def test_a_title_cannot_bring_markup_and_the_uri_reads_back() -> None:
    svg = sparkline_svg([1, 2], title="<script>")
    assert "<script>" not in svg
    assert base64.b64decode(data_uri(svg).split(",")[1]).decode() == svg
