"""Graphs: what ONNX Runtime makes of them is what the formula says; sequences need every hour; strange graphs are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from crypto_assets.forecasting.artefacts import ArtefactRefused
from crypto_assets.forecasting.frame import Floats, FrameRefused, Singles
from crypto_assets.forecasting.onnx_model import OnnxModel, has_history, sequences
from crypto_assets_tests.forecasting.planted import HOUR, NAMES, planted

onnx = pytest.importorskip("onnx", reason="the extra [lstm] is not installed")
from crypto_assets.forecasting.lstm_onnx import LstmWeights, export  # noqa: E402

STEPS = 4


def drawn(width: int = 3, hidden: int = 5) -> LstmWeights:
    """Weights that nobody learned."""
    random = np.random.default_rng(5)

    def some(*shape: int) -> Singles:
        return random.normal(size=shape).astype(np.float32)

    return LstmWeights(
        some(width), np.abs(some(width)) + 0.1, some(4 * hidden, width), some(4 * hidden, hidden), some(4 * hidden),
        some(3, hidden), np.array([-2, 0, 2], np.float32),
    )  # fmt: skip


def by_hand(weights: LstmWeights, sequence: Singles) -> Floats:
    """Quantiles of one sequence (steps, p), in float64 and a loop: the formula as books print it."""
    hidden = np.zeros(weights.recurrent.shape[1])
    cell = hidden.copy()
    for now in sequence.astype(np.float64):
        standard = np.where(np.isnan(now), 0, np.clip((now - weights.mean) / weights.scale, -5, 5))
        gates = weights.kernel @ standard + weights.recurrent @ hidden + weights.bias
        let_in, let_out, keep, fresh = np.split(gates, 4)
        cell = cell / (1 + np.exp(-keep)) + np.tanh(fresh) / (1 + np.exp(-let_in))
        hidden = np.tanh(cell) / (1 + np.exp(-let_out))
    return np.asarray(weights.heads @ hidden + weights.offsets)


@pytest.fixture(scope="module")
def model() -> OnnxModel:
    return OnnxModel(export(drawn(), NAMES, STEPS))


def test_a_graph_gives_what_the_formula_gives(model: OnnxModel) -> None:
    frame = planted(30, series=2)
    frame.inputs[20] = [np.nan, np.inf, 1e6]  # not known, and far beyond five deviations
    said = model.predict(frame, np.arange(60))
    for row in (3, 21, 29, 33, 59):
        low, middle, high = by_hand(drawn(), frame.inputs[row - 3 : row + 1])
        assert said.yhat[row] == pytest.approx(middle, abs=1e-5)
        assert said.q10[row] == pytest.approx(min(low, middle), abs=1e-5)
        assert said.q90[row] == pytest.approx(max(high, middle), abs=1e-5)


def test_the_mean_counts_for_what_is_not_known(model: OnnxModel) -> None:
    frame = planted(STEPS)
    known = replace(frame, inputs=np.where(np.isnan(frame.inputs), drawn().mean, frame.inputs))
    assert np.isnan(frame.inputs).any()
    assert model.predict(frame, np.array([3])).yhat == model.predict(known, np.array([3])).yhat


def test_without_every_hour_of_its_sequence_nothing_is_said(model: OnnxModel) -> None:
    frame = planted(8, series=2)
    frame.decided_at[12:] += HOUR  # of the second series, rows 8 to 15, the hour between 11 and 12 is missing
    frame.now[7] = np.nan
    said = model.predict(frame, np.arange(16))
    assert np.flatnonzero(np.isfinite(said.yhat)).tolist() == [3, 4, 5, 6, 11, 15]
    assert np.isfinite(said.yhat).tolist() == np.isfinite(said.q10).tolist() == np.isfinite(said.q90).tolist()
    assert has_history(frame, np.array([2, 3, 14, 15]), STEPS).tolist() == [False, True, False, True]
    assert len(model.predict(frame, np.arange(0)).yhat) == 0
    frame.decided_at[8:] = frame.decided_at[7] + np.arange(1, 9) * HOUR  # one series begins where the other ends
    assert np.flatnonzero(has_history(frame, np.arange(16), STEPS)).tolist() == [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]


def test_a_row_alone_is_told_as_among_others_and_from_no_row_after_it(model: OnnxModel) -> None:
    frame = planted(20)
    said = model.predict(frame, np.arange(20))
    short = frame.take(np.arange(11))
    alone = model.predict(short, np.array([10]))
    assert alone.yhat[0] == pytest.approx(said.yhat[10], abs=1e-6)


def test_sequences_are_oldest_first() -> None:
    inputs = np.arange(10, dtype=np.float32).reshape(5, 2)
    assert sequences(inputs, np.array([2, 4]), 2).tolist() == [[[2, 3], [4, 5]], [[6, 7], [8, 9]]]


def test_the_same_weights_give_the_same_bytes_and_the_names_travel_in_them(model: OnnxModel) -> None:
    content = model.files()["model.onnx"]
    assert export(drawn(), NAMES, STEPS) == content
    again = OnnxModel(content)
    assert (again.inputs, again.steps) == (NAMES, STEPS)
    with pytest.raises(FrameRefused, match="lacks gaps and has new besides"):
        again.predict(replace(planted(5), names=("signal", "noise", "new")), np.arange(5))


def test_what_is_no_graph_is_refused(model: OnnxModel) -> None:
    content = model.files()["model.onnx"]
    for bad in (b"no graph", b"", content[: len(content) // 2], b"\x80\x04pickle"):
        with pytest.raises(ArtefactRefused, match=r"The file model\.onnx is no graph that ONNX Runtime runs"):
            OnnxModel(bad)


def test_a_graph_with_tensors_in_other_files_is_refused(model: OnnxModel) -> None:
    graph = onnx.load_from_string(model.files()["model.onnx"])
    onnx.external_data_helper.set_external_data(graph.graph.initializer[5], location="evil.bin")
    graph.graph.initializer[5].ClearField("raw_data")
    with pytest.raises(ArtefactRefused, match="keeps tensors in other files"):
        OnnxModel(graph.SerializeToString())


def test_a_graph_that_takes_or_gives_something_else_is_refused(model: OnnxModel) -> None:
    content = model.files()["model.onnx"]
    graph = onnx.load_from_string(content)
    graph.metadata_props[0].value = '["signal"]'
    with pytest.raises(ArtefactRefused, match=r"takes sequence \(n, steps, 1\) .* takes .*\[4, 3\]"):
        OnnxModel(graph.SerializeToString())
    for names in ("", "[]", "[1, 2, 3]", "{}", '"abc"'):
        graph.metadata_props[0].value = names
        with pytest.raises(ArtefactRefused, match="does not say the names of its inputs"):
            OnnxModel(graph.SerializeToString())
    graph = onnx.load_from_string(content)
    graph.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "steps"
    with pytest.raises(ArtefactRefused, match="was expected"):
        OnnxModel(graph.SerializeToString())
