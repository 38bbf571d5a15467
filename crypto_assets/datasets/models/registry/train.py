"""Training a forecast: read, validate, learn, store, register, and promote by rule.

What belongs here: the order of that work and what came of it. What does not: reading (history.py), learning and
judging (forecasting), numbers and states (store.py), comparing with the champion (rule.py), showing (report.py).

The artefact is stored first and the row of the registry last, so whoever is killed on the way leaves at most files that no row
names; the champion stays what it is. Running again does the whole work again, and the same files are stored under the
same name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

import numpy as np

from crypto_assets.datasets.models.registry.code_hash import code_hash
from crypto_assets.datasets.models.registry.history import Read, data_hash, read_history
from crypto_assets.datasets.models.registry.registered import (
    DATA_HASH,
    REFERENCE,
    Registered,
    Trained,
    champion,
    version_of,
)
from crypto_assets.datasets.models.registry.rule import Ruling, Trial, promote_by_rule
from crypto_assets.datasets.models.registry.store import RULE, register
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.forecasting.artefacts import Json, Store, Stored
from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.forecasting.drift import reference
from crypto_assets.forecasting.frame import Frame, FrameRefused, Rows
from crypto_assets.forecasting.learner import Artefact
from crypto_assets.forecasting.lightgbm_learner import LightGbm
from crypto_assets.forecasting.lstm import ExtraMissing, Lstm
from crypto_assets.forecasting.splits import FOLDS
from crypto_assets.forecasting.validation import validate
from crypto_assets.forecasting.validation_report import Validation
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse

type Tell = Callable[["Step"], None]


class LearnerUnknown(CryptoAssetsError):
    """No learner is named so."""


class Trainer(Protocol):
    """A learner whose result can be kept."""

    @property
    def name(self) -> str:
        """As the registry says it."""

    @property
    def parameters(self) -> Mapping[str, object]:
        """What decides a fit, JSON-able."""

    def fit(self, forecast: Forecast, frame: Frame, rows: Rows) -> Artefact:
        """As `Learner.fit`."""


_FOLD = "validates {}, fold {} of {}"
_STEPS = (
    "lets {} learn",
    "stores what {} learned",
    "compares {} with the champion",
)  # of each learner, after its folds
STEPS_OF_A_LEARNER = FOLDS + len(_STEPS)

# One thread: on two cores that others want, too, two threads wait for each other at each split, and what takes one of them 4
# seconds took both 70.
LEARNERS: Mapping[str, Callable[[], Trainer]] = {"lightgbm": partial(LightGbm, threads=1), "lstm": Lstm}


@dataclass(frozen=True)
class Step:
    """Where a training stands.

    Args:
        forecast: Its name.
        doing: What begins now, as a phrase: "validates lightgbm, fold 2 of 5".
        done: Steps that lie behind.
        of: Steps in all.
    """

    forecast: str
    doing: str
    done: int
    of: int

    def __str__(self) -> str:
        return f"{self.forecast}: {self.doing} ({self.done + 1}/{self.of})"


@dataclass(frozen=True)
class VersionOutcome:
    """What came of one learner.

    Args:
        registered: The version, as it stands after the ruling.
        validation: How it did.
        ruling: Whether it became champion, and why.
    """

    registered: Registered
    validation: Validation
    ruling: Ruling


@dataclass(frozen=True)
class TrainingOutcome:
    """What came of training a forecast.

    Args:
        model: The forecast's name.
        versions: One for each learner that learned, in the order in which they were asked.
        champion: Who answers for the forecast now; None where no version ever had skill.
        warnings: Of each learner that could not learn, why.
    """

    model: str
    versions: tuple[VersionOutcome, ...]
    champion: Registered | None
    warnings: tuple[str, ...] = ()


def silent(_step: Step) -> None:
    """Tells nobody."""


@dataclass
class Progress:
    """Counts the steps of one forecast's training and tells of each.

    Args:
        forecast: Its name.
        of: Steps in all.
        tell: Is told.
        done: Steps begun before.
    """

    forecast: str
    of: int
    tell: Tell = silent
    done: int = 0

    def begin(self, doing: str) -> None:
        """The next step begins."""
        self.tell(Step(self.forecast, doing, self.done, self.of))
        self.done += 1


def train(
    warehouse: Warehouse,
    universe: Universe,
    store: Store,
    forecast: Forecast,
    *,
    learners: Sequence[str] = ("lightgbm",),
    end: datetime | None = None,
    by: str = RULE,
    tell: Tell = silent,
) -> TrainingOutcome:
    """Train a forecast on all that is stored of it, and let the rule decide who is champion.

    Args:
        warehouse: What is read and where the registry is.
        universe: Its markets and its history_from.
        store: Where artefacts go.
        forecast: The declaration.
        learners: Names of LEARNERS.
        end: As if it were then: decisions before it, with outcomes known by it; None for now.
        by: Who is written down where the rule promotes.
        tell: Is told of each step as it begins.

    Returns:
        The versions, and who is champion.

    Raises:
        LearnerUnknown: naming those there are.
        NothingStored: nothing of the forecast's series is stored.
        FrameRefused: too little history, with the hours there are and those it takes; an input that is all null, by name.
        ExtraMissing: the only learner asked for needs packages that are not installed.
        StoreUnavailable: artefacts cannot be stored; nothing was registered.
        DatabaseUnreachable: no connection, or it broke; what is registered stands.
    """
    chosen = learners_named(learners)
    progress = Progress(forecast.name, 1 + STEPS_OF_A_LEARNER * len(chosen), tell)
    progress.begin("reads history")
    read = read_history(warehouse, universe, forecast, end)
    return train_frame(warehouse, store, forecast, read, chosen, by=by, progress=progress)


def learners_named(names: Sequence[str]) -> list[Trainer]:
    """Learners as they are by default.

    Raises:
        LearnerUnknown: naming those there are.
    """
    unknown = [name for name in names if name not in LEARNERS]
    if unknown or not names:
        raise LearnerUnknown(
            f"Expected learners among {', '.join(LEARNERS)}, and got {', '.join(unknown) or 'none'}",
            way_out="lightgbm needs nothing more; lstm needs the extra crypto-assets[lstm].",
        )
    return [LEARNERS[name]() for name in dict.fromkeys(names)]


def train_frame(
    warehouse: Warehouse,
    store: Store,
    forecast: Forecast,
    read: Read,
    learners: Sequence[Trainer],
    *,
    by: str = RULE,
    progress: Progress | None = None,
) -> TrainingOutcome:
    """As `train`, from decisions that are read already.

    A learner that cannot learn is a warning as long as another one can.
    """
    progress = progress or Progress(forecast.name, STEPS_OF_A_LEARNER * len(learners))
    done: list[VersionOutcome] = []
    failed: list[FrameRefused | ExtraMissing] = []
    for learner in learners:
        try:
            learned = learn(forecast, read, learner, progress)
        except (FrameRefused, ExtraMissing) as error:
            failed.append(error)
            continue
        progress.begin(_STEPS[1].format(learner.name))
        version = keep(warehouse, store, forecast, learned)
        progress.begin(_STEPS[2].format(learner.name))
        ruling = promote_by_rule(warehouse, store, version, Trial(forecast, read.frame, learner), by)
        done.append(VersionOutcome(version_of(warehouse, forecast.name, version.version), learned.validation, ruling))
    if failed and not done:
        raise failed[0]
    told = tuple(str(error) for error in failed)
    return TrainingOutcome(forecast.name, tuple(done), champion(warehouse, forecast.name), told)


@dataclass(frozen=True)
class Learned:
    """A learner's work, not yet kept.

    Args:
        learner: Who.
        read: From what.
        validation: How it did on what it had not learned from.
        artefact: What it learned from everything.
    """

    learner: Trainer
    read: Read
    validation: Validation
    artefact: Artefact


@dataclass
class _Told:
    """A learner that tells of each fold in which it learns."""

    learner: Trainer
    progress: Progress
    fold: int = 0

    @property
    def name(self) -> str:
        return self.learner.name

    def fit(self, forecast: Forecast, frame: Frame, rows: Rows) -> Artefact:
        self.fold += 1
        self.progress.begin(_FOLD.format(self.name, self.fold, FOLDS))
        return self.learner.fit(forecast, frame, rows)


def learn(forecast: Forecast, read: Read, learner: Trainer, progress: Progress) -> Learned:
    """Validate a learner, then let it learn from everything; stores nothing.

    Raises:
        FrameRefused, ExtraMissing: as `train`.
    """
    validation = validate(forecast, read.frame, _Told(learner, progress))
    progress.begin(_STEPS[0].format(learner.name))
    return Learned(learner, read, validation, learner.fit(forecast, read.frame, read.frame.usable()))


def keep(warehouse: Warehouse, store: Store, forecast: Forecast, learned: Learned) -> Registered:
    """Store the artefact, then register it: a row always has its files.

    Raises:
        StoreUnavailable, ArtefactRefused: it cannot be stored; nothing was registered.
        DatabaseUnreachable: no connection, or it broke; nothing was registered.
    """
    about: dict[str, Json] = {
        "learner": learned.learner.name,
        "forecast": forecast.name,
        "inputs": list(learned.read.frame.names),
        "feature_version": learned.read.feature_version,
        "code_hash": code_hash(),
    }
    stored = store.put(learned.artefact.files(), about)
    trained = trained_of(forecast, learned, stored, datetime.now(UTC))
    with warehouse.connect() as connection:
        version = register(connection, trained)
    return version_of(warehouse, forecast.name, version)


def trained_of(forecast: Forecast, learned: Learned, stored: Stored, at: datetime) -> Trained:
    """What the registry is told. Pure.

    Args:
        at: When the training ended, UTC.
    """
    frame, validation = learned.read.frame, learned.validation
    rows = frame.usable()
    metrics = {
        **validation.as_json(),
        REFERENCE: reference(frame, rows, forecast.retrain.window).as_json(),
        DATA_HASH: data_hash(frame),
    }
    return Trained(
        model=forecast.name,
        learner=learned.learner.name,
        artefact_sha256=stored.sha256,
        artefact_bytes=stored.bytes,
        code_hash=code_hash(),
        feature_version=learned.read.feature_version,
        data_as_of=learned.read.data_as_of,
        trained_from=_moment(frame.decided_at[rows].min()),
        trained_to=_moment(frame.target_known_at[rows].max()),
        training_rows=len(rows),
        series=len(np.unique(frame.code[rows])),
        parameters=learned.learner.parameters,
        metrics=metrics,
        best_baseline=validation.best_baseline,
        skill=validation.skill,
        # An interval of draws need not hold what was measured; one that does claims less.
        skill_low=min(validation.skill_low, validation.skill),
        skill_high=max(validation.skill_high, validation.skill),
        has_skill=validation.has_skill,
        known_at=at,
        training_set=learned.read.training_set,
    )


def _moment(moment: np.datetime64) -> datetime:
    plain: datetime = moment.astype("datetime64[us]").item()
    return plain.replace(tzinfo=UTC)
