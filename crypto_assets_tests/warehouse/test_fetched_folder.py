"""A folder for what is fetched: one's own, gone behind its use, and those that killed processes left."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from crypto_assets.warehouse.fetched_folder import folder_for_fetched, remove_left

PATIENCE_SECONDS = 60
FETCHES = """
import pathlib, signal, sys
from crypto_assets.warehouse.fetched_folder import folder_for_fetched
with folder_for_fetched(pathlib.Path(sys.argv[1])) as folder:
    (folder / "dump").write_text("a part")
    signal.pause()
"""


def test_a_folder_is_private_and_gone_behind_its_use_even_after_an_error(tmp_path: Path) -> None:
    staging = tmp_path / "a" / "staging"
    with folder_for_fetched(staging) as folder:
        (folder / "below").mkdir()
        (folder / "below" / "file").write_text("x")
        assert folder.parent == staging
        assert folder.stat().st_mode & 0o777 == 0o700
    with pytest.raises(KeyError), folder_for_fetched(staging) as folder:
        raise KeyError
    assert list(staging.iterdir()) == []


def test_those_of_killed_processes_are_removed_and_those_at_work_stay(tmp_path: Path) -> None:
    staging = tmp_path / "staging"
    child = subprocess.Popen([sys.executable, "-c", FETCHES, str(staging)])
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not list(staging.glob("*/dump")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    [left] = staging.iterdir()
    assert remove_left(staging) == []
    with folder_for_fetched(staging) as folder:
        assert {left, folder} == set(staging.iterdir())  # it is at work
    child.kill()
    child.wait()
    assert [path.name for path in left.iterdir()] == ["dump"]
    with folder_for_fetched(staging) as folder:
        assert [folder] == list(staging.iterdir())


def test_they_can_be_removed_without_a_fetch(tmp_path: Path) -> None:
    assert remove_left(tmp_path / "never") == []
    for name in ("fetched-1", "fetched-2", "mine"):
        (tmp_path / name / "below").mkdir(parents=True)
    assert remove_left(tmp_path) == ["fetched-1", "fetched-2"]
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
