"""Champions ready to speak: looked up in the registry, loaded from the model store, and kept until another takes over.

What belongs here: that, and refusing a champion that learned from other features than there are. What does not: what it says
(speaking.py) and who becomes champion (registry/store.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sqlalchemy import select

from crypto_assets.datasets.models.frames import feature_version_of
from crypto_assets.datasets.models.predictions.prediction import FeatureVersionDiffers, NoChampion
from crypto_assets.datasets.models.reading import CHOSEN
from crypto_assets.datasets.models.registry.registered import Registered, champion
from crypto_assets.datasets.models.registry.table import ModelState, registry
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.forecasting.artefacts import Store
from crypto_assets.forecasting.baselines import baseline
from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.forecasting.drift import Reference
from crypto_assets.forecasting.frame import Rows
from crypto_assets.forecasting.learner import Artefact, Learner
from crypto_assets.forecasting.loading import load
from crypto_assets.warehouse.read import Reader

LOOK_EVERY = 60.0  # seconds: a promotion speaks within a minute
# An input that training lacked in no more of its rows counts as one that the model always saw.
_SELDOM_UNKNOWN = 0.05

_CHAMPIONS = select(registry.c.model, registry.c.version).where(registry.c.state == ModelState.CHAMPION.value)


@dataclass(frozen=True)
class Champion:
    """A version that answers for its forecast, with everything it needs to speak.

    Args:
        forecast: Its declaration.
        registered: Its row of the registry.
        artefact: What it learned.
        baseline: The best baseline of its validation, which speaks beside it.
        expected: Positions, among the declaration's inputs, of those that its training practically always knew.
    """

    forecast: Forecast
    registered: Registered
    artefact: Artefact
    baseline: Learner
    expected: Rows


class Champions:
    """Champions by forecast, each loaded once; looked up anew every minute, and loaded anew where another took over.

    Args:
        store: Where artefacts lie.
        look_every: Seconds between looks at the registry.
        clock: Seconds of a clock that never goes back.
    """

    def __init__(
        self, store: Store, *, look_every: float = LOOK_EVERY, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._look_every = look_every
        self._clock = clock
        self._looked_at: float | None = None
        self._versions: dict[str, int] = {}
        self._loaded: dict[str, Champion] = {}
        self._refused: dict[str, CryptoAssetsError] = {}

    def names(self, reader: Reader) -> frozenset[str]:
        """Forecasts that have a champion."""
        self._look(reader)
        return frozenset(self._versions)

    def of(self, reader: Reader, forecast: Forecast) -> Champion:
        """The champion of a forecast.

        Raises:
            NoChampion: none was trained, or none had skill.
            FeatureVersionDiffers: it learned from inputs that were computed by other code. Of features that are stored, whoever
                reads them says so (`refuse_other_features`).
            ArtefactMissing, ArtefactTampered: its files are not there, or are not those that were registered.
        """
        self._look(reader)
        name = forecast.name
        if name in self._refused:
            raise self._refused[name]
        if name not in self._loaded:
            try:
                self._loaded[name] = open_champion(reader, self._store, forecast)
            except CryptoAssetsError as error:
                # Asked again with the next look: nothing is loaded in vain for each market and round.
                self._refused[name] = error
                raise
        return self._loaded[name]

    def _look(self, reader: Reader) -> None:
        now = self._clock()
        if self._looked_at is not None and now - self._looked_at < self._look_every:
            return
        found = reader.frame(_CHAMPIONS)
        versions = {str(model): int(version) for model, version in zip(found["model"], found["version"], strict=True)}
        for name in [name for name, version in self._versions.items() if versions.get(name) != version]:
            self._loaded.pop(name, None)
        self._versions = versions
        self._refused = {}
        self._looked_at = now


def open_champion(reader: Reader, store: Store, forecast: Forecast) -> Champion:
    """Look a champion up and load it.

    Raises:
        NoChampion, FeatureVersionDiffers, ArtefactMissing, ArtefactTampered: as for `Champions.of`.
    """
    found = champion(reader, forecast.name)
    if found is None:
        raise NoChampion(
            f"Expected a champion of {forecast.name}, and none of its versions is one",
            way_out=f"`crypto-assets models train {forecast.name}` trains it, and one with skill is promoted;"
            f" `crypto-assets models show {forecast.name}` says what the versions there are were found to be.",
        )
    # Stored features say by which version they were made, row by row, and are looked at where they are read.
    if forecast.model not in CHOSEN:
        refuse_other_features(found, feature_version_of(forecast))
    return Champion(
        forecast=forecast,
        registered=found,
        artefact=load(store, found.artefact_sha256),
        baseline=baseline(found.best_baseline),
        expected=expected_inputs(forecast, found),
    )


def refuse_other_features(found: Registered, version: str) -> None:
    """Let a version see only what it learned from.

    Args:
        version: Of the features that it would see.

    Raises:
        FeatureVersionDiffers: naming both.
    """
    if found.feature_version != version:
        raise FeatureVersionDiffers(
            f"Version {found.version} of {found.model} learned from features of version {found.feature_version},"
            f" and those it would see are of version {version}",
            way_out=f"Where features were stored by older code, materialize features/ml_features; then train the forecast anew:"
            f" `crypto-assets models train {found.model}`.",
        )


def expected_inputs(forecast: Forecast, found: Registered) -> Rows:
    """Positions, among the declaration's inputs, of those that the version's training practically always knew.

    A version without a reference is taken to have known whatever the declaration does not call optional.
    """
    told = found.metrics.get("reference")
    known = {one.name: one.shares[-1] <= _SELDOM_UNKNOWN for one in Reference.of_json(told).inputs} if told else {}
    places = [place for place, name in enumerate(forecast.inputs) if known.get(name, name not in forecast.optional)]
    return np.array(places, dtype=np.int64)


__all__ = ["LOOK_EVERY", "Champion", "Champions", "expected_inputs", "open_champion", "refuse_other_features"]
