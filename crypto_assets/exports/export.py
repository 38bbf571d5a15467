"""Exporting a dataset in whichever format.

What belongs here: which work a format takes, and what goes beside a dataset. What does not: the work (row_export.py,
qlib_export.py).

A lease keeps others from exporting the same dataset to the same place at the same time.
"""

from __future__ import annotations

from dataclasses import replace

from crypto_assets.exports.catalog import BARS, COVERAGE, DATASETS, Exported
from crypto_assets.exports.qlib_export import export_qlib
from crypto_assets.exports.row_export import export_rows
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
        NotForQlib: the dataset, the place or a market is none that Qlib can read.
        LeaseTaken: another process exports it to the same place.
        ManifestUnusable: the folder holds something else.
        PlaceUnusable: the place cannot be written.
        DatabaseUnreachable, NotMigrated, ReadFailed: as for `read_frame`.
    """
    selection.check(one)
    is_qlib = target.kind is FileFormat.QLIB
    report = (export_qlib if is_qlib else export_rows)(warehouse, one, selection, target, tell)
    if one.name != BARS:
        return report
    ledger = (
        replace(target, kind=FileFormat.PARQUET) if is_qlib else target
    )  # Qlib has no form for why a bar is not there
    chosen = Selection((one.asset,), markets=selection.markets)
    return replace(report, beside=(export_rows(warehouse, DATASETS[COVERAGE], chosen, ledger, tell),))


__all__ = ["export"]
