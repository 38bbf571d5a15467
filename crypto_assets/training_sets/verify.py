"""Verifying a training set: are its files what was written, and do the rows come out the same again?

What belongs here: the two questions, what differs by market and column, and that the catalog notes what was found. What does
not: rebuilding (rebuild.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crypto_assets.schema.training_sets import SetState
from crypto_assets.training_sets.catalog import mark, mark_whole
from crypto_assets.training_sets.code import code_said
from crypto_assets.training_sets.columns import Kind, SetColumn, columns_of
from crypto_assets.training_sets.loading import OpenedFile, TrainingSet, open_set
from crypto_assets.training_sets.place import Shelf
from crypto_assets.training_sets.rebuild import Piece, Values, pieces, steps_of
from crypto_assets.training_sets.refusals import ManifestAltered, ManifestRefused, SetDamaged
from crypto_assets.training_sets.row_hash import RowHash
from crypto_assets.training_sets.writing import Step, Tell, silent
from crypto_assets.warehouse.connection import Warehouse

ROWS = "(rows)"  # stands for a column where rows are missing or too many


@dataclass
class Difference:
    """What came out otherwise of one market's column.

    Args:
        venue: Of the market.
        symbol: Of the market.
        column: Its name, or `ROWS`.
        values: How many differ.
        first_at: The first bar of which one does, UTC.
        frozen: What the set has there; None for null.
        rebuilt: What comes out now.
    """

    venue: str
    symbol: str
    column: str
    values: int
    first_at: datetime
    frozen: str
    rebuilt: str


@dataclass
class Verification:
    """What a verification found.

    Args:
        name: Of the set.
        damaged: What is wrong with its files.
        differences: By market and column.
        row_hash: That the manifest has.
        rebuilt_hash: That came out; empty where nothing was rebuilt.
        kept: What the catalog holds of the rows where nothing was rebuilt.
        rows: That were rebuilt.
        notices: What should be known to judge it: other code, columns that are not rebuilt, sources that go.
    """

    name: str
    damaged: list[SetDamaged] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    row_hash: str = ""
    rebuilt_hash: str = ""
    kept: SetState = SetState.CREATED
    rows: int = 0
    notices: list[str] = field(default_factory=list)

    @property
    def state(self) -> SetState:
        """What it comes to; of rows that were not rebuilt, what is known from before."""
        if self.damaged:
            return SetState.DAMAGED
        if not self.rebuilt_hash:
            return self.kept
        is_same = not self.differences and self.rebuilt_hash == self.row_hash
        return SetState.VERIFIED if is_same else SetState.DIFFERS


def open_to_verify(warehouse: Warehouse, shelf: Shelf, name: str) -> TrainingSet:
    """A set that is to be verified; that its manifest is gone or altered is a finding, too, which the catalog keeps.

    Raises:
        SetDamaged, ManifestAltered: the manifest is missing, or not what was written; the set is marked damaged.
        SetRefused, SetUnknown, ManifestRefused, PlaceUnavailable, DatabaseUnreachable: see `open_set`; nothing was found then.
    """
    try:
        return open_set(shelf, name, warehouse)
    except SetDamaged as error:
        if isinstance(error, ManifestAltered) or not isinstance(error, ManifestRefused):
            mark(warehouse, name, SetState.DAMAGED)
        raise


def verify(warehouse: Warehouse, chosen: TrainingSet, *, files_only: bool = False, tell: Tell = silent) -> Verification:
    """Check a set's files, and rebuild its rows where they are whole; the catalog keeps what was found.

    Args:
        warehouse: What it was made from.
        chosen: The set, with the manifest that the catalog knows.
        files_only: Rebuild nothing; whole files leave the catalog's word on the rows as it is.
        tell: Is told of each market's year.

    Raises:
        PlaceUnavailable, DatabaseUnreachable: place or database cannot be read; nothing was found then.
        ManifestRefused: its rules are of another version.
    """
    manifest = chosen.manifest
    found = Verification(
        chosen.name, list(chosen.damaged()), row_hash=manifest.row_hash.sha256, notices=_notices(chosen)
    )
    if files_only and not found.damaged:
        found.kept = mark_whole(warehouse, chosen.name)
        return found
    if not found.damaged:
        try:
            _compare(warehouse, chosen, found, tell)
        except ManifestRefused:
            raise
        except SetDamaged as error:  # harmed since it was looked at
            found.damaged.append(error)
    mark(warehouse, chosen.name, found.state)
    return found


def _notices(chosen: TrainingSet) -> list[str]:
    manifest, now = chosen.manifest, code_said()
    notices = [f"not rebuilt: {', '.join(names)}: {why}" for why, names in manifest.lost.items()]
    notices += [f"{name} {when}: past that, the set cannot be rebuilt" for name, when in manifest.perishable.items()]
    if manifest.code.feature_version != now.feature_version:
        notices.append(
            f"it was made by features of version {manifest.code.feature_version}, and these are {now.feature_version}:"
            " what differs may be the code"
        )
    elif manifest.code.sha256 != now.sha256:
        notices.append("it was made by other code than this, though by the same features: what differs may be the code")
    return notices


def _compare(warehouse: Warehouse, chosen: TrainingSet, found: Verification, tell: Tell) -> None:
    question = chosen.manifest.question
    columns = columns_of(question.columns, question.horizons)
    hashed, differences = RowHash(columns), _Differences()
    frozen = _Frozen(chosen, columns)
    done, steps = 0, steps_of(question)
    for piece in pieces(warehouse, question):
        hashed.add(piece.key, piece.values)
        done, found.rows = done + 1, found.rows + len(piece)
        differences.add(piece, frozen.take(piece), columns)
        tell(Step(f"{piece.key.venue} {piece.key.symbol} {piece.start.year}", done, steps, found.rows))
    for venue, symbol, values in frozen.rest():
        differences.missing(venue, symbol, values["opened_at"], "a row", "none")
    found.rebuilt_hash, found.differences = hashed.whole(), differences.in_order()


class _Frozen:
    """The set's own pieces, each taken once; files are opened as they are come to."""

    def __init__(self, chosen: TrainingSet, columns: tuple[SetColumn, ...]) -> None:
        self._chosen = chosen
        self._columns = [one for one in columns if one.is_rebuilt and one.kind is not Kind.TEXT]
        self._places = {
            (piece.venue, piece.symbol, piece.start): (file, group)
            for file in chosen.manifest.files
            for group, piece in enumerate(file.pieces)
        }
        self._path = ""
        self._opened: OpenedFile | None = None

    def take(self, piece: Piece) -> Values | None:
        """What the set has in a piece's place; None for nothing."""
        return self._take(piece.place) if piece.place in self._places else None

    def rest(self) -> Iterator[tuple[str, str, Values]]:
        """What was not taken."""
        for place in list(self._places):
            yield place[0], place[1], self._take(place)

    def _take(self, place: tuple[str, str, datetime]) -> Values:
        file, group = self._places.pop(place)
        if self._opened is None or self._path != file.path:
            self._path, self._opened = file.path, OpenedFile(self._chosen, file)
        rows = self._opened.piece(group, [one.name for one in self._columns])
        return {one.name: _values(rows, one) for one in self._columns}


def _values(rows: pa.Table, column: SetColumn) -> NDArray[np.generic]:
    """As a piece has them."""
    if column.kind is Kind.TIME:
        return np.asarray(
            rows.column(column.name).cast(pa.timestamp("us")).combine_chunks().to_numpy(zero_copy_only=False)
        )
    return np.asarray(rows.column(column.name).combine_chunks().to_numpy(zero_copy_only=False))


class _Differences:
    """What differs, added up by market and column."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], Difference] = {}

    def add(self, piece: Piece, frozen: Values | None, columns: tuple[SetColumn, ...]) -> None:
        """Compare a rebuilt piece with the set's."""
        venue, symbol, ours = piece.key.venue, piece.key.symbol, piece.values
        if frozen is None:
            self.missing(venue, symbol, ours["opened_at"], "none", "a row")
            return
        theirs = frozen["opened_at"].astype("datetime64[us]")
        _, at, again = np.intersect1d(theirs, ours["opened_at"], assume_unique=True, return_indices=True)
        for rows, there, here in (
            (np.setdiff1d(theirs, ours["opened_at"]), "a row", "none"),
            (np.setdiff1d(ours["opened_at"], theirs), "none", "a row"),
        ):
            if len(rows):
                self.missing(venue, symbol, rows, there, here)
        for one in columns:
            if one.is_rebuilt and one.kind is not Kind.TEXT:
                left, right = frozen[one.name][at], ours[one.name][again]
                differs = np.flatnonzero(~_same(left, right))
                if len(differs):
                    first = differs[0]
                    self._note(
                        (venue, symbol, one.name),
                        len(differs),
                        theirs[at][first],
                        _told(left[first]),
                        _told(right[first]),
                    )

    def missing(self, venue: str, symbol: str, opened_at: NDArray[np.generic], frozen: str, rebuilt: str) -> None:
        """Rows that only one of both has."""
        self._note((venue, symbol, ROWS), len(opened_at), opened_at[0], frozen, rebuilt)

    def in_order(self) -> list[Difference]:
        """By market; within it, most first."""
        return sorted(self._found.values(), key=lambda one: (one.venue, one.symbol, -one.values, one.column))

    def _note(self, key: tuple[str, str, str], values: int, at: np.generic, frozen: str, rebuilt: str) -> None:
        if key in self._found:
            self._found[key].values += values
            return
        moment: datetime = at.astype("datetime64[us]").item()
        self._found[key] = Difference(*key, values, moment.replace(tzinfo=UTC), frozen, rebuilt)


def _same(left: NDArray[np.generic], right: NDArray[np.generic]) -> NDArray[np.bool_]:
    if left.dtype.kind == "M":
        return np.asarray((left == right) | (np.isnat(left) & np.isnat(right)))
    return np.asarray((left == right) | (np.isnan(left) & np.isnan(right)))


def _told(value: np.generic) -> str:
    if value.dtype.kind == "M":
        return "null" if np.isnat(value) else str(value.astype("datetime64[s]"))
    return "null" if np.isnan(value) else f"{value:.9g}"


__all__ = ["ROWS", "Difference", "Verification", "verify"]
