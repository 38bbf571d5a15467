"""Comparing exported files with their manifest and with the database.

What belongs here: what is altered, missing or behind. What does not: writing anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.exports.catalog import Exported
from crypto_assets.exports.chosen import NothingChosen, refuse_unknown
from crypto_assets.exports.contents import contents, overlaps
from crypto_assets.exports.manifest import Entry, Manifest, read_manifest, refuse_another
from crypto_assets.exports.place import FileMark
from crypto_assets.exports.qlib_export import qlib_head
from crypto_assets.exports.qlib_files import fields_mark
from crypto_assets.exports.qlib_series import fields_of, series_contents, sources_of
from crypto_assets.exports.row_export import file_name, head_of
from crypto_assets.exports.selection import Selection
from crypto_assets.exports.work import Target
from crypto_assets.exports.writers import FileFormat
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import reading


class NothingExported(CryptoAssetsError):
    """There is no export of the dataset at the place."""


class Wrong(StrEnum):
    """What can be wrong with a file."""

    MISSING = "is missing"
    ALTERED = "holds other bytes than were written"
    BEHIND = "is behind the database"
    LACKING = "was never written"


@dataclass(frozen=True)
class Problem:
    """A file that is not as it should be.

    Args:
        rows: In the file.
        stored: In the database.
    """

    name: str
    wrong: Wrong
    rows: int
    stored: int


@dataclass(frozen=True)
class Verified:
    """What a look at an export found.

    Args:
        files: That the selection chooses.
        rows: In them.
        stored: In the database, of what the selection chooses and the database still holds.
        gone: Rows of files whose content the database no longer holds.
    """

    files: int
    bytes: int
    rows: int
    stored: int
    gone: int
    problems: tuple[Problem, ...]

    def those(self, *kinds: Wrong) -> list[Problem]:
        """Problems of these kinds."""
        return [one for one in self.problems if one.wrong in kinds]


def verify(
    warehouse: Warehouse, one: Exported, selection: Selection, target: Target, *, hashes: bool = True
) -> Verified:
    """Hash every chosen file, and compare what it was made from with what is stored now.

    Args:
        hashes: False leaves the files unread.

    Raises:
        NothingExported: there is no manifest.
        NothingChosen: as for `export`; and no file is chosen by hand, nor anything of which there should be one.
        SelectionRefused, NotForQlib, ManifestUnusable, PlaceUnusable: as for `export`.
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    selection.check(one)
    folder = target.folder(one)
    manifest = read_manifest(folder)
    if manifest is None:
        raise NothingExported(
            f"{folder} holds no export of {one.name}",
            way_out=f"`crypto-assets export {one.name} --format {target.kind.value}` makes one.",
        )
    is_qlib = target.kind is FileFormat.QLIB
    refuse_another(manifest, qlib_head(one, selection, target) if is_qlib else head_of(one, selection, target), folder)
    if target.named_by_hand:
        with reading(warehouse) as reader:
            refuse_unknown(reader, one, selection, manifest)
    chosen = {name: entry for name, entry in manifest.files.items() if overlaps(entry.partition, one, selection)}
    stored = _stored_series(warehouse, one, selection) if is_qlib else _stored(warehouse, one, selection, target)
    marks = {name: _mark(target, one, name) for name in chosen} if hashes else {}
    problems = [*_files(chosen, marks), *_contents(manifest, chosen, stored)]
    if target.named_by_hand and not chosen and not stored:
        raise NothingChosen(
            f"No file of {folder} is chosen, and nothing is stored that should be in one",
            way_out="Choose other times or names, or none for all files.",
        )
    return Verified(
        len(chosen),
        sum(entry.file.bytes for entry in chosen.values()),
        sum(entry.rows for entry in chosen.values()),
        sum(rows for rows, _ in stored.values()),
        sum(entry.rows for name, entry in chosen.items() if name not in stored),
        tuple(problems),
    )


type _Stored = dict[str, tuple[int, str]]  # rows and mark by file


def _stored(warehouse: Warehouse, one: Exported, selection: Selection, target: Target) -> _Stored:
    with reading(warehouse) as reader:
        found = contents(reader, one, selection)
    return {file_name(one, content.partition, target.kind): (content.rows, content.mark) for content in found}


def _stored_series(warehouse: Warehouse, one: Exported, selection: Selection) -> _Stored:
    with reading(warehouse) as reader:
        found = series_contents(reader, sources_of(one, selection), selection)
    wanted = {name: one for name, one in found.items() if not selection.domains or name.venue in selection.domains}
    return {name.key: (content.rows, content.mark) for name, content in wanted.items()}


def _mark(target: Target, one: Exported, name: str) -> FileMark | None:
    folder = target.folder(one)
    if target.kind is FileFormat.QLIB and folder.folder is not None:
        return fields_mark(fields_of(folder.folder, name))
    return folder.mark(name)


def _files(chosen: Mapping[str, Entry], marks: Mapping[str, FileMark | None]) -> list[Problem]:
    problems = []
    for name, mark in marks.items():
        if mark != chosen[name].file:
            wrong = Wrong.MISSING if mark is None else Wrong.ALTERED
            problems.append(Problem(name, wrong, chosen[name].rows, chosen[name].rows))
    return problems


def _contents(manifest: Manifest, chosen: Mapping[str, Entry], stored: _Stored) -> list[Problem]:
    """Files that were made from another content than there is now; what the database no longer holds is no problem."""
    problems = []
    for name, (rows, mark) in stored.items():
        entry = chosen.get(name)
        if entry is None:
            problems.append(Problem(name, Wrong.LACKING, 0, rows))
        elif entry.content != f"{manifest.head.layout} {mark}" or entry.rows != rows:
            problems.append(Problem(name, Wrong.BEHIND, entry.rows, rows))
    return problems


__all__ = ["NothingExported", "Problem", "Verified", "Wrong", "verify"]
