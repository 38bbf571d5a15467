"""`python -m bench.scale_out_sizes`: what a row weighs: in its table, in its key, in the log, and as Parquet.

What belongs here: the figures that docs/scale_out.md plans with. What does not: speed (warehouse.py, stream_grid.py).

Rows look like real ones: prices are a random walk with a venue's digits, markets take turns as they do when they are stored.
Bytes do not depend on how busy the machine is, CPU seconds little.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from rich.console import Console
from rich.table import Table as Shown
from sqlalchemy import Float, Table

from bench import stage
from crypto_assets.datasets.features.ml_features.table import ml_features
from crypto_assets.datasets.market.book_ticker_snapshots.table import book_ticker_snapshots
from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.datasets.market.trades.table import trades
from crypto_assets.warehouse.binary_copy import Batch, encode_batch
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.copy_in import copy_rows, table_name
from crypto_assets.warehouse.write import replace, upsert

ROWS, FEATURE_ROWS, MARKETS = 400_000, 40_000, 400
DIGITS = 2
START = np.datetime64("2026-10-01T00:00:00", "us")
_SIZES = """
SELECT sum(pg_relation_size(c.oid)), sum(pg_indexes_size(c.oid))
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = %s::regclass
"""
_ONE_GROUP = 1_000_000  # of Parquet: one row group, which compresses best and is what a day's file would have


def main() -> int:
    """Measure and print."""
    names = ("a row of", "table, B", "key, B", "log, B", "Parquet, zstd, B", "rows a CPU second into it", "columns")
    shown = Shown(*names)
    with stage.database("sizes") as warehouse:
        for table, batch in _tables().items():
            rows, log = _stored(warehouse, table, batch)
            heap, keys = _sizes(warehouse, table)
            packed, seconds = _packed(batch)
            sizes = (f"{size / rows:,.0f}" for size in (heap, keys, log, packed))
            shown.add_row(table.fullname, *sizes, f"{rows / seconds:,.0f}", str(len(batch)))
    Console(width=110).print(shown)
    return 0


def _tables() -> dict[Table, Batch]:
    made: dict[Table, Callable[[], Batch]] = {
        ohlcv: _bars, trades: _trades, book_ticker_snapshots: _snapshots, ml_features: _features
    }  # fmt: skip
    return {table: make() for table, make in made.items()}


def _bars() -> Batch:
    """Minutes of one market after the other, as a backfill stores them."""
    price, opened_at = _walk(ROWS), START + np.arange(ROWS).astype("timedelta64[m]")
    return {
        "venue": "binance", "symbol": "BTC/USDT", "timeframe": "1m", "opened_at": opened_at,
        "open": price, "high": price + 0.5, "low": price - 0.5, "close": np.roll(price, -1),
        "volume_base": _amounts(ROWS), "volume_quote": _amounts(ROWS) * price, "trade_count": _counts(ROWS),
        "source": "binance REST", "known_at": opened_at + np.timedelta64(1, "m"),
    }  # fmt: skip


def _trades() -> Batch:
    """Of one market, some twenty a second."""
    price, amount = _walk(ROWS), _amounts(ROWS)
    traded_at = START + np.cumsum(_dice().integers(0, 100_000, ROWS)).astype("timedelta64[us]")
    numbers = np.arange(4_000_000_000, 4_000_000_000 + ROWS)
    return {
        "venue": "binance", "symbol": "BTC/USDT", "traded_at": traded_at, "trade_id": numbers.astype(str).astype(object),
        "price": _text(price), "amount": _text(amount, 5), "cost": _text(price * amount, 7),
        "side": np.array(["buy", "sell"], dtype=object)[_dice().integers(0, 2, ROWS)], "sequence": numbers,
        "fills": _dice().integers(1, 4, ROWS), "received_at": traded_at + np.timedelta64(1, "s"),
        "source": "binance REST", "known_at": traded_at,
    }  # fmt: skip


def _snapshots() -> Batch:
    """So many markets, second after second."""
    seconds = ROWS // MARKETS
    bid, at = _walk(ROWS), np.repeat(START + np.arange(seconds).astype("timedelta64[s]"), MARKETS)
    came = at - _dice().integers(1_000, 400_000, ROWS).astype("timedelta64[us]")
    symbols = np.array([f"M{one:04d}/USDT" for one in range(MARKETS)] * seconds, dtype=object)
    return {
        "venue": "gate", "symbol": symbols, "snapshot_at": at,
        "bid_price": _text(bid), "bid_quantity": _text(_amounts(ROWS), 5),
        "ask_price": _text(bid + 0.01), "ask_quantity": _text(_amounts(ROWS), 5),
        "event_at": came - np.timedelta64(20, "ms"), "received_at": came,
        "age_ms": (at - came).astype("timedelta64[ms]").astype("int64"), "is_stale": np.zeros(ROWS, dtype=bool),
        "source": "gate stream", "known_at": at,
    }  # fmt: skip


def _features() -> Batch:
    opened_at = START + np.arange(FEATURE_ROWS).astype("timedelta64[h]")
    values = {
        column.name: _dice().normal(size=FEATURE_ROWS).astype("float32")
        for column in ml_features.columns
        if isinstance(column.type, Float) and column.computed is None
    }
    return {
        "venue": "binance", "symbol": "BTC/USDT", "timeframe": "1h", "opened_at": opened_at, **values, "version": "1",
        "source": "bench", "known_at": opened_at + np.timedelta64(1, "h"),
    }  # fmt: skip


def _stored(warehouse: Warehouse, table: Table, batch: Batch) -> tuple[int, int]:
    """Rows, and bytes of log that writing them took."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_insert_lsn()")
        [before] = cursor.fetchone() or [None]
        rows = _write(connection, table, batch)
        connection.commit()
        cursor.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), %s)::bigint", (before,))
        [log] = cursor.fetchone() or [0]
    return rows, log


def _write(connection: Connection, table: Table, batch: Batch) -> int:
    """As the table's own writer does: snapshots are copied, features replaced, the rest is upserted."""
    if table is ml_features:
        where = {"venue": "binance", "symbol": "BTC/USDT", "timeframe": "1h"}
        return replace(connection, table, batch, where, _moment(START), _moment(START) + timedelta(days=3650)).inserted
    if table is not book_ticker_snapshots:
        return upsert(connection, table, batch).inserted
    encoded = encode_batch([table.c[name] for name in batch], batch)
    with connection.cursor() as cursor:
        cursor.execute("SELECT ops.ensure_day_partition(%s, %s)", (table.fullname, _moment(START)))
        copy_rows(cursor, table_name(table), encoded)
    return encoded.rows


def _moment(at: np.datetime64) -> datetime:
    return at.astype(datetime).replace(tzinfo=UTC)


def _sizes(warehouse: Warehouse, table: Table) -> tuple[int, int]:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(_SIZES, (table.fullname,))
        heap, keys = cursor.fetchone() or (0, 0)
    return int(heap), int(keys)


def _packed(batch: Batch) -> tuple[int, float]:
    """Bytes of the same rows as a Parquet file, and CPU seconds for it; a scalar is a column, exact numbers are doubles."""
    length = max(len(one) for one in batch.values() if not isinstance(one, str))
    columns = {name: _column(value, length) for name, value in batch.items()}
    sink, began = io.BytesIO(), time.process_time()
    pq.write_table(pa.table(columns), sink, compression="zstd", row_group_size=_ONE_GROUP)
    return sink.tell(), time.process_time() - began


def _column(value: object, length: int) -> pa.Array:
    if isinstance(value, str):
        return pa.array([value] * length)
    if isinstance(value, np.ndarray) and value.dtype == object and value[0].replace(".", "", 1).isdigit():
        return pa.array([float(one) for one in value])
    return pa.array(value)


def _dice() -> np.random.Generator:
    return np.random.default_rng(7)


def _walk(rows: int) -> np.ndarray:
    return np.round(60_000 + np.cumsum(_dice().normal(0, 0.5, rows)), DIGITS)


def _amounts(rows: int) -> np.ndarray:
    return np.round(_dice().lognormal(-3, 1.5, rows) + 0.00001, 5)


def _counts(rows: int) -> np.ndarray:
    return _dice().integers(1, 3_000, rows)


def _text(values: np.ndarray, digits: int = DIGITS) -> np.ndarray:
    return np.array([f"{one:.{digits}f}" for one in values], dtype=object)


if __name__ == "__main__":
    sys.exit(main())
