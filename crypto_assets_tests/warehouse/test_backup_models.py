"""Models come back whole into a store that may hold a part of one."""

import os
from hashlib import sha256
from pathlib import Path

import fsspec
import pytest

from crypto_assets.warehouse.backup_manifest import BackupError
from crypto_assets.warehouse.backup_models import MODELS, check_models, copy_models, restore_models

NAME = sha256(b"{}").hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a backup with one model."""
    made = tmp_path / "backup"
    (made / MODELS / NAME).mkdir(parents=True)
    (made / MODELS / NAME / "manifest.json").write_bytes(b"{}")
    (made / MODELS / NAME / "model.txt").write_bytes(b"a whole tree")
    return made


def test_a_part_that_a_killed_restore_left_is_replaced_and_what_is_whole_stays(folder: Path, tmp_path: Path) -> None:
    there = tmp_path / "store" / NAME
    there.mkdir(parents=True)
    (there / "model.txt").write_bytes(b"a who")
    (there / "manifest.json").write_bytes(b"{}")
    os.utime(there / "manifest.json", (1, 1))
    for name, at in ((".model.txt.0.part", 1), (".model.txt.1.part", None)):
        (there / name).write_bytes(b"a")
        os.utime(there / name, None if at is None else (at, at))
    assert restore_models(folder, str(tmp_path / "store")) == 1
    assert {one.name: one.read_bytes() for one in there.iterdir()} == {
        "manifest.json": b"{}", "model.txt": b"a whole tree", ".model.txt.1.part": b"a",
    }  # fmt: skip  # somebody may be writing the young one
    assert (there / "manifest.json").stat().st_mtime == 1
    assert restore_models(folder, str(tmp_path / "store")) == 0


def test_a_file_that_cannot_be_written_leaves_the_store_as_it_was(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("crypto_assets.warehouse.backup_models.sync", full)
    with pytest.raises(BackupError, match="cannot be written"):
        restore_models(folder, str(tmp_path / "store"))
    assert [*(tmp_path / "store" / NAME).iterdir()] == []


def test_objects_that_are_there_stay_and_what_is_missing_comes(folder: Path, request: pytest.FixtureRequest) -> None:
    address = f"memory://{request.node.name}"
    system = fsspec.filesystem("memory")
    system.pipe_file(f"{address}/{NAME}/model.txt", b"another")
    assert restore_models(folder, address) == 1
    assert system.cat_file(f"{address}/{NAME}/model.txt") == b"another"
    system.rm(address, recursive=True)


def test_what_is_no_model_is_left_out_by_name(folder: Path, tmp_path: Path) -> None:
    store = folder / MODELS
    (store / "notes.txt").write_text("mine")
    (store / ("c" * 64)).mkdir()
    (store / ("c" * 64) / "manifest.json").write_bytes(b"{}")
    (store / ("d" * 64)).mkdir()
    (store / ("d" * 64) / "model.txt").write_bytes(b"no manifest yet")
    assert copy_models(str(store), tmp_path / "copy") == [
        "the model cccccccccccc… is not in it: its manifest was altered",
        f"{'d' * 64}/model.txt is not in it: no artefact's file",
        "notes.txt is not in it: no artefact's file",
    ]
    check_models(tmp_path / "copy")
    assert [one.name for one in (tmp_path / "copy" / MODELS).iterdir()] == [NAME]
    with pytest.raises(BackupError, match=r"c{12}… of the backup"):
        check_models(folder)
