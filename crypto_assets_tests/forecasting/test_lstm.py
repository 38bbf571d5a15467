"""The LSTM: JAX and ONNX Runtime agree, a planted signal is found, scale is of training rows alone, no extra is said."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from crypto_assets.forecasting import lstm
from crypto_assets.forecasting.frame import Frame, FrameRefused
from crypto_assets.forecasting.lstm import ExtraMissing, Lstm, forward, standardised
from crypto_assets.forecasting.lstm_onnx import LstmWeights
from crypto_assets.forecasting.onnx_model import OnnxModel, sequences
from crypto_assets_tests.forecasting.planted import FORECAST, planted

for library in ("jax", "optax", "onnx"):
    pytest.importorskip(library, reason="the extra [lstm] is not installed")


LEARNER = Lstm(steps=6, hidden=8, updates=250, batch=128, learning_rate=0.02)
NOTHING = replace(LEARNER, updates=4)


@pytest.fixture(scope="module")
def kept() -> list[LstmWeights]:
    """Weights that fits of this module exported, in order."""
    return []


@pytest.fixture(scope="module")
def learned(kept: list[LstmWeights]) -> OnnxModel:
    frame = planted(700, series=2)
    with pytest.MonkeyPatch.context() as patch:
        export = lstm.export
        patch.setattr(lstm, "export", lambda weights, *rest: (kept.append(weights), export(weights, *rest))[1])
        return LEARNER.fit(FORECAST, frame, frame.usable())


def test_jax_and_onnx_runtime_give_the_same(learned: OnnxModel, kept: list[LstmWeights]) -> None:
    frame = planted(300, seed=8)
    frame.inputs[100] = [np.nan, 1e9, -np.inf]
    rows = np.arange(5, 300)
    said = learned.predict(frame, rows)
    low, middle, high = forward(kept[0], sequences(frame.inputs, rows, 6)).T.astype(np.float64)
    assert np.abs(said.yhat - middle).max() <= 1e-5
    assert np.abs(said.q10 - np.minimum(low, middle)).max() <= 1e-5
    assert np.abs(said.q90 - np.maximum(high, middle)).max() <= 1e-5
    assert np.ptp(middle) > 0.005  # and it is something that varies


def test_a_planted_signal_is_found_on_rows_that_were_not_learned(learned: OnnxModel) -> None:
    frame = planted(1000, seed=8)
    rows = np.arange(5, 1000)
    said, truth = learned.predict(frame, rows), frame.target[rows]
    left = np.abs(truth - said.yhat).mean() / np.abs(truth).mean()
    assert 0.68 < left < 0.82  # at best sqrt(1/2) = 0.71
    assert 0.7 < ((truth >= said.q10) & (truth <= said.q90)).mean() < 0.9


def test_the_same_frame_and_seed_give_the_same_graph_and_another_seed_another() -> None:
    frame = planted(300)
    content = NOTHING.fit(FORECAST, frame, frame.usable()).files()["model.onnx"]
    assert NOTHING.fit(FORECAST, frame, frame.usable()).files()["model.onnx"] == content
    assert replace(NOTHING, seed=1).fit(FORECAST, frame, frame.usable()).files()["model.onnx"] != content


def test_scale_is_of_the_rows_that_are_learned_from_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[LstmWeights] = []
    export = lstm.export
    monkeypatch.setattr(lstm, "export", lambda weights, *rest: (seen.append(weights), export(weights, *rest))[1])
    frame = planted(300)
    frame.inputs[:, 2] = np.where(np.arange(300) < 200, np.nan, 7)  # only known where nothing is learned
    rows = np.arange(6, 200)
    NOTHING.fit(FORECAST, frame, rows)
    # One series of 194 rows has a last tenth of 20: decided at hours 180 to 199. Row 179 is known at 180.
    known = frame.inputs[6:180, 0].astype(np.float64)
    assert seen[0].mean[0] == pytest.approx(known.mean(), rel=1e-5)
    assert seen[0].scale[0] == pytest.approx(known.std(), rel=1e-5)
    assert (seen[0].mean[2], seen[0].scale[2]) == (0, 1)


def test_before_anything_is_learned_it_says_the_quantiles_of_what_was() -> None:
    frame = planted(60)  # too short to stop on its last tenth: a fourth of the updates, which is one, of a tiny rate
    model = replace(NOTHING, learning_rate=1e-9).fit(FORECAST, frame, frame.usable())
    said = model.predict(frame, np.array([30, 59]))
    wanted = np.quantile(frame.target[5:], [0.1, 0.5, 0.9])
    assert [said.q10[0], said.yhat[0], said.q90[0]] == pytest.approx(wanted, abs=1e-6)
    assert said.yhat[0] == pytest.approx(said.yhat[1], abs=1e-6)


def test_standardised_inputs_have_no_gaps_and_no_giants() -> None:
    inputs = np.array([[3, np.nan], [-np.inf, 1e9]], np.float32)
    mean, scale = np.array([1, 5], np.float32), np.array([2, 1], np.float32)
    assert standardised(inputs, mean, scale).tolist() == [[1, 0], [-5, 5]]


@pytest.mark.parametrize("library", ["jax", "optax", "onnx"])
def test_without_the_extra_it_says_what_to_install(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)  # as where nothing is installed
    lstm._compiled.cache_clear()
    frame = planted(100)
    with pytest.raises(ExtraMissing, match=rf"lstm needs a library .*{library}.*crypto-assets\[lstm\]"):
        NOTHING.fit(FORECAST, frame, frame.usable())


def test_too_little_history_without_gaps_says_how_much_there_is() -> None:
    frame: Frame = planted(100)
    with pytest.raises(FrameRefused, match=r"needs 30 .* these are 24 \(24 of 29 decisions of gas_1h end 6 hours"):
        NOTHING.fit(FORECAST, frame, np.arange(29))
    frame.inputs[:, 1] = np.nan
    with pytest.raises(FrameRefused, match="Every value is null in the input noise"):
        NOTHING.fit(FORECAST, frame, frame.usable())
