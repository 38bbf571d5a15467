"""Features as Parquet at the speed of the database: 3.3 million rows, beside pandas.

Fifty markets of 65,942 hours with all features, random numbers that no compression helps. The export of 55 columns is the
one that is bound; then it is run again with nothing new, with one late revision, and with all columns. The baseline does a
tenth of the rows the way most projects do: pandas.read_sql and to_parquet.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg2
import pyarrow.dataset as ds
from rich.console import Console
from rich.table import Table as Shown
from sqlalchemy import select

from bench.stage import database
from crypto_assets.datasets.features.ml_features.catalog import FEATURES
from crypto_assets.datasets.features.ml_features.table import ml_features
from crypto_assets.exports.catalog import exported
from crypto_assets.exports.export import export
from crypto_assets.exports.place import Place
from crypto_assets.exports.selection import Selection
from crypto_assets.exports.work import Outcome, Target
from crypto_assets.exports.writers import FileFormat
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.write import replace

MARKETS, HOURS, COLUMNS = 50, 65_942, 55
START = datetime(2019, 1, 1, tzinfo=UTC)
VENUE, FRAME = "binance", "1h"
MAX_SECONDS = 30.0
MAX_MEGABYTES = 1_000.0


@dataclass(frozen=True)
class Figure:
    """One line of the table: what was measured, its value, its bound."""

    name: str
    value: float
    unit: str
    bound: float | None = None

    @property
    def holds(self) -> bool:
        return self.bound is None or self.value <= self.bound


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return 1 where a bound is missed."""
    parser = argparse.ArgumentParser(prog="bench.exports", description="Features as Parquet.")
    parser.add_argument(
        "--markets", type=int, default=MARKETS, help="fewer markets for a short look; bounds shrink along"
    )
    markets = parser.parse_args(arguments).markets
    with database("exports") as warehouse, tempfile.TemporaryDirectory(prefix="crypto_assets_bench_") as folder:
        _seed(warehouse, markets)
        _settle(warehouse)
        figures = [_told(one) for one in _exports(warehouse, Path(folder), markets)]
        usual, tenth = _usual_way(warehouse, Path(folder), max(1, markets // 10))
    shown = Shown("measured", "value", "bound", "", title=f"{markets * HOURS:,} rows")
    for one in figures:
        bound = "" if one.bound is None else f"{one.bound:,.3g} {one.unit}"
        shown.add_row(
            one.name,
            f"{one.value:,.2f} {one.unit}",
            bound,
            "" if one.bound is None else "held" if one.holds else "MISSED",
        )
    ratio = (usual / tenth) / (figures[0].value / markets)
    shown.add_row(
        f"baseline: pandas.read_sql, to_parquet, {tenth} of the markets",
        f"{usual:,.2f} s",
        "",
        f"{ratio:.1f} times slower a row",
    )
    Console(width=150).print(shown)
    return int(not all(one.holds for one in figures))


def _exports(warehouse: Warehouse, folder: Path, markets: int) -> list[Figure]:
    few = Selection(columns=tuple(FEATURES)[:COLUMNS])
    rows, worked = markets * HOURS, time.process_time()
    figures = [
        Figure(
            f"{COLUMNS} columns as Parquet",
            _export(warehouse, folder / "few", few, rows),
            "s",
            MAX_SECONDS * markets / MARKETS,
        ),
        Figure("  of it processor time of this process, the database's not counted", time.process_time() - worked, "s"),
        Figure("peak memory of the process, seeding included", _peak(), "MB", MAX_MEGABYTES),
        Figure("size on disk", _size(folder / "few") / 1e6, "MB"),
        Figure("again, nothing is new", _export(warehouse, folder / "few", few, rows, written=0), "s"),
    ]
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE features.ml_features SET rsi_14 = 0, ingested_at = clock_timestamp()"
            " WHERE symbol = 'M00/USDT' AND opened_at = '2022-06-15'"
        )
        assert cursor.rowcount == 1
    figures += [
        Figure("again, after one late revision", _export(warehouse, folder / "few", few, rows, written=1), "s"),
        Figure(f"{len(FEATURES)} columns as Parquet", _export(warehouse, folder / "all", Selection(), rows), "s"),
        Figure("peak memory of the process", _peak(), "MB", MAX_MEGABYTES),
    ]
    return figures


def _export(
    warehouse: Warehouse, folder: Path, selection: Selection, rows: int, *, written: int | None = None
) -> float:
    began = time.perf_counter()
    report = export(warehouse, exported("features"), selection, Target(Place(str(folder)), "bench", FileFormat.PARQUET))
    seconds = time.perf_counter() - began
    assert (
        report.totals["rows"] == rows == ds.dataset(folder / "parquet" / "features", partitioning="hive").count_rows()
    )
    assert len(report.those(Outcome.WRITTEN)) == (len(report.files) if written is None else written)
    return seconds


def _usual_way(warehouse: Warehouse, folder: Path, markets: int) -> tuple[float, int]:
    """Read with pandas and write a file a month; seconds, and of how many markets."""
    c = ml_features.c
    names = [column.name for column in ml_features.primary_key.columns] + list(FEATURES)[:COLUMNS]
    engine = warehouse.engine()
    began = time.perf_counter()
    try:
        chosen = select(*(c[name] for name in names)).where(c.symbol.in_(_symbols(markets)))
        frame = pd.read_sql(chosen, engine)
    finally:
        engine.dispose()
    for month, part in frame.groupby(frame["opened_at"].dt.strftime("%Y-%m")):
        part.to_parquet(folder / f"usual-{month}.parquet", index=False)
    assert len(frame) == markets * HOURS
    return time.perf_counter() - began, markets


def _seed(warehouse: Warehouse, markets: int) -> None:
    """Random walks, the same in every run, by binary COPY."""
    opened_at = np.datetime64("2019-01-01", "us") + np.arange(HOURS) * np.timedelta64(1, "h")
    for number, symbol in enumerate(_symbols(markets)):
        rng = np.random.default_rng(number)
        values = {name: rng.standard_normal(HOURS, dtype=np.float32).cumsum() for name in FEATURES}
        rows = {
            "venue": VENUE, "symbol": symbol, "timeframe": FRAME, "opened_at": opened_at, **values, "version": "bench",
            "source": "bench", "known_at": opened_at + np.timedelta64(1, "h"),
        }  # fmt: skip
        with warehouse.connect() as connection:
            where = {"venue": VENUE, "symbol": symbol, "timeframe": FRAME}
            replace(connection, ml_features, rows, where, START, START + timedelta(hours=HOURS))


def _settle(warehouse: Warehouse) -> None:
    """What a server does on its own after so many new rows, done before anything is measured."""
    with closing(psycopg2.connect(warehouse.url.get_secret_value().replace("+psycopg2", ""))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE) features.ml_features")
            cursor.execute("CHECKPOINT")


def _symbols(markets: int) -> list[str]:
    return [f"M{number:02d}/USDT" for number in range(markets)]


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.parquet"))


def _told(figure: Figure) -> Figure:
    """Say it at once: the whole takes minutes."""
    sys.stderr.write(f"{figure.name}: {figure.value:,.2f} {figure.unit}\n")
    return figure


if __name__ == "__main__":
    sys.exit(main())
