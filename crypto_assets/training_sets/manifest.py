"""The manifest of a training set: what was asked, what came, and how both are checked.

What belongs here: its shape, writing and reading it. What does not: filling it (create.py).

A manifest is JSON that anybody may have altered: it is read strictly, and nothing of it becomes a path before it was found to
be a plain name. The catalog keeps its hash, so that an altered one is noticed before it is parsed.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, StringConstraints, ValidationError, model_validator

from crypto_assets.training_sets.place import MANIFEST, MOST_MANIFEST_BYTES
from crypto_assets.training_sets.question import Part, Question, Series, Short
from crypto_assets.training_sets.refusals import ManifestAltered, ManifestRefused

FORMAT: Literal[1] = 1
# Files end before they have so much (create.py), but for one piece: a year of minutes of 200 columns.
MOST_FILE_BYTES = 2 * 2**30
MOST_FILES = 10_000

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,79}\.parquet$")]
Text = Annotated[str, StringConstraints(max_length=2_000)]
Count = Annotated[int, Field(ge=0)]


class FilePiece(Part):
    """A row group: one market's rows of one calendar year."""

    venue: Short
    symbol: Short
    start: AwareDatetime = Field(strict=False)
    rows: Annotated[int, Field(ge=1)]


class SetFile(Part):
    """A Parquet file, zstd, with a row group for each piece."""

    path: FileName
    sha256: Digest
    bytes: Annotated[int, Field(ge=1, le=MOST_FILE_BYTES)]
    pieces: tuple[FilePiece, ...] = Field(min_length=1, strict=False)

    @property
    def rows(self) -> int:
        """Of all pieces."""
        return sum(one.rows for one in self.pieces)


class MarketCount(Part):
    """What there is of one market.

    Args:
        venue: Its exchange.
        symbol: Unified.
        rows: Bars, each of which is a row.
        due: Bars that would have opened in the span by the moment.
        holes: Bars that are absent, by the state that the ledger gave as it stood.
        unlabelled: Bars that are absent and of which the ledger says nothing.
        sha256: Of its rows; empty without any.
        first: When its first bar opens.
        last: When its last one does.
    """

    venue: Short
    symbol: Short
    rows: Count
    due: Count
    holes: dict[Short, Count]
    unlabelled: Count
    sha256: Digest | Literal[""]
    first: AwareDatetime | None = Field(default=None, strict=False)
    last: AwareDatetime | None = Field(default=None, strict=False)


class ColumnSaid(Part):
    """A column: its type in Parquet, unit, meaning, and the share of rows in which it is known."""

    name: Short
    type: Short
    unit: Text
    meaning: Text
    coverage: Annotated[float, Field(ge=0, le=1)]
    is_rebuilt: bool


class RowHashSaid(Part):
    """The hash of the rows, and over what it is taken (row_hash.py)."""

    sha256: Digest
    order: Short
    columns: tuple[Short, ...] = Field(strict=False)


class CodeSaid(Part):
    """By which code a set was made; equal hashes compute equal rows."""

    package: Short
    feature_version: Short
    sha256: Digest


class Manifest(Part):
    """All of it.

    Args:
        format: Of manifests.
        name: Of the set.
        created_at: When it was finished, UTC.
        question: What it answers.
        code: By which code.
        schema_: The columns in their order.
        row_hash: Of the rebuilt columns.
        rows: Of all markets.
        markets: What there is of each.
        files: Where the rows lie.
        not_rebuilt: Columns that are frozen but cannot be had again, with the reason.
        perishable: What the set was made of and is dropped in time: a table, and when.
    """

    format: Literal[1]
    name: Short
    created_at: AwareDatetime = Field(strict=False)
    question: Question
    code: CodeSaid
    schema_: tuple[ColumnSaid, ...] = Field(alias="schema", strict=False)
    row_hash: RowHashSaid
    rows: Annotated[int, Field(ge=1)]
    markets: tuple[MarketCount, ...] = Field(strict=False)
    files: tuple[SetFile, ...] = Field(min_length=1, max_length=MOST_FILES, strict=False)
    not_rebuilt: dict[Short, Text]
    perishable: dict[Short, Text]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if sum(one.rows for one in self.files) != self.rows or sum(one.rows for one in self.markets) != self.rows:
            raise ValueError("the rows of files, markets and set differ")
        if len({one.path for one in self.files}) != len(self.files):
            raise ValueError("a file is named twice")
        if [(one.venue, one.symbol) for one in self.markets] != [
            (one.venue, one.symbol) for one in self.question.series
        ]:
            raise ValueError("the markets are others than were asked for")
        return self

    @property
    def size(self) -> int:
        """Bytes of all files but this one."""
        return sum(one.bytes for one in self.files)

    @property
    def lost(self) -> dict[str, list[str]]:
        """The columns that cannot be rebuilt, by the reason."""
        found: dict[str, list[str]] = {}
        for name, why in self.not_rebuilt.items():
            found.setdefault(why, []).append(name)
        return found

    def content(self) -> bytes:
        """As it is written."""
        said = self.model_dump(mode="json", by_alias=True)
        return (json.dumps(said, indent=1, ensure_ascii=True, allow_nan=False) + "\n").encode("ascii")


def read_manifest(content: bytes, name: str, sha256: str | None = None) -> Manifest:
    """A manifest from its bytes.

    Args:
        content: As the place has it.
        name: Of the set whose it should be.
        sha256: That the catalog kept; None where it is not asked.

    Raises:
        ManifestAltered: another hash.
        ManifestRefused: no manifest of that set, or of another version.
    """
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256:
        raise ManifestAltered(
            f"The manifest of the training set {name} has the SHA-256 {found[:12]}…, and the catalog kept {sha256[:12]}…",
            way_out="Somebody altered it: copy it back from a backup, or delete the set and make it again.",
            file=MANIFEST,
        )
    if len(content) > MOST_MANIFEST_BYTES:
        raise ManifestRefused(f"The manifest of {name} has more than {MOST_MANIFEST_BYTES:,} bytes", file=MANIFEST)
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(one) for one in first["loc"])[:100]
        raise ManifestRefused(
            f"The manifest of the training set {name} cannot be read: {place or 'it'}: {first['msg'][:200]}",
            way_out="Use the version of this package that made it, or make the set again.",
            file=MANIFEST,
        ) from None
    if manifest.name != name:
        raise ManifestRefused(f"The manifest of {name} is that of {manifest.name[:80]!r}", file=MANIFEST)
    return manifest


__all__ = [
    "FORMAT", "CodeSaid", "ColumnSaid", "FilePiece", "Manifest", "MarketCount", "RowHashSaid", "Series", "SetFile",
    "read_manifest",
]  # fmt: skip
