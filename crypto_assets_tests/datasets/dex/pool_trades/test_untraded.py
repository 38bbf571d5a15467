"""Bars in which nothing was traded, as a pool's trades tell: all, but none that might be wrong."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from crypto_assets.datasets.dex.pool_ohlcv.asset import PoolOhlcvConfig, collect_pool_ohlcv
from crypto_assets.datasets.dex.pool_trades.asset import PoolTradesConfig, collect_pool_trades
from crypto_assets.datasets.dex.pool_trades.continuity import name_lost, series_of
from crypto_assets.datasets.dex.pool_trades.table import pool_trades
from crypto_assets.datasets.dex.pool_trades.untraded import untraded_spans
from crypto_assets.datasets.dex.watchlist.asset import Entry, build_rows
from crypto_assets.datasets.dex.watchlist.table import watchlist
from crypto_assets.spans import Span
from crypto_assets.universe import DexRules
from crypto_assets.warehouse.collected import mark_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.write import Batch, upsert
from crypto_assets_tests.datasets.dex.world import NOW, PoolWorld, lasting

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
KEY = series_of("solana", "pool")
RULES = DexRules()
HOUR = (NOON, NOON + 60 * MINUTE)


def _minutes(first: float, last: float) -> Span:
    return NOON + first * MINUTE, NOON + last * MINUTE


def _collect(warehouse: Warehouse, span: Span, *traded: float) -> None:
    """As if a pool's trades had been collected for a span, in minutes after noon."""
    with warehouse.connect() as connection:
        mark_collected(connection, *KEY.values(), *span)
        for minute in traded:
            upsert(connection, pool_trades, _trade(NOON + minute * MINUTE))


def _trade(at: datetime) -> Batch:
    ones = dict.fromkeys(("price_usd", "amount_base", "amount_quote", "volume_usd"), Decimal(1))
    return {
        "network": "solana", "pool_address": "pool", "traded_at": _wall(at), "tx_hash": str(at), "ordinal": np.array([1]),
        "block_number": np.array([1]), "side": "buy", "sender": "s", "source": "test", "known_at": _wall(at), **ones,
    }  # fmt: skip


def _wall(at: datetime) -> NDArray[np.datetime64]:
    return np.array([at.replace(tzinfo=None)], dtype="datetime64[us]")


def _untraded(warehouse: Warehouse, length: timedelta = MINUTE, window: Span = HOUR) -> list[Span]:
    with warehouse.connect() as connection:
        return untraded_spans(connection, "solana", "pool", length, window, RULES)


def _watch(warehouse: Warehouse, minimum: int, since: datetime, until: datetime | None) -> None:
    entry = Entry("pool", "pool", "", Decimal(minimum), "", since, until, "pool", since)
    with warehouse.connect() as connection:
        upsert(connection, watchlist, build_rows("solana", [entry]))


def test_bars_that_were_collected_throughout_and_have_no_trade(warehouse: Warehouse) -> None:
    assert _untraded(warehouse) == []
    _collect(warehouse, _minutes(4.5, 20.2), 7, 12.9)
    # From the first whole minute to the last one, but for those of 12:07 and 12:12:54.
    assert _untraded(warehouse) == [_minutes(5, 7), _minutes(8, 12), _minutes(13, 20)]
    assert _untraded(warehouse, 5 * MINUTE) == [_minutes(15, 20)]
    assert _untraded(warehouse, timedelta(hours=1)) == []
    assert _untraded(warehouse, window=_minutes(0, 6)) == [_minutes(5, 6)]


def test_where_trades_were_lost_nothing_is_told(warehouse: Warehouse) -> None:
    _collect(warehouse, _minutes(0, 20))
    with warehouse.connect() as connection:
        name_lost(connection, KEY, _minutes(4.5, 6), "gone", NOON)
    assert _untraded(warehouse) == [_minutes(0, 4), _minutes(6, 20)]


def test_while_only_larger_trades_were_asked_for_nothing_is_told(warehouse: Warehouse) -> None:
    _collect(warehouse, (NOON - timedelta(days=3), NOON + timedelta(days=1)))
    _watch(warehouse, 0, NOON - timedelta(days=3), NOON - timedelta(days=2))
    assert _untraded(warehouse) == [HOUR]
    # The first page of an entry may hold a day: 20 minutes less a day before it came nobody knows any more.
    _watch(warehouse, 10, NOON + timedelta(days=1, minutes=20), None)
    assert _untraded(warehouse) == [_minutes(0, 20)]
    _watch(warehouse, 10, NOON - timedelta(days=1), NOON + 10 * MINUTE)
    assert _untraded(warehouse) == [_minutes(10, 20)]


def test_minutes_are_told_quiet_while_their_longer_bars_are_open(world: PoolWorld) -> None:
    rare = lasting(150).address
    world.follow(rare)
    world.run(collect_pool_trades, PoolTradesConfig())
    world.run(collect_pool_ohlcv, PoolOhlcvConfig())
    gaps = world.gaps("dex/pool_ohlcv", symbol=rare)
    # Trades are known up to 11:59:30, as those of the last minute may still come: of this minute nothing is told.
    last = NOW.replace(minute=0, second=0) - MINUTE
    told = gaps[gaps["gap_start"] < last]
    assert set(told["state"]) == {"venue_quiet"}
    assert set(told["timeframe"]) == {"1m", "5m", "15m", "1h"}
    assert set(gaps.loc[gaps["gap_start"] >= last, "state"]) <= {"missing"}
    assert told.loc[told["timeframe"] == "1m", "gap_end"].max() == last
