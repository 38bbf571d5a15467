"""What a run over hours of quotes shows, driven through Dagster as the schedule does it."""

from datetime import timedelta
from pathlib import Path

import dagster as dg
import yaml

from crypto_assets.datasets.market.book_ticker_snapshots.asset import IS_FINAL, build_asset
from crypto_assets.datasets.market.book_ticker_snapshots.checks import CHECKS
from crypto_assets.partitions import grids_of
from crypto_assets.resources import UniverseFile
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.datasets.market.book_ticker_hours.quotes import Second, at, every_second, held, put_quotes
from crypto_assets_tests.datasets.market.book_ticker_snapshots.universe import universe

START = at("2026-03-02 10:00")
KEY = "2026-03-02-10:00"


def test_a_run_counts_an_hour_names_what_lacks_and_is_checked(warehouse: Warehouse, tmp_path: Path) -> None:
    rows = [*every_second(START, 1800, Second(START)), *every_second(START + timedelta(minutes=45), 900, Second(START))]
    put_quotes(warehouse, rows)
    file = tmp_path / "universe.yaml"
    file.write_text(yaml.safe_dump(universe().model_dump(mode="json", include={"history_from", "venues", "stream"})))
    asset = build_asset(grids_of(universe().history_from, ["gate", "mexc"], ["solana"]))
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [asset, *CHECKS],
            partition_key=KEY,
            instance=instance,
            resources={"warehouse": warehouse, "universe_file": UniverseFile(file, warehouse)},
        )
    [event] = result.get_asset_materialization_events()
    told = {name: value.value for name, value in event.materialization.metadata.items()}
    assert event.partition == KEY
    assert told["dagster/row_count"] == 2700
    assert (told["rows_due"], told["rows_absent"], told["completeness"]) == (3600, 900, 0.75)
    assert (told["stale_share"], told["ledger_rows_written"], told[IS_FINAL]) == (0.0, 1, True)
    [record] = told["markets"].records
    assert (record.data["market"], record.data["absent"], record.data["completeness"]) == ("gate BTC/USDT", 900, 0.75)
    assert "0.00 to 100.00 % of due seconds" in told["completeness_by_minute"]
    checks = {one.check_name: one.passed for one in result.get_asset_check_evaluations()}
    assert checks == dict.fromkeys(checks, True)
    assert len(checks) == len(CHECKS)
    scores = "SELECT checks ? 'seconds_complete', window_start FROM quality.scores WHERE symbol = 'BTC/USDT'"
    assert held(warehouse, scores) == [(True, START)]
