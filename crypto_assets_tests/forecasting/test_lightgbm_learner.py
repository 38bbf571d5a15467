"""Trees: a planted signal is found, the same seed gives the same bits, quantiles stay in order, other inputs are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from crypto_assets.forecasting import lightgbm_learner
from crypto_assets.forecasting.artefacts import ArtefactRefused
from crypto_assets.forecasting.frame import Frame, FrameRefused
from crypto_assets.forecasting.learner import Forecasts
from crypto_assets.forecasting.lightgbm_learner import LEVELS, LibraryMissing, LightGbm, LightGbmModel
from crypto_assets_tests.forecasting.planted import FORECAST, NAMES, planted

LEARNER = LightGbm(rounds=60, threads=1)


@pytest.fixture(scope="module")
def learned() -> LightGbmModel:
    frame = planted(600, series=2)
    return LEARNER.fit(FORECAST, frame, frame.usable())


def _equal(one: Forecasts, other: Forecasts) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True) for name in vars(one))


def test_a_planted_signal_is_found_on_rows_that_were_not_learned(learned: LightGbmModel) -> None:
    frame = planted(1000, seed=8)
    said = learned.predict(frame, frame.usable())
    # Of normal numbers with half their variance known, at best sqrt(1/2) of the mean absolute error is left: 0.71.
    left = np.abs(frame.target - said.yhat).mean() / np.abs(frame.target).mean()
    assert 0.68 < left < 0.82
    assert 0.7 < ((frame.target >= said.q10) & (frame.target <= said.q90)).mean() < 0.9


def test_the_same_frame_and_seed_give_the_same_text_and_another_seed_another() -> None:
    frame = planted(300)
    files = LEARNER.fit(FORECAST, frame, frame.usable()).files()
    assert set(files) == set(LEVELS)
    assert LEARNER.fit(FORECAST, frame, frame.usable()).files() == files
    assert replace(LEARNER, seed=1).fit(FORECAST, frame, frame.usable()).files() != files


def test_the_text_gives_the_same_bits_and_one_row_the_same_as_among_others(learned: LightGbmModel) -> None:
    frame = planted(50, seed=9)
    rows = frame.usable()
    said = learned.predict(frame, rows)
    assert _equal(LightGbmModel(learned.files()).predict(frame, rows), said)
    for row in (0, 49):
        assert learned.predict(frame, rows[[row]]).yhat[0] == said.yhat[row]
    assert len(learned.predict(frame, rows[:0]).yhat) == 0


def test_quantiles_stay_in_order_and_are_three_different_ones(learned: LightGbmModel) -> None:
    frame = planted(500, seed=10, share=0)
    frame = replace(frame, inputs=frame.inputs * 5)  # far from what was learned
    said = learned.predict(frame, frame.usable())
    assert (said.q10 <= said.yhat).all()
    assert (said.yhat <= said.q90).all()
    assert said.q10.mean() < said.yhat.mean() < said.q90.mean()
    files = learned.files()
    crossed = LightGbmModel({**files, "q10.txt": files["q90.txt"], "q90.txt": files["q10.txt"]})
    again = crossed.predict(frame, frame.usable())
    for quantile in (again.yhat, again.q10, again.q90):  # the middle stays, and the others do not pass it
        assert np.array_equal(quantile, said.yhat)


def test_nothing_is_said_of_a_change_from_what_nobody_knows(learned: LightGbmModel) -> None:
    frame = planted(10)
    frame.now[3] = np.nan
    frame.inputs[4] = np.nan  # inputs that are not known are no reason: trees learned what to do
    said = learned.predict(frame, np.arange(10))
    assert np.flatnonzero(np.isnan(said.yhat)).tolist() == [3]
    assert np.isnan([said.q10[3], said.q90[3]]).all()


def test_the_last_tenth_of_time_decides_how_many_trees(learned: LightGbmModel) -> None:
    frame = planted(400, share=0)  # nothing to learn: the first trees are the best
    stopped = LightGbm(rounds=200, threads=1).fit(FORECAST, frame, frame.usable())
    for text in stopped.files().values():
        assert text.count(b"\nTree=") < 40
    assert learned.files()["q50.txt"].count(b"\nTree=") > 10


def test_series_and_targets_that_are_unknown_change_nothing() -> None:
    frame = planted(300, series=2)
    files = LEARNER.fit(FORECAST, frame, frame.usable()).files()
    one = replace(frame, code=np.zeros_like(frame.code), series=frame.series[:1])
    assert LEARNER.fit(FORECAST, one, frame.usable()).files() == files
    frame.target[-1] = np.nan  # as of a decision whose outcome lies ahead
    rows = np.arange(len(frame))
    assert LEARNER.fit(FORECAST, frame, rows).files() == LEARNER.fit(FORECAST, frame, rows[:-1]).files()


def test_too_few_rows_an_input_that_is_all_null_and_a_name_that_cannot_be_written_are_refused() -> None:
    frame = planted(100)
    with pytest.raises(FrameRefused, match="needs 30 decisions with a known outcome, and these are 29"):
        LEARNER.fit(FORECAST, frame, np.arange(29))
    assert LEARNER.fit(FORECAST, frame, np.arange(30)).files()
    with pytest.raises(FrameRefused, match=r"gas_1h has 'a b'"):
        LEARNER.fit(FORECAST, replace(frame, names=("a b", "c", "d")), frame.usable())
    late = replace(frame, inputs=frame.inputs.copy())
    late.inputs[:60, 1] = np.nan
    assert LEARNER.fit(FORECAST, late, np.arange(60)).files()  # a source that began later
    late.inputs[60:, 1] = np.nan
    with pytest.raises(FrameRefused, match="Every value is null in the input noise"):
        LEARNER.fit(FORECAST, late, np.arange(60))


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("signal", "noise", "new"), "lacks gaps and has new besides"),
        (("noise", "signal", "gaps"), "has them in another order"),
    ],
)
def test_a_frame_of_other_inputs_is_refused_by_name(learned: LightGbmModel, names: tuple[str, ...], told: str) -> None:
    frame: Frame = replace(planted(5), names=names)
    with pytest.raises(FrameRefused, match=f"learned 3 inputs, and the frame {told}"):
        learned.predict(frame, np.arange(5))
    assert learned.inputs == NAMES


def test_what_is_no_model_is_refused_by_name(learned: LightGbmModel) -> None:
    files = dict(learned.files())
    with pytest.raises(ArtefactRefused, match=r"is q10\.txt, q50\.txt, q90\.txt, and this one q10\.txt"):
        LightGbmModel({"q10.txt": files["q10.txt"]})
    for content in (b"no model", b"\xff\xfe", files["q50.txt"][:200]):
        with pytest.raises(ArtefactRefused, match=r"The file q50\.txt is no model of LightGBM"):
            LightGbmModel({**files, "q50.txt": content})
    other = files["q50.txt"].replace(b"feature_names=signal", b"feature_names=signet")
    with pytest.raises(ArtefactRefused, match="learned different inputs"):
        LightGbmModel({**files, "q50.txt": other})


def test_a_system_without_openmp_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> None:
        raise OSError("libgomp.so.1: cannot open shared object file")

    monkeypatch.setattr(lightgbm_learner, "import_module", missing)
    with pytest.raises(LibraryMissing, match=r"libgomp\.so\.1: cannot open .*apt-get install libgomp1"):
        LEARNER.fit(FORECAST, planted(100), np.arange(100))


def test_parameters_are_what_decides_a_fit() -> None:
    assert LightGbm(seed=3, threads=1).parameters == LightGbm(seed=3, threads=2).parameters
    assert LightGbm(seed=3).parameters["seed"] == 3
    assert LightGbm().name == "lightgbm"
