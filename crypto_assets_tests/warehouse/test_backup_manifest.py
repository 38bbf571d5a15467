"""A manifest that was altered is noticed by the backup's name; one that was made for harm names no path outside."""

import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.warehouse.backup_manifest import (
    BackupAltered,
    BackupError,
    BackupMissing,
    DatabaseMark,
    FileMark,
    Manifest,
    differences,
    is_name,
    major_of,
    manifest_bytes,
    name_of,
    parse_manifest,
    profile_of,
    started_at,
)
from crypto_assets_tests.warehouse.backing_up import manifest_by_hand

NAME = "live-20260301T120000Z-"


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "toc.dat").write_bytes(b"contents")
    return manifest_by_hand(tmp_path)


def named(content: bytes) -> str:
    return NAME + sha256(content).hexdigest()[:16]


def test_the_name_tells_profile_time_and_the_manifests_bytes(manifest: Manifest) -> None:
    content = manifest_bytes(manifest)
    name = name_of(manifest, content)
    assert name == named(content)
    assert (profile_of(name), started_at(name)) == ("live", datetime(2026, 3, 1, 12, tzinfo=UTC))
    assert parse_manifest(name, content) == manifest
    assert manifest.files["data/toc.dat"] == FileMark(bytes=8, sha256=sha256(b"contents").hexdigest())


@given(position=st.integers(min_value=0), bit=st.integers(0, 7))
def test_one_flipped_bit_is_noticed(position: int, bit: int) -> None:
    content = bytearray(b'{"format": 1, "profile": "live"}')
    name = named(bytes(content))
    content[position % len(content)] ^= 1 << bit
    with pytest.raises(BackupAltered, match="was altered"):
        parse_manifest(name, bytes(content))


@pytest.mark.parametrize(
    "path",
    [
        "../outside", "data/../../outside", "data/..", "/etc/passwd", "data//toc.dat", "data/.hidden", "toc.dat", "data/",
        "data/a\0b", "data/a\nb", "data\\..\\b", "data/ü", "C:/x/y", "data/" + "a" * 129, "a/b/c/d/e/f/g/h",
    ],
    ids=range(15),
)  # fmt: skip
def test_a_path_that_leads_anywhere_else_is_refused_though_its_hash_is_right(manifest: Manifest, path: str) -> None:
    told = json.loads(manifest_bytes(manifest))
    told["files"] = {path: {"bytes": 1, "sha256": "0" * 64}}
    content = json.dumps(told).encode()
    with pytest.raises(BackupError, match="none that this version reads"):
        parse_manifest(named(content), content)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2}, {"more": 1}, {"profile": "../x"}, {"files": []}, {"databases": {"other": {}}}, {"origin": "x"},
        {"files": {"data/a": {"bytes": -1, "sha256": "0" * 64}}}, {"files": {"data/a": {"bytes": 1, "sha256": "0"}}},
        {"started_at": "2026-03-01T12:00:00"},
    ],
    ids=range(9),
)  # fmt: skip
def test_a_manifest_of_another_shape_is_refused(manifest: Manifest, change: dict[str, object]) -> None:
    content = json.dumps(json.loads(manifest_bytes(manifest)) | change).encode()
    with pytest.raises(BackupError, match="none that this version reads"):
        parse_manifest(named(content), content)


@pytest.mark.parametrize(
    ("version", "major"), [("18.6", 18), ("18beta1", 18), ("19devel", 19), ("15", 15), ("9.6.24", 9), ("18rc1", 18)]
)
def test_a_version_of_any_kind_tells_its_number(manifest: Manifest, version: str, major: int) -> None:
    assert major_of(version) == major
    content = _of_version(manifest, version)
    assert parse_manifest(named(content), content).databases["data"].server == version


@pytest.mark.parametrize("version", ["", "beta", "-1", "x18", "18 beta", "1234567890", "१८", "18\n"])
def test_what_is_no_version_is_refused(manifest: Manifest, version: str) -> None:
    content = _of_version(manifest, version)
    with pytest.raises(BackupError, match="none that this version reads"):
        parse_manifest(named(content), content)
    if not version[:1].isascii() or not version[:1].isdigit():
        with pytest.raises(BackupError, match="Expected a version of PostgreSQL"):
            major_of(version)


def _of_version(manifest: Manifest, version: str) -> bytes:
    mark = DatabaseMark.model_construct(
        database="d", server=version, program=version, snapshot_at=manifest.started_at, seconds=0, tables=(), migrations=(),
        extensions=(), roles=(), grants=(), default_grants=(), database_grants=(), public_rights=None,
    )  # fmt: skip
    return manifest_bytes(manifest.model_copy(update={"databases": {"data": mark}}))


@given(content=st.binary() | st.just(b"[" * 100_000) | st.just(b"null") | st.just(b'"\\ud800"'))
def test_whatever_comes_is_refused_in_words(content: bytes) -> None:
    with pytest.raises(BackupError):
        parse_manifest(named(content), content)


def test_a_manifest_under_anothers_name_is_refused(manifest: Manifest) -> None:
    content = manifest_bytes(manifest)
    other = name_of(manifest, content).replace("T1200", "T1300")
    with pytest.raises(BackupAltered, match="is that of live-20260301T120000Z-"):
        parse_manifest(other, content)


@pytest.mark.parametrize(
    "text", ["", "live", "../live-20260301T120000Z-0123456789abcdef", "live-20260301T120000Z-x", ".."]
)
def test_other_texts_are_no_names(text: str) -> None:
    assert not is_name(text)
    with pytest.raises(BackupMissing, match="No backup is called"):
        started_at(text)


def test_files_that_differ_are_named_one_by_one() -> None:
    def mark(size: int, digit: str) -> FileMark:
        return FileMark(bytes=size, sha256=digit * 64)

    expected = {"d/a": mark(1, "a"), "d/b": mark(2000, "b"), "d/c": mark(3, "c"), "d/d": mark(4, "d")}
    found = {"d/a": mark(1, "a"), "d/b": mark(1999, "b"), "d/c": mark(3, "e"), "d/x": mark(0, "0")}
    assert differences(expected, found) == (
        "d/d: missing",
        "d/x: does not belong to it",
        "d/b: 1,999 bytes in place of 2,000",
        "d/c: other bytes than were written",
    )
    assert differences(expected, expected) == ()
