"""Processes killed in mid-training and in mid-promotion: the champion stays, nothing is half there, running again completes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from crypto_assets.datasets.models.registry.registered import champion, versions
from crypto_assets.datasets.models.registry.store import promote
from crypto_assets.datasets.models.registry.train import TrainingOutcome, train_frame
from crypto_assets.forecasting.artefacts import Store
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.models.registry.stage import (
    FAST,
    FORECAST,
    changes,
    history,
    registered,
    trained,
    until,
    until_waiting,
)

# Each process does what `_train_again` and `promote` do below, and comes to a halt where the test wants it to be killed.
TRAIN = """
import sys
from dataclasses import replace
from pydantic import SecretStr
from crypto_assets.datasets.models.registry.train import train_frame
from crypto_assets.forecasting.artefacts import Store
from crypto_assets.forecasting.lightgbm_learner import LightGbm
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.models.registry.stage import FAST, FORECAST, history

class Waiting(LightGbm):
    def fit(self, forecast, frame, rows):
        print("learning", flush=True)
        sys.stdin.readline()

warehouse = Warehouse(SecretStr(sys.stdin.readline().strip()))
_, model, place, learner = sys.argv
learner = Waiting() if learner == "waiting" else FAST
train_frame(warehouse, Store(place), replace(FORECAST, model=model), history(), [learner])
"""
PROMOTE = """
import sys
from pydantic import SecretStr
from crypto_assets.datasets.models.registry.store import promote
from crypto_assets.warehouse.connection import Warehouse

promote(Warehouse(SecretStr(sys.stdin.readline().strip())), sys.argv[1], 2, "ada", "it is better")
"""


@contextmanager
def _process(warehouse: Warehouse, code: str, *told: str) -> Iterator[subprocess.Popen[str]]:
    run = subprocess.Popen(
        [sys.executable, "-c", code, *told], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert run.stdin is not None
        run.stdin.write(warehouse.url.get_secret_value() + "\n")
        run.stdin.flush()
        yield run
    finally:
        run.kill()
        run.communicate()


def _killed_behind(warehouse: Warehouse, lock: str, code: str, *told: str) -> None:
    """Hold a lock, let a process come to where it waits for it, kill it there, and let go."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(lock)
        with _process(warehouse, code, *told) as run:
            until_waiting(warehouse, 1)
            os.kill(run.pid, signal.SIGKILL)
            assert run.wait() == -signal.SIGKILL
    # Its backend goes on until it misses its client: then it rolls back.
    until_waiting(warehouse, 0)


def _train_again(warehouse: Warehouse, place: Path, model: str) -> TrainingOutcome:
    return train_frame(warehouse, Store(place), replace(FORECAST, model=model), history(), [FAST])


def _champion_of_before(warehouse: Warehouse, place: Path, model: str) -> None:
    """Version 1, of a shorter history; a day and more has been decided since."""
    read = until(history(), 300)
    [one] = train_frame(warehouse, Store(place), replace(FORECAST, model=model), read, [FAST]).versions
    assert one.ruling.promoted


def _state(warehouse: Warehouse, model: str) -> list[tuple[int, str]]:
    found = versions(warehouse, f"{model}_1h")
    return list(zip(found["version"].tolist(), found["state"].tolist(), strict=True))


def test_killed_while_it_learns(shared_warehouse: Warehouse, tmp_path: Path) -> None:
    _champion_of_before(shared_warehouse, tmp_path, "learning")
    before = sorted(tmp_path.iterdir())
    with _process(shared_warehouse, TRAIN, "learning", str(tmp_path), "waiting") as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "learning\n"
        os.kill(run.pid, signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL
    assert _state(shared_warehouse, "learning") == [(1, "champion")]
    assert sorted(tmp_path.iterdir()) == before
    assert _train_again(shared_warehouse, tmp_path, "learning").versions[0].registered.version == 2


def test_killed_between_the_artefact_and_the_row(shared_warehouse: Warehouse, tmp_path: Path) -> None:
    model = "stored"
    _champion_of_before(shared_warehouse, tmp_path, model)
    # The artefact is stored and the version has its number, and the row waits.
    _killed_behind(shared_warehouse, "LOCK TABLE models.registry IN SHARE MODE", TRAIN, model, str(tmp_path), "fast")
    assert _state(shared_warehouse, model) == [(1, "champion")]
    left = {one.name for one in tmp_path.iterdir()}
    assert len(left) == 2  # files that no row names
    again = _train_again(shared_warehouse, tmp_path, model)
    [(_, first), (number, second)] = _state(shared_warehouse, model)
    assert (number, {first, second} & {"champion"}) == (2, {"champion"})
    assert again.versions[0].registered.artefact_sha256 in left  # the same files, stored under the same name
    assert {one.name for one in tmp_path.iterdir()} == left


def test_killed_between_the_old_champion_and_the_new(shared_warehouse: Warehouse) -> None:
    for _ in range(2):
        registered(shared_warehouse, trained("crown_1h"))
    promote(shared_warehouse, "crown_1h", 1, "ada", "the first")
    # Both rows of the registry are changed, and the note in models.promotions waits.
    _killed_behind(shared_warehouse, "LOCK TABLE models.promotions IN SHARE MODE", PROMOTE, "crown_1h")
    assert _state(shared_warehouse, "crown") == [(1, "champion"), (2, "candidate")]
    assert changes(shared_warehouse).query("model == 'crown_1h'")["version"].tolist() == [1]
    promote(shared_warehouse, "crown_1h", 2, "ada", "it is better")
    held = champion(shared_warehouse, "crown_1h")
    assert held is not None
    assert (held.version, held.promoted_why) == (2, "it is better")
    assert changes(shared_warehouse).query("model == 'crown_1h'")["version"].tolist() == [1, 2]
