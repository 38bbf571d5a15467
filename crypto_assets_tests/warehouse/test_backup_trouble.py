"""What goes wrong beside a backup neither hinders the next one nor unmakes it, and whatever fails is noted."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from hashlib import sha256
from pathlib import Path

import psycopg2
import pytest

from crypto_assets.warehouse import backup
from crypto_assets.warehouse.backup import Made, Saved, back_up
from crypto_assets.warehouse.backup_catalog import held_by
from crypto_assets.warehouse.backup_log import FAILED, SUCCEEDED, newest_notes
from crypto_assets.warehouse.backup_manifest import BackupError, manifest_bytes, name_of
from crypto_assets.warehouse.backup_place import BackupPlace, PlaceUnusable
from crypto_assets.warehouse.backup_restore import restore
from crypto_assets.warehouse.connection import DatabaseMissing, Warehouse
from crypto_assets_tests.warehouse.backing_up import fetched, name_of_none, restoring, saved_of


@pytest.fixture
def place(tmp_path: Path) -> BackupPlace:
    return BackupPlace(str(tmp_path / "backups"))


@pytest.fixture
def small(empty_warehouse: Warehouse, tmp_path: Path) -> Saved:
    """A database with one table and the book of backups, where the schema does not matter."""
    sql = (Path(__file__).parents[2] / "sql" / "0031_backups.sql").read_text()
    fetched(empty_warehouse, f"CREATE SCHEMA ops; {sql.replace('%', '%%')}; CREATE TABLE runs AS SELECT 1 AS id")
    return saved_of(empty_warehouse, tmp_path)


def made_of(saved: Saved, place: BackupPlace, *, keep: int = 7) -> Made:
    return back_up(saved, place, jobs=2, keep=keep)


def model(store: Path, told: bytes = b"{}", *, name: str = "") -> str:
    """An artefact in a store; its name."""
    made = store / (name or sha256(told).hexdigest())
    made.mkdir(parents=True)
    (made / "manifest.json").write_bytes(told)
    (made / "model.txt").write_bytes(b"tree")
    return made.name


def refusing(names: Callable[[str], bool]) -> Callable[..., None]:
    """An rmtree that may not remove folders of some names, as those of another user."""
    real = shutil.rmtree

    def rmtree(path: Path, *arguments: object, **options: object) -> None:
        if names(Path(path).name):
            raise PermissionError(13, "Permission denied", str(path))
        real(path, *arguments, **options)  # type: ignore[arg-type]

    return rmtree


def test_one_without_models_is_no_reason_to_let_one_with_them_go(
    small: Saved, place: BackupPlace, tmp_path: Path
) -> None:
    model(tmp_path / "models")
    with_models = replace(small, models=str(tmp_path / "models"))
    full = made_of(with_models, place).name
    lesser = [made_of(small, place, keep=1).name for _ in range(2)]
    assert set(place.names()) == {full, lesser[1]}
    whole = made_of(with_models, place, keep=1)
    assert set(whole.deleted) == {full, lesser[1]}


def test_what_cannot_be_deleted_is_told_and_the_backup_succeeds_again_and_again(
    small: Saved, place: BackupPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = made_of(small, place)
    with monkeypatch.context() as patched:
        # The remains of a run whose name begins with a dot, which removing renames a backup to.
        patched.setattr(shutil, "rmtree", refusing(lambda name: name.startswith(".unfinished-")))
        second = made_of(small, place, keep=1)
        assert second.deleted == ()
        [told] = second.notes
        assert told.startswith(f"{first.name} is not deleted, though enough newer ones are kept: ")
        assert told.endswith("(Permission denied)")
        third = made_of(small, place, keep=2)
        [told] = third.notes
        assert told.startswith("What a killed run left cannot be removed: ")
        assert third.remains == ()
    assert newest_notes(small.data)[SUCCEEDED].name == third.name
    assert FAILED not in newest_notes(small.data)
    fourth = made_of(small, place)
    assert len(fourth.remains) == 1
    assert fourth.notes == ()
    assert set(place.names()) == {second.name, third.name, fourth.name}


def test_a_bucket_that_lets_nobody_delete_or_list_takes_backups_all_the_same(
    small: Saved, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    far = BackupPlace(f"memory://{request.node.name}")
    first = made_of(small, far)

    def refused(*_: object) -> None:
        raise PlaceUnusable("Backups in it cannot be deleted (AccessDenied)")

    with monkeypatch.context() as patched:
        patched.setattr(BackupPlace, "remove", refused)
        second = made_of(small, far, keep=1)
        assert (second.deleted, len(second.notes)) == ((), 1)
        patched.setattr(BackupPlace, "listed", refused)
        assert made_of(small, far, keep=1).notes == (
            "no older backup is deleted: Backups in it cannot be deleted (AccessDenied)",
        )
    last = made_of(small, far, keep=1)
    assert {first.name, second.name} < set(last.deleted)
    far.remove(last.name, last.manifest.origin)


def test_a_backup_of_another_user_that_cannot_be_read_hides_no_others(
    small: Saved, place: BackupPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (made_of(small, place) for _ in range(2))
    real = BackupPlace.manifest

    def manifest(self: BackupPlace, name: str) -> object:
        if name == first.name:
            raise PlaceUnusable(f"Backups in {self} cannot be read (Permission denied)")
        return real(self, name)

    monkeypatch.setattr(BackupPlace, "manifest", manifest)
    assert {one.name: one.problem for one in place.listed()} == {
        first.name: f"Backups in {place} cannot be read (Permission denied)",
        second.name: "",
    }
    assert made_of(small, place, keep=1).deleted == (second.name,)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (psycopg2.errors.InsufficientPrivilege("permission denied for s3cret"), "InsufficientPrivilege"),
        (ZeroDivisionError("s3cret"), "ZeroDivisionError"),
        (BackupError("it broke"), "it broke"),
    ],
)
def test_whatever_fails_is_noted_and_goes_on(
    small: Saved, place: BackupPlace, monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(backup, "frozen", fails)
    with pytest.raises(type(error)):
        made_of(small, place)
    assert newest_notes(small.data)[FAILED].error == told
    assert place.names() == []


def test_a_server_that_is_a_beta_is_saved_and_restored(
    small: Saved, place: BackupPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("backup", "backup_restore"):
        monkeypatch.setattr(f"crypto_assets.warehouse.{module}.server_version", lambda _: "18beta1")
    made = made_of(small, place)
    assert made.manifest.databases["data"].server == "18beta1"
    with name_of_none(small.data) as url:
        assert restore(place, made.name, restoring(url, tmp_path)).is_equal


def test_a_clock_that_is_set_back_leaves_a_note_all_the_same(
    small: Saved, place: BackupPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock:
        """Goes back by an hour with each look."""

        left = 12

        @classmethod
        def now(cls, zone: tzinfo) -> datetime:
            cls.left -= 1
            return datetime(2026, 3, 1, cls.left, tzinfo=zone)

    monkeypatch.setattr(backup, "datetime", Clock)
    made = made_of(small, place)
    note = newest_notes(small.data)[SUCCEEDED]
    assert note.started_at == note.finished_at == datetime(2026, 3, 1, 11, tzinfo=UTC)
    assert made.manifest.finished_at - made.manifest.started_at == timedelta(0)


def test_a_failure_that_cannot_be_noted_is_told_itself(
    small: Saved, place: BackupPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise BackupError("it broke")

    monkeypatch.setattr(backup, "frozen", fails)
    fetched(small.data, "ALTER TABLE ops.backups ADD CONSTRAINT never CHECK (false) NOT VALID")
    with pytest.raises(BackupError, match="it broke"):
        made_of(small, place)


def test_what_killed_restores_fetched_goes_with_the_next_backup(small: Saved, place: BackupPlace) -> None:
    left = small.staging / "fetched-of_a_kill"
    (left / "data").mkdir(parents=True)
    (small.staging / "mine").mkdir()
    assert made_of(small, place).remains == ("fetched-of_a_kill",)
    assert [one.name for one in small.staging.iterdir()] == ["mine"]


def test_what_a_killed_restore_fetched_and_another_user_owns_is_told(
    small: Saved, place: BackupPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = small.staging / "fetched-of_a_kill"
    left.mkdir(parents=True)
    monkeypatch.setattr(shutil, "rmtree", refusing(lambda name: name.startswith("fetched-")))
    assert made_of(small, place).notes == (f"what a killed restore left cannot be removed: {left}: Permission denied",)


def test_a_model_whose_manifest_was_altered_is_left_out_and_told(
    small: Saved, place: BackupPlace, tmp_path: Path
) -> None:
    store = tmp_path / "models"
    whole, damaged = model(store), model(store, b"{}", name="a" * 64)
    made = made_of(replace(small, models=str(store)), place)
    assert made.notes == ("the model aaaaaaaaaaaa… is not in it: its manifest was altered",)
    assert {path.split("/")[1] for path in made.manifest.files if path.startswith("models/")} == {whole}
    assert damaged not in str(made.manifest.files)
    with name_of_none(small.data) as url:
        restored = restore(place, made.name, restoring(url, tmp_path, models=tmp_path / "other"))
        assert restored.models == 2


def test_a_model_that_is_not_what_its_name_says_is_refused_before_anything_is_touched(
    small: Saved, place: BackupPlace, tmp_path: Path
) -> None:
    """As backups of older versions may hold one."""
    store = tmp_path / "models"
    name = model(store)
    made = made_of(replace(small, models=str(store)), place)
    assert place.folder
    folder = place.folder / made.name
    (folder / "models" / name).rename(folder / "models" / ("b" * 64))
    files = {path.replace(name, "b" * 64): mark for path, mark in made.manifest.files.items()}
    manifest = made.manifest.model_copy(update={"files": files})
    content = manifest_bytes(manifest)
    (folder / "manifest.json").write_bytes(content)
    folder.rename(place.folder / name_of(manifest, content))
    with name_of_none(small.data) as url:
        wanted = restoring(url, tmp_path, models=tmp_path / "other")
        with pytest.raises(BackupError, match=r"The model b{12}… of the backup has no manifest, or another"):
            restore(place, name_of(manifest, content), wanted)
        with pytest.raises(DatabaseMissing):
            held_by(Warehouse(url))
        assert restore(place, name_of(manifest, content), replace(wanted, models=None)).is_equal
