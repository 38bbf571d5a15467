"""The store of artefacts: a fitted learner's files beside a manifest that says what each of them hashes to.

What belongs here: names, hashes, sizes, writing and reading bytes. What does not: what the bytes mean (lightgbm_learner.py,
onnx_model.py), and which artefact is in use (datasets/models/registry).

An artefact is a folder that is named by the SHA-256 of its manifest, and the manifest holds the SHA-256 of every file. So
whoever knows the name (the registry does) knows every byte, and nothing is parsed before its hash was right. Files are
written first and the manifest last: without a manifest there is no artefact, whenever the writer was ended.

The store is a folder or any URL that fsspec knows. In a folder each file is written under another name, synced and moved;
an object store shows an object when it is whole. URLs may hold credentials, so no error shows more than scheme and path, and
none carries the text of the error beneath it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import cast
from uuid import uuid4

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.store_address import without_credentials

type Json = bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None

FORMAT = 1
MANIFEST = "manifest.json"
MOST_BYTES = 200 * 2**20  # of all files together; three boosters of a year of fifty markets are 3 MB
MOST_MANIFEST_BYTES = 2**20
MOST_FILES = 16
SAID = ("learner", "forecast", "inputs")  # what every manifest says of its artefact
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\.(txt|onnx)", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_WHOLE_AGAIN = "Roll back to another version, or train the model again."


class ArtefactUnusable(CryptoAssetsError):
    """An artefact cannot be served; the subclasses say why."""


class ArtefactMissing(ArtefactUnusable):
    """The store does not hold the artefact, or not all of its files."""


class ArtefactRefused(ArtefactUnusable):
    """The bytes are those that were stored, and are nothing that we serve: a strange name, size, format or content."""


class ArtefactTampered(ArtefactUnusable):
    """A file holds other bytes than were stored.

    Args:
        file: Its name.
        expected: The SHA-256 that it had when it was stored.
        found: The SHA-256 that it has.
    """

    def __init__(self, problem: str, *, way_out: str = "", file: str = "", expected: str = "", found: str = "") -> None:
        super().__init__(problem, way_out=way_out)
        self.file = file
        self.expected = expected
        self.found = found


class StoreUnavailable(CryptoAssetsError):
    """The store itself cannot be read or written: no such protocol, no permission, no connection."""


@dataclass(frozen=True)
class FileMark:
    """What a file must be.

    Args:
        sha256: 64 hexadecimal digits.
        bytes: Its size.
    """

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Manifest:
    """What an artefact is.

    Args:
        learner: By which it was made, and who reads it: lightgbm, lstm.
        forecast: Its name: gas_4h.
        inputs: Names, in the order of a frame's columns.
        files: Marks by name.
        about: Whatever else was said of it.
    """

    learner: str
    forecast: str
    inputs: tuple[str, ...]
    files: Mapping[str, FileMark]
    about: Mapping[str, Json]


@dataclass(frozen=True)
class Stored:
    """What a put gave.

    Args:
        sha256: Of the manifest: the artefact's name.
        bytes: Of files and manifest together.
    """

    sha256: str
    bytes: int


class Store:
    """Artefacts in a folder, or below a URL of fsspec (s3://…, gs://…, memory://…); safe for threads and processes.

    Args:
        url: A folder is made when the first artefact is put. Credentials are best left to fsspec's own configuration.
    """

    def __init__(self, url: str | Path) -> None:
        self._url = str(url)

    def __str__(self) -> str:
        return without_credentials(self._url)

    def __repr__(self) -> str:
        return f"Store({str(self)!r})"

    def put(self, files: Mapping[str, bytes], about: Mapping[str, Json]) -> Stored:
        """Store an artefact; the same files and words give the same name, and may be put again.

        Args:
            files: Contents by name; names end in .txt or .onnx.
            about: "learner", "forecast", "inputs" and whatever else is worth keeping; JSON.

        Raises:
            ArtefactRefused: a name, a size, or words that get would refuse.
            StoreUnavailable: it cannot be written.
        """
        content = _manifest_bytes(files, about)
        digest = sha256(content).hexdigest()
        _manifest(content)  # what cannot be read again is not written
        with self._folder(digest, "written") as (system, folder):
            for name, file in {**files, MANIFEST: content}.items():  # the manifest makes it an artefact: last
                _write(system, f"{folder}/{name}", file)
        return Stored(digest, len(content) + sum(len(file) for file in files.values()))

    def get(self, digest: str) -> tuple[Manifest, dict[str, bytes]]:
        """Read an artefact; every hash is checked before anything is parsed.

        Args:
            digest: `Stored.sha256`.

        Raises:
            ArtefactMissing: it is not there, or a file is not; names it.
            ArtefactTampered: other bytes than were stored; names the file and both hashes.
            ArtefactRefused: a manifest of another format, or one that names files which are not accepted.
            StoreUnavailable: it cannot be read.
        """
        if not _DIGEST.fullmatch(digest):
            raise ArtefactRefused(f"An artefact is named by 64 hexadecimal digits, not by {digest[:80]!r}")
        with self._folder(digest, "read") as (system, folder):
            content = self._read(system, folder, digest, MANIFEST, MOST_MANIFEST_BYTES)
            _check(digest, MANIFEST, digest, content)
            manifest = _manifest(content)
            files = {}
            for name, mark in manifest.files.items():
                files[name] = self._read(system, folder, digest, name, mark.bytes)
                _check(digest, name, mark.sha256, files[name])
        return manifest, files

    def _read(self, system: AbstractFileSystem, folder: str, digest: str, name: str, most: int) -> bytes:
        """A file, or one byte more than it may have: enough for its hash to be wrong."""
        try:
            with system.open(f"{folder}/{name}", "rb") as file:
                return cast(bytes, file.read(most + 1))
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise ArtefactMissing(
                f"The artefact {digest[:12]}… has no file {name} in {self}", way_out=_WHOLE_AGAIN
            ) from None

    @contextmanager
    def _folder(self, digest: str, done: str) -> Iterator[tuple[AbstractFileSystem, str]]:
        """The file system and an artefact's folder on it; whatever fails there is said without the URL's secrets."""
        try:
            system, root = url_to_fs(self._url)
            yield system, f"{root.rstrip('/')}/{digest}"
        except CryptoAssetsError:
            raise
        except Exception as error:  # noqa: BLE001 - each file system has its own, and their texts hold URLs: none is chained
            raise StoreUnavailable(
                f"The artefact {digest[:12]}… cannot be {done} in the store {self} ({_told(error)})",
                way_out="See whether the store's address, its permissions and its package for fsspec are right.",
            ) from None


def _told(error: Exception) -> str:
    """What can be shown of an error that may hold a URL: its kind, and what the system says to its number."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    if isinstance(error, ImportError):
        return str(error)  # "Install s3fs to access S3"
    return type(error).__name__


def _write(system: AbstractFileSystem, place: str, content: bytes) -> None:
    """A whole file or none."""
    if isinstance(system, LocalFileSystem):
        _write_and_move(Path(place), content)
        return
    try:
        system.pipe_file(place, content)
    except FileNotFoundError:  # a file system with folders; object stores have none to make
        system.makedirs(place.rpartition("/")[0], exist_ok=True)
        system.pipe_file(place, content)


def _write_and_move(place: Path, content: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f".{place.name}.{uuid4().hex}.part")  # another's name, should two put the same artefact
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)


def _check(digest: str, name: str, expected: str, content: bytes) -> None:
    found = sha256(content).hexdigest()
    if found != expected:
        raise ArtefactTampered(
            f"The file {name} of the artefact {digest[:12]}… has the SHA-256 {found}, and {expected} was stored",
            way_out=_WHOLE_AGAIN,
            file=name,
            expected=expected,
            found=found,
        )


def _manifest_bytes(files: Mapping[str, bytes], about: Mapping[str, Json]) -> bytes:
    unsaid = [name for name in SAID if name not in about]
    if unsaid:
        raise ArtefactRefused(f"A manifest says {', '.join(SAID)}, and this one lacks {', '.join(unsaid)}")
    marks = {name: {"sha256": sha256(file).hexdigest(), "bytes": len(file)} for name, file in files.items()}
    said = {name: about[name] for name in SAID}
    rest = {name: value for name, value in about.items() if name not in SAID}
    whole = {"format": FORMAT, **said, "files": marks, "about": rest}
    try:
        return (json.dumps(whole, indent=1, sort_keys=True, allow_nan=False) + "\n").encode("ascii")
    except (TypeError, ValueError) as error:
        raise ArtefactRefused(f"What is said of an artefact must be JSON: {error}") from error


def _manifest(content: bytes) -> Manifest:
    """Parse a manifest whose hash was right: it may still be anything, for anybody can hash.

    Raises:
        ArtefactRefused: naming what is strange.
    """
    if len(content) > MOST_MANIFEST_BYTES:
        raise ArtefactRefused(f"A manifest has at most {MOST_MANIFEST_BYTES} bytes, and this one {len(content)}")
    try:
        whole = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ArtefactRefused(f"A manifest is JSON, and this one is not ({type(error).__name__})") from None
    if not isinstance(whole, dict) or whole.get("format") != FORMAT:
        said = whole.get("format") if isinstance(whole, dict) else type(whole).__name__
        raise ArtefactRefused(
            f"A manifest of the format {FORMAT} was expected, and {str(said)[:40]!r} came",
            way_out="Use the version of this package that trained it, or train the model again.",
        )
    learner, forecast, inputs, about = (whole.get(name) for name in (*SAID, "about"))
    if not (isinstance(learner, str) and isinstance(forecast, str) and isinstance(about, dict)):
        raise ArtefactRefused("A manifest's learner and forecast are texts, and about is an object; these are not")
    if not isinstance(inputs, list) or not all(isinstance(name, str) for name in inputs):
        raise ArtefactRefused("A manifest's inputs are a list of names, and these are not")
    return Manifest(learner, forecast, tuple(inputs), _marks(whole.get("files")), about)


def _marks(files: object) -> dict[str, FileMark]:
    if not isinstance(files, dict) or not 1 <= len(files) <= MOST_FILES:
        raise ArtefactRefused(f"A manifest marks 1 to {MOST_FILES} files, and this one does not")
    marks = {name: _mark(name, said) for name, said in files.items()}
    total = sum(mark.bytes for mark in marks.values())
    if total > MOST_BYTES:
        raise ArtefactRefused(f"An artefact has at most {MOST_BYTES} bytes, and this one {total}")
    return marks


def _mark(name: str, said: object) -> FileMark:
    if not _NAME.fullmatch(name):
        raise ArtefactRefused(
            f"The manifest names the file {name[:80]!r}; only plain names that end in .txt or .onnx are accepted",
            way_out="Artefacts are data: pickles and paths are never read.",
        )
    digest, size = (said.get("sha256"), said.get("bytes")) if isinstance(said, dict) else (None, None)
    if not (isinstance(digest, str) and _DIGEST.fullmatch(digest) and type(size) is int and size > 0):
        raise ArtefactRefused(f"The manifest marks the file {name} by no SHA-256 and size")
    return FileMark(digest, size)


__all__ = [
    "FORMAT",
    "MANIFEST",
    "MOST_BYTES",
    "ArtefactMissing",
    "ArtefactRefused",
    "ArtefactTampered",
    "ArtefactUnusable",
    "FileMark",
    "Json",
    "Manifest",
    "Store",
    "StoreUnavailable",
    "Stored",
]
