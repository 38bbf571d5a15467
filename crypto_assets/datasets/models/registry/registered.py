"""Versions as models.registry holds them: what a row says, and reading rows.

What belongs here: the types of a version, from row and to row, and the questions that prediction, checks and the CLI ask of the
registry. What does not: changing it (store.py) and training (train.py).
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import cast

import numpy as np
import pandas as pd
from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import distinct_on

from crypto_assets.datasets.models.registry.table import ModelState, registry
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.forecasting.drift import Reference
from crypto_assets.forecasting.validation_report import Validation
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import Reader, reading
from crypto_assets.warehouse.write import Batch

type Json = Mapping[str, object]

REFERENCE = "reference"  # beside the report of validation, in metrics
DATA_HASH = "data_sha256"

_C = registry.c
_DOCUMENTS = ("parameters", "metrics")


class ModelUnknown(CryptoAssetsError):
    """Nothing is registered under that name."""


class VersionUnknown(CryptoAssetsError):
    """The forecast has no such version."""


@dataclass(frozen=True)
class Trained:
    """What training came to, before it has a number. Times are UTC.

    Args:
        model: Forecast, as gas_4h.
        learner: Who learned it.
        artefact_sha256: Hash of the artefact's manifest in the model store.
        artefact_bytes: Size of its files.
        code_hash: Of the code that read, learned and judged.
        feature_version: Of what it was trained on.
        data_as_of: Nothing ingested later was read.
        trained_from: First decision learned from.
        trained_to: When the last truth learned from became known.
        training_rows: Decisions learned from.
        series: How many series they are of.
        parameters: What the learner was told.
        metrics: The report of validation, JSON-able; numbers that are not finite are kept as null.
        best_baseline: The baseline with the least error.
        skill: Against it, a fraction; within [skill_low, skill_high], whose ends are infinite where nobody can tell.
        has_skill: Whether promotion may be thought of.
        known_at: When the training ended.
        training_set: Name of the frozen set that it learned from; None where it read what was stored.
    """

    model: str
    learner: str
    artefact_sha256: str
    artefact_bytes: int
    code_hash: str
    feature_version: str
    data_as_of: datetime
    trained_from: datetime
    trained_to: datetime
    training_rows: int
    series: int
    parameters: Json
    metrics: Json
    best_baseline: str
    skill: float
    skill_low: float
    skill_high: float
    has_skill: bool
    known_at: datetime
    training_set: str | None = field(default=None, kw_only=True)

    @property
    def told_skill(self) -> str:
        """The figures in words, whether they say skill or not."""
        low, high = 100 * self.skill_low, 100 * self.skill_high
        return f"skill {100 * self.skill:.1f} % over {self.best_baseline} (90 %: {low:.1f} … {high:.1f})"

    @property
    def verdict(self) -> str:
        """What validation said: 'skill 12.3 % over drift (90 %: 8.1 … 15.9)', or 'no skill: …' with the reasons."""
        return str(self.metrics["verdict"])


@dataclass(frozen=True)
class Registered(Trained):
    """A version in the registry.

    Args:
        version: Counted from 1 within the forecast.
        state: What it is to its forecast.
        promoted_at: When it last became champion.
        promoted_by: Who made it so.
        promoted_why: Why.
        retired_at: When another took its place.
    """

    version: int
    state: ModelState
    promoted_at: datetime | None = None
    promoted_by: str | None = None
    promoted_why: str | None = None
    retired_at: datetime | None = None

    @property
    def is_champion(self) -> bool:
        """Whether it answers for its forecast."""
        return self.state is ModelState.CHAMPION

    @property
    def validation(self) -> Validation:
        """Its report of validation."""
        return Validation.of_json(self.metrics)

    @property
    def reference(self) -> Reference:
        """The distributions of its inputs in training, by which drift is measured.

        Raises:
            FrameRefused: it was registered without.
        """
        return Reference.of_json(self.metrics.get(REFERENCE))


def champion(source: Warehouse | Reader, model: str) -> Registered | None:
    """The version that answers for a forecast; None where none does.

    Raises:
        DatabaseUnreachable, NotMigrated: as for reading anything.
    """
    return champions(source, [model]).get(model)


def champions(source: Warehouse | Reader, models: Collection[str] | None = None) -> dict[str, Registered]:
    """The champions by forecast, of all forecasts or of some.

    Raises:
        DatabaseUnreachable, NotMigrated: as for reading anything.
    """
    statement = _chosen(models).where(_C.state == ModelState.CHAMPION.value)
    return {one.model: one for one in _read(source, statement)}


def version_of(source: Warehouse | Reader, model: str, version: int) -> Registered:
    """One version.

    Raises:
        ModelUnknown: nothing is registered under that name.
        VersionUnknown: the forecast has no such version.
        DatabaseUnreachable, NotMigrated: as for reading anything.
    """
    found = _read(source, _chosen([model]).where(_C.version == version))
    if found:
        return found[0]
    known = versions(source, model)["version"].tolist()
    raise VersionUnknown(
        f"{model} has no version {version}; it has {', '.join(map(str, known))}",
        way_out=f"`crypto-assets models show {model}` lists them.",
    )


def newest(source: Warehouse | Reader, models: Collection[str] | None = None) -> dict[str, Registered]:
    """The version trained last of each forecast that has any.

    Raises:
        DatabaseUnreachable, NotMigrated: as for reading anything.
    """
    last = _chosen(models).order_by(None).ext(distinct_on(_C.model)).order_by(_C.model, _C.version.desc())
    return {one.model: one for one in _read(source, last)}


def versions(source: Warehouse | Reader, model: str | None = None) -> pd.DataFrame:
    """Every version, of all forecasts or of one, in the order of forecast and version: the table without its documents.

    Raises:
        ModelUnknown: nothing is registered under that name.
        DatabaseUnreachable, NotMigrated: as for reading anything.
    """
    plain = [column for column in registry.columns if column.name not in _DOCUMENTS]
    statement = select().add_columns(*plain).order_by(_C.model, _C.version)
    if model is not None:
        statement = statement.where(_C.model == model)
    found = _frame(source, statement)
    if model is not None and found.empty:
        known = sorted(set(_frame(source, select().add_columns(_C.model))["model"]))
        raise ModelUnknown(
            f"Nothing is registered as {model}; registered: {', '.join(known) or 'nothing'}",
            way_out=f"`crypto-assets models train {model}` trains it; `crypto-assets models list` shows what there is.",
        )
    return found


def all_versions(source: Warehouse | Reader, models: Collection[str] | None = None) -> list[Registered]:
    """Every version with its documents, in the order of forecast and version.

    Raises:
        DatabaseUnreachable, NotMigrated: as for reading anything.
    """
    return _read(source, _chosen(models))


def row_of(trained: Trained, version: int) -> Batch:
    """The columns of a new version, a candidate."""
    told: dict[str, object] = {one.name: getattr(trained, one.name) for one in fields(Trained)}
    told |= {name: json.dumps(finite(told[name]), allow_nan=False) for name in _DOCUMENTS}
    told |= {"version": version, "state": ModelState.CANDIDATE.value, "source": f"trained by {trained.learner}"}
    return cast(Batch, told)


def finite(told: object) -> object:
    """A document as JSON can hold it: numbers that are not finite are null, numpy's numbers Python's."""
    if isinstance(told, Mapping):
        return {str(name): finite(value) for name, value in told.items()}
    if isinstance(told, str | bool) or told is None:
        return told
    if isinstance(told, np.generic):
        return finite(told.item())
    if isinstance(told, float):
        return told if math.isfinite(told) else None
    if isinstance(told, Sequence | np.ndarray):
        return [finite(value) for value in told]
    return told


def _chosen(models: Collection[str] | None) -> Select[tuple[object, ...]]:
    names = [one.name for one in fields(Registered)]
    statement = select().add_columns(*(_C[name] for name in names)).order_by(_C.model, _C.version)
    return statement if models is None else statement.where(_C.model.in_(sorted(models)))


def _read(source: Warehouse | Reader, statement: Select[tuple[object, ...]]) -> list[Registered]:
    return [_registered(row) for row in _frame(source, statement).to_dict("records")]


def _frame(source: Warehouse | Reader, statement: Select[tuple[object, ...]]) -> pd.DataFrame:
    if isinstance(source, Reader):
        return source.frame(statement)
    with reading(source) as reader:
        return reader.frame(statement)


def _registered(row: Mapping[object, object]) -> Registered:
    values = {str(name): _plain(value) for name, value in row.items()}
    values |= {name: json.loads(str(values[name])) for name in _DOCUMENTS}
    values["state"] = ModelState(str(values["state"]))
    return Registered(**values)  # type: ignore[arg-type]


def _plain(value: object) -> object:
    """A cell as Python holds it: None for what is null, datetime for a time."""
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    return None if value is pd.NaT or value is pd.NA or (isinstance(value, float) and math.isnan(value)) else value


__all__ = [
    "DATA_HASH", "REFERENCE", "Json", "ModelUnknown", "Registered", "Trained", "VersionUnknown",
    "all_versions", "champion", "champions", "finite", "newest", "row_of", "version_of", "versions",
]  # fmt: skip
