"""What an hour of opportunities shows in the UI, and when Dagster asks for it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from crypto_assets.datasets.market.arbitrage_opportunities.asset import build_asset, describe, read_found
from crypto_assets.datasets.market.arbitrage_opportunities.checks import CHECKS
from crypto_assets.partitions import VenueWindow, grids_of, hour_window
from crypto_assets.resources import UniverseFile
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.market.arbitrage_opportunities.found import (
    HOUR_KEY,
    START_AT,
    empty,
    seconds_of,
    store,
)

GRIDS = grids_of(date(2026, 1, 1), ["gate", "mexc"], ["solana"])
KEY = dg.AssetKey(["market", "arbitrage_opportunities"])
HOUR = VenueWindow("", *hour_window(HOUR_KEY))


@pytest.fixture
def warehouse(shared_warehouse: Warehouse) -> Warehouse:
    empty(shared_warehouse)
    return shared_warehouse


def test_a_run_counts_the_hour_by_route_and_is_checked(warehouse: Warehouse, tmp_path: Path) -> None:
    # Ten seconds in a row and, after one without a snapshot, four more: 8 + 2 rows of two opportunities.
    assert store(warehouse, seconds_of([*range(10), *range(11, 15)])) == 10
    file = tmp_path / "universe.yaml"
    file.write_text("history_from: 2026-01-01\nvenues: {gate: {markets: [BTC/USDT]}, mexc: {markets: [BTC/USDT]}}\n")
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [build_asset(GRIDS), *CHECKS],
            partition_key=HOUR_KEY,
            instance=instance,
            resources={"warehouse": warehouse, "universe_file": UniverseFile(file, warehouse)},
        )
    [event] = result.get_asset_materialization_events()
    told = {name: value.value for name, value in event.materialization.metadata.items()}
    assert (told["dagster/row_count"], told["opportunities"]) == (10, 2)
    [record] = told["routes"].records
    # 101.1 * 0.998 / (100 * 1.0005) - 1 = 0.847376 %; half a coin earns 0.5 * (100.8978 - 100.05).
    assert record.data == {
        "route": "BTC/USDT: mexc → gate",
        "opportunities": 2,
        "seconds": 10,
        "best_net_pct": 0.8474,
        "best_profit_quote": 0.4239,
        "last_at": f"{START_AT + timedelta(seconds=14):%Y-%m-%d %H:%M:%S}",
    }
    assert "At most 10 rows" in told["rows_over_time"]
    checks = {one.check_name: one.passed for one in result.get_asset_check_evaluations()}
    assert checks == dict.fromkeys(checks, True)
    assert len(checks) == len(CHECKS) == 5


def test_an_hour_without_any_is_shown_as_such(warehouse: Warehouse) -> None:
    found = read_found(warehouse, [HOUR])
    told = {name: value.value for name, value in describe(found).items()}
    assert (told["dagster/row_count"], told["opportunities"]) == (0, 0)
    assert told["routes"].records[0].data == {"route": "none was open"}
    assert "rows_over_time" not in told
    assert (len(found.rows), found.rows.sum()) == (60, 0)


def test_many_hours_are_added_up_route_by_route_and_drawn_by_the_hour(warehouse: Warehouse) -> None:
    store(warehouse, seconds_of([*range(5), *range(7200, 7205)]))
    day = VenueWindow("", HOUR.start, HOUR.start + timedelta(hours=13))
    found = read_found(warehouse, [day])
    assert list(found.rows[:4]) == [3, 0, 3, 0]
    apart = read_found(
        warehouse, [HOUR, VenueWindow("", HOUR.start + timedelta(hours=2), HOUR.end + timedelta(hours=2))]
    )
    for one in (found, apart):
        assert one.routes[["opportunities", "seconds"]].to_numpy().tolist() == [[2, 6]]
    assert len(apart.rows) == 120


def test_each_hour_is_asked_for_once_when_it_is_over() -> None:
    defs = dg.Definitions([build_asset(GRIDS)], resources={"warehouse": None, "universe_file": None})
    noon = datetime(2026, 5, 20, 12, tzinfo=UTC)
    asked = []
    with dg.DagsterInstance.ephemeral() as instance:
        cursor = None
        for minute in (59, 63, 65, 66, 119, 123, 125, 126):
            now = noon + timedelta(minutes=minute)
            result = dg.evaluate_automation_conditions(defs, instance, evaluation_time=now, cursor=cursor)
            asked += [(minute, key) for key in result.get_requested_partitions(KEY)]
            cursor = result.cursor
    assert asked == [(65, "2026-05-20-12:00"), (125, "2026-05-20-13:00")]
