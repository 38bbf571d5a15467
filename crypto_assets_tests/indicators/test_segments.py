"""Holes: what is filled in, where series are cut, and what each class of indicators does there."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_assets.indicators.catalog import GROUPS, INDICATORS
from crypto_assets.indicators.declaration import Bars, Floats, Kind
from crypto_assets.indicators.segments import NO_SPANS, Spans, compute_groups, join_quiet
from crypto_assets_tests.markets import HOUR, START, moment, walk, without

STEP = np.timedelta64(1, "h")


def _span(start: int, stop: int) -> Spans:
    """Hours [start, stop) since the walk's start."""
    return Spans.of(np.array([moment(START) + start * STEP]), np.array([moment(START) + stop * STEP]))


def test_an_unnamed_hole_cuts_every_class() -> None:
    market = join_quiet(without(walk(600), (300, 302)), HOUR)
    assert market.breaks.tolist() == [300]
    assert market.trade_breaks.tolist() == [300]
    computed = compute_groups(market, GROUPS)
    for one in INDICATORS.values():
        if one.kind in {Kind.WINDOW, Kind.RECURSIVE}:
            assert np.isnan(computed[one.name][300 : 300 + one.warm_up]).all(), one.name
    assert np.isfinite(computed["sma_20"][319])
    assert computed["obv"][300] == market.bars.volume[300]


def test_behind_a_hole_values_are_those_of_a_new_series() -> None:
    whole = without(walk(600), (300, 302))
    joined = compute_groups(join_quiet(whole, HOUR), GROUPS)
    alone = compute_groups(join_quiet(whole.part(300, len(whole)), HOUR), GROUPS)
    for name, values in alone.items():
        np.testing.assert_array_equal(joined[name][300:], values, err_msg=name)


def test_quiet_hours_count_as_flat_bars_without_volume_and_get_no_row() -> None:
    bars = walk(600)
    market = join_quiet(without(bars, (300, 303)), HOUR, quiet=_span(300, 303))
    assert market.breaks.tolist() == []
    assert np.flatnonzero(~market.is_stored).tolist() == [300, 301, 302]
    assert (market.bars.close[300:303] == bars.close[299]).all()
    assert (market.bars.volume[300:303] == 0).all()
    assert (np.diff(market.bars.opened_at) == STEP).all()
    computed = compute_groups(market, GROUPS)
    assert np.isfinite(computed["rsi_14"][299:400]).all()
    assert computed["sma_20"][303] == pytest.approx(
        (bars.close[284:300].sum() + 3 * bars.close[299] + bars.close[303]) / 20
    )


def test_a_hole_that_is_quiet_in_part_is_a_hole() -> None:
    market = join_quiet(without(walk(600), (300, 303)), HOUR, quiet=_span(300, 302))
    assert market.breaks.tolist() == [300]
    assert market.is_stored.all()


def test_an_outage_cuts_windows_and_averages_but_no_sums() -> None:
    bars = without(walk(600), (300, 303))
    market = join_quiet(bars, HOUR, outage=_span(300, 303))
    assert market.breaks.tolist() == [300]
    assert market.trade_breaks.tolist() == []
    computed = compute_groups(market, GROUPS)
    assert np.isnan(computed["ema_12"][300])
    rose = bars.close[300] > bars.close[299]
    assert computed["obv"][300] == computed["obv"][299] + (bars.volume[300] if rose else -bars.volume[300])
    day = slice(288, 301)  # the outage's day from its midnight on, less the hours without trades
    paid = np.sum(bars.typical[day] * bars.volume[day]) / np.sum(bars.volume[day])
    assert computed["vwap_day"][300] == pytest.approx(paid, rel=1e-12)


def test_a_days_price_is_withheld_where_trades_of_that_day_are_missing() -> None:
    market = join_quiet(without(walk(600), (300, 302)), HOUR)  # hours 12 and 13 of a day
    vwap = compute_groups(market, GROUPS)["vwap_day"]
    assert np.isfinite(vwap[299])
    assert np.isnan(vwap[300:310]).all()
    assert vwap[310] == pytest.approx(market.bars.typical[310], rel=1e-12)


@settings(max_examples=80, deadline=None)
@given(
    holes=st.lists(st.tuples(st.integers(1, 180), st.integers(1, 12)), max_size=6),
    quiet=st.lists(st.tuples(st.integers(0, 190), st.integers(1, 20)), max_size=5),
)
def test_every_hole_is_filled_whole_or_cut_and_stored_bars_stay(
    holes: list[tuple[int, int]], quiet: list[tuple[int, int]]
) -> None:
    bars = without(walk(200), *((at, min(at + length, 199)) for at, length in holes))
    first = moment(START)
    spans = Spans.of(
        np.array([first + at * STEP for at, _ in quiet], "datetime64[us]"),
        np.array([first + (at + length) * STEP for at, length in quiet], "datetime64[us]"),
    )
    market = join_quiet(bars, HOUR, spans)
    stored = market.bars.opened_at[market.is_stored]
    np.testing.assert_array_equal(stored, bars.opened_at)
    jumps = np.flatnonzero(np.diff(market.bars.opened_at) != STEP) + 1
    np.testing.assert_array_equal(jumps, market.breaks)
    hours = {int((at - first) / STEP) for at in market.bars.opened_at[~market.is_stored]}
    named = {hour for at, length in quiet for hour in range(at, at + length)}
    assert hours <= named
    age = market.age()
    assert (age[market.breaks] == 0).all()
    assert ((np.diff(age) == 1) | (age[1:] == 0)).all()


def test_spans_that_touch_or_overlap_become_one() -> None:
    at = [moment(START) + hour * STEP for hour in (5, 0, 2, 3)]
    until = [moment(START) + hour * STEP for hour in (6, 3, 4, 5)]
    spans = Spans.of(np.array(at), np.array(until))
    assert [
        (int((a - at[1]) / STEP), int((b - at[1]) / STEP)) for a, b in zip(spans.starts, spans.ends, strict=True)
    ] == [(0, 6)]
    assert NO_SPANS.covered(np.array(at), np.array(until)).tolist() == [False] * 4


def test_an_empty_market_has_empty_columns() -> None:
    nothing: Floats = np.zeros(0)
    empty = Bars(np.zeros(0, "datetime64[us]"), nothing, nothing, nothing, nothing, nothing)
    assert all(len(values) == 0 for values in compute_groups(join_quiet(empty, HOUR), GROUPS).values())
