"""Artefacts: whoever knows the name knows every byte; what was changed, cut or forged is refused by name, unread."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.forecasting import artefacts
from crypto_assets.forecasting.artefacts import (
    MANIFEST,
    ArtefactMissing,
    ArtefactRefused,
    ArtefactTampered,
    FileMark,
    Json,
    Store,
    StoreUnavailable,
)

FILES = {"q10.txt": b"ten", "model.onnx": b"\x08\x08graph"}
ABOUT: Mapping[str, Json] = {"learner": "lightgbm", "forecast": "gas_4h", "inputs": ["a", "b"], "seed": 7}


class Place:
    """A store, and a door to its files that the store knows nothing of."""

    def __init__(self, url: str) -> None:
        self.store = Store(url)
        self._files, self._root = fsspec.url_to_fs(url)

    def names(self, digest: str) -> list[str]:
        return sorted(path.rpartition("/")[2] for path in self._files.ls(f"{self._root}/{digest}", detail=False))

    def change(self, digest: str, name: str, change: Callable[[bytes], bytes]) -> None:
        path = f"{self._root}/{digest}/{name}"
        self._files.pipe_file(path, change(self._files.cat_file(path)))

    def remove(self, digest: str, name: str) -> None:
        self._files.rm_file(f"{self._root}/{digest}/{name}")

    def forge(self, manifest: object) -> str:
        """A manifest of one's own, under the name that it hashes to."""
        content = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
        digest = sha256(content).hexdigest()
        self._files.makedirs(f"{self._root}/{digest}", exist_ok=True)
        self._files.pipe_file(f"{self._root}/{digest}/{MANIFEST}", content)
        return digest


@pytest.fixture(params=["folder", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(str(tmp_path / "not" / "there" / "yet") if request.param == "folder" else f"memory://{uuid4().hex}")


def test_what_was_put_is_got_with_what_was_said_of_it(place: Place) -> None:
    stored = place.store.put(FILES, ABOUT)
    manifest, files = place.store.get(stored.sha256)
    assert files == FILES
    assert (manifest.learner, manifest.forecast, manifest.inputs) == ("lightgbm", "gas_4h", ("a", "b"))
    assert manifest.about == {"seed": 7}
    assert manifest.files["q10.txt"] == FileMark(sha256(b"ten").hexdigest(), 3)
    assert place.names(stored.sha256) == [MANIFEST, "model.onnx", "q10.txt"]  # and nothing half-written


def test_the_name_is_what_the_manifest_hashes_to_and_the_same_for_the_same_artefact(place: Place) -> None:
    stored = place.store.put(FILES, ABOUT)
    place.change(stored.sha256, "q10.txt", lambda _: b"tampered")
    again = place.store.put(dict(reversed(FILES.items())), dict(reversed(ABOUT.items())))
    assert again == stored
    assert place.store.get(stored.sha256)[1] == FILES  # putting it again makes it whole again
    other = place.store.put({**FILES, "q10.txt": b"tem"}, ABOUT)
    assert other.sha256 != stored.sha256
    assert other.bytes == stored.bytes


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
@pytest.mark.parametrize("at", [0, -1])
def test_one_bit_of_any_file_is_noticed_and_named(place: Place, name: str, at: int) -> None:
    def flip(content: bytes) -> bytes:
        changed = bytearray(content)
        changed[at] ^= 1
        return bytes(changed)

    stored = place.store.put(FILES, ABOUT)
    place.change(stored.sha256, name, flip)
    with pytest.raises(ArtefactTampered, match=f"The file {name} of the artefact {stored.sha256[:12]}") as caught:
        place.store.get(stored.sha256)
    expected = stored.sha256 if name == MANIFEST else sha256(FILES[name]).hexdigest()
    assert (caught.value.file, caught.value.expected) == (name, expected)
    assert caught.value.found not in {expected, ""}


@pytest.mark.parametrize("change", [lambda content: content + b"x", lambda content: content[:-1], lambda _: b""])
def test_a_file_that_is_longer_or_shorter_is_noticed(place: Place, change: Callable[[bytes], bytes]) -> None:
    stored = place.store.put(FILES, ABOUT)
    place.change(stored.sha256, "model.onnx", change)
    with pytest.raises(ArtefactTampered, match=r"model\.onnx"):
        place.store.get(stored.sha256)


def test_what_is_not_there_is_said_by_name(place: Place) -> None:
    with pytest.raises(ArtefactMissing, match=rf"artefact 000000000000… has no file {MANIFEST}"):
        place.store.get("0" * 64)
    stored = place.store.put(FILES, ABOUT)
    place.remove(stored.sha256, "q10.txt")
    with pytest.raises(ArtefactMissing, match=r"has no file q10\.txt"):
        place.store.get(stored.sha256)


@pytest.mark.parametrize(
    "name",
    [
        "../evil.txt",
        "/etc/passwd.txt",
        "evil.pkl",
        "evil.txt.pkl",
        "a/b.txt",
        ".txt",
        "evil.txt\n",
        "EVIL.TXT",
        "a\\b.txt",
    ],
)
def test_a_manifest_that_names_a_path_or_a_pickle_is_refused_though_its_hash_is_right(place: Place, name: str) -> None:
    mark = {"sha256": sha256(b"ten").hexdigest(), "bytes": 3}
    forged = {"format": 1, "learner": "lightgbm", "forecast": "x", "inputs": [], "about": {}, "files": {name: mark}}
    with pytest.raises(ArtefactRefused, match=r"only plain names that end in \.txt or \.onnx") as caught:
        place.store.get(place.forge(forged))
    assert repr(name)[:20] in str(caught.value)
    with pytest.raises(ArtefactRefused, match="only plain names"):
        place.store.put({name: b"ten"}, ABOUT)


WHOLE: Mapping[str, object] = {
    "format": 1, "learner": "lightgbm", "forecast": "gas_4h", "inputs": ["a"], "about": {},
    "files": {"q10.txt": {"sha256": "0" * 64, "bytes": 3}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        (b"no json", "A manifest is JSON"),
        (b"[" * 100_000, "A manifest is JSON"),
        (b"\xff\xfe", "A manifest is JSON"),
        ([], "format 1 was expected, and 'list' came"),
        ({**WHOLE, "format": 2}, "format 1 was expected, and '2' came"),
        ({**WHOLE, "learner": 1}, "learner and forecast are texts"),
        ({**WHOLE, "inputs": [1]}, "inputs are a list of names"),
        ({**WHOLE, "files": {}}, "marks 1 to 16 files"),
        ({**WHOLE, "files": {f"q{n}.txt": WHOLE["files"] for n in range(17)}}, "marks 1 to 16 files"),
        ({**WHOLE, "files": {"q10.txt": {"sha256": "0", "bytes": 3}}}, "q10.txt by no SHA-256 and size"),
        ({**WHOLE, "files": {"q10.txt": {"sha256": "0" * 64, "bytes": -1}}}, "q10.txt by no SHA-256 and size"),
        ({**WHOLE, "files": {"q10.txt": {"sha256": "0" * 64, "bytes": True}}}, "q10.txt by no SHA-256 and size"),
        ({**WHOLE, "files": {"q10.txt": {"sha256": "0" * 64, "bytes": 2**28}}}, "at most 209715200 bytes, and this one"),
    ],
)  # fmt: skip
def test_a_manifest_that_is_none_is_refused_though_its_hash_is_right(manifest: object, told: str) -> None:
    place = Place(f"memory://{uuid4().hex}")
    with pytest.raises(ArtefactRefused, match=told):
        place.store.get(place.forge(manifest))


def test_what_cannot_be_read_again_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "models")
    for files, about, told in [
        ({}, ABOUT, "marks 1 to 16 files"),
        ({"q10.txt": b""}, ABOUT, "by no SHA-256 and size"),
        (FILES, {"learner": "lightgbm"}, "lacks forecast, inputs"),
        (FILES, {**ABOUT, "seed": float("nan")}, "must be JSON"),
        (FILES, {**ABOUT, "long": "x" * 2**20}, "at most 1048576 bytes"),
    ]:
        with pytest.raises(ArtefactRefused, match=told):
            store.put(files, about)
    monkeypatch.setattr(artefacts, "MOST_BYTES", 10)
    with pytest.raises(ArtefactRefused, match="at most 10 bytes, and this one 14"):
        store.put({**FILES, "more.txt": b"more"}, ABOUT)
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("digest", ["", "../" + "0" * 61, "0" * 63, "A" * 64, "0" * 64 + "\n"])
def test_what_is_no_hash_names_no_artefact(tmp_path: Path, digest: str) -> None:
    with pytest.raises(ArtefactRefused, match="64 hexadecimal digits"):
        Store(tmp_path).get(digest)


KILLED = """
import os, signal, sys
from crypto_assets.forecasting import artefacts

sync, left = os.fsync, [int(sys.argv[2])]

def fsync(number):  # each file is synced before it is moved to its name
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    sync(number)

artefacts.os.fsync = fsync
artefacts.Store(sys.argv[1]).put({"q10.txt": b"ten", "q50.txt": b"fifty"}, {"learner": "a", "forecast": "b", "inputs": []})
"""


def test_a_writer_that_is_killed_between_files_leaves_no_artefact(tmp_path: Path) -> None:
    store = Store(tmp_path)
    files: Mapping[str, bytes] = {"q10.txt": b"ten", "q50.txt": b"fifty"}
    about: Mapping[str, Json] = {"learner": "a", "forecast": "b", "inputs": []}
    for killed_at, named in [("2", ["q10.txt"]), ("3", ["q10.txt", "q50.txt"])]:  # 3: the manifest
        run = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), killed_at], check=False)
        assert run.returncode == -signal.SIGKILL
        (folder,) = tmp_path.iterdir()
        assert sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")) == named
        with pytest.raises(ArtefactMissing, match=f"has no file {MANIFEST}"):
            store.get(folder.name)
    assert store.put(files, about).sha256 == folder.name
    assert store.get(folder.name)[1] == files


@pytest.mark.parametrize(
    "url",
    [
        "s4://key:geheim@bucket/models?token=geheim",
        "s4://key:ge@heim/geheim@bucket/models",
        "simplecache::s4://key:geheim@bucket/models",
        "ftp://user:geheim@127.0.0.1:1/bucket/models",
    ],
)
def test_credentials_of_a_url_are_never_shown(url: str) -> None:
    store = Store(url)
    for act in (lambda: store.get("0" * 64), lambda: store.put(FILES, ABOUT)):
        with pytest.raises(StoreUnavailable, match="bucket/models") as caught:
            act()
        shown = f"{caught.value} {store} {store!r}"
        assert "geheim" not in shown
        assert "heim" not in shown
        assert "key" not in shown
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


@given(st.text(), st.text(), st.text(alphabet=st.characters(blacklist_characters="@?:")))
def test_whatever_stands_before_the_last_at_is_hidden(user: str, password: str, path: str) -> None:
    assert str(Store(f"s3://{user}:{password}@{path}")) == f"s3://{path}"


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file stands where the folder should", encoding="utf-8")
    with pytest.raises(StoreUnavailable, match=r"cannot be written in the store .*models \("):
        Store(tmp_path / "models").put(FILES, ABOUT)
    with pytest.raises(ArtefactMissing, match="has no file"):
        Store(tmp_path / "models").get("0" * 64)
    assert [path.name for path in tmp_path.iterdir()] == ["models"]
