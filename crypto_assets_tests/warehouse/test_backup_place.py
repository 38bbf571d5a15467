"""Backups in a folder and behind an address: whole or not there, verified byte by byte, removed only where they are ours."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest

from crypto_assets.warehouse.backup_manifest import (
    MANIFEST,
    BackupAltered,
    BackupError,
    BackupMissing,
    manifest_bytes,
    name_of,
)
from crypto_assets.warehouse.backup_place import BackupPlace, PlaceUnusable
from crypto_assets_tests.warehouse.backing_up import ORIGIN, by_hand, manifest_by_hand

FILES = {"data/toc.dat": b"contents", "data/1.dat.zst": bytes(range(256)) * 40, "config/universe.yaml": b"venues: {}\n"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "backups"
    made.mkdir()
    return made


@pytest.fixture
def far() -> Iterator[str]:
    """An address of an object store: this one lies in memory, and renames nothing."""
    address = f"memory://{uuid.uuid4().hex}/backups"
    yield address
    system = fsspec.filesystem("memory")
    system.rm(address, recursive=True)


def finished(place: BackupPlace, staging: Path, *, minute: int = 0, origin: str = ORIGIN) -> str:
    """Publish a backup as a run does."""
    unfinished = place.unfinished(origin, staging)
    for path, content in FILES.items():
        (unfinished / path).parent.mkdir(exist_ok=True)
        (unfinished / path).write_bytes(content)
    manifest = manifest_by_hand(unfinished, minute=minute, origin=origin)
    content = manifest_bytes(manifest)
    (unfinished / MANIFEST).write_bytes(content)
    name = name_of(manifest, content)
    place.publish(unfinished, name, origin)
    return name


def test_a_backup_is_published_listed_verified_fetched_and_removed(folder: Path, tmp_path: Path, far: str) -> None:
    for address in (str(folder), far):
        place = BackupPlace(address)
        assert place.names() == []
        first, second = (finished(place, tmp_path / "staging", minute=minute) for minute in (1, 2))
        assert place.names() == [second, first]
        assert [(one.name, one.problem) for one in place.listed("live")] == [(second, ""), (first, "")]
        assert place.names("sandbox") == []
        assert place.resolve("latest", "live") == second
        assert place.resolve(first[:22], "live") == first
        assert place.verify(first).files.keys() == FILES.keys()
        target = tmp_path / f"fetched {len(address)}"
        place.fetch(first, target)
        assert {path: (target / path).read_bytes() for path in FILES} == FILES
        place.remove(second, ORIGIN)
        assert place.names() == [first]
        assert list((tmp_path / "staging").glob("*")) == []
        assert list(folder.glob(".*")) == []


def test_names_that_mean_none_or_several_are_refused(folder: Path) -> None:
    place = BackupPlace(str(folder))
    with pytest.raises(BackupMissing, match="No backup is called 'latest'"):
        place.resolve("latest", "live")
    for minute in (1, 2):
        by_hand(folder, FILES, minute=minute)
    for asked in ("live", "../backups", "live-20260301T1203"):
        with pytest.raises(BackupMissing, match="No backup is called"):
            place.resolve(asked, "live")
    with pytest.raises(BackupMissing, match="2 backups begin with"):
        place.resolve("live-20260301", "live")


def _truncated(backup: Path) -> None:
    (backup / "data/1.dat.zst").write_bytes(FILES["data/1.dat.zst"][:-1])


def _flipped(backup: Path) -> None:
    content = bytearray(FILES["data/1.dat.zst"])
    content[5000] ^= 1
    (backup / "data/1.dat.zst").write_bytes(content)


def _missing(backup: Path) -> None:
    (backup / "data/toc.dat").unlink()


def _extra(backup: Path) -> None:
    (backup / "data/2.dat.zst").write_bytes(b"")


def _longer(backup: Path) -> None:
    (backup / "data/toc.dat").write_bytes(b"contents and more")


def _link(backup: Path) -> None:
    kept = backup.parent / "toc.dat"
    (backup / "data/toc.dat").rename(kept)
    (backup / "data/toc.dat").symlink_to(kept)


def _linked_folder(backup: Path) -> None:
    (backup / "data").rename(backup.parent / "data")
    (backup / "data").symlink_to(backup.parent / "data")


def _manifest(backup: Path) -> None:
    content = (backup / MANIFEST).read_bytes()
    (backup / MANIFEST).write_bytes(content.replace(b'"bytes":8', b'"bytes":9').replace(b'"bytes": 8', b'"bytes": 9'))


@pytest.mark.parametrize(
    ("alter", "told", "is_seen_by_a_look"),
    [
        (_truncated, "data/1.dat.zst: 10,239 bytes in place of 10,240", True),
        (_flipped, "data/1.dat.zst: other bytes than were written", False),
        (_missing, "data/toc.dat: missing", True),
        (_extra, "data/2.dat.zst: does not belong to it", True),
        (_longer, "data/toc.dat: 17 bytes in place of 8", True),
        (_manifest, "manifest.json: other bytes than were written", True),
    ],
    ids=["truncated", "flipped", "missing", "extra", "longer", "manifest"],
)
def test_an_altered_backup_is_refused_by_file(
    folder: Path, tmp_path: Path, far: str, alter: Callable[[Path], None], told: str, is_seen_by_a_look: bool
) -> None:
    name = by_hand(folder, FILES)
    alter(folder / name)
    system = fsspec.filesystem("memory")
    system.put(str(folder / name), f"{far}/{name}", recursive=True)
    for address in (str(folder), far):
        place = BackupPlace(address)
        with pytest.raises(BackupAltered) as refused:
            place.verify(name)
        assert refused.value.findings == (told,)
        assert bool(place.listed()[0].problem) is is_seen_by_a_look
        if alter is not _extra:  # what does not belong to it is not fetched
            with pytest.raises(BackupAltered):
                place.fetch(name, tmp_path / f"fetched {len(address)}")


@pytest.mark.parametrize("alter", [_link, _linked_folder], ids=["file", "folder"])
def test_links_are_not_followed(folder: Path, alter: Callable[[Path], None]) -> None:
    name = by_hand(folder, FILES)
    alter(folder / name)
    with pytest.raises(BackupError):
        BackupPlace(str(folder)).verify(name)
    assert BackupPlace(str(folder)).listed()[0].problem


def test_a_link_to_a_backup_is_none(folder: Path, tmp_path: Path) -> None:
    name = by_hand(tmp_path, FILES)
    (folder / name).symlink_to(tmp_path / name)
    with pytest.raises(BackupMissing, match="is a link"):
        BackupPlace(str(folder)).verify(name)


def test_only_what_our_own_killed_runs_left_is_removed(folder: Path, tmp_path: Path) -> None:
    place = BackupPlace(str(folder))
    whole = finished(place, tmp_path / "staging")
    ours, theirs = (place.unfinished(origin, tmp_path / "staging") for origin in (ORIGIN, "f" * 8))
    (ours / "data").mkdir()
    (ours / "data" / "toc.dat").write_bytes(b"half")
    (folder / "notes").mkdir()
    assert place.names() == [whole]
    assert place.clean(ORIGIN, tmp_path / "staging") == [ours.name]
    assert {one.name for one in folder.iterdir()} == {whole, theirs.name, "notes"}


class Killed(BaseException):
    """What a signal would be."""


def test_a_run_that_is_killed_while_it_sends_leaves_no_backup_and_is_cleaned_up(
    tmp_path: Path, far: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, staging, sent = BackupPlace(far), tmp_path / "staging", list[str]()
    system = fsspec.filesystem("memory")
    whole = finished(place, staging)
    real = type(system).put_file

    def put_file(self: object, source: str, target: str, **options: object) -> None:
        if len(sent) == len(FILES):
            raise Killed
        sent.append(target)
        real(self, source, target, **options)

    with monkeypatch.context() as patched:
        patched.setattr(type(system), "put_file", put_file)
        with pytest.raises(Killed):
            finished(place, staging, minute=1)
    assert len(sent) == len(FILES)  # all but the manifest
    assert [one.name for one in place.listed()] == [whole]
    left = [name for name in place.names() if name != whole]
    with pytest.raises(BackupMissing):
        place.verify(left[0])
    assert place.clean("f" * 8, staging) == []
    assert set(place.clean(ORIGIN, staging)) > set(left)
    assert place.names() == [whole]
    assert list(staging.glob(".*")) == []
    place.verify(whole)


def test_a_backup_that_was_sent_whole_stays_when_its_run_is_killed_before_the_last_step(
    tmp_path: Path, far: str
) -> None:
    place = BackupPlace(far)
    name = finished(place, tmp_path / "staging")
    mark = f"{far}/{name}/unfinished-{ORIGIN}"
    fsspec.filesystem("memory").pipe_file(mark, b"")
    assert place.clean(ORIGIN, tmp_path / "staging") == []
    assert not fsspec.filesystem("memory").exists(mark)
    place.verify(name)


def test_a_place_that_cannot_be_used_is_told_without_its_secrets(folder: Path, tmp_path: Path) -> None:
    for address in ("nowhere://me:s3cret@host/b?key=s3cret", "s3://me:s3cret@bucket/b"):
        with pytest.raises(PlaceUnusable) as refused:
            BackupPlace(address).names()
        assert "s3cret" not in f"{refused.value} {refused.value.__cause__} {BackupPlace(address)!r}"
    (tmp_path / "file").write_text("")
    with pytest.raises(PlaceUnusable, match="No backup can be written to"):
        BackupPlace(str(tmp_path / "file")).unfinished(ORIGIN, folder)


def test_what_is_half_deleted_is_no_backup(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = BackupPlace(str(folder))
    name = finished(place, tmp_path / "staging")

    def killed(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", killed)
        with pytest.raises(Killed):
            place.remove(name, ORIGIN)
    assert place.names() == []
    assert len(place.clean(ORIGIN, tmp_path / "staging")) == 1
    assert list(folder.iterdir()) == []
