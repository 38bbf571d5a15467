"""From a history to a version: what is stored, what is registered, who becomes champion, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from crypto_assets.datasets.models.catalog import forecast as forecast_named
from crypto_assets.datasets.models.frames import feature_version_of
from crypto_assets.datasets.models.registry.code_hash import code_hash, hash_of
from crypto_assets.datasets.models.registry.history import FeaturesOutdated, data_hash, known_by, refuse_outdated
from crypto_assets.datasets.models.registry.registered import ModelUnknown, champion, versions
from crypto_assets.datasets.models.registry.store import NotPromotable, promote
from crypto_assets.datasets.models.registry.train import (
    STEPS_OF_A_LEARNER,
    LearnerUnknown,
    Progress,
    Step,
    TrainingOutcome,
    learners_named,
    train_frame,
)
from crypto_assets.forecasting.artefacts import ArtefactTampered, Store, StoreUnavailable
from crypto_assets.forecasting.declaration import Forecast
from crypto_assets.forecasting.frame import Frame, FrameRefused, Rows
from crypto_assets.forecasting.learner import Artefact
from crypto_assets.forecasting.lightgbm_learner import LightGbm
from crypto_assets.forecasting.loading import load
from crypto_assets.forecasting.lstm import ExtraMissing
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.models.registry.stage import FAST, FORECAST, HOURS, history, until

READ = history()


def _named(model: str) -> Forecast:
    """The forecast under a name that no other test of the shared database has."""
    return replace(FORECAST, model=model)


def _trained(
    warehouse: Warehouse, store: Store, model: str, hours: int = HOURS, learner: LightGbm = FAST
) -> TrainingOutcome:
    return train_frame(warehouse, store, _named(model), until(READ, hours), [learner])


def test_a_history_with_a_signal_becomes_the_champion_that_can_be_loaded(
    shared_warehouse: Warehouse, tmp_path: Path
) -> None:
    store, steps = Store(tmp_path), list[Step]()
    progress = Progress("signal_1h", STEPS_OF_A_LEARNER, steps.append)
    outcome = train_frame(shared_warehouse, store, _named("signal"), READ, [FAST], progress=progress)
    [one] = outcome.versions
    assert one.ruling.promoted
    assert outcome.champion == one.registered == champion(shared_warehouse, "signal_1h")
    row, frame = one.registered, READ.frame
    assert (row.version, row.learner, row.series, row.training_rows) == (1, "lightgbm", 2, 2 * (HOURS - 1))
    first = datetime(2024, 1, 1, tzinfo=UTC)
    assert (row.trained_from, row.trained_to) == (first, first + timedelta(hours=HOURS - 1))
    assert (row.feature_version, row.data_as_of, row.code_hash) == ("features 1", READ.data_as_of, code_hash())
    assert row.parameters == {name: value for name, value in vars(FAST).items() if name != "threads"}
    assert row.skill_low <= row.skill <= row.skill_high
    assert (row.validation, row.verdict) == (one.validation, one.validation.verdict)
    assert {each.name for each in row.reference.inputs} == set(frame.names)
    rows = frame.usable()
    again = FAST.fit(FORECAST, frame, rows).predict(frame, rows)
    np.testing.assert_array_equal(load(store, row.artefact_sha256).predict(frame, rows).yhat, again.yhat)
    assert [str(step) for step in steps] == [
        *(f"signal_1h: validates lightgbm, fold {fold} of 5 ({fold}/8)" for fold in range(1, 6)),
        "signal_1h: lets lightgbm learn (6/8)",
        "signal_1h: stores what lightgbm learned (7/8)",
        "signal_1h: compares lightgbm with the champion (8/8)",
    ]


def test_noise_is_registered_as_such_and_never_promoted(shared_warehouse: Warehouse, tmp_path: Path) -> None:
    read = history(strength=0.0)
    outcome = train_frame(shared_warehouse, Store(tmp_path), _named("noise"), read, [FAST])
    [one] = outcome.versions
    assert not one.registered.has_skill
    assert (one.registered.state, one.ruling.promoted, outcome.champion) == ("candidate", False, None)
    assert one.ruling.why == one.registered.verdict
    assert one.ruling.why.startswith("no skill: ")
    with pytest.raises(NotPromotable, match="no skill: "):
        promote(shared_warehouse, "noise_1h", 1, "ada", "I like it")


def test_a_later_training_is_compared_on_what_came_since(shared_warehouse: Warehouse, tmp_path: Path) -> None:
    store = Store(tmp_path)
    weak = replace(FAST, rounds=6, leaves=2)
    assert _trained(shared_warehouse, store, "weekly", 300, weak).versions[0].ruling.promoted
    [same] = _trained(shared_warehouse, store, "weekly", 300, weak).versions
    assert same.ruling.why.startswith("not better: mean absolute error")
    assert "the same data" in same.ruling.why
    [soon] = _trained(shared_warehouse, store, "weekly", 310).versions
    assert "nobody can tell" in soon.ruling.why
    [later] = _trained(shared_warehouse, store, "weekly", 360).versions
    assert later.ruling.promoted
    # The last of five folds of 360 hours are the 60 since the champion's training, of each of the two series.
    assert later.ruling.why.endswith("of version 1, on 120 decisions since version 1 learned")
    assert versions(shared_warehouse, "weekly_1h")["state"].tolist() == ["retired", *["candidate"] * 2, "champion"]


def test_a_tampered_champion_is_refused_by_name_and_makes_way(shared_warehouse: Warehouse, tmp_path: Path) -> None:
    store = Store(tmp_path)
    sha = _trained(shared_warehouse, store, "tampered", 300).versions[0].registered.artefact_sha256
    file = tmp_path / sha / "q50.txt"
    file.write_bytes(file.read_bytes().replace(b"leaf_value=", b"leaf_value=1", 1))
    with pytest.raises(ArtefactTampered, match=r"q50\.txt"):
        load(store, sha)
    [new] = _trained(shared_warehouse, store, "tampered", 310).versions
    assert new.ruling.promoted
    assert "version 1 cannot be used: The file q50.txt" in new.ruling.why


def test_too_little_history_says_what_there_is_and_what_it_takes(shared_warehouse: Warehouse, tmp_path: Path) -> None:
    with pytest.raises(FrameRefused, match=r"short_1h needs \d+ hours .* and there are 100"):
        _trained(shared_warehouse, Store(tmp_path), "short", 100)
    with pytest.raises(ModelUnknown):
        versions(shared_warehouse, "short_1h")
    assert list(tmp_path.iterdir()) == []


def test_an_input_that_is_all_null_is_named(shared_warehouse: Warehouse, tmp_path: Path) -> None:
    inputs = READ.frame.inputs.copy()
    inputs[:, READ.frame.names.index("noise")] = np.nan
    read = replace(READ, frame=replace(READ.frame, inputs=inputs))
    with pytest.raises(FrameRefused, match="noise"):
        train_frame(shared_warehouse, Store(tmp_path), _named("null"), read, [FAST])


def test_a_store_that_cannot_be_written_registers_nothing(shared_warehouse: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable):
        _trained(shared_warehouse, Store(tmp_path / "file"), "full")
    with pytest.raises(ModelUnknown):
        versions(shared_warehouse, "full_1h")


class Lacking(LightGbm):
    """A learner whose packages are not installed."""

    @property
    def name(self) -> str:
        return "lacking"

    def fit(self, _forecast: Forecast, _frame: Frame, _rows: Rows) -> Artefact:  # type: ignore[override]
        raise ExtraMissing("lacking is not installed")


def test_a_learner_that_cannot_learn_is_a_warning_while_another_can(
    shared_warehouse: Warehouse, tmp_path: Path
) -> None:
    forecast, read = _named("partly"), until(READ, 300)
    outcome = train_frame(shared_warehouse, Store(tmp_path), forecast, read, [Lacking(), FAST])
    assert (len(outcome.versions), outcome.warnings) == (1, ("lacking is not installed",))
    with pytest.raises(ExtraMissing):
        train_frame(shared_warehouse, Store(tmp_path), forecast, read, [Lacking()])


def test_learners_are_known_by_name() -> None:
    assert [one.name for one in learners_named(["lightgbm", "lstm", "lightgbm"])] == ["lightgbm", "lstm"]
    with pytest.raises(LearnerUnknown, match="among lightgbm, lstm, and got forest"):
        learners_named(["lightgbm", "forest"])
    with pytest.raises(LearnerUnknown, match="got none"):
        learners_named([])


def test_outcomes_that_were_not_known_by_a_moment_are_not_learned_from() -> None:
    end = datetime(2024, 1, 1, 10, tzinfo=UTC)
    frame = known_by(READ.frame, end)
    assert len(frame) == len(READ.frame)
    # Decisions of 00:00 to 09:00 had their outcomes by 10:00, in each of the two series.
    assert frame.decided_at[frame.usable()].tolist() == [end.replace(tzinfo=None, hour=hour) for hour in range(10)] * 2


def test_features_of_another_version_are_not_learned_from() -> None:
    spread = forecast_named("liquidity_spread_1h")
    version = feature_version_of(spread)
    refuse_outdated(spread, {version: 1000})
    with pytest.raises(FeaturesOutdated, match=f"features of version {version}, .* computed 1,200 by version abc"):
        refuse_outdated(spread, {version: 1000, "abc": 1200})


def test_equal_data_has_equal_hashes_whatever_the_inputs() -> None:
    frame = READ.frame
    assert data_hash(replace(frame, inputs=frame.inputs + 1)) == data_hash(frame)
    target = frame.target.copy()
    target[5] += 1e-12
    assert data_hash(replace(frame, target=target)) != data_hash(frame)
    assert data_hash(until(READ, 300).frame) != data_hash(frame)


def test_the_hash_of_code_depends_on_names_and_contents_alone(tmp_path: Path) -> None:
    for folder, names in (("here", "ab"), ("there", "ba")):
        for name in names:  # made in another order
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / f"{name}.py").write_bytes(name.encode() + (b"\n" if folder == "here" else b"\r\n"))
    here, there = tmp_path / "here", tmp_path / "there"
    before = hash_of(here, here.glob("*.py"))
    assert before == hash_of(there, there.glob("*.py"))
    (here / "a.py").rename(here / "c.py")
    assert hash_of(here, here.glob("*.py")) != before
    assert len(code_hash()) == 64
