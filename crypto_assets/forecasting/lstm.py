"""A small LSTM that learns three quantiles of the change from the last day of decisions; trained by JAX and optax.

What belongs here: training. What does not: the graph that serves it (lstm_onnx.py, onnx_model.py).

jax, optax and onnx are an extra (`pip install 'crypto-assets[lstm]'`), so they are imported where something is learned. As
with every learner, forecasts come only from what is kept: training ends with a graph, and ONNX Runtime runs it. The last tenth
of time says which weights were best and is not learned: unlike trees, weights that are trained again on more come out others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Protocol

import numpy as np

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.forecasting.frame import Frame, FrameRefused, Rows, Singles
from crypto_assets.forecasting.lstm_onnx import MOST_DEVIATIONS, LstmWeights, export
from crypto_assets.forecasting.onnx_model import OnnxModel, has_history, sequences
from crypto_assets.forecasting.training_rows import by_time, learnable

type Learned = Mapping[str, Singles]  # kernel, recurrent, bias, heads, offsets: see LstmWeights

LEVELS = (0.1, 0.5, 0.9)
LOOK_EVERY = 50  # updates between two looks at the rows on which learning stops
PATIENCE = 5  # looks without a smaller loss
MOST_LOOKED_AT = 2048  # sequences; evenly over those rows
MOST_SLOPE, WEIGHT_DECAY = 1.0, 1e-3
UNSTOPPED_SHARE = 4  # a fourth of the updates where history is too short to stop on its last tenth


class ExtraMissing(CryptoAssetsError):
    """The packages that train this learner are not installed."""


class _Step(Protocol):
    """One update: weights, the optimiser's state, the rate, sequences (n, steps, p), changes (n,) to weights and state."""

    def __call__(
        self, learned: Learned, state: object, rate: np.float32, given: Singles, change: Singles, /
    ) -> tuple[Learned, object]: ...


class _Loss(Protocol):
    """The mean pinball loss of the three levels."""

    def __call__(self, learned: Learned, given: Singles, change: Singles, /) -> object: ...


@dataclass(frozen=True)
class Lstm:
    """A learner; the same frame, rows and seed give the same graph on the same machine.

    Args:
        seed: Of first weights and of what each update sees.
        steps: Decisions of a sequence, without a missing hour.
        hidden: Values that are carried from step to step.
        updates: At most.
        batch: Sequences of an update.
        learning_rate: Of the first update; falls to 0 by a cosine.
    """

    seed: int = 0
    steps: int = 24
    hidden: int = 24
    updates: int = 800
    batch: int = 256
    learning_rate: float = 0.005

    @property
    def name(self) -> str:
        """As manifests say it."""
        return "lstm"

    @property
    def parameters(self) -> Mapping[str, object]:
        """What decides a fit, for the registry."""
        return asdict(self)

    def fit(self, forecast: Forecast, frame: Frame, rows: Rows) -> OnnxModel:
        """As `Learner.fit`; rows without `steps` decisions of history are left out.

        Raises:
            ExtraMissing: jax, optax or onnx is not installed.
            FrameRefused: fewer rows than can be learned from, or an input that is all null.
        """
        _library("onnx")  # before minutes of training, not after
        able = rows[has_history(frame, rows, self.steps)]
        try:
            known = learnable(frame, able, forecast.optional)
        except FrameRefused as refused:
            raise FrameRefused(
                f"{refused.problem} ({len(able)} of {len(rows)} decisions of {forecast.name} end {self.steps} hours"
                " without a gap)",
                way_out=refused.way_out,
            ) from None
        parts = by_time(frame, known)
        mean, scale = _scale(frame.inputs[parts.learn])
        spread = float(np.std(frame.target[parts.learn])) or 1.0
        data = _Data(standardised(frame.inputs, mean, scale), (frame.target / spread).astype(np.float32), self.steps)
        learned = self._train(data, parts.learn, parts.stop)
        weights = LstmWeights(
            mean, scale, learned["kernel"], learned["recurrent"], learned["bias"],
            heads=learned["heads"] * np.float32(spread), offsets=learned["offsets"] * np.float32(spread),
        )  # fmt: skip
        return OnnxModel(export(weights, frame.names, self.steps))

    def _train(self, data: _Data, learn: Rows, stop: Rows) -> Learned:
        """Weights with the smallest loss on the rows to stop on; the last weights where there are none."""
        jax = _library("jax")
        updates = self.updates if len(stop) else max(1, self.updates // UNSTOPPED_SHARE)
        random = np.random.default_rng(self.seed)
        with jax.default_device(jax.devices("cpu")[0]):  # small steps: a graphics card would only wait
            optimiser, step, loss = _compiled()
            learned = self._first(random, data, learn)
            state = optimiser.init(learned)
            looked = data.of(
                stop[np.linspace(0, len(stop) - 1, MOST_LOOKED_AT).astype(np.int64)] if len(stop) else stop
            )
            best, least, worse = learned, np.inf, 0
            for update in range(1, updates + 1):
                rate = np.float32(self.learning_rate * (1 + np.cos(np.pi * update / updates)) / 2)
                learned, state = step(learned, state, rate, *data.of(random.choice(learn, self.batch)))
                if not len(stop) or update % LOOK_EVERY:
                    continue
                now = float(np.asarray(loss(learned, *looked)))
                best, least, worse = (learned, now, 0) if now < least else (best, least, worse + 1)
                if worse == PATIENCE:
                    break
            chosen = best if np.isfinite(least) else learned
            return {name: np.asarray(value, dtype=np.float32) for name, value in chosen.items()}

    def _first(self, random: np.random.Generator, data: _Data, learn: Rows) -> Learned:
        """Weights that say the quantiles of all changes, whatever the inputs: what cannot be learned stays said so."""
        width, hidden = data.inputs.shape[1], self.hidden
        bias = np.zeros(4 * hidden, np.float32)
        bias[2 * hidden : 3 * hidden] = 1.0  # remember first (Jozefowicz et al., 2015)

        def drawn(rows: int, columns: int) -> Singles:
            most = np.sqrt(6 / (hidden + columns))
            return random.uniform(-most, most, (rows, columns)).astype(np.float32)

        return {
            "kernel": drawn(4 * hidden, width),
            "recurrent": drawn(4 * hidden, hidden),
            "bias": bias,
            "heads": np.zeros((3, hidden), np.float32),
            "offsets": np.quantile(data.change[learn], LEVELS).astype(np.float32),
        }


@dataclass(frozen=True)
class _Data:
    """What training cuts its batches from.

    Args:
        inputs: Standardised (n, p), without NaN.
        change: Targets over their spread (n,).
        steps: Decisions of a sequence.
    """

    inputs: Singles
    change: Singles
    steps: int

    def of(self, rows: Rows) -> tuple[Singles, Singles]:
        """Sequences (k, steps, p) and changes (k,) of some rows."""
        return sequences(self.inputs, rows, self.steps), self.change[rows]


def standardised(inputs: Singles, mean: Singles, scale: Singles) -> Singles:
    """Inputs as the cell sees them, the same as the graph computes: deviations from the mean, and 0 for what is not known."""
    deviations = np.clip((inputs - mean) / scale, -MOST_DEVIATIONS, MOST_DEVIATIONS)
    return np.where(np.isnan(inputs), np.float32(0), deviations).astype(np.float32, copy=False)


def forward(weights: LstmWeights, given: Singles) -> Singles:
    """What JAX makes of sequences (n, steps, p): quantiles (n, 3), before they are put in order.

    Raises:
        ExtraMissing: jax is not installed.
    """
    learned = {name: getattr(weights, name) for name in ("kernel", "recurrent", "bias", "heads", "offsets")}
    quantiles = _quantiles(_library("jax"), learned, standardised(given, weights.mean, weights.scale))
    return np.asarray(quantiles, dtype=np.float32)


def _quantiles(jax: ModuleType, learned: Learned, given: Singles) -> Singles:
    """Hochreiter & Schmidhuber (1997) with the forget gate of Gers et al. (2000), and a linear head for each level."""
    lax, sigmoid, tanh = jax.lax, jax.nn.sigmoid, jax.numpy.tanh

    def step(carried: tuple[Singles, Singles], now: Singles) -> tuple[tuple[Singles, Singles], None]:
        hidden, cell = carried
        gates = now @ learned["kernel"].T + hidden @ learned["recurrent"].T + learned["bias"]
        taken, given_out, kept, fresh = jax.numpy.split(gates, 4, axis=1)
        cell = sigmoid(kept) * cell + sigmoid(taken) * tanh(fresh)
        return (sigmoid(given_out) * tanh(cell), cell), None

    nothing = jax.numpy.zeros((given.shape[0], learned["recurrent"].shape[1]), np.float32)
    (hidden, _), _ = lax.scan(step, (nothing, nothing), jax.numpy.swapaxes(given, 0, 1))
    quantiles: Singles = hidden @ learned["heads"].T + learned["offsets"]
    return quantiles


@cache
def _compiled() -> tuple[ModuleType, _Step, _Loss]:
    """The optimiser, its compiled step and the compiled loss; kept, for compiling takes as long as hundreds of steps.

    AdamW (Loshchilov & Hutter, 2019) with a bounded slope. The rate is given with each step: a schedule inside would be
    compiled anew for each length of training.
    """
    jax, optax = _library("jax"), _library("optax")
    levels = np.array(LEVELS, np.float32)
    optimiser = optax.chain(
        optax.clip_by_global_norm(MOST_SLOPE), optax.scale_by_adam(), optax.add_decayed_weights(WEIGHT_DECAY)
    )

    def loss(learned: Learned, given: Singles, change: Singles) -> object:
        error = change[:, None] - _quantiles(jax, learned, given)
        return jax.numpy.maximum(levels * error, (levels - 1) * error).mean()

    def step(
        learned: Learned, state: object, rate: np.float32, given: Singles, change: Singles
    ) -> tuple[Learned, object]:
        moved, state = optimiser.update(jax.grad(loss)(learned, given, change), state, learned)
        return {name: value - rate * moved[name] for name, value in learned.items()}, state

    return optimiser, jax.jit(step), jax.jit(loss)


def _scale(inputs: Singles) -> tuple[Singles, Singles]:
    """Mean and standard deviation of what is known of each input (p,) and (p,); 0 and 1 where nothing is."""
    known = np.isfinite(inputs)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, inputs, 0).sum(axis=0, dtype=np.float64) / count
    squares = np.where(known, inputs - mean, 0.0) ** 2
    deviation = np.sqrt(squares.sum(axis=0) / count).astype(np.float32)
    return mean.astype(np.float32), np.where(deviation > 0, deviation, np.float32(1))


def _library(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise ExtraMissing(
            f"The learner lstm needs a library ({error})",
            way_out="Install the extra: `pip install 'crypto-assets[lstm]'`.",
        ) from None


__all__ = ["ExtraMissing", "Lstm", "forward", "standardised"]
