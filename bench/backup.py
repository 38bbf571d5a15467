"""`make bench-backup`: ten million bars saved and restored, every row compared, beside a plain pg_dump in the same run.

What belongs here: seeding, timing, the table, the exit code. What does not: the server (stage.py).

Bounds are on what comes back, not on seconds: the machine's load decides those. Seconds stand beside each other as ratios.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import SecretStr
from rich.console import Console
from sqlalchemy import make_url

from bench.event_stage import Figure
from bench.events import table_of
from bench.stage import database
from crypto_assets.settings import load_settings
from crypto_assets.warehouse.backup import Saved, back_up
from crypto_assets.warehouse.backup_place import BackupPlace
from crypto_assets.warehouse.backup_restore import Restoring, restore
from crypto_assets.warehouse.backup_tools import find_tools
from crypto_assets.warehouse.connection import Warehouse

FIRST_YEAR, YEARS = 2005, 20  # a partition each
JOBS = 2
# Prices with two digits around a slow wave, as bars have them; noise by a hash, so that they compress as bars do.
_SEED = """
INSERT INTO market.ohlcv (venue, symbol, timeframe, opened_at, open, high, low, close, volume_base, volume_quote, trade_count,
                          source, known_at)
SELECT 'binance', 'M' || market || '/USDT', '1m', opened_at, price, price + up, price - down, price + up / 2, volume,
       round((volume * price)::numeric, 2)::float8, 10 + abs(hashint4(i)) %% 500, 'binance REST',
       opened_at + interval '1 minute'
  FROM (SELECT i, i %% 10 AS market,
               make_timestamptz(%(year)s, 1, 1, 0, 0, 0, 'UTC') + i / 10 * interval '1 minute' AS opened_at,
               round((20000 + 9000 * sin(i / 90000.0) + hashint4(i) %% 9000 / 100.0)::numeric, 2)::float8 AS price,
               abs(hashint4(i + 1)) %% 3000 / 100.0::float8 AS up, abs(hashint4(i + 2)) %% 3000 / 100.0::float8 AS down,
               abs(hashint4(i + 3)) %% 9000000 / 100000.0::float8 AS volume
          FROM generate_series(0, %(rows)s - 1) AS i) AS made
"""


def main() -> int:
    """Measure, print, and return 1 where a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000, help="How many bars.")
    rows = parser.parse_args().rows
    load, began, console = os.getloadavg()[0], time.monotonic(), Console(width=170, highlight=False)
    with database("bench_backup") as warehouse, tempfile.TemporaryDirectory(prefix="crypto_assets_bench_") as folder:
        console.print(
            f"Seeding {rows:,} bars in {YEARS} partitions took {_seconds(lambda: _seed(warehouse, rows)):.0f} s."
        )
        figures = _measured(warehouse, Path(folder), rows)
    console.print(table_of(figures))
    missed = [figure.name for figure in figures if not figure.holds]
    console.print(
        f"{time.monotonic() - began:.0f} s on {os.cpu_count()} cores, load {load:.1f} at the start, {os.getloadavg()[0]:.1f} at"
        f" the end. {'Missed: ' + '; '.join(missed) if missed else 'Every bound held.'}"
    )
    return int(bool(missed))


def _measured(warehouse: Warehouse, folder: Path, rows: int) -> list[Figure]:
    plain = _seconds(lambda: _plain_dump(warehouse, folder / "plain.dump"))
    plain_bytes = (folder / "plain.dump").stat().st_size
    (folder / "plain.dump").unlink()
    place = BackupPlace(str(folder / "backups"))
    saved = Saved("bench", warehouse, None, {}, None, folder / "staging")
    made = back_up(saved, place, jobs=JOBS, keep=1)
    mark = made.manifest.databases["data"]
    verifying = _seconds(lambda: place.verify(made.name))
    url = make_url(warehouse.url.get_secret_value()).set(database="bench_restored")
    wanted = Restoring(
        targets={"data": SecretStr(url.render_as_string(hide_password=False))},
        migrations=frozenset(path.stem for path in load_settings().sql_folder.glob("*.sql")),
        models=None,
        config=folder / "config",
        staging=folder / "staging",
        jobs=JOBS,
    )
    restored = restore(place, made.name, wanted)
    [there] = restored.databases
    differing = sum(bool(one.finding) for one in there.tables) + len(there.findings)
    bars = sum(one.found.rows for one in there.tables if one.found and one.table.startswith("market.ohlcv_"))
    mega = 1024 * 1024
    return [
        Figure("bars that came back", bars, "rows", at_least=rows, at_most=rows),
        Figure("tables or rights that differ", differing, "", at_most=0, told=f"{len(there.tables)} tables compared"),
        Figure("plain pg_dump -Fc, which hashes and verifies nothing", plain, "s", told=f"{plain_bytes / mega:,.0f} MB"),
        Figure("backup: dump and hashes in one snapshot, files hashed and verified", made.seconds, "s",
               told=f"{made.manifest.bytes / mega:,.0f} MB, {made.seconds / plain:.2f} times the plain dump"),
        Figure("of it dump and row hashes", mark.seconds, "s", told=f"{rows / mark.seconds:,.0f} rows/s"),
        Figure("verify once more: every byte", verifying, "s"),
        Figure("restore", there.restore_seconds, "s", told=f"{rows / there.restore_seconds:,.0f} rows/s, with indices"),
        Figure("comparing all rows", there.verify_seconds, "s", told=f"{rows / there.verify_seconds:,.0f} rows/s"),
    ]  # fmt: skip


def _seed(warehouse: Warehouse, rows: int) -> None:
    shares = [rows // YEARS + (number < rows % YEARS) for number in range(YEARS)]
    with ThreadPoolExecutor(JOBS) as pool:
        list(pool.map(lambda number: _seed_year(warehouse, FIRST_YEAR + number, shares[number]), range(YEARS)))


def _seed_year(warehouse: Warehouse, year: int, rows: int) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT ops.ensure_year_partition('market.ohlcv', %s)", (f"{year}-01-01",))
        cursor.execute(_SEED, {"year": year, "rows": rows})


def _plain_dump(warehouse: Warehouse, file: Path) -> None:
    url = make_url(warehouse.url.get_secret_value())
    subprocess.run(
        [find_tools(18, None).folder / "pg_dump", "--format=custom", f"--file={file}",
         f"--dbname=host={url.host} port={url.port} user={url.username} dbname={url.database}"],
        env={"PGPASSWORD": str(url.password)}, check=True,
    )  # fmt: skip


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
