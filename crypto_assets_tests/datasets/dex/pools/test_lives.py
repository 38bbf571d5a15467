"""Lives of pools: seen, dead by the rule, alive again; and the pools that were known at a date."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from sqlalchemy import select

from crypto_assets.clients.pool_rows import PoolRow
from crypto_assets.datasets.dex.pools.asset import build_gone, build_rows
from crypto_assets.datasets.dex.pools.lives import is_drained, living, note_gone, note_seen
from crypto_assets.datasets.dex.pools.read import pools_as_of
from crypto_assets.datasets.dex.pools.table import dead_pools, pool_births, pool_lives, pools
from crypto_assets.universe import DexRules
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame
from crypto_assets.warehouse.write import upsert
from crypto_assets_tests.datasets.dex.pools.rows import ALIVE, DRAINED, pool
from crypto_assets_tests.datasets.dex.world import KeptOpen

RULES = DexRules()  # a pool with less than 100 dollars and no trade is dead
DAYS = [datetime(2026, 3, day, tzinfo=UTC) for day in range(1, 12)]


@pytest.fixture
def warehouse(warehouse: Warehouse) -> Iterator[Warehouse]:
    kept = KeptOpen(warehouse)
    yield kept
    kept.close()


def _seen(warehouse: Warehouse, at: datetime, *rows: PoolRow) -> None:
    with warehouse.connect() as connection:
        note_seen(connection, "solana", rows, at, "test", RULES)
        upsert(connection, pools, build_rows("solana", [(row, "top") for row in rows], at))


def _gone(warehouse: Warehouse, at: datetime, *addresses: str) -> int:
    with warehouse.connect() as connection:
        gone = note_gone(connection, "solana", addresses, at)
        if gone:
            upsert(connection, pools, build_gone("solana", gone, at))
    return len(gone)


def _life(warehouse: Warehouse, address: str = "pool") -> tuple[datetime, datetime, datetime | None, str]:
    row = read_frame(warehouse, select(pool_lives).where(pool_lives.c.pool_address == address)).to_dict("records")[0]
    dead_at = None if pd.isna(row["dead_at"]) else row["dead_at"]
    return row["first_seen_at"], row["last_seen_at"], dead_at, row["death"]


@pytest.mark.parametrize(
    ("changed", "is_dead"),
    [
        ({}, True),
        ({"reserve_usd": 100.0}, False),
        ({"reserve_usd": None}, False),
        ({"buys": {"24h": 1}}, False),
        ({"sells": {"24h": 1}}, False),
        ({"buys": {}}, False),
        ({"sells": {"1h": 0}}, False),
    ],
)
def test_nothing_traded_for_a_day_and_next_to_nothing_left_is_drained(
    changed: dict[str, object], is_dead: bool
) -> None:
    assert is_drained(replace(DRAINED, **changed), RULES) == is_dead  # type: ignore[arg-type]


def test_a_life_from_first_sight_to_death_and_back(warehouse: Warehouse) -> None:
    _seen(warehouse, DAYS[1], pool("pool"))
    assert _life(warehouse) == (DAYS[1], DAYS[1], None, "")
    _seen(warehouse, DAYS[2], pool("pool", DRAINED))
    assert _life(warehouse) == (DAYS[1], DAYS[2], DAYS[2], "drained")
    _seen(warehouse, DAYS[3], pool("pool", DRAINED))
    assert _life(warehouse) == (DAYS[1], DAYS[3], DAYS[2], "drained")  # since when does not move
    assert dead_pools(warehouse, "solana") == {"pool"}
    _seen(warehouse, DAYS[4], pool("pool"))
    assert _life(warehouse) == (DAYS[1], DAYS[4], None, "")
    assert _gone(warehouse, DAYS[5], "pool", "never seen") == 1
    assert _life(warehouse) == (DAYS[1], DAYS[4], DAYS[5], "unlisted")
    _gone(warehouse, DAYS[6], "pool")
    assert _life(warehouse)[2:] == (DAYS[5], "unlisted")
    _seen(warehouse, DAYS[7], pool("pool"))
    assert _life(warehouse)[2:] == (None, "")
    assert dead_pools(warehouse, "solana") == dead_pools(warehouse, "ethereum") == frozenset()


def test_an_older_snapshot_never_overrides_a_newer_one(warehouse: Warehouse) -> None:
    _seen(warehouse, DAYS[5], pool("pool"))
    _seen(warehouse, DAYS[3], pool("pool", DRAINED, created_at=DAYS[0]))
    assert _life(warehouse) == (DAYS[3], DAYS[5], None, "")
    assert pool_births(warehouse, "solana") == {"pool": DAYS[0]}
    assert _gone(warehouse, DAYS[4], "pool") == 0  # it was seen since
    assert _life(warehouse) == (DAYS[3], DAYS[5], None, "")
    _seen(warehouse, DAYS[6], pool("pool", DRAINED))
    _seen(warehouse, DAYS[5] + timedelta(hours=1), pool("pool"))
    assert _life(warehouse) == (DAYS[3], DAYS[6], DAYS[6], "drained")
    assert pool_births(warehouse, "solana") == {"pool": DAYS[0]}  # a snapshot that does not say takes nothing away


def test_those_that_live_are_asked_in_turn(connection: Connection) -> None:
    for day, address in ((3, "c"), (1, "a"), (2, "b"), (9, "young")):
        note_seen(connection, "solana", [pool(address)], DAYS[day], "test", RULES)
    note_seen(connection, "solana", [pool("dead", DRAINED)], DAYS[0], "test", RULES)
    note_seen(connection, "ethereum", [pool("elsewhere")], DAYS[0], "test", RULES)
    assert living(connection, "solana", DAYS[9], 10) == ["a", "b", "c"]
    assert living(connection, "solana", DAYS[9], 2) == ["a", "b"]


def test_the_pools_of_a_date_are_those_known_then_as_they_were_then(warehouse: Warehouse) -> None:
    _seen(warehouse, DAYS[1], pool("rich", reserve_usd=9000.0, created_at=DAYS[0]), pool("poor", reserve_usd=50.0))
    _seen(warehouse, DAYS[3], pool("rich", reserve_usd=1.0, buys={"24h": 0}, sells={"24h": 0}), pool("late"))
    _gone(warehouse, DAYS[5], "poor")

    def known(at: datetime) -> list[tuple[str, float | None, bool, datetime]]:
        rows = pools_as_of(warehouse, "solana", at, RULES)
        reserves = [None if pd.isna(reserve) else reserve for reserve in rows["reserve_usd"]]
        return list(zip(rows["pool_address"], reserves, rows["is_dead"], rows["seen_at"], strict=True))

    assert known(DAYS[0]) == []
    # The day after: what will be drained is the largest, what will be found later is not there.
    assert known(DAYS[2]) == [("rich", 9000.0, False, DAYS[1]), ("poor", 50.0, False, DAYS[1])]
    assert known(DAYS[3] - timedelta(microseconds=1)) == known(DAYS[2])
    assert known(DAYS[3]) == [
        ("late", 5000.0, False, DAYS[3]),
        ("poor", 50.0, False, DAYS[1]),
        ("rich", 1.0, True, DAYS[3]),
    ]
    # Dead ones stay, whatever they died of.
    assert known(DAYS[6]) == [
        ("late", 5000.0, False, DAYS[3]),
        ("rich", 1.0, True, DAYS[3]),
        ("poor", None, True, DAYS[5]),
    ]
    [rich] = [
        row
        for row in pools_as_of(warehouse, "solana", DAYS[2], RULES).to_dict("records")
        if row["pool_address"] == "rich"
    ]
    assert (rich["age_days"], rich["buys_24h"], float(rich["price_usd"])) == (2.0, 3, 2.0)
    assert pools_as_of(warehouse, "ethereum", DAYS[6], RULES).empty


def test_where_nothing_is_told_nobody_is_called_dead(warehouse: Warehouse) -> None:
    _seen(warehouse, DAYS[1], replace(ALIVE, reserve_usd=None, buys={}, sells={}))
    [row] = pools_as_of(warehouse, "solana", DAYS[2], RULES).to_dict("records")
    assert row["is_dead"] is False or not row["is_dead"]
