"""A million trades of pools into PostgreSQL: first, once more, and as overlapping pages; every digit looked at.

What belongs here: that. What does not: collecting them (pool_day.py).

The baseline is what anybody would write: COPY of the same rows as text into a table with the same key and no triggers.
"""

from __future__ import annotations

import io
import time
from datetime import UTC, datetime

import numpy as np
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name

from bench import stage
from bench.event_stage import Figure
from crypto_assets.clients.pool_trade_rows import PoolTrades
from crypto_assets.datasets.dex.pool_trades.collect import build_rows
from crypto_assets.datasets.dex.pool_trades.continuity import series_of
from crypto_assets.datasets.dex.pool_trades.table import pool_trades
from crypto_assets.universe import DexRules
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.write import Batch, upsert

ROWS, PAGE, OVERLAP = 1_000_000, 20_000, 5_000
LEAST_ROWS_A_SECOND = 60_000.0
POOLS = ("Cnd9CKtG6meUJqKu9NkSeriAgzPSbQpZV5qwq5B44Spz", "7bqJG2ZdMKbEkgSmfuqNVBvqEvWavgL8UEo33ZqdL3NP")
NAMES = (
    "network", "pool_address", "traded_at", "tx_hash", "ordinal", "block_number", "side", "price_usd", "amount_base",
    "amount_quote", "volume_usd", "sender", "source", "known_at",
)  # fmt: skip
PLAIN = """
CREATE TABLE plain (LIKE dex.pool_trades INCLUDING DEFAULTS,
                    PRIMARY KEY (network, pool_address, traded_at, tx_hash, ordinal))
"""
DIGITS = """
SELECT price_usd::text, amount_base::text, amount_quote::text, volume_usd::text FROM dex.pool_trades
 ORDER BY traded_at, tx_hash
"""


def measure() -> list[Figure]:
    """Write, look, compare."""
    trades = make_trades(ROWS)
    rules = DexRules()
    key, other = (series_of("solana", pool) for pool in POOLS)
    with stage.database("pool_trades") as warehouse:
        baseline = _copied(warehouse, build_rows(key, trades, rules))
        pages = [build_rows(key, _part(trades, first, first + PAGE), rules) for first in range(0, ROWS, PAGE)]
        first = _written(warehouse, pages)
        again = _written(warehouse, pages)
        wrong = _wrong_digits(warehouse, trades)
        overlapping = [
            build_rows(other, _part(trades, max(0, first - OVERLAP), first + PAGE), rules)
            for first in range(0, ROWS, PAGE)
        ]
        merged = _written(warehouse, overlapping)
        rows = _count(warehouse, other.symbol)
    told = f"{ROWS:,} rows, prices of 60 digits, amounts of 25; pages of {PAGE:,}"
    received = sum(len(page["tx_hash"]) for page in overlapping)  # type: ignore[arg-type]
    return [
        Figure("baseline: COPY of text", ROWS / baseline, "rows/s", told="no checks, no triggers, no merge"),
        Figure("first write", ROWS / first, "rows/s", at_least=LEAST_ROWS_A_SECOND, told=told),
        Figure("first write beside the baseline", baseline / first, "", told="1 is as fast"),
        Figure("the same again, 0 rows change", ROWS / again, "rows/s", at_least=LEAST_ROWS_A_SECOND),
        Figure("pages that overlap by a quarter", received / merged, "rows/s", at_least=LEAST_ROWS_A_SECOND,
               told=f"{received:,} rows received, {rows:,} stored"),
        Figure("rows stored of overlapping pages", rows, "rows", at_least=ROWS, at_most=ROWS),
        Figure("numbers with another digit", wrong, "numbers", at_most=0, told=f"of {4 * ROWS:,}, compared as text"),
    ]  # fmt: skip


def make_trades(count: int) -> PoolTrades:
    """Trades with as many digits as GeckoTerminal writes: prices of 60, amounts of 25, values of 60."""
    rng = np.random.default_rng(7)
    digits = rng.integers(10**17, 10**18, size=(count, 4)).astype(str)

    def column(whole: str, *parts: int) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
        joined = np.empty(count, dtype=object)
        joined[:] = [whole + "".join(row[part] for part in parts) for row in digits]
        return joined

    hashes = np.empty(count, dtype=object)
    hashes[:] = [f"{row[0]}{row[1]}{number:x}" for number, row in enumerate(digits)]
    started = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp() * 1_000_000)
    senders = np.empty(count, dtype=object)
    senders[:] = [f"8qcW84HGYGUF8Jqs2JwJyKRWeMm4ksNo9dVu{number % 400:08d}" for number in range(count)]
    return PoolTrades(
        traded_at_us=started + np.arange(count, dtype=np.int64) * 500_000,
        tx_hash=hashes,
        ordinal=rng.integers(1, 60, count),
        block_number=np.arange(count, dtype=np.int64) // 2 + 360_000_000,
        is_buy=rng.random(count) < 0.5,
        price_usd=column("0.000049", 0, 1, 2),
        amount_base=column("1078", 3, 0),
        amount_quote=column("2.", 1),
        volume_usd=column("532.", 0, 1, 2),
        sender=senders,
        received=count,
    )


def _part(trades: PoolTrades, first: int, last: int) -> PoolTrades:
    names = ("traded_at_us", "tx_hash", "ordinal", "block_number", "is_buy", "price_usd", "amount_base", "amount_quote",
             "volume_usd", "sender")  # fmt: skip
    return PoolTrades(**{name: getattr(trades, name)[first:last] for name in names}, received=last - first)


def _written(warehouse: Warehouse, pages: list[Batch]) -> float:
    began = time.perf_counter()
    for page in pages:
        with warehouse.connect() as connection:
            upsert(connection, pool_trades, page)
    return time.perf_counter() - began


def _copied(warehouse: Warehouse, batch: Batch) -> float:
    columns = [batch[name] for name in NAMES]
    rows = len(batch["tx_hash"])  # type: ignore[arg-type]
    arrays = [column if isinstance(column, np.ndarray) else np.full(rows, column, dtype=object) for column in columns]
    with warehouse.connect() as connection:
        _execute(connection, PLAIN)
        began = time.perf_counter()
        lines = zip(*(array.astype(str).tolist() for array in arrays), strict=True)
        text = io.StringIO("".join("\t".join(line) + "\n" for line in lines))
        with connection.cursor() as cursor:
            cursor.copy_expert(f"COPY plain ({', '.join(NAMES)}) FROM STDIN", text)
        connection.commit()
        seconds = time.perf_counter() - began
        _execute(connection, "DROP TABLE plain")
    return seconds


def _wrong_digits(warehouse: Warehouse, trades: PoolTrades) -> int:
    """How many of the stored numbers differ from what came, as text."""
    wrong = 0
    columns = (trades.price_usd, trades.amount_base, trades.amount_quote, trades.volume_usd)
    with warehouse.connect() as connection, connection.cursor("digits") as cursor:
        cursor.execute(DIGITS)
        place = 0
        while rows := cursor.fetchmany(50_000):
            for number, column in enumerate(columns):
                expected = column[place : place + len(rows)]
                wrong += sum(row[number] != text for row, text in zip(rows, expected, strict=True))
            place += len(rows)
    return wrong + (place != len(trades)) * 4 * len(trades)


def _count(warehouse: Warehouse, pool: str) -> int:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM dex.pool_trades WHERE pool_address = %s", (pool,))
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def _execute(connection: Connection, statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
