"""Who takes the champion's place: errors on the same decisions, and sentences that say so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from crypto_assets.datasets.models.registry.registered import Registered
from crypto_assets.datasets.models.registry.rule import Contest, Trial, rule
from crypto_assets.datasets.models.registry.table import ModelState
from crypto_assets.forecasting.artefacts import Store
from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.forecasting.frame import Frame, Rows
from crypto_assets.forecasting.learner import Forecasts
from crypto_assets_tests.datasets.models.registry.stage import FAST, FORECAST, history, trained

READ = history(200)
BEGINNING = READ.frame.decided_at.min()
END = READ.frame.decided_at.max()


@dataclass(frozen=True)
class Off:
    """Says the truth plus so much, and nothing of decisions before `since`."""

    by: float
    since: np.datetime64 = BEGINNING

    name = "off"

    def fit(self, _forecast: Forecast, _frame: Frame, _rows: Rows) -> Off:
        return self

    def predict(self, frame: Frame, rows: Rows) -> Forecasts:
        yhat = np.where(frame.decided_at[rows] >= self.since, frame.target[rows] + self.by, np.nan)
        return Forecasts(yhat, yhat, yhat)

    def files(self) -> Mapping[str, bytes]:
        return {}


def _version(version: int, **told: object) -> Registered:
    at = datetime(2023, 1, 1, tzinfo=UTC)
    row = vars(trained()) | {"trained_to": at, "version": version, "state": ModelState.CANDIDATE}
    return Registered(**{**row, **told})  # type: ignore[arg-type]


def _before_the_end(hours: int) -> datetime:
    moment: datetime = (END - np.timedelta64(hours, "h")).item()
    return moment.replace(tzinfo=UTC)


def test_both_are_measured_on_the_last_decisions_that_neither_learned_from() -> None:
    trial = Trial(FORECAST, READ.frame, Off(0.25))
    fold = trial.last_fold
    everything = trial.contest(_version(1), Off(-0.5))
    assert everything == Contest(len(fold.test), pytest.approx(0.25), pytest.approx(0.5))  # type: ignore[arg-type]
    # Of the last hour the target is not known; each of the two series has a decision an hour.
    since = trial.contest(_version(1, trained_to=_before_the_end(25)), Off(-0.5))
    assert since == Contest(50, pytest.approx(0.25), pytest.approx(0.5))  # type: ignore[arg-type]


def test_less_than_a_day_since_the_champion_learned_tells_nothing() -> None:
    trial = Trial(FORECAST, READ.frame, Off(0.25))
    assert trial.contest(_version(1, trained_to=_before_the_end(23)), Off(0.5)) is None
    # One that says nothing of most decisions is not compared on the others alone.
    assert trial.contest(_version(1), Off(0.5, since=END - np.timedelta64(10, "h"))) is None


def test_without_skill_or_champion_nothing_has_to_be_compared(tmp_path: Path) -> None:
    store, trial = Store(tmp_path), Trial(FORECAST, READ.frame, FAST)
    poor = replace(_version(2), has_skill=False)
    assert not rule(store, poor, None, trial).promoted
    first = rule(store, _version(1), None, trial)
    assert (first.promoted, first.why) == (
        True,
        "skill 20.0 % over drift (90 %: 10.0 … 30.0); there was no champion",
    )


def test_a_champion_of_other_features_makes_way(tmp_path: Path) -> None:
    new = _version(2, feature_version="features 2")
    found = rule(Store(tmp_path), new, _version(1), Trial(FORECAST, READ.frame, FAST))
    assert found.promoted
    assert "version 1 learned from features features 1, and now they are features 2" in found.why


def test_a_champion_without_files_makes_way(tmp_path: Path) -> None:
    found = rule(Store(tmp_path), _version(2), _version(1), Trial(FORECAST, READ.frame, FAST))
    assert found.promoted
    assert "version 1 cannot be used: The artefact aaaaaaaaaaaa… has no file manifest.json" in found.why


def _stored(store: Store, frame: Frame) -> str:
    files = FAST.fit(FORECAST, frame, frame.usable()).files()
    about = {"learner": "lightgbm", "forecast": FORECAST.name, "inputs": list(frame.names)}
    return store.put(files, about).sha256


def test_on_the_same_data_the_errors_of_validation_decide_and_on_other_data_the_champion_stays(tmp_path: Path) -> None:
    store, trial = Store(tmp_path), Trial(FORECAST, READ.frame, FAST)
    sha = _stored(store, READ.frame)

    def of(version: int, error: float, data: str) -> Registered:
        metrics = {"verdict": "skill", "error": error, "data_sha256": data}
        return _version(version, metrics=metrics, artefact_sha256=sha, trained_to=_before_the_end(1))

    better = rule(store, of(2, 0.1, "x"), of(1, 0.2, "x"), trial)
    assert (better.promoted, better.why) == (
        True,
        "mean absolute error 0.1 against 0.2 of version 1, on the same data, each walked forward",
    )
    assert not rule(store, of(2, 0.2, "x"), of(1, 0.2, "x"), trial).promoted
    other = rule(store, of(2, 0.1, "y"), of(1, 0.2, "x"), trial)
    assert not other.promoted
    assert "nobody can tell which is better" in other.why
