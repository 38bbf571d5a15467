"""What validation says of learners of whom it is known what they know."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from crypto_assets.forecasting.control import planted, planted_frame, planted_skill, random_walk, random_walk_frame
from crypto_assets.forecasting.declaration import Forecast, Promotion
from crypto_assets.forecasting.frame import Floats, Frame, FrameRefused, Rows
from crypto_assets.forecasting.learner import Forecasts
from crypto_assets.forecasting.splits import Fold
from crypto_assets.forecasting.validation import LooksAhead, block_hours, validate
from crypto_assets.forecasting.validation_report import ReportUnreadable, Validation

SIGMA = 0.01
STRENGTH = 0.8
FRAME = planted_frame(11, STRENGTH, series=3, hours=400)


@dataclass(frozen=True)
class Said:
    """A learner that learned nothing, and says what a function makes of a frame's rows."""

    middle: Callable[[Frame, Rows], Floats]
    half: float = 1.2816 * SIGMA * math.sqrt(1 - STRENGTH**2)

    @property
    def name(self) -> str:
        return "said"

    def fit(self, forecast: Forecast, frame: Frame, rows: Rows) -> Said:  # noqa: ARG002 - as every learner
        return self

    def predict(self, frame: Frame, rows: Rows) -> Forecasts:
        middle = self.middle(frame, rows)
        return Forecasts(middle, middle - self.half, middle + self.half)


def _perfect(frame: Frame, rows: Rows) -> Floats:
    return SIGMA * STRENGTH * frame.inputs[rows, 0].astype(np.float64)


def _zero(frame: Frame, rows: Rows) -> Floats:
    return np.zeros(len(rows))


PERFECT = Said(_perfect)


@pytest.fixture(scope="module")
def found() -> Validation:
    return validate(planted(), FRAME, PERFECT)


def test_a_perfect_forecaster_has_the_skill_that_was_planted(found: Validation) -> None:
    assert planted_skill(STRENGTH) == pytest.approx(0.4)
    assert found.has_skill
    assert found.skill_low < 0.4 < found.skill_high
    assert found.verdict == (
        f"skill {100 * found.skill:.1f} % over {found.best_baseline}"
        f" (90 %: {100 * found.skill_low:.1f} … {100 * found.skill_high:.1f})"
    )


def test_numbers_of_the_whole_are_what_they_say(found: Validation) -> None:
    # 399 hours with an outcome: five folds of 66 hours, of three series each.
    assert (found.forecast, found.learner, found.rows, found.silent, found.hours) == ("planted_1h", "said", 990, 0, 330)
    tested = np.concatenate([np.arange(69, 399) + 400 * code for code in range(3)])
    truth, said = FRAME.target[tested], _perfect(FRAME, tested)
    assert found.error == pytest.approx(np.abs(truth - said).mean())
    assert found.baselines["zero_change"] == pytest.approx(np.abs(truth).mean())
    assert found.baselines["ewma_volatility"] == found.baselines["zero_change"]
    assert found.best_baseline == min(found.baselines, key=lambda name: found.baselines[name])
    assert found.skill == pytest.approx(1 - found.error / found.baselines[found.best_baseline])
    assert found.directional_accuracy == pytest.approx((np.sign(truth) == np.sign(said)).mean())
    assert found.directional_low < found.directional_accuracy < found.directional_high
    assert found.block_hours == 24


def test_intervals_are_judged_beside_those_of_ewma_volatility(found: Validation) -> None:
    assert found.coverage == pytest.approx(0.8, abs=0.05)
    assert [level for level, _ in found.calibration] == [0.1, 0.5, 0.9]
    assert [share for _, share in found.calibration] == pytest.approx([0.1, 0.5, 0.9], abs=0.04)
    assert found.pinball["0.5"] == pytest.approx(found.error / 2)
    assert found.ewma_pinball["0.5"] == pytest.approx(found.baselines["ewma_volatility"] / 2)
    assert all(found.pinball[level] < found.ewma_pinball[level] for level in ("0.1", "0.5", "0.9"))


def test_residuals_are_truth_less_forecast(found: Validation) -> None:
    assert sum(found.residual_counts) == found.rows
    assert len(found.residual_bins) == len(found.residual_counts) + 1
    assert found.residual_bins[0] == pytest.approx(found.residual_quantiles["0.01"])
    assert found.residual_quantiles["0.5"] == pytest.approx(0, abs=0.001)
    assert found.residual_quantiles["0.9"] == pytest.approx(PERFECT.half, rel=0.15)
    high = validate(planted(), FRAME, Said(lambda frame, rows: _perfect(frame, rows) + 1))
    assert high.residual_quantiles["0.5"] == pytest.approx(found.residual_quantiles["0.5"] - 1)


def test_folds_add_up_to_the_whole(found: Validation) -> None:
    assert [fold.number for fold in found.folds] == [1, 2, 3, 4, 5]
    assert [fold.rows for fold in found.folds] == [198] * 5
    assert np.mean([fold.mae for fold in found.folds]) == pytest.approx(found.error)
    assert np.mean([fold.pinball90 for fold in found.folds]) == pytest.approx(found.pinball["0.9"])
    for name, error in found.baselines.items():
        assert np.mean([fold.baselines[name] for fold in found.folds]) == pytest.approx(error)
    first = found.folds[0]
    # The first decision judged is that of the 69th hour; learned from are 68 hours of three series less purge and embargo.
    assert first.test_from.isoformat() == "2024-01-03T21:00:00+00:00"
    assert first.train_rows == 3 * 68
    assert all(fold.directional_low < fold.directional_accuracy < fold.directional_high for fold in found.folds)


def test_each_series_is_held_against_its_own_best_baseline(found: Validation) -> None:
    assert [str(score.series) for score in found.series] == ["control 000", "control 001", "control 002"]
    assert np.mean([score.mae for score in found.series]) == pytest.approx(found.error)
    for code, score in enumerate(found.series):
        rows = np.arange(69, 399) + 400 * code
        assert score.rows == 330
        assert score.mae == pytest.approx(np.abs(FRAME.target[rows] - _perfect(FRAME, rows)).mean())
        assert score.baseline_mae <= np.abs(FRAME.target[rows]).mean()
        assert score.skill == pytest.approx(1 - score.mae / score.baseline_mae)


def test_the_same_seed_gives_the_same_report(found: Validation) -> None:
    assert validate(planted(), FRAME, PERFECT) == found
    assert validate(planted(), FRAME, PERFECT, seed=1).skill_low != found.skill_low


def test_who_says_what_the_baseline_says_has_no_skill() -> None:
    found = validate(planted(), FRAME, Said(_zero))
    assert not found.has_skill
    assert found.skill <= 0
    assert found.verdict.startswith("no skill: ")
    assert math.isnan(found.directional_accuracy)  # it never named a direction


def test_skill_below_the_bound_is_none() -> None:
    forecast = replace(planted(), promotion=Promotion(min_skill=0.5, reason="a test"))
    found = validate(forecast, FRAME, PERFECT)
    assert not found.has_skill
    assert found.skill_low > 0
    assert found.verdict.endswith("; the bound is 50.0 %")


def test_skill_that_may_be_chance_is_none() -> None:
    def once(frame: Frame, rows: Rows) -> Floats:
        hours = (frame.decided_at[rows] - frame.decided_at[0]) // np.timedelta64(1, "h")
        return np.where((hours >= 200) & (hours < 206), _perfect(frame, rows), 0)

    found = validate(planted(), FRAME, Said(once))
    assert found.skill > 0
    assert found.skill_low <= 0
    assert not found.has_skill
    assert found.verdict.endswith("; it may be chance")


def _except(share: float) -> Said:
    """Perfect, and silent on that share of hours."""

    def middle(frame: Frame, rows: Rows) -> Floats:
        hour = frame.decided_at[rows].astype("datetime64[h]").astype(np.int64)
        return np.where(hour % 100 < 100 * share, np.nan, _perfect(frame, rows))

    return Said(middle)


def test_a_model_that_is_silent_too_often_has_no_skill() -> None:
    found = validate(planted(), FRAME, _except(0.1))
    assert (found.rows + found.silent, found.silent) == (990, 3 * 30)
    assert sum(fold.silent for fold in found.folds) == sum(score.silent for score in found.series) == found.silent
    assert found.skill > 0.3
    assert not found.has_skill
    assert found.verdict.endswith("; silent on 9 % of the rows")


def test_a_model_that_is_silent_seldom_is_judged_on_what_it_said() -> None:
    found = validate(planted(), FRAME, _except(0.03))
    assert found.has_skill
    hours = FRAME.decided_at.astype("datetime64[h]").astype(np.int64) % 100
    rows = np.concatenate([np.arange(69, 399) + 400 * code for code in range(3)])
    rows = rows[hours[rows] >= 3]
    assert found.rows == len(rows)
    assert found.baselines["zero_change"] == pytest.approx(np.abs(FRAME.target[rows]).mean())


def test_a_model_that_says_nothing_has_no_skill_and_a_report() -> None:
    found = validate(planted(), FRAME, _except(1))
    assert (found.rows, found.silent, found.has_skill) == (0, 990, False)
    assert "silent on 100 % of the rows" in found.verdict
    json.dumps(found.as_json(), allow_nan=False)


def test_a_silent_baseline_is_taken_at_zero_change_and_counted(found: Validation) -> None:
    # A week ago is known from hour 167 on (for an hour ahead), and judged is from hour 69 on: 98 hours of three series.
    assert found.baselines_silent == {
        "zero_change": 0,
        "drift": 0,
        "seasonal_naive_24h": 0,
        "seasonal_naive_168h": 3 * 98,
        "ewma_volatility": 0,
    }


def test_nobody_is_shown_a_target_to_forecast() -> None:
    seen: list[tuple[set[int], set[int]]] = []

    class Looking(Said):
        def fit(self, forecast: Forecast, frame: Frame, rows: Rows) -> Said:  # noqa: ARG002 - as every learner
            seen.append((set(np.flatnonzero(np.isfinite(frame.target))), set(rows)))
            assert set(np.flatnonzero(~np.isnat(frame.target_known_at))) == set(rows)
            return self

        def predict(self, frame: Frame, rows: Rows) -> Forecasts:
            assert np.isnan(frame.target).all()
            return super().predict(frame, rows)

    validate(planted(), FRAME, Looking(_perfect))
    assert len(seen) == 5
    assert all(shown == learned for shown, learned in seen)


def test_a_learner_that_looks_ahead_is_caught() -> None:
    def ahead(frame: Frame, rows: Rows) -> Floats:
        return np.log(frame.now[np.minimum(rows + 1, len(frame) - 1)] / frame.now[rows])

    with pytest.raises(LooksAhead, match="Forecasts of said for decisions until 2024-01-16"):
        validate(planted(), FRAME, Said(ahead))


def test_other_folds_can_be_asked_for() -> None:
    def last_day(frame: Frame, rows: Rows, forecast: Forecast) -> list[Fold]:
        newest = np.unique(frame.decided_at[rows])[-24:]
        is_test = np.isin(frame.decided_at[rows], newest)
        return [Fold(1, rows[~is_test], rows[is_test], newest[0], newest[-1])]

    found = validate(planted(), FRAME, PERFECT, last_day)
    assert (found.rows, len(found.folds)) == (72, 1)
    # One day is one block: nothing can be said of chance.
    assert not found.has_skill
    assert (found.skill_low, found.skill_high) == (-math.inf, math.inf)
    assert found.verdict.endswith("(90 %: -∞ … ∞); too few hours to tell chance from skill")


def test_too_little_history_is_refused() -> None:
    frame = planted_frame(0, STRENGTH, series=2, hours=150)
    with pytest.raises(FrameRefused, match=r"planted_1h needs 192 hours .* there are 149"):
        validate(planted(), frame, PERFECT)


def test_an_input_that_is_all_null_is_refused_by_name() -> None:
    inputs = FRAME.inputs.copy()
    inputs[:, 1] = inputs[:, 3] = np.nan
    with pytest.raises(FrameRefused, match="none has any in noise, change_1h"):
        validate(planted(), replace(FRAME, inputs=inputs), PERFECT)
    optional = replace(planted(), optional=("noise",))
    with pytest.raises(FrameRefused, match="none has any in change_1h"):
        validate(optional, replace(FRAME, inputs=inputs), PERFECT)


@pytest.mark.parametrize(("horizon", "block"), [(1, 24), (4, 24), (24, 72)])
def test_blocks_are_longer_than_targets_overlap(horizon: int, block: int) -> None:
    assert block_hours(random_walk(horizon)) == block


def test_a_quantity_that_never_changes_can_be_judged() -> None:
    frame = random_walk_frame(0, 1, 240, 1)
    still = replace(frame, now=np.full(240, 5.0), target=np.where(np.isnan(frame.target), np.nan, 0.0))
    found = validate(random_walk(1), still, Said(_zero))
    assert (found.skill, found.has_skill, found.error) == (0.0, False, 0.0)


def test_a_report_comes_back_from_json(found: Validation) -> None:
    stored = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert Validation.of_json(stored) == found
    silent = validate(planted(), FRAME, Said(_zero))
    back = Validation.of_json(json.loads(json.dumps(silent.as_json(), allow_nan=False)))
    assert math.isnan(back.directional_accuracy)
    assert (back.verdict, back.folds[0].baselines) == (silent.verdict, silent.folds[0].baselines)


def test_another_object_is_no_report() -> None:
    with pytest.raises(ReportUnreadable, match="missing required field `forecast`"):
        Validation.of_json({"mae": 1.0})
