"""The manifest beside a dataset's files: what each holds, its hash, and the mark of the content that it was made from.

What belongs here: its form, reading and writing it. What does not: deciding what is written anew (export.py).

It is named with an underscore in front, as readers of such folders skip it, and is written after the files that it names:
where an export was ended in between, the next one finds files that it does not know and writes them again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.exports.contents import Partition
from crypto_assets.exports.place import FileMark, Place

FORMAT: Final = 1
NAME = "_manifest.json"
MOST_BYTES = 256 * 2**20  # a million files; a larger one is no manifest of ours


class ManifestUnusable(CryptoAssetsError):
    """The manifest is not one of ours, or of another choice: files of two would be taken for one."""


@dataclass(frozen=True)
class Entry:
    """A file.

    Args:
        partition: What it holds.
        rows: How many rows.
        content: The mark of the content that it was made from.
        file: Its hash and size.
        holes: Absent bars of its time by state of the gap ledger; empty for what is no bars.
        first: First moment that it speaks of, UTC; where it matters to others (Qlib).
        last: Last moment, likewise.
        gone: Since when the database holds nothing of it any more, ISO 8601; empty while it does.
    """

    partition: Partition
    rows: int
    content: str
    file: FileMark
    holes: Mapping[str, int] = field(default_factory=dict)
    gone: str = ""
    first: datetime | None = None
    last: datetime | None = None


@dataclass(frozen=True)
class Head:
    """What all files of a folder have in common.

    Args:
        dataset: As it is typed.
        kind: parquet, csv, arrow or qlib.
        profile: Whose rows: sandbox and live never mix.
        markets: The chosen ones; empty for all.
        timeframes: Likewise.
        chosen: Columns that were asked for beside the key; empty for all.
        columns: Each with type, unit and meaning, in the order of the file.
    """

    dataset: str
    kind: str
    profile: str
    markets: tuple[str, ...]
    timeframes: tuple[str, ...]
    chosen: tuple[str, ...]
    columns: tuple[tuple[str, str, str, str], ...]

    @property
    def layout(self) -> str:
        """Another one whenever the same rows give another file."""
        return sha256(json.dumps([FORMAT, self.kind, self.columns]).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Manifest:
    """A folder's files by their names, relative and with slashes.

    Args:
        away: What retention had taken out of the table when the files were last brought up to date, in a sentence each.
    """

    head: Head
    files: Mapping[str, Entry] = field(default_factory=dict)
    away: tuple[str, ...] = ()

    def totals(self) -> dict[str, int | dict[str, int]]:
        """Rows, bytes and holes of all files."""
        holes: dict[str, int] = {}
        for entry in self.files.values():
            for state, count in entry.holes.items():
                holes[state] = holes.get(state, 0) + count
        rows = sum(entry.rows for entry in self.files.values())
        size = sum(entry.file.bytes for entry in self.files.values())
        return {"files": len(self.files), "rows": rows, "bytes": size, "holes": dict(sorted(holes.items()))}


def read_manifest(place: Place) -> Manifest | None:
    """The manifest of a folder; None where there is none.

    Raises:
        ManifestUnusable: it is none of ours.
        PlaceUnusable: it cannot be read.
    """
    content = place.read(NAME, MOST_BYTES)
    if content is None:
        return None
    try:
        whole = _Whole.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:80]
        raise ManifestUnusable(
            f"{place}/{NAME} is no manifest of an export: {where or 'the file'}: {first['msg'][:80]}",
            way_out="Remove the folder, or export to another place with --to.",
        ) from None
    return Manifest(whole.of, {name: one.entry() for name, one in whole.files.items()}, tuple(whole.away))


def write_manifest(place: Place, manifest: Manifest) -> None:
    """Put it beside its files.

    Raises:
        PlaceUnusable: it cannot be written.
    """
    files = {name: _file(entry) for name, entry in sorted(manifest.files.items())}
    whole = _Whole(format=FORMAT, of=manifest.head, totals=manifest.totals(), files=files, away=list(manifest.away))
    place.write(NAME, (whole.model_dump_json(indent=1, exclude_defaults=True) + "\n").encode())


def refuse_another(manifest: Manifest, head: Head, place: Place) -> None:
    """See that a folder holds what is to be added to it.

    Raises:
        ManifestUnusable: it holds another dataset, profile, or choice of markets, timeframes or columns.
    """
    for what in ("dataset", "kind", "profile", "markets", "timeframes", "chosen"):
        there, wanted = getattr(manifest.head, what), getattr(head, what)
        if there != wanted:
            named = "columns" if what == "chosen" else what
            raise ManifestUnusable(
                f"{place} holds an export of {named} {_words(there)}, not of {_words(wanted)}",
                way_out="Export to another place with --to: files of two choices would be taken for one.",
            )


def _words(value: object) -> str:
    if isinstance(value, tuple):
        return f"{', '.join(value[:5])}{' …' if len(value) > 5 else ''}" if value else "all"
    return str(value)


class _File(BaseModel, extra="forbid"):
    """A file as the manifest tells of it; see `Entry`."""

    domain: str
    start: AwareDatetime | None
    rows: int = Field(ge=0)
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    content: str
    holes: dict[str, int] = {}
    gone: str = ""
    first: AwareDatetime | None = None
    last: AwareDatetime | None = None

    def entry(self) -> Entry:
        partition = Partition(self.domain, self.start)
        mark = FileMark(self.sha256, self.bytes)
        return Entry(partition, self.rows, self.content, mark, self.holes, self.gone, self.first, self.last)


class _Whole(BaseModel, extra="forbid"):
    """The whole manifest."""

    format: Literal[1]
    of: Head
    totals: dict[str, int | dict[str, int]]
    files: dict[str, _File]
    away: list[str] = []


def _file(entry: Entry) -> _File:
    return _File(
        domain=entry.partition.domain,
        start=entry.partition.start,
        rows=entry.rows,
        bytes=entry.file.bytes,
        sha256=entry.file.sha256,
        content=entry.content,
        holes=dict(entry.holes),
        gone=entry.gone,
        first=entry.first,
        last=entry.last,
    )


__all__ = [
    "NAME", "Entry", "Head", "Manifest", "ManifestUnusable", "read_manifest", "refuse_another", "write_manifest",
]  # fmt: skip
