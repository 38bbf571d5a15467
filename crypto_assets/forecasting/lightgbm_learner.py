"""Trees that learn three quantiles of the change: one LightGBM booster each for a tenth, the middle and nine tenths.

What belongs here: training, the model's text, serving. What does not: who is judged how (validation.py) and where texts are
kept (artefacts.py).

A booster is trained twice: first on all but the last tenth of time, on which it stops, and then with so many trees on all
rows, for what happened last is what serving meets next. Forecasts always come from the model's text, so that what was
validated, what is kept and what is loaded in another process give the same bits. The series' name is no input: what is
learned of one market holds for one that was added yesterday.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.forecasting.artefacts import ArtefactRefused
from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.forecasting.frame import Floats, Frame, FrameRefused, Rows, Singles
from crypto_assets.forecasting.learner import Forecasts
from crypto_assets.forecasting.training_rows import Stopping, by_time, learnable, same_inputs

if TYPE_CHECKING:  # seconds of imports that only those pay who train or serve
    import lightgbm

# File by level. Koenker & Bassett (1978), Regression Quantiles: each minimises the pinball loss of its level.
LEVELS: Mapping[str, float] = {"q10.txt": 0.1, "q50.txt": 0.5, "q90.txt": 0.9}
ROUNDS_UNSTOPPED = 50  # where history is too short to stop on its last tenth
PATIENCE = 20
_PLAIN = re.compile(r"[A-Za-z0-9_.]+", re.ASCII)


class LibraryMissing(CryptoAssetsError):
    """LightGBM is installed, and the system's library that it links to is not."""


@dataclass(frozen=True)
class LightGbm:
    """A learner; the same frame, rows and seed give the same trees, whatever the threads.

    Args:
        seed: Of the draws of inputs and rows.
        rounds: Most trees of one booster.
        threads: Of training; serving uses one. A second thread on a busy machine makes both wait at each leaf: of 100,000
            rows 77 seconds instead of 13.
        leaves: Most leaves of a tree; hourly changes are noise for the most part, and larger trees learn it.
        leaf_rows: Fewest rows of a leaf: a tenth and nine tenths of fewer are not told from the middle.
        learning_rate: Share of each tree's word.
    """

    seed: int = 0
    rounds: int = 200
    threads: int = 1
    leaves: int = 7
    leaf_rows: int = 40
    learning_rate: float = 0.1

    @property
    def name(self) -> str:
        """As manifests say it."""
        return "lightgbm"

    @property
    def parameters(self) -> Mapping[str, object]:
        """What decides a fit, for the registry; threads do not."""
        return {name: value for name, value in asdict(self).items() if name != "threads"}

    def fit(self, forecast: Forecast, frame: Frame, rows: Rows) -> LightGbmModel:
        """As `Learner.fit`.

        Raises:
            FrameRefused: fewer rows than can be learned from, an input that is all null, or a name LightGBM cannot write.
            LibraryMissing: the system lacks what LightGBM links to.
        """
        for name in frame.names:
            if not _PLAIN.fullmatch(name):
                raise FrameRefused(f"Names of inputs are letters, digits, _ and ., and {forecast.name} has {name!r}")
        known = learnable(frame, rows, forecast.optional)
        data = self._data(frame, known, by_time(frame, known))
        return LightGbmModel({file: self._train(data, level) for file, level in LEVELS.items()})

    def _data(self, frame: Frame, known: Rows, parts: Stopping) -> _Data:
        library = _library()

        def of(rows: Rows, reference: lightgbm.Dataset | None = None) -> lightgbm.Dataset:
            made: lightgbm.Dataset = library.Dataset(
                frame.inputs[rows], frame.target[rows], reference=reference, feature_name=list(frame.names),
                params=self._parameters(),
            )  # fmt: skip
            return made

        learn = of(parts.learn)
        return _Data(learn, of(parts.stop, learn) if len(parts.stop) else None, of(known))

    def _train(self, data: _Data, level: float) -> bytes:
        library = _library()
        parameters = {**self._parameters(), "alpha": level}
        rounds = min(ROUNDS_UNSTOPPED, self.rounds)
        if data.stop is not None:
            stopped = library.train(
                parameters, data.learn, self.rounds, valid_sets=[data.stop],
                callbacks=[library.early_stopping(PATIENCE, verbose=False)],
            )  # fmt: skip
            rounds = max(1, stopped.best_iteration)
        booster: lightgbm.Booster = library.train(parameters, data.whole, rounds)
        text: str = booster.model_to_string()
        return text.encode()

    def _parameters(self) -> dict[str, object]:
        return {
            "objective": "quantile",
            "metric": "quantile",
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": self.leaf_rows,
            "feature_fraction": 0.5,  # halves of inputs and rows: trees that differ, in half the time
            "bagging_fraction": 0.5,
            "bagging_freq": 1,
            "lambda_l2": 1.0,
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": self.threads,
            "verbosity": -1,
        }


@dataclass(frozen=True)
class _Data:
    """What the boosters of one fit share: inputs sorted into bins once.

    Args:
        learn: Rows before the last tenth of time.
        stop: The last tenth; None where it would be too short.
        whole: All rows.
    """

    learn: lightgbm.Dataset
    stop: lightgbm.Dataset | None
    whole: lightgbm.Dataset


class LightGbmModel:
    """Three boosters that serve; satisfies `Artefact`.

    Args:
        files: Texts of models: q10.txt, q50.txt, q90.txt.

    Raises:
        ArtefactRefused: a file is missing, is no model's text, or learned other inputs than the others.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        if set(files) != set(LEVELS):
            raise ArtefactRefused(
                f"A model of LightGBM is {', '.join(LEVELS)}, and this one {', '.join(sorted(files))}"
            )
        self._files = {name: files[name] for name in LEVELS}
        self._low, self._middle, self._high = (_booster(name, text) for name, text in self._files.items())
        names = {tuple(booster.feature_name()) for booster in (self._low, self._middle, self._high)}
        if len(names) > 1:
            raise ArtefactRefused("The three boosters of this model learned different inputs")
        self._names = names.pop()

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of what it learned, in order."""
        return self._names

    def predict(self, frame: Frame, rows: Rows) -> Forecasts:
        """As `Fitted.predict`; NaN where the quantity is not known. One thread.

        Raises:
            FrameRefused: the frame's inputs are not those that were learned.
        """
        same_inputs(frame, self._names)
        inputs = np.ascontiguousarray(frame.inputs[rows])
        unknown: NDArray[np.bool_] = ~np.isfinite(frame.now[rows])
        low, middle, high = (_said(booster, inputs, unknown) for booster in (self._low, self._middle, self._high))
        return Forecasts.ordered(middle, low, high)

    def files(self) -> Mapping[str, bytes]:
        """As `Artefact.files`."""
        return self._files


def _booster(name: str, text: bytes) -> lightgbm.Booster:
    library = _library()
    try:
        booster: lightgbm.Booster = library.Booster(model_str=text.decode())
    except (library.basic.LightGBMError, ValueError) as error:  # ValueError: no UTF-8, or a tail that is not JSON
        told = " ".join(str(error).split())[:200]
        raise ArtefactRefused(f"The file {name} is no model of LightGBM ({told})") from None
    return booster


def _library() -> ModuleType:
    try:
        return import_module("lightgbm")
    except OSError as error:  # its wheel links to the system's OpenMP, which small images lack
        raise LibraryMissing(
            f"LightGBM cannot be loaded ({error})", way_out="Install OpenMP's runtime: `apt-get install libgomp1`."
        ) from error


def _said(booster: lightgbm.Booster, inputs: Singles, unknown: NDArray[np.bool_]) -> Floats:
    if not len(inputs):
        return np.empty(0)
    said = cast(Floats, booster.predict(inputs, num_threads=1))
    said[unknown] = np.nan
    return said


__all__ = ["LEVELS", "LibraryMissing", "LightGbm", "LightGbmModel"]
