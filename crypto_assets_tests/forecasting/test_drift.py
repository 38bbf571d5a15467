"""How far a window lies from training: indices that can be computed by hand, and verdicts in words."""

import json
import math
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crypto_assets.forecasting.declaration import Retrain
from crypto_assets.forecasting.drift import MIN_ROWS, InputReference, Reference, judge, ks, psi, reference
from crypto_assets.forecasting.frame import Frame, FrameRefused, SeriesName

NAN = math.nan
RULES = Retrain(max_psi=0.25, max_drifted_share=0.3, max_error_ratio=1.5)
UNKNOWN = (NAN, NAN)


def frame_of(**inputs: NDArray[np.float64]) -> Frame:
    """Hourly decisions of one series with these inputs."""
    count = len(next(iter(inputs.values())))
    decided = np.datetime64("2026-01-01", "us") + np.arange(count) * np.timedelta64(1, "h")
    unknown = np.full(count, NAN)
    return Frame(
        tuple(inputs),
        (SeriesName("ethereum", "base_fee"),),
        np.zeros(count, dtype=np.int64),
        decided.astype("datetime64[us]"),
        np.stack(list(inputs.values()), axis=1).astype(np.float32),
        np.ones(count),
        unknown,
        np.full(count, np.datetime64("NaT"), "datetime64[us]"),
    )


def all_of(frame: Frame) -> NDArray[np.int64]:
    return np.arange(len(frame), dtype=np.int64)


def held(names: str) -> Reference:
    """A reference whose windows were all like the whole."""
    return Reference(1000, tuple(InputReference(name, (0.5,), (0.5, 0.5, 0.0), 0.0) for name in names))


RISING = frame_of(x=np.arange(1000.0))  # a tenth of it in each decile
THEN = reference(RISING, all_of(RISING))


def test_what_was_learned_from_lies_at_zero() -> None:
    assert psi(THEN, RISING, all_of(RISING)) == {"x": 0.0}
    assert ks(THEN, RISING, all_of(RISING)) == {"x": 0.0}


def test_a_window_in_the_outer_deciles_alone_has_the_index_of_the_formula() -> None:
    outer = frame_of(x=np.repeat([5.0, 995.0], 50))
    # Two bins from a tenth to a half, eight from a tenth to nothing, which counts as a ten-thousandth.
    by_hand = 2 * (0.5 - 0.1) * math.log(5) + 8 * (1e-4 - 0.1) * math.log(1e-3)
    assert psi(THEN, outer, all_of(outer))["x"] == pytest.approx(by_hand)
    assert ks(THEN, outer, all_of(outer))["x"] == pytest.approx(0.4)


def test_an_input_that_falls_silent_has_drifted() -> None:
    silent = frame_of(x=np.full(100, NAN))
    found = psi(THEN, silent, all_of(silent))
    assert found["x"] > 10 * (0.1 - 1e-4) * math.log(1000) - 1e-9
    assert math.isnan(ks(THEN, silent, all_of(silent))["x"])
    assert judge(THEN, found, UNKNOWN, RULES).drifted == ("x",)


def test_an_input_that_was_never_known_and_is_not_now_stands_still() -> None:
    never = frame_of(x=np.full(100, NAN))
    assert psi(reference(never, all_of(never)), never, all_of(never)) == {"x": 0.0}


def test_too_few_rows_tell_nothing() -> None:
    rows = np.arange(MIN_ROWS - 1, dtype=np.int64)
    found = psi(THEN, RISING, rows)
    assert math.isnan(found["x"])
    verdict = judge(THEN, found, UNKNOWN, RULES)
    assert not verdict.is_over
    assert verdict.told() == "too few rows to compare inputs; no truth out of sample yet"


def test_a_slow_input_is_held_to_its_own_weeks_and_a_quick_one_to_the_bound() -> None:
    hours = np.arange(24 * 7 * 12)
    slow = np.sin(2 * np.pi * hours / (24 * 7 * 6))  # a wave of six weeks: no week looks like all twelve
    quick = np.sin(2 * np.pi * hours / 24)
    wavy = frame_of(slow=slow, quick=quick)
    told = reference(wavy, all_of(wavy), timedelta(days=7))
    usual = {one.name: one.usual for one in told.inputs}
    assert usual["slow"] > 1
    assert usual["quick"] < 0.05
    one_week = np.arange(24 * 7, dtype=np.int64)
    found = psi(told, wavy, one_week)
    assert found["slow"] > RULES.max_psi
    assert judge(told, found, UNKNOWN, RULES).drifted == ()
    shifted = frame_of(slow=slow[:168], quick=quick[:168] + 0.5)
    assert judge(told, psi(told, shifted, all_of(shifted)), UNKNOWN, RULES).drifted == ("quick",)


def test_without_four_windows_of_training_nothing_is_usual() -> None:
    three = frame_of(x=np.arange(24.0 * 7 * 3))
    assert reference(three, all_of(three), timedelta(days=7)).inputs[0].usual == 0


def test_the_verdict_looks_at_the_share_of_inputs_and_at_the_error() -> None:
    four = held("abcd")
    one = judge(four, {"a": 0.3, "b": 0.1, "c": 0.0, "d": 0.25}, (0.012, 0.010), RULES)
    assert (one.drifted, one.share, one.is_over) == (("a",), 0.25, False)
    assert one.told() == "25% of inputs drifted (bound 30%): a 0.30; error 1.20 times validation's (bound 1.5)"
    two = judge(four, {"a": 0.3, "b": 0.9, "c": 0.0, "d": NAN}, UNKNOWN, RULES)
    assert (two.drifted, two.is_over) == (("b", "a"), True)  # two of the three that could be told
    assert two.share == pytest.approx(2 / 3)
    worse = judge(four, dict.fromkeys("abcd", 0.0), (0.016, 0.010), RULES)
    assert worse.is_over
    assert worse.told() == "0% of inputs drifted (bound 30%); error 1.60 times validation's (bound 1.5)"
    assert not judge(four, dict.fromkeys("abcd", 0.0), (0.015, 0.010), RULES).is_over  # at the bound is within it


def test_a_sentence_names_five_inputs_and_counts_the_rest() -> None:
    said = judge(held("abcdefgh"), {name: 1.0 + place for place, name in enumerate("abcdefgh")}, UNKNOWN, RULES).told()
    assert ": h 8.00, g 7.00, f 6.00, e 5.00, d 4.00 and 3 more;" in said


def test_inputs_that_are_gone_are_named() -> None:
    with pytest.raises(FrameRefused, match=r"without x\. Train the forecast anew"):
        psi(THEN, frame_of(y=np.arange(100.0)), all_of(RISING)[:100])


def test_what_is_no_reference_is_refused() -> None:
    for told in (None, {}, {"rows": 3, "inputs": {"x": {"edges": [], "shares": "?"}}}, "text"):
        with pytest.raises(FrameRefused, match="Train the forecast anew"):
            Reference.of_json(told)
    with pytest.raises(FrameRefused, match="got none"):
        reference(RISING, np.zeros(0, dtype=np.int64))


@settings(max_examples=40)
@given(
    st.lists(st.one_of(st.just(NAN), st.floats(-1e6, 1e6, width=32)), min_size=1, max_size=300),
    st.lists(st.one_of(st.just(NAN), st.floats(-1e6, 1e6, width=32)), min_size=MIN_ROWS, max_size=200),
)
def test_shares_add_up_the_index_is_never_negative_and_json_brings_all_back(
    then: list[float], now: list[float]
) -> None:
    old, new = frame_of(x=np.array(then)), frame_of(x=np.array(now))
    told = reference(old, all_of(old))
    [one] = told.inputs
    assert len(one.shares) == len(one.edges) + 2
    assert sum(one.shares) == pytest.approx(1)
    assert psi(told, new, all_of(new))["x"] >= 0
    assert Reference.of_json(json.loads(json.dumps(told.as_json()))) == told
