"""Quotes and opportunities in PostgreSQL, found and written in the stream's own way.

What belongs here: snapshots of two venues, what the stream makes of them, storing both. What does not: assertions.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from crypto_assets.datasets.market.arbitrage_opportunities.table import COPY_COLUMNS
from crypto_assets.datasets.market.book_ticker_snapshots.table import COPY_COLUMNS as QUOTE_COLUMNS
from crypto_assets.stream.arbitrage import Arbitrage, lines_of
from crypto_assets.stream.snapshots import snapshot_lines
from crypto_assets.stream.standing import Lines, Snapshot
from crypto_assets.universe_stream import AnalyticsRules
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.stream.standings import START, snapshot, standing

RULES = AnalyticsRules(min_arbitrage_pct=0.05, persistence_snapshots=3, fees_pct={"mexc": 0.05}, default_fee_pct=0.2)
START_AT = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=START)
HOUR_KEY = f"{START_AT:%Y-%m-%d-%H:00}"


def seconds_of(pairs: Iterable[int]) -> list[Snapshot]:
    """Snapshots of two symbols: in these seconds after START BTC/USDT can be bought at mexc and sold at gate, else not."""
    seen = []
    for second in pairs:
        seen.append(
            snapshot(
                second,
                [
                    standing("mexc", "99.95", "100.00", ask_quantity="0.500"),
                    standing("gate", "101.1", "101.2", bid_quantity="2"),
                    standing("mexc", "5", "5.01", symbol="ETH/USDT"),
                    standing("gate", "5", "5.01", symbol="ETH/USDT"),
                ],
            )
        )
    return seen


def store(warehouse: Warehouse, seen: Iterable[Snapshot], rules: AnalyticsRules = RULES) -> int:
    """Write the snapshots and what is open in them; returns the rows of opportunities."""
    arbitrage, rows = Arbitrage(rules), 0
    with warehouse.connect() as connection, connection.cursor() as cursor:
        for one in seen:
            quotes = snapshot_lines(one, {"mexc": "test", "gate": "test"})
            found = lines_of(one.at, arbitrage.find(one))
            rows += found.rows
            for lines, columns in ((quotes, QUOTE_COLUMNS), (found, COPY_COLUMNS)):
                cursor.execute("SELECT ops.ensure_day_partition(%s, to_timestamp(%s))", (lines.table, lines.at / 1e6))
                cursor.copy_expert(_copy(lines, columns), io.BytesIO(lines.text))
    return rows


def empty(warehouse: Warehouse) -> None:
    """Take all of it out again."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE market.book_ticker_snapshots, market.arbitrage_opportunities")


def _copy(lines: Lines, columns: tuple[str, ...]) -> str:
    return f"COPY {lines.table} ({', '.join(columns)}) FROM STDIN"
