"""From an artefact's name to a model that forecasts.

What belongs here: which learner's files are read by whom. What does not: reading files (artefacts.py) and reading what they
mean (lightgbm_learner.py, onnx_model.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from crypto_assets.forecasting.artefacts import ArtefactRefused, Store
from crypto_assets.forecasting.learner import Artefact
from crypto_assets.forecasting.lightgbm_learner import LightGbmModel
from crypto_assets.forecasting.onnx_model import FILE, OnnxModel

type Served = LightGbmModel | OnnxModel


def load(store: Store, digest: str) -> Artefact:
    """A model from the store, by the learner that its manifest names.

    Args:
        digest: `Stored.sha256`.

    Raises:
        ArtefactMissing: it is not there.
        ArtefactTampered: a file holds other bytes than were stored.
        ArtefactRefused: no such learner, files that are not what that learner writes, or other inputs than it learned.
        StoreUnavailable: the store cannot be read.
    """
    manifest, files = store.get(digest)
    reader = _READERS.get(manifest.learner)
    if reader is None:
        raise ArtefactRefused(
            f"The artefact {digest[:12]}… is of the learner {manifest.learner[:40]!r}, and these are known:"
            f" {', '.join(_READERS)}"
        )
    model = reader(files)
    if model.inputs != manifest.inputs:
        raise ArtefactRefused(f"The artefact {digest[:12]}… learned other inputs than its manifest says")
    return model


def _lstm(files: Mapping[str, bytes]) -> OnnxModel:
    if set(files) != {FILE}:
        raise ArtefactRefused(f"A model of this learner is {FILE}, and this one {', '.join(sorted(files))}")
    return OnnxModel(files[FILE])


_READERS: Mapping[str, Callable[[Mapping[str, bytes]], Served]] = {"lightgbm": LightGbmModel, "lstm": _lstm}

__all__ = ["load"]
