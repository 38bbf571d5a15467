"""Serving sequences of decisions by ONNX Runtime: what the extra [lstm] trained runs without it.

What belongs here: opening a graph, what it must look like, cutting sequences out of frames. What does not: training (lstm.py)
and writing graphs (lstm_onnx.py).

A graph takes `sequence` (n, steps, p), inputs as frames hold them, NaN and all, and gives `quantiles` (n, 3): a tenth, the
middle, nine tenths. Whatever was learned of scale is inside, so that nothing has to be kept beside it; the names of the
inputs travel in its metadata.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from crypto_assets.forecasting.artefacts import ArtefactRefused
from crypto_assets.forecasting.frame import STEP, Frame, Rows, Singles, Times
from crypto_assets.forecasting.learner import Forecasts
from crypto_assets.forecasting.training_rows import same_inputs

if TYPE_CHECKING:  # a fifth of a second that only those pay who serve
    import onnxruntime

FILE = "model.onnx"
SEQUENCE, QUANTILES, INPUTS = "sequence", "quantiles", "inputs"
MOST_AT_ONCE = 4096  # sequences; 24 steps of 40 inputs are 16 MB
# A tensor that lies in a file of its own says where under this key (onnx.proto, TensorProto.external_data). Weights hold
# these eight bytes by chance once in 10¹⁹, so their absence is proof, and no parser is needed.
_EXTERNAL = b"location"


class OnnxModel:
    """A graph that serves; satisfies `Artefact`. One thread, on the CPU, nothing told to anybody.

    Args:
        content: The graph, as lstm_onnx.export wrote it.

    Raises:
        ArtefactRefused: no graph, one with tensors in other files, or one that takes or gives something else.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._session = _session(content)
        self._names = _input_names(self._session)
        self._steps = _steps(self._session, len(self._names))

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of what it learned, in order."""
        return self._names

    @property
    def steps(self) -> int:
        """Decisions of a sequence."""
        return self._steps

    def predict(self, frame: Frame, rows: Rows) -> Forecasts:
        """As `Fitted.predict`; NaN where the quantity is not known, or an hour of the sequence is not in the frame.

        Raises:
            FrameRefused: the frame's inputs are not those that were learned.
        """
        same_inputs(frame, self._names)
        said = np.full((len(rows), 3), np.nan)
        able = np.flatnonzero(has_history(frame, rows, self._steps) & np.isfinite(frame.now[rows]))
        for first in range(0, len(able), MOST_AT_ONCE):
            part = able[first : first + MOST_AT_ONCE]
            given = {SEQUENCE: sequences(frame.inputs, rows[part], self._steps)}
            said[part] = cast(Singles, self._session.run([QUANTILES], given)[0])
        low, middle, high = (np.ascontiguousarray(column) for column in said.T)
        return Forecasts.ordered(middle, low, high)

    def files(self) -> Mapping[str, bytes]:
        """As `Artefact.files`."""
        return {FILE: self._content}


def has_history(frame: Frame, rows: Rows, steps: int) -> NDArray[np.bool_]:
    """Whether each row ends `steps` decisions of its series without a missing hour (n,)."""
    first = rows - (steps - 1)
    inside: NDArray[np.bool_] = first >= frame.starts()[rows]
    begins: Times = frame.decided_at[np.maximum(first, 0)]
    whole: NDArray[np.bool_] = frame.decided_at[rows] - begins == np.timedelta64((steps - 1) * STEP, "us")
    return inside & whole


def sequences(inputs: Singles, rows: Rows, steps: int) -> Singles:
    """Inputs of each row and of the rows before it, oldest first (n, steps, p)."""
    return inputs[rows[:, None] + np.arange(1 - steps, 1)]


def _session(content: bytes) -> onnxruntime.InferenceSession:
    import onnxruntime  # noqa: PLC0415

    if _EXTERNAL in content:
        raise ArtefactRefused(f"The graph {FILE} keeps tensors in other files, and only what is inside it is read")
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what is wrong is raised; the library would print it as well
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library's errors share no class but this
        told = " ".join(str(error).split())[:200]
        raise ArtefactRefused(f"The file {FILE} is no graph that ONNX Runtime runs ({told})") from error


def _input_names(session: onnxruntime.InferenceSession) -> tuple[str, ...]:
    said = session.get_modelmeta().custom_metadata_map.get(INPUTS, "")
    try:
        names = json.loads(said)
    except ValueError:
        names = None
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise ArtefactRefused(f"The graph {FILE} does not say the names of its inputs in its metadata")
    return tuple(names)


def _steps(session: onnxruntime.InferenceSession, width: int) -> int:
    takes = [(one.name, one.type, one.shape[1:]) for one in session.get_inputs()]
    gives = [(one.name, one.type, one.shape[1:]) for one in session.get_outputs()]
    steps = takes[0][2][0] if len(takes) == 1 and len(takes[0][2]) == 2 else None
    wanted = ([(SEQUENCE, "tensor(float)", [steps, width])], [(QUANTILES, "tensor(float)", [3])])
    if not isinstance(steps, int) or steps < 1 or (takes, gives) != wanted:
        raise ArtefactRefused(
            f"A graph that takes {SEQUENCE} (n, steps, {width}) and gives {QUANTILES} (n, 3) was expected, and {FILE}"
            f" takes {takes} and gives {gives}"
        )
    return steps


__all__ = ["FILE", "INPUTS", "QUANTILES", "SEQUENCE", "OnnxModel", "has_history", "sequences"]
