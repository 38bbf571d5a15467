"""The last tenth of time, and what was known before it: rows that can be counted by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from crypto_assets.forecasting.frame import FrameRefused
from crypto_assets.forecasting.training_rows import by_time, learnable, same_inputs
from crypto_assets_tests.forecasting.planted import HOUR, planted


def test_the_last_tenth_is_of_time_and_no_outcome_of_the_rest_reaches_into_it() -> None:
    frame = planted(200, series=2)
    frame = replace(frame, target_known_at=frame.decided_at + 4 * HOUR)
    parts = by_time(frame, frame.usable())
    assert parts.stop.tolist() == [*range(180, 200), *range(380, 400)]
    # Hour 176 is known at 180, when the last tenth begins; 177 to 179 are known in it and in neither part.
    assert parts.learn.tolist() == [*range(177), *range(200, 377)]


def test_a_history_that_is_too_short_to_stop_on_is_learned_whole() -> None:
    frame = planted(100)
    parts = by_time(frame, frame.usable())
    assert parts.learn.tolist() == list(range(100))
    assert len(parts.stop) == 0


def test_rows_are_learned_in_order_where_quantity_and_target_are_known() -> None:
    frame = planted(40)
    frame.now[0], frame.target[1] = np.nan, np.nan
    assert learnable(frame, np.arange(40)[::-1]).tolist() == list(range(2, 40))


def test_an_input_that_is_null_everywhere_is_named_unless_it_may_be() -> None:
    frame = planted(40)
    frame.inputs[:, 1] = np.nan
    with pytest.raises(FrameRefused, match="Every value is null in the input noise"):
        learnable(frame, np.arange(40))
    assert len(learnable(frame, np.arange(40), ("noise",))) == 40


def test_of_many_inputs_that_are_missing_the_first_are_named() -> None:
    names = tuple(f"x{number}" for number in range(12))
    frame = replace(planted(2), names=names, inputs=np.zeros((2, 12), np.float32))
    with pytest.raises(FrameRefused, match="lacks a and has x0, x1, x2, x3, x4, x5, x6, x7 and 4 more besides"):
        same_inputs(frame, ("a",))
    same_inputs(frame, names)
