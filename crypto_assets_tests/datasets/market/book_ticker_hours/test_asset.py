"""The asset of hours under Dagster: closed hours of a run are added up and checked, the open one is left."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
import yaml

from crypto_assets.datasets.market.book_ticker_hours.asset import sum_up_hours
from crypto_assets.datasets.market.hour_asset import HourRun
from crypto_assets.definitions import build_definitions
from crypto_assets.partitions import VenueWindow, hour_key
from crypto_assets.settings import Settings
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.market.book_ticker_hours.quotes import (
    HOUR,
    SECOND,
    Second,
    at,
    held,
    put_quotes,
)

UNIVERSE = "history_from: 2026-01-01\nvenues: {gate: {markets: [BTC/USDT]}}\nstream: {venues: [gate]}\n"
KEY = dg.AssetKey(["market", "book_ticker_hours"])


@pytest.fixture
def job(warehouse: Warehouse, tmp_path: Path) -> Iterator[dg.JobDefinition]:
    """A run of the asset and its checks."""
    (tmp_path / "universe.yaml").write_text(UNIVERSE)
    with dg.DagsterInstance.ephemeral():
        made = build_definitions(Settings(universe=tmp_path / "universe.yaml", warehouse_url=warehouse.url))
        yield made.resolve_job_def("sum_book_tickers")


def test_a_run_adds_up_the_hours_that_have_ended_and_checks_them(job: dg.JobDefinition, warehouse: Warehouse) -> None:
    begun = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    like = Second(begun - HOUR)
    put_quotes(warehouse, [like, replace(like, at=like.at - HOUR)])
    keys = [hour_key(begun + back * HOUR) for back in (-2, -1)]
    tags = {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[1]}
    result = job.execute_in_process(asset_selection=[KEY], tags=tags)
    [told] = result.asset_materializations_for_node("market__book_ticker_hours")[:1]
    assert told.metadata["dagster/row_count"].value == 2
    hours = told.metadata["hours"]
    assert isinstance(hours, dg.TableMetadataValue)
    assert [(one.data["markets"], one.data["written"]) for one in hours.records] == [(1, 1), (1, 1)]
    assert held(warehouse, "SELECT count(*) FROM market.book_ticker_hours WHERE known_at <= now()") == [(2,)]
    passed = {one.check_name: one.passed for one in result.get_asset_check_evaluations()}
    assert passed == {
        "key_is_unique": True, "parts_within_whole": True, "sample_equals_recounted": True, "seconds_accounted_for": False,
    }  # fmt: skip


def test_the_open_hour_is_left_to_the_next_run(warehouse: Warehouse) -> None:
    start = at("2026-03-02 10:00")
    put_quotes(warehouse, [Second(start), Second(start + HOUR)])
    universe = Universe.model_validate(yaml.safe_load(UNIVERSE))

    def told(now: datetime) -> tuple[object, list[object]]:
        window = VenueWindow("", start, start + 2 * HOUR)
        run = HourRun(dg.build_op_context().log, warehouse, universe, [window], clock=lambda: now)
        metadata = sum_up_hours(run)
        hours = metadata["hours"]
        assert isinstance(hours, dg.TableMetadataValue)
        return metadata["rows_written"].value, [one.data["hour"] for one in hours.records]

    assert told(start + HOUR - SECOND) == (0, ["none has ended"])
    assert told(start + HOUR) == (1, ["2026-03-02 10:00"])
    both = ["2026-03-02 10:00", "2026-03-02 11:00"]
    assert told(start + 2 * HOUR) == (1, both)
    assert told(start + 2 * HOUR) == (0, both)
