"""Reading a training set: nothing is parsed before its hash was right.

What belongs here: from a place and a name to Arrow and pandas. What does not: computing anything (rebuild.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from crypto_assets.settings import Settings, load_settings
from crypto_assets.training_sets.catalog import listed
from crypto_assets.training_sets.manifest import Manifest, SetFile, read_manifest
from crypto_assets.training_sets.place import MANIFEST, MOST_MANIFEST_BYTES, Shelf
from crypto_assets.training_sets.question import checked_name
from crypto_assets.training_sets.refusals import SetDamaged, SetRefused, SetUnknown
from crypto_assets.warehouse.connection import Warehouse

_WHOLE_AGAIN = "Copy it back from a backup, or delete the set and make it again."


@dataclass(frozen=True)
class TrainingSet:
    """A set whose manifest was read; its files are read, and checked, when they are asked for.

    Args:
        shelf: Where it lies.
        manifest: What it says of itself.
    """

    shelf: Shelf
    manifest: Manifest

    @property
    def name(self) -> str:
        """Of the set."""
        return self.manifest.name

    def arrow(self, columns: Sequence[str] = (), *, venue: str | None = None, symbol: str | None = None) -> pa.Table:
        """Its rows, by venue, symbol and time; null where a value is not known.

        Args:
            columns: Names, in the order wanted; empty for all.
            venue: Only of this exchange.
            symbol: Only of this market.

        Returns:
            Times are timestamp[us, UTC], numbers float or double, names dictionaries; each field's metadata has its unit and
            meaning.

        Raises:
            SetRefused: a column, venue or symbol that the set does not hold.
            SetDamaged: a file is missing or altered, by name; nothing of it is given.
            PlaceUnavailable: the place cannot be read.
        """
        wanted = self._columns(columns)
        self._refuse_absent(venue, symbol)
        parts = []
        for file in self.manifest.files:
            asked = [
                (place, one) for place, one in enumerate(file.pieces)
                if venue in {None, one.venue} and symbol in {None, one.symbol}
            ]  # fmt: skip
            if not asked:
                continue
            read = OpenedFile(self, file)
            parts += [((one.venue, one.symbol, one.start), read.piece(place, wanted)) for place, one in asked]
        # Files are cut by year first, and names are numbered within each row group anew.
        return pa.concat_tables([rows for _, rows in sorted(parts, key=lambda part: part[0])]).unify_dictionaries()

    def frame(
        self, columns: Sequence[str] = (), *, venue: str | None = None, symbol: str | None = None
    ) -> pd.DataFrame:
        """As `arrow`, for pandas: NaN and NaT where a value is not known, times datetime64[us, UTC], names categories."""
        made: pd.DataFrame = self.arrow(columns, venue=venue, symbol=symbol).to_pandas()
        return made

    def damaged(self) -> Iterator[SetDamaged]:
        """What is wrong with its files, each as the error that reading it would raise.

        Raises:
            PlaceUnavailable: the place cannot be read.
        """
        for file in self.manifest.files:
            try:
                checked(self.shelf, self.name, file)
            except SetDamaged as error:
                yield error

    def _columns(self, columns: Sequence[str]) -> list[str]:
        there = [one.name for one in self.manifest.schema_]
        strange = [name for name in columns if name not in there]
        if strange:
            raise SetRefused(
                f"The training set {self.name} has no column {', '.join(map(str, strange))[:200]}",
                way_out=f"`crypto-assets dataset show {self.name}` lists its {len(there)} columns.",
            )
        return list(dict.fromkeys(columns)) or there

    def _refuse_absent(self, venue: str | None, symbol: str | None) -> None:
        there = [one for one in self.manifest.markets if one.rows]
        if not any(venue in {None, one.venue} and symbol in {None, one.symbol} for one in there):
            names = ", ".join(f"{one.venue} {one.symbol}" for one in there[:20])
            raise SetRefused(
                f"The training set {self.name} holds nothing of {venue or 'any venue'} {symbol or ''}".rstrip(),
                way_out=f"It holds {names}.",
            )


def load(
    name: str,
    *,
    settings: Settings | None = None,
    warehouse: Warehouse | None = None,
    place: str | None = None,
) -> TrainingSet:
    """A training set by its name.

    Args:
        name: As `crypto-assets dataset list` shows it.
        settings: Where sets lie and whose they are; None for the environment's.
        warehouse: Whose catalog says which manifest is the right one; None for the settings' CRYPTO_ASSETS_WAREHOUSE_URL. Where
            there is none either, the files are held to the manifest, and the manifest to nothing.
        place: Folder or address of the sets of a profile, where it is not the settings'.

    Raises:
        SetRefused: no set may have such a name.
        SetUnknown: there is none.
        ManifestRefused: the manifest is not the one that the catalog kept, or none at all.
        PlaceUnavailable, DatabaseUnreachable: place or catalog cannot be read.
    """
    checked_name(name)
    known = settings or load_settings()
    if warehouse is None and known.warehouse_url is not None:
        warehouse = Warehouse(known.warehouse_url)
    return open_set(Shelf(place) if place else shelf_of(known), name, warehouse)


def shelf_of(settings: Settings) -> Shelf:
    """Where the sets of the settings' profile lie."""
    return Shelf(f"{settings.training_place.rstrip('/')}/{settings.profile}")


def open_set(shelf: Shelf, name: str, warehouse: Warehouse | None = None) -> TrainingSet:
    """A set of a place, its manifest held to the catalog's hash where there is a catalog.

    Raises:
        SetRefused, SetUnknown, ManifestRefused, PlaceUnavailable, DatabaseUnreachable: see `load`.
    """
    kept = listed(warehouse, name).manifest_sha256 if warehouse is not None else None
    if kept is None and not shelf.holds(checked_name(name)):
        raise SetUnknown(
            f"No training set lies in {shelf.address(name)}", way_out="`crypto-assets dataset list` shows all."
        )
    return TrainingSet(shelf, read_manifest(shelf.read(name, MANIFEST, MOST_MANIFEST_BYTES), name, kept))


def checked(shelf: Shelf, name: str, file: SetFile) -> bytes:
    """A file's bytes, once their hash was right.

    Raises:
        SetDamaged: it is missing, cut off or altered.
        PlaceUnavailable: the place cannot be read.
    """
    content = shelf.read(name, file.path, file.bytes)
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        size = f"{len(content):,}" if len(content) <= file.bytes else f"more than {file.bytes:,}"
        raise SetDamaged(
            f"The file {file.path} of the training set {name} has {size} bytes with the SHA-256 {found[:12]}…; written were"
            f" {file.bytes:,} with {file.sha256[:12]}…",
            way_out=_WHOLE_AGAIN,
            file=file.path,
        )
    return content


class OpenedFile:
    """A file that was checked, as Parquet; its row groups are the manifest's pieces.

    Args:
        chosen: The set.
        file: One of its files.

    Raises:
        SetDamaged: as `checked`, or it is no Parquet of such columns and rows.
        PlaceUnavailable: the place cannot be read.
    """

    def __init__(self, chosen: TrainingSet, file: SetFile) -> None:
        self._name, self._file = chosen.name, file
        content = checked(chosen.shelf, chosen.name, file)
        with self._refused():
            self._parquet = pq.ParquetFile(pa.BufferReader(content))
            groups = [self._parquet.metadata.row_group(at).num_rows for at in range(self._parquet.num_row_groups)]
            names = self._parquet.schema_arrow.names
        if groups != [one.rows for one in file.pieces] or names != [one.name for one in chosen.manifest.schema_]:
            raise SetDamaged(
                f"The file {file.path} of the training set {self._name} holds other rows or columns than its manifest says",
                file=file.path,
            )

    def piece(self, place: int, columns: Sequence[str]) -> pa.Table:
        """Some columns of a piece, in the order asked.

        Raises:
            SetDamaged: what was written cannot be read.
        """
        with self._refused():
            return self._parquet.read_row_group(place, columns=list(columns)).select(list(columns))

    @contextmanager
    def _refused(self) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError) as error:  # it is read from memory: an OSError is one of its contents
            raise SetDamaged(
                f"The file {self._file.path} of the training set {self._name} is no Parquet of ours ({type(error).__name__})",
                file=self._file.path,
            ) from None


__all__ = ["OpenedFile", "TrainingSet", "checked", "load", "open_set", "shelf_of"]
