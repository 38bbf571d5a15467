"""What an LSTM learned, as an ONNX graph.

What belongs here: the weights' shapes and the graph. What does not: learning them (lstm.py) and running the graph
(onnx_model.py). The package onnx is part of the extra [lstm], so it is imported where a graph is written.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

import numpy as np

from crypto_assets.forecasting.frame import Singles
from crypto_assets.forecasting.onnx_model import INPUTS, QUANTILES, SEQUENCE

OPSET, IR_VERSION = 17, 8  # of 2022: whatever ONNX Runtime is installed, it reads them
MOST_DEVIATIONS = 5.0  # an input further from its mean counts as this far; fees have tails that no mean survives


@dataclass(frozen=True)
class LstmWeights:
    """Of p inputs and h hidden values; gates stand in ONNX's order: input, output, forget, cell.

    Args:
        mean: Of the inputs of training (p,); what is not known counts as the mean.
        scale: Their standard deviation (p,), never 0.
        kernel: Gates from inputs (4h, p).
        recurrent: Gates from what was hidden (4h, h).
        bias: Of the gates (4h,).
        heads: Quantiles of the change from what is hidden (3, h).
        offsets: Of the quantiles (3,).
    """

    mean: Singles
    scale: Singles
    kernel: Singles
    recurrent: Singles
    bias: Singles
    heads: Singles
    offsets: Singles


def export(weights: LstmWeights, names: Sequence[str], steps: int) -> bytes:
    """The graph as bytes; the same weights give the same bytes.

    Args:
        names: Of the p inputs; kept in the graph's metadata.
        steps: Decisions of a sequence.
    """
    onnx = import_module("onnx")
    make, single = onnx.helper, onnx.TensorProto.FLOAT
    hidden = weights.recurrent.shape[1]
    tensors = {
        "mean": weights.mean,
        "scale": weights.scale,
        "unknown": np.zeros(1, np.float32),
        "least": np.array(-MOST_DEVIATIONS, np.float32),
        "most": np.array(MOST_DEVIATIONS, np.float32),
        "kernel": weights.kernel[None],
        "recurrent": weights.recurrent[None],
        "bias": np.concatenate([weights.bias, np.zeros_like(weights.bias)])[None],  # ONNX has one each; one is enough
        "direction": np.zeros(1, np.int64),
        "heads": weights.heads,
        "offsets": weights.offsets,
    }
    nodes = [
        make.make_node("IsNaN", [SEQUENCE], ["absent"]),
        make.make_node("Sub", [SEQUENCE, "mean"], ["centred"]),
        make.make_node("Div", ["centred", "scale"], ["scaled"]),
        make.make_node("Clip", ["scaled", "least", "most"], ["clipped"]),
        make.make_node("Where", ["absent", "unknown", "clipped"], ["standard"]),
        make.make_node("Transpose", ["standard"], ["by_step"], perm=[1, 0, 2]),
        make.make_node("LSTM", ["by_step", "kernel", "recurrent", "bias"], ["", "last"], hidden_size=hidden),
        make.make_node("Squeeze", ["last", "direction"], ["hidden"]),
        make.make_node("Gemm", ["hidden", "heads", "offsets"], [QUANTILES], transB=1),
    ]
    graph = make.make_graph(
        nodes,
        "lstm",
        [make.make_tensor_value_info(SEQUENCE, single, ["n", steps, len(names)])],
        [make.make_tensor_value_info(QUANTILES, single, ["n", 3])],
        [onnx.numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in tensors.items()],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    make.set_model_props(model, {INPUTS: json.dumps(list(names))})
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


__all__ = ["MOST_DEVIATIONS", "LstmWeights", "export"]
