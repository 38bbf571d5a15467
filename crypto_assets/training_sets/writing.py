"""Writing the rows of a training set, and adding up what its manifest says of them.

What belongs here: from pieces to files and their manifest. What does not: rows (rebuild.py), bytes (place.py), the order of the
whole work (create.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pyarrow.parquet as pq

from crypto_assets.quality.coverage import SeriesKey
from crypto_assets.training_sets.code import code_said
from crypto_assets.training_sets.columns import NOT_REBUILT, Kind, columns_of, schema_of
from crypto_assets.training_sets.holes import Holes
from crypto_assets.training_sets.manifest import (
    FORMAT,
    ColumnSaid,
    FilePiece,
    Manifest,
    MarketCount,
    RowHashSaid,
    SetFile,
)
from crypto_assets.training_sets.place import Staging
from crypto_assets.training_sets.question import Question
from crypto_assets.training_sets.rebuild import Piece, arrow_of, steps_of
from crypto_assets.training_sets.row_hash import ORDER, RowHash

# Files of this size are read whole to check them; a year of hours of fifty markets is one.
FILE_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Step:
    """Where a creation or verification stands.

    Args:
        doing: What was just done, as "binance BTC/USDT 2024".
        done: Markets' years that lie behind.
        of: Of how many.
        rows: That came so far.
    """

    doing: str
    done: int
    of: int
    rows: int


type Tell = Callable[[Step], None]


def silent(_step: Step) -> None:
    """Tells nobody."""


@dataclass
class Written:
    """What has been written of a set, and what it comes to."""

    question: Question
    files: list[SetFile] = field(default_factory=list)
    rows: int = 0

    def __post_init__(self) -> None:
        self.columns = columns_of(self.question.columns, self.question.horizons)
        self._hash = RowHash(self.columns)
        self._known = dict.fromkeys((one.name for one in self.columns), 0)
        self._spans: dict[SeriesKey, tuple[int, datetime, datetime]] = {}
        self._done = 0

    def write(self, staging: Staging, found: Iterator[Piece], tell: Tell) -> None:
        """Write pieces as they come, a row group each; a file holds pieces of one venue and year."""
        schema, numbers = schema_of(self.columns), Counter[str]()
        piece = next(found, None)
        while piece is not None:
            group = _group(piece)
            numbers[group] += 1
            path = f"{group}_{numbers[group]}.parquet"
            held: list[FilePiece] = []
            with staging.file(path) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
                while piece is not None and _group(piece) == group and (not held or file.bytes < FILE_BYTES):
                    writer.write_table(arrow_of(piece, self.columns), row_group_size=len(piece))
                    held.append(_said(piece))
                    self._count(piece)
                    tell(self._step(piece))
                    piece = next(found, None)
            self.files.append(SetFile(path=path, sha256=file.sha256, bytes=file.bytes, pieces=tuple(held)))

    def _step(self, piece: Piece) -> Step:
        self._done += 1
        key = piece.key
        return Step(f"{key.venue} {key.symbol} {piece.start.year}", self._done, steps_of(self.question), self.rows)

    def _count(self, piece: Piece) -> None:
        self._hash.add(piece.key, piece.values)
        self.rows += len(piece)
        for one in self.columns:
            self._known[one.name] += len(piece) if one.kind is Kind.TEXT else _known(piece, one.name)
        first, last = (_moment(piece, at) for at in (0, -1))
        rows, begin, _ = self._spans.get(piece.key, (0, first, last))
        self._spans[piece.key] = (rows + len(piece), begin, last)

    def manifest(self, name: str, holes: Mapping[SeriesKey, Holes], perishable: dict[str, str]) -> Manifest:
        """All that there is to say of it."""
        hashes = self._hash.markets()
        markets = []
        for key, absent in holes.items():
            rows, first, last = self._spans.get(key, (0, None, None))
            markets.append(
                MarketCount(
                    venue=key.venue, symbol=key.symbol, rows=rows, due=absent.due, holes=absent.by_state,
                    unlabelled=absent.unlabelled(rows), sha256=hashes.get(key, ""), first=first, last=last,
                )
            )  # fmt: skip
        schema = tuple(
            ColumnSaid(
                name=one.name, type=one.kind.value, unit=one.unit, meaning=one.meaning,
                coverage=round(self._known[one.name] / self.rows, 6), is_rebuilt=one.is_rebuilt,
            )
            for one in self.columns
        )  # fmt: skip
        lost = {one.name: NOT_REBUILT[one.name] for one in self.columns if not one.is_rebuilt}
        return Manifest(
            format=FORMAT, name=name, created_at=datetime.now(UTC), question=self.question, code=code_said(), schema=schema,
            row_hash=RowHashSaid(sha256=self._hash.whole(), order=ORDER, columns=self._hash.names), rows=self.rows,
            markets=tuple(markets), files=tuple(self.files), not_rebuilt=lost, perishable=perishable,
        )  # fmt: skip


def _group(piece: Piece) -> str:
    return f"{piece.key.venue}_{piece.start.year}"


def _said(piece: Piece) -> FilePiece:
    return FilePiece(venue=piece.key.venue, symbol=piece.key.symbol, start=piece.start, rows=len(piece))


def _known(piece: Piece, name: str) -> int:
    values = piece.values[name]
    return len(values) - int(np.count_nonzero(np.isnat(values) if values.dtype.kind == "M" else np.isnan(values)))


def _moment(piece: Piece, at: int) -> datetime:
    plain: datetime = piece.values["opened_at"][at].astype("datetime64[us]").item()
    return plain.replace(tzinfo=UTC)


__all__ = ["FILE_BYTES", "Step", "Tell", "Written", "silent"]
