"""What an export is told, what it answers, and its manifest while files come.

What belongs here: the types that all formats share. What does not: the work itself (row_export.py, qlib_export.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self

from crypto_assets.exports.catalog import Exported
from crypto_assets.exports.manifest import Entry, Head, Manifest, write_manifest
from crypto_assets.exports.place import Place
from crypto_assets.exports.writers import FileFormat

# A manifest of ten thousand files takes a tenth of a second: it is written now and then, and at the end however that comes.
_SAVE_SECONDS = 5.0


class Outcome(StrEnum):
    """What became of a file."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    GONE = "gone from the database, kept"
    REMOVED = "gone from the database, removed"


@dataclass(frozen=True)
class Done:
    """A file of an export.

    Args:
        name: Relative to the dataset's folder.
        why: Of one that failed.
    """

    name: str
    outcome: Outcome
    rows: int
    bytes: int
    why: str = ""


@dataclass(frozen=True)
class Report:
    """What an export came to.

    Args:
        place: The dataset's folder, without credentials.
        beside: Of the gap ledger that goes beside bars.
        away: What is in no file because retention took it out of the table before it was exported, or may not be.
    """

    dataset: str
    kind: str
    place: str
    files: Sequence[Done]
    seconds: float
    totals: Mapping[str, int | Mapping[str, int]]
    beside: Sequence[Report] = ()
    away: Sequence[str] = ()

    def those(self, *outcomes: Outcome) -> list[Done]:
        """Files with these outcomes."""
        return [one for one in self.files if one.outcome in outcomes]


@dataclass(frozen=True)
class Target:
    """Where an export goes and how.

    Args:
        place: The folder of all exports.
        profile: Whose rows.
        kind: The format.
        prune: Remove what the database no longer holds.
        anew: Write every chosen partition, changed or not.
        wait: Where another process exports the dataset to the same place, wait for it; else it is an error.
        named_by_hand: Somebody typed what is chosen: a name of which nothing is known is an error. A run's partition may well
            be empty.
    """

    place: Place
    profile: str
    kind: FileFormat
    prune: bool = False
    anew: bool = False
    wait: bool = False
    named_by_hand: bool = False

    def folder(self, one: Exported) -> Place:
        """The dataset's folder."""
        return self.place.below(self.kind.value, one.name)


type Tell = Callable[[str, int, int], None]  # what is at work, partitions done, partitions in all


class Kept:
    """The manifest while files come: saved now and then, and at the end whatever ended it.

    Args:
        files: What it will name; whoever changes them beforehand has them saved, too.
        before: The manifest that is there; None where there is none.
        always: Save it even where nothing has changed.
        away: What retention had taken out of the table.
    """

    def __init__(
        self,
        folder: Place,
        head: Head,
        files: dict[str, Entry],
        before: Manifest | None,
        *,
        always: bool = False,
        away: Sequence[str] = (),
    ) -> None:
        self.files = files
        self._always = always
        self._away = tuple(away)
        self._folder, self._head = folder, head
        self._there = (dict(before.files), before.away) if before else ({}, ())
        self._saved_at = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._always or (self.files, self._away) != self._there:
            self._save()

    def put(self, name: str, entry: Entry) -> None:
        """Keep a file, or another in its place."""
        self.files[name] = entry
        if time.monotonic() - self._saved_at > _SAVE_SECONDS:
            self._save()

    def _save(self) -> None:
        write_manifest(self._folder, Manifest(self._head, self.files, self._away))
        self._there = dict(self.files), self._away
        self._saved_at = time.monotonic()


__all__ = ["Done", "Kept", "Outcome", "Report", "Target", "Tell"]
