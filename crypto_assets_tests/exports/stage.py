"""What tests of exports share: a warehouse with bars, and exporting to a folder.

What belongs here: putting rows, running an export, reading files back. What does not: assertions.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from crypto_assets.datasets.market.trades.table import trades
from crypto_assets.exports.catalog import exported
from crypto_assets.exports.export import export
from crypto_assets.exports.place import Place
from crypto_assets.exports.selection import Selection
from crypto_assets.exports.work import Report, Target
from crypto_assets.exports.writers import FileFormat
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.write import upsert
from crypto_assets_tests.markets import moment

ALL = Selection()


def target(folder: Path, kind: FileFormat = FileFormat.PARQUET, *, prune: bool = False, anew: bool = False) -> Target:
    return Target(Place(str(folder)), "sandbox", kind, prune=prune, anew=anew)


def run(
    warehouse: Warehouse,
    name: str,
    folder: Path,
    kind: FileFormat = FileFormat.PARQUET,
    selection: Selection = ALL,
    *,
    prune: bool = False,
) -> Report:
    """Export a dataset to a folder."""
    return export(warehouse, exported(name), selection, target(folder, kind, prune=prune))


def outcomes(report: Report) -> dict[str, str]:
    """What became of each file."""
    return {one.name: one.outcome.value for one in report.files}


def put_trades(
    warehouse: Warehouse,
    rows: Sequence[tuple[datetime, str, str, str]],
    *,
    venue: str = "okx",
    symbol: str = "BTC/USDT",
) -> None:
    """Store trades: when, id, price, amount; the cost is one."""
    at = np.array([moment(row[0]) for row in rows])
    ids, prices, amounts = (np.array([row[place] for row in rows], dtype=object) for place in (1, 2, 3))
    with warehouse.connect() as connection:
        upsert(
            connection,
            trades,
            {
                "venue": venue, "symbol": symbol, "traded_at": at, "trade_id": ids, "price": prices, "amount": amounts,
                "cost": "1", "side": "buy", "sequence": np.arange(len(rows)), "fills": 1, "source": "test",
                "known_at": at,
            },
        )  # fmt: skip


def does(warehouse: Warehouse, statement: str) -> None:
    """Run a statement."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
