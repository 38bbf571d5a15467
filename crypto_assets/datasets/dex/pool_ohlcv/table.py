"""dex.pool_ohlcv: the table and its key.

What belongs here: columns, key and name in ledgers; other datasets read bars of pools through this module alone. What does
not: collecting (collect.py), telling quiet from missing (quiet.py) and judging (checks.py).
"""

from __future__ import annotations

from sqlalchemy import PrimaryKeyConstraint, Table, Text

from crypto_assets.quality.series import SeriesKey
from crypto_assets.schema.columns import METADATA, column, moment, network, number, pool_address, provenance

DATASET = "dex/pool_ohlcv"

pool_ohlcv = Table(
    "pool_ohlcv",
    METADATA,
    network(),
    pool_address(),
    column("timeframe", Text(), "Length of a bar: 1m 5m 15m 1h 4h 12h 1d"),
    moment("opened_at", "When the bar opens; its close is one timeframe later"),
    number("open", "Price of the base token at the close of the bar before, or of its first trade", unit="USD"),
    number("high", "Highest price of the base token", unit="USD"),
    number("low", "Lowest price of the base token", unit="USD"),
    number("close", "Price of the base token in the last trade", unit="USD"),
    number("volume_usd", "Value traded", unit="USD"),
    *provenance(),
    PrimaryKeyConstraint("network", "pool_address", "timeframe", "opened_at"),
    schema="dex",
    comment="One closed bar of one pool. Bars in which nothing was traded do not exist; the gap ledger says so.",
    info={"partition_by": "opened_at", "series": ("network", "pool_address")},
    postgresql_partition_by="RANGE (opened_at)",
)


def series_of(network: str, address: str, timeframe: str) -> SeriesKey:
    """How ledgers name a pool's bars."""
    return SeriesKey(DATASET, network, address, timeframe)


__all__ = ["DATASET", "pool_ohlcv", "series_of"]
