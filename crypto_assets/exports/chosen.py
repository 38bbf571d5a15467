"""Names that somebody typed: one of which nothing is stored and no file is, is a slip and no empty choice.

What belongs here: finding such names out. What does not: what a dataset can be chosen by (selection.py).
"""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from sqlalchemy import Column, ColumnElement, select

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.exports.catalog import Exported
from crypto_assets.exports.manifest import Manifest
from crypto_assets.exports.selection import Selection
from crypto_assets.partitions import VENUE
from crypto_assets.universe import TIMEFRAME_LENGTH, known_venues
from crypto_assets.warehouse.read import Reader


class NothingChosen(CryptoAssetsError):
    """Nothing is stored of what was chosen, and no file is of it."""


def refuse_unknown(reader: Reader, one: Exported, selection: Selection, manifest: Manifest | None) -> None:
    """See that something is known of each venue (or whatever the folders are), market and timeframe that is chosen.

    Known is what is stored, of whichever time, and what the manifest names.

    Raises:
        NothingChosen: naming the first of which nothing is.
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    domains = {entry.partition.domain for entry in manifest.files.values()} if manifest else set()
    for name in selection.domains:
        column = one.table.c[one.domain]
        if name not in domains and not _is_stored(reader, column, name):
            raise _unknown(one, one.domain, name, {*domains, *(known_venues() if one.domain == VENUE else ())})
    if manifest and manifest.files:
        return  # a folder is of one choice of markets and timeframes, and these are it
    within = [one.table.c[one.domain].in_(sorted(set(selection.domains)))] if selection.domains else []
    for name in selection.markets:
        if not _is_stored(reader, one.table.c[one.market], name, *within):
            raise _unknown(one, "market", name)
    for name in selection.timeframes:
        if name not in TIMEFRAME_LENGTH or not _is_stored(reader, one.table.c.timeframe, name, *within):
            raise _unknown(one, "timeframe", name, TIMEFRAME_LENGTH)


def _is_stored(reader: Reader, column: Column[object], name: str, *within: ColumnElement[bool]) -> bool:
    return not reader.frame(select(column).where(column == name, *within).limit(1)).empty


def _unknown(one: Exported, what: str, name: str, known: Collection[str] = ()) -> NothingChosen:
    near = get_close_matches(name, sorted(known), n=1) if name not in known else []
    hint = f"Did you mean {near[0]}? " if near else ""
    return NothingChosen(
        f"Nothing is stored of {one.name} of the {what.replace('_', ' ')} '{name[:60]}', and no file is of it",
        way_out=f"{hint}See how it is spelled, and whether it was collected: `crypto-assets status` tells.",
    )


__all__ = ["NothingChosen", "refuse_unknown"]
