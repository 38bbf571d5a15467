"""Exporting a dataset in whichever format.

What belongs here: which work a format takes, and what goes beside a dataset. What does not: the work (row_export.py,
qlib_export.py).

A lease keeps others from exporting the same dataset to the same place at the same time.
"""

from __future__ import annotations

from dataclasses import replace

from crypto_assets.exports.catalog import BARS, COVERAGE, DATASETS, Exported
from crypto_assets.exports.manifest import read_manifest, refuse_another
from crypto_assets.exports.place import PlaceUnusable
from crypto_assets.exports.qlib_export import export_qlib
from crypto_assets.exports.row_export import export_rows, head_of
from crypto_assets.exports.selection import Selection
from crypto_assets.exports.work import Report, Target, Tell
from crypto_assets.exports.writers import FileFormat
from crypto_assets.warehouse.connection import Warehouse


def export(
    warehouse: Warehouse, one: Exported, selection: Selection, target: Target, tell: Tell = lambda *_: None
) -> Report:
    """Bring a dataset's files up to date. Beside bars the gap ledger is exported too, so that holes stay explained.

    Raises:
        SelectionRefused: the dataset has nothing that could be chosen so.
        NothingChosen: nothing is known of a name that somebody typed (`Target.named_by_hand`).
        NotForQlib: the dataset, the place or a market is none that Qlib can read.
        LeaseTaken: another process exports it to the same place.
        ManifestUnusable: the folder holds something else.
        PlaceUnusable: the place cannot be written.
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    selection.check(one)
    work = export_qlib if target.kind is FileFormat.QLIB else export_rows
    if one.name != BARS:
        return work(warehouse, one, selection, target, tell)
    chosen, ledger = Selection((one.asset,), markets=selection.markets), _of_ledger(target)
    _refuse_another_ledger(chosen, ledger)
    report = work(warehouse, one, selection, target, tell)
    return replace(report, beside=(export_rows(warehouse, DATASETS[COVERAGE], chosen, ledger, tell),))


def _of_ledger(target: Target) -> Target:
    """Where the ledger goes. Nobody types its names: one that is empty is no error.

    Qlib has no form for why a bar is not there. Its bars' ledger is Parquet in Qlib's own folder, for the one beside Parquet's
    bars may be of another choice of markets.
    """
    beside = replace(target, named_by_hand=False)
    if target.kind is not FileFormat.QLIB:
        return beside
    return replace(beside, kind=FileFormat.PARQUET, place=target.place.below(FileFormat.QLIB.value))


def _refuse_another_ledger(chosen: Selection, ledger: Target) -> None:
    """See before the work that the ledger can go beside what it is of.

    Raises:
        ManifestUnusable: a ledger of another choice is there.
    """
    folder = ledger.folder(DATASETS[COVERAGE])
    try:
        manifest = read_manifest(folder)
    except PlaceUnusable:
        return  # the work says so, of the dataset's own folder
    if manifest is not None:
        refuse_another(manifest, head_of(DATASETS[COVERAGE], chosen, ledger), folder)


__all__ = ["export"]
